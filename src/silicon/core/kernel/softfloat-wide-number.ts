// Numbers of 128 bits of precision for the inside of the transcendental functions. A number lies in memory, 24 bytes:
// significand hi u64 @0 and lo u64 @8 (bit 63 of hi set, or both zero for zero), exponent i32 @16, sign u32 @20: value = ± hi.lo / 2^127 × 2^exponent.
// Results are truncated: the error of one operation is below 2^-126 of the result. Destinations may be operands.

import { div_wide, mul_high, mul_wide, wide_lo } from './softfloat-wide'

const HI: usize = 0
const LO: usize = 8
const EXP: usize = 16
const SIGN: usize = 20
/** Distance between the numbers of a scratch area. */
export const WIDE_SIZE: u32 = 24

export function wide_set(d: usize, sign: u32, exp: i32, hi: u64, lo: u64): void {
  store<u64>(d, hi, HI)
  store<u64>(d, lo, LO)
  store<i32>(d, exp, EXP)
  store<u32>(d, sign, SIGN)
}
export function wide_copy(d: usize, a: usize): void {
  memory.copy(d, a, 24)
}
export function wide_int(d: usize, v: u32): void {
  wide_normal(d, 0, 31, <u64>v << 32, 0)
}
export function wide_is_zero(a: usize): bool {
  return load<u64>(a, HI) == 0
}
export function wide_hi(a: usize): u64 {
  return load<u64>(a, HI)
}
export function wide_low(a: usize): u64 {
  return load<u64>(a, LO)
}
export function wide_exp(a: usize): i32 {
  return load<i32>(a, EXP)
}
export function wide_sign(a: usize): u32 {
  return load<u32>(a, SIGN)
}
/** Multiplies by 2^n. */
export function wide_scale(d: usize, n: i32): void {
  store<i32>(d, load<i32>(d, EXP) + n, EXP)
}
export function wide_negate(d: usize): void {
  store<u32>(d, load<u32>(d, SIGN) ^ 1, SIGN)
}

/** The next number towards zero: for a result that lies below `d` by less than can be told. */
export function wide_below(d: usize): void {
  const hi = load<u64>(d, HI)
  const lo = load<u64>(d, LO)
  wide_normal(d, load<u32>(d, SIGN), load<i32>(d, EXP), hi - u64(lo == 0), lo - 1)
}

/** Stores a number whose significand may have leading zeros. */
export function wide_normal(d: usize, sign: u32, exp: i32, hi: u64, lo: u64): void {
  if (!hi) {
    hi = lo
    lo = 0
    exp -= 64
  }
  if (!hi) return wide_set(d, 0, 0, 0, 0)
  const n = <i32>clz<u64>(hi)
  if (n) {
    hi = (hi << n) | (lo >> (64 - n))
    lo <<= n
  }
  wide_set(d, sign, exp - n, hi, lo)
}

/** d = a + b, or a - b with `negate` = 1. */
export function wide_add(d: usize, a: usize, b: usize, negate: u32): void {
  let sb = load<u32>(b, SIGN) ^ negate
  if (wide_is_zero(b)) return wide_copy(d, a)
  if (wide_is_zero(a)) {
    wide_copy(d, b)
    return store<u32>(d, sb, SIGN)
  }
  let sa = load<u32>(a, SIGN)
  let big = a
  let small = b
  if (smaller(a, b)) {
    big = b
    small = a
    const t = sa
    sa = sb
    sb = t
  }
  const exp = load<i32>(big, EXP)
  const n = exp - load<i32>(small, EXP)
  let hi = load<u64>(small, HI)
  let lo = load<u64>(small, LO)
  if (n >= 128) {
    hi = 0
    lo = 0
  } else if (n >= 64) {
    lo = hi >> (n - 64)
    hi = 0
  } else if (n) {
    lo = (lo >> n) | (hi << (64 - n))
    hi >>= n
  }
  const bh = load<u64>(big, HI)
  const bl = load<u64>(big, LO)
  if (sa != sb) return wide_normal(d, sa, exp, bh - hi - u64(bl < lo), bl - lo)
  const l = bl + lo
  const carry = u64(l < bl)
  const h = bh + hi + carry
  if (h > bh || (h == bh && !carry)) return wide_set(d, sa, exp, h, l)
  wide_set(d, sa, exp + 1, (h >> 1) | 0x8000000000000000, (l >> 1) | (h << 63))
}

