import { assert } from '../../lib/assert.js'

export const PAGE_BYTES = 0x1000
export const LARGE_PAGE_BYTES = 0x200000

/** The machine cannot give what a VM asks for. */
export class HostResourceError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'HostResourceError'
  }
}

interface Range {
  base: number
  end: number
}

/** First-fit allocator of the host's physical memory. Free ranges are sorted, disjoint and never adjacent. */
export class PhysicalMemory {
  readonly #free: Range[]

  constructor(base: number, bytes: number) {
    assert(base % PAGE_BYTES === 0 && bytes % PAGE_BYTES === 0, 'host memory is whole pages')
    this.#free = [{ base, end: base + bytes }]
  }

  get freeBytes(): number {
    return this.#free.reduce((sum, range) => sum + range.end - range.base, 0)
  }

  allocate(bytes: number, alignment: number, what: string): number {
    assert(bytes > 0 && bytes % PAGE_BYTES === 0, 'allocations are whole pages')
    for (let i = 0; i < this.#free.length; i++) {
      const range = this.#free[i]!
      const base = Math.ceil(range.base / alignment) * alignment
      if (base + bytes > range.end) continue
      const pieces = [
        { base: range.base, end: base },
        { base: base + bytes, end: range.end },
      ].filter((piece) => piece.end > piece.base)
      this.#free.splice(i, 1, ...pieces)
      return base
    }
    throw new HostResourceError(
      `the machine has no ${Math.ceil(bytes / 1024)} KiB left for ${what} (${Math.floor(this.freeBytes / 0x100000)} MiB free)`,
    )
  }

  free(base: number, bytes: number): void {
    const at = this.#free.findIndex((range) => range.base > base)
    const index = at < 0 ? this.#free.length : at
    const before = this.#free[index - 1]
    const after = this.#free[index]
    assert((!before || before.end <= base) && (!after || base + bytes <= after.base), 'memory is freed once')
    const joined = { base: before?.end === base ? before.base : base, end: after?.base === base + bytes ? after.end : base + bytes }
    const from = before?.end === base ? index - 1 : index
    const count = (before?.end === base ? 1 : 0) + (after?.base === base + bytes ? 1 : 0)
    this.#free.splice(from, count, joined)
  }
}
