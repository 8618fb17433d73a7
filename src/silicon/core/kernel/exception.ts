// Delivery of exceptions and interrupts through the IDT, in every mode (APM vol. 2, 24593, chapter 8), and what becomes of an
// exception that arises while an event is being delivered (section 8.2.9, 15.7.2).

import {
  CPL, CR2, CS, DS, ES, FAULT, FAULT_ADDRESS, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_VECTOR_MASK, FAULT_VMEXIT, FS, GS, HALTED, IDTR, NMI_BLOCKED, PC,
  RSP, SHADOW, SS,
} from '../state/layout'
import { DEBUG_PENDING, DELIVERING, DELIVERING_ERROR, FAULT_NOT_CANONICAL } from '../state/system-layout'
import { FLAG_AC, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM } from '../../../spec/x86/flags'
import { R_EXIT, R_FAULT, R_JUMP, R_NEXT } from '../ir/results'
import { debug_after_entry, debug_end_resume } from './debug'
import { DB, DE, DF, faulted, GP, NP, PF, raise_error, SS_FAULT, TS } from './fault'
import {
  code_holds, code_is_64, code_present, code_privilege, commit_code, commit_frame, fetch_code, frame_align, frame_from_tss, frame_from_tss64,
  frame_here, frame_push, hold_code,
} from './frame'
import { get_flags, set_flags } from './flags'
import { sys_load32, sys_load64 } from './memory'
import { update_mode } from './mode'
import { desc_dpl, desc_type, is_long, is_protected, is_vm86, seg_base, seg_limit, seg_selector, set_null_segment, set_real_segment, TYPE_EC } from './segment'
import { stack_reference } from './stack-reference'
import { svm_exception, svm_leave, svm_shutdown } from './svm'
import { task_switch, TASK_BY_GATE } from './task'

/** Kinds of event, numbered as in EVENTINJ (section 15.20). */
export const EVENT_EXTERNAL: u32 = 0
export const EVENT_NMI: u32 = 2
export const EVENT_EXCEPTION: u32 = 3
export const EVENT_SOFTWARE: u32 = 4

const INTINFO_VALID: u32 = 0x80000000
const INTINFO_HAS_ERROR: u32 = 0x800

/** EXITINTINFO bits 31:0 of the event whose delivery is under way, 0 = none. */
export function delivering(s: usize): u32 {
  return load<u32>(s, DELIVERING)
}
/** EXITINTINFO bits 63:32. */
export function delivering_error(s: usize): u32 {
  return load<u32>(s, DELIVERING_ERROR)
}
/** Forgets it: after a #VMEXIT has recorded it. */
export function delivering_done(s: usize): void {
  store<u32>(s, 0, DELIVERING)
}

// ---- one event

// Parts of the event being delivered; scratch.
let event_vector: u32 = 0
let event_has_error: bool = false
let event_error: u32 = 0
/** RIP to push. */
let event_ip: u64 = 0
/** RFLAGS to push. */
let event_flags: u64 = 0
/** EXT bit of error codes: the event did not come from a software interrupt. */
let event_ext: u32 = 0
/** The DPL of the gate is checked: INT n, INT3 and INTO (section 15.20 for injected ones). */
let event_checks_dpl: bool = false

/** Error code that names the IDT entry. */
function gate_error(): u32 {
  return (event_vector << 3) | 2 | event_ext
}

/** Delivers the event described above: R_NEXT or R_JUMP; R_FAULT with nothing changed; R_EXIT when a task switch is intercepted. */
function enter(s: usize): u32 {
  if (!is_protected(s)) return enter_real(s)
  return is_long(s) ? enter_long(s) : enter_protected(s)
}

/** Real mode: a table of far pointers (section 8.6). */
function enter_real(s: usize): u32 {
  const entry = event_vector * 4
  if (entry + 3 > seg_limit(s, IDTR)) return raise_error(s, GP, gate_error())
  const pointer = <u32>sys_load32(s, seg_base(s, IDTR) + entry)
  if (faulted(s)) return R_FAULT
  frame_here(s, false, 0)
  if (!frame_push(s, event_flags, 2) || !frame_push(s, seg_selector(s, CS), 2) || !frame_push(s, event_ip, 2)) return R_FAULT

  commit_frame(s, 0)
  set_real_segment(s, CS, pointer >> 16)
  store<u64>(s, pointer & 0xffff, PC)
  set_flags(s, 0, FLAG_IF | FLAG_TF | FLAG_RF | FLAG_AC)
  return R_NEXT
}

/** Type, privilege and presence of a gate, in the manual's order (section 8.7.1, 8.9.1). */
function check_gate(s: usize, high: u32, valid_types: u32): bool {
  if (!((valid_types >> ((high >> 8) & 0x1f)) & 1)) raise_error(s, GP, gate_error())
  else if (event_checks_dpl && ((high >> 13) & 3) < load<u32>(s, CPL)) raise_error(s, GP, gate_error())
  else if (!(high & 0x8000)) raise_error(s, NP, gate_error())
  return !faulted(s)
}

