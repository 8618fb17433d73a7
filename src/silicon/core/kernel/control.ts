// Control registers and what manages address translation (APM vol. 2, 24593, chapter 3; instructions: vol. 3, chapter 4).

import { CPL, CR0, CR2, CR3, CR4, CR8, CS, EFER, EVENT_INTERRUPT, EVENTS, PKRU, RAX, RCX, RDX, SCRATCH, SEV_ACTIVE, T0, XCR0 } from '../state/layout'
import {
  CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR0_WRITABLE, CR4_DE, CR4_FSGSBASE, CR4_LA57, CR4_MCE, CR4_OSFXSR,
  CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE, CR4_PCE, CR4_PCIDE, CR4_PGE, CR4_PKE, CR4_PSE, CR4_SMAP, CR4_SMEP, CR4_TSD, CR4_UMIP, EFER_LMA, EFER_LME,
  XCR0_PKRU, XCR0_SSE, XCR0_X87, XCR0_YMM,
} from '../../../spec/x86/control-registers'
import {
  CR_HIGH_MOV, VMEXIT_CR0_READ, VMEXIT_CR0_SEL_WRITE, VMEXIT_CR0_WRITE, VMEXIT_INVLPG, VMEXIT_INVPCID, VMEXIT_XSETBV,
} from '../../../spec/svm/exit-codes'
import { R_FAULT, R_NEXT } from '../ir/results'
import { faulted, GP, raise, raise_error, rec_a, rec_b, rec_d, UD } from './fault'
import { load16, load_bytes, store16 } from './memory'
import { mmu_flush_all, mmu_flush_page, mmu_flush_pcid, mmu_load_pdptes, mmu_pkru_changed, mmu_set_cr3 } from './mmu'
import { update_mode } from './mode'
import { ATTR_L, canonical_register, is_code64, is_long, seg_attributes } from './segment'
import { svm_check } from './svm'

/** No VME and no PVI. */
const CR4_WRITABLE: u64 =
  CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE | CR4_PCIDE |
  CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE
/** Bits of CR4 whose change makes every translation stale (section 5.5.2). */
const CR4_FLUSHES: u64 = CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE
const CR0_FLUSHES: u64 = CR0_PG | CR0_WP | CR0_PE
/** Physical address bits that CR3 may hold, and the C-bit of an SEV guest. */
const PHYSICAL_BITS: u64 = 48
const C_BIT: u64 = 1 << 51
const NO_FLUSH: u64 = 1 << 63

/** Processor state components that XCR0 may enable. */
export const XCR0_SUPPORTED: u64 = XCR0_X87 | XCR0_SSE | XCR0_YMM | XCR0_PKRU

// ---- values

/** Writes CR0 after the checks of section 3.1.1; sets and clears EFER.LMA with paging (section 14.6). */
function write_cr0(s: usize, value: u64): u32 {
  const old = load<u64>(s, CR0)
  const efer = load<u64>(s, EFER)
  const next = (value & CR0_WRITABLE) | CR0_ET
  if (value >> 32) return raise_error(s, GP, 0)
  if (next & CR0_PG && !(next & CR0_PE)) return raise_error(s, GP, 0)
  if (next & CR0_NW && !(next & CR0_CD)) return raise_error(s, GP, 0)
  const starts = !(old & CR0_PG) && (next & CR0_PG) != 0
  const stops = (old & CR0_PG) != 0 && !(next & CR0_PG)
  if (starts && efer & EFER_LME && (!(load<u64>(s, CR4) & CR4_PAE) || seg_attributes(s, CS) & ATTR_L)) return raise_error(s, GP, 0)
  if (stops && (is_code64(s) || load<u64>(s, CR4) & CR4_PCIDE)) return raise_error(s, GP, 0)

  store<u64>(s, next, CR0)
  if (starts && efer & EFER_LME) store<u64>(s, efer | EFER_LMA, EFER)
  if (stops) store<u64>(s, efer & ~<u64>EFER_LMA, EFER)
  if (next & CR0_PG && (old ^ next) & (CR0_PG | CR0_CD | CR0_NW) && !mmu_load_pdptes(s, load<u64>(s, CR3))) {
    store<u64>(s, old, CR0)
    store<u64>(s, efer, EFER)
    return raise_error(s, GP, 0)
  }
  if ((old ^ next) & CR0_FLUSHES) mmu_flush_all(s)
  update_mode(s)
  return R_NEXT
}

