// AMD-V for the rest of the core (APM vol. 2, 24593, chapter 15): intercept checks, and the instructions themselves.

import { ASID, CR0, EFER, EFLAGS, CPL, EXIT_REASON, EXIT_SHUTDOWN, FAULT, GIF, GUEST_MODE, PC, RAX, RCX } from '../state/layout'
import { SVM_IOPM, SVM_MSRPM } from './svm-state'
import {
  IOIO_ADDRESS16, IOIO_IN, IOIO_PORT_SHIFT, IOIO_REP, IOIO_SEGMENT_SHIFT, IOIO_SIZE8, IOIO_STRING, VMEXIT_CLGI, VMEXIT_EXCEPTION, VMEXIT_INVLPGA,
  VMEXIT_IOIO, VMEXIT_MSR, VMEXIT_SHUTDOWN, VMEXIT_STGI, VMEXIT_VMLOAD, VMEXIT_VMMCALL, VMEXIT_VMRUN, VMEXIT_VMSAVE,
} from '../../../spec/svm/exit-codes'
import { MSRPM_RANGE0, MSRPM_RANGE1, MSRPM_RANGE2 } from '../../../spec/svm/vmcb'
import { CR0_PE, EFER_SVME } from '../../../spec/x86/control-registers'
import { FLAG_VM } from '../../../spec/x86/flags'
import { H_CLGI, H_INVLPGA, H_STGI, H_VMGEXIT, H_VMLOAD, H_VMMCALL, H_VMRUN, H_VMSAVE } from '../ir/helper-ids'
import { R_EXIT, R_NEXT } from '../ir/results'
import { GP, next_pc, PF, raise, raise_error, rec_c, this_pc, UD } from './fault'
import { mmu_flush_asid, mmu_flush_page } from './mmu'
import { svm_leave } from './svm-exit'
import { intercepts, record_exit } from './svm-record'
import { svm_vmload, svm_vmsave, vmrun_instruction } from './svm-run'
import { system_pointer } from './walk-nested'

export { svm_npf } from './svm-record'
export { svm_leave } from './svm-exit'
export { svm_events, svm_physical_interrupt } from './svm-events'
export { svm_vmload, svm_vmsave, vmrun_enter } from './svm-run'

const PF_FETCH: u32 = 16

// ---- intercepts

/** #VMEXIT of the instruction of `rec` (0: an event at PC), unconditionally. */
function exit_at(s: usize, rec: usize, code: u32, info1: u64, info2: u64): u32 {
  const nrip = rec ? next_pc(s, rec) : 0
  if (rec) store<u64>(s, this_pc(s, rec), PC)
  record_exit(s, code, info1, info2, nrip, false)
  return svm_leave(s)
}

/** R_EXIT when the guest's VMCB intercepts exit code `code` (00h to bfh) and the #VMEXIT has been made, else R_NEXT. */
export function svm_check(s: usize, rec: usize, code: u32, info1: u64, info2: u64): u32 {
  return intercepts(s, code) ? exit_at(s, rec, code, info1, info2) : R_NEXT
}

/** Byte of the MSR permission map that holds `msr`, or -1 for MSRs outside its ranges (section 15.11). */
function msrpm_byte(msr: u32): i32 {
  const within = (msr & 0x1fff) >> 2
  if (msr <= 0x1fff) return MSRPM_RANGE0 + within
  if (msr >= 0xc0000000 && msr <= 0xc0001fff) return MSRPM_RANGE1 + within
  return msr >= 0xc0010000 && msr <= 0xc0011fff ? MSRPM_RANGE2 + within : -1
}

/** RDMSR and WRMSR, after the check of CPL: R_EXIT when intercepted. */
export function svm_msr(s: usize, rec: usize, msr: u32, write: u32): u32 {
  if (!intercepts(s, VMEXIT_MSR)) return R_NEXT
  const byte = msrpm_byte(msr)
  if (byte >= 0) {
    const p = system_pointer(s, load<u64>(s, SVM_MSRPM) + byte)
    const bits: u32 = p ? load<u8>(p) : 0xff
    if (!((bits >> (((msr & 3) << 1) | (write ? 1 : 0))) & 1)) return R_NEXT
  }
  return exit_at(s, rec, VMEXIT_MSR, write ? 1 : 0, 0)
}

/** Is any of `size` ports from `port` marked in the I/O permission map (section 15.10.1)? */
function ports_intercepted(s: usize, port: u32, size: u32): bool {
  for (let n = port; n < port + size; n++) {
    const p = system_pointer(s, load<u64>(s, SVM_IOPM) + (n >> 3))
    if (!p || (load<u8>(p) >> (n & 7)) & 1) return true
  }
  return false
}

