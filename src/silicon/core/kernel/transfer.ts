// Far JMP, CALL, RET and IRET (APM vol. 3, 24594; privilege rules in vol. 2, 24593, section 4.11).

import { CPL, CS, DS, ES, EVENT_INTERRUPT, EVENTS, FS, GS, NMI_BLOCKED, PC, RSP, SS, T0, T1, TR } from '../state/layout'
import {
  FLAG_AC, FLAG_DF, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VIF, FLAG_VIP, FLAG_VM, FLAGS_ARITHMETIC,
} from '../../../spec/x86/flags'
import { VMEXIT_IRET } from '../../../spec/svm/exit-codes'
import { R_EXIT, R_FAULT, R_JUMP, R_NEXT } from '../ir/results'
import { faulted, GP, next_pc, NP, raise_error, rec_b, rec_imm2 } from './fault'
import {
  code_attributes, code_holds, code_is_64, code_present, commit_code, commit_frame, fetch_code, frame_from_tss, frame_from_tss64, frame_here, frame_push,
  hold_code,
} from './frame'
import { get_flags, set_flags } from './flags'
import { load16, load32, sys_load16 } from './memory'
import { update_mode } from './mode'
import {
  ATTR_D, ATTR_L, check_stack_segment, desc_dpl, desc_high, desc_is_segment, desc_low, desc_present, desc_type, desc_upper, drop_inner_segments,
  fetch_descriptor, fetch_upper, has_descriptors, is_code64, is_long, is_vm86, moved_sp, seg_attributes, seg_base, seg_limit, seg_selector,
  set_from_descriptor, set_real_segment, set_segment, set_vm86_segment, stack_read, TYPE_EC,
} from './segment'
import { svm_check } from './svm'
import { task_switch, TASK_BY_CALL, TASK_BY_JUMP, TASK_BY_RETURN } from './task'

// ---- JMP and CALL

/** JMP/CALL ptr16:16, ptr16:32: offset in imm2, selector in T1. */
export function far_direct(s: usize, rec: usize, call: bool): u32 {
  const offset = rec_b(rec) == 2 ? rec_imm2(rec) & 0xffff : rec_imm2(rec)
  return far_transfer(s, rec, load<u16>(s, T1), <u32>offset, rec_b(rec), call)
}

/** JMP/CALL m16:16, m16:32. REX.W changes the size of what CALL pushes only. */
export function far_indirect(s: usize, rec: usize, call: bool): u32 {
  const size = rec_b(rec)
  const la = load<u64>(s, T0)
  const offset = size == 2 ? load16(s, la) : load32(s, la)
  const selector = <u32>load16(s, la + (size == 2 ? 2 : 4))
  if (faulted(s)) return R_FAULT
  return far_transfer(s, rec, selector, offset, size, call)
}

function far_transfer(s: usize, rec: usize, selector: u32, offset: u64, size: u32, call: bool): u32 {
  if (!has_descriptors(s)) return far_real(s, rec, selector, offset, size, call)
  if (!(selector & 0xfffc)) return raise_error(s, GP, 0)
  if (!fetch_descriptor(s, selector, GP, 0)) return R_FAULT
  if (!desc_is_segment()) return far_system(s, rec, selector, call)
  return far_code(s, rec, selector, offset, size, call)
}

/** Real and virtual-8086 mode. */
function far_real(s: usize, rec: usize, selector: u32, offset: u64, size: u32, call: bool): u32 {
  if (offset > <u64>seg_limit(s, CS)) return raise_error(s, GP, 0)
  frame_here(s, false, 0)
  if (call && (!frame_push(s, seg_selector(s, CS), size) || !frame_push(s, next_pc(s, rec), size))) return R_FAULT

  commit_frame(s, 0)
  set_real_segment(s, CS, selector)
  store<u64>(s, offset, PC)
  update_mode(s)
  return R_JUMP
}

