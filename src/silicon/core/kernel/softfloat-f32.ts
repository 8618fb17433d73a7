// binary32 with SSE semantics (AMD64 APM vol. 1, section 4.7 and vol. 4, ADDSS … SQRTSS). Each function tries the host's own
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
function plain(a: u32): bool {
  return ((a >> 23) & 0xff) - 1 < 0xfe || a << 1 == 0
}
/** Normal, not at the edges of the range. */
// @ts-ignore: decorator
@inline
function inner(a: u32): bool {
  return ((a >> 23) & 0xff) - 2 < 0xfc
}
// @ts-ignore: decorator
@inline
function is_zero(a: u32): bool {
  return a << 1 == 0
}

export function f32_add(a: u32, b: u32): u32 {
  if (quick() && plain(a) && plain(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) + reinterpret<f32>(b))
    if (inner(r) || is_zero(r)) return r
  }
  return <u32>binary_add(a, b, 0, 32)
}

export function f32_sub(a: u32, b: u32): u32 {
  if (quick() && plain(a) && plain(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) - reinterpret<f32>(b))
    if (inner(r) || is_zero(r)) return r
  }
  return <u32>binary_add(a, b, 1, 32)
}

export function f32_mul(a: u32, b: u32): u32 {
  if (quick() && plain(a) && plain(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) * reinterpret<f32>(b))
    if (inner(r) || is_zero(a) || is_zero(b)) return r
  }
  return <u32>binary_mul(a, b, 32)
}

export function f32_div(a: u32, b: u32): u32 {
  if (quick() && plain(a) && plain(b) && !is_zero(b)) {
    const r = reinterpret<u32>(reinterpret<f32>(a) / reinterpret<f32>(b))
    if (inner(r) || is_zero(a)) return r
  }
  return <u32>binary_div(a, b, 32)
}

export function f32_sqrt(a: u32): u32 {
  if (quick() && plain(a) && <i32>a >= 0) return reinterpret<u32>(sqrt<f32>(reinterpret<f32>(a)))
  return <u32>binary_sqrt(a, 32)
}

/** -1, 0, 1, or 2 for unordered. Invalid for every NaN (COMISS, CMPLTSS …). */
export function f32_compare(a: u32, b: u32): i32 {
  if (plain(a) && plain(b)) {
    const x = reinterpret<f32>(a)
    const y = reinterpret<f32>(b)
    return i32(x > y) - i32(x < y)
  }
  return binary_compare(a, b, true, 32)
}

/** The same, invalid for signalling NaNs only (UCOMISS, CMPEQSS …). */
export function f32_compare_quiet(a: u32, b: u32): i32 {
  if (plain(a) && plain(b)) {
    const x = reinterpret<f32>(a)
    const y = reinterpret<f32>(b)
    return i32(x > y) - i32(x < y)
  }
  return binary_compare(a, b, false, 32)
}

/** MINSS: the second operand where either is a NaN or both are zero. */
export function f32_min(a: u32, b: u32): u32 {
  return <u32>binary_minmax(a, b, false, 32)
}

export function f32_max(a: u32, b: u32): u32 {
  return <u32>binary_minmax(a, b, true, 32)
}

/** ROUNDSS. `mode`: bits 1:0 rounding mode, bit 2 = take the mode of the environment instead, bit 3 = no precision exception. */
export function f32_round_to_int(a: u32, mode: u32): u32 {
  return <u32>binary_round_to_int(a, mode, 32)
}
