/**
 * The machine that translates. It runs as it likes, and is looked at wherever it enters or leaves a region: everywhere in *windows*, now and then between
 * them. Registers are in the state area at these places, so a look is a copy of it.
 */

import type { CoreKernel, TranslationLimits } from '../../../src/silicon/core/core-kernel.js'
import { R_LAST } from '../../../src/silicon/core/ir/results.js'
import * as S from '../../../src/silicon/core/state/layout.js'
import type { Soc } from '../../../src/silicon/soc.js'
import { PAGE_BYTES } from '../../../src/host/hypervisor/physical-memory.js'
import { Random } from '../../isa/random.js'
import { LOOK_AT, RegionProbes, type RegionWatcher } from './region-probes.js'
import { AFTER, BEFORE, ENTERED, LEFT, StopLog } from './stop-log.js'

export interface Looks {
  /** Chooses where windows lie, and the budgets in them. */
  readonly seed: number
  /** Outside of windows: at a region after so many instructions. */
  readonly every: number
  /** A window lies somewhere in each so many instructions, and is closed after `windowStops` looks. */
  readonly windowEvery: number
  readonly windowStops: number
  /** Looks from the making of a region on, which is entered first thing then. */
  readonly fresh: number
  /** Regions get the least budget that they may be entered with, so that they end wherever they jump back, in all windows; else in a part of them. */
  readonly tight: boolean
}

/** What a region may get beyond the least budget, in windows that are not tight. */
const MORE_THAN_LEAST = 300

interface KernelExports {
  readonly memory: WebAssembly.Memory
  materialize(s: number, kind: number, a: bigint, b: bigint, r: bigint): void
}

export class TranslatedSide implements RegionWatcher {
  readonly log = new StopLog()
  /** For the chip that is to be watched. */
  readonly limits: TranslationLimits
  /** Called behind each region of a window, before anything is noted: where a test may bring a fault in. */
  onRegion: ((soc: Soc) => void) | undefined
  windows = 0
  /** Regions that were left with an event pending, whose handling would have to be told apart from it. */
  eventful = 0
  private soc!: Soc
  private words!: Int32Array
  private s = 0
  private runKernel!: (s: number) => number
  private probes!: RegionProbes
  private readonly random: Random
  /** Instructions before the present VMRUN, and its budget. */
  private base = 0
  private budget = 0
  /** What was taken from the budget of each region that has not been left yet. */
  private readonly taken: number[] = []
  private takenInAll = 0
  private windowAt = 0
  private nextLook = 0
  /** Looks that are left of the window or the new region. */
  private left = 0
  /** What a region may have of the budget beyond the least; -1: all there is. */
  private spare = -1
  private clears = 0

  constructor(
    limits: TranslationLimits,
    private readonly looks: Looks,
  ) {
    this.random = new Random(looks.seed)
    this.limits = { ...limits, around: (region, guard) => this.around(region, guard) }
    this.planWindow(0)
  }

  attach(soc: Soc): void {
    const { kernel, cores } = soc.inside
    this.soc = soc
    this.s = cores[0]!.state
    this.words = new Int32Array(kernel.view.buffer)
    this.probes = new RegionProbes(exportsOf(kernel).memory, this.s, this)
    this.runKernel = kernel.run.bind(kernel)
    kernel.run = (s) => this.run(s)
  }

  // ---- VMRUN

  private run(s: number): number {
    const { log, words } = this
    this.base = this.soc.inside.cores[0]!.instructionsRetired
    this.budget = this.word(S.BUDGET)
    log.note(ENTERED, this.base, this.budget, words, s)
    this.setLook()
    const reason = this.runKernel(s)
    log.note(LEFT, this.count(), reason, words, s)
    if (reason === S.EXIT_VMEXIT) log.noteVmcb(this.soc.inside.memory.read(this.word(S.VMCB_PA), PAGE_BYTES))
    return reason
  }

  private word(offset: number): number {
    return this.words[(this.s + offset) >> 2]!
  }

  private putWide(offset: number, value: number): void {
    this.words[(this.s + offset) >> 2] = value
    this.words[((this.s + offset) >> 2) + 1] = value < 0 ? -1 : 0
  }

