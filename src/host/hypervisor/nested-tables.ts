import type { HostPort } from '../../silicon/doors/host.js'
import { LARGE_PAGE_BYTES, PAGE_BYTES, type PhysicalMemory } from './physical-memory.js'

/*
 * Nested page tables (APM vol. 2, sections 15.25.5 and 5.3): four levels, 2 MiB pages where nothing forbids, 4 KiB pages
 * elsewhere. The user bit is set everywhere, because nested walks are user accesses. Accessed and dirty are set beforehand: nobody
 * here evicts pages, and the walker then has nothing to write. While writes are watched, dirty is clear until the walker sets it, and all
 * pages are of 4 KiB. What is not mapped is MMIO or nothing.
 */
const PRESENT = 0x1
const TABLE_FLAGS = 0x27
const PAGE_FLAGS = 0x67
const LARGE = 0x80
const LARGE_FLAGS = PAGE_FLAGS | LARGE
const DIRTY = 0x40
const ENTRIES = 512

interface Table {
  readonly spa: number
  readonly view: DataView
}

export class NestedTables {
  readonly #host: HostPort
  readonly #memory: PhysicalMemory
  readonly #tables = new Map<number, Table>()
  readonly #root: Table

  constructor(host: HostPort, memory: PhysicalMemory) {
    this.#host = host
    this.#memory = memory
    this.#root = this.#newTable()
  }

  /** For VMCB_N_CR3. */
  get rootSpa(): number {
    return this.#root.spa
  }

  /** Maps [gpa, gpa + bytes) to [spa, spa + bytes), with large pages where both are aligned. */
  mapRange(gpa: number, spa: number, bytes: number): void {
    let done = 0
    while (done < bytes) {
      const large = (gpa + done) % LARGE_PAGE_BYTES === 0 && (spa + done) % LARGE_PAGE_BYTES === 0 && bytes - done >= LARGE_PAGE_BYTES
      if (large) this.#set(this.#directory(gpa + done), index(gpa + done, 1), spa + done, LARGE_FLAGS)
      else this.mapPage(gpa + done, spa + done)
      done += large ? LARGE_PAGE_BYTES : PAGE_BYTES
    }
  }

  /** One 4 KiB page; a large page over it is split first. The caller flushes the guest's TLB entries. */
  mapPage(gpa: number, spa: number): void {
    // Another frame behind a page is as good as a write to it: it stays dirty even while writes are watched.
    this.#set(this.#pageTable(gpa), index(gpa, 0), spa, PAGE_FLAGS)
  }

  unmapPage(gpa: number): void {
    this.#set(this.#pageTable(gpa), index(gpa, 0), 0, 0)
  }

  /** System physical address behind a guest physical one, undefined where nothing is mapped. */
  translate(gpa: number): number | undefined {
    let table: Table | undefined = this.#root
    for (let level = 3; level >= 0; level--) {
      const at = index(gpa, level) * 8
      const low: number = table.view.getUint32(at, true)
      if ((low & PRESENT) === 0) return undefined
      const base: number = table.view.getUint32(at + 4, true) * 0x100000000 + ((low & 0xfffff000) >>> 0)
      if (level === 0) return base + (gpa % PAGE_BYTES)
      if (level === 1 && (low & LARGE) !== 0) return base + (gpa % LARGE_PAGE_BYTES)
      table = this.#tables.get(base)
      if (!table) return undefined
    }
    return undefined
  }

  // ---- who writes ------------------------------------------------------------------------------------------------

  /** From now on each page has a dirty bit of its own, clear until something writes. The caller flushes the guest's TLB entries. */
  watchWrites(): void {
    for (const { directory, gpa } of this.#directories())
      for (let at = 0; at < ENTRIES; at++)
        if ((directory.view.getUint32(at * 8, true) & LARGE) !== 0) this.#pageTable(gpa + at * LARGE_PAGE_BYTES)
    this.takeWritten(() => undefined)
  }

  /** Tells the numbers of the pages that were written to since the last call, and clears their bits. The caller flushes the guest's TLB entries. */
  takeWritten(visit: (page: number) => void): void {
    for (const { directory, gpa } of this.#directories()) {
      for (let at = 0; at < ENTRIES; at++) {
        const table = this.#child(directory, at)
        if (table) this.#takeFrom(table, (gpa + at * LARGE_PAGE_BYTES) / PAGE_BYTES, visit)
      }
    }
  }

  /** The walker has set bits in memory only; everything else stands in the copy too. */
  #takeFrom(table: Table, firstPage: number, visit: (page: number) => void): void {
    const live = this.#host.read(table.spa, PAGE_BYTES)
    const words = new DataView(live.buffer, live.byteOffset, PAGE_BYTES)
    let changed = false
    for (let i = 0; i < ENTRIES; i++) {
      const low = words.getUint32(i * 8, true)
      if ((low & (PRESENT | DIRTY)) !== (PRESENT | DIRTY)) continue
      visit(firstPage + i)
      table.view.setUint32(i * 8, (table.view.getUint32(i * 8, true) & ~DIRTY) >>> 0, true)
      changed = true
    }
    if (changed) this.#host.write(table.spa, bytesOf(table))
  }

