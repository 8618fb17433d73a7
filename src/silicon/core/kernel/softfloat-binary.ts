// binary32 and binary64 with SSE semantics: every operand, every rounding mode, every exception. `width` is 32 or 64.
// Order of exceptions (AMD64 APM vol. 1, section 4.10.3): invalid for signalling NaNs, then quiet NaNs (no exception), then other invalid operations and division
// by zero, then denormal operands; only when none of these is unmasked come overflow, underflow and precision.

import { sf_daz, sf_flags, sf_ftz, sf_masks, sf_round, SF_DE, SF_IE, SF_PE, SF_UE, SF_ZE } from './softfloat-state'
import {
  add_magnitudes, divide, multiply, r_exp, r_flags, r_infinite, r_sig, round_work, square_root, sub_magnitudes, w_normalize, w_set, w_sign,
} from './softfloat-round'
import { shift_right_jam, wide_lo } from './softfloat-wide'

/** Classes of operand. */
export const ZERO: u32 = 0
export const FINITE: u32 = 1
export const INFINITE: u32 = 2
export const QNAN: u32 = 3
export const SNAN: u32 = 4

let a_class: u32 = 0
let a_sign: u32 = 0
let a_exp: i32 = 0
let a_sig: u64 = 0
/** The operand unpacked last. */
export let b_class: u32 = 0
export let b_sign: u32 = 0
export let b_exp: i32 = 0
export let b_sig: u64 = 0
/** An operand is denormal (and DAZ is off). */
let denormal: bool = false

function default_nan(width: u32): u64 {
  return width == 32 ? 0xffc00000 : 0xfff8000000000000
}
export function infinity(sign: u32, width: u32): u64 {
  return width == 32 ? ((<u64>sign) << 31) | 0x7f800000 : ((<u64>sign) << 63) | 0x7ff0000000000000
}
export function zero(sign: u32, width: u32): u64 {
  return (<u64>sign) << (width - 1)
}
export function quiet(a: u64, width: u32): u64 {
  return a | (width == 32 ? 0x400000 : 0x8000000000000)
}

/** Takes `a` apart into the b_ globals; a denormal operand is normalised, or becomes zero under DAZ. */
export function unpack(a: u64, width: u32): void {
  const e = width == 32 ? <i32>(a >> 23) & 0xff : <i32>(a >> 52) & 0x7ff
  const top = width == 32 ? 0xff : 0x7ff
  const bias = width == 32 ? 127 : 1023
  const fraction = width == 32 ? a << 41 : a << 12
  b_sign = <u32>(a >> (width - 1)) & 1
  if (e == top) {
    b_class = !fraction ? INFINITE : <i64>fraction < 0 ? QNAN : SNAN
  } else if (e) {
    b_class = FINITE
    b_exp = e - bias
    b_sig = 0x8000000000000000 | (fraction >> 1)
  } else if (!fraction || sf_daz) {
    b_class = ZERO
  } else {
    denormal = true
    b_class = FINITE
    const n = <i32>clz<u64>(fraction)
    b_exp = -bias - n
    b_sig = fraction << n
  }
}

/** Before the operands of an operation are unpacked. */
export function begin_operands(): void {
  denormal = false
}

export function unpack_one(a: u64, width: u32): void {
  denormal = false
  unpack(a, width)
}

function unpack_two(a: u64, b: u64, width: u32): void {
  denormal = false
  unpack(a, width)
  a_class = b_class
  a_sign = b_sign
  a_exp = b_exp
  a_sig = b_sig
  unpack(b, width)
}

/** Result where one operand at least is a NaN: the first one that is, made quiet. */
function nan_result(a: u64, b: u64, width: u32): u64 {
  if (a_class == SNAN || b_class == SNAN) sf_flags |= SF_IE
  return quiet(a_class >= QNAN ? a : b, width)
}

export function invalid(width: u32): u64 {
  sf_flags |= SF_IE
  return default_nan(width)
}

/** Notes a denormal operand. True: it is unmasked, the operation stops here. */
export function stop_at_denormal(): bool {
  if (!denormal) return false
  sf_flags |= SF_DE
  return !(sf_masks & SF_DE)
}

