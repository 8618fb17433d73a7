// The register stack, the status word and the response to exceptions (AMD64 APM vol. 1, sections 6.2 registers, 6.8 exceptions; vol. 2, section 8.4 #MF).
// Every instruction begins with x87_begin, computes, and ends in one of the finish_ functions.

import { R_NEXT } from '../ir/results'
import {
  CS, SEG_SELECTOR, SEGMENT_STRIDE, SEGMENTS, T1, T2, X87_CONTROL, X87_CS, X87_DP, X87_DS, X87_IP, X87_OPCODE, X87_REGISTERS, X87_STATUS, X87_TAGS,
} from '../state/layout'
import { rec_a, rec_imm2, this_pc } from './fault'
import { sf_daz, sf_flags, sf_ftz, sf_masks, sf_round, sf_rounded_up, SF_DE, SF_IE, SF_PE, SF_ZE } from './softfloat-state'
import { f80_a, f80_b, f80_begin, f80_set_precision, z_se, z_sig } from './softfloat-f80'

export const SW_SF: u32 = 0x40
export const SW_ES: u32 = 0x80
export const SW_C0: u32 = 0x100
export const SW_C1: u32 = 0x200
export const SW_C2: u32 = 0x400
export const SW_TOP: u32 = 0x3800
export const SW_C3: u32 = 0x4000
export const SW_B: u32 = 0x8000

export const INDEFINITE_SIG: u64 = 0xc000000000000000
export const INDEFINITE_SE: u32 = 0xffff

export function status(s: usize): u32 {
  return load<u16>(s, X87_STATUS)
}
export function set_status(s: usize, v: u32): void {
  store<u16>(s, v, X87_STATUS)
}
export function control(s: usize): u32 {
  return load<u16>(s, X87_CONTROL)
}

export function top(s: usize): u32 {
  return (status(s) >> 11) & 7
}
export function set_top(s: usize, t: u32): void {
  set_status(s, (status(s) & ~SW_TOP) | ((t & 7) << 11))
}

/** Sets the bits of `mask` among the condition codes to those of `v`. */
export function set_codes(s: usize, v: u32, mask: u32): void {
  set_status(s, (status(s) & ~mask) | v)
}

function slot(s: usize, i: u32): usize {
  return s + X87_REGISTERS + <usize>(((top(s) + i) & 7) << 4)
}
/** Significand of ST(i). */
export function st_sig(s: usize, i: u32): u64 {
  return load<u64>(slot(s, i))
}
/** Sign and exponent of ST(i). */
export function st_se(s: usize, i: u32): u32 {
  return load<u16>(slot(s, i), 8)
}
export function st_empty(s: usize, i: u32): bool {
  return !((load<u8>(s, X87_TAGS) >> ((top(s) + i) & 7)) & 1)
}
export function st_set(s: usize, i: u32, sig: u64, se: u32): void {
  const r = slot(s, i)
  store<u64>(r, sig)
  store<u16>(r, se, 8)
  store<u8>(s, <u32>load<u8>(s, X87_TAGS) | ((<u32>1) << ((top(s) + i) & 7)), X87_TAGS)
}
export function st_free(s: usize, i: u32): void {
  store<u8>(s, <u32>load<u8>(s, X87_TAGS) & ~((<u32>1) << ((top(s) + i) & 7)), X87_TAGS)
}
export function pop(s: usize): void {
  st_free(s, 0)
  set_top(s, top(s) + 1)
}
export function push(s: usize, sig: u64, se: u32): void {
  set_top(s, top(s) - 1)
  st_set(s, 0, sig, se)
}

/** Sets up the floating-point environment from the control word. */
export function x87_begin(s: usize): void {
  const cw = control(s)
  const pc = (cw >> 8) & 3
  sf_flags = 0
  sf_masks = cw & 0x3f
  sf_round = (cw >> 10) & 3
  sf_daz = false
  sf_ftz = false
  sf_rounded_up = false
  f80_set_precision(pc == 0 ? 24 : pc == 2 ? 53 : 64)
  f80_begin()
}
export function load_a(s: usize, i: u32): void {
  f80_a(st_sig(s, i), st_se(s, i))
}
export function load_b(s: usize, i: u32): void {
  f80_b(st_sig(s, i), st_se(s, i))
}

/** ES and B follow from the flags and their masks. */
export function x87_update_es(s: usize): void {
  const sw = status(s)
  const pending = (sw & ~control(s) & 0x3f) != 0
  set_status(s, pending ? sw | SW_ES | SW_B : sw & ~(SW_ES | SW_B))
}

/** Records the exceptions in sf_flags and C1. */
export function commit_flags(s: usize): void {
  const up = sf_flags & SF_PE && sf_rounded_up
  set_status(s, (status(s) & ~SW_C1) | sf_flags | (up ? SW_C1 : 0))
  x87_update_es(s)
}

/** An unmasked invalid, denormal or zero-divide exception: operands stay as they are. */
export function stopped(): bool {
  return (sf_flags & ~sf_masks & (SF_IE | SF_DE | SF_ZE)) != 0
}

/** Stack fault: IE, SF, C1 = 1 for overflow. True if invalid is masked, so that the instruction goes on with the indefinite. */
export function stack_fault(s: usize, overflow: bool): bool {
  set_status(s, (status(s) & ~SW_C1) | SF_IE | SW_SF | (overflow ? SW_C1 : 0))
  x87_update_es(s)
  return (control(s) & SF_IE) != 0
}

/** Underflow with the indefinite as result in ST(i), then a pop if `pops`. */
export function underflow_into(s: usize, i: u32, pops: bool): u32 {
  if (!stack_fault(s, false)) return R_NEXT
  st_set(s, i, INDEFINITE_SIG, INDEFINITE_SE)
  if (pops) pop(s)
  return R_NEXT
}

/** The result in z goes to ST(i), then a pop if `pops`. */
export function finish_into(s: usize, i: u32, pops: bool): u32 {
  commit_flags(s)
  if (stopped()) return R_NEXT
  st_set(s, i, z_sig, z_se)
  if (pops) pop(s)
  return R_NEXT
}

/** The result in z is pushed; the caller has seen that ST(7) is empty. */
export function finish_push(s: usize): u32 {
  commit_flags(s)
  if (!stopped()) push(s, z_sig, z_se)
  return R_NEXT
}

/** Overflow of a push: the indefinite is pushed if masked. */
export function overflow_push(s: usize): u32 {
  if (stack_fault(s, true)) push(s, INDEFINITE_SIG, INDEFINITE_SE)
  return R_NEXT
}

/** FOP, FIP, FDP of a non-control instruction. */
export function x87_pointers(s: usize, rec: usize): void {
  store<u16>(s, rec_imm2(rec) & 0x7ff, X87_OPCODE)
  store<u64>(s, this_pc(s, rec), X87_IP)
  store<u16>(s, load<u16>(s + SEGMENTS + CS * SEGMENT_STRIDE, SEG_SELECTOR), X87_CS)
  if (rec_a(rec) != 0xff) return
  const segment = min<u32>(load<u32>(s, T2), 5)
  store<u64>(s, load<u64>(s, T1), X87_DP)
  store<u16>(s, load<u16>(s + SEGMENTS + <usize>segment * SEGMENT_STRIDE, SEG_SELECTOR), X87_DS)
}
