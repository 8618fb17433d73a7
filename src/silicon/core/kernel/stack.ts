// The stack outside the fast path: 16- and 32-bit stacks, 16-bit pushes in 64-bit mode, PUSHA, ENTER and the near transfers of legacy modes.
// APM vol. 3: PUSH, POP, PUSHA, POPA, ENTER, LEAVE, CALL (near), RET (near).

import { MODE, MODE_STACK32, PC, RBP, RSP, SS, T0, T1 } from '../state/layout'
import {
  H_ENTER,
  H_LEAVE,
  H_NEAR_CALL,
  H_NEAR_RET,
  H_POP,
  H_POP_MEMORY,
  H_POPA,
  H_PUSH,
  H_PUSHA,
} from '../ir/helper-ids'
import { R_FAULT, R_JUMP, R_NEXT } from '../ir/results'
import { beyond_code_limit, in_long_mode, linear } from './address'
import { faulted, next_pc, raise_error, GP, rec_a, rec_b, rec_imm2, rec_imm16 } from './fault'
import { get_sized, put_sized } from './integer'
import { load16, load32, load64, probe_write, store16, store32, store64 } from './memory'

export function stack_mask(s: usize): u64 {
  if (in_long_mode(s)) return ~(<u64>0)
  return load<u32>(s, MODE) & MODE_STACK32 ? 0xffffffff : 0xffff
}

/** Writes the stack pointer within the stack's address size. */
export function set_stack_pointer(s: usize, slot: u32, v: u64): void {
  const mask = stack_mask(s)
  if (mask == 0xffff) store<u16>(s + slot, <u16>v)
  else store<u64>(s + slot, v & mask)
}

function load_sized(s: usize, la: u64, n: u32): u64 {
  return n == 8 ? load64(s, la) : n == 4 ? load32(s, la) : load16(s, la)
}
function store_sized(s: usize, la: u64, n: u32, v: u64): void {
  if (n == 8) store64(s, la, v)
  else if (n == 4) store32(s, la, v)
  else store16(s, la, v)
}

/** Stores `v` of `n` bytes below stack pointer value `sp` and returns the new value; RSP itself is not written. Check `faulted`. */
export function push_at(s: usize, sp: u64, n: u32, v: u64): u64 {
  const to = (sp - n) & stack_mask(s)
  const la = linear(s, SS, to, n, true)
  if (!faulted(s)) store_sized(s, la, n, v)
  return to
}

/** Loads `n` bytes at stack pointer value `sp`. Check `faulted`. */
export function pop_at(s: usize, sp: u64, n: u32): u64 {
  const la = linear(s, SS, sp & stack_mask(s), n, false)
  return faulted(s) ? 0 : load_sized(s, la, n)
}

function push(s: usize, n: u32, v: u64): u32 {
  const to = push_at(s, load<u64>(s, RSP), n, v)
  if (faulted(s)) return R_FAULT
  set_stack_pointer(s, RSP, to)
  return R_NEXT
}

// @ts-ignore: decorator
@inline
function size_number(n: u32): u32 {
  return n == 8 ? 3 : n >> 1
}

function pop_register(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const sp = load<u64>(s, RSP)
  const v = pop_at(s, sp, n)
  if (faulted(s)) return R_FAULT
  set_stack_pointer(s, RSP, sp + n)
  put_sized(s, rec_a(rec), size_number(n), v)
  return R_NEXT
}

/** POP m: the lowering has computed the address in T0 with RSP already raised. */
function pop_memory(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const sp = load<u64>(s, RSP)
  const v = pop_at(s, sp, n)
  if (faulted(s)) return R_FAULT
  store_sized(s, load<u64>(s, T0), n, v)
  if (faulted(s)) return R_FAULT
  set_stack_pointer(s, RSP, sp + n)
  return R_NEXT
}

function push_all(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  let sp = load<u64>(s, RSP)
  const original = sp
  // The lowest and highest bytes are checked first, so that a fault leaves nothing behind.
  const lowest = (sp - n * 8) & stack_mask(s)
  const la = linear(s, SS, lowest, n * 8, true)
  if (faulted(s) || !probe_write(s, la, n * 8)) return R_FAULT
  for (let r: u32 = 0; r < 8; r++) {
    const v = r * 8 == RSP ? original : load<u64>(s + r * 8)
    sp = push_at(s, sp, n, v)
  }
  set_stack_pointer(s, RSP, sp)
  return R_NEXT
}

