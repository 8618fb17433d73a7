// Masked moves and gathers (AMD64 APM vol. 4, VMASKMOVPS, VPMASKMOVD, VGATHERDPS and their kin): elements whose mask has its top bit set are accessed, and
// may fault, each for itself. The effective address (of a gather without the index) stands in T1, the segment in T2.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { FS, T1, T2, VT0 } from '../state/layout'
import { in_long_mode, linear, segment_base } from './address'
import { faulted, rec_c } from './fault'
import { load32, load64, probe_write, read_hit, store32, store64, write_hit } from './memory'
import { xmm, xmm_d } from './vector-operand'
import { clear_upper, immediate, is_wide, set_short, set_wide, vector_bytes, xmm_v } from './vector-vex-operand'

/** Effective address `offset` cut to the address size of the record. */
// @ts-ignore: decorator
@inline
function cut(rec: usize, offset: u64): u64 {
  return rec_c(rec) >> 4 == 8 ? offset : rec_c(rec) >> 4 == 4 ? <u64><u32>offset : offset & 0xffff
}

/** Linear address of the element of n bytes at effective address `offset`; a fault is left pending. */
function element(s: usize, rec: usize, offset: u64, n: u32, write: bool): u64 {
  return linear(s, load<u32>(s, T2), cut(rec, offset), n, write)
}

/** Linear address of the whole operand where all of it may be taken at once, as far as its segment goes: in 64-bit mode. */
// @ts-ignore: decorator
@inline
function whole(s: usize, rec: usize): u64 {
  const segment = load<u32>(s, T2)
  const offset = cut(rec, load<u64>(s, T1))
  return segment >= <u32>FS ? offset + segment_base(s, segment) : offset
}

/** The sign of each element of n bytes at `at`, one bit each. */
function mask_bits(at: usize, n: u32, bytes: u32): u32 {
  const low: u32 = n == 4 ? i32x4.bitmask(v128.load(at)) : i64x2.bitmask(v128.load(at))
  if (bytes == 16) return low
  const high: u32 = n == 4 ? i32x4.bitmask(v128.load(at, 16)) : i64x2.bitmask(v128.load(at, 16))
  return low | (high << (16 / n))
}

// @ts-ignore: decorator
@inline
function spread(mask: v128, n: u32): v128 {
  return n == 4 ? i32x4.shr_s(mask, 31) : i64x2.shr_s(mask, 63)
}

function masked_load(s: usize, rec: usize, n: u32): u32 {
  const bytes = vector_bytes(rec)
  const mask = xmm_v(s, rec)
  const d = xmm_d(s, rec)
  if (in_long_mode(s)) {
    const hit = read_hit(s, whole(s, rec), bytes)
    if (hit) {
      const low = v128.and(v128.load(hit), spread(v128.load(mask), n))
      if (bytes == 16) set_short(d, low)
      else set_wide(d, low, v128.and(v128.load(hit, 16), spread(v128.load(mask, 16), n)))
      return R_NEXT
    }
  }
  const bits = mask_bits(mask, n, bytes)
  const offset = load<u64>(s, T1)
  const at = s + VT0
  memory.fill(at, 0, 32)
  for (let i: u32 = 0; i < bytes / n; i++) {
    if (!((bits >> i) & 1)) continue
    const la = element(s, rec, offset + i * n, n, false)
    if (faulted(s)) return R_FAULT
    if (n == 4) store<u32>(at + i * 4, <u32>load32(s, la))
    else store<u64>(at + i * 8, load64(s, la))
    if (faulted(s)) return R_FAULT
  }
  set_wide(d, v128.load(at), v128.load(at, 16))
  return R_NEXT
}

function masked_store(s: usize, rec: usize, n: u32): u32 {
  const bytes = vector_bytes(rec)
  const from = xmm_d(s, rec)
  const bits = mask_bits(xmm_v(s, rec), n, bytes)
  const count = bytes / n
  const offset = load<u64>(s, T1)
  if (!in_long_mode(s) || !write_hit(s, whole(s, rec), bytes)) {
    for (let i: u32 = 0; i < count; i++) {
      if (!((bits >> i) & 1)) continue
      const la = element(s, rec, offset + i * n, n, true)
      if (faulted(s) || !probe_write(s, la, n)) return R_FAULT
    }
  }

  for (let i: u32 = 0; i < count; i++) {
    if (!((bits >> i) & 1)) continue
    const la = element(s, rec, offset + i * n, n, true)
    if (n == 4) store32(s, la, load<u32>(from + i * 4))
    else store64(s, la, load<u64>(from + i * 8))
  }
  return faulted(s) ? R_FAULT : R_NEXT
}

export function masked_move(s: usize, rec: usize, id: i32): u32 {
  switch (id) {
    case V.V_MASKLOAD_D: return masked_load(s, rec, 4)
    case V.V_MASKLOAD_Q: return masked_load(s, rec, 8)
    case V.V_MASKSTORE_D: return masked_store(s, rec, 4)
    default: return masked_store(s, rec, 8)
  }
}

// @ts-ignore: decorator
@inline
function clear_element(at: usize, n: u32): void {
  if (n == 4) store<u32>(at, 0)
  else store<u64>(at, 0)
}

/**
 * Element by element from the lowest: its bits of the mask are cleared as it arrives or is passed over, so that a fault leaves an instruction that goes on
 * where it stopped. In the end all of the mask is clear.
 */
export function gather(s: usize, rec: usize, id: i32): u32 {
  const wide_index = id == V.V_GATHER_QD || id == V.V_GATHER_QQ
  const n: u32 = id == V.V_GATHER_DD || id == V.V_GATHER_QD ? 4 : 8
  const count: u32 = vector_bytes(rec) / (wide_index || n == 8 ? 8 : 4)
  const d = xmm_d(s, rec)
  const mask = xmm_v(s, rec)
  const index = xmm(s, immediate(rec) & 15)
  const scale: u64 = immediate(rec) >> 4
  const base = load<u64>(s, T1)
  for (let i: u32 = 0; i < count; i++) {
    const at = i * n
    if (load<i8>(mask + at + n - 1) >= 0) {
      clear_element(mask + at, n)
      continue
    }
    const distance = wide_index ? load<i64>(index + i * 8) : <i64>load<i32>(index + i * 4)
    const la = element(s, rec, base + (<u64>distance << scale), n, false)
    if (faulted(s)) return R_FAULT
    const value = n == 4 ? load32(s, la) : load64(s, la)
    if (faulted(s)) return R_FAULT
    if (n == 4) store<u32>(d + at, <u32>value)
    else store<u64>(d + at, value)
    clear_element(mask + at, n)
  }
  v128.store(mask, i64x2.splat(0))
  clear_upper(mask)
  const used = count * n
  if (used == 8) store<u64>(d, 0, 8)
  if (used < 32) clear_upper(d)
  return R_NEXT
}
