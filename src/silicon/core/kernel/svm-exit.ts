// #VMEXIT (APM vol. 2, 24593, section 15.6): the guest's state goes to its VMCB and the host's comes back.

import {
  ASID, CPL, CR0, CR2, CR3, CR4, CR8, CS_BASE, DR6, DR7, EFER, EVENT_INJECT, EVENTS, EXIT_REASON, EXIT_VMEXIT, FAULT, FS, GDTR, GIF, GUEST_MODE, IDTR,
  MODE, MODE_CODE64, MODE_CODE_MASK, MSR_PAT, MSR_SEV_STATUS, NESTED_PAGING, PC, RAX, RSP, SEG_BASE, SEGMENT_STRIDE, SEGMENTS, SEV_ACTIVE, SHADOW,
  TSC_OFFSET, VMCB_PA,
} from '../state/layout'
import { DELIVERING, DELIVERING_ERROR } from '../state/system-layout'
import {
  HOST_CPL, HOST_CR0, HOST_CR3, HOST_CR4, HOST_CR8, HOST_EFER, HOST_PAT, HOST_RAX, HOST_RFLAGS, HOST_RIP, HOST_RSP, HOST_SEGMENT_BASES, HOST_SEGMENTS,
  SVM_BYTES, SVM_BYTES_COUNT, SVM_CR8_BEGAN, SVM_EVENTINJ, SVM_EXITCODE, SVM_EXITINFO1, SVM_EXITINFO2, SVM_N_CR3, SVM_NRIP, SVM_PENDING, SVM_PENDING_BYTES,
  SVM_V_INTR,
} from './svm-state'
import {
  EVENT_VALID, V_INTR_MASKING, V_IRQ, V_TPR_MASK, VMCB_CPL, VMCB_CR0, VMCB_CR2, VMCB_CR3, VMCB_CR4, VMCB_DR6, VMCB_DR7, VMCB_EFER, VMCB_ES, VMCB_EVENTINJ,
  VMCB_EXITCODE, VMCB_EXITINFO1, VMCB_EXITINFO2, VMCB_EXITINTINFO, VMCB_G_PAT, VMCB_GDTR, VMCB_IDTR, VMCB_INSTRUCTION_BYTES,
  VMCB_INSTRUCTION_BYTES_COUNT, VMCB_INSTRUCTION_BYTES_MAX, VMCB_INTERRUPT_SHADOW, VMCB_NRIP, VMCB_RAX, VMCB_RFLAGS, VMCB_RIP, VMCB_RSP, VMCB_V_INTR,
} from '../../../spec/svm/vmcb'
import { FLAG_VM, FLAGS_ALL } from '../../../spec/x86/flags'
import { R_EXIT } from '../ir/results'
import { get_flags, set_flags } from './flags'
import { mmu_load_pdptes, mmu_select } from './mmu'
import { update_mode } from './mode'
import { clear_execution, save_segment, vmcb_pointer } from './svm-run'
import { frame_pointer, NO_FRAME } from './walk-nested'
import { ACCESS_FETCH, found_frame, found_key, translate, WALK_OK } from './walk'

/** Completes the #VMEXIT that has been recorded; PC is the RIP that the guest is to go on with. Nothing happens where none is pending. */
export function svm_leave(s: usize): u32 {
  const pending = load<u32>(s, SVM_PENDING)
  if (!pending) return R_EXIT
  collect_bytes(s, (pending & SVM_PENDING_BYTES) != 0)
  const v = vmcb_pointer(s, load<u64>(s, VMCB_PA))
  if (v) {
    save_control(s, v)
    save_guest(s, v)
  }
  restore_host(s)
  store<u32>(s, 0, SVM_PENDING)
  store<u32>(s, 0, FAULT)
  store<u32>(s, EXIT_VMEXIT, EXIT_REASON)
  return R_EXIT
}

/**
 * Decode assist (section 15.33.4): up to 15 bytes from CS:RIP, read with the guest's own key and rights. None while an event is
 * being delivered, for then no instruction is at fault.
 */
function collect_bytes(s: usize, wanted: bool): void {
  store<u32>(s, 0, SVM_BYTES_COUNT)
  memory.fill(s + SVM_BYTES, 0, 16)
  if (!wanted || load<u32>(s, DELIVERING)) return
  const wide = (load<u32>(s, MODE) & MODE_CODE_MASK) == MODE_CODE64
  const start = wide ? load<u64>(s, PC) : (load<u64>(s, CS_BASE) + load<u64>(s, PC)) & 0xffffffff
  let done: u32 = 0
  while (done < <u32>VMCB_INSTRUCTION_BYTES_MAX) {
    const la = start + done
    if (translate(s, la, ACCESS_FETCH) != WALK_OK || found_frame == NO_FRAME) break
    const page = frame_pointer(s, found_frame, found_key)
    if (!page) break
    const room: u32 = 0x1000 - (<u32>la & 0xfff)
    const left: u32 = VMCB_INSTRUCTION_BYTES_MAX - done
    const n = room < left ? room : left
    memory.copy(s + SVM_BYTES + done, page + (<usize>la & 0xfff), n)
    done += n
  }
  store<u32>(s, done, SVM_BYTES_COUNT)
}

/** EXITINTINFO (section 15.7.2): the event whose delivery the exit cut short, or the injection that did not begin. */
function interrupted_event(s: usize): u64 {
  const event = load<u32>(s, DELIVERING)
  if (event) return ((<u64>load<u32>(s, DELIVERING_ERROR)) << 32) | event
  return load<u32>(s, EVENTS) & EVENT_INJECT ? load<u64>(s, SVM_EVENTINJ) : 0
}

