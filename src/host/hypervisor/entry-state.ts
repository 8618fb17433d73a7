import { CR0_ET, CR0_NE, CR0_PE, CR0_PG, CR0_WP, CR4_PAE, EFER_LMA, EFER_LME, EFER_SVME } from '../../spec/x86/control-registers.js'
import { FLAG_FIXED } from '../../spec/x86/flags.js'
import * as V from '../../spec/svm/vmcb.js'
import * as X from '../../spec/svm/exit-codes.js'
import type { EntryState } from './boot-image.js'
import { RAX, RBX, RSI, RSP, type GuestRegisters } from './guest-registers.js'
import type { Vmcb } from './vmcb.js'

// Segment attributes as the VMCB packs them (APM vol. 2, section 15.5.1): G L P S type.
const CODE64 = V.ATTRIBUTE_G | V.ATTRIBUTE_L | V.ATTRIBUTE_P | V.ATTRIBUTE_S | 0xb
const CODE32 = V.ATTRIBUTE_G | V.ATTRIBUTE_DB | V.ATTRIBUTE_P | V.ATTRIBUTE_S | 0xb
const DATA = V.ATTRIBUTE_G | V.ATTRIBUTE_DB | V.ATTRIBUTE_P | V.ATTRIBUTE_S | 0x3
const BUSY_TSS = V.ATTRIBUTE_P | 0xb
const LDT = V.ATTRIBUTE_P | 0x2
/** PA0..PA3 after reset, and the same again for PA4..PA7 (section 7.8.2). */
const PAT_RESET = 0x00070406
const DR6_RESET = 0xffff0ff0
const DR7_RESET = 0x400

export interface ControlState {
  readonly asid: number
  readonly sev: boolean
  readonly iopm: number
  readonly msrpm: number
  readonly nestedRoot: number
}

/** Events that always exit. Of the rest, VINTR, IRET and CR8 writes are opened when they are waited for. */
const INTERCEPTED = [
  X.VMEXIT_INTR,
  X.VMEXIT_NMI,
  X.VMEXIT_SMI,
  X.VMEXIT_INIT,
  X.VMEXIT_RDPMC,
  X.VMEXIT_CPUID,
  X.VMEXIT_RSM,
  X.VMEXIT_INVD,
  X.VMEXIT_HLT,
  X.VMEXIT_INVLPGA,
  X.VMEXIT_IOIO,
  X.VMEXIT_MSR,
  X.VMEXIT_SHUTDOWN,
  X.VMEXIT_VMRUN,
  X.VMEXIT_VMMCALL,
  X.VMEXIT_VMLOAD,
  X.VMEXIT_VMSAVE,
  X.VMEXIT_STGI,
  X.VMEXIT_CLGI,
  X.VMEXIT_SKINIT,
  X.VMEXIT_WBINVD,
  X.VMEXIT_MONITOR,
  X.VMEXIT_MWAIT,
  X.VMEXIT_RDPRU,
]

export function setIntercept(vmcb: Vmcb, code: number, on: boolean): void {
  const offset = (code >> 5) * 4
  const bit = 1 << (code & 31)
  const now = vmcb.u32(offset)
  const next = (on ? now | bit : now & ~bit) >>> 0
  if (next !== now) vmcb.setU32(offset, next)
}

/** The control area of a new vCPU (APM vol. 2, appendix B, table B-1). */
export function writeControls(vmcb: Vmcb, state: ControlState): void {
  for (const code of INTERCEPTED) setIntercept(vmcb, code, true)
  vmcb.setNumber(V.VMCB_IOPM_BASE_PA, state.iopm)
  vmcb.setNumber(V.VMCB_MSRPM_BASE_PA, state.msrpm)
  vmcb.setU32(V.VMCB_ASID, state.asid)
  vmcb.setU8(V.VMCB_TLB_CONTROL, V.TLB_CONTROL_FLUSH_GUEST)
  vmcb.set64(V.VMCB_V_INTR, V.V_INTR_MASKING, 0)
  vmcb.set64(V.VMCB_NP_ENABLE, V.NP_ENABLE | (state.sev ? V.SEV_ENABLE : 0), 0)
  vmcb.setNumber(V.VMCB_N_CR3, state.nestedRoot)
}

/** The save area and general registers as a boot protocol wants them. `cBit`: position of the C-bit for CR3, undefined without SEV. */
export function writeEntryState(vmcb: Vmcb, registers: GuestRegisters, entry: EntryState, cBit: number | undefined): void {
  const long = entry.mode === 'long'
  const segment = (offset: number, selector: number, attributes: number, limit: number) => {
    vmcb.setU16(offset + V.VMCB_SEGMENT_SELECTOR, selector)
    vmcb.setU16(offset + V.VMCB_SEGMENT_ATTRIBUTES, attributes)
    vmcb.setU32(offset + V.VMCB_SEGMENT_LIMIT, limit)
    vmcb.set64(offset + V.VMCB_SEGMENT_BASE, 0, 0)
  }
  segment(V.VMCB_CS, entry.codeSelector, long ? CODE64 : CODE32, 0xffffffff)
  for (const data of [V.VMCB_ES, V.VMCB_SS, V.VMCB_DS, V.VMCB_FS, V.VMCB_GS]) segment(data, entry.dataSelector, DATA, 0xffffffff)
  segment(V.VMCB_LDTR, 0, LDT, 0xffff)
  segment(V.VMCB_TR, 0, BUSY_TSS, 0xffff)
  segment(V.VMCB_IDTR, 0, 0, long ? 0 : 0xffff)
  segment(V.VMCB_GDTR, 0, 0, entry.gdt.limit)
  vmcb.setNumber(V.VMCB_GDTR + V.VMCB_SEGMENT_BASE, entry.gdt.base)
  vmcb.setU8(V.VMCB_CPL, 0)

  vmcb.set64(V.VMCB_EFER, EFER_SVME | (long ? EFER_LME | EFER_LMA : 0), 0)
  vmcb.set64(V.VMCB_CR0, (long ? CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_PE : CR0_ET | CR0_PE) >>> 0, 0)
  vmcb.set64(V.VMCB_CR4, long ? CR4_PAE : 0, 0)
  vmcb.set64(V.VMCB_CR3, entry.cr3, long && cBit !== undefined ? 2 ** (cBit - 32) : 0)
  vmcb.set64(V.VMCB_DR6, DR6_RESET, 0)
  vmcb.set64(V.VMCB_DR7, DR7_RESET, 0)
  vmcb.set64(V.VMCB_RFLAGS, FLAG_FIXED, 0)
  vmcb.setNumber(V.VMCB_RIP, entry.rip)
  vmcb.set64(V.VMCB_G_PAT, PAT_RESET, PAT_RESET)

  for (let register = 0; register < 16; register++) registers.set(register, 0, 0)
  registers.set(RAX, entry.rax, 0)
  registers.set(RBX, entry.rbx, 0)
  registers.set(RSP, entry.rsp, 0)
  registers.set(RSI, entry.rsi, 0)
}
