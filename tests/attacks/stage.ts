// The malicious provider's machine with a victim on it. Everything an attack does goes through this file or through host and board themselves.

import assert from 'node:assert/strict'
import type { Dram } from '../../src/board/index.js'
import { handleExit } from '../../src/host/hypervisor/exits.js'
import type { GuestImage } from '../../src/host/hypervisor/index.js'
import { createVm, HostMachine, nodeHostLoop, type Vm, type VmOptions } from '../../src/host/hypervisor/index.js'
import { RAX } from '../../src/host/hypervisor/guest-registers.js'
import type { Vcpu, VcpuEnd } from '../../src/host/hypervisor/vcpu.js'
import { concatBytes, u32le } from '../../src/lib/bytes.js'
import type { Clock, Flash } from '../../src/silicon/doors/board.js'
import type { DmaPort } from '../../src/silicon/doors/dma.js'
import type { HostPort } from '../../src/silicon/doors/host.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { IOIO_IN, VMEXIT_IOIO } from '../../src/spec/svm/exit-codes.js'
import { VMCB_EXITCODE, VMCB_EXITINFO1, VMCB_EXITINFO2 } from '../../src/spec/svm/vmcb.js'
import { type Owner, providersMachine, REPORT_PORT, STEP_PORT } from '../machine/index.js'
import type { Mode } from './attack.js'

export * from '../machine/index.js'

export const PAGE_BYTES = 0x1000
const VM_BYTES = 64 * 0x100000
/** No victim needs more between two steps; one that runs noise may never come to its next. */
const EXITS_MAX = 2000
const BUDGET = 20_000

/** How a stretch of running ended. */
export interface Stretch {
  /** Reached its next step; ended for good (`end`); or ran on without either. */
  readonly how: 'step' | 'ended' | 'lost'
  readonly end: VcpuEnd | undefined
  /** What it reported on the way. */
  readonly reports: readonly number[]
}

/** Looks at an exit before the hypervisor does; true: it has been dealt with. */
export type ExitHook = (vcpu: Vcpu) => boolean

export interface RunOptions {
  readonly onExit?: ExitHook
  readonly beforeEntry?: (vcpu: Vcpu) => void
  /** Instructions of each VMRUN. */
  readonly budget?: number
}

export class Guest {
  readonly vm: Vm

  constructor(vm: Vm) {
    this.vm = vm
  }

  get vcpu(): Vcpu {
    return this.vm.vcpu
  }

  /** The SEV handle; only encrypted guests have one. */
  get handle(): number {
    assert(this.vm.sevHandle !== undefined, 'the guest is encrypted')
    return this.vm.sevHandle
  }

  /** System physical address of a guest physical one, as the VM was made. */
  spa(gpa: number): number {
    return this.vm.memory.base + gpa
  }

  /** Runs until the guest's next step. */
  step({ onExit = () => false, beforeEntry = () => undefined, budget = BUDGET }: RunOptions = {}): Stretch {
    const { vm, vcpu } = this
    const reports: number[] = []
    const result = (how: Stretch['how']): Stretch => ({ how, end: vcpu.end, reports })
    vm.machine.acquire(vcpu)
    for (let exits = 0; exits < EXITS_MAX; exits++) {
      beforeEntry(vcpu)
      vcpu.enter(budget)
      if (onExit(vcpu)) continue
      const port = outputPort(vcpu)
      if (port === REPORT_PORT) reports.push(vcpu.registers.lo(RAX))
      if (port === REPORT_PORT || port === STEP_PORT) vcpu.completeAt(vcpu.vmcb.u32(VMCB_EXITINFO2), vcpu.vmcb.u32(VMCB_EXITINFO2 + 4))
      else handleExit(vcpu)
      if (port === STEP_PORT) return result('step')
      if (vcpu.end) return result('ended')
      if (vcpu.halted) return result('lost')
    }
    return result('lost')
  }

  /** Runs to the next step, which must come, and gives what was reported as bytes. */
  published(options: RunOptions = {}): Uint8Array {
    const { how, reports } = this.step(options)
    assert.equal(how, 'step')
    return reported(reports)
  }
}

export function reported(reports: readonly number[]): Uint8Array {
  return concatBytes(...reports.map(u32le))
}

function outputPort(vcpu: Vcpu): number | undefined {
  if (vcpu.vmcb.u32(VMCB_EXITCODE) !== VMEXIT_IOIO) return undefined
  const info = vcpu.vmcb.u32(VMCB_EXITINFO1)
  return (info & IOIO_IN) === 0 ? info >>> 16 : undefined
}

export interface GuestOptions {
  readonly policy?: number
  /** Launched with his session, and waiting for his answer. */
  readonly owner?: Owner
}

export class Stage {
  readonly mode: Mode
  readonly host: HostPort
  readonly dma: DmaPort
  readonly dram: Dram
  readonly flash: Flash
  readonly machine: HostMachine
  readonly #clock: Clock

  constructor(mode: Mode, seed = 1) {
    const { host, dma, dram, clock, flash } = providersMachine(seed)
    this.mode = mode
    this.host = host
    this.dma = dma
    this.dram = dram
    this.flash = flash
    this.#clock = clock
    this.machine = new HostMachine(host)
  }

  get encrypted(): boolean {
    return this.mode === 'sev'
  }

  /** A VM for `image`, not launched. Without a policy of its own it forbids debugging and key sharing. */
  prepare(image: GuestImage, { owner, policy = owner?.policy ?? SevPolicy.NODBG | SevPolicy.NOKS }: GuestOptions = {}): Guest {
    const owned = owner && { ownerSession: owner.session, awaitsOwner: true }
    return new Guest(createVm(this.machine, { ...this.vmOptions(), ...owned, policy, image }))
  }

  /** How its VMs are built, whatever runs in them. */
  vmOptions(): VmOptions {
    return {
      memoryBytes: VM_BYTES,
      sev: this.mode,
      time: 'virtual',
      clock: this.#clock,
      loop: nodeHostLoop,
      onSerialOutput: () => undefined,
    }
  }

  /** A VM with `image`, launched as the owner wants it. */
  start(image: GuestImage, options: GuestOptions = {}): Guest {
    const guest = this.prepare(image, options)
    guest.vm.launch()
    return guest
  }

  /** A VM with `image` that has come to its first step. */
  startVictim(image: GuestImage, options: GuestOptions = {}): Guest {
    const guest = this.start(image, options)
    assert.equal(guest.step().how, 'step')
    return guest
  }

  /** WBINVD on every core: what the chip's caches held is in DRAM. */
  flushCaches(): void {
    for (const core of this.host.cores) core.wbinvd()
  }

  /** All of DRAM, as a probe on the bus reads it. */
  dump(): Uint8Array {
    return this.dram.dump(0, this.dram.size)
  }
}
