import type { GuestClock } from './guest-clock.js'
import type { VmMemory } from './guest-memory-access.js'
import { adoptState, doesNotFit } from '../devices/state.js'
import * as M from './msr-numbers.js'
import { SharedPages } from './shared-pages.js'

/*
 * The KVM paravirtual interface (Linux Documentation/virt/kvm/x86/{msr,hypercalls}.rst): a clock in a page that the guest shares, and
 * hypercalls. Of an encrypted guest only what it maps shared is readable or writable here; Linux maps these pages so itself.
 */
const HYPERCALL_VAPIC_POLL_IRQ = 1
const HYPERCALL_MAP_GPA_RANGE = 12
const ENOSYS = -1000
const EPERM = -1
const EINVAL = -22

const MAP_ENCRYPTED = 1 << 4
const CLOCK_BYTES = 32
const WALL_CLOCK_BYTES = 12
const TSC_STABLE = 1
const PAGE_BYTES = 0x1000

/** As far as a JavaScript date goes. */
const WALL_MS_MAX = 8.64e15

interface SavedParavirtual {
  readonly systemTime: Uint32Array
  readonly wallClock: Uint32Array
  readonly migrationControl: number
  readonly version: number
  readonly wallMsAtStart: number
  readonly shared: Uint8Array
}

export interface HypercallArguments {
  readonly number: number
  readonly a0: number
  readonly a1: number
  readonly a2: number
}

export class Paravirtual {
  // configuration
  readonly #sev: boolean
  // connections
  readonly #memory: VmMemory
  readonly #clock: GuestClock
  // state
  #systemTimeLo = 0
  #systemTimeHi = 0
  #wallClockLo = 0
  #wallClockHi = 0
  #migrationControl = 0
  #version = 0
  #wallMsAtStart: number
  /** What the guest has said of its pages. It may lie, to its own harm alone. */
  readonly sharedPages: SharedPages

  constructor(memory: VmMemory, clock: GuestClock, sev: boolean, wallMsAtStart: number) {
    this.#memory = memory
    this.#clock = clock
    this.#sev = sev
    this.#wallMsAtStart = wallMsAtStart
    this.sharedPages = new SharedPages(memory.bytes / PAGE_BYTES)
  }

