// Hardware task switches through 16-bit and 32-bit task state segments (APM vol. 2, 24593, sections 12.2 and 12.3).
// What can fault before the old task has been left leaves no trace; later faults belong to the new task.

import { CPL, CR0, CR3, CS, DR7, ES, GS, LDTR, PC, RAX, SCRATCH, SS, TR } from '../state/layout'
import { CR0_PG, CR0_TS } from '../../../spec/x86/control-registers'
import { FLAG_NT, FLAG_RF, FLAG_VM, FLAGS_ALL } from '../../../spec/x86/flags'
import { DR6_BT } from '../../../spec/x86/debug-registers'
import { VMEXIT_TASK_SWITCH } from '../../../spec/svm/exit-codes'
import { R_EXIT, R_FAULT, R_JUMP, R_NEXT } from '../ir/results'
import { debug_trap } from './debug'
import { deliver_fault } from './exception'
import { faulted, GP, NP, raise_error, SS_FAULT, TS } from './fault'
import { set_flags } from './flags'
import { sys_load16, sys_load32, sys_store16, sys_store32 } from './memory'
import { mmu_set_cr3 } from './mmu'
import { update_mode } from './mode'
import {
  desc_attributes, desc_base, desc_dpl, desc_is_segment, desc_limit, desc_present, desc_set_type, desc_type, fetch_descriptor, push, seg_attributes,
  seg_base, seg_limit, seg_selector, set_busy, set_from_descriptor, set_null_segment, set_segment, set_vm86_segment, TYPE_ACCESSED, TYPE_CODE,
  TYPE_EC, TYPE_RW,
} from './segment'
import { svm_check } from './svm'

/** What caused the switch. */
export const TASK_BY_JUMP: u32 = 0
export const TASK_BY_CALL: u32 = 1
/** Interrupt or exception through a task gate. */
export const TASK_BY_GATE: u32 = 2
export const TASK_BY_RETURN: u32 = 3

/** EXITINFO2 bits of VMEXIT_TASK_SWITCH, in its upper half (section 15.14.1). */
const SWITCH_BY_RETURN: u64 = 1 << 36
const SWITCH_BY_JUMP: u64 = 1 << 38
const SWITCH_HAS_ERROR: u64 = 1 << 44
const SWITCH_RF: u64 = 1 << 48

const BUSY: u32 = 2

// Offsets in the TSS: registers and selectors follow each other in order RAX…RDI and ES…GS.
const TSS32_CR3: u32 = 0x1c
const TSS32_EIP: u32 = 0x20
const TSS32_EFLAGS: u32 = 0x24
const TSS32_REGISTERS: u32 = 0x28
const TSS32_SELECTORS: u32 = 0x48
const TSS32_LDT: u32 = 0x60
const TSS32_TRAP: u32 = 0x64
const TSS16_IP: u32 = 0x0e
const TSS16_FLAGS: u32 = 0x10
const TSS16_REGISTERS: u32 = 0x12
const TSS16_SELECTORS: u32 = 0x22
const TSS16_LDT: u32 = 0x2a

// The image of the new task, read before anything is written: u32 each in SCRATCH.
const IMAGE_CR3: u32 = SCRATCH
const IMAGE_IP: u32 = SCRATCH + 4
const IMAGE_FLAGS: u32 = SCRATCH + 8
const IMAGE_LDT: u32 = SCRATCH + 12
const IMAGE_TRAP: u32 = SCRATCH + 16
const IMAGE_REGISTERS: u32 = SCRATCH + 32
const IMAGE_SELECTORS: u32 = SCRATCH + 64

let tss_attributes: u32 = 0
let tss_limit: u32 = 0
let tss_base: u64 = 0

