// Loads, stores, constants and moves within the stack (AMD64 APM vol. 5: FLD, FILD, FBLD, FST, FIST, FISTTP, FBSTP, FLD1 …, FXCH, FCMOVcc, FFREE, FINCSTP, FDECSTP).

import { R_FAULT, R_NEXT } from '../ir/results'
import {
  X87_FILD_16, X87_FILD_32, X87_FIST_16, X87_FIST_32, X87_FISTP_16, X87_FISTP_32, X87_FISTP_64, X87_FISTTP_16, X87_FISTTP_32, X87_FLD_M32, X87_FST_M32, X87_FSTP_M32,
  X87_FST_M64, X87_FSTP_STI, X87_FSTPNCE,
} from '../ir/x87-ids'
import { T0, VT0 } from '../state/layout'
import { faulted, rec_d, rec_imm2 } from './fault'
import { get_flags } from './flags'
import { load16, load32, load64, load_bytes, probe_write, store16, store32, store64, store_bytes } from './memory'
import { sf_flags, sf_masks, sf_round, SF_IE, SF_OE, SF_PE, SF_UE } from './softfloat-state'
import { b_sign, f80_b_f32, f80_b_f64, f80_b_int, f80_set, z_se, z_sig } from './softfloat-f80'
import { f80_from_b, f80_to_decimal, f80_to_f32, f80_to_f64, f80_to_int } from './softfloat-f80-convert'
import {
  commit_flags, control, finish_push, INDEFINITE_SE, INDEFINITE_SIG, load_b, overflow_push, pop, push, set_codes, set_top, st_empty, st_free, st_se,
  st_set, st_sig, stack_fault, SW_C1, top, underflow_into, x87_begin,
} from './x87-stack'

/** FLD m32, m64: exact; a denormal or signalling operand is an exception. */
export function x87_load_float(s: usize, id: i32): u32 {
  const la = load<u64>(s, T0)
  const v = id == X87_FLD_M32 ? load32(s, la) : load64(s, la)
  if (faulted(s)) return R_FAULT

  if (!st_empty(s, 7)) return overflow_push(s)
  x87_begin(s)
  if (id == X87_FLD_M32) f80_b_f32(<u32>v)
  else f80_b_f64(v)
  f80_from_b()
  commit_flags(s)
  if (!store_stopped()) push(s, z_sig, z_se)
  return R_NEXT
}

export function x87_load_int(s: usize, id: i32): u32 {
  const la = load<u64>(s, T0)
  const v: i64 = id == X87_FILD_16 ? <i64>(<i16>load16(s, la)) : id == X87_FILD_32 ? <i64>(<i32>load32(s, la)) : <i64>load64(s, la)
  if (faulted(s)) return R_FAULT

  if (!st_empty(s, 7)) return overflow_push(s)
  x87_begin(s)
  f80_b_int(v)
  f80_from_b()
  return finish_push(s)
}

/** FLD m80: any bits, no exception but of the stack. */
export function x87_load_extended(s: usize): u32 {
  if (!load_bytes(s, load<u64>(s, T0), s + VT0, 10)) return R_FAULT

  if (!st_empty(s, 7)) return overflow_push(s)
  set_codes(s, 0, SW_C1)
  push(s, load<u64>(s, VT0), load<u16>(s, VT0 + 8))
  return R_NEXT
}

/** FBLD: 18 packed decimal digits and a sign. */
export function x87_load_decimal(s: usize): u32 {
  if (!load_bytes(s, load<u64>(s, T0), s + VT0, 10)) return R_FAULT

  if (!st_empty(s, 7)) return overflow_push(s)
  let n: u64 = 0
  for (let i: i32 = 8; i >= 0; i--) {
    const b = load<u8>(s + VT0 + i)
    n = n * 100 + (b >> 4) * 10 + (b & 15)
  }
  x87_begin(s)
  f80_b_int(<i64>n)
  f80_from_b()
  f80_set_sign(load<u8>(s, VT0 + 9) >> 7)
  return finish_push(s)
}

function f80_set_sign(sign: u32): void {
  f80_set(z_sig, z_se | (sign << 15))
}

