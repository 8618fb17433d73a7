// Two-operand instructions on whole registers: `binary` is the one description of each, for XMM and (through vector-mmx.ts) MMX
// registers. AMD64 APM vol. 4 (128 bits) and vol. 5 (64 bits), each under the instruction's own name.

import * as V from '../ir/vector-ids'
import { XMM } from '../state/layout'
import { aes_decrypt, aes_decrypt_last, aes_encrypt, aes_encrypt_last, aes_inverse_mix, aes_key_assist } from './vector-aes'
import { carryless_multiply } from './vector-multiply'
import { sha1_message1, sha1_message2, sha1_next_e, sha1_rounds4, sha256_message1, sha256_message2, sha256_rounds2 } from './vector-sha'
import {
  align_right, arithmetic_dwords, arithmetic_words, blend_dwords, blend_qwords, blend_words, left_dwords, left_qwords, left_words,
  right_dwords, right_qwords, right_words, select_dwords, select_high_words, select_low_words, shuffle_pd, shuffle_ps,
} from './vector-shuffle'

/** PMULHW, PMULHUW: the upper halves of the products. */
function high_products_signed(a: v128, b: v128): v128 {
  const low = i32x4.extmul_low_i16x8_s(a, b)
  const high = i32x4.extmul_high_i16x8_s(a, b)
  return i16x8.shuffle(low, high, 1, 3, 5, 7, 9, 11, 13, 15)
}
function high_products_unsigned(a: v128, b: v128): v128 {
  const low = i32x4.extmul_low_i16x8_u(a, b)
  const high = i32x4.extmul_high_i16x8_u(a, b)
  return i16x8.shuffle(low, high, 1, 3, 5, 7, 9, 11, 13, 15)
}

// @ts-ignore: decorator
@inline
function even_dwords(a: v128): v128 {
  return i32x4.shuffle(a, a, 0, 2, 0, 2)
}

/** PMADDUBSW: unsigned bytes of a by signed bytes of b, neighbouring products added with saturation. */
function multiply_add_bytes(a: v128, b: v128): v128 {
  const even = i16x8.mul(v128.and(a, i16x8.splat(0xff)), i16x8.shr_s(i16x8.shl(b, 8), 8))
  const odd = i16x8.mul(i16x8.shr_u(a, 8), i16x8.shr_s(b, 8))
  return i16x8.add_sat_s(even, odd)
}

/** PMULHRSW: only -32768 * -32768 differs from WebAssembly's rounding product, which saturates. */
function rounded_high_products(a: v128, b: v128): v128 {
  const lowest = i16x8.splat(-32768)
  const both = v128.and(i16x8.eq(a, lowest), i16x8.eq(b, lowest))
  return v128.xor(i16x8.q15mulr_sat_s(a, b), both)
}

/** PSADBW: sums of absolute differences of eight bytes each. */
function sum_of_differences(a: v128, b: v128): v128 {
  const difference = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a))
  const pairs = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference))
  return v128.and(i64x2.add(pairs, i64x2.shr_u(pairs, 32)), i64x2.splat(0xffffffff))
}

/** PSIGNx: a negated, cleared or kept by the sign of b. */
function sign_bytes(a: v128, b: v128): v128 {
  const negative = i8x16.shr_s(b, 7)
  return v128.andnot(i8x16.sub(v128.xor(a, negative), negative), i8x16.eq(b, i64x2.splat(0)))
}
function sign_words(a: v128, b: v128): v128 {
  const negative = i16x8.shr_s(b, 15)
  return v128.andnot(i16x8.sub(v128.xor(a, negative), negative), i16x8.eq(b, i64x2.splat(0)))
}
function sign_dwords(a: v128, b: v128): v128 {
  const negative = i32x4.shr_s(b, 31)
  return v128.andnot(i32x4.sub(v128.xor(a, negative), negative), i32x4.eq(b, i64x2.splat(0)))
}

// @ts-ignore: decorator
@inline
function even_words(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
}
// @ts-ignore: decorator
@inline
function odd_words(a: v128, b: v128): v128 {
  return i16x8.shuffle(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
}
// @ts-ignore: decorator
@inline
function evens(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 0, 2, 4, 6)
}
// @ts-ignore: decorator
@inline
function odds(a: v128, b: v128): v128 {
  return i32x4.shuffle(a, b, 1, 3, 5, 7)
}

/** PHMINPOSUW: the least word and where it first stands. */
function least_word(a: v128): v128 {
  let least: u32 = 0xffffffff
  let words = <u64>i64x2.extract_lane(a, 0)
  for (let i: u32 = 0; i < 8; i++) {
    if (i == 4) words = <u64>i64x2.extract_lane(a, 1)
    const key = ((<u32>words & 0xffff) << 3) | i
    if (key < least) least = key
    words >>= 16
  }
  return i64x2.replace_lane(i64x2.splat(0), 0, <i64>((least >> 3) | ((least & 7) << 16)))
}

