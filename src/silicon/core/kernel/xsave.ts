// FXSAVE, FXRSTOR and the XSAVE family: x87, SSE, YMM and PKRU state (APM vol. 2, 24593, section 11.5; layouts in section 11.4.4 and vol. 3).
// An image is put together in SCRATCH, checked, and only then written to memory or to the state.

import {
  CPL, CR0, CR4, MXCSR, PKRU, RAX, RDX, SCRATCH, T0, X87_CONTROL, X87_CS, X87_DP, X87_DS, X87_IP, X87_OPCODE, X87_REGISTERS, X87_STATUS, X87_TAGS, XCR0,
  XMM, XMM_STRIDE, XSS,
} from '../state/layout'
import {
  H_FXRSTOR, H_FXSAVE, H_XGETBV, H_XRSTOR, H_XRSTORS, H_XSAVE, H_XSAVEC, H_XSAVEOPT, H_XSAVES,
} from '../ir/helper-ids'
import { CR0_EM, CR0_TS, CR4_OSFXSR, CR4_OSXSAVE, XCR0_PKRU, XCR0_SSE, XCR0_X87, XCR0_YMM } from '../../../spec/x86/control-registers'
import { R_FAULT, R_NEXT } from '../ir/results'
import { xgetbv } from './control'
import { GP, NM, raise, raise_error, rec_b, UD } from './fault'
import { load64, load_bytes, probe_write, store_bytes, store64 } from './memory'
import { mmu_pkru_changed } from './mmu'
import { is_code64 } from './segment'

// Offsets in an image.
const IMAGE_MXCSR: u32 = 24
const IMAGE_ST: u32 = 32
const IMAGE_XMM: u32 = 160
const IMAGE_XMM_END: u32 = 416
const IMAGE_HEADER: u32 = 512
const XCOMP_BV: u32 = 520
const COMPACT: u64 = 1 << 63

/** Where components beyond x87 and SSE start: all of a compacted image, and the size with none. */
export const XSAVE_EXTENDED: u32 = 576
/** Upper halves of the YMM registers, where they are in the image. */
export const XSAVE_YMM: u32 = 576
export const XSAVE_YMM_BYTES: u32 = 256
/** PKRU in a standard image. */
export const XSAVE_PKRU_STANDARD: u32 = 832
export const XSAVE_PKRU_BYTES: u32 = 8

/** Bits of MXCSR that exist, the misaligned exception mask (bit 17) among them; the same for LDMXCSR in vector-control.ts. */
export const MXCSR_MASK: u32 = 0x2ffff
const MXCSR_INITIAL: u32 = 0x1f80
const FCW_INITIAL: u16 = 0x37f
const SAVE_ALL: u32 = 0
const SAVE_IN_USE: u32 = 1
const SAVE_COMPACT: u32 = 2

// ---- images

function xmm_count(s: usize): u32 {
  return is_code64(s) ? 16 : 8
}

/** Instruction and data pointers are 64 bits wide with REX.W, else offset and selector. */
export function put_x87(s: usize, at: usize, wide: bool): void {
  store<u16>(at, load<u16>(s, X87_CONTROL))
  store<u16>(at, load<u16>(s, X87_STATUS), 2)
  store<u16>(at, load<u8>(s, X87_TAGS), 4)
  store<u16>(at, load<u16>(s, X87_OPCODE), 6)
  if (wide) {
    store<u64>(at, load<u64>(s, X87_IP), 8)
    store<u64>(at, load<u64>(s, X87_DP), 16)
  } else {
    store<u64>(at, load<u32>(s, X87_IP) | (<u64>load<u16>(s, X87_CS) << 32), 8)
    store<u64>(at, load<u32>(s, X87_DP) | (<u64>load<u16>(s, X87_DS) << 32), 16)
  }
  const top = (load<u16>(s, X87_STATUS) >> 11) & 7
  for (let i: u32 = 0; i < 8; i++) {
    const register = s + X87_REGISTERS + ((top + i) & 7) * 16
    store<u64>(at + IMAGE_ST + i * 16, load<u64>(register))
    store<u64>(at + IMAGE_ST + i * 16, load<u16>(register, 8), 8)
  }
}