/** Section 3.1.3. */
function write_cr4(s: usize, value: u64): u32 {
  const old = load<u64>(s, CR4)
  if (value & ~CR4_WRITABLE) return raise_error(s, GP, 0)
  if (is_long(s) && (!(value & CR4_PAE) || (old ^ value) & CR4_LA57)) return raise_error(s, GP, 0)
  if (value & ~old & CR4_PCIDE && (!is_long(s) || load<u64>(s, CR3) & 0xfff)) return raise_error(s, GP, 0)

  store<u64>(s, value, CR4)
  if ((old ^ value) & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP) && !mmu_load_pdptes(s, load<u64>(s, CR3))) {
    store<u64>(s, old, CR4)
    return raise_error(s, GP, 0)
  }
  if ((old ^ value) & CR4_FLUSHES) mmu_flush_all(s)
  update_mode(s)
  return R_NEXT
}

/** Section 3.1.2, 5.5.1: address bits that do not exist are reserved. */
function write_cr3(s: usize, value: u64): u32 {
  let reserved = is_long(s) ? ~(((<u64>1) << PHYSICAL_BITS) - 1) : ~<u64>0xffffffff
  if (load<u64>(s, CR4) & CR4_PCIDE) reserved &= ~NO_FLUSH
  if (load<u32>(s, SEV_ACTIVE)) reserved &= ~C_BIT
  if (value & reserved) return raise_error(s, GP, 0)
  return mmu_set_cr3(s, value)
}

function write_cr8(s: usize, value: u64): u32 {
  if (value & ~<u64>0xf) return raise_error(s, GP, 0)
  store<u64>(s, value, CR8)
  store<u32>(s, load<u32>(s, EVENTS) | EVENT_INTERRUPT, EVENTS)
  return R_NEXT
}

// ---- MOV CRn

function exists(n: u32): bool {
  return n == 0 || n == 2 || n == 3 || n == 4 || n == 8
}

/** EXITINFO1 with decode assists: the general register, and that it was a MOV (section 15.33.1). */
function cr_info(rec: usize): u64 {
  return (<u64>CR_HIGH_MOV << 32) | ((rec_a(rec) - RAX) >> 3)
}

function slot(n: u32): u32 {
  return n == 8 ? CR8 : n == 0 ? CR0 : CR2 + (n - 2) * 8
}

/** MOV r, CRn. */
export function mov_from_cr(s: usize, rec: usize): u32 {
  const n = rec_d(rec)
  if (!exists(n)) return raise(s, UD)
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, VMEXIT_CR0_READ + n, cr_info(rec), 0)
  if (outcome != R_NEXT) return outcome

  store<u64>(s + rec_a(rec), is_code64(s) ? load<u64>(s + slot(n)) : load<u32>(s + slot(n)))
  return R_NEXT
}

/** MOV CRn, r. */
export function mov_to_cr(s: usize, rec: usize): u32 {
  const n = rec_d(rec)
  if (!exists(n)) return raise(s, UD)
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const value: u64 = is_code64(s) ? load<u64>(s + rec_a(rec)) : load<u32>(s + rec_a(rec))
  let outcome = svm_check(s, rec, VMEXIT_CR0_WRITE + n, cr_info(rec), 0)
  if (outcome == R_NEXT && n == 0) outcome = check_selective(s, rec, value, cr_info(rec))
  if (outcome != R_NEXT) return outcome
  if (n == 0) return write_cr0(s, value)
  if (n == 3) return write_cr3(s, value)
  if (n == 4) return write_cr4(s, value)
  if (n == 8) return write_cr8(s, value)
  store<u64>(s, value, CR2)
  return R_NEXT
}

/** The selective intercept of CR0 writes: changes of other bits than TS and MP (section 15.9). */
function check_selective(s: usize, rec: usize, value: u64, info: u64): u32 {
  if (!((load<u64>(s, CR0) ^ value) & ~<u64>(CR0_TS | CR0_MP))) return R_NEXT
  return svm_check(s, rec, VMEXIT_CR0_SEL_WRITE, info, 0)
}

/** CLTS counts as a write of CR0. */
export function clts(s: usize, rec: usize): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, VMEXIT_CR0_WRITE, 0, 0)
  if (outcome != R_NEXT) return outcome

  store<u64>(s, load<u64>(s, CR0) & ~<u64>CR0_TS, CR0)
  update_mode(s)
  return R_NEXT
}

/** LMSW changes MP, EM and TS, and can set PE. */
export function lmsw(s: usize, rec: usize): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const source: u64 = rec_a(rec) == 0xff ? load16(s, load<u64>(s, T0)) : load<u16>(s + rec_a(rec))
  if (faulted(s)) return R_FAULT
  const old = load<u64>(s, CR0)
  const low = <u64>(CR0_PE | CR0_MP | CR0_EM | CR0_TS)
  const value = (old & ~low) | (source & low) | (old & CR0_PE)
  let outcome = svm_check(s, rec, VMEXIT_CR0_WRITE, 0, 0)
  if (outcome == R_NEXT) outcome = check_selective(s, rec, value, 0)
  return outcome == R_NEXT ? write_cr0(s, value) : outcome
}

