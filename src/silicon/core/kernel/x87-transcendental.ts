// Transcendental functions (AMD64 APM vol. 5: F2XM1, FYL2X, FYL2XP1, FPATAN, FPTAN, FSIN, FCOS, FSINCOS; vol. 1, section 6.4.5).
// Computed to more than 100 bits and rounded once to 64, whatever the precision control says.

import { R_NEXT } from '../ir/results'
import { X87_FCOS, X87_FSINCOS } from '../ir/x87-ids'
import { SCRATCH } from '../state/layout'
import { sf_flags, SF_ZE } from './softfloat-state'
import { w_set } from './softfloat-round'
import {
  a_class, a_exp, a_sig, a_sign, b_class, b_exp, b_sig, b_sign, F80_INFINITE, F80_ZERO, f80_denormal, f80_finish, f80_infinity, f80_invalid, f80_nan1, f80_nan2,
  f80_set, f80_zero, z_se, z_sig,
} from './softfloat-f80'
import {
  quadrant, wide_atan, wide_expm1, wide_ln2, wide_log2, wide_log2_near_one, wide_pi, wide_reduce, wide_sine,
} from './softfloat-series'
import {
  wide_add, wide_divide, wide_exp, wide_hi, wide_int, wide_is_zero, wide_low, wide_multiply, wide_negate, wide_set, wide_sign, WIDE_SIZE,
} from './softfloat-wide-number'
import {
  commit_flags, finish_into, INDEFINITE_SE, INDEFINITE_SIG, load_a, load_b, push, set_codes, st_empty, st_set, stack_fault, stopped, SW_C1, SW_C2, underflow_into,
  x87_begin,
} from './x87-stack'

/** Rounds the number at `p` into the result; it is never exact. */
function finish_wide(p: usize): void {
  w_set(wide_sign(p), wide_exp(p), wide_hi(p), wide_low(p) | 1)
  f80_finish(64)
}

/** F2XM1: 2^ST(0) - 1 for -1 ≤ ST(0) ≤ 1; outside the result is undefined by the manual, here ST(0) itself. */
export function x87_2xm1(s: usize): u32 {
  if (st_empty(s, 0)) return underflow_into(s, 0, false)
  x87_begin(s)
  load_b(s, 0)
  power(s + SCRATCH)
  return finish_into(s, 0, false)
}

function power(p: usize): void {
  if (f80_nan1()) return
  if (b_class == F80_ZERO) return f80_zero(b_sign)
  if (b_class == F80_INFINITE) {
    if (b_sign) f80_set(0x8000000000000000, 0xbfff)
    else f80_infinity(0)
    return
  }
  if (f80_denormal()) return
  if (b_exp >= 0) {
    const one = b_exp == 0 && b_sig == 0x8000000000000000
    if (one && b_sign) f80_set(0x8000000000000000, 0xbffe)
    else f80_set(b_sig, (b_sign << 15) | <u32>(b_exp + 16383))
    return
  }
  const y = p
  const t = p + WIDE_SIZE
  wide_set(y, b_sign, b_exp, b_sig, 0)
  wide_ln2(t)
  wide_multiply(y, y, t)
  wide_expm1(y, y, t)
  finish_wide(y)
}

/** FYL2X: ST(1) × log2(ST(0)) to ST(1), pop. */
export function x87_yl2x(s: usize): u32 {
  if (st_empty(s, 0) || st_empty(s, 1)) return underflow_into(s, 1, true)
  x87_begin(s)
  load_a(s, 0)
  load_b(s, 1)
  logarithm(s + SCRATCH)
  return finish_into(s, 1, true)
}

