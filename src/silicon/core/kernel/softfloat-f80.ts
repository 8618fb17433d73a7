// Double extended precision as the x87 knows it (AMD64 APM vol. 1, sections 6.3 data formats, 6.5.4 NaN results, 6.8 exceptions).
// Operands stand in two slots, A and B; results are left in z_sig and z_se (significand; sign and exponent). Every operation checks in the order
// unsupported format, signalling NaN, quiet NaN, other invalid, zero divide, denormal; what it found is in sf_flags.

import { sf_flags, sf_masks, sf_round, SF_DE, SF_IE, SF_ZE } from './softfloat-state'
import {
  add_magnitudes, divide, multiply, r_exp, r_infinite, r_sig, round_work, square_root, sub_magnitudes, w_set, w_sign,
} from './softfloat-round'

export const F80_ZERO: u32 = 0
export const F80_FINITE: u32 = 1
export const F80_INFINITE: u32 = 2
export const F80_QNAN: u32 = 3
export const F80_SNAN: u32 = 4
/** Unnormals, pseudo-NaNs, pseudo-infinities: invalid in every operation. */
export const F80_UNSUPPORTED: u32 = 5

export const F80_EMIN: i32 = -16382
export const F80_EMAX: i32 = 16383
/** Exponent adjustment of unmasked overflow and underflow. */
export const F80_WRAP: i32 = 24576

/** Bits of precision by the control word: 24, 53 or 64. */
export let sf_precision: u32 = 64
export function f80_set_precision(bits: u32): void {
  sf_precision = bits
}

export let a_class: u32 = 0
export let a_sign: u32 = 0
/** Unbiased exponent of a finite operand. */
export let a_exp: i32 = 0
/** Normalised significand of a finite operand; for a NaN the significand as it stands. */
export let a_sig: u64 = 0
export let b_class: u32 = 0
export let b_sign: u32 = 0
export let b_exp: i32 = 0
export let b_sig: u64 = 0
let denormal: bool = false

export let z_sig: u64 = 0
export let z_se: u32 = 0

export function f80_set(sig: u64, se: u32): void {
  z_sig = sig
  z_se = se
}

/** Loads slot B from an 80-bit register. */
export function f80_b(sig: u64, se: u32): void {
  b_sign = (se >> 15) & 1
  const e = <i32>(se & 0x7fff)
  b_sig = sig
  if (e == 0x7fff) {
    if (<i64>sig >= 0) b_class = F80_UNSUPPORTED
    else if (sig == 0x8000000000000000) b_class = F80_INFINITE
    else b_class = sig & 0x4000000000000000 ? F80_QNAN : F80_SNAN
    return
  }
  if (e) {
    b_exp = e - 16383
    b_class = <i64>sig < 0 ? F80_FINITE : F80_UNSUPPORTED
    return
  }
  b_small(sig, F80_EMIN)
}

/** A number without implied exponent: zero or denormal. */
function b_small(sig: u64, exp: i32): void {
  if (!sig) {
    b_class = F80_ZERO
    return
  }
  denormal = true
  b_class = F80_FINITE
  const n = <i32>clz<u64>(sig)
  b_sig = sig << n
  b_exp = exp - n
}

export function f80_b_f32(v: u32): void {
  const e = <i32>(v >> 23) & 0xff
  const fraction: u64 = (<u64>v << 41) >> 1
  b_ieee(v >> 31, e, 0xff, 127, fraction)
}

export function f80_b_f64(v: u64): void {
  const e = <i32>(v >> 52) & 0x7ff
  b_ieee(<u32>(v >> 63), e, 0x7ff, 1023, (v << 12) >> 1)
}

function b_ieee(sign: u32, e: i32, top: i32, bias: i32, fraction: u64): void {
  b_sign = sign
  b_sig = fraction | 0x8000000000000000
  if (e == top) b_class = !fraction ? F80_INFINITE : fraction & 0x4000000000000000 ? F80_QNAN : F80_SNAN
  else if (e) {
    b_class = F80_FINITE
    b_exp = e - bias
  } else b_small(fraction, 1 - bias)
}

export function f80_b_int(v: i64): void {
  b_sign = u32(v < 0)
  const m: u64 = v < 0 ? 0 - <u64>v : <u64>v
  b_class = m ? F80_FINITE : F80_ZERO
  const n = <i32>clz<u64>(m)
  b_sig = m ? m << n : 0
  b_exp = 63 - n
}

/** Forgets denormal operands seen before: call ahead of loading the slots. */
export function f80_begin(): void {
  denormal = false
}

/** Loads slot A from an 80-bit register. Load A first, then B. */
export function f80_a(sig: u64, se: u32): void {
  f80_b(sig, se)
  a_class = b_class
  a_sign = b_sign
  a_exp = b_exp
  a_sig = b_sig
}

export function f80_swap(): void {
  const c = a_class
  const s = a_sign
  const e = a_exp
  const m = a_sig
  a_class = b_class
  a_sign = b_sign
  a_exp = b_exp
  a_sig = b_sig
  b_class = c
  b_sign = s
  b_exp = e
  b_sig = m
}

export function f80_invalid(): void {
  sf_flags |= SF_IE
  f80_set(0xc000000000000000, 0xffff)
}
export function f80_infinity(sign: u32): void {
  f80_set(0x8000000000000000, (sign << 15) | 0x7fff)
}
export function f80_zero(sign: u32): void {
  f80_set(0, sign << 15)
}

