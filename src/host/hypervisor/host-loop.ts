/** The event loop of the process that runs the hypervisor: how it waits and lets others run. */
export interface HostLoop {
  /** Lets pending input and timers of the process have their turn. */
  breathe(): Promise<void>
  /** Sleeps at once, nothing else having its turn, for a part of a millisecond: less than the process's timers can tell apart. */
  nap(ms: number): void
  /** Resolves after `ms` (undefined: never by itself) or as soon as `wake` is called. */
  sleep(ms: number | undefined): Sleep
}

export interface Sleep {
  readonly done: Promise<void>
  wake(): void
}

/** The clock of the machine's board, as far as host software reads it. */
export interface HostClock {
  /** Milliseconds since an arbitrary start, monotonic, with fractions. */
  monotonicMs(): number
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number
}