function logarithm(p: usize): void {
  if (f80_nan2()) return
  if (a_sign && a_class != F80_ZERO) return f80_invalid()
  if (a_class == F80_INFINITE) {
    if (b_class == F80_ZERO) return f80_invalid()
    if (f80_denormal()) return
    return f80_infinity(b_sign)
  }
  if (a_class == F80_ZERO) {
    if (b_class == F80_ZERO) return f80_invalid()
    if (b_class != F80_INFINITE) sf_flags |= SF_ZE
    return f80_infinity(b_sign ^ 1)
  }
  const is_one = a_exp == 0 && a_sig == 0x8000000000000000
  if (b_class == F80_INFINITE && is_one) return f80_invalid()
  if (f80_denormal()) return
  const sign = b_sign ^ u32(a_exp < 0)
  if (b_class == F80_INFINITE) return f80_infinity(sign)
  if (b_class == F80_ZERO || is_one) return f80_zero(sign)
  const m = p
  const y = p + WIDE_SIZE
  wide_set(m, 0, a_exp, a_sig, 0)
  wide_log2(m, m, y + WIDE_SIZE)
  wide_set(y, b_sign, b_exp, b_sig, 0)
  wide_multiply(m, m, y)
  finish_wide(m)
}

/** FYL2XP1: ST(1) × log2(ST(0) + 1) to ST(1), pop. */
export function x87_yl2xp1(s: usize): u32 {
  if (st_empty(s, 0) || st_empty(s, 1)) return underflow_into(s, 1, true)
  x87_begin(s)
  load_a(s, 0)
  load_b(s, 1)
  logarithm_plus_one(s + SCRATCH)
  return finish_into(s, 1, true)
}

function logarithm_plus_one(p: usize): void {
  if (f80_nan2()) return
  const sign = a_sign ^ b_sign
  if (a_class == F80_INFINITE) {
    if (a_sign || b_class == F80_ZERO) return f80_invalid()
    if (f80_denormal()) return
    return f80_infinity(sign)
  }
  if (a_class == F80_ZERO && b_class == F80_INFINITE) return f80_invalid()
  if (f80_denormal()) return
  if (a_class == F80_ZERO || b_class == F80_ZERO) return f80_zero(sign)
  if (b_class == F80_INFINITE) return f80_infinity(sign)
  if (a_sign && a_exp >= 0) return f80_set(a_sig, (a_sign << 15) | <u32>(a_exp + 16383))
  const x = p
  const y = p + WIDE_SIZE
  const room = y + WIDE_SIZE
  wide_set(x, a_sign, a_exp, a_sig, 0)
  if (a_exp < -2) wide_log2_near_one(x, x, room)
  else {
    wide_int(y, 1)
    wide_add(x, x, y, 0)
    wide_log2(x, x, room)
  }
  wide_set(y, b_sign, b_exp, b_sig, 0)
  wide_multiply(x, x, y)
  finish_wide(x)
}

/** FPATAN: the angle of the point (ST(0), ST(1)) to ST(1), pop. */
export function x87_atan(s: usize): u32 {
  if (st_empty(s, 0) || st_empty(s, 1)) return underflow_into(s, 1, true)
  x87_begin(s)
  load_a(s, 0)
  load_b(s, 1)
  angle(s + SCRATCH)
  return finish_into(s, 1, true)
}

function angle(p: usize): void {
  if (f80_nan2()) return
  if (f80_denormal()) return
  const sign = b_sign
  // half turns and quarter turns first
  if (b_class == F80_ZERO || (a_class == F80_INFINITE && b_class != F80_INFINITE)) {
    if (!a_sign) return f80_zero(sign)
    wide_pi(p, 0)
  } else if (a_class == F80_ZERO || (b_class == F80_INFINITE && a_class != F80_INFINITE)) {
    wide_pi(p, -1)
  } else if (b_class == F80_INFINITE) {
    wide_pi(p, -2)
    if (a_sign) {
      wide_int(p + WIDE_SIZE, 3)
      wide_multiply(p, p, p + WIDE_SIZE)
    }
  } else finite_angle(p)
  if (sign) wide_negate(p)
  finish_wide(p)
}

/** The angle of (A, |B|), 0 … π. */
function finite_angle(p: usize): void {
  const x = p + WIDE_SIZE
  const y = p + 2 * WIDE_SIZE
  const room = p + 3 * WIDE_SIZE
  wide_set(x, 0, a_exp, a_sig, 0)
  wide_set(y, 0, b_exp, b_sig, 0)
  const steep = b_exp > a_exp || (b_exp == a_exp && b_sig > a_sig)
  if (steep) wide_divide(x, x, y, room)
  else wide_divide(x, y, x, room)
  wide_atan(p, x, room)
  if (steep) {
    wide_pi(y, -1)
    wide_add(p, y, p, 1)
  }
  if (a_sign) {
    wide_pi(y, 0)
    wide_add(p, y, p, 1)
  }
}

