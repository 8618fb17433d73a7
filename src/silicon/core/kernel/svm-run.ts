// VMRUN (APM vol. 2, 24593, section 15.5): reads the VMCB, refuses illegal ones with VMEXIT_INVALID, keeps the host's state and loads
// the guest's. VMLOAD and VMSAVE (section 15.5.2) move the rest. Clean bits are ignored: everything is loaded afresh.

import {
  ASID, CPL, CR0, CR2, CR3, CR4, CR8, CS, CS_BASE, DR6, DR7, EFER, EVENT_INJECT, EVENTS, EXIT_REASON, EXIT_VMEXIT, FS, GDTR, GIF, GS, GUEST_MODE, HALTED, IDTR, LDTR,
  MSR_CSTAR, MSR_KERNEL_GS_BASE, MSR_LSTAR, MSR_PAT, MSR_SEV_STATUS, MSR_SFMASK, MSR_STAR, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP,
  NESTED_PAGING, PC, RAX, RSP, SEG_BASE, SEG_TABLE_BASE, SEGMENT_STRIDE, SEGMENTS, SEV_ACTIVE, SHADOW, STEP_ARMED, TR, TSC_OFFSET, VMCB_PA,
} from '../state/layout'
import { DEBUG_HOLD, DEBUG_PENDING, DELIVERING } from '../state/system-layout'
import {
  HOST_CPL, HOST_CR0, HOST_CR3, HOST_CR4, HOST_CR8, HOST_EFER, HOST_PAT, HOST_RAX, HOST_RFLAGS, HOST_RIP, HOST_RSP, HOST_SEGMENT_BASES, HOST_SEGMENTS,
  SVM_CR8_BEGAN, SVM_EVENTINJ, SVM_EVENTINJ_NRIP, SVM_HOST, SVM_HOST_IF, SVM_HOST_LA57, SVM_HOST_NXE, SVM_INTERCEPTS, SVM_IOPM, SVM_MSRPM, SVM_N_CR3,
  SVM_PENDING, SVM_V_INTR,
} from './svm-state'
import {
  EVENT_VALID, GUEST_INTERRUPT_SHADOW, NP_ENABLE, SEV_ENABLE, TLB_CONTROL_FLUSH_ALL, TLB_CONTROL_NOTHING, V_INTR_MASKING, VMCB_ASID, VMCB_CPL, VMCB_CR0,
  VMCB_CR2, VMCB_CR3, VMCB_CR4, VMCB_CS, VMCB_CSTAR, VMCB_DR6, VMCB_DR7, VMCB_EFER, VMCB_ES, VMCB_EVENTINJ, VMCB_EXITCODE, VMCB_EXITINFO1, VMCB_EXITINFO2,
  VMCB_EXITINTINFO, VMCB_FS, VMCB_G_PAT, VMCB_GDTR, VMCB_GS, VMCB_IDTR, VMCB_INTERRUPT_SHADOW, VMCB_IOPM_BASE_PA, VMCB_KERNEL_GS_BASE, VMCB_LDTR,
  VMCB_LSTAR, VMCB_MSRPM_BASE_PA, VMCB_N_CR3, VMCB_NP_ENABLE, VMCB_NRIP, VMCB_RAX, VMCB_RFLAGS, VMCB_RIP, VMCB_RSP, VMCB_SFMASK, VMCB_STAR,
  VMCB_SYSENTER_CS, VMCB_SYSENTER_EIP, VMCB_SYSENTER_ESP, VMCB_TLB_CONTROL, VMCB_TR, VMCB_TSC_OFFSET, VMCB_V_INTR,
} from '../../../spec/svm/vmcb'
import { VMEXIT_INVALID } from '../../../spec/svm/exit-codes'
import { CR0_ET, CR0_PE, CR0_PG, CR4_LA57, EFER_LMA, EFER_LME, EFER_NXE, EFER_SVME } from '../../../spec/x86/control-registers'
import { FLAG_IF, FLAG_VM, FLAGS_ALL } from '../../../spec/x86/flags'
import { R_EXIT, R_JUMP } from '../ir/results'
import { GP, raise, raise_error, UD } from './fault'
import { get_flags, set_flags } from './flags'
import { mmu_flush_asid, mmu_flush_everything, mmu_load_pdptes, mmu_select } from './mmu'
import { update_mode } from './mode'
import { vmcb_legal } from './svm-check'
import { svm_leave } from './svm-exit'
import { record_exit } from './svm-record'
import { system_pointer } from './walk-nested'

