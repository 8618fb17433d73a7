import type { CpuidResult, HostCore } from '../../silicon/doors/host.js'

/*
 * CPUID as the guest sees it: the chip's own answers (APM vol. 3, appendix E), less what the hypervisor keeps for itself, plus what it adds.
 * Leaves 4000_00xx follow KVM (Linux Documentation/virt/kvm/x86/cpuid.rst), so Linux finds its clock and knows that it is a guest.
 */
export interface CpuidView {
  readonly apicId: number
  readonly vcpus: number
  /** CR4.OSXSAVE of the guest. */
  readonly osxsave: boolean
  /** CR4.PKE of the guest. */
  readonly ospke: boolean
  /** The local APIC is enabled in APIC_BASE. */
  readonly apicEnabled: boolean
  readonly sev: boolean
  readonly cBit: number
  readonly tscKHz: number
}

const KVM_BASE = 0x40000000
const KVM_LAST = 0x40000010
const KVM_CLOCKSOURCE = 1 << 0
const KVM_NOP_IO_DELAY = 1 << 1
const KVM_CLOCKSOURCE2 = 1 << 3
const KVM_HC_MAP_GPA_RANGE = 1 << 16
const KVM_MIGRATION_CONTROL = 1 << 17
const KVM_CLOCKSOURCE_STABLE = 1 << 24
const APIC_BUS_KHZ = 1_000_000

/** Leaf 1 ECX. */
const MONITOR = 1 << 3
const X2APIC = 1 << 21
const TSC_DEADLINE = 1 << 24
const OSXSAVE = 1 << 27
const HYPERVISOR = 1 << 31
/** Leaf 7 ECX. */
const OSPKE = 1 << 4
/** Leaf 1 EDX. */
const APIC = 1 << 9
const HTT = 1 << 28
/** Leaf 8000_0001 ECX: SVM, OSVW, IBS, SKINIT, WDT, LWP, NodeId, performance counters, data breakpoints, MWAITX. */
const EXTENDED_WITHHELD =
  (1 << 2) |
  (1 << 9) |
  (1 << 10) |
  (1 << 12) |
  (1 << 13) |
  (1 << 15) |
  (1 << 19) |
  (1 << 23) |
  (1 << 24) |
  (1 << 26) |
  (1 << 27) |
  (1 << 28) |
  (1 << 29)
const INVARIANT_TSC = 1 << 8
/** Leaf 8000_0008 EBX: RDPRU, INVLPGB, MCOMMIT need the host. */
const EBX_WITHHELD = (1 << 3) | (1 << 4) | (1 << 8)
const ARAT = 1 << 2

const NOTHING: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 }

export function guestCpuid(core: HostCore, view: CpuidView, leaf: number, subleaf: number): CpuidResult {
  if (leaf >= 0x40000000 && leaf < 0x50000000) return kvmLeaf(view, leaf)
  const r = core.cpuid(leaf, subleaf)
  switch (leaf) {
    case 0x1:
      return {
        eax: r.eax,
        ebx: ((r.ebx & 0xffff) | (view.vcpus << 16) | (view.apicId << 24)) >>> 0,
        ecx: ((r.ecx & ~(MONITOR | OSXSAVE)) | X2APIC | TSC_DEADLINE | HYPERVISOR | (view.osxsave ? OSXSAVE : 0)) >>> 0,
        edx: ((r.edx & ~(APIC | HTT)) | (view.apicEnabled ? APIC : 0) | (view.vcpus > 1 ? HTT : 0)) >>> 0,
      }
    case 0x5:
    case 0xa:
    case 0x8000000a:
    case 0x8000001b:
    case 0x8000001c:
    case 0x80000020:
    case 0x80000022:
      return NOTHING
    case 0x6:
      return { eax: ARAT, ebx: 0, ecx: 0, edx: 0 }
    case 0x7:
      return subleaf === 0 ? { ...r, ecx: ((r.ecx & ~OSPKE) | (view.ospke ? OSPKE : 0)) >>> 0 } : r
    case 0xb:
      return topologyLeaf(view, subleaf)
    case 0x80000001:
      return { ...r, ecx: (r.ecx & ~EXTENDED_WITHHELD) >>> 0 }
    case 0x80000007:
      return { eax: 0, ebx: 0, ecx: 0, edx: INVARIANT_TSC }
    case 0x80000008:
      return { eax: r.eax, ebx: (r.ebx & ~EBX_WITHHELD) >>> 0, ecx: view.vcpus - 1, edx: 0 }
    case 0x8000001e:
      return { eax: view.apicId, ebx: view.apicId, ecx: 0, edx: 0 }
    case 0x8000001f:
      // SEV; the C-bit's position and one physical address bit given up for it (APM vol. 3, E.4.17).
      return view.sev ? { eax: 2, ebx: view.cBit | (1 << 6), ecx: 0, edx: 0 } : NOTHING
    default:
      return r
  }
}

/** Extended topology (APM vol. 3, E.3.8): one thread a core, the vCPUs in one package. */
function topologyLeaf(view: CpuidView, subleaf: number): CpuidResult {
  if (subleaf === 0) return { eax: 0, ebx: 1, ecx: 0x100, edx: view.apicId }
  const bits = Math.ceil(Math.log2(view.vcpus))
  if (subleaf === 1) return { eax: bits, ebx: view.vcpus, ecx: 0x201, edx: view.apicId }
  return { eax: 0, ebx: 0, ecx: subleaf & 0xff, edx: view.apicId }
}

function kvmLeaf(view: CpuidView, leaf: number): CpuidResult {
  // "KVMKVMKVM\0\0\0"
  if (leaf === KVM_BASE) return { eax: KVM_LAST, ebx: 0x4b4d564b, ecx: 0x564b4d56, edx: 0x4d }
  if (leaf === KVM_BASE + 1) {
    const always = KVM_CLOCKSOURCE | KVM_NOP_IO_DELAY | KVM_CLOCKSOURCE2 | KVM_CLOCKSOURCE_STABLE
    return { eax: view.sev ? always | KVM_HC_MAP_GPA_RANGE | KVM_MIGRATION_CONTROL : always, ebx: 0, ecx: 0, edx: 0 }
  }
  if (leaf === KVM_LAST) return { eax: view.tscKHz, ebx: APIC_BUS_KHZ, ecx: 0, edx: 0 }
  return NOTHING
}