/** Fetches and checks the descriptor of the TSS to switch to. */
function check_tss(s: usize, selector: u32, cause: u32, ext: u32): bool {
  const error = (selector & 0xfffc) | ext
  const vector = cause == TASK_BY_RETURN ? TS : GP
  if (selector & 4 || !(selector & 0xfffc)) {
    raise_error(s, vector, error)
    return false
  }
  if (!fetch_descriptor(s, selector, vector, ext)) return false
  const type = desc_type()
  const wanted: u32 = cause == TASK_BY_RETURN ? 3 : 1
  if (desc_is_segment() || (type & 7) != wanted) raise_error(s, vector, error)
  else if (!desc_present()) raise_error(s, NP, error)
  else if (desc_limit() < (type & 8 ? <u32>0x67 : <u32>0x2b)) raise_error(s, TS, error)
  tss_attributes = desc_attributes()
  tss_limit = desc_limit()
  tss_base = desc_base()
  return !faulted(s)
}

/** Reads the new task's image to SCRATCH. */
function read_image(s: usize): bool {
  const wide = (tss_attributes & 8) != 0
  if (wide) {
    store<u32>(s + IMAGE_CR3, <u32>sys_load32(s, tss_base + TSS32_CR3))
    store<u32>(s + IMAGE_IP, <u32>sys_load32(s, tss_base + TSS32_EIP))
    store<u32>(s + IMAGE_FLAGS, <u32>sys_load32(s, tss_base + TSS32_EFLAGS))
    store<u32>(s + IMAGE_LDT, <u32>sys_load16(s, tss_base + TSS32_LDT))
    store<u32>(s + IMAGE_TRAP, <u32>sys_load16(s, tss_base + TSS32_TRAP) & 1)
    for (let i: u32 = 0; i < 8; i++) store<u32>(s + IMAGE_REGISTERS + i * 4, <u32>sys_load32(s, tss_base + TSS32_REGISTERS + i * 4))
    for (let i: u32 = 0; i < 6; i++) store<u32>(s + IMAGE_SELECTORS + i * 4, <u32>sys_load16(s, tss_base + TSS32_SELECTORS + i * 4))
    return !faulted(s)
  }
  store<u32>(s + IMAGE_CR3, 0)
  store<u32>(s + IMAGE_TRAP, 0)
  store<u32>(s + IMAGE_IP, <u32>sys_load16(s, tss_base + TSS16_IP))
  store<u32>(s + IMAGE_FLAGS, <u32>sys_load16(s, tss_base + TSS16_FLAGS))
  store<u32>(s + IMAGE_LDT, <u32>sys_load16(s, tss_base + TSS16_LDT))
  for (let i: u32 = 0; i < 8; i++) store<u32>(s + IMAGE_REGISTERS + i * 4, <u32>sys_load16(s, tss_base + TSS16_REGISTERS + i * 2) | 0xffff0000)
  for (let i: u32 = 0; i < 6; i++) {
    store<u32>(s + IMAGE_SELECTORS + i * 4, i < 4 ? <u32>sys_load16(s, tss_base + TSS16_SELECTORS + i * 2) : 0)
  }
  return !faulted(s)
}

/** Writes the dynamic fields of the present task to its TSS. */
function save_task(s: usize, ip: u64, flags: u64): bool {
  const base = seg_base(s, TR)
  if (seg_attributes(s, TR) & 8) {
    sys_store32(s, base + TSS32_EIP, ip)
    sys_store32(s, base + TSS32_EFLAGS, flags)
    for (let i: u32 = 0; i < 8; i++) sys_store32(s, base + TSS32_REGISTERS + i * 4, load<u32>(s + RAX + i * 8))
    for (let i: u32 = 0; i < 6; i++) sys_store16(s, base + TSS32_SELECTORS + i * 4, seg_selector(s, i))
    return !faulted(s)
  }
  sys_store16(s, base + TSS16_IP, ip)
  sys_store16(s, base + TSS16_FLAGS, flags)
  for (let i: u32 = 0; i < 8; i++) sys_store16(s, base + TSS16_REGISTERS + i * 2, load<u32>(s + RAX + i * 8))
  for (let i: u32 = 0; i < 4; i++) sys_store16(s, base + TSS16_SELECTORS + i * 2, seg_selector(s, i))
  return !faulted(s)
}

