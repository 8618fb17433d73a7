// SYSCALL, SYSRET, SYSENTER, SYSEXIT and SWAPGS as AMD processors have them (APM vol. 3, 24594; vol. 2, section 6.1).

import {
  CPL, CS, EFER, GS_BASE, MSR_CSTAR, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_SFMASK, MSR_STAR, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP, PC,
  R8, RCX, RDX, RSP, SEG_SELECTOR, SEGMENT_STRIDE, SEGMENTS, SS, STEP_ARMED,
} from '../state/layout'
import { EFER_SCE } from '../../../spec/x86/control-registers'
import { FLAG_IF, FLAG_RF, FLAG_TF, FLAG_VM, FLAGS_ALL } from '../../../spec/x86/flags'
import { R_JUMP, R_NEXT } from '../ir/results'
import { GP, next_pc, raise, raise_error, rec_b, UD } from './fault'
import { get_flags, set_flags } from './flags'
import { update_mode } from './mode'
import { is_code64, is_long, is_protected, is_vm86, set_segment } from './segment'

const R11: u32 = R8 + 24

// Attributes of the segments that these instructions make without reading a table.
const CODE64: u32 = 0xa9b
const CODE32: u32 = 0xc9b
const DATA: u32 = 0xc93
const DPL3: u32 = 0x60

function set_flat(s: usize, seg: u32, selector: u64, attributes: u32): void {
  set_segment(s, seg, <u32>selector & 0xffff, attributes, 0xffffffff, 0)
}

/** Enters the kernel: flat segments of level 0 at `selector` and `selector` + 8. */
function enter_kernel(s: usize, selector: u64, code: u32, target: u64): void {
  set_flat(s, CS, selector & 0xfffc, code)
  set_flat(s, SS, (selector & 0xfffc) + 8, DATA)
  store<u32>(s, 0, CPL)
  store<u64>(s, target, PC)
  // A handler entered with TF clear is not preceded by a trap for the instruction that entered it.
  if (!(get_flags(s) & FLAG_TF)) store<u32>(s, 0, STEP_ARMED)
  update_mode(s)
}

export function syscall(s: usize, rec: usize): u32 {
  if (!(load<u64>(s, EFER) & EFER_SCE)) return raise(s, UD)
  const star = load<u64>(s, MSR_STAR)
  const next = next_pc(s, rec)
  const flags = get_flags(s)

  if (!is_long(s)) {
    store<u64>(s, <u32>next, RCX)
    set_flags(s, 0, FLAG_IF | FLAG_VM | FLAG_RF)
    enter_kernel(s, star >> 32, CODE32, <u32>star)
    return R_JUMP
  }
  const target = is_code64(s) ? load<u64>(s, MSR_LSTAR) : load<u64>(s, MSR_CSTAR)
  store<u64>(s, next, RCX)
  store<u64>(s, flags & ~<u64>FLAG_RF, R11)
  set_flags(s, 0, load<u64>(s, MSR_SFMASK) | FLAG_RF)
  enter_kernel(s, star >> 32, CODE64, target)
  return R_JUMP
}

/** SS keeps its attributes: only the selector changes. */
function set_user_stack(s: usize, selector: u64): void {
  store<u16>(s + SEGMENTS + SS * SEGMENT_STRIDE, <u16>selector, SEG_SELECTOR)
}

export function sysret(s: usize, rec: usize): u32 {
  if (!(load<u64>(s, EFER) & EFER_SCE)) return raise(s, UD)
  if (!is_protected(s) || is_vm86(s) || load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const user = load<u64>(s, MSR_STAR) >> 48
  const from64 = is_code64(s)

  if (rec_b(rec) == 8) {
    set_flat(s, CS, (user + 16) | 3, CODE64 | DPL3)
    store<u64>(s, load<u64>(s, RCX), PC)
  } else {
    set_flat(s, CS, user | 3, CODE32 | DPL3)
    store<u64>(s, load<u32>(s, RCX), PC)
  }
  set_user_stack(s, user + 8)
  store<u32>(s, 3, CPL)
  if (from64) set_flags(s, load<u64>(s, R11), FLAGS_ALL & ~(FLAG_RF | FLAG_VM))
  else set_flags(s, FLAG_IF, FLAG_IF)
  // TF as SYSRET leaves it decides: the trap comes before the first instruction of the program, not behind it.
  store<u32>(s, get_flags(s) & FLAG_TF ? 1 : 0, STEP_ARMED)
  update_mode(s)
  return R_JUMP
}

/** #UD in long mode, compatibility mode included. */
export function sysenter(s: usize): u32 {
  if (is_long(s)) return raise(s, UD)
  const selector = load<u64>(s, MSR_SYSENTER_CS)
  if (!is_protected(s) || !(selector & 0xfffc)) return raise_error(s, GP, 0)

  set_flags(s, 0, FLAG_IF | FLAG_VM | FLAG_RF)
  store<u64>(s, load<u32>(s, MSR_SYSENTER_ESP), RSP)
  enter_kernel(s, selector, CODE32, load<u32>(s, MSR_SYSENTER_EIP))
  return R_JUMP
}

export function sysexit(s: usize): u32 {
  const selector = load<u64>(s, MSR_SYSENTER_CS)
  if (!is_protected(s) || is_vm86(s) || load<u32>(s, CPL)) return raise_error(s, GP, 0)
  if (is_long(s)) return raise(s, UD)
  if (!(selector & 0xfffc)) return raise_error(s, GP, 0)

  set_flat(s, CS, ((selector & 0xfffc) + 16) | 3, CODE32 | DPL3)
  set_flat(s, SS, ((selector & 0xfffc) + 24) | 3, DATA | DPL3)
  store<u32>(s, 3, CPL)
  store<u64>(s, load<u32>(s, RCX), RSP)
  store<u64>(s, load<u32>(s, RDX), PC)
  update_mode(s)
  return R_JUMP
}

/** 64-bit mode only (its row says so). */
export function swapgs(s: usize): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  const base = load<u64>(s, GS_BASE)
  store<u64>(s, load<u64>(s, MSR_KERNEL_GS_BASE), GS_BASE)
  store<u64>(s, base, MSR_KERNEL_GS_BASE)
  return R_NEXT
}