  /** Instructions so far. Budgets are below 2^31. */
  private count(): number {
    return this.base + this.budget - (this.word(S.BUDGET) + this.takenInAll)
  }

  /** Sets the budget from which on regions are looked at. */
  private setLook(): void {
    const at = Math.min(this.windowAt, this.nextLook)
    this.putWide(LOOK_AT, this.left > 0 ? 0x7fffffff : Math.max(-1, this.budget - Math.max(0, at - this.base)))
  }

  // ---- regions

  private around(region: unknown, guard: number): unknown {
    const { clears } = this.soc.inside.kernel.counters
    if (clears !== this.clears) this.probes.clear()
    this.clears = clears
    if (this.left === 0) this.spare = this.chooseSpare()
    this.left = Math.max(this.left, this.looks.fresh)
    this.setLook()
    return this.probes.around(region, guard)
  }

  before(guard: number): void {
    const count = this.count()
    if (count >= this.windowAt) this.openWindow(count)
    this.look(BEFORE, count)
    this.take(this.left > 0 && this.spare >= 0 ? guard + this.random.below(this.spare + 1) : Infinity)
  }

  after(answer: number): void {
    this.giveBack()
    const count = this.count()
    if (this.left > 0) this.onRegion?.(this.soc)
    if (answer > R_LAST) this.lookAt(answer, count)
    else this.look(AFTER, count)
    if (count >= this.nextLook) this.nextLook = count + this.looks.every
    if (this.left === 0) this.setLook()
  }

  private look(kind: number, count: number): void {
    if (this.left > 0) this.left--
    const fault = this.word(S.FAULT)
    const events = S.EVENT_INTERRUPT | S.EVENT_INJECT | S.EVENT_BREAKPOINT
    if ((this.word(S.EVENTS) & events) !== 0) {
      this.eventful++
      return
    }
    const lazyKind = this.word(S.LAZY_KIND)
    if (lazyKind !== 0) this.assembleFlags(lazyKind)
    this.log.note(kind, count, fault === 0 ? 0 : 1, this.words, this.s)
    // The next region goes on from the parts.
    this.words[(this.s + S.LAZY_KIND) >> 2] = lazyKind
  }

  /** The interpreter is to go on at `record` of the block at PC, which `count` does not have: so many bytes and instructions into it. */
  private lookAt(record: number, count: number): void {
    const place = this.words[(record + 4) >> 2]! >>> 16
    const pc = this.word(S.PC)
    this.words[(this.s + S.PC) >> 2] = pc + (place & 0x3ff)
    this.look(AFTER, count + (place >> 10))
    this.words[(this.s + S.PC) >> 2] = pc
  }

  private openWindow(count: number): void {
    this.windows++
    this.left = this.looks.windowStops
    this.spare = this.chooseSpare()
    this.planWindow(count)
  }

  private chooseSpare(): number {
    return this.looks.tight ? 0 : this.random.pick([-1, 0, MORE_THAN_LEAST])
  }

  /** The next window lies in the next stretch of instructions. */
  private planWindow(count: number): void {
    const { windowEvery } = this.looks
    const stretch = this.windows === 0 ? 0 : Math.floor(count / windowEvery) + 1
    this.windowAt = stretch * windowEvery + this.random.below(windowEvery)
  }

  /** Puts together the flags that a region has left in parts. */
  private assembleFlags(kind: number): void {
    const part = (offset: number): bigint => this.soc.inside.kernel.view.getBigInt64(this.s + offset, true)
    exportsOf(this.soc.inside.kernel).materialize(this.s, kind, part(S.LAZY_A), part(S.LAZY_B), part(S.LAZY_R))
  }

  /** Leaves a region no more than `most` instructions. The count of instructions stays what it is: BUDGET and BUDGET_START change together. */
  private take(most: number): void {
    const more = Math.max(0, this.word(S.BUDGET) - most)
    this.taken.push(more)
    this.shift(-more)
  }

  private giveBack(): void {
    this.shift(this.taken.pop()!)
  }

  private shift(by: number): void {
    if (by === 0) return
    this.takenInAll -= by
    for (const offset of [S.BUDGET, S.BUDGET_START]) this.putWide(offset, this.word(offset) + by)
  }
}

const exportsOf = (kernel: CoreKernel): KernelExports => kernel.exports as unknown as KernelExports
