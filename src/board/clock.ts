import type { Clock } from '../silicon/doors/board.js'

/** Follows the machine that runs us. */
export function realClock(): Clock {
  // Node's global is a getter that costs more than the clock, and this is read several times at every exit.
  const stopwatch = performance
  return { virtual: false, monotonicMs: () => stopwatch.now(), wallMs: () => Date.now() }
}

/** 2024-01-01T00:00:00Z, where every seeded run begins. */
export const SEEDED_START_MS = Date.UTC(2024, 0, 1)

/** Instructions that make one virtual millisecond: about what the interpreter executes in a real one. */
export const INSTRUCTIONS_PER_MS_DEFAULT = 100_000

/**
 * Time that depends on nothing but the count of executed instructions and on explicit skips (a halted guest's wait for
 * its timer). The composition connects the counter once the cores exist.
 */
export class VirtualClock implements Clock {
  readonly virtual = true
  // configuration
  private readonly startMs: number
  // connections
  private retired: () => number = () => 0
  private instructionsPerMs = INSTRUCTIONS_PER_MS_DEFAULT
  // state
  private skippedMs = 0

  constructor(startMs: number = SEEDED_START_MS) {
    this.startMs = startMs
  }

  /** `retired` gives the instructions executed since reset, all cores together. */
  follow(retired: () => number, instructionsPerMs: number = INSTRUCTIONS_PER_MS_DEFAULT): void {
    this.retired = retired
    this.instructionsPerMs = instructionsPerMs
  }

  /** Lets time pass in which nothing is executed. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`time does not pass by ${ms} ms`)
    this.skippedMs += ms
  }

  monotonicMs(): number {
    return this.skippedMs + this.retired() / this.instructionsPerMs
  }

  wallMs(): number {
    return this.startMs + this.monotonicMs()
  }
}
