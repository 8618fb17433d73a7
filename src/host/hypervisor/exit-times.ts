/** Where the time of a run goes: in the guest, in the answer to each kind of exit, in the rest of the hypervisor, asleep. */
export interface RunTimes {
  readonly guestMs: number
  /** By exit code: the hypervisor's answer, the world switch left out. */
  readonly exitsMs: ReadonlyMap<number, number>
  /** Between two VMRUNs beside the answers: devices, timers, and the process's other work. */
  readonly betweenMs: number
  readonly idleMs: number
}

/** Reads a clock three times an exit, so it is there only where somebody asks. */
export class ExitTimes {
  readonly #now: () => number
  // state
  #mark: number
  #code = 0
  #guestMs = 0
  #betweenMs = 0
  #idleMs = 0
  readonly #exitsMs = new Map<number, number>()

  /** `now`: milliseconds of real time. */
  constructor(now: () => number) {
    this.#now = now
    this.#mark = now()
  }

  #sinceMark(): number {
    const now = this.#now()
    const passed = now - this.#mark
    this.#mark = now
    return passed
  }

  entering(): void {
    this.#betweenMs += this.#sinceMark()
  }

  /** #VMEXIT with `code`. */
  left(code: number): void {
    this.#code = code
    this.#guestMs += this.#sinceMark()
  }

  /** The exit has been answered. */
  handled(): void {
    this.#exitsMs.set(this.#code, (this.#exitsMs.get(this.#code) ?? 0) + this.#sinceMark())
  }

  sleeping(): void {
    this.#betweenMs += this.#sinceMark()
  }

  woke(): void {
    this.#idleMs += this.#sinceMark()
  }

  get guestMs(): number {
    return this.#guestMs
  }

  totals(): RunTimes {
    return { guestMs: this.#guestMs, exitsMs: this.#exitsMs, betweenMs: this.#betweenMs, idleMs: this.#idleMs }
  }
}
