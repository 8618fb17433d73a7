/**
 * Guest time and the timers that stand on it. Time may jump far ahead between two calls (a halted guest is moved to its
 * next deadline, a host may be late), so whoever repeats must re-arm from the present and count missed ticks as one.
 */

import { doesNotFit } from './state.js'

/** Guest time in nanoseconds, monotonic, from 0. Nothing else tells a device the time. */
export interface TimeSource {
  nowNs(): number
}

/**
 * No periodic source ticks faster than this. A guest that programs a one-nanosecond period would else keep the
 * hypervisor in timer work for ever and never run an instruction.
 */
export const PERIOD_NS_MIN = 10_000

export interface Timer {
  /** Infinity where not armed. */
  readonly deadlineNs: number
  arm(deadlineNs: number): void
  cancel(): void
}

class Entry implements Timer {
  deadlineNs = Infinity
  constructor(
    readonly name: string,
    readonly fire: () => void,
    private readonly owner: Scheduler,
  ) {}

  arm(deadlineNs: number): void {
    this.deadlineNs = this.owner.admit(deadlineNs)
    this.owner.changed()
  }

  cancel(): void {
    if (this.deadlineNs === Infinity) return
    this.deadlineNs = Infinity
    this.owner.changed()
  }
}

/** The next moment of a period of `periodNs` begun at `startNs` that lies after `nowNs`; the period has been floored by the caller. */
export function nextTickNs(startNs: number, periodNs: number, nowNs: number): number {
  if (nowNs < startNs) return startNs + periodNs
  const next = startNs + (Math.floor((nowNs - startNs) / periodNs) + 1) * periodNs
  return next > nowNs ? next : nowNs + periodNs
}

export class Scheduler implements TimeSource {
  private readonly entries: Entry[] = []
  private next = Infinity
  private stale = false
  private firing = false

  constructor(private readonly source: TimeSource) {}

  nowNs(): number {
    return this.source.nowNs()
  }

  /** Names are unique: they are the keys of the saved deadlines. */
  timer(name: string, fire: () => void): Timer {
    const entry = new Entry(name, fire, this)
    this.entries.push(entry)
    return entry
  }

  nextDeadlineNs(): number {
    if (this.stale) {
      let next = Infinity
      for (const entry of this.entries) if (entry.deadlineNs < next) next = entry.deadlineNs
      this.next = next
      this.stale = false
    }
    return this.next
  }

  /** Fires what is due, earliest first. Each timer fires at most once a call: what is armed meanwhile lies after now. */
  advance(): void {
    if (this.firing) return
    const now = this.source.nowNs()
    if (this.nextDeadlineNs() > now) return
    this.firing = true
    try {
      for (let due = this.earliest(now); due; due = this.earliest(now)) {
        due.deadlineNs = Infinity
        this.stale = true
        due.fire()
      }
    } finally {
      this.firing = false
    }
  }

  save(): Record<string, number> {
    const saved: Record<string, number> = {}
    for (const entry of this.entries) if (entry.deadlineNs !== Infinity) saved[entry.name] = entry.deadlineNs
    return saved
  }

  restore(value: unknown): void {
    const saved = typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
    for (const entry of this.entries) {
      const deadline = Object.hasOwn(saved, entry.name) ? saved[entry.name] : Infinity
      if (typeof deadline !== 'number' || Number.isNaN(deadline)) doesNotFit(`timers.${entry.name}`)
      entry.deadlineNs = deadline
    }
    this.stale = true
  }

  admit(deadlineNs: number): number {
    if (Number.isNaN(deadlineNs)) return Infinity
    return this.firing ? Math.max(deadlineNs, this.source.nowNs() + 1) : deadlineNs
  }

  changed(): void {
    this.stale = true
  }

  private earliest(now: number): Entry | undefined {
    let found: Entry | undefined
    for (const entry of this.entries) if (entry.deadlineNs <= now && (!found || entry.deadlineNs < found.deadlineNs)) found = entry
    return found
  }
}
