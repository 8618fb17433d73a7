// Moves between XMM registers, memory and general registers (AMD64 APM vol. 4 under each name; MOVNTI vol. 3).

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { faulted, rec_a, rec_d } from './fault'
import { load32, load64, probe_write, store32, store64, store8 } from './memory'
import {
  address, general_result, general_source, in_memory, misaligned, put16, size_y, source16_unaligned, source64, xmm, xmm_a, xmm_d,
} from './vector-operand'

// @ts-ignore: decorator
@inline
function ended(s: usize): u32 {
  return faulted(s) ? R_FAULT : R_NEXT
}

/** Low quadword of d replaced, high one cleared. */
// @ts-ignore: decorator
@inline
function set_low(d: usize, value: u64): void {
  store<u64>(d, value)
  store<u64>(d, 0, 8)
}

// @ts-ignore: decorator
@inline
function load_whole(s: usize, rec: usize): u32 {
  const p = source16_unaligned(s, rec)
  if (!p) return R_FAULT
  v128.store(xmm_d(s, rec), v128.load(p))
  return R_NEXT
}

/** MOVAPS, MOVDQA, MOVNTDQ … (aligned) and MOVUPS, MOVDQU … to ModRM.rm. */
function store16(s: usize, rec: usize, aligned: bool): u32 {
  const from = xmm_d(s, rec)
  if (!in_memory(rec)) {
    v128.store(xmm_a(s, rec), v128.load(from))
    return R_NEXT
  }
  const la = address(s)
  if (aligned && misaligned(s, la)) return R_FAULT
  put16(s, la, from)
  return ended(s)
}

/** MOVSS and MOVSD to a register: from memory the rest is cleared, from a register it comes from `first`. */
export function load_scalar(s: usize, rec: usize, n: u32, first: usize): u32 {
  const d = xmm_d(s, rec)
  if (in_memory(rec)) {
    const value = n == 4 ? load32(s, address(s)) : load64(s, address(s))
    if (faulted(s)) return R_FAULT
    set_low(d, value)
  } else copy_scalar(d, xmm_a(s, rec), first, n)
  return R_NEXT
}

/** Low n bytes of d from `from`, the others of its 16 from `first`. */
// @ts-ignore: decorator
@inline
function copy_scalar(d: usize, from: usize, first: usize, n: u32): void {
  const value = load<u64>(from)
  v128.store(d, v128.load(first))
  if (n == 4) store<u32>(d, <u32>value)
  else store<u64>(d, value)
}

export function store_scalar(s: usize, rec: usize, n: u32, first: usize): u32 {
  const d = xmm_d(s, rec)
  if (!in_memory(rec)) {
    copy_scalar(xmm_a(s, rec), d, first, n)
    return R_NEXT
  }
  if (n == 4) store32(s, address(s), load<u32>(d))
  else store64(s, address(s), load<u64>(d))
  return ended(s)
}

/** MOVLPS, MOVHPS and their double forms: one half of the register from memory, the other from `first`. */
export function load_half(s: usize, rec: usize, offset: usize, first: usize): u32 {
  const value = load64(s, address(s))
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  v128.store(d, v128.load(first))
  store<u64>(d + offset, value)
  return R_NEXT
}

function store_half(s: usize, rec: usize, offset: usize): u32 {
  store64(s, address(s), load<u64>(xmm_d(s, rec) + offset))
  return ended(s)
}

/** MOVQ xmm, xmm/m64; MOVDDUP. */
function load_quadword(s: usize, rec: usize, twice: bool): u32 {
  const value = source64(s, rec)
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  store<u64>(d, value)
  store<u64>(d, twice ? value : 0, 8)
  return R_NEXT
}

function store_quadword(s: usize, rec: usize): u32 {
  const value = load<u64>(xmm_d(s, rec))
  if (in_memory(rec)) {
    store64(s, address(s), value)
    return ended(s)
  }
  set_low(xmm_a(s, rec), value)
  return R_NEXT
}

