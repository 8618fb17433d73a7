// Single lanes in and out, widening moves, SSE4a bit fields (AMD64 APM vol. 4 under each name).

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { faulted, rec_d, rec_imm2 } from './fault'
import { load8 } from './memory'
import { address, general_result, general_source, in_memory, size_y, source32, source64, source_word, xmm_a, xmm_d } from './vector-operand'
import { load16, load32 } from './memory'

/** PINSRB, PINSRW, PINSRD, PINSRQ: one element of n bytes, the others from `first`. */
export function insert(s: usize, rec: usize, n: u32, first: usize): u32 {
  let value: u64
  if (!in_memory(rec)) value = general_source(s, rec, 8)
  else if (n == 1) value = load8(s, address(s))
  else if (n == 2) value = load16(s, address(s))
  else value = general_source(s, rec, n)
  if (faulted(s)) return R_FAULT

  v128.store(xmm_d(s, rec), v128.load(first))
  const at = xmm_d(s, rec) + ((rec_imm2(rec) & (16 / n - 1)) * n)
  if (n == 1) store<u8>(at, <u8>value)
  else if (n == 2) store<u16>(at, <u16>value)
  else if (n == 4) store<u32>(at, <u32>value)
  else store<u64>(at, value)
  return R_NEXT
}

function element(from: usize, n: u32, imm: u32): u64 {
  const at = from + ((imm & (16 / n - 1)) * n)
  return n == 1 ? load<u8>(at) : n == 2 ? load<u16>(at) : n == 4 ? load<u32>(at) : load<u64>(at)
}

/** PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS: registers receive the value zero-extended. */
function extract(s: usize, rec: usize, n: u32): u32 {
  general_result(s, rec, n, element(xmm_d(s, rec), n, rec_imm2(rec)))
  return faulted(s) ? R_FAULT : R_NEXT
}

/** INSERTPS: imm 7:6 source lane (registers only), 5:4 destination lane, 3:0 lanes to clear; the others from `first`. */
export function insert_ps(s: usize, rec: usize, first: usize): u32 {
  const imm = <u32>rec_imm2(rec)
  const value = in_memory(rec) ? <u32>load32(s, address(s)) : load<u32>(xmm_a(s, rec) + ((imm >> 6) & 3) * 4)
  if (faulted(s)) return R_FAULT

  const d = xmm_d(s, rec)
  v128.store(d, v128.load(first))
  store<u32>(d + ((imm >> 4) & 3) * 4, value)
  for (let i: u32 = 0; i < 4; i++) if ((imm >> i) & 1) store<u32>(d + i * 4, 0)
  return R_NEXT
}

/** PMOVSX and PMOVZX on the value in the low bits. */
export function widened(id: i32, a: v128): v128 {
  switch (id) {
    case V.V_PMOVSXBW: return i16x8.extend_low_i8x16_s(a)
    case V.V_PMOVSXBD: return i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(a))
    case V.V_PMOVSXBQ: return i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(a)))
    case V.V_PMOVSXWD: return i32x4.extend_low_i16x8_s(a)
    case V.V_PMOVSXWQ: return i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(a))
    case V.V_PMOVSXDQ: return i64x2.extend_low_i32x4_s(a)
    case V.V_PMOVZXBW: return i16x8.extend_low_i8x16_u(a)
    case V.V_PMOVZXBD: return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(a))
    case V.V_PMOVZXBQ: return i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(a)))
    case V.V_PMOVZXWD: return i32x4.extend_low_i16x8_u(a)
    case V.V_PMOVZXWQ: return i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(a))
    default: return i64x2.extend_low_i32x4_u(a)
  }
}

function widen(s: usize, rec: usize, id: i32, n: u32): u32 {
  const source = n == 8 ? source64(s, rec) : n == 4 ? source32(s, rec) : source_word(s, rec)
  if (faulted(s)) return R_FAULT
  v128.store(xmm_d(s, rec), widened(id, i64x2.splat(<i64>source)))
  return R_NEXT
}

/** A length field of 0 means 64 bits. */
// @ts-ignore: decorator
@inline
function field_mask(length: u32): u64 {
  return length ? ((<u64>1) << length) - 1 : ~(<u64>0)
}

/** EXTRQ: the field at `index` moves to bit 0. Fields beyond bit 63 are undefined by the manual; shifted-in zeros here. */
function extract_field(d: usize, length: u32, index: u32): u32 {
  store<u64>(d, (load<u64>(d) >> index) & field_mask(length))
  store<u64>(d, 0, 8)
  return R_NEXT
}

/** INSERTQ: the low bits of the source replace the field at `index`. */
function insert_field(d: usize, from: u64, length: u32, index: u32): u32 {
  const mask = field_mask(length) << index
  store<u64>(d, (load<u64>(d) & ~mask) | ((from << index) & mask))
  store<u64>(d, 0, 8)
  return R_NEXT
}

export function lane(s: usize, rec: usize, id: i32): u32 {
  const imm = <u32>rec_imm2(rec)
  switch (id) {
    case V.V_PINSRB: return insert(s, rec, 1, xmm_d(s, rec))
    case V.V_PINSRW: return insert(s, rec, 2, xmm_d(s, rec))
    case V.V_PINSRD: return insert(s, rec, size_y(rec), xmm_d(s, rec))
    case V.V_PEXTRB: return extract(s, rec, 1)
    case V.V_PEXTRW: return extract(s, rec, 2)
    case V.V_PEXTRW_REG: store<u64>(s + rec_d(rec), element(xmm_a(s, rec), 2, imm)); return R_NEXT
    case V.V_PEXTRD: return extract(s, rec, size_y(rec))
    case V.V_EXTRACTPS: return extract(s, rec, 4)
    case V.V_INSERTPS: return insert_ps(s, rec, xmm_d(s, rec))
    case V.V_PMOVSXBQ:
    case V.V_PMOVZXBQ: return widen(s, rec, id, 2)
    case V.V_PMOVSXBD:
    case V.V_PMOVZXBD:
    case V.V_PMOVSXWQ:
    case V.V_PMOVZXWQ: return widen(s, rec, id, 4)
    case V.V_PMOVSXBW:
    case V.V_PMOVZXBW:
    case V.V_PMOVSXWD:
    case V.V_PMOVZXWD:
    case V.V_PMOVSXDQ:
    case V.V_PMOVZXDQ: return widen(s, rec, id, 8)
    case V.V_EXTRQ_IMM: return extract_field(xmm_a(s, rec), imm & 63, (imm >> 8) & 63)
    case V.V_EXTRQ: {
      const field = load<u32>(xmm_a(s, rec))
      return extract_field(xmm_d(s, rec), field & 63, (field >> 8) & 63)
    }
    case V.V_INSERTQ_IMM: return insert_field(xmm_d(s, rec), load<u64>(xmm_a(s, rec)), imm & 63, (imm >> 8) & 63)
    case V.V_INSERTQ: {
      const field = load<u32>(xmm_a(s, rec), 8)
      return insert_field(xmm_d(s, rec), load<u64>(xmm_a(s, rec)), field & 63, (field >> 8) & 63)
    }
    default: return R_NEXT
  }
}
