/**
 * Wide regions that the engine optimises while those whose place they take still run. What is replaced has been entered half a million times, so it has been optimised long
 * since: a successor that took over at once would run for some tenths of a second as code of the engine's quick compiler.
 */

import type { CompiledModule } from './kept-code.js'
import type { ModuleInstance } from './standing-regions.js'
import type { PlannedRegion } from './translator.js'

/** What not every engine has. */
export interface Optimiser {
  /** Compiles `bytes`; the functions that are `ahead` in it are optimised in the background from now on. */
  compile(bytes: Uint8Array): CompiledModule
  /** It has done its best for a function that a module exports. */
  isOptimised(exported: unknown): boolean
}

export interface Ripe {
  readonly region: PlannedRegion
  readonly instance: ModuleInstance
  /** Of the region in its module. */
  readonly number: number
  readonly core: number
}

interface Ripener extends Ripe {
  looks: number
}

/** Looks at a region after which it is as good as ripe: the engine may have given it up. */
const LOOKS_MAX = 64

export class Ripening {
  /** By the place in the table of the region that they take over from; the oldest first. */
  private readonly waiting = new Map<number, Ripener>()

  constructor(private readonly optimiser: Optimiser) {}

  get size(): number {
    return this.waiting.size
  }

  add(ripe: Ripe): void {
    this.waiting.set(ripe.region.takesOver, { ...ripe, looks: 0 })
  }

  /** The code cache has been cleared. */
  cleared(): void {
    this.waiting.clear()
  }

  /** Whether what takes over from the region at `takesOver` is here. */
  holds(takesOver: number): boolean {
    return this.waiting.has(takesOver)
  }

  /** The oldest, where it is ripe: only that one is looked at. */
  take(): Ripe | undefined {
    for (const [takesOver, one] of this.waiting) return this.isOptimised(one) ? this.remove(takesOver, one) : undefined
    return undefined
  }

  /** What takes over from the region at `takesOver`, which is being offered, where it is ripe. */
  takeFor(takesOver: number): Ripe | undefined {
    const one = this.waiting.get(takesOver)
    if (!one) return undefined
    return this.isOptimised(one) || ++one.looks >= LOOKS_MAX ? this.remove(takesOver, one) : undefined
  }

  private isOptimised({ instance, number }: Ripe): boolean {
    return this.optimiser.isOptimised(instance.exports[`f${number}`])
  }

  private remove(takesOver: number, one: Ripe): Ripe {
    this.waiting.delete(takesOver)
    return one
  }
}
