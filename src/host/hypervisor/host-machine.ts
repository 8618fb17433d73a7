import type { HostCore, HostPort } from '../../silicon/doors/host.js'
import { EFER_SVME } from '../../spec/x86/control-registers.js'
import { IOPM_BYTES, MSRPM_BYTES } from '../../spec/svm/vmcb.js'
import { SevDriver } from '../sev-driver/index.js'
import { AsidPool } from './asids.js'
import { MSR_EFER, MSR_SYSCFG, MSR_VM_HSAVE_PA, SYSCFG_MEM_ENCRYPT } from './msr-numbers.js'
import { ioPermissionMap, msrPermissionMap } from './permission-maps.js'
import { HostResourceError, LARGE_PAGE_BYTES, PAGE_BYTES, PhysicalMemory } from './physical-memory.js'
import type { Vcpu } from './vcpu.js'

/** The first MiB stays free: nothing of ours needs to lie low, and a stray address is easier to see. */
const HOST_MEMORY_BASE = 0x100000
const PLATFORM_UNINIT = 0
const SCRUB_BYTES = 0x100000

/** One chip as the hypervisor uses it: its memory, cores, ASIDs and secure processor, shared by all VMs on it. */
export class HostMachine {
  readonly port: HostPort
  readonly memory: PhysicalMemory
  /** Position of the C-bit, from CPUID. */
  readonly cBit: number
  readonly sevSupported: boolean
  /** Permission maps are the same for every guest. */
  readonly iopm: number
  readonly msrpm: number
  readonly #smeSupported: boolean
  readonly #asids: AsidPool
  readonly #owners = new Map<HostCore, Vcpu>()
  #driver: SevDriver | undefined
  #sevReady = false
  /** Guest frames that a VM has used and nobody has cleared. */
  readonly #soiled: { base: number; end: number }[] = []

  constructor(port: HostPort) {
    this.port = port
    this.memory = new PhysicalMemory(HOST_MEMORY_BASE, port.dramBytes - HOST_MEMORY_BASE)
    const core = this.core(0)
    const encryption = core.cpuid(0x8000001f, 0)
    this.cBit = encryption.ebx & 0x3f
    this.#smeSupported = (encryption.eax & 1) !== 0
    this.sevSupported = (encryption.eax & 2) !== 0
    const count = core.cpuid(0x8000000a, 0).ebx
    this.#asids = new AsidPool({ sevFirst: Math.max(1, encryption.edx), sevLast: encryption.ecx, count: Math.max(2, count) })
    this.iopm = this.#store(ioPermissionMap(), IOPM_BYTES)
    this.msrpm = this.#store(msrPermissionMap(), MSRPM_BYTES)
    for (const each of port.cores) this.#enableSvm(each)
  }

  core(index: number): HostCore {
    const core = this.port.cores[index]
    if (!core) throw new HostResourceError(`the chip has no core ${index}`)
    return core
  }

  /** EFER.SVME and a host save area (APM vol. 2, sections 15.4 and 15.30.4). */
  #enableSvm(core: HostCore): void {
    const efer = core.rdmsr(MSR_EFER)
    core.wrmsr(MSR_EFER, { lo: efer.lo | EFER_SVME, hi: efer.hi })
    const save = this.memory.allocate(PAGE_BYTES, PAGE_BYTES, 'a host save area')
    core.wrmsr(MSR_VM_HSAVE_PA, { lo: save, hi: 0 })
  }

  #store(bytes: Uint8Array, length: number): number {
    const spa = this.memory.allocate(length, PAGE_BYTES, 'permission maps')
    this.port.write(spa, bytes)
    return spa
  }

  // ---- secure processor ------------------------------------------------------------------------------------------

  get driver(): SevDriver {
    this.#driver ??= new SevDriver(this.port, {
      allocate: (bytes) => this.memory.allocate(Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES, PAGE_BYTES, 'the SEV driver'),
    })
    return this.#driver
  }

  /** Switches memory encryption on and initialises the platform, once. */
  readySev(): SevDriver {
    if (!this.sevSupported) throw new HostResourceError('this chip has no SEV')
    if (!this.#sevReady) {
      // A chip without SME has nothing to switch on: SEV guests always have their keys.
      for (const core of this.#smeSupported ? this.port.cores : []) {
        const syscfg = core.rdmsr(MSR_SYSCFG)
        core.wrmsr(MSR_SYSCFG, { lo: (syscfg.lo | SYSCFG_MEM_ENCRYPT) >>> 0, hi: syscfg.hi })
      }
      if (this.driver.platformStatus().state === PLATFORM_UNINIT) this.driver.init()
      this.#sevReady = true
    }
    return this.driver
  }

  allocateAsid(sev: boolean): number {
    return this.#asids.allocate(sev, () => this.driver.flushAsids())
  }

  releaseAsid(asid: number, sev: boolean): void {
    this.#asids.release(asid, sev)
  }

  // ---- cores -----------------------------------------------------------------------------------------------------

  /** Makes `vcpu` the one whose registers are in its core. */
  acquire(vcpu: Vcpu): void {
    const owner = this.#owners.get(vcpu.core)
    if (owner === vcpu) return
    owner?.saveFromCore()
    vcpu.loadOnCore()
    this.#owners.set(vcpu.core, vcpu)
  }

  /** `vcpu` is gone: nothing of it is kept. */
  disown(vcpu: Vcpu): void {
    if (this.#owners.get(vcpu.core) === vcpu) this.#owners.delete(vcpu.core)
  }

  // ---- guest frames ----------------------------------------------------------------------------------------------

  /** Contiguous zeroed frames for a guest, aligned for large pages. */
  allocateGuestFrames(bytes: number): number {
    const base = this.memory.allocate(bytes, LARGE_PAGE_BYTES, "the guest's memory")
    const zeros = new Uint8Array(SCRUB_BYTES)
    for (const range of this.#soiled) {
      const end = Math.min(range.end, base + bytes)
      for (let at = Math.max(range.base, base); at < end; at += SCRUB_BYTES)
        this.port.write(at, zeros.subarray(0, Math.min(SCRUB_BYTES, end - at)))
    }
    return base
  }

  freeGuestFrames(base: number, bytes: number): void {
    this.#soiled.push({ base, end: base + bytes })
    this.memory.free(base, bytes)
  }
}
