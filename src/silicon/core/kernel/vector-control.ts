// PTEST, CRC32, MXCSR, cache control (AMD64 APM vol. 4: PTEST, LDMXCSR, STMXCSR; vol. 3: CRC32, CLFLUSH, PREFETCH, fences).

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { MXCSR } from '../state/layout'
import { CORE_STATIC_BASE } from '../../fabric-layout'
import { faulted, GP, raise_error, rec_b, rec_d } from './fault'
import { set_arith } from './flags'
import { load32, probe_read, store32 } from './memory'
import { address, general_source, source16, xmm_d } from './vector-operand'
import { compare_strings } from './vector-string'

/** Bits of MXCSR that exist: exceptions, DAZ, masks, rounding, FZ, MM. FXSAVE stores it as MXCSR_MASK. */
export const MXCSR_MASK: u32 = 0x2ffff

// CRC tables, computed on first use: a word that says so, then eight of 256 words, table k for a byte that k more bytes follow.
const READY: usize = CORE_STATIC_BASE + 0x21000
const TABLES: usize = READY + 0x1000
/** The Castagnoli polynomial 0x11edc6f41, bits reflected. */
const POLYNOMIAL: u32 = 0x82f63b78

function build_tables(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    store<u32>(TABLES + i * 4, crc)
  }
  for (let i: u32 = 256; i < 2048; i++) {
    const crc = load<u32>(TABLES + (i - 256) * 4)
    store<u32>(TABLES + i * 4, (crc >> 8) ^ load<u32>(TABLES + (crc & 0xff) * 4))
  }
  store<u32>(READY, 1)
}

// @ts-ignore: decorator
@inline
function entry(k: u32, byte: u64): u32 {
  return load<u32>(TABLES + k * 1024 + (<u32>byte & 0xff) * 4)
}

/** The low `n` bytes of `value` taken into `crc`. */
function crc32(crc: u32, value: u64, n: u32): u32 {
  if (!load<u32>(READY)) build_tables()
  const x = value ^ crc
  if (n == 8) {
    return (
      entry(7, x) ^ entry(6, x >> 8) ^ entry(5, x >> 16) ^ entry(4, x >> 24) ^
      entry(3, x >> 32) ^ entry(2, x >> 40) ^ entry(1, x >> 48) ^ entry(0, x >> 56)
    )
  }
  if (n == 4) return entry(3, x) ^ entry(2, x >> 8) ^ entry(1, x >> 16) ^ entry(0, x >> 24)
  if (n == 2) return entry(1, x) ^ entry(0, x >> 8) ^ (crc >> 16)
  return entry(0, x) ^ (crc >> 8)
}

function checksum(s: usize, rec: usize, n: u32): u32 {
  const value = general_source(s, rec, n)
  if (faulted(s)) return R_FAULT
  const d = s + rec_d(rec)
  store<u64>(d, crc32(load<u32>(d), value, n))
  return R_NEXT
}

function test(s: usize, rec: usize): u32 {
  const p = source16(s, rec)
  if (!p) return R_FAULT
  const a = v128.load(xmm_d(s, rec))
  const b = v128.load(p)
  set_arith(s, u64(!v128.any_true(v128.andnot(b, a))), 0, 0, u64(!v128.any_true(v128.and(a, b))), 0, 0)
  return R_NEXT
}

function load_mxcsr(s: usize): u32 {
  const value = <u32>load32(s, address(s))
  if (faulted(s)) return R_FAULT
  if (value & ~MXCSR_MASK) return raise_error(s, GP, 0)
  store<u32>(s, value, MXCSR)
  return R_NEXT
}

export function control(s: usize, rec: usize, id: i32): u32 {
  switch (id) {
    case V.V_PTEST: return test(s, rec)
    case V.V_PCMPESTRM:
    case V.V_PCMPESTRI:
    case V.V_PCMPISTRM:
    case V.V_PCMPISTRI: return compare_strings(s, rec, id)
    case V.V_CRC32_BYTE: return checksum(s, rec, 1)
    case V.V_CRC32: return checksum(s, rec, rec_b(rec))
    case V.V_LDMXCSR: return load_mxcsr(s)
    case V.V_STMXCSR:
      store32(s, address(s), load<u32>(s, MXCSR))
      return faulted(s) ? R_FAULT : R_NEXT
    // A line flush is checked like a byte load. The cache itself is the memory controller's and coherent: nothing to write back here.
    case V.V_CLFLUSH: return probe_read(s, address(s), 1) ? R_NEXT : R_FAULT
    default: return R_NEXT
  }
}