/** Writes the bytes at `from` whose mask byte has its top bit set to memory at `la`: MASKMOVDQU, MASKMOVQ. */
export function store_masked(s: usize, la: u64, from: usize, mask: u32): u32 {
  if (!mask) return R_NEXT
  const first: u32 = ctz<u32>(mask)
  const last: u32 = 31 - clz<u32>(mask)
  if (!probe_write(s, la + first, last - first + 1)) return R_FAULT

  for (let i = first; i <= last; i++) {
    if ((mask >> i) & 1) store8(s, la + i, load<u8>(from + i))
  }
  return ended(s)
}

export function move(s: usize, rec: usize, id: i32): u32 {
  switch (id) {
    case V.V_MOVU_LOAD: return load_whole(s, rec)
    case V.V_MOVA_LOAD: return in_memory(rec) && misaligned(s, address(s)) ? R_FAULT : load_whole(s, rec)
    case V.V_MOVU_STORE: return store16(s, rec, false)
    case V.V_MOVA_STORE: return store16(s, rec, true)
    case V.V_MOVQ_LOAD: return load_quadword(s, rec, false)
    case V.V_MOVQ_STORE: return store_quadword(s, rec)
    case V.V_MOVD_LOAD: {
      const value = general_source(s, rec, size_y(rec))
      if (faulted(s)) return R_FAULT
      set_low(xmm_d(s, rec), value)
      return R_NEXT
    }
    case V.V_MOVD_STORE: {
      const n = size_y(rec)
      general_result(s, rec, n, n == 8 ? load<u64>(xmm_d(s, rec)) : load<u32>(xmm_d(s, rec)))
      return ended(s)
    }
    case V.V_MOVSS_LOAD: return load_scalar(s, rec, 4, xmm_d(s, rec))
    case V.V_MOVSS_STORE: return store_scalar(s, rec, 4, xmm_a(s, rec))
    case V.V_MOVSD_LOAD: return load_scalar(s, rec, 8, xmm_d(s, rec))
    case V.V_MOVSD_STORE: return store_scalar(s, rec, 8, xmm_a(s, rec))
    case V.V_MOVL_LOAD: return load_half(s, rec, 0, xmm_d(s, rec))
    case V.V_MOVH_LOAD: return load_half(s, rec, 8, xmm_d(s, rec))
    case V.V_MOVL_STORE: return store_half(s, rec, 0)
    case V.V_MOVH_STORE: return store_half(s, rec, 8)
    case V.V_MOVHLPS: store<u64>(xmm_d(s, rec), load<u64>(xmm_a(s, rec), 8)); return R_NEXT
    case V.V_MOVLHPS: store<u64>(xmm_d(s, rec), load<u64>(xmm_a(s, rec)), 8); return R_NEXT
    case V.V_MOVDDUP: return load_quadword(s, rec, true)
    case V.V_PMOVMSKB: store<u64>(s + rec_d(rec), <u64><u32>i8x16.bitmask(v128.load(xmm_a(s, rec)))); return R_NEXT
    case V.V_MOVMSKPS: store<u64>(s + rec_d(rec), <u64><u32>i32x4.bitmask(v128.load(xmm_a(s, rec)))); return R_NEXT
    case V.V_MOVMSKPD: store<u64>(s + rec_d(rec), <u64><u32>i64x2.bitmask(v128.load(xmm_a(s, rec)))); return R_NEXT
    case V.V_MOVNTI: {
      const n = size_y(rec)
      if (n == 8) store64(s, address(s), load<u64>(s + rec_d(rec)))
      else store32(s, address(s), load<u32>(s + rec_d(rec)))
      return ended(s)
    }
    case V.V_MASKMOVDQU: return store_masked(s, address(s), xmm_d(s, rec), <u32>i8x16.bitmask(v128.load(xmm(s, rec_a(rec)))))
    default: return R_NEXT
  }
}