export function take_x87(s: usize, at: usize, wide: bool): void {
  const control = load<u16>(at)
  // The summary bits of the status word follow from the pending exceptions that are not masked.
  const status = (load<u16>(at, 2) & 0x7f7f) | (load<u16>(at, 2) & ~control & 0x3f ? 0x8080 : 0)
  store<u16>(s, control & 0x1f3f | 0x40, X87_CONTROL)
  store<u16>(s, status, X87_STATUS)
  store<u8>(s, load<u8>(at, 4), X87_TAGS)
  store<u16>(s, load<u16>(at, 6) & 0x7ff, X87_OPCODE)
  store<u64>(s, wide ? load<u64>(at, 8) : load<u32>(at, 8), X87_IP)
  store<u64>(s, wide ? load<u64>(at, 16) : load<u32>(at, 16), X87_DP)
  store<u16>(s, wide ? 0 : load<u16>(at, 12), X87_CS)
  store<u16>(s, wide ? 0 : load<u16>(at, 20), X87_DS)
  const top = (status >> 11) & 7
  for (let i: u32 = 0; i < 8; i++) {
    const register = s + X87_REGISTERS + ((top + i) & 7) * 16
    store<u64>(register, load<u64>(at + IMAGE_ST + i * 16))
    store<u16>(register, load<u16>(at + IMAGE_ST + i * 16, 8), 8)
  }
}

function reset_x87(s: usize): void {
  store<u16>(s, FCW_INITIAL, X87_CONTROL)
  store<u16>(s, 0, X87_STATUS)
  store<u8>(s, 0, X87_TAGS)
  store<u16>(s, 0, X87_OPCODE)
  store<u64>(s, 0, X87_IP)
  store<u64>(s, 0, X87_DP)
  store<u16>(s, 0, X87_CS)
  store<u16>(s, 0, X87_DS)
  memory.fill(s + X87_REGISTERS, 0, 128)
}

export function put_xmm(s: usize, at: usize): void {
  for (let i: u32 = 0; i < 16; i++) memory.copy(at + IMAGE_XMM + i * 16, s + XMM + i * XMM_STRIDE, 16)
}
export function take_xmm(s: usize, at: usize): void {
  take_low_xmm(s, at, 16)
}
function take_low_xmm(s: usize, at: usize, count: u32): void {
  for (let i: u32 = 0; i < count; i++) memory.copy(s + XMM + i * XMM_STRIDE, at + IMAGE_XMM + i * 16, 16)
}
function reset_xmm(s: usize): void {
  const count = xmm_count(s)
  for (let i: u32 = 0; i < count; i++) memory.fill(s + XMM + i * XMM_STRIDE, 0, 16)
}

export function put_ymm(s: usize, at: usize): void {
  for (let i: u32 = 0; i < 16; i++) v128.store(at + XSAVE_YMM + i * 16, v128.load(s + XMM + i * XMM_STRIDE, 16))
}
function take_ymm(s: usize, at: usize): void {
  const count = xmm_count(s)
  for (let i: u32 = 0; i < count; i++) v128.store(s + XMM + i * XMM_STRIDE, v128.load(at + XSAVE_YMM + i * 16), 16)
}
function reset_ymm(s: usize): void {
  const count = xmm_count(s)
  for (let i: u32 = 0; i < count; i++) v128.store(s + XMM + i * XMM_STRIDE, i64x2.splat(0), 16)
}

export function put_mxcsr(s: usize, at: usize): void {
  store<u32>(at, load<u32>(s, MXCSR), IMAGE_MXCSR)
  store<u32>(at, MXCSR_MASK, IMAGE_MXCSR + 4)
}

