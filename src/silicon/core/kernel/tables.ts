// Instructions on segment registers, descriptors and descriptor tables (APM vol. 3, 24594; vol. 2, sections 4.6 to 4.12).

import { CPL, CR4, CS, GDTR, IDTR, LDTR, RSP, SHADOW, SS, T0, TR } from '../state/layout'
import { CR4_UMIP } from '../../../spec/x86/control-registers'
import { FLAG_ZF } from '../../../spec/x86/flags'
import {
  VMEXIT_GDTR_READ, VMEXIT_GDTR_WRITE, VMEXIT_IDTR_READ, VMEXIT_IDTR_WRITE, VMEXIT_LDTR_READ, VMEXIT_LDTR_WRITE, VMEXIT_TR_READ, VMEXIT_TR_WRITE,
} from '../../../spec/svm/exit-codes'
import { R_FAULT, R_NEXT } from '../ir/results'
import { write_selector_like } from './control'
import { debug_hold } from './debug'
import { faulted, GP, NP, raise, raise_error, rec_a, rec_b, rec_d, UD } from './fault'
import { set_flags } from './flags'
import { load16, load32, load64, probe_write, store16, store32, store64 } from './memory'
import {
  canonical_register, desc_attributes, desc_base, desc_dpl, desc_high, desc_is_segment, desc_limit, desc_present, desc_set_type, desc_type, desc_upper,
  fetch_descriptor, fetch_upper, find_descriptor, find_upper, has_descriptors, is_code64, is_long, load_segment, moved_sp, push, seg_base, seg_limit,
  seg_selector, set_segment, stack_read, TYPE_CODE, TYPE_EC, TYPE_RW,
} from './segment'
import { svm_check } from './svm'

/** 16-bit source operand by ModRM.rm. */
function source16(s: usize, rec: usize): u32 {
  return rec_a(rec) == 0xff ? <u32>load16(s, load<u64>(s, T0)) : load<u16>(s + rec_a(rec))
}

// ---- MOV, PUSH, POP, LxS

/** After a load of SS: no interrupt and no debug exception before the next instruction has run. */
function shadow_after_stack(s: usize, seg: u32): void {
  if (seg != SS) return
  store<u32>(s, 1, SHADOW)
  debug_hold(s)
}

export function mov_to_segment(s: usize, rec: usize): u32 {
  const seg = rec_d(rec)
  if (seg == CS || seg > 5) return raise(s, UD)
  const selector = source16(s, rec)
  if (faulted(s) || load_segment(s, seg, selector) == R_FAULT) return R_FAULT
  shadow_after_stack(s, seg)
  return R_NEXT
}

export function mov_from_segment(s: usize, rec: usize): u32 {
  const seg = rec_d(rec)
  return seg > 5 ? raise(s, UD) : write_selector_like(s, rec, seg_selector(s, seg))
}

export function push_segment(s: usize, rec: usize): u32 {
  return push(s, seg_selector(s, rec_d(rec)), rec_b(rec))
}

export function pop_segment(s: usize, rec: usize): u32 {
  const seg = rec_d(rec)
  const size = rec_b(rec)
  const selector = <u32>stack_read(s, load<u64>(s, RSP), size) & 0xffff
  if (faulted(s)) return R_FAULT
  const sp = moved_sp(s, size)
  if (load_segment(s, seg, selector) == R_FAULT) return R_FAULT
  store<u64>(s, sp, RSP)
  shadow_after_stack(s, seg)
  return R_NEXT
}

/** LES, LSS, LDS, LFS, LGS: with REX.W still a 32-bit offset. */
export function load_pointer(s: usize, rec: usize, seg: u32): u32 {
  const size = rec_b(rec)
  const la = load<u64>(s, T0)
  const offset = size == 2 ? load16(s, la) : load32(s, la)
  const selector = <u32>load16(s, la + (size == 2 ? 2 : 4))
  if (faulted(s) || load_segment(s, seg, selector) == R_FAULT) return R_FAULT
  if (size == 2) store<u16>(s + rec_d(rec), <u16>offset)
  else store<u64>(s + rec_d(rec), offset)
  return R_NEXT
}

// ---- GDTR and IDTR

