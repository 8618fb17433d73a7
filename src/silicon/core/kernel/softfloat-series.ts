// Elementary functions on 128-bit numbers (softfloat-wide-number.ts) by argument reduction and Taylor series. Relative errors stay below 2^-110.

import {
  wide_add, wide_below, wide_copy, wide_divide, wide_divide_small, wide_exp, wide_hi, wide_int, wide_is_zero, wide_multiply, wide_negate, wide_scale, wide_set, WIDE_SIZE,
} from './softfloat-wide-number'

/** Terms below 2^-SERIES_BITS of the sum are dropped. */
const SERIES_BITS: i32 = 124



/** π × 2^n */
export function wide_pi(d: usize, n: i32): void {
  wide_set(d, 0, n + 1, 0xc90fdaa22168c234, 0xc4c6628b80dc1cd1)
}
export function wide_ln2(d: usize): void {
  wide_set(d, 0, -1, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af)
}
export function wide_log2e(d: usize): void {
  wide_set(d, 0, 0, 0xb8aa3b295c17f0bb, 0xbe87fed0691d3e88)
}

function negligible(term: usize, sum: usize): bool {
  return wide_is_zero(term) || wide_exp(term) < wide_exp(sum) - SERIES_BITS
}

/** d = e^y - 1 for |y| < 1: y × Σ yⁿ / (n+1)! */
export function wide_expm1(d: usize, y: usize, p: usize): void {
  const term = p
  const sum = p + WIDE_SIZE
  wide_int(term, 1)
  wide_int(sum, 1)
  for (let n: u64 = 2; n < 64; n++) {
    wide_multiply(term, term, y)
    wide_divide_small(term, term, n)
    if (negligible(term, sum)) break
    wide_add(sum, sum, term, 0)
  }
  wide_multiply(d, y, sum)
}

/** Σ ± z^(2k+1) / (2k+1): atanh z, or atan z with `alternate`. |z| < 0.42. */
function odd_series(d: usize, z: usize, alternate: bool, p: usize): void {
  const square = p
  const power = p + WIDE_SIZE
  const term = p + 2 * WIDE_SIZE
  const sum = p + 3 * WIDE_SIZE
  wide_multiply(square, z, z)
  if (alternate) wide_negate(square)
  wide_copy(power, z)
  wide_copy(sum, z)
  for (let n: u64 = 3; n < 200; n += 2) {
    wide_multiply(power, power, square)
    wide_divide_small(term, power, n)
    if (negligible(term, sum)) {
      if (n == 3 && alternate) wide_below(sum)
      break
    }
    wide_add(sum, sum, term, 0)
  }
  wide_copy(d, sum)
}

/** d = log2(1 + x) for 1 + x between √½ and √2: 2 log2(e) atanh(x / (2 + x)). */
export function wide_log2_near_one(d: usize, x: usize, p: usize): void {
  const z = p
  const t = p + WIDE_SIZE
  wide_int(t, 2)
  wide_add(t, t, x, 0)
  wide_divide(z, x, t, p + 2 * WIDE_SIZE)
  odd_series(z, z, false, t)
  wide_log2e(t)
  wide_multiply(d, z, t)
  wide_scale(d, 1)
}

/** d = log2(m) for m > 0; `m` is overwritten. */
export function wide_log2(d: usize, m: usize, p: usize): void {
  let e = wide_exp(m)
  // bring m between √½ and √2
  const above = wide_hi(m) > 0xb504f333f9de6484
  if (above) e++
  wide_scale(m, -e)
  const one = p
  wide_int(one, 1)
  wide_add(m, m, one, 1)
  if (wide_is_zero(m)) wide_copy(d, m)
  else wide_log2_near_one(d, m, p)
  if (!e) return
  wide_int(one, <u32>abs<i32>(e))
  wide_add(d, d, one, u32(e < 0))
}

/** d = atan(t) for 0 ≤ t ≤ 1; above √2 - 1 it is π/4 - atan((1 - t) / (1 + t)). */
export function wide_atan(d: usize, t: usize, p: usize): void {
  if (wide_exp(t) < -2 || (wide_exp(t) == -2 && wide_hi(t) < 0xd413cccfe7799211)) return odd_series(d, t, true, p)
  const one = p
  const above = p + WIDE_SIZE
  const below = p + 2 * WIDE_SIZE
  wide_int(one, 1)
  wide_add(above, one, t, 1)
  wide_add(below, one, t, 0)
  wide_pi(d, -2)
  if (wide_is_zero(above)) return
  wide_divide(above, above, below, p + 3 * WIDE_SIZE)
  wide_copy(one, above)
  odd_series(one, one, true, p + WIDE_SIZE)
  wide_add(d, d, one, 1)
}

/** d = sin r, or cos r with `cosine`, for |r| ≤ π/4. */
export function wide_sine(d: usize, r: usize, cosine: bool, p: usize): void {
  const square = p
  const term = p + WIDE_SIZE
  const sum = p + 2 * WIDE_SIZE
  wide_multiply(square, r, r)
  wide_negate(square)
  if (cosine) wide_int(term, 1)
  else wide_copy(term, r)
  wide_copy(sum, term)
  for (let n: u64 = cosine ? 1 : 2; n < 64; n += 2) {
    wide_multiply(term, term, square)
    wide_divide_small(term, term, n * (n + 1))
    if (negligible(term, sum)) {
      if (n < 3) wide_below(sum)
      break
    }
    wide_add(sum, sum, term, 0)
  }
  wide_copy(d, sum)
}

/** Quadrant of the last wide_reduce, 0 … 3. */
export let quadrant: u32 = 0

/**
 * r = (-1)^sign × sig / 2^63 × 2^exp less the nearest multiple of π/2, exact with the 66-bit π of the FPU
 * (AMD64 APM vol. 1, section 6.4.5.1; the hardware's own value is 0x3243f6a8885a308d3 / 2^64). exp < 63.
 */
export function wide_reduce(r: usize, sign: u32, exp: i32, sig: u64): void {
  if (exp < -1) {
    quadrant = 0
    return wide_set(r, sign, exp, sig, 0)
  }
  // π/2 is P / 2^65 with P of 66 bits; the operand is sig × 2^(exp+2) of the same units, reduced one bit at a time
  const ph: u64 = 3
  const pl: u64 = 0x243f6a8885a308d3
  let hi: u64 = 0
  let lo = sig
  let q: u32 = 0
  for (let i = exp + 2; i > 0; i--) {
    hi = (hi << 1) | (lo >> 63)
    lo <<= 1
    q <<= 1
    if (hi > ph || (hi == ph && lo >= pl)) {
      hi = hi - ph - u64(lo < pl)
      lo -= pl
      q |= 1
    }
  }
  // the nearer multiple: 2 × rest against P
  const dh = (hi << 1) | (lo >> 63)
  const dl = lo << 1
  let s: u32 = 0
  if (dh > ph || (dh == ph && dl > pl)) {
    hi = ph - hi - u64(pl < lo)
    lo = pl - lo
    q++
    s = 1
  }
  quadrant = (sign ? 0 - q : q) & 3
  const z = hi ? <i32>clz<u64>(hi) : 64 + <i32>clz<u64>(lo)
  if (z >= 128) return wide_set(r, 0, 0, 0, 0)
  const h = z >= 64 ? lo << (z - 64) : (hi << z) | (z ? lo >> (64 - z) : 0)
  wide_set(r, s ^ sign, 127 - z - 65, h, z >= 64 ? 0 : lo << z)
}
