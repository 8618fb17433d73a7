// The less regular IR records: stack, control transfer, checks, 16-byte moves. The inline ones stand in the interpreter's loop.

import { LINK_16 } from '../ir/ops'
import { NOTES_BYTES, NOTES_MAX } from '../ir/region-tables'
import { NOTES_TABLE } from '../../fabric-layout'
import { R_FAULT, R_JUMP } from '../ir/results'
import { BUDGET, CR4, PC, RSP, XMM, XMM_STRIDE } from '../state/layout'
import { push64, stop_at } from './access'
import { beyond_code_limit, linear } from './address'
import { follow_link, jump_quickly } from './dispatch'
import { faulted, GP, raise, raise_error, SS_FAULT } from './fault'
import { load_bytes, read_hit, slow_load, store_bytes, write_hit } from './memory'

/** Below this many instructions the dispatcher decides whether the next block still fits. */
export const BUDGET_LOW: i64 = 64
const CR4_LA57: u64 = 1 << 12

// @ts-ignore: decorator
@inline
export function scaled(s: usize, ip: usize): u64 {
  return load<u64>(s + load<u8>(ip, 3)) + (load<u64>(s + load<u8>(ip, 4)) << load<u8>(ip, 5)) + <u64>(<i64>load<i32>(ip, 8))
}

// @ts-ignore: decorator
@inline
export function exchange<T>(s: usize, ip: usize): void {
  const a = load<T>(s + load<u8>(ip, 2))
  const b = load<T>(s + load<u8>(ip, 3))
  store<T>(s + load<u8>(ip, 3), a)
  store<T>(s + load<u8>(ip, 2), b)
  if (sizeof<T>() == 4) {
    store<u32>(s + load<u8>(ip, 3), 0, 4)
    store<u32>(s + load<u8>(ip, 2), 0, 4)
  }
}

function is_canonical(s: usize, la: i64): bool {
  return load<u64>(s, CR4) & CR4_LA57 ? (la << 7) >> 7 == la : (la << 16) >> 16 == la
}

/** OP_CANONICAL. */
export function check_canonical(s: usize, ip: usize): usize {
  if (is_canonical(s, load<i64>(s + load<u8>(ip, 3)) + load<i32>(ip, 8))) return ip + 16
  raise_error(s, SS_FAULT, 0)
  return stop_at(s, ip)
}

/** OP_SEGMENT. */
export function segment_address(s: usize, ip: usize): usize {
  const offset = (load<u64>(s + load<u8>(ip, 3)) + <u64>(<i64>load<i32>(ip, 12))) & <u64>load<u32>(ip, 8)
  const c: u32 = load<u8>(ip, 5)
  const la = linear(s, load<u8>(ip, 4), offset, c & 0x7f, (c & 0x80) != 0)
  if (faulted(s)) return stop_at(s, ip)
  store<u64>(s + load<u8>(ip, 2), la)
  return ip + 16
}

/** OP_RAISE. Always 0. */
export function raise_now(s: usize, ip: usize): usize {
  if (load<u8>(ip, 3)) raise_error(s, load<u8>(ip, 2), load<u32>(ip, 12))
  else raise(s, load<u8>(ip, 2))
  return stop_at(s, ip)
}

/** Charges the instructions of the block that ends with terminator `ip`. True while whole blocks may go on. */
// @ts-ignore: decorator
@inline
function retire(s: usize, ip: usize): bool {
  const budget = load<i64>(s, BUDGET) - load<u8>(ip, 5)
  store<i64>(s, budget, BUDGET)
  return budget >= BUDGET_LOW
}

/** Jumps by the delta at `at`, whose link stands at `at + 4`. */
// @ts-ignore: decorator
@inline
export function transfer(s: usize, ip: usize, at: usize): usize {
  const from = load<u64>(s, PC)
  store<u64>(s, from + <u64>(<i64>load<i32>(at)), PC)
  const link = load<u32>(at, 4)
  if (!retire(s, ip)) return link == LINK_16 ? follow_link(s, from, at + 4) : 0
  return link > <u32>LINK_16 ? <usize>link : follow_link(s, from, at + 4)
}

// @ts-ignore: decorator
@inline
export function branch(s: usize, ip: usize, taken: bool): usize {
  return transfer(s, ip, taken ? ip + 16 : ip + 24)
}

/** #GP(0) on the branch itself where its target is not canonical (APM vol. 2, section 8.2.14: as AMD processors raise it). */
// @ts-ignore: decorator
@inline
function bad_target(s: usize, ip: usize, target: u64): bool {
  if ((target + 0x800000000000) >> 48 == 0) return false
  return refuse_target(s, ip, target)
}

function refuse_target(s: usize, ip: usize, target: u64): bool {
  if (is_canonical(s, <i64>target)) return false
  raise_error(s, GP, 0)
  stop_at(s, ip)
  return true
}

/** Notes for the translator where the call at `ip` goes, from the start of its block. */
// @ts-ignore: decorator
@inline
function note_callee(s: usize, ip: usize, target: u64): void {
  const delta = <i64>(target - load<u64>(s, PC))
  if (<i64>(<i32>delta) == delta) store<i32>(ip, <i32>delta, 12)
}

/** The same for a jump, which may have many targets: those that recur move to the front of its notes. */
function note_target(s: usize, ip: usize, target: u64): void {
  const delta = <i64>(target - load<u64>(s, PC))
  if (<i64>(<i32>delta) != delta) return
  const notes = <usize>NOTES_TABLE + ((ip >> 4) & (NOTES_MAX - 1)) * NOTES_BYTES
  if (<usize>load<u32>(notes) != ip) {
    memory.fill(notes, 0, NOTES_BYTES)
    store<u32>(notes, <u32>ip)
  }
  let at = notes + 4
  const last = notes + NOTES_BYTES - 4
  while (at < last && load<i32>(at) != <i32>delta && load<i32>(at)) at += 4
  if (load<i32>(at) == <i32>delta && at > notes + 4) {
    store<i32>(at, load<i32>(at - 4))
    at -= 4
  }
  store<i32>(at, <i32>delta)
}