/** MPSADBW: eight sums of four absolute differences; imm 1:0 chooses the dword of b, bit 2 the start in a. */
function block_differences(a: v128, b: v128, imm: u32): v128 {
  const window = align_right(a, a, imm & 4)
  const block = select_dwords(b, (imm & 3) * 0x55)
  let sums = i64x2.splat(0)
  for (let k: u32 = 0; k < 4; k++) {
    const x = i16x8.extend_low_i8x16_u(align_right(window, window, k))
    const byte = i16x8.extend_low_i8x16_u(align_right(block, block, k))
    const y = i16x8.shuffle(byte, byte, 0, 0, 0, 0, 0, 0, 0, 0)
    sums = i16x8.add(sums, i16x8.abs(i16x8.sub(x, y)))
  }
  return sums
}

/** The result of instruction `id` (below V_BINARY_END) for destination a, source b and immediate `imm`. */
export function binary(s: usize, id: i32, a: v128, b: v128, imm: u32): v128 {
  switch (id) {
    case V.V_PXOR: return v128.xor(a, b)
    case V.V_PAND: return v128.and(a, b)
    case V.V_PANDN: return v128.andnot(b, a)
    case V.V_POR: return v128.or(a, b)
    case V.V_PCMPEQB: return i8x16.eq(a, b)
    case V.V_PCMPEQW: return i16x8.eq(a, b)
    case V.V_PCMPEQD: return i32x4.eq(a, b)
    case V.V_PADDD: return i32x4.add(a, b)
    case V.V_PADDQ: return i64x2.add(a, b)
    case V.V_PADDB: return i8x16.add(a, b)
    case V.V_PADDW: return i16x8.add(a, b)
    case V.V_PSUBB: return i8x16.sub(a, b)
    case V.V_PSUBW: return i16x8.sub(a, b)
    case V.V_PSUBD: return i32x4.sub(a, b)
    case V.V_PSUBQ: return i64x2.sub(a, b)
    case V.V_PMINUB: return i8x16.min_u(a, b)
    case V.V_PMAXUB: return i8x16.max_u(a, b)
    case V.V_PSHUFB: return i8x16.swizzle(a, v128.and(b, i8x16.splat(<i8>0x8f)))
    case V.V_PUNPCKLBW: return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
    case V.V_PUNPCKLWD: return i16x8.shuffle(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
    case V.V_PUNPCKLDQ: return i32x4.shuffle(a, b, 0, 4, 1, 5)
    case V.V_PUNPCKHBW: return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
    case V.V_PUNPCKHWD: return i16x8.shuffle(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
    case V.V_PUNPCKHDQ: return i32x4.shuffle(a, b, 2, 6, 3, 7)
    case V.V_PSLLW: return left_words(a, b)
    case V.V_PSLLD: return left_dwords(a, b)
    case V.V_PSLLQ: return left_qwords(a, b)
    case V.V_PSRLW: return right_words(a, b)
    case V.V_PSRLD: return right_dwords(a, b)
    case V.V_PSRLQ: return right_qwords(a, b)
    case V.V_PSRAW: return arithmetic_words(a, b)
    case V.V_PSRAD: return arithmetic_dwords(a, b)
    case V.V_PCMPGTB: return i8x16.gt_s(a, b)
    case V.V_PCMPGTW: return i16x8.gt_s(a, b)
    case V.V_PCMPGTD: return i32x4.gt_s(a, b)
    case V.V_PACKSSWB: return i8x16.narrow_i16x8_s(a, b)
    case V.V_PACKUSWB: return i8x16.narrow_i16x8_u(a, b)
    case V.V_PACKSSDW: return i16x8.narrow_i32x4_s(a, b)
    case V.V_PMULLW: return i16x8.mul(a, b)
    case V.V_PMULHW: return high_products_signed(a, b)
    case V.V_PMULHUW: return high_products_unsigned(a, b)
    case V.V_PMULUDQ: return i64x2.extmul_low_i32x4_u(even_dwords(a), even_dwords(b))
    case V.V_PMADDWD: return i32x4.dot_i16x8_s(a, b)
    case V.V_PMADDUBSW: return multiply_add_bytes(a, b)
    case V.V_PSADBW: return sum_of_differences(a, b)
    case V.V_PAVGB: return i8x16.avgr_u(a, b)
    case V.V_PAVGW: return i16x8.avgr_u(a, b)
    case V.V_PMINSW: return i16x8.min_s(a, b)
    case V.V_PMAXSW: return i16x8.max_s(a, b)
    case V.V_PADDSB: return i8x16.add_sat_s(a, b)
    case V.V_PADDSW: return i16x8.add_sat_s(a, b)
    case V.V_PADDUSB: return i8x16.add_sat_u(a, b)
    case V.V_PADDUSW: return i16x8.add_sat_u(a, b)
    case V.V_PSUBSB: return i8x16.sub_sat_s(a, b)
    case V.V_PSUBSW: return i16x8.sub_sat_s(a, b)
    case V.V_PSUBUSB: return i8x16.sub_sat_u(a, b)
    case V.V_PSUBUSW: return i16x8.sub_sat_u(a, b)
    case V.V_PALIGNR: return align_right(a, b, imm)
    case V.V_PABSB: return i8x16.abs(b)
    case V.V_PABSW: return i16x8.abs(b)
    case V.V_PABSD: return i32x4.abs(b)
    case V.V_PSIGNB: return sign_bytes(a, b)
    case V.V_PSIGNW: return sign_words(a, b)
    case V.V_PSIGND: return sign_dwords(a, b)
    case V.V_PHADDW: return i16x8.add(even_words(a, b), odd_words(a, b))
    case V.V_PHADDD: return i32x4.add(evens(a, b), odds(a, b))
    case V.V_PHADDSW: return i16x8.add_sat_s(even_words(a, b), odd_words(a, b))
    case V.V_PHSUBW: return i16x8.sub(even_words(a, b), odd_words(a, b))
    case V.V_PHSUBD: return i32x4.sub(evens(a, b), odds(a, b))
    case V.V_PHSUBSW: return i16x8.sub_sat_s(even_words(a, b), odd_words(a, b))
    case V.V_PMULHRSW: return rounded_high_products(a, b)
    case V.V_PUNPCKLQDQ: return i64x2.shuffle(a, b, 0, 2)
    case V.V_PUNPCKHQDQ: return i64x2.shuffle(a, b, 1, 3)
    case V.V_PSHUFD: return select_dwords(b, imm)
    case V.V_PSHUFLW: return select_low_words(b, imm)
    case V.V_PSHUFHW: return select_high_words(b, imm)
    case V.V_SHUFPS: return shuffle_ps(a, b, imm)
    case V.V_SHUFPD: return shuffle_pd(a, b, imm)
    case V.V_MOVSLDUP: return i32x4.shuffle(b, b, 0, 0, 2, 2)
    case V.V_MOVSHDUP: return i32x4.shuffle(b, b, 1, 1, 3, 3)
    case V.V_PMULLD: return i32x4.mul(a, b)
    case V.V_PMULDQ: return i64x2.extmul_low_i32x4_s(even_dwords(a), even_dwords(b))
    case V.V_PMINSB: return i8x16.min_s(a, b)
    case V.V_PMINUW: return i16x8.min_u(a, b)
    case V.V_PMINUD: return i32x4.min_u(a, b)
    case V.V_PMINSD: return i32x4.min_s(a, b)
    case V.V_PMAXSB: return i8x16.max_s(a, b)
    case V.V_PMAXUW: return i16x8.max_u(a, b)
    case V.V_PMAXUD: return i32x4.max_u(a, b)
    case V.V_PMAXSD: return i32x4.max_s(a, b)
    case V.V_PACKUSDW: return i16x8.narrow_i32x4_u(a, b)
    case V.V_PCMPEQQ: return i64x2.eq(a, b)
    case V.V_PCMPGTQ: return i64x2.gt_s(a, b)
    case V.V_PHMINPOSUW: return least_word(b)
    case V.V_PBLENDVB: return v128.bitselect(b, a, i8x16.shr_s(v128.load(s + XMM), 7))
    case V.V_BLENDVPS: return v128.bitselect(b, a, i32x4.shr_s(v128.load(s + XMM), 31))
    case V.V_BLENDVPD: return v128.bitselect(b, a, i64x2.shr_s(v128.load(s + XMM), 63))
    case V.V_PBLENDW: return blend_words(a, b, imm)
    case V.V_BLENDPS: return blend_dwords(a, b, imm)
    case V.V_BLENDPD: return blend_qwords(a, b, imm)
    case V.V_MPSADBW: return block_differences(a, b, imm)
    case V.V_PCLMULQDQ: return carryless_multiply(a, b, imm)
    case V.V_AESENC: return aes_encrypt(a, b)
    case V.V_AESENCLAST: return aes_encrypt_last(a, b)
    case V.V_AESDEC: return aes_decrypt(a, b)
    case V.V_AESDECLAST: return aes_decrypt_last(a, b)
    case V.V_AESIMC: return aes_inverse_mix(b)
    case V.V_AESKEYGENASSIST: return aes_key_assist(b, imm)
    case V.V_SHA1RNDS4: return sha1_rounds4(a, b, imm)
    case V.V_SHA1NEXTE: return sha1_next_e(a, b)
    case V.V_SHA1MSG1: return sha1_message1(a, b)
    case V.V_SHA1MSG2: return sha1_message2(a, b)
    case V.V_SHA256RNDS2: return sha256_rounds2(a, b, v128.load(s + XMM))
    case V.V_SHA256MSG1: return sha256_message1(a, b)
    case V.V_SHA256MSG2: return sha256_message2(a, b)
    default: return a
  }
}
