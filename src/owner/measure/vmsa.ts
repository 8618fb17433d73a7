/**
 * The page that holds a vCPU's registers before its first instruction, as a VMM fills it in and LAUNCH_UPDATE_VMSA measures it (APM vol. 2,
 * table B-4; values after INIT: section 14.1.3, and what KVM and the VMM change, as virtee/sev-snp-measure has collected it).
 */
export type Vmm = 'qemu' | 'ec2' | 'gce'

export interface VmsaOptions {
  readonly vmm: Vmm
  /** CPUID 1 EAX of the guest's CPU model. */
  readonly signature: number
}

const BSP_EIP = 0xfffffff0
const VMSA_BYTES = 0x1000

const facts = {
  qemu: { bspCs: 0x9b, cs: 0x9b, ss: 0x93, tr: 0x8b, pat: [0x00070406, 0x00070406], mxcsr: 0x1f80, fcw: 0x37f },
  ec2: { bspCs: 0x9a, cs: 0x9b, ss: 0x92, tr: 0x83, pat: [0x00070406, 0x00070406], mxcsr: 0, fcw: 0 },
  gce: { bspCs: 0x9b, cs: 0x9b, ss: 0x93, tr: 0x8b, pat: [0x00070106, 0], mxcsr: 0, fcw: 0 },
} as const

function vmsa({ vmm, signature }: VmsaOptions, eip: number): Uint8Array {
  const page = new Uint8Array(VMSA_BYTES)
  const put = (offset: number, value: number, bytes: number): void => {
    for (let i = 0; i < bytes; i++) page[offset + i] = (value >>> (8 * i)) & 0xff
  }
  const segment = (offset: number, selector: number, attributes: number, base = 0): void => {
    put(offset, selector, 2)
    put(offset + 2, attributes, 2)
    put(offset + 4, 0xffff, 4)
    put(offset + 8, base, 4)
  }
  const { bspCs, cs, ss, tr, pat, mxcsr, fcw } = facts[vmm]
  for (const [i, attributes] of [0x93, 0, ss, 0x93, 0x93, 0x93, 0, 0x82, 0, tr].entries()) segment(0x10 * i, 0, attributes)
  segment(0x10, 0xf000, eip === BSP_EIP ? bspCs : cs, (eip & 0xffff0000) >>> 0)
  put(0xd0, 0x1000, 4) // EFER: KVM sets SVME
  put(0x148, 0x40, 4) // CR4: KVM sets MCE
  put(0x158, 0x10, 4) // CR0
  put(0x160, 0x400, 4) // DR7
  put(0x168, 0xffff0ff0, 4) // DR6
  put(0x170, 0x2, 4) // RFLAGS
  put(0x178, eip & 0xffff, 4) // RIP
  put(0x268, pat[0], 4)
  put(0x26c, pat[1], 4)
  put(0x310, vmm === 'qemu' ? signature : 0x600, 4) // RDX
  put(0x3e8, 1, 4) // XCR0
  put(0x408, mxcsr, 4)
  put(0x410, fcw, 2)
  return page
}

/** Pages of `count` vCPUs: the first begins at the reset vector, the others where the firmware's table says. */
export function vmsaPages(options: VmsaOptions, count: number, resetEip: number | undefined): readonly Uint8Array[] {
  if (count > 1 && resetEip === undefined) throw new RangeError('the firmware image does not say where other vCPUs begin')
  return Array.from({ length: count }, (_, i) => vmsa(options, i === 0 ? BSP_EIP : resetEip!))
}

/** CPUID 1 EAX of a processor (APM vol. 3, appendix E.3.2). */
export function cpuSignature(family: number, model: number, stepping: number): number {
  const [low, high] = family > 0xf ? [0xf, family - 0xf] : [family, 0]
  return ((high & 0xff) << 20) | (((model >> 4) & 0xf) << 16) | (low << 8) | ((model & 0xf) << 4) | (stepping & 0xf)
}

/** QEMU's names of CPU models that EPYC machines have. */
export const cpuSignatures: Readonly<Record<string, number>> = {
  EPYC: cpuSignature(23, 1, 2),
  'EPYC-Rome': cpuSignature(23, 49, 0),
  'EPYC-Milan': cpuSignature(25, 1, 1),
  'EPYC-Genoa': cpuSignature(25, 17, 0),
  'EPYC-Turin': cpuSignature(26, 0, 0),
}
