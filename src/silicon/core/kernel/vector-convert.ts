// Conversions (AMD64 APM vol. 4, CVTxx2yy). Results are gathered first and written when no unmasked exception arose.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { VT1 } from '../state/layout'
import { faulted, rec_d } from './fault'
import {
  f32_to_f64, f32_to_i32, f32_to_i32_trunc, f32_to_i64, f32_to_i64_trunc, f64_to_f32, f64_to_i32, f64_to_i32_trunc, f64_to_i64, f64_to_i64_trunc,
  i32_to_f32, i32_to_f64, i64_to_f32, i64_to_f64,
} from './softfloat'
import { float_begin, float_faults } from './vector-float'
import { enter_mmx, mmx_source, set_mmx, x87_pending } from './vector-mmx'
import { general_source, in_memory, size_y, source16, source32, source64, xmm_d } from './vector-operand'

/** CVTSI2SS, CVTSI2SD: the rest of the register comes from `first`. */
export function from_general(s: usize, rec: usize, to_double: bool, first: usize): u32 {
  const wide = size_y(rec) == 8
  const source = general_source(s, rec, size_y(rec))
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  float_begin(s)
  if (to_double) {
    const result = wide ? i64_to_f64(<i64>source) : i32_to_f64(<i32>source)
    if (float_faults(s)) return R_FAULT
    v128.store(d, v128.load(first))
    store<u64>(d, result)
  } else {
    const result = wide ? i64_to_f32(<i64>source) : i32_to_f32(<i32>source)
    if (float_faults(s)) return R_FAULT
    v128.store(d, v128.load(first))
    store<u32>(d, result)
  }
  return R_NEXT
}

function to_general(s: usize, rec: usize, id: i32): u32 {
  const wide = size_y(rec) == 8
  const single = id == V.V_CVTSS2SI || id == V.V_CVTTSS2SI
  const source = single ? source32(s, rec) : source64(s, rec)
  if (faulted(s)) return R_FAULT
  const a = <u32>source
  float_begin(s)
  let result: u64
  if (id == V.V_CVTSS2SI) result = wide ? f32_to_i64(a) : f32_to_i32(a)
  else if (id == V.V_CVTTSS2SI) result = wide ? f32_to_i64_trunc(a) : f32_to_i32_trunc(a)
  else if (id == V.V_CVTSD2SI) result = wide ? f64_to_i64(source) : f64_to_i32(source)
  else result = wide ? f64_to_i64_trunc(source) : f64_to_i32_trunc(source)
  if (float_faults(s)) return R_FAULT
  store<u64>(s + rec_d(rec), result)
  return R_NEXT
}

/** CVTSS2SD, CVTSD2SS: the rest of the register comes from `first`. */
export function convert_scalar(s: usize, rec: usize, id: i32, first: usize): u32 {
  const source = id == V.V_CVTSS2SD ? source32(s, rec) : source64(s, rec)
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  float_begin(s)
  if (id == V.V_CVTSS2SD) {
    const result = f32_to_f64(<u32>source)
    if (float_faults(s)) return R_FAULT
    v128.store(d, v128.load(first))
    store<u64>(d, result)
  } else {
    const result = f64_to_f32(source)
    if (float_faults(s)) return R_FAULT
    v128.store(d, v128.load(first))
    store<u32>(d, result)
  }
  return R_NEXT
}

/** One element of the packed conversions to four bytes. */
export function to_dword(id: i32, a: u64): u32 {
  switch (id) {
    case V.V_CVTDQ2PS: return i32_to_f32(<i32>a)
    case V.V_CVTPS2DQ: return f32_to_i32(<u32>a)
    case V.V_CVTTPS2DQ: return f32_to_i32_trunc(<u32>a)
    case V.V_CVTPD2DQ: return f64_to_i32(a)
    case V.V_CVTTPD2DQ: return f64_to_i32_trunc(a)
    default: return f64_to_f32(a)
  }
}

/** Four dwords to four, or two quadwords to two dwords with the high half cleared. */
function packed(s: usize, rec: usize, id: i32): u32 {
  const p = source16(s, rec)
  if (!p) return R_FAULT
  const at = s + VT1
  float_begin(s)
  if (id == V.V_CVTDQ2PS || id == V.V_CVTPS2DQ || id == V.V_CVTTPS2DQ) {
    for (let i: u32 = 0; i < 16; i += 4) store<u32>(at + i, to_dword(id, load<u32>(p + i)))
  } else {
    store<u32>(at, to_dword(id, load<u64>(p)))
    store<u32>(at, to_dword(id, load<u64>(p, 8)), 4)
    store<u64>(at, 0, 8)
  }
  if (float_faults(s)) return R_FAULT
  v128.store(xmm_d(s, rec), v128.load(at))
  return R_NEXT
}

