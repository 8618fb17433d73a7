import type { DramModule } from '../silicon/doors/board.js'

type ProbeListener = (spa: number, length: number, alters: boolean) => void

/**
 * The board's DRAM modules. Whoever holds the board may dump and alter them at any moment; what is seen is what the
 * memory bus carries. The chip is told first, as if its cache had nothing left to write back.
 */
export class Dram implements DramModule {
  readonly bytes: Uint8Array
  private readonly listeners: ProbeListener[] = []

  /** `bytes` is the part of the chip's linear memory that stands for the modules. */
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  get size(): number {
    return this.bytes.length
  }

  onProbe(listener: ProbeListener): void {
    this.listeners.push(listener)
  }

  /** A copy of `length` bytes from `spa`. Throws RangeError outside the modules. */
  dump(spa: number, length: number): Uint8Array {
    this.probe(spa, length, false)
    return this.bytes.slice(spa, spa + length)
  }

  /** Overwrites what stands at `spa`. Throws RangeError outside the modules. */
  alter(spa: number, bytes: Uint8Array): void {
    this.probe(spa, bytes.length, true)
    this.bytes.set(bytes, spa)
  }

  private probe(spa: number, length: number, alters: boolean): void {
    if (!Number.isInteger(spa) || !Number.isInteger(length) || spa < 0 || length < 0 || spa + length > this.size) {
      throw new RangeError(`no DRAM at ${spa} for ${length} bytes`)
    }
    for (const listener of this.listeners) listener(spa, length, alters)
  }
}