/** General registers, flags, CR3 and selectors of the new task; its descriptors are not loaded yet. */
function take_image(s: usize, nested: bool): void {
  for (let i: u32 = 0; i < 8; i++) store<u64>(s + RAX + i * 8, load<u32>(s + IMAGE_REGISTERS + i * 4))
  store<u64>(s, load<u32>(s + IMAGE_IP), PC)
  for (let i: u32 = 0; i < 6; i++) set_null_segment(s, i, load<u32>(s + IMAGE_SELECTORS + i * 4))
  set_segment(s, LDTR, load<u32>(s + IMAGE_LDT), 0, 0, 0)
  set_flags(s, load<u32>(s + IMAGE_FLAGS) | (nested ? FLAG_NT : 0), FLAGS_ALL)
  // Local breakpoint enables of DR7 end with the task (section 13.1.1.4).
  store<u64>(s, load<u64>(s, DR7) & ~<u64>0x55, DR7)
  store<u64>(s, load<u64>(s, CR0) | CR0_TS, CR0)
  if (tss_attributes & 8 && load<u64>(s, CR0) & CR0_PG) mmu_set_cr3(s, load<u32>(s + IMAGE_CR3))
}

function load_ldt(s: usize, ext: u32): bool {
  const selector = load<u32>(s + IMAGE_LDT)
  if (!(selector & 0xfffc)) return true
  if (selector & 4) {
    raise_error(s, TS, (selector & 0xfffc) | ext)
    return false
  }
  if (!fetch_descriptor(s, selector, TS, ext)) return false
  if (desc_is_segment() || desc_type() != 2 || !desc_present()) {
    raise_error(s, TS, (selector & 0xfffc) | ext)
    return false
  }
  set_segment(s, LDTR, selector, desc_attributes(), desc_limit(), desc_base())
  return true
}

function load_task_code(s: usize, ext: u32): bool {
  const selector = load<u32>(s + IMAGE_SELECTORS + CS * 4)
  const error = (selector & 0xfffc) | ext
  const rpl = selector & 3
  if (!(selector & 0xfffc)) {
    raise_error(s, TS, error)
    return false
  }
  if (!fetch_descriptor(s, selector, TS, ext)) return false
  const conforming = (desc_type() & TYPE_EC) != 0
  const level = conforming ? desc_dpl() <= rpl : desc_dpl() == rpl
  if (!desc_is_segment() || !(desc_type() & TYPE_CODE) || !level) raise_error(s, TS, error)
  else if (!desc_present()) raise_error(s, NP, error)
  if (faulted(s) || !desc_set_type(s, TYPE_ACCESSED)) return false
  set_from_descriptor(s, CS, selector)
  return true
}

function load_task_stack(s: usize, cpl: u32, ext: u32): bool {
  const selector = load<u32>(s + IMAGE_SELECTORS + SS * 4)
  const error = (selector & 0xfffc) | ext
  if (!(selector & 0xfffc)) {
    raise_error(s, TS, error)
    return false
  }
  if (!fetch_descriptor(s, selector, TS, ext)) return false
  const writable = desc_is_segment() && (desc_type() & (TYPE_CODE | TYPE_RW)) == TYPE_RW
  if (!writable || desc_dpl() != cpl || (selector & 3) != cpl) raise_error(s, TS, error)
  else if (!desc_present()) raise_error(s, SS_FAULT, error)
  if (faulted(s) || !desc_set_type(s, TYPE_ACCESSED)) return false
  set_from_descriptor(s, SS, selector)
  return true
}

function load_task_data(s: usize, seg: u32, cpl: u32, ext: u32): bool {
  const selector = load<u32>(s + IMAGE_SELECTORS + seg * 4)
  if (!(selector & 0xfffc)) return true
  if (!fetch_descriptor(s, selector, TS, ext)) return false
  const type = desc_type()
  const readable = desc_is_segment() && (type & (TYPE_CODE | TYPE_RW)) != TYPE_CODE
  const conforming = (type & (TYPE_CODE | TYPE_EC)) == (TYPE_CODE | TYPE_EC)
  const level = conforming || (desc_dpl() >= cpl && desc_dpl() >= (selector & 3))
  if (!readable || !level) raise_error(s, TS, (selector & 0xfffc) | ext)
  else if (!desc_present()) raise_error(s, NP, (selector & 0xfffc) | ext)
  if (faulted(s) || !desc_set_type(s, TYPE_ACCESSED)) return false
  set_from_descriptor(s, seg, selector)
  return true
}

