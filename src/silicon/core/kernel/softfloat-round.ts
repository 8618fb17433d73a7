// Rounding to any precision and range, and the four operations on finite non-zero numbers, shared by SSE and x87.
// A number in work is (sign, exponent, 128-bit significand hi:lo with bit 63 of hi set): value = hi.lo / 2^63 × 2^exponent.
// (AMD64 APM vol. 1, sections 4.2.2, 6.4.4 rounding; 6.8.2 and 4.10.2 overflow, underflow, precision.)

import { sf_flags, sf_masks, sf_round, sf_rounded_up, SF_OE, SF_PE, SF_UE } from './softfloat-state'
import { div_wide, mul_wide, root_carry, shift_right_jam, sqrt_wide, wide_lo } from './softfloat-wide'

/** The exact result of the last operation. */
export let w_sign: u32 = 0
export let w_exp: i32 = 0
export let w_hi: u64 = 0
export let w_lo: u64 = 0

export function w_set(sign: u32, exp: i32, hi: u64, lo: u64): void {
  w_sign = sign
  w_exp = exp
  w_hi = hi
  w_lo = lo
}

/** What round_work left: exponent, significand (bit 63 clear: denormal or zero, exponent = emin), class. */
export let r_exp: i32 = 0
export let r_sig: u64 = 0
/** The result is infinite. */
export let r_infinite: bool = false
/** The flags that rounding raised (they are in sf_flags too). */
export let r_flags: u32 = 0

let inexact: bool = false
let carried: bool = false

/** Rounds hi:lo to its upper `prec` bits. On a carry out of bit 63 returns 2^63 and sets `carried`. */
function round_bits(sign: u32, hi: u64, lo: u64, prec: u32): u64 {
  const shift = 64 - prec
  // the part cut off, as a fraction of one unit in the last place
  const cut = shift ? (hi << prec) | u64(lo != 0) : lo
  const kept = shift ? (hi >> shift) << shift : hi
  const unit: u64 = (<u64>1) << shift
  inexact = cut != 0
  carried = false
  sf_rounded_up = false
  if (!inexact) return kept
  let up: bool
  if (sf_round == 0) up = cut > 0x8000000000000000 || (cut == 0x8000000000000000 && (kept & unit) != 0)
  else if (sf_round == 3) up = false
  else up = (sf_round == 1) == (sign != 0)
  if (!up) return kept
  sf_rounded_up = true
  const r = kept + unit
  if (r < kept) {
    carried = true
    return 0x8000000000000000
  }
  return r
}

/**
 * Rounds the work number to `prec` bits and exponents emin..emax. Overflow and underflow respond as their masks say;
 * with `wrap` (x87 registers) an unmasked one gives the result with its exponent moved by that much, otherwise what is left is of no use.
 */
export function round_work(prec: u32, emin: i32, emax: i32, wrap: i32): void {
  r_infinite = false
  r_flags = 0
  if (w_exp < emin) return round_small(prec, emin, wrap)
  r_sig = round_bits(w_sign, w_hi, w_lo, prec)
  r_exp = w_exp + i32(carried)
  if (inexact) r_flags = SF_PE
  if (r_exp > emax) overflow(prec, emax, wrap)
  sf_flags |= r_flags
}

function overflow(prec: u32, emax: i32, wrap: i32): void {
  r_flags |= SF_OE
  if (!(sf_masks & SF_OE)) {
    r_exp -= wrap
    if (!wrap || r_exp <= emax) return
  }
  r_flags |= SF_PE
  // a number that even the adjusted exponent cannot hold (FSCALE) becomes infinite in every rounding mode
  const to_infinity = !(sf_masks & SF_OE) || sf_round == 0 || (sf_round != 3 && (sf_round == 1) == (w_sign != 0))
  sf_rounded_up = to_infinity
  if (to_infinity) {
    r_infinite = true
    return
  }
  r_exp = emax
  r_sig = (<u64>-1 >> (64 - prec)) << (64 - prec)
}

