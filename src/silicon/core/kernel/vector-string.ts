// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM (AMD64 APM vol. 4, and vol. 1 section 4.4.7 on string compares).
// imm: 0 = words, 1 = signed, 3:2 = how to aggregate, 5:4 = polarity, 6 = most significant index or expanded mask.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { RAX, RCX, RDX, XMM } from '../state/layout'
import { rec_b, rec_imm2 } from './fault'
import { set_arith } from './flags'
import { source16_unaligned, xmm_d } from './vector-operand'

const ANY: u32 = 0
const RANGES: u32 = 1
const EACH: u32 = 2

// @ts-ignore: decorator
@inline
function ones(n: u32): u32 {
  return (1 << n) - 1
}
/** Bit per element where the lanes of x are set. */
// @ts-ignore: decorator
@inline
function bits_of(x: v128, words: bool): u32 {
  return words ? i16x8.bitmask(x) : i8x16.bitmask(x)
}
// @ts-ignore: decorator
@inline
function splat(at: usize, i: u32, words: bool): v128 {
  return words ? i16x8.splat(load<i16>(at + i * 2)) : i8x16.splat(load<i8>(at + i))
}
function equal(x: v128, y: v128, words: bool): u32 {
  return bits_of(words ? i16x8.eq(x, y) : i8x16.eq(x, y), words)
}
function not_less(x: v128, y: v128, imm: u32): u32 {
  if (imm & 1) return bits_of(imm & 2 ? i16x8.ge_s(x, y) : i16x8.ge_u(x, y), true)
  return bits_of(imm & 2 ? i8x16.ge_s(x, y) : i8x16.ge_u(x, y), false)
}

/** Elements before the first zero. */
function implicit_length(at: usize, words: bool, n: u32): u32 {
  const zeros = equal(v128.load(at), i64x2.splat(0), words)
  return zeros ? ctz<u32>(zeros) : n
}
/** Magnitude of the register, at most n. */
function explicit_length(s: usize, register: usize, wide: bool, n: u32): u32 {
  const value = wide ? load<i64>(s + register) : <i64>load<i32>(s + register)
  const magnitude = <u64>(value < 0 ? 0 - value : value)
  return magnitude < n ? <u32>magnitude : n
}

/** IntRes1: one bit per element of the second operand. */
function aggregate(imm: u32, first: usize, la: u32, second: usize, lb: u32, n: u32): u32 {
  const words = (imm & 1) != 0
  const b = v128.load(second)
  const mode = (imm >> 2) & 3
  let result: u32 = 0
  if (mode == ANY) {
    for (let i: u32 = 0; i < la; i++) result |= equal(b, splat(first, i, words), words)
    return result & ones(lb)
  }
  if (mode == RANGES) {
    for (let i: u32 = 0; i + 1 < la; i += 2) {
      result |= not_less(b, splat(first, i, words), imm) & not_less(splat(first, i + 1, words), b, imm)
    }
    return result & ones(lb)
  }
  if (mode == EACH) {
    const both = equal(v128.load(first), b, words) & ones(la) & ones(lb)
    return (both | (~ones(la) & ~ones(lb))) & ones(n)
  }
  // Equal ordered: element i of the first must stand i places further on in the second, as far as that reaches.
  result = ones(n)
  for (let i: u32 = 0; i < la; i++) {
    result &= ((equal(b, splat(first, i, words), words) & ones(lb)) >> i) | ~ones(n - i)
  }
  return result
}

/** XMM0 from the bits: as they are, or each widened to its element. */
function write_mask(s: usize, bits: u32, imm: u32): void {
  let mask = i64x2.replace_lane(i64x2.splat(0), 0, <i64>bits)
  if (imm & 64) {
    if (imm & 1) {
      const lane = i16x8(1, 2, 4, 8, 16, 32, 64, 128)
      mask = i16x8.eq(v128.and(i16x8.splat(<i16>bits), lane), lane)
    } else {
      const lane = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128)
      const spread = i8x16.shuffle(mask, mask, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1)
      mask = i8x16.eq(v128.and(spread, lane), lane)
    }
  }
  v128.store(s + XMM, mask)
}

export function compare_strings(s: usize, rec: usize, id: i32): u32 {
  const second = source16_unaligned(s, rec)
  if (!second) return R_FAULT

  const imm = <u32>rec_imm2(rec)
  const first = xmm_d(s, rec)
  const words = (imm & 1) != 0
  const n: u32 = words ? 8 : 16
  const explicit = id == V.V_PCMPESTRI || id == V.V_PCMPESTRM
  const wide = rec_b(rec) == 8
  const la = explicit ? explicit_length(s, RAX, wide, n) : implicit_length(first, words, n)
  const lb = explicit ? explicit_length(s, RDX, wide, n) : implicit_length(second, words, n)
  let bits = aggregate(imm, first, la, second, lb, n)
  if (imm & 16) bits ^= imm & 32 ? ones(lb) : ones(n)
  if (id == V.V_PCMPESTRI || id == V.V_PCMPISTRI) {
    store<u64>(s + RCX, !bits ? n : imm & 64 ? 31 - clz<u32>(bits) : ctz<u32>(bits))
  } else write_mask(s, bits, imm)
  set_arith(s, u64(bits != 0), 0, 0, u64(lb < n), u64(la < n), bits & 1)
  return R_NEXT
}