  /** The guest has said that `sharedPages` is all there is to say (MSR_KVM_MIGRATION_CONTROL bit 0): its memory can be moved. */
  get migrationReady(): boolean {
    return (this.#migrationControl & 1) !== 0
  }

  save(): unknown {
    return {
      systemTime: Uint32Array.of(this.#systemTimeLo, this.#systemTimeHi),
      wallClock: Uint32Array.of(this.#wallClockLo, this.#wallClockHi),
      migrationControl: this.#migrationControl,
      version: this.#version,
      wallMsAtStart: this.#wallMsAtStart,
      shared: this.sharedPages.save(),
    }
  }

  /** The guest's clock page needs no writing: the time stamp counter goes on where the page says. */
  restore(value: unknown, where: string): void {
    const state = adoptState(this.save() as SavedParavirtual, value, where)
    if (Math.abs(state.wallMsAtStart) > WALL_MS_MAX) doesNotFit(where)
    ;[this.#systemTimeLo, this.#systemTimeHi] = state.systemTime as unknown as [number, number]
    ;[this.#wallClockLo, this.#wallClockHi] = state.wallClock as unknown as [number, number]
    this.#migrationControl = state.migrationControl & 1
    this.#version = state.version >>> 0
    this.#wallMsAtStart = state.wallMsAtStart
    this.sharedPages.restore(state.shared, `${where}.shared`)
  }

  readMsr(msr: number): [number, number] | undefined {
    switch (msr) {
      case M.MSR_KVM_SYSTEM_TIME:
      case M.MSR_KVM_SYSTEM_TIME_OLD:
        return [this.#systemTimeLo, this.#systemTimeHi]
      case M.MSR_KVM_WALL_CLOCK:
      case M.MSR_KVM_WALL_CLOCK_OLD:
        return [this.#wallClockLo, this.#wallClockHi]
      case M.MSR_KVM_MIGRATION_CONTROL:
        return this.#sev ? [this.#migrationControl, 0] : undefined
      default:
        return undefined
    }
  }

  /** False is #GP. */
  writeMsr(msr: number, lo: number, hi: number): boolean {
    switch (msr) {
      case M.MSR_KVM_SYSTEM_TIME:
      case M.MSR_KVM_SYSTEM_TIME_OLD:
        this.#systemTimeLo = lo
        this.#systemTimeHi = hi
        this.updateClock()
        return true
      case M.MSR_KVM_WALL_CLOCK:
      case M.MSR_KVM_WALL_CLOCK_OLD:
        this.#wallClockLo = lo
        this.#wallClockHi = hi
        this.#writeWallClock(hi * 0x100000000 + lo)
        return true
      case M.MSR_KVM_MIGRATION_CONTROL:
        if (!this.#sev || hi !== 0 || (lo & ~1) !== 0) return false
        this.#migrationControl = lo
        return true
      default:
        return false
    }
  }

  /**
   * struct pvclock_vcpu_time_info: version, tsc_timestamp @8, system_time @16, tsc_to_system_mul @24, tsc_shift @28, flags @29. The rate never
   * changes and the TSC carries every jump, so it is written when the guest asks for it and when it moves its own TSC.
   */
  updateClock(): void {
    if ((this.#systemTimeLo & 1) === 0) return
    const gpa = this.#systemTimeHi * 0x100000000 + ((this.#systemTimeLo & ~1) >>> 0)
    const { multiplier, shift } = pvclockScale(this.#clock.tscKHz)
    this.#version += 2
    const view = new DataView(new ArrayBuffer(CLOCK_BYTES))
    view.setUint32(0, this.#version, true)
    view.setBigUint64(8, BigInt.asUintN(64, BigInt(this.#clock.ticks()) + BigInt(this.#clock.tscAtZero)), true)
    view.setBigUint64(16, BigInt(this.#clock.nowNs()), true)
    view.setUint32(24, multiplier, true)
    view.setInt8(28, shift)
    view.setUint8(29, TSC_STABLE)
    this.#memory.write(gpa, new Uint8Array(view.buffer))
  }

  /** struct pvclock_wall_clock: version, seconds, nanoseconds at guest time 0. */
  #writeWallClock(gpa: number): void {
    const view = new DataView(new ArrayBuffer(WALL_CLOCK_BYTES))
    view.setUint32(0, 2, true)
    view.setUint32(4, Math.floor(this.#wallMsAtStart / 1000), true)
    view.setUint32(8, Math.floor((this.#wallMsAtStart % 1000) * 1e6), true)
    this.#memory.write(gpa, new Uint8Array(view.buffer))
  }

  /** The value for RAX. */
  hypercall(call: HypercallArguments, cpl: number): number {
    if (cpl !== 0) return EPERM
    if (call.number === HYPERCALL_VAPIC_POLL_IRQ) return 0
    if (call.number === HYPERCALL_MAP_GPA_RANGE && this.#sev) return this.#mapGpaRange(call.a0, call.a1, call.a2)
    return ENOSYS
  }

  #mapGpaRange(gpa: number, pages: number, attributes: number): number {
    const first = gpa / PAGE_BYTES
    if (!Number.isInteger(first) || pages === 0 || first + pages > this.sharedPages.pages) return EINVAL
    this.sharedPages.mark(first, pages, (attributes & MAP_ENCRYPTED) === 0)
    return 0
  }
}

/** Multiplier and shift such that ns = ((ticks << shift) * multiplier) >> 32, with the multiplier's top bit set. */
export function pvclockScale(tscKHz: number): { multiplier: number; shift: number } {
  let factor = 1e6 / tscKHz
  let shift = 0
  while (factor >= 1) {
    factor /= 2
    shift++
  }
  while (factor < 0.5) {
    factor *= 2
    shift--
  }
  return { multiplier: Math.floor(factor * 0x100000000), shift }
}
