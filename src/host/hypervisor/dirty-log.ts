import type { VmMemory } from './guest-memory-access.js'
import type { NestedTables } from './nested-tables.js'
import { PageSet } from './page-set.js'
import { PAGE_BYTES } from './physical-memory.js'

/**
 * Which pages of a VM are written to while it runs. Two writers there are: the guest, whose writes set the dirty bits of the nested tables (APM
 * vol. 2, section 15.25.5; its page walks count as writes there, so a page too many may be told, never one too few), and the host with
 * its devices, which write through `VmMemory`.
 */
export class DirtyLog {
  // connections
  readonly #tables: NestedTables
  readonly #memory: VmMemory
  /** The guest's TLB entries hold dirty bits too: they go whenever those in memory are cleared. */
  readonly #flushTlb: () => void
  // state
  #byHost: PageSet | undefined

  constructor(tables: NestedTables, memory: VmMemory, flushTlb: () => void) {
    this.#tables = tables
    this.#memory = memory
    this.#flushTlb = flushTlb
  }

  get running(): boolean {
    return this.#byHost !== undefined
  }

  start(): void {
    this.#tables.watchWrites()
    this.#byHost = this.#emptySet()
    this.#memory.onWrite = (gpa, length) => this.#note(gpa, length)
    this.#flushTlb()
  }

  /** What was written since `start` or the last call. */
  take(): PageSet {
    const taken = this.#byHost ?? this.#emptySet()
    this.#byHost = this.#emptySet()
    this.#tables.takeWritten((page) => {
      if (page < taken.pages) taken.add(page)
    })
    this.#flushTlb()
    return taken
  }

  stop(): void {
    this.#byHost = undefined
    this.#memory.onWrite = undefined
    this.#tables.unwatchWrites()
    this.#flushTlb()
  }

  #note(gpa: number, length: number): void {
    if (length === 0) return
    const last = Math.floor((gpa + length - 1) / PAGE_BYTES)
    for (let page = Math.floor(gpa / PAGE_BYTES); page <= last; page++) this.#byHost?.add(page)
  }

  #emptySet(): PageSet {
    return new PageSet(this.#memory.bytes / PAGE_BYTES)
  }
}