/** Is `pa` the address of a VMCB: page-aligned, within the physical address width, in DRAM? Its host pointer, or 0. */
export function vmcb_pointer(s: usize, pa: u64): usize {
  return pa & 0xfff || pa >> 48 ? 0 : system_pointer(s, pa)
}

// ---- segments

// @ts-ignore: decorator
@inline
function slot(s: usize, seg: u32): usize {
  return s + SEGMENTS + seg * SEGMENT_STRIDE
}

/** A VMCB segment has the form of a segment slot; ES … GS have their base in the register file. */
function load_segment(s: usize, seg: u32, from: usize): void {
  store<u64>(slot(s, seg), load<u64>(from))
  if (seg <= <u32>GS) store<u64>(s + SEG_BASE + seg * 8, load<u64>(from, 8))
  else store<u64>(slot(s, seg), load<u64>(from, 8), SEG_TABLE_BASE)
}

export function save_segment(s: usize, seg: u32, to: usize): void {
  store<u64>(to, load<u64>(slot(s, seg)))
  store<u64>(to, seg <= <u32>GS ? load<u64>(s + SEG_BASE + seg * 8) : load<u64>(slot(s, seg), SEG_TABLE_BASE), 8)
}

// ---- VMLOAD, VMSAVE

/** FS, GS, TR, LDTR with their hidden parts, and the MSRs of system calls and SYSENTER. */
export function svm_vmload(s: usize, pa: u64): u32 {
  const v = vmcb_pointer(s, pa)
  if (!v) return raise_error(s, GP, 0)

  load_segment(s, FS, v + VMCB_FS)
  load_segment(s, GS, v + VMCB_GS)
  load_segment(s, TR, v + VMCB_TR)
  load_segment(s, LDTR, v + VMCB_LDTR)
  store<u64>(s, load<u64>(v, VMCB_KERNEL_GS_BASE), MSR_KERNEL_GS_BASE)
  store<u64>(s, load<u64>(v, VMCB_STAR), MSR_STAR)
  store<u64>(s, load<u64>(v, VMCB_LSTAR), MSR_LSTAR)
  store<u64>(s, load<u64>(v, VMCB_CSTAR), MSR_CSTAR)
  store<u64>(s, load<u64>(v, VMCB_SFMASK), MSR_SFMASK)
  store<u64>(s, load<u64>(v, VMCB_SYSENTER_CS), MSR_SYSENTER_CS)
  store<u64>(s, load<u64>(v, VMCB_SYSENTER_ESP), MSR_SYSENTER_ESP)
  store<u64>(s, load<u64>(v, VMCB_SYSENTER_EIP), MSR_SYSENTER_EIP)
  return 0
}

export function svm_vmsave(s: usize, pa: u64): u32 {
  const v = vmcb_pointer(s, pa)
  if (!v) return raise_error(s, GP, 0)

  save_segment(s, FS, v + VMCB_FS)
  save_segment(s, GS, v + VMCB_GS)
  save_segment(s, TR, v + VMCB_TR)
  save_segment(s, LDTR, v + VMCB_LDTR)
  store<u64>(v, load<u64>(s, MSR_KERNEL_GS_BASE), VMCB_KERNEL_GS_BASE)
  store<u64>(v, load<u64>(s, MSR_STAR), VMCB_STAR)
  store<u64>(v, load<u64>(s, MSR_LSTAR), VMCB_LSTAR)
  store<u64>(v, load<u64>(s, MSR_CSTAR), VMCB_CSTAR)
  store<u64>(v, load<u64>(s, MSR_SFMASK), VMCB_SFMASK)
  store<u64>(v, load<u64>(s, MSR_SYSENTER_CS), VMCB_SYSENTER_CS)
  store<u64>(v, load<u64>(s, MSR_SYSENTER_ESP), VMCB_SYSENTER_ESP)
  store<u64>(v, load<u64>(s, MSR_SYSENTER_EIP), VMCB_SYSENTER_EIP)
  return 0
}

// ---- VMRUN

/**
 * VMRUN with rAX = `vmcb_pa`, as the door for host software in TypeScript: host RIP stays, and the host counts as one that runs with
 * paging, NX and interrupts on. R_JUMP: the guest stands ready to run. R_EXIT: VMEXIT_INVALID has been stored. R_FAULT: #UD without
 * EFER.SVME, #GP for an address that is no VMCB's.
 */