function save_control(s: usize, v: usize): void {
  store<u64>(v, load<u64>(s, SVM_EXITCODE), VMCB_EXITCODE)
  store<u64>(v, load<u64>(s, SVM_EXITINFO1), VMCB_EXITINFO1)
  store<u64>(v, load<u64>(s, SVM_EXITINFO2), VMCB_EXITINFO2)
  store<u64>(v, interrupted_event(s), VMCB_EXITINTINFO)
  store<u64>(v, load<u64>(s, SVM_NRIP), VMCB_NRIP)
  store<u8>(v, load<u8>(s, SVM_BYTES_COUNT), VMCB_INSTRUCTION_BYTES_COUNT)
  memory.copy(v + VMCB_INSTRUCTION_BYTES, s + SVM_BYTES, VMCB_INSTRUCTION_BYTES_MAX)
  store<u64>(v, load<u64>(v, VMCB_EVENTINJ) & ~<u64>EVENT_VALID, VMCB_EVENTINJ)
  store<u64>(v, load<u32>(s, SHADOW) ? 1 : 0, VMCB_INTERRUPT_SHADOW)
  const own: u64 = V_TPR_MASK | V_IRQ
  const state = (load<u64>(s, SVM_V_INTR) & V_IRQ) | virtual_tpr(s)
  store<u64>(v, (load<u64>(v, VMCB_V_INTR) & ~own) | state, VMCB_V_INTR)
}

/** V_TPR (section 15.21.2): the guest's CR8; without V_INTR_MASKING the VMCB's value until the guest writes CR8. */
export function virtual_tpr(s: usize): u64 {
  const began = load<u32>(s, SVM_CR8_BEGAN)
  const control = load<u64>(s, SVM_V_INTR)
  return control & V_INTR_MASKING || load<u32>(s, CR8) != began ? load<u64>(s, CR8) & 0xf : control & V_TPR_MASK
}

function save_guest(s: usize, v: usize): void {
  for (let seg: u32 = 0; seg < <u32>FS; seg++) save_segment(s, seg, v + VMCB_ES + seg * SEGMENT_STRIDE)
  save_segment(s, GDTR, v + VMCB_GDTR)
  save_segment(s, IDTR, v + VMCB_IDTR)
  store<u8>(v, load<u8>(s, CPL), VMCB_CPL)
  store<u64>(v, load<u64>(s, EFER), VMCB_EFER)
  store<u64>(v, load<u64>(s, CR4), VMCB_CR4)
  store<u64>(v, load<u64>(s, CR3), VMCB_CR3)
  store<u64>(v, load<u64>(s, CR2), VMCB_CR2)
  store<u64>(v, load<u64>(s, CR0), VMCB_CR0)
  if (load<u32>(s, NESTED_PAGING)) store<u64>(v, load<u64>(s, MSR_PAT), VMCB_G_PAT)
  store<u64>(v, load<u64>(s, DR7), VMCB_DR7)
  store<u64>(v, load<u64>(s, DR6), VMCB_DR6)
  store<u64>(v, get_flags(s), VMCB_RFLAGS)
  store<u64>(v, load<u64>(s, PC), VMCB_RIP)
  store<u64>(v, load<u64>(s, RSP), VMCB_RSP)
  store<u64>(v, load<u64>(s, RAX), VMCB_RAX)
}

/** Host state of section 15.6; GIF clear, breakpoints disabled, ASID 0. FS, GS, LDTR and TR stay the guest's until VMLOAD. */
function restore_host(s: usize): void {
  store<u32>(s, 0, GUEST_MODE)
  store<u32>(s, 0, GIF)
  store<u32>(s, 0, ASID)
  store<u32>(s, 0, SEV_ACTIVE)
  store<u32>(s, 0, NESTED_PAGING)
  store<u64>(s, 0, SVM_N_CR3)
  store<u64>(s, 0, MSR_SEV_STATUS)
  store<u64>(s, 0, TSC_OFFSET)
  store<u32>(s, 0, SHADOW)
  clear_execution(s)
  memory.copy(s + SEGMENTS, s + HOST_SEGMENTS, FS * SEGMENT_STRIDE)
  memory.copy(s + SEG_BASE, s + HOST_SEGMENT_BASES, FS * 8)
  memory.copy(s + SEGMENTS + GDTR * SEGMENT_STRIDE, s + HOST_SEGMENTS + GDTR * SEGMENT_STRIDE, 2 * SEGMENT_STRIDE)
  store<u64>(s, load<u64>(s, HOST_EFER), EFER)
  store<u64>(s, load<u64>(s, HOST_CR0), CR0)
  store<u64>(s, load<u64>(s, HOST_CR4), CR4)
  store<u64>(s, load<u64>(s, HOST_CR3), CR3)
  store<u64>(s, load<u64>(s, HOST_PAT), MSR_PAT)
  if (load<u64>(s, SVM_V_INTR) & V_INTR_MASKING) store<u64>(s, load<u64>(s, HOST_CR8), CR8)
  store<u64>(s, 0x400, DR7)
  store<u64>(s, load<u64>(s, HOST_RIP), PC)
  store<u64>(s, load<u64>(s, HOST_RSP), RSP)
  store<u64>(s, load<u64>(s, HOST_RAX), RAX)
  store<u32>(s, load<u32>(s, HOST_CPL), CPL)
  store<u32>(s, 0, EVENTS)
  set_flags(s, load<u64>(s, HOST_RFLAGS) & ~<u64>FLAG_VM, FLAGS_ALL)
  mmu_select(s)
  update_mode(s)
  mmu_load_pdptes(s, load<u64>(s, CR3))
}
