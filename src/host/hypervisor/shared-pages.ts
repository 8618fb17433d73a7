import { adoptState } from '../devices/state.js'

/**
 * Which pages an encrypted guest holds shared (C-bit clear), by its own word: KVM_HC_MAP_GPA_RANGE (Linux Documentation/virt/kvm/x86/hypercalls.rst).
 * A page that it says nothing of is private. The map has one byte a page of RAM whatever the guest asks, and a call costs no more than filling it.
 */
export class SharedPages {
  readonly pages: number
  // connections
  readonly #listeners = new Set<(first: number, count: number) => void>()
  // state
  readonly #shared: Uint8Array

  constructor(pages: number) {
    this.pages = pages
    this.#shared = new Uint8Array(pages)
  }

  /** The caller has checked that the pages exist. */
  mark(first: number, count: number, shared: boolean): void {
    this.#shared.fill(shared ? 1 : 0, first, first + count)
    for (const listener of this.#listeners) listener(first, count)
  }

  has(page: number): boolean {
    return this.#shared[page] === 1
  }

  /** How many pages from `first` on, at most `max`, are all shared or all private. */
  run(first: number, max: number): number {
    const end = Math.min(this.pages, first + max)
    let at = first + 1
    while (at < end && this.#shared[at] === this.#shared[first]) at++
    return at - first
  }

  get count(): number {
    let count = 0
    for (const shared of this.#shared) count += shared
    return count
  }

  /** `listener` hears of every call of the guest from now on. Returns what ends that. */
  watch(listener: (first: number, count: number) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** One bit a page. */
  save(): Uint8Array {
    const bits = new Uint8Array(Math.ceil(this.pages / 8))
    for (let page = 0; page < this.pages; page++) if (this.#shared[page] === 1) bits[page >> 3]! |= 1 << (page & 7)
    return bits
  }

  restore(value: unknown, where: string): void {
    const bits = adoptState(new Uint8Array(Math.ceil(this.pages / 8)), value, where)
    for (let page = 0; page < this.pages; page++) this.#shared[page] = (bits[page >> 3]! >> (page & 7)) & 1
  }
}