function pop_all(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const sp = load<u64>(s, RSP)
  for (let r: u32 = 0; r < 8; r++) {
    pop_at(s, sp + r * n, n)
    if (faulted(s)) return R_FAULT
  }
  for (let r: u32 = 0; r < 8; r++) {
    const slot = (7 - r) * 8
    if (slot != RSP) put_sized(s, slot, size_number(n), pop_at(s, sp + r * n, n))
  }
  set_stack_pointer(s, RSP, sp + n * 8)
  return R_NEXT
}

/** ENTER imm16, imm8: imm2 = allocation | level << 16. */
function enter(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const level = (rec_imm2(rec) >> 16) & 31
  let sp = push_at(s, load<u64>(s, RSP), n, load<u64>(s, RBP))
  if (faulted(s)) return R_FAULT
  const frame = sp
  let bp = load<u64>(s, RBP)
  for (let i: i32 = 1; i < level; i++) {
    bp = (bp - n) & stack_mask(s)
    const v = pop_at(s, bp, n)
    if (!faulted(s)) sp = push_at(s, sp, n, v)
    if (faulted(s)) return R_FAULT
  }
  if (level) sp = push_at(s, sp, n, frame)
  const final = sp - <u64>(rec_imm2(rec) & 0xffff)
  if (faulted(s)) return R_FAULT
  // The new top of stack must be writable (APM vol. 3, ENTER).
  const top = linear(s, SS, final & stack_mask(s), n, true)
  if (faulted(s) || !probe_write(s, top, n)) return R_FAULT
  put_sized(s, RBP, size_number(n), frame)
  set_stack_pointer(s, RSP, final)
  return R_NEXT
}

function leave(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const sp = load<u64>(s, RBP) & stack_mask(s)
  const v = pop_at(s, sp, n)
  if (faulted(s)) return R_FAULT
  set_stack_pointer(s, RSP, sp + n)
  put_sized(s, RBP, size_number(n), v)
  return R_NEXT
}

/** Near CALL: the target offset stands in T1. */
function near_call(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const target = get_sized(s, T1, size_number(n))
  if (!in_long_mode(s) && beyond_code_limit(s, target)) return raise_error(s, GP, 0)
  const sp = load<u64>(s, RSP)
  const to = push_at(s, sp, n, next_pc(s, rec))
  if (faulted(s)) return R_FAULT
  set_stack_pointer(s, RSP, to)
  store<u64>(s, target, PC)
  return R_JUMP
}

function near_return(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const sp = load<u64>(s, RSP)
  const target = pop_at(s, sp, n)
  if (faulted(s)) return R_FAULT
  if (!in_long_mode(s) && beyond_code_limit(s, target)) return raise_error(s, GP, 0)
  if (in_long_mode(s) && n == 8 && (<i64>(target << 16) >> 16) != <i64>target && (<i64>(target << 7) >> 7) != <i64>target) return raise_error(s, GP, 0)
  set_stack_pointer(s, RSP, sp + n + <u64>(rec_imm2(rec) & 0xffff))
  store<u64>(s, target, PC)
  return R_JUMP
}

export function stack_helper(s: usize, rec: usize): u32 {
  const id = rec_imm16(rec)
  if (id == H_PUSH) return push(s, rec_b(rec), rec_a(rec) == 0xff ? <u64>(<i64>rec_imm2(rec)) : load<u64>(s + rec_a(rec)))
  if (id == H_POP) return pop_register(s, rec)
  if (id == H_POP_MEMORY) return pop_memory(s, rec)
  if (id == H_PUSHA) return push_all(s, rec)
  if (id == H_POPA) return pop_all(s, rec)
  if (id == H_ENTER) return enter(s, rec)
  if (id == H_LEAVE) return leave(s, rec)
  if (id == H_NEAR_CALL) return near_call(s, rec)
  if (id == H_NEAR_RET) return near_return(s, rec)
  return R_NEXT
}
