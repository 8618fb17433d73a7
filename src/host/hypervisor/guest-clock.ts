import type { HostCore } from '../../silicon/doors/host.js'
import { adoptState, doesNotFit } from '../devices/state.js'

/** 26 days at 2 GHz. Beyond 2^53 ticks would no longer be exact. */
const TICKS_MAX = 2 ** 52

/**
 * Guest time. One line: the guest's TSC, which is the core's TSC (counted from instructions in virtual time, from the board's clock in
 * real time) plus the offset in the VMCB. Nanoseconds follow from it, so kvmclock, APIC deadline and TSC never disagree. While the
 * guest sleeps in virtual time, time is moved ahead by adding to the offset.
 */
export class GuestClock {
  readonly tscKHz: number
  readonly virtual: boolean
  readonly #core: HostCore
  readonly #ticksPerNs: number
  readonly #ticksPerInstruction: number
  readonly #origin: number
  /** Guest ticks since guest time 0 = core TSC + #base. */
  #base: number
  /** What the guest itself wrote to its TSC, as a 64-bit difference. */
  #adjustLo = 0
  #adjustHi = 0
  /** Real time: instructions per nanosecond, a moving average. */
  #speed = 0.02

  /** `ticksPerInstruction`: virtual time only, what the chip's TSC gains with each instruction. */
  constructor(core: HostCore, tscKHz: number, virtual: boolean, ticksPerInstruction: number) {
    this.#core = core
    this.#ticksPerInstruction = ticksPerInstruction
    this.#origin = core.rdtsc() - core.instructionsRetired * ticksPerInstruction
    this.tscKHz = tscKHz
    this.#ticksPerNs = tscKHz / 1e6
    this.virtual = virtual
    this.#base = -this.#coreTsc()
  }

  /** In virtual time the count of instructions says it, without an instruction: this is asked several times an exit. */
  #coreTsc(): number {
    return this.virtual ? this.#origin + this.#core.instructionsRetired * this.#ticksPerInstruction : this.#core.rdtsc()
  }

  /** Ticks since guest time 0, the guest's own writes to its TSC left out. */
  ticks(): number {
    return this.#coreTsc() + this.#base
  }

  nowNs(): number {
    return Math.floor(this.ticks() / this.#ticksPerNs)
  }

  /** Virtual time only: nothing happens until `ns`, so it is now `ns`. */
  jumpTo(ns: number): void {
    const ahead = Math.ceil(ns * this.#ticksPerNs) - this.ticks()
    if (ahead > 0) this.#base += ahead
    // Rounding must not leave us a tick short: whoever waits for `ns` would wait for ever.
    while (this.nowNs() < ns) this.#base += 1
  }

  /** A machine that stood still (paused) goes on where it was. */
  resumeAt(ticks: number): void {
    this.#base += ticks - this.ticks()
  }

  save(): unknown {
    return { ticks: this.ticks(), adjustLo: this.#adjustLo, adjustHi: this.#adjustHi }
  }

  /** Guest time goes on where it was saved, whatever has passed outside. */
  restore(value: unknown, where: string): void {
    const { ticks, adjustLo, adjustHi } = adoptState({ ticks: 0, adjustLo: 0, adjustHi: 0 }, value, where)
    if (!Number.isInteger(ticks) || ticks < 0 || ticks > TICKS_MAX) doesNotFit(where)
    this.resumeAt(ticks)
    this.#adjustLo = adjustLo >>> 0
    this.#adjustHi = adjustHi >>> 0
  }

  /** VMCB TSC_OFFSET as two halves: [lo, hi]. */
  offset(): [number, number] {
    const lo = (this.#base >>> 0) + this.#adjustLo
    const hi = (Math.floor(this.#base / 0x100000000) >>> 0) + this.#adjustHi + (lo > 0xffffffff ? 1 : 0)
    return [lo >>> 0, hi >>> 0]
  }

  /** The guest writes its TSC. */
  writeTsc(lo: number, hi: number): void {
    const ticks = this.ticks()
    const ticksLo = ticks >>> 0
    const ticksHi = Math.floor(ticks / 0x100000000) >>> 0
    this.#adjustLo = (lo - ticksLo) >>> 0
    this.#adjustHi = (hi - ticksHi - (lo < ticksLo ? 1 : 0)) >>> 0
  }

  /** What the guest's TSC read (or would have read) at guest time 0. */
  get tscAtZero(): number {
    const signed = this.#adjustHi >= 0x80000000 ? this.#adjustHi - 0x100000000 : this.#adjustHi
    return signed * 0x100000000 + this.#adjustLo
  }

  /** Instructions until guest time `deadlineNs`: exact in virtual time, an estimate in real time. */
  instructionsUntil(deadlineNs: number): number {
    if (deadlineNs === Infinity) return Infinity
    if (this.virtual) {
      const ticks = Math.ceil(deadlineNs * this.#ticksPerNs) - this.ticks()
      return Math.max(1, Math.ceil(ticks / this.#ticksPerInstruction))
    }
    return Math.max(1000, Math.ceil((deadlineNs - this.nowNs()) * this.#speed))
  }

  /** Real time: `instructions` took `ns`. */
  observe(instructions: number, ns: number): void {
    if (ns < 1000 || instructions < 1000) return
    this.#speed += (instructions / ns - this.#speed) * 0.1
  }

  get instructionsPerNs(): number {
    return this.#speed
  }
}
