// MMX registers: the significands of the x87 physical registers (AMD64 APM vol. 1, section 5.4 and vol. 5). Every instruction but EMMS
// leaves TOP = 0 and all tags valid; a written register gets sign and exponent of ones. A pending unmasked x87 exception comes first (#MF).

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { X87_REGISTERS, X87_STATUS, X87_TAGS } from '../state/layout'
import { faulted, MF, raise, rec_a, rec_d, rec_imm2 } from './fault'
import { load16, load32, load64, store64 } from './memory'
import { binary } from './vector-integer'
import { store_masked } from './vector-move'
import { address, general_result, general_source, in_memory, size_y, xmm_a, xmm_d } from './vector-operand'
import { bytes_right, select_low_words } from './vector-shuffle'

/** x87 status: error summary, and the TOP field. */
const ERROR_SUMMARY: u32 = 0x80
const TOP: u32 = 0x3800

// @ts-ignore: decorator
@inline
export function mmx(s: usize, index: u32): usize {
  return s + X87_REGISTERS + ((index & 7) << 4)
}
/** True, with #MF pending, where an x87 exception waits. */
// @ts-ignore: decorator
@inline
export function x87_pending(s: usize): bool {
  if (!(load<u16>(s, X87_STATUS) & ERROR_SUMMARY)) return false
  raise(s, MF)
  return true
}
/** The state that every MMX instruction leaves. */
// @ts-ignore: decorator
@inline
export function enter_mmx(s: usize): void {
  store<u16>(s, load<u16>(s, X87_STATUS) & ~TOP, X87_STATUS)
  store<u8>(s, 0xff, X87_TAGS)
}
// @ts-ignore: decorator
@inline
export function set_mmx(s: usize, index: u32, value: u64): void {
  enter_mmx(s)
  store<u64>(mmx(s, index), value)
  store<u16>(mmx(s, index), 0xffff, 8)
}
/** MMX register or memory; a fault is left pending. */
// @ts-ignore: decorator
@inline
export function mmx_source(s: usize, rec: usize): u64 {
  return in_memory(rec) ? load64(s, address(s)) : load<u64>(mmx(s, rec_a(rec)))
}

// @ts-ignore: decorator
@inline
function low(a: v128): u64 {
  return <u64>i64x2.extract_lane(a, 0)
}
// @ts-ignore: decorator
@inline
function pair(a: u64, b: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(<i64>a), 1, <i64>b)
}

/** A two-operand instruction: computed in the low half of a 128-bit one, operands arranged so that it comes out right. */
function twin(s: usize, id: i32, a: u64, b: u64, imm: u32): u64 {
  const x = pair(a, 0)
  const y = pair(b, 0)
  switch (id) {
    // Both operands side by side: their neighbours then combine as in the wide form.
    case V.V_PACKSSWB:
    case V.V_PACKUSWB:
    case V.V_PACKSSDW:
    case V.V_PHADDW:
    case V.V_PHADDD:
    case V.V_PHADDSW:
    case V.V_PHSUBW:
    case V.V_PHSUBD:
    case V.V_PHSUBSW: return low(binary(s, id, pair(a, b), y, imm))
    // The high halves interleaved are the high half of the low interleaving.
    case V.V_PUNPCKHBW: return <u64>i64x2.extract_lane(binary(s, V.V_PUNPCKLBW, x, y, 0), 1)
    case V.V_PUNPCKHWD: return <u64>i64x2.extract_lane(binary(s, V.V_PUNPCKLWD, x, y, 0), 1)
    case V.V_PUNPCKHDQ: return <u64>i64x2.extract_lane(binary(s, V.V_PUNPCKLDQ, x, y, 0), 1)
    case V.V_PSHUFB: return low(binary(s, id, x, pair(b & 0x8787878787878787, 0), 0))
    case V.V_PALIGNR: return low(bytes_right(pair(b, a), imm))
    default: return low(binary(s, id, x, y, imm))
  }
}