/** IN, OUT, INS, OUTS after the checks of IOPL and TSS: R_EXIT when intercepted. `seg` 0..5, `address_size` 2, 4 or 8. */
export function svm_io(
  s: usize, rec: usize, port: u32, size: u32, input: u32, string: u32, rep: u32, seg: u32, address_size: u32,
): u32 {
  if (!intercepts(s, VMEXIT_IOIO) || !ports_intercepted(s, port, size)) return R_NEXT
  let info: u32 = (port << IOIO_PORT_SHIFT) | (size * IOIO_SIZE8) | ((address_size >> 1) * IOIO_ADDRESS16)
  if (input) info |= IOIO_IN
  if (string) info |= IOIO_STRING | (seg << IOIO_SEGMENT_SHIFT)
  if (rep) info |= IOIO_REP
  return exit_at(s, rec, VMEXIT_IOIO, info, next_pc(s, rec))
}

/** True when exception `vector` is intercepted (section 15.12) and the #VMEXIT has been made, with PC as RIP. CR2 is not written. */
export function svm_exception(s: usize, vector: u32, has_error: bool, error: u32, address: u64): bool {
  if (!intercepts(s, VMEXIT_EXCEPTION + vector)) return false
  const bytes = vector == PF && !(error & PF_FETCH)
  record_exit(s, VMEXIT_EXCEPTION + vector, has_error ? error : 0, vector == PF ? address : 0, 0, bytes)
  svm_leave(s)
  return true
}

/** Shutdown (section 15.14.3): #VMEXIT, or the end of the processor's run. */
export function svm_shutdown(s: usize): u32 {
  if (intercepts(s, VMEXIT_SHUTDOWN)) {
    record_exit(s, VMEXIT_SHUTDOWN, 0, 0, 0, false)
    return svm_leave(s)
  }
  store<u32>(s, 0, FAULT)
  store<u32>(s, EXIT_SHUTDOWN, EXIT_REASON)
  return R_EXIT
}

// ---- instructions

/** STGI and CLGI as the door for host software in TypeScript. */
export function svm_set_gif(s: usize, gif: u32): void {
  store<u32>(s, gif, GIF)
}

/** INVLPGA (section 15.16.3). */
export function svm_invlpga(s: usize, la: u64, asid: u32): void {
  mmu_flush_page(s, la)
  if (asid != load<u32>(s, ASID)) mmu_flush_asid(s, asid)
}

/** rAX in the address size of the instruction. */
function address(s: usize, rec: usize): u64 {
  const size = rec_c(rec) >> 4
  const rax = load<u64>(s, RAX)
  return size == 8 ? rax : size == 4 ? rax & 0xffffffff : rax & 0xffff
}

/** #UD without EFER.SVME and outside protected mode; #GP above CPL 0 (APM vol. 3, 24594, each instruction). R_NEXT where neither. */
function check_host(s: usize): u32 {
  if (!(load<u64>(s, EFER) & EFER_SVME) || !(load<u64>(s, CR0) & CR0_PE) || load<u32>(s, EFLAGS) & FLAG_VM) return raise(s, UD)
  return load<u32>(s, CPL) ? raise_error(s, GP, 0) : R_NEXT
}

/** Intercepted at every CPL; #UD otherwise. VMGEXIT of a guest without SEV-ES is the same instruction (section 15.35.6). */
function vmmcall(s: usize, rec: usize): u32 {
  return svm_check(s, rec, VMEXIT_VMMCALL, 0, 0) == R_EXIT ? R_EXIT : raise(s, UD)
}

function vmrun(s: usize, rec: usize): u32 {
  if (svm_check(s, rec, VMEXIT_VMRUN, 0, 0) == R_EXIT) return R_EXIT
  if (load<u32>(s, GUEST_MODE)) return raise(s, UD)
  return vmrun_instruction(s, address(s, rec), next_pc(s, rec))
}

export function svm_helper(s: usize, rec: usize, id: u32): u32 {
  if (id == H_VMMCALL || id == H_VMGEXIT) return vmmcall(s, rec)
  // SKINIT: CPUID does not offer it.
  if (id != H_VMRUN && id != H_VMLOAD && id != H_VMSAVE && id != H_STGI && id != H_CLGI && id != H_INVLPGA) return raise(s, UD)
  const refused = check_host(s)
  if (refused != R_NEXT) return refused
  if (id == H_VMRUN) return vmrun(s, rec)
  const code =
    id == H_VMLOAD ? VMEXIT_VMLOAD : id == H_VMSAVE ? VMEXIT_VMSAVE : id == H_STGI ? VMEXIT_STGI : id == H_CLGI ? VMEXIT_CLGI : VMEXIT_INVLPGA
  if (svm_check(s, rec, code, 0, 0) == R_EXIT) return R_EXIT
  if (id == H_VMLOAD) return svm_vmload(s, address(s, rec))
  if (id == H_VMSAVE) return svm_vmsave(s, address(s, rec))
  if (id == H_INVLPGA) svm_invlpga(s, address(s, rec), load<u32>(s, RCX))
  else svm_set_gif(s, id == H_STGI ? 1 : 0)
  return R_NEXT
}
