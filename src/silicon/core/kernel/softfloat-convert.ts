// Conversions with SSE semantics (AMD64 APM vol. 4, CVTSS2SD, CVTSD2SS, CVT(T)SS2SI, CVT(T)SD2SI, CVTSI2SS, CVTSI2SD and their packed forms).

import { sf_flags, sf_round, SF_PE } from './softfloat-state'
import { binary_convert, binary_to_int, int_to_binary } from './softfloat-binary'

export function f32_to_f64(a: u32): u64 {
  if (((a >> 23) & 0xff) - 1 < 0xfe || a << 1 == 0) return reinterpret<u64>(<f64>reinterpret<f32>(a))
  return binary_convert(a, 32, 64)
}

export function f64_to_f32(a: u64): u32 {
  if (sf_round == 0 && (sf_flags & SF_PE) != 0) {
    // exponents well inside binary32
    if ((<u32>(a >> 52) & 0x7ff) - 900 < 240 || a << 1 == 0) return reinterpret<u32>(<f32>reinterpret<f64>(a))
  }
  return <u32>binary_convert(a, 64, 32)
}

export function f32_to_i32(a: u32): u32 {
  return <u32>binary_to_int(a, sf_round, 32, 32)
}
export function f32_to_i32_trunc(a: u32): u32 {
  return <u32>binary_to_int(a, 3, 32, 32)
}
export function f32_to_i64(a: u32): u64 {
  return binary_to_int(a, sf_round, 32, 64)
}
export function f32_to_i64_trunc(a: u32): u64 {
  return binary_to_int(a, 3, 32, 64)
}
export function f64_to_i32(a: u64): u32 {
  return <u32>binary_to_int(a, sf_round, 64, 32)
}
export function f64_to_i32_trunc(a: u64): u32 {
  return <u32>binary_to_int(a, 3, 64, 32)
}
export function f64_to_i64(a: u64): u64 {
  return binary_to_int(a, sf_round, 64, 64)
}
export function f64_to_i64_trunc(a: u64): u64 {
  return binary_to_int(a, 3, 64, 64)
}

export function i32_to_f32(a: i32): u32 {
  if (sf_round == 0 && (sf_flags & SF_PE) != 0) return reinterpret<u32>(<f32>a)
  return <u32>int_to_binary(<i64>a, 32)
}
export function i64_to_f32(a: i64): u32 {
  if (sf_round == 0 && (sf_flags & SF_PE) != 0) return reinterpret<u32>(<f32>a)
  return <u32>int_to_binary(a, 32)
}
export function i32_to_f64(a: i32): u64 {
  return reinterpret<u64>(<f64>a)
}
export function i64_to_f64(a: i64): u64 {
  if (sf_round == 0 && (sf_flags & SF_PE) != 0) return reinterpret<u64>(<f64>a)
  return int_to_binary(a, 64)
}
