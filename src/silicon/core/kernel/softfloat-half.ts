// binary16 as VCVTPH2PS and VCVTPS2PH know it (AMD64 APM vol. 4): every half is a normal single, so neither DAZ nor the denormal exception has to do with
// reading one, and FTZ nothing with writing one.

import { b_class, b_exp, b_sig, b_sign, INFINITE, QNAN, SNAN, stop_at_denormal, unpack_one, ZERO } from './softfloat-binary'
import { r_exp, r_infinite, r_sig, round_work, w_set } from './softfloat-round'
import { sf_flags, sf_round, SF_IE } from './softfloat-state'

export function f16_to_f32(a: u32): u32 {
  const sign = (a & 0x8000) << 16
  const exponent = (a >> 10) & 31
  const fraction = a & 0x3ff
  if (exponent == 31) {
    if (fraction && !(fraction & 0x200)) sf_flags |= SF_IE
    return sign | 0x7f800000 | (fraction << 13) | (fraction ? 0x400000 : 0)
  }
  if (exponent) return sign | ((exponent + 112) << 23) | (fraction << 13)
  if (!fraction) return sign
  const n = clz<u32>(fraction)
  return sign | ((134 - n) << 23) | (((fraction << (n + 1)) >> 9) & 0x7fffff)
}

/** `mode`: bits 1:0 rounding mode, bit 2 = take the mode of the environment instead. */
export function f32_to_f16(a: u32, mode: u32): u32 {
  unpack_one(a, 32)
  const sign = b_sign << 15
  if (b_class >= QNAN) {
    if (b_class == SNAN) sf_flags |= SF_IE
    return sign | 0x7e00 | ((a >> 13) & 0x1ff)
  }
  if (b_class == ZERO) return sign
  if (b_class == INFINITE) return sign | 0x7c00
  if (stop_at_denormal()) return 0
  w_set(b_sign, b_exp, b_sig, 0)
  const saved = sf_round
  if (!(mode & 4)) sf_round = mode & 3
  round_work(11, -14, 15, 0)
  sf_round = saved
  if (r_infinite) return sign | 0x7c00
  return sign | (<i64>r_sig < 0 ? (<u32>(r_exp + 15) << 10) | (<u32>(r_sig >> 53) & 0x3ff) : <u32>(r_sig >> 53))
}
