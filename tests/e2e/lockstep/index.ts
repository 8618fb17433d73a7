/**
 * Two machines of one seed, one that interprets and one that translates, in lockstep: the latter runs ahead for a slice of some two million instructions, the
 * former follows and is compared with it wherever it was looked at. Between slices both stand at the same instruction; there their memories are compared.
 */

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { GuestImage } from '../../../src/guest/index.js'
import { type HostLoop, nodeHostLoop, type Vm } from '../../../src/host/hypervisor/index.js'
import type { CodeCounters, TranslationLimits } from '../../../src/silicon/core/core-kernel.js'
import type { Soc } from '../../../src/silicon/soc.js'
import { LockstepDifference } from './difference.js'
import { InterpretedSide } from './interpreted-side.js'
import { memoryDifference } from './memory-compare.js'
import { type SeededMachine, seededMachine } from './seeded-machine.js'
import { type Looks, TranslatedSide } from './translated-side.js'

export { LockstepDifference } from './difference.js'
export type { Looks } from './translated-side.js'

export interface LockstepOptions {
  readonly image: GuestImage
  readonly memoryBytes: number
  readonly seed: number
  readonly translation: TranslationLimits
  readonly looks: Looks
  /** Memories are compared after so many slices. */
  readonly memoryEvery: number
  /** Both are stopped after the slice in which they have come so far. */
  readonly instructionsMax: number
  /** Called behind each region of a window of the machine that translates: where a test may bring a fault in. */
  readonly onRegion?: (soc: Soc) => void
}

export interface LockstepResult {
  readonly reason: string
  readonly instructions: number
  readonly compared: number
  readonly acrossDelivery: number
  readonly passed: number
  readonly eventful: number
  readonly windows: number
  readonly memories: number
  readonly code: CodeCounters
}

/** Hands the turn to run back and forth. */
class Turns {
  private turn: 'translated' | 'interpreted' = 'translated'
  private over = false
  private wake = (): void => undefined

  async take(side: 'translated' | 'interpreted'): Promise<void> {
    while (this.turn !== side && !this.over) await new Promise<void>((resolve) => (this.wake = resolve))
  }

  give(side: 'translated' | 'interpreted'): void {
    this.turn = side
    this.wake()
  }

  /** One has ended: the other goes on alone. */
  end(): void {
    this.over = true
    this.wake()
  }
}

/** Rejects with LockstepDifference at the first difference. */
export async function lockstep(options: LockstepOptions): Promise<LockstepResult> {
  return new Lockstep(options).run()
}

class Lockstep {
  private readonly turns = new Turns()
  private readonly translatedSide: TranslatedSide
  private readonly interpretedSide: InterpretedSide
  private readonly translated: SeededMachine
  private readonly interpreted: SeededMachine
  private slices = 0
  private memories = 0
  private clears = 0

  constructor(private readonly options: LockstepOptions) {
    const { turns } = this
    this.translatedSide = new TranslatedSide(options.translation, options.looks)
    this.translatedSide.onRegion = options.onRegion
    this.interpretedSide = new InterpretedSide(this.translatedSide.log)
    this.translated = seededMachine({ ...options, translate: this.translatedSide.limits, loop: this.loop(() => undefined, 'translated') })
    this.interpreted = seededMachine({ ...options, translate: false, loop: this.loop(() => this.sliceDone(), 'interpreted') })
    this.translatedSide.attach(this.translated.soc)
    this.interpretedSide.attach(this.interpreted.soc)
    turns.give('translated')
  }

  private loop(done: () => void, side: 'translated' | 'interpreted'): HostLoop {
    return {
      ...nodeHostLoop,
      breathe: async () => {
        done()
        this.turns.give(side === 'translated' ? 'interpreted' : 'translated')
        await this.turns.take(side)
      },
    }
  }

  async run(): Promise<LockstepResult> {
    const { turns, translated, interpreted, translatedSide } = this
    const ahead = translated.vm
      .run()
      .catch((error: unknown) => void (translatedSide.log.failure = error as Error))
      .finally(() => turns.end())
    try {
      await turns.take('interpreted')
      const { reason } = await interpreted.vm.run()
      await ahead
      this.compareEnds()
      return this.result(reason)
    } finally {
      translated.vm.stop()
      turns.end()
      await ahead
    }
  }

  /** Both machines stand at the same instruction. */
  private sliceDone(): void {
    const { translatedSide, interpreted, translated, options } = this
    if (!translatedSide.log.read) throw new Error('the interpreting machine ran its guest fewer times')
    translatedSide.log.clear()
    this.collect()
    if (++this.slices % options.memoryEvery === 0) this.compareMemories()
    if (interpreted.vm.statistics().instructions < options.instructionsMax) return
    for (const { vm } of [interpreted, translated]) vm.stop()
  }

  /** V8 keeps the code of regions that are gone until it collects all garbage, and runs out of mappings before it thinks of that. */
  private collect(): void {
    const { clears } = this.translated.soc.counters().code
    if (clears === this.clears) return
    this.clears = clears
    collectGarbage()
  }

  private compareMemories(): void {
    this.memories++
    const found = memoryDifference(this.interpreted.soc, this.translated.soc)
    if (!found) return
    const place = { instructions: instructionsOf(this.interpreted.vm), rip: 0n }
    const where = `guest physical address 0x${(found.spa - this.interpreted.vm.memory.base).toString(16)}`
    throw new LockstepDifference(
      `memory differs at ${where}: interpreted ${found.interpreted}, translated ${found.translated}`,
      place,
      place,
      [],
      [],
    )
  }

  private compareEnds(): void {
    this.compareMemories()
    const ends = [this.interpreted, this.translated].map(({ vm, console }) => {
      const { instructions, exits } = vm.statistics()
      return JSON.stringify([vm.report().reason, instructions, [...exits], console.copy().digest('hex')])
    })
    if (ends[0] !== ends[1]) throw new Error(`the machines end otherwise: ${ends.join(' and ')}`)
  }

  private result(reason: string): LockstepResult {
    const { compared, acrossDelivery, passed } = this.interpretedSide
    const { windows, eventful } = this.translatedSide
    const { memories } = this
    const { code } = this.translated.soc.counters()
    return {
      reason,
      instructions: instructionsOf(this.interpreted.vm),
      compared,
      acrossDelivery,
      passed,
      eventful,
      windows,
      memories,
      code,
    }
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const instructionsOf = (vm: Vm): number => vm.statistics().instructions