/** Rounds the work number and packs it. */
export function finish(width: u32): u64 {
  const before = sf_flags
  if (width == 32) round_work(24, -126, 127, 0)
  else round_work(53, -1022, 1023, 0)
  if (r_infinite) return infinity(w_sign, width)
  if (sf_ftz && r_flags & SF_UE) return zero(w_sign, width)
  if (sf_ftz && sf_masks & SF_UE && r_sig && <i64>r_sig >= 0) {
    // tiny but exact: flushed all the same, which makes it inexact
    sf_flags = before | SF_UE | SF_PE
    return zero(w_sign, width)
  }
  const sign = zero(w_sign, width)
  if (width == 32) return sign | (<i64>r_sig < 0 ? (<u64>(r_exp + 127) << 23) | ((r_sig << 1) >> 41) : r_sig >> 40)
  return sign | (<i64>r_sig < 0 ? (<u64>(r_exp + 1023) << 52) | ((r_sig << 1) >> 12) : r_sig >> 11)
}

/** ADDSS, ADDSD, SUBSS, SUBSD: a + b, or a - b with `negate` = 1. */
export function binary_add(a: u64, b: u64, negate: u32, width: u32): u64 {
  unpack_two(a, b, width)
  if (a_class >= QNAN || b_class >= QNAN) return nan_result(a, b, width)
  b_sign ^= negate
  if (a_class == INFINITE && b_class == INFINITE && a_sign != b_sign) return invalid(width)
  if (stop_at_denormal()) return 0
  if (a_class == INFINITE) return infinity(a_sign, width)
  if (b_class == INFINITE) return infinity(b_sign, width)
  if (a_class == ZERO && b_class == ZERO) return zero(a_sign == b_sign ? a_sign : u32(sf_round == 1), width)
  if (a_class == ZERO) w_set(b_sign, b_exp, b_sig, 0)
  else if (b_class == ZERO) w_set(a_sign, a_exp, a_sig, 0)
  else if (a_sign == b_sign) add_magnitudes(a_sign, a_exp, a_sig, b_exp, b_sig)
  else if (!sub_magnitudes(a_sign, a_exp, a_sig, b_exp, b_sig)) return zero(u32(sf_round == 1), width)
  return finish(width)
}

/** MULSS, MULSD. */
export function binary_mul(a: u64, b: u64, width: u32): u64 {
  unpack_two(a, b, width)
  if (a_class >= QNAN || b_class >= QNAN) return nan_result(a, b, width)
  const sign = a_sign ^ b_sign
  const infinite = a_class == INFINITE || b_class == INFINITE
  const none = a_class == ZERO || b_class == ZERO
  if (infinite && none) return invalid(width)
  if (stop_at_denormal()) return 0
  if (infinite) return infinity(sign, width)
  if (none) return zero(sign, width)
  multiply(sign, a_exp, a_sig, b_exp, b_sig)
  return finish(width)
}

/** DIVSS, DIVSD. */
export function binary_div(a: u64, b: u64, width: u32): u64 {
  unpack_two(a, b, width)
  if (a_class >= QNAN || b_class >= QNAN) return nan_result(a, b, width)
  const sign = a_sign ^ b_sign
  if (a_class == b_class && a_class != FINITE) return invalid(width)
  if (b_class == ZERO && a_class == FINITE) {
    sf_flags |= SF_ZE
    return infinity(sign, width)
  }
  if (stop_at_denormal()) return 0
  if (a_class == INFINITE) return infinity(sign, width)
  if (b_class == INFINITE || a_class == ZERO) return zero(sign, width)
  divide(sign, a_exp, a_sig, b_exp, b_sig)
  return finish(width)
}

/** SQRTSS, SQRTSD. */
export function binary_sqrt(a: u64, width: u32): u64 {
  unpack_one(a, width)
  if (b_class >= QNAN) {
    if (b_class == SNAN) sf_flags |= SF_IE
    return quiet(a, width)
  }
  if (b_class == ZERO) return zero(b_sign, width)
  if (b_sign) return invalid(width)
  if (b_class == INFINITE) return a
  if (stop_at_denormal()) return 0
  square_root(b_exp, b_sig)
  return finish(width)
}

/** COMISS, UCOMISS, CMPSS and relatives: -1, 0, 1, 2 = unordered. `signal`: quiet NaNs are invalid too. */
export function binary_compare(a: u64, b: u64, signal: bool, width: u32): i32 {
  unpack_two(a, b, width)
  if (a_class >= QNAN || b_class >= QNAN) {
    if (signal || a_class == SNAN || b_class == SNAN) sf_flags |= SF_IE
    return 2
  }
  if (denormal) sf_flags |= SF_DE
  return order(a, b, width)
}