/** LGDT, LIDT: limit and base; a 16-bit operand size takes 24 bits of base. */
export function load_table(s: usize, rec: usize, table: u32): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, table == GDTR ? VMEXIT_GDTR_WRITE : VMEXIT_IDTR_WRITE, 0, 0)
  if (outcome != R_NEXT) return outcome
  const la = load<u64>(s, T0)
  const limit = <u32>load16(s, la)
  let base: u64 = is_code64(s) ? load64(s, la + 2) : load32(s, la + 2)
  if (faulted(s)) return R_FAULT
  if (!is_code64(s) && rec_b(rec) == 2) base &= 0xffffff
  if (!canonical_register(base)) return raise_error(s, GP, 0)

  set_segment(s, table, 0, 0, limit, base)
  return R_NEXT
}

/** SGDT, SIDT. */
export function store_table(s: usize, rec: usize, table: u32): u32 {
  if (user_prevented(s)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, table == GDTR ? VMEXIT_GDTR_READ : VMEXIT_IDTR_READ, 0, 0)
  if (outcome != R_NEXT) return outcome
  const la = load<u64>(s, T0)
  if (!probe_write(s, la, is_code64(s) ? 10 : 6)) return R_FAULT
  store16(s, la, seg_limit(s, table))
  if (is_code64(s)) store64(s, la + 2, seg_base(s, table))
  else store32(s, la + 2, seg_base(s, table))
  return R_NEXT
}

/** CR4.UMIP keeps SGDT, SIDT, SLDT, STR and SMSW from user code. */
function user_prevented(s: usize): bool {
  return (load<u64>(s, CR4) & CR4_UMIP) != 0 && load<u32>(s, CPL) != 0
}

// ---- LDTR and TR

export function sldt(s: usize, rec: usize): u32 {
  return store_selector(s, rec, LDTR, VMEXIT_LDTR_READ)
}
export function str(s: usize, rec: usize): u32 {
  return store_selector(s, rec, TR, VMEXIT_TR_READ)
}

function store_selector(s: usize, rec: usize, seg: u32, exit: u32): u32 {
  if (!has_descriptors(s)) return raise(s, UD)
  if (user_prevented(s)) return raise_error(s, GP, 0)
  const outcome = svm_check(s, rec, exit, 0, 0)
  return outcome == R_NEXT ? write_selector_like(s, rec, seg_selector(s, seg)) : outcome
}

/** #UD, #GP and the intercept of LLDT and LTR. */
function check_load(s: usize, rec: usize, exit: u32): u32 {
  if (!has_descriptors(s)) return raise(s, UD)
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  return svm_check(s, rec, exit, 0, 0)
}

/** Base of the fetched system descriptor: 64 bits of 16 bytes in long mode. False with a fault pending. */
let system_base: u64 = 0
function read_system_base(s: usize, selector: u32): bool {
  system_base = desc_base()
  if (!is_long(s)) return true
  if (!fetch_upper(s, selector, GP, 0)) return false
  system_base |= desc_upper << 32
  if (canonical_register(system_base)) return true
  raise_error(s, GP, selector & 0xfffc)
  return false
}

export function lldt(s: usize, rec: usize): u32 {
  const outcome = check_load(s, rec, VMEXIT_LDTR_WRITE)
  if (outcome != R_NEXT) return outcome
  const selector = source16(s, rec)
  if (faulted(s)) return R_FAULT
  if (!(selector & 0xfffc)) {
    set_segment(s, LDTR, selector, 0, 0, 0)
    return R_NEXT
  }
  if (selector & 4) return raise_error(s, GP, selector & 0xfffc)
  if (!fetch_descriptor(s, selector, GP, 0)) return R_FAULT
  if (desc_is_segment() || desc_type() != 2) return raise_error(s, GP, selector & 0xfffc)
  if (!desc_present()) return raise_error(s, NP, selector & 0xfffc)
  if (!read_system_base(s, selector)) return R_FAULT

  set_segment(s, LDTR, selector, desc_attributes(), desc_limit(), system_base)
  return R_NEXT
}