/** sin or cos of the operand in slot B to z. */
function circular(p: usize, cosine: bool): void {
  if (f80_nan1()) return
  if (b_class == F80_INFINITE) return f80_invalid()
  if (b_class == F80_ZERO) {
    if (cosine) f80_set(0x8000000000000000, 0x3fff)
    else f80_zero(b_sign)
    return
  }
  if (f80_denormal()) return
  const r = p
  wide_reduce(r, b_sign, b_exp, b_sig)
  const turn = (quadrant + u32(cosine)) & 3
  wide_sine(r, r, (turn & 1) != 0, p + WIDE_SIZE)
  if (turn & 2) wide_negate(r)
  if (wide_is_zero(r)) return f80_zero(0)
  finish_wide(r)
}

/** |ST(0)| ≥ 2^63: left alone, C2 = 1. */
function out_of_range(s: usize): bool {
  if (b_class == F80_INFINITE || b_class != 1 || b_exp < 63) {
    set_codes(s, 0, SW_C2)
    return false
  }
  set_codes(s, SW_C2, SW_C1 | SW_C2)
  return true
}

/** FSIN, FCOS, FSINCOS. */
export function x87_sine(s: usize, id: i32): u32 {
  const pair = id == X87_FSINCOS
  if (pair && (st_empty(s, 0) || !st_empty(s, 7))) return pair_fault(s)
  if (st_empty(s, 0)) {
    set_codes(s, 0, SW_C2)
    return underflow_into(s, 0, false)
  }
  x87_begin(s)
  load_b(s, 0)
  if (out_of_range(s)) return R_NEXT
  circular(s + SCRATCH, id == X87_FCOS)
  if (!pair) return finish_into(s, 0, false)
  const sig = z_sig
  const se = z_se
  circular(s + SCRATCH, true)
  commit_flags(s)
  if (stopped()) return R_NEXT
  st_set(s, 0, sig, se)
  push(s, z_sig, z_se)
  return R_NEXT
}

/** FPTAN and FSINCOS without operand, or without room for the second result. */
function pair_fault(s: usize): u32 {
  set_codes(s, 0, SW_C2)
  if (stack_fault(s, !st_empty(s, 0))) {
    st_set(s, 0, INDEFINITE_SIG, INDEFINITE_SE)
    push(s, INDEFINITE_SIG, INDEFINITE_SE)
  }
  return R_NEXT
}

/** FPTAN: tan ST(0) to ST(0), then 1 is pushed (for a NaN, the NaN). */
export function x87_tangent(s: usize): u32 {
  if (st_empty(s, 0) || !st_empty(s, 7)) return pair_fault(s)
  x87_begin(s)
  load_b(s, 0)
  if (out_of_range(s)) return R_NEXT
  tangent(s + SCRATCH)
  commit_flags(s)
  if (stopped()) return R_NEXT
  st_set(s, 0, z_sig, z_se)
  if ((z_se & 0x7fff) == 0x7fff) push(s, z_sig, z_se)
  else push(s, 0x8000000000000000, 0x3fff)
  return R_NEXT
}

function tangent(p: usize): void {
  if (f80_nan1()) return
  if (b_class == F80_INFINITE) return f80_invalid()
  if (b_class == F80_ZERO) return f80_zero(b_sign)
  if (f80_denormal()) return
  const r = p
  const sine = p + WIDE_SIZE
  const room = p + 2 * WIDE_SIZE
  wide_reduce(r, b_sign, b_exp, b_sig)
  // just above the operand itself
  if (b_exp < -66) return finish_wide(r)
  const odd = (quadrant & 1) != 0
  wide_sine(sine, r, false, room)
  wide_sine(r, r, true, room)
  if (odd) {
    wide_divide(r, r, sine, room)
    wide_negate(r)
  } else wide_divide(r, sine, r, room)
  finish_wide(r)
}