/** FLD1 … FLDZ: the five irrational ones follow the rounding mode, without a precision exception. */
export function x87_constant(s: usize, rec: usize): u32 {
  if (!st_empty(s, 7)) return overflow_push(s)
  const rc = (control(s) >> 10) & 3
  const up = u64(rc == 2)
  const down = u64(rc == 1 || rc == 3)
  set_codes(s, 0, SW_C1)
  switch (rec_d(rec) & 7) {
    case 0:
      push(s, 0x8000000000000000, 0x3fff)
      break
    case 1:
      push(s, 0xd49a784bcd1b8afe + up, 0x4000)
      break
    case 2:
      push(s, 0xb8aa3b295c17f0bc - down, 0x3fff)
      break
    case 3:
      push(s, 0xc90fdaa22168c235 - down, 0x4000)
      break
    case 4:
      push(s, 0x9a209a84fbcff799 - down, 0x3ffd)
      break
    case 5:
      push(s, 0xb17217f7d1cf79ac - down, 0x3ffe)
      break
    default:
      push(s, 0, 0)
  }
  return R_NEXT
}

/** An unmasked invalid, overflow or underflow: memory and stack stay as they are, but a page fault comes first. */
function store_stopped(): bool {
  return (sf_flags & ~sf_masks & (SF_IE | SF_OE | SF_UE)) != 0
}

function store_sized(s: usize, v: u64, n: u32): void {
  const la = load<u64>(s, T0)
  if (n == 2) store16(s, la, v)
  else if (n == 4) store32(s, la, v)
  else store64(s, la, v)
}

function store_done(s: usize, v: u64, n: u32): bool {
  store_sized(s, v, n)
  return !faulted(s)
}

/** Ends a store of `n` bytes: memory first, since that may fault, then flags, then the pop. */
function finish_store(s: usize, v: u64, n: u32, pops: bool): u32 {
  if (store_stopped() ? !probe_write(s, load<u64>(s, T0), n) : !store_done(s, v, n)) return R_FAULT

  const kept = store_stopped()
  if (kept) sf_flags &= ~SF_PE
  commit_flags(s)
  if (pops && !kept) pop(s)
  return R_NEXT
}

/** A store of an empty register: the indefinite goes to memory if invalid is masked. */
function underflow_store(s: usize, indefinite: u64, n: u32, pops: bool): u32 {
  const masked = (control(s) & SF_IE) != 0
  if (masked ? !store_done(s, indefinite, n) : !probe_write(s, load<u64>(s, T0), n)) return R_FAULT

  stack_fault(s, false)
  if (pops && masked) pop(s)
  return R_NEXT
}

export function x87_store_float(s: usize, id: i32): u32 {
  const single = id == X87_FST_M32 || id == X87_FSTP_M32
  const pops = id != X87_FST_M32 && id != X87_FST_M64
  if (st_empty(s, 0)) return underflow_store(s, single ? 0xffc00000 : 0xfff8000000000000, single ? 4 : 8, pops)
  x87_begin(s)
  load_b(s, 0)
  return single ? finish_store(s, f80_to_f32(), 4, pops) : finish_store(s, f80_to_f64(), 8, pops)
}

export function x87_store_extended(s: usize): u32 {
  const empty = st_empty(s, 0)
  const masked = (control(s) & SF_IE) != 0
  if (!empty || masked) {
    store<u64>(s, empty ? INDEFINITE_SIG : st_sig(s, 0), VT0)
    store<u16>(s, empty ? INDEFINITE_SE : st_se(s, 0), VT0 + 8)
    if (!store_bytes(s, load<u64>(s, T0), s + VT0, 10)) return R_FAULT
  } else if (!probe_write(s, load<u64>(s, T0), 10)) return R_FAULT

  if (empty) {
    if (stack_fault(s, false)) pop(s)
    return R_NEXT
  }
  set_codes(s, 0, SW_C1)
  pop(s)
  return R_NEXT
}

/** FIST, FISTP, FISTTP. */
export function x87_store_int(s: usize, id: i32): u32 {
  const n: u32 =
    id == X87_FIST_16 || id == X87_FISTP_16 || id == X87_FISTTP_16 ? 2 : id == X87_FIST_32 || id == X87_FISTP_32 || id == X87_FISTTP_32 ? 4 : 8
  const pops = id != X87_FIST_16 && id != X87_FIST_32
  if (st_empty(s, 0)) return underflow_store(s, <u64>1 << (n * 8 - 1), n, pops)
  x87_begin(s)
  load_b(s, 0)
  const v = f80_to_int(n * 8, id > X87_FISTP_64 ? 3 : sf_round)
  return finish_store(s, v, n, pops)
}

