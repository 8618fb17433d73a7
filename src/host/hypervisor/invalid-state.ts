import { CR0_PE, CR0_PG, CR4_PAE, EFER_LME, EFER_SVME } from '../../spec/x86/control-registers.js'
import * as V from '../../spec/svm/vmcb.js'
import type { Vmcb } from './vmcb.js'

/** Why VMRUN may have refused a VMCB (the consistency checks of APM vol. 2, section 15.5.1). For people. */
export function describeInvalidState(vmcb: Vmcb): string {
  const cr0 = vmcb.u32(V.VMCB_CR0)
  const cr4 = vmcb.u32(V.VMCB_CR4)
  const efer = vmcb.u32(V.VMCB_EFER)
  const long = (efer & EFER_LME) !== 0 && (cr0 & CR0_PG) !== 0
  const codeAttributes = vmcb.u16(V.VMCB_CS + V.VMCB_SEGMENT_ATTRIBUTES)
  const checks: [boolean, string][] = [
    [(efer & EFER_SVME) === 0, 'EFER.SVME is clear'],
    [(cr0 & 0x60000000) === 0x20000000, 'CR0.NW without CR0.CD'],
    [vmcb.u32(V.VMCB_CR0 + 4) !== 0, 'CR0 has bits above 31'],
    [vmcb.u32(V.VMCB_DR6 + 4) !== 0, 'DR6 has bits above 31'],
    [vmcb.u32(V.VMCB_DR7 + 4) !== 0, 'DR7 has bits above 31'],
    [long && (cr4 & CR4_PAE) === 0, 'long mode without CR4.PAE'],
    [long && (cr0 & CR0_PE) === 0, 'long mode without CR0.PE'],
    [long && (codeAttributes & V.ATTRIBUTE_L) !== 0 && (codeAttributes & V.ATTRIBUTE_DB) !== 0, 'CS has both L and D'],
    [(vmcb.u32((0x80 >> 5) * 4) & 1) === 0, 'VMRUN is not intercepted'],
    [vmcb.u32(V.VMCB_ASID) === 0, 'the ASID is zero'],
  ]
  const found = checks.filter(([broken]) => broken).map(([, text]) => text)
  return found.length > 0 ? found.join(', ') : 'none of the checks that the hypervisor knows explains it'
}