/** Loads the descriptors of the new task; faults are the new task's. */
function load_task_segments(s: usize, ext: u32): bool {
  if (!load_ldt(s, ext)) return false
  if (load<u32>(s + IMAGE_FLAGS) & FLAG_VM) {
    for (let seg: u32 = ES; seg <= <u32>GS; seg++) set_vm86_segment(s, seg, load<u32>(s + IMAGE_SELECTORS + seg * 4))
    return true
  }
  const cpl = load<u32>(s, CPL)
  if (!load_task_code(s, ext) || !load_task_stack(s, cpl, ext)) return false
  for (let seg: u32 = ES; seg <= <u32>GS; seg++) {
    if (seg != CS && seg != SS && !load_task_data(s, seg, cpl, ext)) return false
  }
  if (load<u64>(s, PC) <= <u64>seg_limit(s, CS)) return true
  raise_error(s, GP, ext)
  return false
}

/** Busy bits and back link (table 12-2). */
function link_tasks(s: usize, selector: u32, cause: u32): bool {
  const old = seg_selector(s, TR)
  if (cause == TASK_BY_JUMP || cause == TASK_BY_RETURN) {
    if (!set_busy(s, old, false)) return faulted(s) ? false : refuse_old(s, old)
  }
  if (cause != TASK_BY_RETURN && !set_busy(s, selector, true)) return false
  if (cause == TASK_BY_CALL || cause == TASK_BY_GATE) sys_store16(s, tss_base, old)
  return !faulted(s)
}

/** The GDT no longer holds the descriptor of the present task. */
function refuse_old(s: usize, selector: u32): bool {
  raise_error(s, TS, selector & 0xfffc)
  return false
}

/** EXITINFO2 of the intercept. */
function switch_info(cause: u32, flags: u64, has_error: bool, error: u32): u64 {
  let info: u64 = has_error ? SWITCH_HAS_ERROR | error : 0
  if (cause == TASK_BY_RETURN) info |= SWITCH_BY_RETURN
  if (cause == TASK_BY_JUMP) info |= SWITCH_BY_JUMP
  return flags & FLAG_RF ? info | SWITCH_RF : info
}

/**
 * Switches to the task of `selector`. `rec`: the record of the instruction, 0 for events; `ip` and `flags`: what the present task
 * goes on with. R_NEXT; R_FAULT with nothing changed; R_EXIT when intercepted; R_JUMP or R_EXIT when a fault of the new task
 * has been delivered.
 */
export function task_switch(s: usize, rec: usize, selector: u32, cause: u32, ip: u64, flags: u64, has_error: bool, error: u32, ext: u32): u32 {
  if (!check_tss(s, selector, cause, ext)) return R_FAULT
  if (svm_check(s, rec, VMEXIT_TASK_SWITCH, selector, switch_info(cause, flags, has_error, error)) == R_EXIT) return R_EXIT
  if (!read_image(s)) return R_FAULT
  if (!save_task(s, ip, cause == TASK_BY_RETURN ? flags & ~<u64>FLAG_NT : flags)) return R_FAULT
  if (!link_tasks(s, selector, cause)) return R_FAULT

  set_segment(s, TR, selector, tss_attributes | BUSY, tss_limit, tss_base)
  take_image(s, cause == TASK_BY_CALL || cause == TASK_BY_GATE)
  const vm86 = (load<u32>(s + IMAGE_FLAGS) & FLAG_VM) != 0
  store<u32>(s, vm86 ? 3 : load<u32>(s + IMAGE_SELECTORS + CS * 4) & 3, CPL)
  const loaded = load_task_segments(s, ext)
  update_mode(s)
  if (!loaded) return deliver_fault(s)
  if (has_error && push(s, error, tss_attributes & 8 ? 4 : 2) == R_FAULT) return deliver_fault(s)
  if (load<u32>(s + IMAGE_TRAP)) debug_trap(s, DR6_BT)
  return R_NEXT
}
