// Is a VMCB legal? The consistency checks of VMRUN (APM vol. 2, 24593, section 15.5.1 and those named below). False: VMEXIT_INVALID.

import {
  ATTRIBUTE_DB, ATTRIBUTE_L, EVENT_TYPE_EXCEPTION, EVENT_TYPE_SHIFT, EVENT_VALID, EVENT_VECTOR_MASK, IOPM_BYTES, MSRPM_BYTES, NP_ENABLE, SEV_ENABLE,
  TLB_CONTROL_FLUSH_ALL, TLB_CONTROL_FLUSH_GUEST, TLB_CONTROL_FLUSH_GUEST_NON_GLOBAL, TLB_CONTROL_NOTHING, V_AVIC_ENABLE, V_GIF_ENABLE, V_NMI_ENABLE,
  VMCB_ASID, VMCB_CR0, VMCB_CR3, VMCB_CR4, VMCB_CS, VMCB_DR6, VMCB_DR7, VMCB_EFER, VMCB_EVENTINJ, VMCB_G_PAT, VMCB_INTERCEPT_MISC2,
  VMCB_IOPM_BASE_PA, VMCB_MSRPM_BASE_PA, VMCB_N_CR3, VMCB_NP_ENABLE, VMCB_SEGMENT_ATTRIBUTES, VMCB_TLB_CONTROL, VMCB_V_INTR, VMCB_VIRT_EXT,
} from '../../../spec/svm/vmcb'
import { ASIDS, SEV_ASID_MAX } from '../../../spec/svm/asid'
import {
  CR0_CD, CR0_NW, CR0_PE, CR0_PG, CR4_DE, CR4_FSGSBASE, CR4_LA57, CR4_MCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_OSXSAVE, CR4_PAE, CR4_PCE, CR4_PCIDE, CR4_PGE,
  CR4_PKE, CR4_PSE, CR4_PVI, CR4_SMAP, CR4_SMEP, CR4_TSD, CR4_UMIP, CR4_VME, EFER_AIBRSE, EFER_FFXSR, EFER_LMA, EFER_LME, EFER_NXE, EFER_SCE, EFER_SVME,
  EFER_TCE,
} from '../../../spec/x86/control-registers'
import { C_BIT } from './walk'

const PHYSICAL_END: u64 = (<u64>1) << 48
const EFER_KNOWN: u64 = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | EFER_FFXSR | EFER_TCE | EFER_AIBRSE
const CR4_KNOWN: u64 =
  CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 |
  CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE

/** `v`: host pointer of the VMCB. `paging`: the host runs with CR0.PG set. */
export function vmcb_legal(v: usize, paging: bool): bool {
  return registers_legal(v) && long_mode_legal(v) && control_legal(v) && injection_legal(v) && nesting_legal(v, paging)
}

function registers_legal(v: usize): bool {
  const efer = load<u64>(v, VMCB_EFER)
  const cr0 = load<u64>(v, VMCB_CR0)
  if (!(efer & EFER_SVME) || efer & ~EFER_KNOWN) return false
  if (cr0 >> 32 || (cr0 & CR0_NW && !(cr0 & CR0_CD))) return false
  if (load<u64>(v, VMCB_CR4) & ~CR4_KNOWN) return false
  return load<u64>(v, VMCB_DR6) >> 32 == 0 && load<u64>(v, VMCB_DR7) >> 32 == 0
}

function long_mode_legal(v: usize): bool {
  const efer = load<u64>(v, VMCB_EFER)
  const cr0 = load<u64>(v, VMCB_CR0)
  const cr4 = load<u64>(v, VMCB_CR4)
  const code: u32 = load<u16>(v + VMCB_CS, VMCB_SEGMENT_ATTRIBUTES)
  if (cr0 & CR0_PG && !(cr0 & CR0_PE)) return false
  if (!(efer & EFER_LME && cr0 & CR0_PG)) return true
  if (!(cr4 & CR4_PAE) || (code & ATTRIBUTE_L && code & ATTRIBUTE_DB)) return false
  const high = ~(PHYSICAL_END - 1)
  return (load<u64>(v, VMCB_CR3) & (load<u32>(v, VMCB_NP_ENABLE) & SEV_ENABLE ? high & ~C_BIT : high)) == 0
}

/** VMRUN must be intercepted; permission maps must lie in the physical address space. What CPUID does not offer is refused. */
function control_legal(v: usize): bool {
  const asid = load<u32>(v, VMCB_ASID)
  if (asid == 0 || asid >= <u32>ASIDS) return false
  if (!(load<u32>(v, VMCB_INTERCEPT_MISC2) & 1)) return false
  if ((load<u64>(v, VMCB_MSRPM_BASE_PA) & ~0xfff) > PHYSICAL_END - MSRPM_BYTES) return false
  if ((load<u64>(v, VMCB_IOPM_BASE_PA) & ~0xfff) > PHYSICAL_END - IOPM_BYTES) return false
  if (load<u32>(v, VMCB_V_INTR) & <u32>(V_AVIC_ENABLE | V_GIF_ENABLE | V_NMI_ENABLE) || load<u64>(v, VMCB_VIRT_EXT)) return false
  const tlb: u32 = load<u8>(v, VMCB_TLB_CONTROL)
  return tlb == TLB_CONTROL_NOTHING || tlb == TLB_CONTROL_FLUSH_ALL || tlb == TLB_CONTROL_FLUSH_GUEST || tlb == TLB_CONTROL_FLUSH_GUEST_NON_GLOBAL
}

/** Section 15.20: no reserved type, and exceptions only with vectors of exceptions (2 is the NMI). */
function injection_legal(v: usize): bool {
  const event = load<u32>(v, VMCB_EVENTINJ)
  if (!(event & EVENT_VALID)) return true
  const type = (event >> EVENT_TYPE_SHIFT) & 7
  const vector = event & EVENT_VECTOR_MASK
  if (type == 1 || type > 4) return false
  return type != EVENT_TYPE_EXCEPTION || (vector != 2 && vector < 32)
}

/** Sections 15.25.3, 15.25.4, 15.34.3. SEV-ES, GMET and later bits of VMCB 090h are not offered. */
function nesting_legal(v: usize, paging: bool): bool {
  const bits = load<u64>(v, VMCB_NP_ENABLE)
  if (bits & ~<u64>(NP_ENABLE | SEV_ENABLE)) return false
  if (bits & SEV_ENABLE && (!(bits & NP_ENABLE) || load<u32>(v, VMCB_ASID) > <u32>SEV_ASID_MAX)) return false
  if (!(bits & NP_ENABLE)) return true
  return paging && load<u64>(v, VMCB_N_CR3) < PHYSICAL_END && pat_legal(load<u64>(v, VMCB_G_PAT))
}

/** Memory types 2, 3 and above 7 do not exist (section 7.8.1). */
function pat_legal(pat: u64): bool {
  for (let n: u64 = 0; n < 8; n++) {
    const type = <u32>(pat >> (n * 8)) & 0xff
    if (type > 7 || type == 2 || type == 3) return false
  }
  return true
}