export function vmrun_enter(s: usize, vmcb_pa: u64): u32 {
  if (!(load<u64>(s, EFER) & EFER_SVME)) return raise(s, UD)
  return enter_guest(s, vmcb_pa, load<u64>(s, PC), SVM_HOST_NXE | SVM_HOST_IF, true)
}

/** The instruction: `rip` is where the host goes on after #VMEXIT. */
export function vmrun_instruction(s: usize, vmcb_pa: u64, rip: u64): u32 {
  const nxe = load<u64>(s, EFER) & EFER_NXE ? SVM_HOST_NXE : 0
  const interrupts = get_flags(s) & FLAG_IF ? SVM_HOST_IF : 0
  return enter_guest(s, vmcb_pa, rip, nxe | interrupts, (load<u64>(s, CR0) & CR0_PG) != 0)
}

function enter_guest(s: usize, vmcb_pa: u64, rip: u64, host: u32, paging: bool): u32 {
  const v = vmcb_pointer(s, vmcb_pa)
  if (!v) return raise_error(s, GP, 0)
  if (!vmcb_legal(v, paging)) return refuse(s, v, rip)

  save_host(s, rip)
  store<u64>(s, vmcb_pa, VMCB_PA)
  store<u32>(s, host | (load<u64>(s, CR4) & CR4_LA57 ? SVM_HOST_LA57 : 0), SVM_HOST)
  load_control(s, v)
  load_guest(s, v)
  flush_as_asked(s, load<u8>(v, VMCB_TLB_CONTROL))
  update_mode(s)
  if (load<u64>(s, SVM_EVENTINJ) & EVENT_VALID) store<u32>(s, load<u32>(s, EVENTS) | EVENT_INJECT, EVENTS)
  if (!mmu_load_pdptes(s, load<u64>(s, CR3))) {
    record_exit(s, VMEXIT_INVALID, 0, 0, 0, false)
    return svm_leave(s)
  }
  return R_JUMP
}

/** Nothing has been loaded: only the exit code tells, and GIF is clear as after any #VMEXIT. */
function refuse(s: usize, v: usize, rip: u64): u32 {
  store<i64>(v, VMEXIT_INVALID, VMCB_EXITCODE)
  store<u64>(v, 0, VMCB_EXITINFO1)
  store<u64>(v, 0, VMCB_EXITINFO2)
  store<u64>(v, 0, VMCB_EXITINTINFO)
  store<u32>(s, 0, GIF)
  store<u64>(s, rip, PC)
  store<u32>(s, EXIT_VMEXIT, EXIT_REASON)
  return R_EXIT
}

/** Host state goes to the core's own save area; what stands at VM_HSAVE_PA is the processor's to choose (section 15.30.4). */
function save_host(s: usize, rip: u64): void {
  memory.copy(s + HOST_SEGMENTS, s + SEGMENTS, 10 * SEGMENT_STRIDE)
  memory.copy(s + HOST_SEGMENT_BASES, s + SEG_BASE, 6 * 8)
  store<u64>(s, load<u64>(s, CR0), HOST_CR0)
  store<u64>(s, load<u64>(s, CR3), HOST_CR3)
  store<u64>(s, load<u64>(s, CR4), HOST_CR4)
  store<u64>(s, load<u64>(s, EFER), HOST_EFER)
  store<u64>(s, get_flags(s), HOST_RFLAGS)
  store<u64>(s, rip, HOST_RIP)
  store<u64>(s, load<u64>(s, RSP), HOST_RSP)
  store<u64>(s, load<u64>(s, RAX), HOST_RAX)
  store<u64>(s, load<u32>(s, CPL), HOST_CPL)
  store<u64>(s, load<u64>(s, MSR_PAT), HOST_PAT)
  store<u64>(s, load<u64>(s, CR8), HOST_CR8)
}