/** Jumps to RIP `target`. */
// @ts-ignore: decorator
@inline
export function jump_indirect(s: usize, ip: usize, target: u64): usize {
  if (bad_target(s, ip, target)) return 0
  if (load<u8>(ip, 2) && beyond_code_limit(s, target)) {
    raise_error(s, GP, 0)
    return stop_at(s, ip)
  }
  note_target(s, ip, target)
  return transfer_to(s, ip, target)
}

// @ts-ignore: decorator
@inline
function transfer_to(s: usize, ip: usize, target: u64): usize {
  store<u64>(s, target, PC)
  return retire(s, ip) && !load<u8>(ip, 4) ? jump_quickly(s) : 0
}

// @ts-ignore: decorator
@inline
export function slot_is_zero(s: usize, ip: usize): bool {
  const v = load<u64>(s + load<u8>(ip, 3))
  const n: u32 = load<u8>(ip, 2)
  return n == 8 ? v == 0 : n == 4 ? <u32>v == 0 : <u16>v == 0
}

// ---- the flat stack of 64-bit mode

// @ts-ignore: decorator
@inline
export function push_value(s: usize, ip: usize, v: u64): usize {
  const rsp = load<u64>(s, RSP) - 8
  if (!push64(s, ip, rsp, v)) return 0
  store<u64>(s, rsp, RSP)
  return ip + 16
}

// @ts-ignore: decorator
@inline
export function pop_value(s: usize, ip: usize): usize {
  const rsp = load<u64>(s, RSP)
  const p = read_hit(s, rsp, 8)
  if (!p) return pop_slowly(s, ip, rsp)
  store<u64>(s, rsp + 8, RSP)
  store<u64>(s + load<u8>(ip, 2), load<u64>(p))
  return ip + 16
}

function pop_slowly(s: usize, ip: usize, rsp: u64): usize {
  const v = slow_load(s, rsp, 8)
  if (faulted(s)) return stop_at(s, ip)
  store<u64>(s, rsp + 8, RSP)
  store<u64>(s + load<u8>(ip, 2), v)
  return ip + 16
}

// @ts-ignore: decorator
@inline
export function call_direct(s: usize, ip: usize): usize {
  const rsp = load<u64>(s, RSP) - 8
  if (!push64(s, ip, rsp, load<u64>(s, PC) + (<u32>load<u16>(ip, 3)))) return 0
  store<u64>(s, rsp, RSP)
  return transfer(s, ip, ip + 8)
}

// @ts-ignore: decorator
@inline
export function call_indirect_target(s: usize, ip: usize): usize {
  const rsp = load<u64>(s, RSP) - 8
  const target = load<u64>(s + load<u8>(ip, 3))
  if (bad_target(s, ip, target)) return 0
  if (!push64(s, ip, rsp, load<u64>(s, PC) + load<u32>(ip, 8))) return 0
  store<u64>(s, rsp, RSP)
  note_callee(s, ip, target)
  return transfer_to(s, ip, target)
}

// @ts-ignore: decorator
@inline
export function return_near(s: usize, ip: usize): usize {
  const rsp = load<u64>(s, RSP)
  const p = read_hit(s, rsp, 8)
  if (!p) return return_slowly(s, ip, rsp)
  const target = load<u64>(p)
  if (bad_target(s, ip, target)) return 0
  store<u64>(s, rsp + 8 + load<u32>(ip, 8), RSP)
  return transfer_to(s, ip, target)
}

function return_slowly(s: usize, ip: usize, rsp: u64): usize {
  const v = slow_load(s, rsp, 8)
  if (faulted(s)) return stop_at(s, ip)
  if (bad_target(s, ip, v)) return 0
  store<u64>(s, rsp + 8 + load<u32>(ip, 8), RSP)
  return transfer_to(s, ip, v)
}

/** After a helper that did not answer R_NEXT: makes PC and BUDGET exact. */
export function after_call(s: usize, ip: usize, r: u32): void {
  const index = load<u16>(ip, 6) >> 10
  if (r == R_FAULT) stop_at(s, ip)
  else store<i64>(s, load<i64>(s, BUDGET) - index - (r == R_JUMP ? 1 : 0), BUDGET)
}

// ---- 16-byte moves

function vector_address(s: usize, ip: usize): u64 {
  const la = load<u64>(s + load<u8>(ip, 3)) + <u64>(<i64>load<i32>(ip, 8))
  if (load<u8>(ip, 5) && la & 15) raise_error(s, GP, 0)
  return la
}

export function vector_load(s: usize, ip: usize): usize {
  const la = vector_address(s, ip)
  const to = s + XMM + <usize>load<u8>(ip, 2) * XMM_STRIDE
  if (faulted(s)) return stop_at(s, ip)
  const p = read_hit(s, la, 16)
  if (p) v128.store(to, v128.load(p))
  else if (!load_bytes(s, la, to, 16)) return stop_at(s, ip)
  return ip + 16
}

export function vector_store(s: usize, ip: usize): usize {
  const la = vector_address(s, ip)
  const from = s + XMM + <usize>load<u8>(ip, 2) * XMM_STRIDE
  if (faulted(s)) return stop_at(s, ip)
  const p = write_hit(s, la, 16)
  if (p) v128.store(p, v128.load(from))
  else if (!store_bytes(s, la, from, 16)) return stop_at(s, ip)
  return ip + 16
}