/** The exponent is below the range: tininess is judged after rounding, as if the range were unbounded. */
function round_small(prec: u32, emin: i32, wrap: i32): void {
  const sig = round_bits(w_sign, w_hi, w_lo, prec)
  const tiny = w_exp < emin - 1 || !carried
  if (tiny && !(sf_masks & SF_UE)) {
    r_sig = sig
    r_exp = w_exp + i32(carried) + wrap
    r_flags = SF_UE | (inexact ? SF_PE : 0)
    if (wrap && r_exp < emin) {
      // not even the adjusted exponent can hold it (FSCALE): zero
      r_sig = 0
      r_exp = emin
      r_flags |= SF_PE
      sf_rounded_up = false
    }
    sf_flags |= r_flags
    return
  }
  const hi = shift_right_jam(w_hi, w_lo, <u32>min<i32>(emin - w_exp, 200))
  r_sig = round_bits(w_sign, hi, wide_lo, prec)
  r_exp = emin
  r_flags |= inexact ? (tiny ? SF_UE | SF_PE : SF_PE) : 0
  sf_flags |= r_flags
}

/** |a| + |b| into the work number. */
export function add_magnitudes(sign: u32, ea: i32, sa: u64, eb: i32, sb: u64): void {
  if (ea < eb) {
    const e = ea
    ea = eb
    eb = e
    const t = sa
    sa = sb
    sb = t
  }
  const h = shift_right_jam(sb, 0, <u32>min<i32>(ea - eb, 200))
  const lo = wide_lo
  const hi = sa + h
  if (hi >= sa) return w_set(sign, ea, hi, lo)
  w_set(sign, ea + 1, (hi >> 1) | 0x8000000000000000, (hi << 63) | (lo >> 1) | (lo & 1))
}

/** |a| - |b| into the work number, its sign turned where |b| is greater. Returns false if the difference is zero. */
export function sub_magnitudes(sign: u32, ea: i32, sa: u64, eb: i32, sb: u64): bool {
  if (ea == eb && sa == sb) return false
  if (ea < eb || (ea == eb && sa < sb)) {
    const e = ea
    ea = eb
    eb = e
    const t = sa
    sa = sb
    sb = t
    sign ^= 1
  }
  const h = shift_right_jam(sb, 0, <u32>min<i32>(ea - eb, 200))
  const lo: u64 = 0 - wide_lo
  const hi = sa - h - u64(lo != 0)
  w_normalize(sign, ea, hi, lo)
  return true
}

/** Sets the work number from a significand that may have leading zeros (but is not zero). */
export function w_normalize(sign: u32, exp: i32, hi: u64, lo: u64): void {
  if (hi == 0) {
    hi = lo
    lo = 0
    exp -= 64
  }
  const n = <i32>clz<u64>(hi)
  if (n) {
    hi = (hi << n) | (lo >> (64 - n))
    lo <<= n
  }
  w_set(sign, exp - n, hi, lo)
}

export function multiply(sign: u32, ea: i32, sa: u64, eb: i32, sb: u64): void {
  const hi = mul_wide(sa, sb)
  const lo = wide_lo
  if (<i64>hi < 0) w_set(sign, ea + eb + 1, hi, lo)
  else w_set(sign, ea + eb, (hi << 1) | (lo >> 63), lo << 1)
}

export function divide(sign: u32, ea: i32, sa: u64, eb: i32, sb: u64): void {
  let q: u64
  let exp = ea - eb
  if (sa >= sb) q = div_wide(sa >> 1, sa << 63, sb)
  else {
    q = div_wide(sa, 0, sb)
    exp--
  }
  const r = wide_lo
  // the next bit of the quotient and whether anything follows
  const half = r >= sb - r
  const rest = half ? r != sb - r : r != 0
  w_set(sign, exp, q, (half ? 0x8000000000000000 : 0) | u64(rest))
}

/** Square root of a positive number. */
export function square_root(exp: i32, sig: u64): void {
  const odd = exp & 1
  const root = odd ? sqrt_wide(sig, 0) : sqrt_wide(sig >> 1, sig << 63)
  const r = wide_lo
  const above = root_carry || r > root
  w_set(0, exp >> 1, root, above ? 0xc000000000000000 : u64(r != 0))
}
