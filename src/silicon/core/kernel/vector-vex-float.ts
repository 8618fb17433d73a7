// VEX forms of floating-point arithmetic and conversions (AMD64 APM vol. 4 under each name). Results of both halves are gathered in VT1 and written when
// no unmasked exception arose in any lane.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { VT1 } from '../state/layout'
import { f32_to_f64, i32_to_f64 } from './softfloat'
import { convert, convert_scalar, from_general, to_dword } from './vector-convert'
import { approximate_scalar, estimate } from './vector-estimate'
import { across_lanes, arithmetic_scalar, compare, float_begin, float_faults, packed_arithmetic } from './vector-float'
import { xmm_d } from './vector-operand'
import { clear_upper, immediate, is_wide, set_short, set_wide, vector_bytes, vex_source, xmm_v } from './vector-vex-operand'

const SCALAR_SINGLE: i32 = 2

/** Writes what stands in VT1, of which `bytes` count, unless an exception is due. */
export function finish_vector(s: usize, rec: usize, bytes: u32): u32 {
  if (float_faults(s)) return R_FAULT
  const d = xmm_d(s, rec)
  if (bytes == 32) set_wide(d, v128.load(s, VT1), v128.load(s, VT1 + 16))
  else set_short(d, v128.load(s, VT1))
  return R_NEXT
}

/** The destination's upper half is cleared where `r` says that the instruction has ended. */
// @ts-ignore: decorator
@inline
function short(s: usize, rec: usize, r: u32): u32 {
  if (r == R_NEXT) clear_upper(xmm_d(s, rec))
  return r
}

export function vex_arithmetic(s: usize, rec: usize, id: i32): u32 {
  const op: u32 = (id - V.V_ADDPS) >> 2
  const shape = (id - V.V_ADDPS) & 3
  const a = xmm_v(s, rec)
  const imm = immediate(rec)
  if (shape >= SCALAR_SINGLE) return short(s, rec, arithmetic_scalar(s, rec, op, shape != SCALAR_SINGLE, a, imm & 31))
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes)
  if (!p) return R_FAULT
  float_begin(s)
  packed_arithmetic(s + VT1, op, shape != 0, a, p, imm)
  if (bytes == 32) packed_arithmetic(s + VT1 + 16, op, shape != 0, a + 16, p + 16, imm)
  return finish_vector(s, rec, bytes)
}

/** VRCPPS, VRSQRTPS. */
function estimates(s: usize, rec: usize, root: bool): u32 {
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes)
  if (!p) return R_FAULT
  const at = s + VT1
  for (let i: u32 = 0; i < bytes; i += 4) store<u32>(at + i, estimate(load<u32>(p + i), root))
  if (bytes == 32) set_wide(xmm_d(s, rec), v128.load(at), v128.load(at, 16))
  else set_short(xmm_d(s, rec), v128.load(at))
  return R_NEXT
}

export function vex_float(s: usize, rec: usize, id: i32): u32 {
  if (id <= V.V_COMISD) return compare(s, rec, id)
  if (id >= V.V_RCPPS) {
    const root = id == V.V_RSQRTPS || id == V.V_RSQRTSS
    if (id == V.V_RCPPS || id == V.V_RSQRTPS) return estimates(s, rec, root)
    return short(s, rec, approximate_scalar(s, rec, root, xmm_v(s, rec)))
  }
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes)
  if (!p) return R_FAULT
  float_begin(s)
  across_lanes(s, id, xmm_v(s, rec), p, immediate(rec), bytes)
  return finish_vector(s, rec, bytes)
}

/** Dwords to dwords. */
function level(s: usize, rec: usize, id: i32): u32 {
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes)
  if (!p) return R_FAULT
  float_begin(s)
  for (let i: u32 = 0; i < bytes; i += 4) store<u32>(s + VT1 + i, to_dword(id, load<u32>(p + i)))
  return finish_vector(s, rec, bytes)
}

/** Quadwords to dwords: two or four in the low 128 bits. */
function narrowed(s: usize, rec: usize, id: i32): u32 {
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes)
  if (!p) return R_FAULT
  float_begin(s)
  store<u64>(s, 0, VT1 + 8)
  for (let i: u32 = 0; i < bytes; i += 8) store<u32>(s + VT1 + (i >> 1), to_dword(id, load<u64>(p + i)))
  return finish_vector(s, rec, 16)
}

/** Two or four dwords to quadwords. */
function widened(s: usize, rec: usize, integers: bool): u32 {
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes >> 1)
  if (!p) return R_FAULT
  float_begin(s)
  for (let i: u32 = 0; i < bytes; i += 8) {
    const a = load<u32>(p + (i >> 1))
    store<u64>(s + VT1 + i, integers ? i32_to_f64(a) : f32_to_f64(a))
  }
  return finish_vector(s, rec, bytes)
}

export function vex_convert(s: usize, rec: usize, id: i32): u32 {
  switch (id) {
    case V.V_CVTSI2SS: return short(s, rec, from_general(s, rec, false, xmm_v(s, rec)))
    case V.V_CVTSI2SD: return short(s, rec, from_general(s, rec, true, xmm_v(s, rec)))
    case V.V_CVTSS2SI:
    case V.V_CVTTSS2SI:
    case V.V_CVTSD2SI:
    case V.V_CVTTSD2SI: return convert(s, rec, id)
    case V.V_CVTSS2SD:
    case V.V_CVTSD2SS: return short(s, rec, convert_scalar(s, rec, id, xmm_v(s, rec)))
    case V.V_CVTDQ2PS:
    case V.V_CVTPS2DQ:
    case V.V_CVTTPS2DQ: return level(s, rec, id)
    case V.V_CVTDQ2PD: return widened(s, rec, true)
    case V.V_CVTPS2PD: return widened(s, rec, false)
    default: return narrowed(s, rec, id)
  }
}
