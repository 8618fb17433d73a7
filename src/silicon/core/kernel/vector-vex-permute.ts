// Permutations, shifts by lane and blends that only VEX has (AMD64 APM vol. 4 under each name).

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { faulted } from './fault'
import { address, in_memory, xmm_a, xmm_d } from './vector-operand'
import { shuffle_pd } from './vector-shuffle'
import { immediate, put_vector, set_short, set_wide, vex_source, xmm_v } from './vector-vex-operand'

/** VPERMILPS: each dword of a by the two low bits of that of b. */
function permute_singles(a: v128, b: v128): v128 {
  const order = i32x4.mul(v128.and(b, i32x4.splat(3)), i32x4.splat(0x04040404))
  return i8x16.swizzle(a, i32x4.add(order, i32x4.splat(0x03020100)))
}
/** VPERMILPD: each quadword of a by bit 1 of that of b. */
function permute_doubles(a: v128, b: v128): v128 {
  const high = i64x2.shr_s(i64x2.shl(b, 62), 63)
  return v128.bitselect(i64x2.shuffle(a, a, 1, 1), i64x2.shuffle(a, a, 0, 0), high)
}

// Counts above the width give zero, or copies of the sign.
// @ts-ignore: decorator
@inline
function left32(a: u32, n: u32): u32 {
  return n < 32 ? a << n : 0
}
// @ts-ignore: decorator
@inline
function right32(a: u32, n: u32): u32 {
  return n < 32 ? a >> n : 0
}
// @ts-ignore: decorator
@inline
function arithmetic32(a: i32, n: u32): i32 {
  return a >> (n < 32 ? n : 31)
}
// @ts-ignore: decorator
@inline
function left64(a: u64, n: u64): u64 {
  return n < 64 ? a << n : 0
}
// @ts-ignore: decorator
@inline
function right64(a: u64, n: u64): u64 {
  return n < 64 ? a >> n : 0
}

function shift_dwords(id: i32, a: v128, n: v128): v128 {
  const a0 = i32x4.extract_lane(a, 0), a1 = i32x4.extract_lane(a, 1), a2 = i32x4.extract_lane(a, 2), a3 = i32x4.extract_lane(a, 3)
  const n0 = i32x4.extract_lane(n, 0), n1 = i32x4.extract_lane(n, 1), n2 = i32x4.extract_lane(n, 2), n3 = i32x4.extract_lane(n, 3)
  let r = i32x4.splat(id == V.V_VPSLLVD ? left32(a0, n0) : id == V.V_VPSRLVD ? right32(a0, n0) : arithmetic32(a0, n0))
  r = i32x4.replace_lane(r, 1, id == V.V_VPSLLVD ? left32(a1, n1) : id == V.V_VPSRLVD ? right32(a1, n1) : arithmetic32(a1, n1))
  r = i32x4.replace_lane(r, 2, id == V.V_VPSLLVD ? left32(a2, n2) : id == V.V_VPSRLVD ? right32(a2, n2) : arithmetic32(a2, n2))
  return i32x4.replace_lane(r, 3, id == V.V_VPSLLVD ? left32(a3, n3) : id == V.V_VPSRLVD ? right32(a3, n3) : arithmetic32(a3, n3))
}
function shift_qwords(left: bool, a: v128, n: v128): v128 {
  const a0 = i64x2.extract_lane(a, 0), a1 = i64x2.extract_lane(a, 1)
  const n0 = i64x2.extract_lane(n, 0), n1 = i64x2.extract_lane(n, 1)
  const low = i64x2.splat(left ? left64(a0, n0) : right64(a0, n0))
  return i64x2.replace_lane(low, 1, left ? left64(a1, n1) : right64(a1, n1))
}

