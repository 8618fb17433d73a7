// Operations on the parts of a number (AMD64 APM vol. 5: FSQRT, FRNDINT, FSCALE, FXTRACT, FPREM, FPREM1).

import { R_NEXT } from '../ir/results'
import { sf_flags, SF_ZE } from './softfloat-state'
import { w_normalize, w_set } from './softfloat-round'
import { div_wide, shift_right_jam, wide_lo } from './softfloat-wide'
import {
  a_class, a_exp, a_sig, a_sign, b_class, b_exp, b_sig, b_sign, F80_FINITE, F80_INFINITE, F80_ZERO, f80_denormal, f80_finish, f80_infinity, f80_invalid, f80_nan1,
  f80_nan2, f80_set, f80_sqrt, f80_zero, z_se, z_sig,
} from './softfloat-f80'
import { f80_round_to_int } from './softfloat-f80-convert'
import {
  commit_flags, finish_into, INDEFINITE_SE, INDEFINITE_SIG, load_a, load_b, push, set_codes, st_empty, st_set, stack_fault, stopped, SW_C0, SW_C1, SW_C2, SW_C3,
  underflow_into, x87_begin,
} from './x87-stack'

export function x87_sqrt(s: usize): u32 {
  if (st_empty(s, 0)) return underflow_into(s, 0, false)
  x87_begin(s)
  load_b(s, 0)
  f80_sqrt()
  return finish_into(s, 0, false)
}

export function x87_round(s: usize): u32 {
  if (st_empty(s, 0)) return underflow_into(s, 0, false)
  x87_begin(s)
  load_b(s, 0)
  f80_round_to_int()
  return finish_into(s, 0, false)
}

/** FSCALE: ST(0) × 2^truncate(ST(1)). */
export function x87_scale(s: usize): u32 {
  if (st_empty(s, 0) || st_empty(s, 1)) return underflow_into(s, 0, false)
  x87_begin(s)
  load_a(s, 0)
  load_b(s, 1)
  scale()
  return finish_into(s, 0, false)
}

function scale(): void {
  if (f80_nan2()) return
  if (b_class == F80_INFINITE) {
    if (b_sign ? a_class == F80_INFINITE : a_class == F80_ZERO) return f80_invalid()
    if (f80_denormal()) return
    if (b_sign) f80_zero(a_sign)
    else f80_infinity(a_sign)
    return
  }
  if (f80_denormal()) return
  if (a_class == F80_INFINITE) return f80_infinity(a_sign)
  if (a_class == F80_ZERO) return f80_zero(a_sign)
  let n: i32 = 0
  if (b_class == F80_FINITE && b_exp >= 0) n = b_exp > 16 ? 0x20000 : <i32>(b_sig >> (63 - b_exp))
  w_set(a_sign, a_exp + (b_sign ? -n : n), a_sig, 0)
  f80_finish(64)
}

/** FXTRACT: exponent to ST(0), then the significand is pushed. */
export function x87_extract(s: usize): u32 {
  const empty = st_empty(s, 0)
  if (empty || !st_empty(s, 7)) {
    if (stack_fault(s, !empty)) {
      st_set(s, 0, INDEFINITE_SIG, INDEFINITE_SE)
      push(s, INDEFINITE_SIG, INDEFINITE_SE)
    }
    return R_NEXT
  }
  x87_begin(s)
  load_b(s, 0)
  const sig = extract()
  commit_flags(s)
  if (stopped()) return R_NEXT
  st_set(s, 0, z_sig, z_se)
  push(s, sig, significand_se)
  return R_NEXT
}

let significand_se: u32 = 0

