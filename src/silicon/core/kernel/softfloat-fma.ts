// Fused multiply-add with SSE semantics: x × y + z, rounded once (AMD64 APM vol. 4, VFMADDPD; vol. 1, section 4.10 on exceptions). The quick ways compute the
// same correctly rounded result from the host's own operations, where PE is set already and nothing else can arise.

import {
  b_class, b_exp, b_sig, b_sign, begin_operands, finish, FINITE, infinity, INFINITE, invalid, QNAN, quiet, SNAN, stop_at_denormal, unpack, zero, ZERO,
} from './softfloat-binary'
import { multiply, w_exp, w_hi, w_lo, w_normalize, w_set, w_sign } from './softfloat-round'
import { sf_flags, sf_round, SF_IE, SF_PE } from './softfloat-state'
import { shift_right_jam, wide_lo } from './softfloat-wide'

/** Work number + (sign, exp, sig): both are finite and not zero. False where the sum is zero. */
function add_to_product(sign: u32, exp: i32, sig: u64): bool {
  let sb = w_sign, eb = w_exp, bh = w_hi, bl = w_lo
  let ss = sign, es = exp, sh = sig, sl: u64 = 0
  if (eb < es || (eb == es && (bh < sh || (bh == sh && bl < sl)))) {
    ss = w_sign
    es = w_exp
    sh = w_hi
    sl = w_lo
    sb = sign
    eb = exp
    bh = sig
    bl = 0
  }
  sh = shift_right_jam(sh, sl, <u32>min<i32>(eb - es, 200))
  sl = wide_lo
  if (sb == ss) {
    const lo = bl + sl
    const carry = u64(lo < bl)
    const hi = bh + sh + carry
    if (hi > bh || (hi == bh && !carry)) w_set(sb, eb, hi, lo)
    else w_set(sb, eb + 1, (hi >> 1) | 0x8000000000000000, (hi << 63) | (lo >> 1) | (lo & 1))
    return true
  }
  const hi = bh - sh - u64(bl < sl)
  const lo = bl - sl
  if (!(hi | lo)) return false
  w_normalize(sb, eb, hi, lo)
  return true
}

/** `negate_product`, `negate_addend`: 1 where that sign is turned. */
function binary_fma(x: u64, y: u64, z: u64, negate_product: u32, negate_addend: u32, width: u32): u64 {
  begin_operands()
  unpack(x, width)
  const x_class = b_class, x_sign = b_sign, x_exp = b_exp, x_sig = b_sig
  unpack(y, width)
  const y_class = b_class, y_sign = b_sign, y_exp = b_exp, y_sig = b_sig
  unpack(z, width)
  if (x_class >= QNAN || y_class >= QNAN || b_class >= QNAN) {
    if (x_class == SNAN || y_class == SNAN || b_class == SNAN) sf_flags |= SF_IE
    return quiet(x_class >= QNAN ? x : y_class >= QNAN ? y : z, width)
  }
  const sign = x_sign ^ y_sign ^ negate_product
  const z_sign = b_sign ^ negate_addend
  const infinite = x_class == INFINITE || y_class == INFINITE
  const none = x_class == ZERO || y_class == ZERO
  if (infinite && (none || (b_class == INFINITE && sign != z_sign))) return invalid(width)
  if (stop_at_denormal()) return 0
  if (infinite) return infinity(sign, width)
  if (b_class == INFINITE) return infinity(z_sign, width)
  if (none) {
    if (b_class == ZERO) return zero(sign == z_sign ? sign : u32(sf_round == 1), width)
    w_set(z_sign, b_exp, b_sig, 0)
  } else {
    multiply(sign, x_exp, x_sig, y_exp, y_sig)
    if (b_class == FINITE && !add_to_product(z_sign, b_exp, b_sig)) return zero(u32(sf_round == 1), width)
  }
  return finish(width)
}

// @ts-ignore: decorator
@inline
function quick(): bool {
  return sf_round == 0 && (sf_flags & SF_PE) != 0
}
// @ts-ignore: decorator
@inline
function plain32(a: u32): bool {
  return ((a >> 23) & 0xff) - 1 < 0xfe || a << 1 == 0
}