/** Two dwords in the low half to two quadwords: CVTDQ2PD, CVTPS2PD. */
function widened(s: usize, rec: usize, integers: bool): u32 {
  const source = source64(s, rec)
  if (faulted(s)) return R_FAULT
  const low = <u32>source
  const high = <u32>(source >> 32)
  const d = xmm_d(s, rec)
  float_begin(s)
  const first = integers ? i32_to_f64(low) : f32_to_f64(low)
  const second = integers ? i32_to_f64(high) : f32_to_f64(high)
  if (float_faults(s)) return R_FAULT
  store<u64>(d, first)
  store<u64>(d, second, 8)
  return R_NEXT
}

/** CVTPI2PS, CVTPI2PD. With a memory source they do not touch the x87 state; with a register they enter MMX state even when #XF follows. */
function from_mmx(s: usize, rec: usize, to_double: bool): u32 {
  if (!in_memory(rec)) {
    if (x87_pending(s)) return R_FAULT
    enter_mmx(s)
  }
  const source = mmx_source(s, rec)
  if (faulted(s)) return R_FAULT
  const low = <i32>source
  const high = <i32>(source >> 32)
  const d = xmm_d(s, rec)
  float_begin(s)
  if (to_double) {
    store<u64>(d, i32_to_f64(low))
    store<u64>(d, i32_to_f64(high), 8)
  } else {
    const pair = <u64>i32_to_f32(low) | (<u64>i32_to_f32(high) << 32)
    if (float_faults(s)) return R_FAULT
    store<u64>(d, pair)
  }
  return R_NEXT
}

/** CVT(T)PS2PI, CVT(T)PD2PI: MMX state is entered even when #XF follows. */
function to_mmx(s: usize, rec: usize, id: i32): u32 {
  if (x87_pending(s)) return R_FAULT
  let low: u32, high: u32
  if (id == V.V_CVTPS2PI || id == V.V_CVTTPS2PI) {
    const source = source64(s, rec)
    if (faulted(s)) return R_FAULT
    const form = id == V.V_CVTPS2PI ? V.V_CVTPS2DQ : V.V_CVTTPS2DQ
    float_begin(s)
    low = to_dword(form, source & 0xffffffff)
    high = to_dword(form, source >> 32)
  } else {
    const p = source16(s, rec)
    if (!p) return R_FAULT
    const form = id == V.V_CVTPD2PI ? V.V_CVTPD2DQ : V.V_CVTTPD2DQ
    float_begin(s)
    low = to_dword(form, load<u64>(p))
    high = to_dword(form, load<u64>(p, 8))
  }
  enter_mmx(s)
  if (float_faults(s)) return R_FAULT
  set_mmx(s, rec_d(rec), <u64>low | (<u64>high << 32))
  return R_NEXT
}

export function convert(s: usize, rec: usize, id: i32): u32 {
  switch (id) {
    case V.V_CVTSI2SS: return from_general(s, rec, false, xmm_d(s, rec))
    case V.V_CVTSI2SD: return from_general(s, rec, true, xmm_d(s, rec))
    case V.V_CVTSS2SI:
    case V.V_CVTTSS2SI:
    case V.V_CVTSD2SI:
    case V.V_CVTTSD2SI: return to_general(s, rec, id)
    case V.V_CVTSS2SD:
    case V.V_CVTSD2SS: return convert_scalar(s, rec, id, xmm_d(s, rec))
    case V.V_CVTDQ2PD: return widened(s, rec, true)
    case V.V_CVTPS2PD: return widened(s, rec, false)
    case V.V_CVTPI2PS: return from_mmx(s, rec, false)
    case V.V_CVTPI2PD: return from_mmx(s, rec, true)
    case V.V_CVTPS2PI:
    case V.V_CVTTPS2PI:
    case V.V_CVTPD2PI:
    case V.V_CVTTPD2PI: return to_mmx(s, rec, id)
    default: return packed(s, rec, id)
  }
}
