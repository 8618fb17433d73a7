import type { MemoryBus } from '../silicon/doors/board.js'

/**
 * The board's DRAM modules. Whoever holds the board may dump and alter them at any moment; what is seen is what the
 * memory bus carries.
 */
export class Dram {
  private readonly bus: MemoryBus

  constructor(bus: MemoryBus) {
    this.bus = bus
  }

  get size(): number {
    return this.bus.dramBytes
  }

  /** A copy of `length` bytes from `spa`. Throws RangeError outside the modules. */
  dump(spa: number, length: number): Uint8Array {
    this.check(spa, length)
    const bytes = new Uint8Array(length)
    this.bus.readInto(spa, bytes)
    return bytes
  }

  /** Overwrites what stands at `spa`. Throws RangeError outside the modules. */
  alter(spa: number, bytes: Uint8Array): void {
    this.check(spa, bytes.length)
    this.bus.write(spa, bytes)
  }

  /** Before anything of that length is made. */
  private check(spa: number, length: number): void {
    if (!Number.isInteger(spa) || !Number.isInteger(length) || spa < 0 || length < 0 || spa + length > this.size) {
      throw new RangeError(`no DRAM at ${spa} for ${length} bytes`)
    }
  }
}