// ---- FXSAVE, FXRSTOR

/** #NM with CR0.TS or CR0.EM, #GP unless the image lies at a multiple of 16. */
function check_fx(s: usize, la: u64): u32 {
  if (load<u64>(s, CR0) & (CR0_TS | CR0_EM)) return raise(s, NM)
  return la & 15 ? raise_error(s, GP, 0) : R_NEXT
}

/** Without CR4.OSFXSR the SSE registers are neither saved nor restored. */
function fxsave(s: usize, rec: usize): u32 {
  const la = load<u64>(s, T0)
  if (check_fx(s, la) != R_NEXT) return R_FAULT
  const at = s + SCRATCH
  put_x87(s, at, rec_b(rec) == 8)
  put_mxcsr(s, at)
  put_xmm(s, at)
  const bytes = load<u64>(s, CR4) & CR4_OSFXSR ? IMAGE_XMM + xmm_count(s) * 16 : IMAGE_XMM
  return store_bytes(s, la, at, bytes) ? R_NEXT : R_FAULT
}

function fxrstor(s: usize, rec: usize): u32 {
  const la = load<u64>(s, T0)
  if (check_fx(s, la) != R_NEXT) return R_FAULT
  const at = s + SCRATCH
  if (!load_bytes(s, la, at, IMAGE_XMM_END)) return R_FAULT
  const sse = (load<u64>(s, CR4) & CR4_OSFXSR) != 0
  if (sse && load<u32>(at, IMAGE_MXCSR) & ~MXCSR_MASK) return raise_error(s, GP, 0)

  take_x87(s, at, rec_b(rec) == 8)
  if (!sse) return R_NEXT
  store<u32>(s, load<u32>(at, IMAGE_MXCSR), MXCSR)
  take_low_xmm(s, at, xmm_count(s))
  return R_NEXT
}

// ---- what is in use (XINUSE)

function x87_in_use(s: usize): bool {
  if (load<u16>(s, X87_CONTROL) != FCW_INITIAL || load<u16>(s, X87_STATUS) || load<u8>(s, X87_TAGS) || load<u16>(s, X87_OPCODE)) return true
  if (load<u64>(s, X87_IP) || load<u64>(s, X87_DP) || load<u16>(s, X87_CS) || load<u16>(s, X87_DS)) return true
  for (let i: u32 = 0; i < 8; i++) {
    if (load<u64>(s + X87_REGISTERS + i * 16) || load<u16>(s + X87_REGISTERS + i * 16, 8)) return true
  }
  return false
}

function sse_in_use(s: usize): bool {
  if (load<u32>(s, MXCSR) != MXCSR_INITIAL) return true
  for (let i: u32 = 0; i < 16; i++) {
    if (load<u64>(s + XMM + i * XMM_STRIDE) || load<u64>(s + XMM + i * XMM_STRIDE, 8)) return true
  }
  return false
}

function ymm_in_use(s: usize): bool {
  let any = i64x2.splat(0)
  for (let i: u32 = 0; i < 16; i++) any = v128.or(any, v128.load(s + XMM + i * XMM_STRIDE, 16))
  return v128.any_true(any)
}

/** Components that are not in their initial state. */
export function components_in_use(s: usize): u64 {
  let bits: u64 = 0
  if (x87_in_use(s)) bits |= XCR0_X87
  if (sse_in_use(s)) bits |= XCR0_SSE
  if (ymm_in_use(s)) bits |= XCR0_YMM
  if (load<u32>(s, PKRU)) bits |= XCR0_PKRU
  return bits
}

// ---- the XSAVE family

/** #UD, #NM and alignment; `privileged` for XSAVES and XRSTORS. */
function check_xsave(s: usize, la: u64, privileged: bool): u32 {
  if (!(load<u64>(s, CR4) & CR4_OSXSAVE)) return raise(s, UD)
  if (load<u64>(s, CR0) & CR0_TS) return raise(s, NM)
  if (privileged && load<u32>(s, CPL)) return raise_error(s, GP, 0)
  return la & 63 ? raise_error(s, GP, 0) : R_NEXT
}