/** The handler's code segment: not less privileged than the interrupted code. */
function check_handler(s: usize, selector: u32): bool {
  if (!fetch_code(s, selector, event_ext)) return false
  if (desc_dpl() > load<u32>(s, CPL) || (is_vm86(s) && (desc_type() & TYPE_EC || desc_dpl() != 0))) {
    raise_error(s, GP, (selector & 0xfffc) | event_ext)
    return false
  }
  return true
}

/** Protected mode without long mode: task, interrupt and trap gates of 16 and 32 bits (section 8.7). */
function enter_protected(s: usize): u32 {
  const entry = event_vector * 8
  if (entry + 7 > seg_limit(s, IDTR)) return raise_error(s, GP, gate_error())
  const gate = sys_load64(s, seg_base(s, IDTR) + entry)
  if (faulted(s)) return R_FAULT
  const high = <u32>(gate >> 32)
  // 5 task gate, 6 and 7 of 16 bits, e and f of 32 bits
  if (!check_gate(s, high, 0xc0e0)) return R_FAULT
  const type = (high >> 8) & 0xf
  const selector = <u32>(gate >> 16) & 0xffff
  if (type == 5) return task_switch(s, 0, selector, TASK_BY_GATE, event_ip, event_flags, event_has_error, event_error, event_ext)

  if (!check_handler(s, selector)) return R_FAULT
  const cpl = code_privilege(s)
  const inner = cpl < load<u32>(s, CPL)
  if (!code_present(s, selector, event_ext)) return R_FAULT
  hold_code(selector, cpl)
  const ip: u64 = type & 8 ? (high & 0xffff0000) | (<u32>gate & 0xffff) : <u32>gate & 0xffff
  if (!code_holds(s, ip, event_ext)) return R_FAULT
  const vm86 = is_vm86(s)
  if (!push_protected(s, type & 8 ? 4 : 2, inner, vm86, cpl)) return R_FAULT

  commit_frame(s, cpl)
  if (vm86) for (let seg: u32 = ES; seg <= <u32>GS; seg++) if (seg != CS && seg != SS) set_null_segment(s, seg, 0)
  commit_code(s, ip)
  finish_gate(s, type)
  return R_NEXT
}

function push_protected(s: usize, size: u32, inner: bool, vm86: bool, cpl: u32): bool {
  const sp = load<u64>(s, RSP)
  if (!inner) frame_here(s, false, event_ext)
  else if (!frame_from_tss(s, cpl, event_ext)) return false
  if (vm86) {
    if (!frame_push(s, seg_selector(s, GS), size) || !frame_push(s, seg_selector(s, FS), size)) return false
    if (!frame_push(s, seg_selector(s, DS), size) || !frame_push(s, seg_selector(s, ES), size)) return false
  }
  if (inner && (!frame_push(s, seg_selector(s, SS), size) || !frame_push(s, sp, size))) return false
  return push_return(s, size)
}

function push_return(s: usize, size: u32): bool {
  if (!frame_push(s, event_flags, size) || !frame_push(s, seg_selector(s, CS), size) || !frame_push(s, event_ip, size)) return false
  return !event_has_error || frame_push(s, event_error, size)
}

/** Long mode: 16-byte gates, frames of 8-byte values that always hold SS:RSP, IST (section 8.9). */
function enter_long(s: usize): u32 {
  const entry = event_vector * 16
  if (entry + 15 > seg_limit(s, IDTR)) return raise_error(s, GP, gate_error())
  const at = seg_base(s, IDTR) + entry
  const gate = sys_load64(s, at)
  const upper = sys_load32(s, at + 8)
  if (faulted(s)) return R_FAULT
  const high = <u32>(gate >> 32)
  if (!check_gate(s, high, 0xc000)) return R_FAULT
  const selector = <u32>(gate >> 16) & 0xffff
  if (!check_handler(s, selector)) return R_FAULT
  const cpl = code_privilege(s)
  const inner = cpl < load<u32>(s, CPL)
  if (!code_present(s, selector, event_ext)) return R_FAULT
  hold_code(selector, cpl)
  if (!code_is_64(s)) return raise_error(s, GP, (selector & 0xfffc) | event_ext)
  const ip = (upper << 32) | (high & 0xffff0000) | (<u32>gate & 0xffff)
  if (!code_holds(s, ip, event_ext)) return R_FAULT
  if (!push_long(s, high & 7, inner, cpl)) return R_FAULT

  commit_frame(s, cpl)
  commit_code(s, ip)
  finish_gate(s, (high >> 8) & 0xf)
  return R_NEXT
}

function push_long(s: usize, ist: u32, inner: bool, cpl: u32): bool {
  const sp = load<u64>(s, RSP)
  if (ist) {
    if (!frame_from_tss64(s, 0x1c + ist * 8, inner, event_ext)) return false
  } else if (inner) {
    if (!frame_from_tss64(s, 4 + cpl * 8, true, event_ext)) return false
  } else {
    frame_here(s, true, event_ext)
  }
  frame_align()
  return frame_push(s, seg_selector(s, SS), 8) && frame_push(s, sp, 8) && push_return(s, 8)
}