/** a + b rounded to odd: what is inexact keeps its last bit set, so that a second rounding, to at least two bits fewer, is that of the exact sum. */
// @ts-ignore: decorator
@inline
function sum_to_odd(a: f64, b: f64): f64 {
  const sum = a + b
  const part = sum - a
  const rest = (a - (sum - part)) + (b - part)
  const bits = reinterpret<u64>(sum)
  if (rest == 0 || bits & 1) return sum
  return reinterpret<f64>((reinterpret<u64>(rest) ^ bits) >> 63 ? bits - 1 : bits + 1)
}

export function f32_fma(x: u32, y: u32, z: u32, negate_product: u32, negate_addend: u32): u32 {
  if (quick() && plain32(x) && plain32(y) && plain32(z)) {
    // the product of two singles is a double
    const product = <f64>reinterpret<f32>(x ^ (negate_product << 31)) * <f64>reinterpret<f32>(y)
    const r = reinterpret<u32>(<f32>sum_to_odd(product, <f64>reinterpret<f32>(z ^ (negate_addend << 31))))
    if (((r >> 23) & 0xff) - 2 < 0xfc) return r
  }
  return <u32>binary_fma(x, y, z, negate_product, negate_addend, 32)
}

/** Exponent such that no part of a product of two, or of its sum with a third, leaves the range of normal numbers. */
// @ts-ignore: decorator
@inline
function moderate(a: u64): bool {
  return (<u32>(a >> 52) & 0x7ff) - 623 < 800
}

/** Veltkamp's splitting constant, 2^27 + 1. */
const SPLIT: f64 = 134217729.0

/**
 * S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", IEEE Transactions on Computers 57 (2008):
 * exact product as a sum of two (Dekker), exact sums (Knuth), one sum rounded to odd.
 */
function moderate_fma(a: f64, b: f64, c: f64): f64 {
  const ac = a * SPLIT
  const ah = ac - (ac - a)
  const al = a - ah
  const bc = b * SPLIT
  const bh = bc - (bc - b)
  const bl = b - bh
  const high = a * b
  const low = al * bl - (((high - ah * bh) - al * bh) - ah * bl)

  const t = c + low
  const t_part = t - c
  const t_rest = (c - (t - t_part)) + (low - t_part)
  const v = high + t
  const v_part = v - high
  const v_rest = (high - (v - v_part)) + (t - v_part)
  return v + sum_to_odd(t_rest, v_rest)
}

/** Zero, or moderate. */
// @ts-ignore: decorator
@inline
function tame(a: u64): bool {
  return a << 1 == 0 || moderate(a)
}

/**
 * a × b + c where nothing but inexactness can arise, which must leave no trace, and rounding is to nearest. NaN where another has to compute it: NaN is the
 * result of no such operands.
 */
export function quick_fma(a: f64, b: f64, c: f64): f64 {
  const x = reinterpret<u64>(a), y = reinterpret<u64>(b), z = reinterpret<u64>(c)
  if (!tame(x) || !tame(y) || !tame(z)) return NaN
  // One of the two operations is exact.
  if (!(x << 1) || !(y << 1) || !(z << 1)) return a * b + c
  const r = moderate_fma(a, b, c)
  const bits = reinterpret<u64>(r)
  return bits << 1 && ((<u32>(bits >> 52) & 0x7ff) - 1) < 0x7fe ? r : NaN
}

export function f64_fma(x: u64, y: u64, z: u64, negate_product: u32, negate_addend: u32): u64 {
  if (quick() && moderate(x) && moderate(y) && moderate(z)) {
    const a = reinterpret<f64>(x ^ (<u64>negate_product << 63))
    const r = reinterpret<u64>(moderate_fma(a, reinterpret<f64>(y), reinterpret<f64>(z ^ (<u64>negate_addend << 63))))
    // a zero may be exact: its sign is left to the long way
    if (r << 1 && ((<u32>(r >> 52) & 0x7ff) - 1) < 0x7fe) return r
  }
  return binary_fma(x, y, z, negate_product, negate_addend, 64)
}