/** Requested-feature bitmap. */
function requested(s: usize, supervisor: bool): u64 {
  const enabled = supervisor ? load<u64>(s, XCR0) | load<u64>(s, XSS) : load<u64>(s, XCR0)
  return (load<u32>(s, RAX) | (load<u64>(s, RDX) << 32)) & enabled
}

/** Where PKRU stands; a compacted image has room for the components in `format` alone. */
function pkru_offset(compact: bool, format: u64): u32 {
  if (!compact) return XSAVE_PKRU_STANDARD
  return format & XCR0_YMM ? XSAVE_EXTENDED + XSAVE_YMM_BYTES : XSAVE_EXTENDED
}

/** MXCSR belongs to SSE; in a standard image it comes with YMM as well (APM vol. 4, XSAVE and XRSTOR). */
function with_mxcsr(compact: bool, wanted: u64, present: u64): bool {
  return compact ? (present & XCR0_SSE) != 0 : (wanted & (XCR0_SSE | XCR0_YMM)) != 0
}

/** Writes the components `parts` of the image, PKRU at `pkru_at`. */
function write_parts(s: usize, la: u64, parts: u64, mxcsr: bool, pkru_at: u32, wide: bool): bool {
  const at = s + SCRATCH
  put_x87(s, at, wide)
  put_mxcsr(s, at)
  put_xmm(s, at)
  if (parts & XCR0_X87 && (!store_bytes(s, la, at, 24) || !store_bytes(s, la + IMAGE_ST, at + IMAGE_ST, 128))) return false
  if (mxcsr && !store_bytes(s, la + IMAGE_MXCSR, at + IMAGE_MXCSR, 8)) return false
  if (parts & XCR0_SSE && !store_bytes(s, la + IMAGE_XMM, at + IMAGE_XMM, xmm_count(s) * 16)) return false
  if (parts & XCR0_YMM) {
    put_ymm(s, at)
    if (!store_bytes(s, la + XSAVE_YMM, at + XSAVE_YMM, xmm_count(s) * 16)) return false
  }
  if (!(parts & XCR0_PKRU)) return true
  store<u64>(at, load<u32>(s, PKRU))
  return store_bytes(s, la + pkru_at, at, XSAVE_PKRU_BYTES)
}

/** XSAVE, XSAVEOPT (skips what is in its initial state), XSAVEC and XSAVES (compact as well). */
function save(s: usize, rec: usize, form: u32, privileged: bool): u32 {
  const la = load<u64>(s, T0)
  if (check_xsave(s, la, privileged) != R_NEXT) return R_FAULT
  const wanted = requested(s, privileged)
  const used = components_in_use(s) & wanted
  const compact = form == SAVE_COMPACT
  const parts = form == SAVE_ALL ? wanted : used
  const pkru_at = pkru_offset(compact, wanted)
  let end = parts & XCR0_YMM ? XSAVE_YMM + XSAVE_YMM_BYTES : XSAVE_EXTENDED
  if (parts & XCR0_PKRU) end = pkru_at + XSAVE_PKRU_BYTES
  if (!probe_write(s, la, end)) return R_FAULT
  const old: u64 = compact ? 0 : load64(s, la + IMAGE_HEADER)

  if (!write_parts(s, la, parts, with_mxcsr(compact, wanted, parts), pkru_at, rec_b(rec) == 8)) return R_FAULT
  store64(s, la + IMAGE_HEADER, (old & ~wanted) | used)
  if (compact) store64(s, la + XCOMP_BV, wanted | COMPACT)
  return R_NEXT
}