/** The exponent is left in z; returns the significand, its sign and exponent in significand_se. */
function extract(): u64 {
  if (f80_nan1()) {
    significand_se = z_se
    return z_sig
  }
  if (b_class == F80_ZERO) {
    sf_flags |= SF_ZE
    f80_infinity(1)
    significand_se = b_sign << 15
    return 0
  }
  if (b_class == F80_INFINITE) {
    f80_infinity(0)
    significand_se = (b_sign << 15) | 0x7fff
    return 0x8000000000000000
  }
  f80_denormal()
  significand_se = (b_sign << 15) | 16383
  const sig = b_sig
  const e: u64 = <u64>abs<i32>(b_exp)
  if (!e) f80_zero(0)
  else {
    const n = <u32>clz<u64>(e)
    f80_set(e << n, (u32(b_exp < 0) << 15) | (16383 + 63 - n))
  }
  return sig
}

let quotient: u32 = 0
let partial: bool = false
/** There is a quotient: neither a NaN nor an invalid operation. */
let divided: bool = false

/** FPREM (quotient truncated) and FPREM1 (rounded to nearest). The low quotient bits go to C0, C3, C1; C2 = not finished. */
export function x87_remainder(s: usize, nearest: bool): u32 {
  if (st_empty(s, 0) || st_empty(s, 1)) {
    set_codes(s, 0, SW_C2)
    return underflow_into(s, 0, false)
  }
  x87_begin(s)
  load_a(s, 0)
  load_b(s, 1)
  quotient = 0
  partial = false
  divided = false
  remainder(nearest)
  const r = finish_into(s, 0, false)
  if (stopped() || !divided) {
    set_codes(s, 0, SW_C2)
    return r
  }
  const codes = (quotient & 1 ? SW_C1 : 0) | (quotient & 2 ? SW_C3 : 0) | (quotient & 4 ? SW_C0 : 0)
  set_codes(s, partial ? SW_C2 : codes, SW_C0 | SW_C1 | SW_C2 | SW_C3)
  return r
}

function remainder(nearest: bool): void {
  if (f80_nan2()) return
  if (a_class == F80_INFINITE || b_class == F80_ZERO) return f80_invalid()
  divided = true
  if (f80_denormal()) return
  if (a_class == F80_ZERO) return f80_zero(a_sign)
  if (b_class == F80_INFINITE) {
    w_set(a_sign, a_exp, a_sig, 0)
    return f80_finish(64)
  }
  const d = a_exp - b_exp
  const least: i32 = nearest ? -1 : 0
  if (d < least) {
    w_set(a_sign, a_exp, a_sig, 0)
    return f80_finish(64)
  }
  partial = d >= 64
  const n = partial ? (d & 31) | 32 : d
  // a_sig × 2^n mod b_sig, n = -1 only where A is between B/4 and B
  let rest = a_sig
  let exp = a_exp - n
  let q: u64 = 0
  if (n >= 0) {
    q = u64(rest >= b_sig)
    if (q) rest -= b_sig
    if (n) {
      const lo = n == 64 ? 0 : rest << n
      q = (q << n) + div_wide(n == 64 ? rest : rest >> (64 - n), lo, b_sig)
      rest = wide_lo
    }
  }
  let sign = a_sign
  if (nearest && !partial) {
    // is the remainder above half of B, or half with an odd quotient?
    let up: bool
    if (n < 0) up = rest > b_sig
    else up = rest > b_sig - rest || (rest == b_sig - rest && (q & 1) != 0)
    if (up) {
      q++
      sign ^= 1
      if (n < 0) return minus_half(sign)
      rest = b_sig - rest
    }
  }
  quotient = <u32>q & 7
  if (!rest) return f80_zero(a_sign)
  w_normalize(sign, n < 0 ? a_exp : exp, rest, 0)
  f80_finish(64)
}

/** |B| - |A| where A is half as large as B in exponent: the significands stand one bit apart. */
function minus_half(sign: u32): void {
  quotient = 1
  const half = shift_right_jam(a_sig, 0, 1)
  const lo: u64 = 0 - wide_lo
  w_normalize(sign, b_exp, b_sig - half - u64(lo != 0), lo)
  f80_finish(64)
}