/** True if an operand is a NaN or unsupported; the result is then set. Of two NaNs the quiet one is taken, of two alike that with the larger significand. */
export function f80_nan2(): bool {
  if (a_class < F80_QNAN && b_class < F80_QNAN) return false
  if (a_class == F80_UNSUPPORTED || b_class == F80_UNSUPPORTED) {
    f80_invalid()
    return true
  }
  if (a_class == F80_SNAN || b_class == F80_SNAN) sf_flags |= SF_IE
  let first = a_class >= F80_QNAN
  if (first && b_class >= F80_QNAN) {
    if (a_class != b_class) first = a_class == F80_QNAN
    else first = a_sig > b_sig || (a_sig == b_sig && a_sign <= b_sign)
  }
  f80_set((first ? a_sig : b_sig) | 0x4000000000000000, ((first ? a_sign : b_sign) << 15) | 0x7fff)
  return true
}

/** The same for one operand, in slot B. */
export function f80_nan1(): bool {
  if (b_class < F80_QNAN) return false
  if (b_class == F80_UNSUPPORTED) {
    f80_invalid()
    return true
  }
  if (b_class == F80_SNAN) sf_flags |= SF_IE
  f80_set(b_sig | 0x4000000000000000, (b_sign << 15) | 0x7fff)
  return true
}

/** Notes a denormal operand. True: unmasked, stop. */
export function f80_denormal(): bool {
  if (!denormal) return false
  sf_flags |= SF_DE
  return !(sf_masks & SF_DE)
}

/** Rounds the work number to `precision` bits into the result. */
export function f80_finish(precision: u32): void {
  round_work(precision, F80_EMIN, F80_EMAX, F80_WRAP)
  if (r_infinite) return f80_infinity(w_sign)
  const e = <i64>r_sig < 0 ? <u32>(r_exp + 16383) & 0x7fff : 0
  f80_set(r_sig, (w_sign << 15) | e)
}

/** A + B, or A - B with `negate` = 1. */
export function f80_add(negate: u32): void {
  if (f80_nan2()) return
  const sb = b_sign ^ negate
  if (a_class == F80_INFINITE && b_class == F80_INFINITE && a_sign != sb) return f80_invalid()
  if (f80_denormal()) return
  if (a_class == F80_INFINITE) return f80_infinity(a_sign)
  if (b_class == F80_INFINITE) return f80_infinity(sb)
  if (a_class == F80_ZERO && b_class == F80_ZERO) return f80_zero(a_sign == sb ? a_sign : u32(sf_round == 1))
  if (a_class == F80_ZERO) w_set(sb, b_exp, b_sig, 0)
  else if (b_class == F80_ZERO) w_set(a_sign, a_exp, a_sig, 0)
  else if (a_sign == sb) add_magnitudes(a_sign, a_exp, a_sig, b_exp, b_sig)
  else if (!sub_magnitudes(a_sign, a_exp, a_sig, b_exp, b_sig)) return f80_zero(u32(sf_round == 1))
  f80_finish(sf_precision)
}

export function f80_mul(): void {
  if (f80_nan2()) return
  const sign = a_sign ^ b_sign
  const infinite = a_class == F80_INFINITE || b_class == F80_INFINITE
  const none = a_class == F80_ZERO || b_class == F80_ZERO
  if (infinite && none) return f80_invalid()
  if (f80_denormal()) return
  if (infinite) return f80_infinity(sign)
  if (none) return f80_zero(sign)
  multiply(sign, a_exp, a_sig, b_exp, b_sig)
  f80_finish(sf_precision)
}

/** A / B */
export function f80_div(): void {
  if (f80_nan2()) return
  const sign = a_sign ^ b_sign
  if (a_class == b_class && a_class != F80_FINITE) return f80_invalid()
  if (b_class == F80_ZERO && a_class == F80_FINITE) {
    sf_flags |= SF_ZE
    return f80_infinity(sign)
  }
  if (f80_denormal()) return
  if (a_class == F80_INFINITE) return f80_infinity(sign)
  if (b_class == F80_INFINITE || a_class == F80_ZERO) return f80_zero(sign)
  divide(sign, a_exp, a_sig, b_exp, b_sig)
  f80_finish(sf_precision)
}

/** √B */
export function f80_sqrt(): void {
  if (f80_nan1()) return
  if (b_class == F80_ZERO) return f80_zero(b_sign)
  if (b_sign) return f80_invalid()
  if (b_class == F80_INFINITE) return f80_infinity(0)
  if (f80_denormal()) return
  square_root(b_exp, b_sig)
  f80_finish(sf_precision)
}

/** A against B: -1, 0, 1, 2 = unordered. `signal`: quiet NaNs are invalid too. */
export function f80_compare(signal: bool): i32 {
  if (a_class >= F80_QNAN || b_class >= F80_QNAN) {
    if (signal || a_class >= F80_SNAN || b_class >= F80_SNAN) sf_flags |= SF_IE
    return 2
  }
  f80_denormal()
  if (a_class == F80_ZERO && b_class == F80_ZERO) return 0
  if (a_class == F80_ZERO) return b_sign ? 1 : -1
  if (b_class == F80_ZERO || a_sign != b_sign) return a_sign ? -1 : 1
  const ea = a_class == F80_INFINITE ? 0x10000 : a_exp
  const eb = b_class == F80_INFINITE ? 0x10000 : b_exp
  if (ea == eb && (a_class == F80_INFINITE || a_sig == b_sig)) return 0
  const greater = ea > eb || (ea == eb && a_sig > b_sig)
  return greater == (a_sign == 0) ? 1 : -1
}