  /** As before `watchWrites`: dirty bits set, large pages where frames lie as a large page needs them. */
  unwatchWrites(): void {
    for (const { directory } of this.#directories()) {
      for (let at = 0; at < ENTRIES; at++) {
        const table = this.#child(directory, at)
        if (table) this.#settle(directory, at, table)
      }
    }
  }

  #settle(directory: Table, at: number, table: Table): void {
    const base = entrySpa(table.view, 0)
    let whole = base % LARGE_PAGE_BYTES === 0
    for (let i = 0; i < ENTRIES; i++) {
      const low = table.view.getUint32(i * 8, true)
      if ((low & PRESENT) !== 0) table.view.setUint32(i * 8, (low | DIRTY) >>> 0, true)
      whole &&= (low & PRESENT) !== 0 && entrySpa(table.view, i) === base + i * PAGE_BYTES
    }
    if (!whole) return this.#host.write(table.spa, bytesOf(table))
    this.#set(directory, at, base, LARGE_FLAGS)
    this.#tables.delete(table.spa)
    this.#memory.free(table.spa, PAGE_BYTES)
  }

  /** The tables whose entries are large pages or lead to page tables, each with the address that its first entry is for. */
  *#directories(): Generator<{ readonly directory: Table; readonly gpa: number }> {
    for (let i = 0; i < ENTRIES; i++) {
      const pointers = this.#child(this.#root, i)
      if (!pointers) continue
      for (let j = 0; j < ENTRIES; j++) {
        const directory = this.#child(pointers, j)
        if (directory) yield { directory, gpa: i * 2 ** 39 + j * 2 ** 30 }
      }
    }
  }

  #child(table: Table, at: number): Table | undefined {
    const low = table.view.getUint32(at * 8, true)
    return (low & PRESENT) === 0 || (low & LARGE) !== 0 ? undefined : this.#tables.get(entrySpa(table.view, at))
  }

  release(): void {
    for (const table of this.#tables.values()) this.#memory.free(table.spa, PAGE_BYTES)
    this.#tables.clear()
  }

  #directory(gpa: number): Table {
    return this.#below(this.#below(this.#root, index(gpa, 3)), index(gpa, 2))
  }

  #pageTable(gpa: number): Table {
    const directory = this.#directory(gpa)
    const at = index(gpa, 1)
    const low = directory.view.getUint32(at * 8, true)
    if ((low & PRESENT) !== 0 && (low & LARGE) !== 0) this.#split(directory, at)
    return this.#below(directory, at)
  }

  #split(directory: Table, at: number): void {
    const base = directory.view.getUint32(at * 8 + 4, true) * 0x100000000 + ((directory.view.getUint32(at * 8, true) & 0xffe00000) >>> 0)
    const table = this.#newTable()
    for (let i = 0; i < ENTRIES; i++) putEntry(table.view, i, base + i * PAGE_BYTES, PAGE_FLAGS)
    this.#host.write(table.spa, bytesOf(table))
    this.#set(directory, at, table.spa, TABLE_FLAGS)
  }

  #below(table: Table, at: number): Table {
    const low = table.view.getUint32(at * 8, true)
    if ((low & PRESENT) !== 0) {
      const spa = table.view.getUint32(at * 8 + 4, true) * 0x100000000 + ((low & 0xfffff000) >>> 0)
      const found = this.#tables.get(spa)
      if (found) return found
    }
    const made = this.#newTable()
    this.#set(table, at, made.spa, TABLE_FLAGS)
    return made
  }

  #set(table: Table, at: number, spa: number, flags: number): void {
    putEntry(table.view, at, spa, flags)
    this.#host.write(table.spa + at * 8, bytesOf(table).slice(at * 8, at * 8 + 8))
  }

  #newTable(): Table {
    const spa = this.#memory.allocate(PAGE_BYTES, PAGE_BYTES, 'nested page tables')
    const table = { spa, view: new DataView(new ArrayBuffer(PAGE_BYTES)) }
    this.#tables.set(spa, table)
    this.#host.write(spa, bytesOf(table))
    return table
  }
}

function index(gpa: number, level: number): number {
  return Math.floor(gpa / 2 ** (12 + 9 * level)) % ENTRIES
}

function putEntry(view: DataView, at: number, spa: number, flags: number): void {
  view.setUint32(at * 8, ((spa >>> 0) | flags) >>> 0, true)
  view.setUint32(at * 8 + 4, Math.floor(spa / 0x100000000), true)
}

function entrySpa(view: DataView, at: number): number {
  return view.getUint32(at * 8 + 4, true) * 0x100000000 + ((view.getUint32(at * 8, true) & 0xfffff000) >>> 0)
}

function bytesOf(table: Table): Uint8Array {
  return new Uint8Array(table.view.buffer)
}