/** One half of V_VPERMILPS … V_VBLENDVPD; imm of VPERMILPD has two bits for it. */
export function lanes_own(id: i32, a: v128, b: v128, mask: v128, imm: u32): v128 {
  switch (id) {
    case V.V_VPERMILPS: return permute_singles(a, b)
    case V.V_VPERMILPD: return permute_doubles(a, b)
    case V.V_VPERMILPD_IMM: return shuffle_pd(b, b, imm)
    case V.V_VPSLLVQ: return shift_qwords(true, a, b)
    case V.V_VPSRLVQ: return shift_qwords(false, a, b)
    case V.V_VPBLENDVB: return v128.bitselect(b, a, i8x16.shr_s(mask, 7))
    case V.V_VBLENDVPS: return v128.bitselect(b, a, i32x4.shr_s(mask, 31))
    case V.V_VBLENDVPD: return v128.bitselect(b, a, i64x2.shr_s(mask, 63))
    default: return shift_dwords(id, a, b)
  }
}

/** One half of VPERM2F128: a field of four bits chooses among the halves of a and p, or zero. */
function chosen_half(a: usize, p: usize, field: u32): v128 {
  if (field & 8) return i64x2.splat(0)
  return v128.load((field & 2 ? p : a) + ((field & 1) << 4))
}
function permute_halves(d: usize, a: usize, p: usize, imm: u32): void {
  const upper = chosen_half(a, p, imm >> 4)
  set_wide(d, chosen_half(a, p, imm), upper)
}

/** VPERMQ, VPERMPD: four fields of two bits. */
function permute_quadwords(d: usize, p: usize, imm: u32): void {
  const q0 = load<i64>(p + ((imm & 3) << 3))
  const q1 = load<i64>(p + (((imm >> 2) & 3) << 3))
  const q2 = load<i64>(p + (((imm >> 4) & 3) << 3))
  const q3 = load<i64>(p + (((imm >> 6) & 3) << 3))
  set_wide(d, i64x2.replace_lane(i64x2.splat(q0), 1, q1), i64x2.replace_lane(i64x2.splat(q2), 1, q3))
}

/** VPERMD, VPERMPS: eight dwords by the three low bits of the dwords at `order`. An index of a swizzle above 15 gives zero. */
function permuted_dwords(low: v128, high: v128, order: v128): v128 {
  const bytes = i32x4.add(i32x4.mul(v128.and(order, i32x4.splat(7)), i32x4.splat(0x04040404)), i32x4.splat(0x03020100))
  return v128.or(i8x16.swizzle(low, bytes), i8x16.swizzle(high, i8x16.sub(bytes, i8x16.splat(16))))
}
function permute_dwords(d: usize, order: usize, p: usize): void {
  const low = v128.load(p)
  const high = v128.load(p, 16)
  const upper = permuted_dwords(low, high, v128.load(order, 16))
  set_wide(d, permuted_dwords(low, high, v128.load(order)), upper)
}

/** VEXTRACTF128, VEXTRACTI128: one half to a register or to memory. */
function extract_half(s: usize, rec: usize): u32 {
  const from = xmm_d(s, rec) + ((immediate(rec) & 1) << 4)
  if (!in_memory(rec)) {
    set_short(xmm_a(s, rec), v128.load(from))
    return R_NEXT
  }
  put_vector(s, address(s), from, 16)
  return faulted(s) ? R_FAULT : R_NEXT
}

/** Instructions that move between the halves; all have 256 bits. */
export function across_halves(s: usize, rec: usize, id: i32): u32 {
  if (id == V.V_VEXTRACT_128) return extract_half(s, rec)
  const p = vex_source(s, rec, id == V.V_VINSERT_128 ? 16 : 32)
  if (!p) return R_FAULT
  const a = xmm_v(s, rec)
  const d = xmm_d(s, rec)
  const imm = immediate(rec)
  switch (id) {
    case V.V_VPERM2_128: permute_halves(d, a, p, imm); break
    case V.V_VPERMQ: permute_quadwords(d, p, imm); break
    case V.V_VPERMD: permute_dwords(d, a, p); break
    default: {
      const value = v128.load(p)
      if (imm & 1) set_wide(d, v128.load(a), value)
      else set_wide(d, value, v128.load(a, 16))
    }
  }
  return R_NEXT
}