/** A code segment as direct target: privilege does not change. */
function far_code(s: usize, rec: usize, selector: u32, offset: u64, size: u32, call: bool): u32 {
  const cpl = load<u32>(s, CPL)
  if (!fetch_code(s, selector, 0)) return R_FAULT
  const conforming = (desc_type() & TYPE_EC) != 0
  const level = conforming ? desc_dpl() <= cpl : desc_dpl() == cpl && (selector & 3) <= cpl
  if (!level) return raise_error(s, GP, selector & 0xfffc)
  if (!code_present(s, selector, 0)) return R_FAULT
  hold_code(selector, cpl)
  if (!code_holds(s, offset, 0)) return R_FAULT
  frame_here(s, false, 0)
  if (call && (!frame_push(s, seg_selector(s, CS), size) || !frame_push(s, next_pc(s, rec), size))) return R_FAULT

  commit_frame(s, cpl)
  commit_code(s, offset)
  update_mode(s)
  return R_JUMP
}

/** Gates and task state segments. Long mode has call gates only. */
function far_system(s: usize, rec: usize, selector: u32, call: bool): u32 {
  const cpl = load<u32>(s, CPL)
  const type = desc_type()
  // 1 and 9 available TSS, 4 and c call gates, 5 task gate
  if (!(((is_long(s) ? 0x1000 : 0x1232) >> type) & 1)) return raise_error(s, GP, selector & 0xfffc)
  if (desc_dpl() < cpl || desc_dpl() < (selector & 3)) return raise_error(s, GP, selector & 0xfffc)
  if (!desc_present()) return raise_error(s, NP, selector & 0xfffc)
  if (type == 4 || type == 12) return far_gate(s, rec, selector, call)
  const target = type == 5 ? desc_low >> 16 : selector
  const outcome = task_switch(s, rec, target, call ? TASK_BY_CALL : TASK_BY_JUMP, next_pc(s, rec), get_flags(s), false, 0, 0)
  return outcome == R_NEXT ? R_JUMP : outcome
}

/** The fetched descriptor is a call gate (section 4.11.2). */
function far_gate(s: usize, rec: usize, selector: u32, call: bool): u32 {
  const long = is_long(s)
  const wide = desc_type() == 12
  const target = desc_low >> 16
  const count = desc_high & 0x1f
  let offset: u64 = wide ? (desc_high & 0xffff0000) | (desc_low & 0xffff) : desc_low & 0xffff
  if (long) {
    if (!fetch_upper(s, selector, GP, 0)) return R_FAULT
    offset |= desc_upper << 32
  }
  const cpl = load<u32>(s, CPL)
  if (!fetch_code(s, target, 0)) return R_FAULT
  const conforming = (desc_type() & TYPE_EC) != 0
  const level = call || conforming ? desc_dpl() <= cpl : desc_dpl() == cpl
  if (!level) return raise_error(s, GP, target & 0xfffc)
  const next: u32 = conforming ? cpl : desc_dpl()
  if (!code_present(s, target, 0)) return R_FAULT
  hold_code(target, next)
  if (long && !(code_attributes & ATTR_L)) return raise_error(s, GP, target & 0xfffc)
  if (!code_holds(s, offset, 0)) return R_FAULT
  if (!call) frame_here(s, long, 0)
  else if (!push_gate(s, rec, long ? 8 : wide ? 4 : 2, next, long ? 0 : count)) return R_FAULT

  commit_frame(s, next)
  commit_code(s, offset)
  update_mode(s)
  return R_JUMP
}

/** The frame of a CALL through a gate: old SS:SP and parameters where privilege changes, then CS:IP. */
function push_gate(s: usize, rec: usize, size: u32, next: u32, count: u32): bool {
  const inner = next < load<u32>(s, CPL)
  const sp = load<u64>(s, RSP)
  if (!inner) {
    frame_here(s, size == 8, 0)
  } else {
    if (!(size == 8 ? frame_from_tss64(s, 4 + next * 8, true, 0) : frame_from_tss(s, next, 0))) return false
    if (!frame_push(s, seg_selector(s, SS), size) || !frame_push(s, sp, size)) return false
    for (let i = count; i > 0; i--) {
      const parameter = stack_read(s, sp + (i - 1) * size, size)
      if (faulted(s) || !frame_push(s, parameter, size)) return false
    }
  }
  return frame_push(s, seg_selector(s, CS), size) && frame_push(s, next_pc(s, rec), size)
}

// ---- RET and IRET

