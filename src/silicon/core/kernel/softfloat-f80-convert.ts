// 80-bit numbers to and from the other formats, and to integers within the format. The operand stands in slot B of softfloat-f80.ts.
// (AMD64 APM vol. 5, FLD, FST, FILD, FIST, FISTTP, FBSTP, FRNDINT.)

import { sf_flags, sf_round, sf_rounded_up, SF_IE, SF_PE } from './softfloat-state'
import { r_exp, r_infinite, r_sig, round_work, w_set } from './softfloat-round'
import { shift_right_jam, wide_lo } from './softfloat-wide'
import {
  b_class, b_exp, b_sig, b_sign, F80_FINITE, F80_INFINITE, F80_UNSUPPORTED, F80_SNAN, F80_QNAN, F80_ZERO, f80_denormal, f80_infinity, f80_nan1, f80_set, f80_zero,
} from './softfloat-f80'

/** Slot B, loaded from a memory format, becomes a register value (exact; signalling NaNs become quiet). A denormal is loaded even where its exception is unmasked. */
export function f80_from_b(): void {
  if (f80_nan1()) return
  if (b_class == F80_ZERO) return f80_zero(b_sign)
  if (b_class == F80_INFINITE) return f80_infinity(b_sign)
  f80_denormal()
  f80_set(b_sig, (b_sign << 15) | <u32>(b_exp + 16383))
}

/** FST m32. */
export function f80_to_f32(): u32 {
  const sign = b_sign << 31
  if (b_class == F80_UNSUPPORTED) {
    sf_flags |= SF_IE
    return 0xffc00000
  }
  if (b_class >= F80_QNAN) {
    if (b_class == F80_SNAN) sf_flags |= SF_IE
    return sign | 0x7fc00000 | <u32>((b_sig << 1) >> 41)
  }
  if (b_class == F80_ZERO) return sign
  if (b_class == F80_INFINITE) return sign | 0x7f800000
  w_set(b_sign, b_exp, b_sig, 0)
  round_work(24, -126, 127, 0)
  if (r_infinite) return sign | 0x7f800000
  return sign | <u32>(<i64>r_sig < 0 ? (<u64>(r_exp + 127) << 23) | ((r_sig << 1) >> 41) : r_sig >> 40)
}

/** FST m64. */
export function f80_to_f64(): u64 {
  const sign = (<u64>b_sign) << 63
  if (b_class == F80_UNSUPPORTED) {
    sf_flags |= SF_IE
    return 0xfff8000000000000
  }
  if (b_class >= F80_QNAN) {
    if (b_class == F80_SNAN) sf_flags |= SF_IE
    return sign | 0x7ff8000000000000 | ((b_sig << 1) >> 12)
  }
  if (b_class == F80_ZERO) return sign
  if (b_class == F80_INFINITE) return sign | 0x7ff0000000000000
  w_set(b_sign, b_exp, b_sig, 0)
  round_work(53, -1022, 1023, 0)
  if (r_infinite) return sign | 0x7ff0000000000000
  return sign | (<i64>r_sig < 0 ? (<u64>(r_exp + 1023) << 52) | ((r_sig << 1) >> 12) : r_sig >> 11)
}

let cut_off: bool = false

/** |B| rounded to an integer; B is finite and below 2^64. */
function integer_part(mode: u32): u64 {
  const n = shift_right_jam(b_sig, 0, <u32>min<i32>(63 - b_exp, 200))
  const rest = wide_lo
  cut_off = rest != 0
  let up = false
  if (mode == 0) up = rest > 0x8000000000000000 || (rest == 0x8000000000000000 && (n & 1) != 0)
  else if (mode != 3 && rest) up = (mode == 1) == (b_sign != 0)
  sf_rounded_up = up
  return n + u64(up)
}

/** To a signed integer of `bits` bits; the integer indefinite and invalid if it does not fit. */
export function f80_to_int(bits: u32, mode: u32): u64 {
  const indefinite: u64 = (<u64>1) << (bits - 1)
  if (b_class == F80_ZERO) return 0
  if (b_class == F80_FINITE && b_exp < <i32>bits) {
    const n = integer_part(mode)
    if (b_sign ? n <= indefinite : n < indefinite) {
      if (cut_off) sf_flags |= SF_PE
      return b_sign ? 0 - n : n
    }
  }
  sf_flags |= SF_IE
  sf_rounded_up = false
  return indefinite
}

/** Magnitude for FBSTP: 18 decimal digits; u64.MAX_VALUE and invalid if it does not fit. */
export function f80_to_decimal(): u64 {
  if (b_class == F80_ZERO) return 0
  if (b_class == F80_FINITE && b_exp < 63) {
    const n = integer_part(sf_round)
    if (n < 1000000000000000000) {
      if (cut_off) sf_flags |= SF_PE
      return n
    }
  }
  sf_flags |= SF_IE
  sf_rounded_up = false
  return u64.MAX_VALUE
}

/** FRNDINT. */
export function f80_round_to_int(): void {
  if (f80_nan1()) return
  if (b_class == F80_ZERO) return f80_zero(b_sign)
  if (b_class == F80_INFINITE) return f80_infinity(b_sign)
  if (f80_denormal()) return
  if (b_exp >= 63) return f80_set(b_sig, (b_sign << 15) | <u32>(b_exp + 16383))
  const n = integer_part(sf_round)
  if (cut_off) sf_flags |= SF_PE
  if (!n) return f80_zero(b_sign)
  const shift = <u32>clz<u64>(n)
  f80_set(n << shift, (b_sign << 15) | (16383 + 63 - shift))
}