function order(a: u64, b: u64, width: u32): i32 {
  if (a_class == ZERO && b_class == ZERO) return 0
  if (a_class == ZERO) return b_sign ? 1 : -1
  if (b_class == ZERO) return a_sign ? -1 : 1
  if (a_sign != b_sign) return a_sign ? -1 : 1
  if (a == b) return 0
  return a < b == (a_sign == 0) ? -1 : 1
}

/** MINSS, MAXSS and relatives. */
export function binary_minmax(a: u64, b: u64, greater: bool, width: u32): u64 {
  unpack_two(a, b, width)
  if (a_class >= QNAN || b_class >= QNAN) {
    sf_flags |= SF_IE
    return b_class == ZERO ? zero(b_sign, width) : b
  }
  if (stop_at_denormal()) return 0
  const o = order(a, b, width)
  if (greater ? o > 0 : o < 0) return a_class == ZERO ? zero(a_sign, width) : a
  return b_class == ZERO ? zero(b_sign, width) : b
}

/** ROUNDSS, ROUNDSD. A number rounds to an integer as it rounds to fewer bits of precision. */
export function binary_round_to_int(a: u64, mode: u32, width: u32): u64 {
  unpack_one(a, width)
  if (b_class >= QNAN) {
    if (b_class == SNAN) sf_flags |= SF_IE
    return quiet(a, width)
  }
  if (b_class == ZERO) return zero(b_sign, width)
  if (b_class == INFINITE || b_exp >= (width == 32 ? 23 : 52)) return a
  const n = integer_part(mode & 4 ? sf_round : mode & 3)
  if (cut_off && !(mode & 8)) sf_flags |= SF_PE
  if (!n) return zero(b_sign, width)
  w_normalize(b_sign, 63, n, 0)
  const saved = sf_ftz
  sf_ftz = false
  const r = finish(width)
  sf_ftz = saved
  return r
}

let cut_off: bool = false

/** |b| rounded to an integer under `mode`, for b_exp < 64; `cut_off` tells whether it was none before. */
function integer_part(mode: u32): u64 {
  const n = shift_right_jam(b_sig, 0, <u32>min<i32>(63 - b_exp, 200))
  const rest = wide_lo
  cut_off = rest != 0
  let up = false
  if (mode == 0) up = rest > 0x8000000000000000 || (rest == 0x8000000000000000 && (n & 1) != 0)
  else if (mode != 3 && rest) up = (mode == 1) == (b_sign != 0)
  return n + u64(up)
}

/** CVTSS2SI and relatives: to a signed integer of `bits` bits. */
export function binary_to_int(a: u64, mode: u32, width: u32, bits: u32): u64 {
  const indefinite: u64 = (<u64>1) << (bits - 1)
  unpack_one(a, width)
  if (b_class == ZERO) return 0
  if (b_class != FINITE || b_exp >= <i32>bits) {
    sf_flags |= SF_IE
    return indefinite
  }
  const n = integer_part(mode)
  if (b_sign ? n > indefinite : n >= indefinite) {
    sf_flags |= SF_IE
    return indefinite
  }
  if (cut_off) sf_flags |= SF_PE
  return b_sign ? 0 - n : n
}

/** CVTSI2SS, CVTSI2SD and relatives. */
export function int_to_binary(v: i64, width: u32): u64 {
  if (v == 0) return 0
  w_normalize(u32(v < 0), 63, v < 0 ? 0 - <u64>v : <u64>v, 0)
  return finish(width)
}

/** CVTSS2SD, CVTSD2SS. */
export function binary_convert(a: u64, from: u32, to: u32): u64 {
  unpack_one(a, from)
  if (b_class >= QNAN) {
    if (b_class == SNAN) sf_flags |= SF_IE
    const sign = zero(b_sign, to)
    if (from == 32) return sign | 0x7ff8000000000000 | ((a << 41) >> 12)
    return sign | 0x7fc00000 | ((a << 12) >> 41)
  }
  if (b_class == ZERO) return zero(b_sign, to)
  if (b_class == INFINITE) return infinity(b_sign, to)
  if (stop_at_denormal()) return 0
  w_set(b_sign, b_exp, b_sig, 0)
  return finish(to)
}