export function mmx_twin(s: usize, rec: usize, id: i32): u32 {
  if (x87_pending(s)) return R_FAULT
  let source: u64
  if (in_memory(rec) && id >= V.V_PUNPCKLBW && id <= V.V_PUNPCKLDQ) source = load32(s, address(s))
  else source = mmx_source(s, rec)
  if (faulted(s)) return R_FAULT

  const d = rec_d(rec)
  set_mmx(s, d, twin(s, id, load<u64>(mmx(s, d)), source, <u32>rec_imm2(rec) & 0xff))
  return R_NEXT
}

/** PSLLW … PSRAD by an immediate, on the register of ModRM.rm. */
function shift(s: usize, rec: usize, id: i32): u32 {
  const a = rec_a(rec)
  set_mmx(s, a, twin(s, id - V.V_MMX_PSLLW_IMM + V.V_PSLLW, load<u64>(mmx(s, a)), <u64>(rec_imm2(rec) & 0xff), 0))
  return R_NEXT
}

function load_any(s: usize, rec: usize, id: i32): u32 {
  const value = id == V.V_MMX_MOVD_LOAD ? general_source(s, rec, size_y(rec)) : mmx_source(s, rec)
  if (faulted(s)) return R_FAULT
  set_mmx(s, rec_d(rec), id == V.V_PSHUFW ? low(select_low_words(pair(value, 0), <u32>rec_imm2(rec) & 0xff)) : value)
  return R_NEXT
}

/** MOVD, MOVQ and MOVNTQ from an MMX register. */
function store_any(s: usize, rec: usize, id: i32): u32 {
  const value = load<u64>(mmx(s, rec_d(rec)))
  if (id == V.V_MMX_MOVD_STORE) {
    const n = size_y(rec)
    general_result(s, rec, n, n == 8 ? value : value & 0xffffffff)
  } else if (in_memory(rec)) store64(s, address(s), value)
  else set_mmx(s, rec_a(rec), value)
  if (faulted(s)) return R_FAULT
  enter_mmx(s)
  return R_NEXT
}

function insert_word(s: usize, rec: usize): u32 {
  const value = in_memory(rec) ? load16(s, address(s)) : load<u16>(s + rec_a(rec))
  if (faulted(s)) return R_FAULT
  const at = (rec_imm2(rec) & 3) << 4
  const d = rec_d(rec)
  set_mmx(s, d, (load<u64>(mmx(s, d)) & ~((<u64>0xffff) << at)) | (value << at))
  return R_NEXT
}

export function mmx_own(s: usize, rec: usize, id: i32): u32 {
  if (x87_pending(s)) return R_FAULT
  switch (id) {
    case V.V_MMX_MOVQ_LOAD:
    case V.V_MMX_MOVD_LOAD:
    case V.V_PSHUFW: return load_any(s, rec, id)
    case V.V_MMX_MOVQ_STORE:
    case V.V_MMX_MOVD_STORE: return store_any(s, rec, id)
    case V.V_MMX_PINSRW: return insert_word(s, rec)
    case V.V_MMX_PEXTRW:
      store<u64>(s + rec_d(rec), (load<u64>(mmx(s, rec_a(rec))) >> ((rec_imm2(rec) & 3) << 4)) & 0xffff)
      break
    case V.V_MMX_PMOVMSKB:
      store<u64>(s + rec_d(rec), <u64><u32>i8x16.bitmask(pair(load<u64>(mmx(s, rec_a(rec))), 0)))
      break
    case V.V_MASKMOVQ: {
      const mask = <u32>i8x16.bitmask(pair(load<u64>(mmx(s, rec_a(rec))), 0))
      if (store_masked(s, address(s), mmx(s, rec_d(rec)), mask)) return R_FAULT
      break
    }
    case V.V_EMMS:
      enter_mmx(s)
      store<u8>(s, 0, X87_TAGS)
      return R_NEXT
    case V.V_MOVQ2DQ:
      v128.store(xmm_d(s, rec), pair(load<u64>(mmx(s, rec_a(rec))), 0))
      break
    case V.V_MOVDQ2Q:
      set_mmx(s, rec_d(rec), load<u64>(xmm_a(s, rec)))
      return R_NEXT
    default: return shift(s, rec, id)
  }
  enter_mmx(s)
  return R_NEXT
}