/** Checks the code segment that a return goes to: not more privileged than now (held as the new code). */
function check_return(s: usize, selector: u32, ip: u64): bool {
  const rpl = selector & 3
  if (!fetch_code(s, selector, 0)) return false
  const level = desc_type() & TYPE_EC ? desc_dpl() <= rpl : desc_dpl() == rpl
  if (rpl < load<u32>(s, CPL) || !level) {
    raise_error(s, GP, selector & 0xfffc)
    return false
  }
  if (!code_present(s, selector, 0)) return false
  hold_code(selector, rpl)
  return code_holds(s, ip, 0)
}

/** Checks the stack segment that a return loads; null is allowed for 64-bit code above level 3. */
function check_return_stack(s: usize, selector: u32, cpl: u32): bool {
  if (selector & 0xfffc) return check_stack_segment(s, selector, cpl, GP, 0)
  if (code_is_64(s) && cpl != 3) return true
  raise_error(s, GP, 0)
  return false
}

/** After check_return_stack. */
function commit_return_stack(s: usize, selector: u32, cpl: u32, sp: u64): void {
  if (selector & 0xfffc) set_from_descriptor(s, SS, selector)
  else set_segment(s, SS, selector, cpl << 5, 0, 0)
  const big = code_is_64(s)
  if (big) store<u64>(s, sp, RSP)
  else if (seg_attributes(s, SS) & ATTR_D) store<u64>(s, <u32>sp, RSP)
  else store<u64>(s, (load<u64>(s, RSP) & ~<u64>0xffff) | (sp & 0xffff), RSP)
}

/** RETF and RETF imm16 (imm2). */
export function far_return(s: usize, rec: usize): u32 {
  const size = rec_b(rec)
  const sp = load<u64>(s, RSP)
  const ip = stack_read(s, sp, size)
  const selector = <u32>stack_read(s, sp + size, size) & 0xffff
  if (faulted(s)) return R_FAULT
  const release: u64 = rec_imm2(rec) & 0xffff
  if (!has_descriptors(s)) return return_real(s, selector, ip, 2 * size + <u32>release)
  if (!check_return(s, selector, ip)) return R_FAULT
  const cpl = selector & 3
  if (cpl == load<u32>(s, CPL)) {
    store<u64>(s, moved_sp(s, 2 * size + release), RSP)
    commit_code(s, ip)
    update_mode(s)
    return R_JUMP
  }
  const outer_sp = stack_read(s, sp + 2 * size + release, size)
  const outer_ss = <u32>stack_read(s, sp + 3 * size + release, size) & 0xffff
  if (faulted(s) || !check_return_stack(s, outer_ss, cpl)) return R_FAULT

  commit_return_stack(s, outer_ss, cpl, outer_sp + release)
  commit_code(s, ip)
  drop_inner_segments(s, cpl)
  update_mode(s)
  return R_JUMP
}

function return_real(s: usize, selector: u32, ip: u64, bytes: u32): u32 {
  if (ip > <u64>seg_limit(s, CS)) return raise_error(s, GP, 0)

  store<u64>(s, moved_sp(s, bytes), RSP)
  set_real_segment(s, CS, selector)
  store<u64>(s, ip, PC)
  update_mode(s)
  return R_JUMP
}

/** Flags that IRET and POPF may change at level `cpl`; 16-bit forms leave the upper half alone (section 3.1.6). */
export function writable_flags(s: usize, size: u32, cpl: u32): u64 {
  const iopl = <u32>(get_flags(s) >> 12) & 3
  let mask: u64 = FLAGS_ARITHMETIC | FLAG_TF | FLAG_DF | FLAG_NT
  if (size != 2) mask |= FLAG_AC | FLAG_ID
  if (cpl == 0) mask |= FLAG_IOPL
  if (cpl <= iopl) mask |= FLAG_IF
  return mask
}

/** IRET, IRETD, IRETQ. */
export function interrupt_return(s: usize, rec: usize): u32 {
  const size = rec_b(rec)
  if (svm_check(s, rec, VMEXIT_IRET, 0, 0) == R_EXIT) return R_EXIT
  if (!has_descriptors(s)) return iret_real(s, size)
  if (get_flags(s) & FLAG_NT) return is_long(s) ? raise_error(s, GP, 0) : iret_task(s, rec)
  const sp = load<u64>(s, RSP)
  const ip = stack_read(s, sp, size)
  const selector = <u32>stack_read(s, sp + size, size) & 0xffff
  const flags = stack_read(s, sp + 2 * size, size)
  if (faulted(s)) return R_FAULT
  if (flags & FLAG_VM && size == 4 && load<u32>(s, CPL) == 0 && !is_long(s)) return iret_vm86(s, ip, selector, flags)
  return iret_protected(s, size, ip, selector, flags)
}