/** The header's reserved bytes are zero and it names nothing that is not enabled (section 11.5). */
export function header_legal(s: usize, header: usize, compact_only: bool, supervisor: bool): bool {
  const present = load<u64>(header)
  const format = load<u64>(header, 8)
  const enabled = supervisor ? load<u64>(s, XCR0) | load<u64>(s, XSS) : load<u64>(s, XCR0)
  const compact = format >> 63 != 0
  // A standard image has bytes 23:8 zero, a compacted one 63:16.
  const end: u32 = compact ? 64 : 24
  for (let i: u32 = compact ? 16 : 8; i < end; i += 8) if (load<u64>(header + i)) return false
  if (!compact) return !compact_only && !(present & ~enabled)
  return !(format & ~(enabled | COMPACT)) && !(present & ~format)
}

function restore(s: usize, rec: usize, privileged: bool): u32 {
  const la = load<u64>(s, T0)
  if (check_xsave(s, la, privileged) != R_NEXT) return R_FAULT
  const at = s + SCRATCH
  if (!load_bytes(s, la, at, XSAVE_EXTENDED)) return R_FAULT
  if (!header_legal(s, at + IMAGE_HEADER, privileged, privileged)) return raise_error(s, GP, 0)
  const wanted = requested(s, privileged)
  const compact = load<u64>(at, XCOMP_BV) >> 63 != 0
  const present = load<u64>(at, IMAGE_HEADER) & wanted
  const mxcsr = with_mxcsr(compact, wanted, present)
  if (mxcsr && load<u32>(at, IMAGE_MXCSR) & ~MXCSR_MASK) return raise_error(s, GP, 0)
  if (present & XCR0_YMM && !load_bytes(s, la + XSAVE_YMM, at + XSAVE_YMM, XSAVE_YMM_BYTES)) return R_FAULT
  const pkru_at = pkru_offset(compact, load<u64>(at, XCOMP_BV))
  if (present & XCR0_PKRU && !load_bytes(s, la + pkru_at, at + XSAVE_PKRU_STANDARD, XSAVE_PKRU_BYTES)) return R_FAULT

  commit_restore(s, at, wanted, present, mxcsr, rec_b(rec) == 8)
  return R_NEXT
}

/** Of the image at `at`, in standard form; components that are requested and not present take their initial state. */
export function commit_restore(s: usize, at: usize, wanted: u64, present: u64, mxcsr: bool, wide: bool): void {
  if (present & XCR0_X87) take_x87(s, at, wide)
  else if (wanted & XCR0_X87) reset_x87(s)
  if (present & XCR0_SSE) take_low_xmm(s, at, xmm_count(s))
  else if (wanted & XCR0_SSE) reset_xmm(s)
  if (present & XCR0_YMM) take_ymm(s, at)
  else if (wanted & XCR0_YMM) reset_ymm(s)
  if (mxcsr) store<u32>(s, load<u32>(at, IMAGE_MXCSR), MXCSR)
  else if (wanted & XCR0_SSE) store<u32>(s, MXCSR_INITIAL, MXCSR)
  if (!(wanted & XCR0_PKRU)) return
  store<u32>(s, present & XCR0_PKRU ? load<u32>(at, XSAVE_PKRU_STANDARD) : 0, PKRU)
  mmu_pkru_changed(s)
}

export function xsave_helper(s: usize, rec: usize, id: u32): u32 {
  switch (id) {
    case H_FXSAVE:
      return fxsave(s, rec)
    case H_FXRSTOR:
      return fxrstor(s, rec)
    case H_XSAVE:
      return save(s, rec, SAVE_ALL, false)
    case H_XSAVEOPT:
      return save(s, rec, SAVE_IN_USE, false)
    case H_XSAVEC:
      return save(s, rec, SAVE_COMPACT, false)
    case H_XSAVES:
      return save(s, rec, SAVE_COMPACT, true)
    case H_XRSTOR:
      return restore(s, rec, false)
    case H_XRSTORS:
      return restore(s, rec, true)
    case H_XGETBV:
      return xgetbv(s, components_in_use(s))
  }
  return raise(s, UD)
}