/** Interrupt gates have an even type and clear IF. */
function finish_gate(s: usize, type: u32): void {
  set_flags(s, 0, FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | (type & 1 ? 0 : FLAG_IF))
  update_mode(s)
}

/** Sets up and delivers one event, recorded meanwhile as the one being delivered: R_JUMP, R_EXIT (task switch intercepted) or R_FAULT. */
function attempt(s: usize, vector: u32, kind: u32, has_error: bool, error: u32, ip: u64, flags: u64): u32 {
  event_vector = vector
  event_has_error = has_error && is_protected(s)
  event_error = error
  event_ip = ip
  event_flags = flags
  event_checks_dpl = kind == EVENT_SOFTWARE || (kind == EVENT_EXCEPTION && (vector == 3 || vector == 4))
  event_ext = event_checks_dpl ? 0 : 1
  store<u32>(s, INTINFO_VALID | (kind << 8) | vector | (has_error ? INTINFO_HAS_ERROR : 0), DELIVERING)
  store<u32>(s, error, DELIVERING_ERROR)
  const outcome = enter(s)
  if (outcome == R_FAULT) return R_FAULT
  store<u32>(s, 0, DELIVERING)
  if (outcome == R_EXIT) return R_EXIT

  store<u32>(s, 0, SHADOW)
  store<u32>(s, 0, HALTED)
  // Entering a handler clears TF: INT n is not followed by a single-step trap.
  debug_after_entry(s)
  return R_JUMP
}

// ---- exceptions on top of events

function contributory(vector: u32): bool {
  return vector == DE || vector == TS || vector == NP || vector == SS_FAULT || vector == GP
}

/** Does exception `vector` during delivery of `first` (EXITINTINFO form) make a double fault? (Table 8-4) */
function doubles(first: u32, vector: u32): bool {
  if (((first >> 8) & 7) != EVENT_EXCEPTION) return false
  const before = first & FAULT_VECTOR_MASK
  if (before == PF) return vector == PF || contributory(vector)
  return contributory(before) && contributory(vector)
}

/** A contributory exception or page fault while #DF is being delivered: shutdown (section 8.2.9). */
function triples(first: u32, vector: u32): bool {
  const double = ((first >> 8) & 7) == EVENT_EXCEPTION && (first & FAULT_VECTOR_MASK) == DF
  return double && (vector == PF || contributory(vector))
}

/**
 * Delivers the exception in FAULT. PC is the RIP that belongs to it: of the instruction for a fault, of the next one for a trap.
 * An exception intercept is looked at before the exception is merged with the event that it arose in.
 */
export function deliver_fault(s: usize): u32 {
  while (true) {
    const fault = load<u32>(s, FAULT)
    // A nested page fault during delivery: the exit has been recorded and reports the event.
    if (fault & FAULT_VMEXIT) {
      svm_leave(s)
      return left_guest(s)
    }
    store<u32>(s, 0, FAULT)
    store<u32>(s, 0, DEBUG_PENDING)
    let vector = fault & FAULT_NOT_CANONICAL && stack_reference(s) ? SS_FAULT : fault & FAULT_VECTOR_MASK
    // Looking at the instruction may itself have left the guest; it runs again later.
    if (load<u32>(s, FAULT) & FAULT_VMEXIT) continue
    store<u32>(s, 0, FAULT)
    let has_error = (fault & FAULT_HAS_ERROR) != 0
    let error = has_error ? load<u32>(s, FAULT_ERROR) : 0
    if (svm_exception(s, vector, has_error, error, load<u64>(s, FAULT_ADDRESS))) return left_guest(s)
    if (vector == PF) store<u64>(s, load<u64>(s, FAULT_ADDRESS), CR2)
    const first = load<u32>(s, DELIVERING)
    if (triples(first, vector)) {
      store<u32>(s, 0, DELIVERING)
      return svm_shutdown(s)
    }
    if (doubles(first, vector)) {
      vector = DF
      has_error = true
      error = 0
      if (svm_exception(s, DF, true, 0, 0)) return left_guest(s)
    }
    // Faults push RF set, so that an instruction breakpoint does not hit again; debug exceptions do not (section 3.1.6).
    const flags = vector == DB ? get_flags(s) : get_flags(s) | FLAG_RF
    const outcome = attempt(s, vector, EVENT_EXCEPTION, has_error, error, load<u64>(s, PC), flags)
    if (outcome != R_FAULT) return outcome
  }
}

function left_guest(s: usize): u32 {
  store<u32>(s, 0, DELIVERING)
  store<u32>(s, 0, FAULT)
  return R_EXIT
}

/**
 * Delivers an interrupt, an injected event or a software interrupt. PC is exact and is what a fault during delivery returns to;
 * `next_pc` is what the handler returns to. R_JUMP or R_EXIT.
 */
export function deliver_event(s: usize, vector: u32, kind: u32, has_error: bool, error: u32, next_pc: u64): u32 {
  debug_end_resume(s)
  if (kind == EVENT_NMI) store<u32>(s, 1, NMI_BLOCKED)
  const outcome = attempt(s, vector, kind, has_error, error, next_pc, get_flags(s))
  return outcome == R_FAULT ? deliver_fault(s) : outcome
}