/** FBSTP: byte 9 holds the sign alone. */
export function x87_store_decimal(s: usize): u32 {
  const empty = st_empty(s, 0)
  x87_begin(s)
  if (empty) sf_flags = SF_IE
  else load_b(s, 0)
  const v = empty ? u64.MAX_VALUE : f80_to_decimal()
  if (!store_stopped()) {
    if (v == u64.MAX_VALUE) {
      store<u64>(s, 0xc000000000000000, VT0)
      store<u16>(s, 0xffff, VT0 + 8)
    } else decimal_digits(s + VT0, v, b_sign)
    if (!store_bytes(s, load<u64>(s, T0), s + VT0, 10)) return R_FAULT
  } else if (!probe_write(s, load<u64>(s, T0), 10)) return R_FAULT

  if (empty) stack_fault(s, false)
  else commit_flags(s)
  if (!store_stopped()) pop(s)
  return R_NEXT
}

function decimal_digits(to: usize, v: u64, sign: u32): void {
  for (let i: usize = 0; i < 9; i++) {
    const two = <u32>(v % 100)
    v /= 100
    store<u8>(to + i, ((two / 10) << 4) | two % 10)
  }
  store<u8>(to, sign << 7, 9)
}

export function x87_load_register(s: usize, rec: usize): u32 {
  const i = rec_d(rec) & 7
  if (st_empty(s, i)) {
    if (stack_fault(s, false)) push(s, INDEFINITE_SIG, INDEFINITE_SE)
    return R_NEXT
  }
  if (!st_empty(s, 7)) return overflow_push(s)
  set_codes(s, 0, SW_C1)
  push(s, st_sig(s, i), st_se(s, i))
  return R_NEXT
}

export function x87_store_register(s: usize, rec: usize, id: i32): u32 {
  const i = rec_d(rec) & 7
  const pops = id == X87_FSTP_STI || id == X87_FSTPNCE
  if (st_empty(s, 0) && id != X87_FSTPNCE) return underflow_into(s, i, pops)
  set_codes(s, 0, SW_C1)
  if (!st_empty(s, 0)) st_set(s, i, st_sig(s, 0), st_se(s, 0))
  if (pops) pop(s)
  return R_NEXT
}

/** FXCH: with invalid masked, an empty register counts as holding the indefinite. */
export function x87_exchange(s: usize, rec: usize): u32 {
  const i = rec_d(rec) & 7
  const e0 = st_empty(s, 0)
  const ei = st_empty(s, i)
  if (e0 || ei) {
    if (!stack_fault(s, false)) return R_NEXT
    if (e0) st_set(s, 0, INDEFINITE_SIG, INDEFINITE_SE)
    if (ei) st_set(s, i, INDEFINITE_SIG, INDEFINITE_SE)
  } else set_codes(s, 0, SW_C1)
  const sig = st_sig(s, 0)
  const se = st_se(s, 0)
  st_set(s, 0, st_sig(s, i), st_se(s, i))
  st_set(s, i, sig, se)
  return R_NEXT
}

/** FCMOVcc: DA = condition, DB = its opposite; CF, ZF, CF|ZF, PF by ModRM.reg. */
export function x87_move_if(s: usize, rec: usize): u32 {
  const i = rec_d(rec) & 7
  const opcode = <u32>rec_imm2(rec)
  const which = (opcode >> 3) & 3
  const f = get_flags(s) & (which == 0 ? 1 : which == 1 ? 0x40 : which == 2 ? 0x41 : 4)
  if (st_empty(s, 0) || st_empty(s, i)) return underflow_into(s, 0, false)
  if ((f != 0) == ((opcode >> 8) == 2)) st_set(s, 0, st_sig(s, i), st_se(s, i))
  return R_NEXT
}

export function x87_free(s: usize, rec: usize, pops: bool): u32 {
  st_free(s, rec_d(rec) & 7)
  set_codes(s, 0, SW_C1)
  if (pops) pop(s)
  return R_NEXT
}

export function x87_turn(s: usize, by: u32): u32 {
  set_codes(s, 0, SW_C1)
  set_top(s, top(s) + by)
  return R_NEXT
}

/** FCHS, FABS: the sign bit alone, whatever the operand. */
export function x87_sign(s: usize, flip: bool): u32 {
  if (st_empty(s, 0)) return underflow_into(s, 0, false)
  set_codes(s, 0, SW_C1)
  const se = st_se(s, 0)
  st_set(s, 0, st_sig(s, 0), flip ? se ^ 0x8000 : se & 0x7fff)
  return R_NEXT
}
