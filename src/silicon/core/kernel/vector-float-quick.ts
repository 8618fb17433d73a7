// Packed arithmetic by the host's own vectors, where that cannot differ from softfloat: all operands normal or zero, so that neither NaN
// nor denormal rules apply; and where a result is rounded: to nearest, PE set already, results normal and not at the edges of the range.
// Everything else answers false and is computed lane by lane (vector-float.ts).

import { SF_PE, sf_flags, sf_round } from './softfloat-state'

// Operation numbers (id - V_ADDPS) / 4.
const ADD: i32 = 0
const MUL: i32 = 1
const SUB: i32 = 2
const MIN: i32 = 3
const DIV: i32 = 4
const MAX: i32 = 5
const CMP: i32 = 7

// @ts-ignore: decorator
@inline
function normal32(x: v128, least: i32, range: i32): v128 {
  return i32x4.lt_u(i32x4.sub(v128.and(x, i32x4.splat(0x7f800000)), i32x4.splat(least)), i32x4.splat(range))
}
// @ts-ignore: decorator
@inline
function zero32(x: v128): v128 {
  return i32x4.eq(i32x4.shl(x, 1), i64x2.splat(0))
}
// Signed compares do for 64 bits: the sign bit has been masked away, and what lies below `least` becomes negative.
// @ts-ignore: decorator
@inline
function normal64(x: v128, least: i64, range: i64): v128 {
  const above = i64x2.sub(v128.and(x, i64x2.splat(0x7ff0000000000000)), i64x2.splat(least))
  return v128.and(i64x2.ge_s(above, i64x2.splat(0)), i64x2.lt_s(above, i64x2.splat(range)))
}
// @ts-ignore: decorator
@inline
function zero64(x: v128): v128 {
  return i64x2.eq(i64x2.shl(x, 1), i64x2.splat(0))
}
// @ts-ignore: decorator
@inline
function rounds_quietly(): bool {
  return sf_round == 0 && (sf_flags & SF_PE) != 0
}

/**
 * The sixteen comparisons of CMPPS and its kin (APM vol. 4, table under CMPPD; those above are the same with the other rule for quiet NaNs): four bits each,
 * whether it holds for less, equal, greater, unordered.
 */
const HOLDS_FOR: u64 = 0xf4650b9a7ced8312
/** True where predicate `imm` holds for `order`: -1, 0, 1, or 2 for unordered. */
export function holds(imm: u32, order: i32): bool {
  return ((HOLDS_FOR >> (((imm & 15) << 2) + (order + 1))) & 1) != 0
}
/** What it holds for among ordered operands: less 1, equal 2, greater 4. */
// @ts-ignore: decorator
@inline
function relation(imm: u32): u32 {
  return <u32>(HOLDS_FOR >> ((imm & 15) << 2)) & 7
}

function compared32(a: v128, b: v128, relation: u32): v128 {
  switch (relation) {
    case 0: return i64x2.splat(0)
    case 1: return f32x4.lt(a, b)
    case 2: return f32x4.eq(a, b)
    case 3: return f32x4.le(a, b)
    case 4: return f32x4.gt(a, b)
    case 5: return f32x4.ne(a, b)
    case 6: return f32x4.ge(a, b)
    default: return i64x2.splat(-1)
  }
}
function compared64(a: v128, b: v128, relation: u32): v128 {
  switch (relation) {
    case 0: return i64x2.splat(0)
    case 1: return f64x2.lt(a, b)
    case 2: return f64x2.eq(a, b)
    case 3: return f64x2.le(a, b)
    case 4: return f64x2.gt(a, b)
    case 5: return f64x2.ne(a, b)
    case 6: return f64x2.ge(a, b)
    default: return i64x2.splat(-1)
  }
}

/** Leaves the result at `at` and answers true, or answers false. float_begin has been called. */
export function quick_single(at: usize, op: i32, a: v128, b: v128, imm: u32): bool {
  const zero_a = zero32(a)
  const zero_b = zero32(b)
  const plain = v128.and(v128.or(normal32(a, 0x00800000, 0x7f000000), zero_a), v128.or(normal32(b, 0x00800000, 0x7f000000), zero_b))
  if (!i32x4.all_true(plain)) return false
  let r: v128
  // A zero result is exact where these operands are zero; ADD and SUB never lose a result to underflow without being caught as denormal.
  let exact = zero_a
  if (op == MIN) r = f32x4.pmin(b, a)
  else if (op == MAX) r = f32x4.pmax(b, a)
  else if (op == CMP) r = compared32(a, b, relation(imm))
  else {
    if (!rounds_quietly()) return false
    if (op == ADD || op == SUB) {
      r = op == ADD ? f32x4.add(a, b) : f32x4.sub(a, b)
      exact = zero32(r)
    } else if (op == MUL) {
      r = f32x4.mul(a, b)
      exact = v128.or(zero_a, zero_b)
    } else {
      if (op != DIV || v128.any_true(zero_b)) return false
      r = f32x4.div(a, b)
    }
    if (!i32x4.all_true(v128.or(normal32(r, 0x01000000, 0x7e000000), exact))) return false
  }
  v128.store(at, r)
  return true
}

/** The same for two doubles. */
export function quick_double(at: usize, op: i32, a: v128, b: v128, imm: u32): bool {
  const zero_a = zero64(a)
  const zero_b = zero64(b)
  const least: i64 = 0x0010000000000000
  const range: i64 = 0x7fe0000000000000
  if (!i64x2.all_true(v128.and(v128.or(normal64(a, least, range), zero_a), v128.or(normal64(b, least, range), zero_b)))) return false
  let r: v128
  let exact = zero_a
  if (op == MIN) r = f64x2.pmin(b, a)
  else if (op == MAX) r = f64x2.pmax(b, a)
  else if (op == CMP) r = compared64(a, b, relation(imm))
  else {
    if (!rounds_quietly()) return false
    if (op == ADD || op == SUB) {
      r = op == ADD ? f64x2.add(a, b) : f64x2.sub(a, b)
      exact = zero64(r)
    } else if (op == MUL) {
      r = f64x2.mul(a, b)
      exact = v128.or(zero_a, zero_b)
    } else {
      if (op != DIV || v128.any_true(zero_b)) return false
      r = f64x2.div(a, b)
    }
    if (!i64x2.all_true(v128.or(normal64(r, 0x0020000000000000, 0x7fc0000000000000), exact))) return false
  }
  v128.store(at, r)
  return true
}