/** SMSW: to memory always 16 bits, to a register as wide as the operand. */
export function smsw(s: usize, rec: usize): u32 {
  if (load<u64>(s, CR4) & CR4_UMIP && load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, VMEXIT_CR0_READ, 0, 0)
  if (outcome != R_NEXT) return outcome
  return write_selector_like(s, rec, load<u64>(s, CR0))
}

/** Result of SMSW, SLDT, STR and MOV r/m, Sreg: 16 bits to memory; a register takes as much of `value` as its size says. */
export function write_selector_like(s: usize, rec: usize, value: u64): u32 {
  const a = rec_a(rec)
  if (a == 0xff) {
    store16(s, load<u64>(s, T0), value & 0xffff)
    return faulted(s) ? R_FAULT : R_NEXT
  }
  const size = rec_b(rec)
  if (size == 2) store<u16>(s + a, <u16>value)
  else store<u64>(s + a, size == 4 ? <u64>(<u32>value) : value)
  return R_NEXT
}

// ---- translations

export function invlpg(s: usize, rec: usize): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const la = load<u64>(s, T0)
  const outcome = svm_check(s, rec, VMEXIT_INVLPG, la, 0)
  if (outcome != R_NEXT) return outcome
  if (canonical_register(la)) mmu_flush_page(s, la)
  return R_NEXT
}

/** INVPCID: type in a register, PCID and address in memory (vol. 3, INVPCID). */
export function invpcid(s: usize, rec: usize): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const la = load<u64>(s, T0)
  const type: u64 = is_code64(s) ? load<u64>(s + rec_d(rec)) : load<u32>(s + rec_d(rec))
  const outcome = svm_check(s, rec, VMEXIT_INVPCID, la, type)
  if (outcome != R_NEXT) return outcome
  if (!load_bytes(s, la, s + SCRATCH, 16)) return R_FAULT
  const pcid = load<u64>(s, SCRATCH)
  const address = load<u64>(s, SCRATCH + 8)
  if (type > 3 || pcid > 0xfff) return raise_error(s, GP, 0)
  if (type < 2 && pcid && !(load<u64>(s, CR4) & CR4_PCIDE)) return raise_error(s, GP, 0)
  if (type == 0 && !canonical_register(address)) return raise_error(s, GP, 0)

  if (type == 0) mmu_flush_page(s, address)
  else if (type == 1) mmu_flush_pcid(s, <u32>pcid)
  else mmu_flush_all(s)
  return R_NEXT
}

// ---- extended state and protection keys

/** #UD unless the operating system has enabled XSAVE. */
export function xgetbv(s: usize, in_use: u64): u32 {
  if (!(load<u64>(s, CR4) & CR4_OSXSAVE)) return raise(s, UD)
  const n = load<u32>(s, RCX)
  if (n > 1) return raise_error(s, GP, 0)
  const value = n ? load<u64>(s, XCR0) & in_use : load<u64>(s, XCR0)
  store<u64>(s, <u32>value, RAX)
  store<u64>(s, value >> 32, RDX)
  return R_NEXT
}

export function xsetbv(s: usize, rec: usize): u32 {
  if (!(load<u64>(s, CR4) & CR4_OSXSAVE)) return raise(s, UD)
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, VMEXIT_XSETBV, 0, 0)
  if (outcome != R_NEXT) return outcome
  const value = load<u32>(s, RAX) | (load<u64>(s, RDX) << 32)
  if (load<u32>(s, RCX)) return raise_error(s, GP, 0)
  return set_xcr0(s, value)
}

export function set_xcr0(s: usize, value: u64): u32 {
  if (!(value & XCR0_X87) || value & ~XCR0_SUPPORTED) return raise_error(s, GP, 0)
  // The upper halves of YMM registers need the lower ones (APM vol. 2, section 11.5.2).
  if ((value & (XCR0_SSE | XCR0_YMM)) == XCR0_YMM) return raise_error(s, GP, 0)

  store<u64>(s, value, XCR0)
  update_mode(s)
  return R_NEXT
}

export function rdpkru(s: usize): u32 {
  if (!(load<u64>(s, CR4) & CR4_PKE)) return raise(s, UD)
  if (load<u32>(s, RCX)) return raise_error(s, GP, 0)
  store<u64>(s, load<u32>(s, PKRU), RAX)
  store<u64>(s, 0, RDX)
  return R_NEXT
}

export function wrpkru(s: usize): u32 {
  if (!(load<u64>(s, CR4) & CR4_PKE)) return raise(s, UD)
  if (load<u32>(s, RCX) || load<u32>(s, RDX)) return raise_error(s, GP, 0)
  store<u32>(s, load<u32>(s, RAX), PKRU)
  mmu_pkru_changed(s)
  return R_NEXT
}