/** NMIs are open again after IRET. */
function end_interrupt(s: usize): u32 {
  store<u32>(s, 0, NMI_BLOCKED)
  store<u32>(s, load<u32>(s, EVENTS) | EVENT_INTERRUPT, EVENTS)
  return R_JUMP
}

function iret_real(s: usize, size: u32): u32 {
  const vm86 = is_vm86(s)
  if (vm86 && (get_flags(s) & FLAG_IOPL) != FLAG_IOPL) return raise_error(s, GP, 0)
  const sp = load<u64>(s, RSP)
  const ip = stack_read(s, sp, size)
  const selector = <u32>stack_read(s, sp + size, size) & 0xffff
  const flags = stack_read(s, sp + 2 * size, size)
  if (faulted(s)) return R_FAULT
  if (return_real(s, selector, ip, 3 * size) == R_FAULT) return R_FAULT
  set_flags(s, flags, writable_flags(s, size, vm86 ? 3 : 0) | (size == 2 ? 0 : FLAG_RF))
  return end_interrupt(s)
}

/** NT: back to the task that this one was called from. */
function iret_task(s: usize, rec: usize): u32 {
  const link = <u32>sys_load16(s, seg_base(s, TR))
  if (faulted(s)) return R_FAULT
  const outcome = task_switch(s, rec, link, TASK_BY_RETURN, next_pc(s, rec), get_flags(s), false, 0, 0)
  return outcome == R_NEXT ? end_interrupt(s) : outcome
}

/** From level 0 to virtual-8086 mode: nine doublewords (vol. 3, IRET). */
function iret_vm86(s: usize, ip: u64, selector: u32, flags: u64): u32 {
  const sp = load<u64>(s, RSP)
  const outer_sp = stack_read(s, sp + 12, 4)
  const ss = <u32>stack_read(s, sp + 16, 4)
  const es = <u32>stack_read(s, sp + 20, 4)
  const ds = <u32>stack_read(s, sp + 24, 4)
  const fs = <u32>stack_read(s, sp + 28, 4)
  const gs = <u32>stack_read(s, sp + 32, 4)
  if (faulted(s)) return R_FAULT
  if (ip > 0xffff) return raise_error(s, GP, 0)

  set_flags(s, flags, writable_flags(s, 4, 0) | FLAG_RF | FLAG_VM | FLAG_VIF | FLAG_VIP)
  set_vm86_segment(s, CS, selector)
  set_vm86_segment(s, SS, ss & 0xffff)
  set_vm86_segment(s, ES, es & 0xffff)
  set_vm86_segment(s, DS, ds & 0xffff)
  set_vm86_segment(s, FS, fs & 0xffff)
  set_vm86_segment(s, GS, gs & 0xffff)
  store<u32>(s, 3, CPL)
  store<u64>(s, outer_sp, RSP)
  store<u64>(s, ip, PC)
  update_mode(s)
  return end_interrupt(s)
}

function iret_protected(s: usize, size: u32, ip: u64, selector: u32, flags: u64): u32 {
  const from = load<u32>(s, CPL)
  const cpl = selector & 3
  const sp = load<u64>(s, RSP)
  if (!check_return(s, selector, ip)) return R_FAULT
  const stack = is_code64(s) || cpl != from
  const outer_sp: u64 = stack ? stack_read(s, sp + 3 * size, size) : 0
  const outer_ss = stack ? <u32>stack_read(s, sp + 4 * size, size) & 0xffff : 0
  if (faulted(s)) return R_FAULT
  if (stack && !check_return_stack(s, outer_ss, cpl)) return R_FAULT

  let mask = writable_flags(s, size, from)
  if (size != 2) mask |= FLAG_RF
  if (size != 2 && from == 0) mask |= FLAG_VIF | FLAG_VIP
  if (stack) commit_return_stack(s, outer_ss, cpl, outer_sp)
  else store<u64>(s, moved_sp(s, 3 * size), RSP)
  commit_code(s, ip)
  if (cpl != from) drop_inner_segments(s, cpl)
  set_flags(s, flags, mask)
  update_mode(s)
  return end_interrupt(s)
}