/** |a| < |b| */
function smaller(a: usize, b: usize): bool {
  const ea = load<i32>(a, EXP)
  const eb = load<i32>(b, EXP)
  if (ea != eb) return ea < eb
  const ha = load<u64>(a, HI)
  const hb = load<u64>(b, HI)
  return ha < hb || (ha == hb && load<u64>(a, LO) < load<u64>(b, LO))
}

export function wide_multiply(d: usize, a: usize, b: usize): void {
  const sign = load<u32>(a, SIGN) ^ load<u32>(b, SIGN)
  const exp = load<i32>(a, EXP) + load<i32>(b, EXP)
  const ah = load<u64>(a, HI)
  const al = load<u64>(a, LO)
  const bh = load<u64>(b, HI)
  const bl = load<u64>(b, LO)
  let hi = mul_wide(ah, bh)
  let lo = wide_lo
  const x = mul_high(ah, bl)
  const y = mul_high(al, bh)
  lo += x
  hi += u64(lo < x)
  lo += y
  hi += u64(lo < y)
  wide_normal(d, sign, exp + 1, hi, lo)
}

/** d = a / b; `scratch` is room for three numbers. */
export function wide_divide(d: usize, a: usize, b: usize, scratch: usize): void {
  const q = scratch
  const t = scratch + WIDE_SIZE
  const r = scratch + 2 * WIDE_SIZE
  short_divide(q, a, b)
  wide_multiply(t, q, b)
  wide_add(r, a, t, 1)
  short_divide(t, r, b)
  wide_add(d, q, t, 0)
}

/** A quotient good to 62 bits. */
function short_divide(d: usize, a: usize, b: usize): void {
  const ah = load<u64>(a, HI)
  const bh = load<u64>(b, HI)
  const exp = load<i32>(a, EXP) - load<i32>(b, EXP)
  const sign = load<u32>(a, SIGN) ^ load<u32>(b, SIGN)
  if (!ah) return wide_set(d, 0, 0, 0, 0)
  if (ah >= bh) wide_set(d, sign, exp, div_wide(ah >> 1, (ah << 63) | (load<u64>(a, LO) >> 1), bh), 0)
  else wide_set(d, sign, exp - 1, div_wide(ah, load<u64>(a, LO), bh), 0)
}

/** d = a / n, 0 < n < 2^32. */
export function wide_divide_small(d: usize, a: usize, n: u64): void {
  const hi = load<u64>(a, HI)
  const lo = load<u64>(a, LO)
  let t = hi >> 32
  const q3 = t / n
  t = ((t % n) << 32) | (hi & 0xffffffff)
  const q2 = t / n
  t = ((t % n) << 32) | (lo >> 32)
  const q1 = t / n
  t = ((t % n) << 32) | (lo & 0xffffffff)
  const q0 = t / n
  const f0 = ((t % n) << 32) / n
  const h = (q3 << 32) | q2
  const l = (q1 << 32) | q0
  if (h >> 32) {
    const z = <i32>clz<u64>(h)
    if (!z) return wide_copy(d, a)
    // the next 32 bits of the quotient fill up what normalising takes from below
    return wide_set(d, load<u32>(a, SIGN), load<i32>(a, EXP) - z, (h << z) | (l >> (64 - z)), (l << z) | (f0 >> (32 - z)))
  }
  wide_normal(d, load<u32>(a, SIGN), load<i32>(a, EXP) - 32, (h << 32) | (l >> 32), (l << 32) | f0)
}