/** Everything of the control area that the guest's execution looks at. */
function load_control(s: usize, v: usize): void {
  const nested: u32 = load<u32>(v, VMCB_NP_ENABLE)
  const sev: u32 = nested & SEV_ENABLE ? 1 : 0
  memory.copy(s + SVM_INTERCEPTS, v, 24)
  store<u64>(s, load<u64>(v, VMCB_IOPM_BASE_PA) & ~0xfff, SVM_IOPM)
  store<u64>(s, load<u64>(v, VMCB_MSRPM_BASE_PA) & ~0xfff, SVM_MSRPM)
  store<u64>(s, load<u64>(v, VMCB_TSC_OFFSET), TSC_OFFSET)
  store<u64>(s, load<u64>(v, VMCB_V_INTR), SVM_V_INTR)
  store<u64>(s, load<u64>(v, VMCB_EVENTINJ), SVM_EVENTINJ)
  store<u64>(s, load<u64>(v, VMCB_NRIP), SVM_EVENTINJ_NRIP)
  store<u32>(s, load<u32>(v, VMCB_INTERRUPT_SHADOW) & GUEST_INTERRUPT_SHADOW ? 1 : 0, SHADOW)
  store<u32>(s, load<u32>(v, VMCB_ASID), ASID)
  store<u32>(s, nested & NP_ENABLE ? 1 : 0, NESTED_PAGING)
  store<u64>(s, nested & NP_ENABLE ? load<u64>(v, VMCB_N_CR3) : 0, SVM_N_CR3)
  store<u32>(s, sev, SEV_ACTIVE)
  store<u64>(s, sev, MSR_SEV_STATUS)
  store<u32>(s, 0, SVM_PENDING)
  store<u32>(s, 1, GUEST_MODE)
  store<u32>(s, 1, GIF)
  if (load<u32>(s, SVM_V_INTR) & V_INTR_MASKING) store<u64>(s, load<u64>(s, SVM_V_INTR) & 0xf, CR8)
  store<u32>(s, load<u32>(s, CR8), SVM_CR8_BEGAN)
}

function load_guest(s: usize, v: usize): void {
  // ES, CS, SS, DS stand in the VMCB as in the state.
  for (let seg: u32 = 0; seg < <u32>FS; seg++) load_segment(s, seg, v + VMCB_ES + seg * SEGMENT_STRIDE)
  load_segment(s, GDTR, v + VMCB_GDTR)
  load_segment(s, IDTR, v + VMCB_IDTR)
  const cr0 = load<u64>(v, VMCB_CR0) | CR0_ET
  let efer = load<u64>(v, VMCB_EFER) & ~<u64>EFER_LMA
  if (efer & EFER_LME && cr0 & CR0_PG) efer |= EFER_LMA
  store<u64>(s, efer, EFER)
  store<u64>(s, cr0, CR0)
  store<u64>(s, load<u64>(v, VMCB_CR4), CR4)
  store<u64>(s, load<u64>(v, VMCB_CR3), CR3)
  store<u64>(s, load<u64>(v, VMCB_CR2), CR2)
  store<u64>(s, (load<u64>(v, VMCB_DR7) & 0xffff2fff) | 0x400, DR7)
  store<u64>(s, load<u64>(v, VMCB_DR6), DR6)
  if (load<u32>(s, NESTED_PAGING)) store<u64>(s, load<u64>(v, VMCB_G_PAT), MSR_PAT)
  store<u64>(s, load<u64>(v, VMCB_RIP), PC)
  store<u64>(s, load<u64>(v, VMCB_RSP), RSP)
  store<u64>(s, load<u64>(v, VMCB_RAX), RAX)
  const flags = load<u64>(v, VMCB_RFLAGS)
  set_flags(s, flags, FLAGS_ALL)
  store<u32>(s, cr0 & CR0_PE ? (flags & FLAG_VM ? 3 : load<u8>(v, VMCB_CPL) & 3) : 0, CPL)
  clear_execution(s)
}

/** What belongs to an instruction or a delivery under way. */
export function clear_execution(s: usize): void {
  store<u32>(s, 0, HALTED)
  store<u32>(s, 0, STEP_ARMED)
  store<u32>(s, 0, DEBUG_PENDING)
  store<u32>(s, 0, DEBUG_HOLD)
  store<u32>(s, 0, DELIVERING)
}

/** TLB_CONTROL (section 15.16.1). Global pages go with the others. */
function flush_as_asked(s: usize, control: u32): void {
  if (control == TLB_CONTROL_NOTHING) mmu_select(s)
  else if (control == TLB_CONTROL_FLUSH_ALL) mmu_flush_everything(s)
  else mmu_flush_asid(s, load<u32>(s, ASID))
}
