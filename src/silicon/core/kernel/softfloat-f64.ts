// binary64 with SSE2 semantics (AMD64 APM vol. 1, section 4.7 and vol. 4, ADDSD … SQRTSD). Each function tries the host's own
// arithmetic first: with round-to-nearest and PE already set, normal operands and a normal result, both are the same IEEE 754 operation and no flag can change.

import { sf_flags, sf_round, SF_PE } from './softfloat-state'
import { binary_add, binary_compare, binary_div, binary_minmax, binary_mul, binary_round_to_int, binary_sqrt } from './softfloat-binary'

// @ts-ignore: decorator
@inline
function quick(): bool {
  return sf_round == 0 && (sf_flags & SF_PE) != 0
}
/** Normal or zero. */
// @ts-ignore: decorator
@inline
function plain(a: u64): bool {
  return (<u32>(a >> 52) & 0x7ff) - 1 < 0x7fe || a << 1 == 0
}
/** Normal, not at the edges of the range. */
// @ts-ignore: decorator
@inline
function inner(a: u64): bool {
  return (<u32>(a >> 52) & 0x7ff) - 2 < 0x7fc
}
// @ts-ignore: decorator
@inline
function is_zero(a: u64): bool {
  return a << 1 == 0
}

export function f64_add(a: u64, b: u64): u64 {
  if (quick() && plain(a) && plain(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) + reinterpret<f64>(b))
    if (inner(r) || is_zero(r)) return r
  }
  return binary_add(a, b, 0, 64)
}

export function f64_sub(a: u64, b: u64): u64 {
  if (quick() && plain(a) && plain(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) - reinterpret<f64>(b))
    if (inner(r) || is_zero(r)) return r
  }
  return binary_add(a, b, 1, 64)
}

export function f64_mul(a: u64, b: u64): u64 {
  if (quick() && plain(a) && plain(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) * reinterpret<f64>(b))
    if (inner(r) || is_zero(a) || is_zero(b)) return r
  }
  return binary_mul(a, b, 64)
}

export function f64_div(a: u64, b: u64): u64 {
  if (quick() && plain(a) && plain(b) && !is_zero(b)) {
    const r = reinterpret<u64>(reinterpret<f64>(a) / reinterpret<f64>(b))
    if (inner(r) || is_zero(a)) return r
  }
  return binary_div(a, b, 64)
}

export function f64_sqrt(a: u64): u64 {
  if (quick() && plain(a) && <i64>a >= 0) return reinterpret<u64>(sqrt<f64>(reinterpret<f64>(a)))
  return binary_sqrt(a, 64)
}

/** -1, 0, 1, or 2 for unordered. Invalid for every NaN (COMISD, CMPLTSD …). */
export function f64_compare(a: u64, b: u64): i32 {
  if (plain(a) && plain(b)) {
    const x = reinterpret<f64>(a)
    const y = reinterpret<f64>(b)
    return i32(x > y) - i32(x < y)
  }
  return binary_compare(a, b, true, 64)
}

/** The same, invalid for signalling NaNs only (UCOMISD, CMPEQSD …). */
export function f64_compare_quiet(a: u64, b: u64): i32 {
  if (plain(a) && plain(b)) {
    const x = reinterpret<f64>(a)
    const y = reinterpret<f64>(b)
    return i32(x > y) - i32(x < y)
  }
  return binary_compare(a, b, false, 64)
}

/** MINSD: the second operand where either is a NaN or both are zero. */
export function f64_min(a: u64, b: u64): u64 {
  return binary_minmax(a, b, false, 64)
}

export function f64_max(a: u64, b: u64): u64 {
  return binary_minmax(a, b, true, 64)
}

/** ROUNDSD. `mode`: bits 1:0 rounding mode, bit 2 = take the mode of the environment instead, bit 3 = no precision exception. */
export function f64_round_to_int(a: u64, mode: u32): u64 {
  return binary_round_to_int(a, mode, 64)
}