/** The TSS must be available; it becomes busy. */
export function ltr(s: usize, rec: usize): u32 {
  const outcome = check_load(s, rec, VMEXIT_TR_WRITE)
  if (outcome != R_NEXT) return outcome
  const selector = source16(s, rec)
  if (faulted(s)) return R_FAULT
  if (!(selector & 0xfffc)) return raise_error(s, GP, 0)
  if (selector & 4) return raise_error(s, GP, selector & 0xfffc)
  if (!fetch_descriptor(s, selector, GP, 0)) return R_FAULT
  const available = desc_type() == 9 || (desc_type() == 1 && !is_long(s))
  if (desc_is_segment() || !available) return raise_error(s, GP, selector & 0xfffc)
  if (!desc_present()) return raise_error(s, NP, selector & 0xfffc)
  if (!read_system_base(s, selector) || !desc_set_type(s, 2)) return R_FAULT

  set_segment(s, TR, selector, desc_attributes(), desc_limit(), system_base)
  return R_NEXT
}

// ---- LAR, LSL, VERR, VERW, ARPL

/** Can `selector` be seen from here? For code and data at all levels that its DPL admits; conforming code always. */
function visible(s: usize, selector: u32): bool {
  const conforming = desc_is_segment() && (desc_type() & (TYPE_CODE | TYPE_EC)) == (TYPE_CODE | TYPE_EC)
  return conforming || (desc_dpl() >= load<u32>(s, CPL) && desc_dpl() >= (selector & 3))
}

/** Fetches for LAR and LSL; false where ZF is to be cleared or a fault is pending. `types`: system types allowed, one bit each. */
function look_up(s: usize, selector: u32, types: u32): bool {
  if (!(selector & 0xfffc) || !find_descriptor(s, selector)) return false
  if (!desc_is_segment()) {
    if (!((types >> desc_type()) & 1)) return false
    if (is_long(s) && !find_upper(s, selector)) return false
  }
  return visible(s, selector)
}

/** Sets ZF and, where it is set, the destination. */
function conclude(s: usize, rec: usize, found: bool, value: u32): u32 {
  if (faulted(s)) return R_FAULT
  set_flags(s, found ? FLAG_ZF : 0, FLAG_ZF)
  if (!found) return R_NEXT
  if (rec_b(rec) == 2) store<u16>(s + rec_d(rec), <u16>value)
  else store<u64>(s + rec_d(rec), value)
  return R_NEXT
}

export function lar(s: usize, rec: usize): u32 {
  if (!has_descriptors(s)) return raise(s, UD)
  const selector = source16(s, rec)
  if (faulted(s)) return R_FAULT
  const found = look_up(s, selector, is_long(s) ? 0x1a04 : 0x1a3e)
  return conclude(s, rec, found, desc_high & 0x00ffff00)
}

export function lsl(s: usize, rec: usize): u32 {
  if (!has_descriptors(s)) return raise(s, UD)
  const selector = source16(s, rec)
  if (faulted(s)) return R_FAULT
  const found = look_up(s, selector, is_long(s) ? 0x0a04 : 0x0a0e)
  return conclude(s, rec, found, desc_limit())
}

/** VERR, VERW. */
export function verify(s: usize, rec: usize, write: bool): u32 {
  if (!has_descriptors(s)) return raise(s, UD)
  const selector = source16(s, rec)
  if (faulted(s)) return R_FAULT
  const found = (selector & 0xfffc) != 0 && find_descriptor(s, selector) && desc_is_segment() && visible(s, selector) && usable(write)
  if (faulted(s)) return R_FAULT
  set_flags(s, found ? FLAG_ZF : 0, FLAG_ZF)
  return R_NEXT
}

function usable(write: bool): bool {
  const type = desc_type()
  return write ? (type & (TYPE_CODE | TYPE_RW)) == TYPE_RW : (type & (TYPE_CODE | TYPE_RW)) != TYPE_CODE
}

/** Raises the RPL of a selector to that of another. */
export function arpl(s: usize, rec: usize): u32 {
  if (!has_descriptors(s)) return raise(s, UD)
  const selector = source16(s, rec)
  if (faulted(s)) return R_FAULT
  const rpl: u32 = load<u16>(s + rec_d(rec)) & 3
  const lower = (selector & 3) < rpl
  if (lower) {
    const raised = (selector & 0xfffc) | rpl
    if (rec_a(rec) == 0xff) store16(s, load<u64>(s, T0), raised)
    else store<u16>(s + rec_a(rec), <u16>raised)
    if (faulted(s)) return R_FAULT
  }
  set_flags(s, lower ? FLAG_ZF : 0, FLAG_ZF)
  return R_NEXT
}
