/** The regions that the kernel may enter, in the tables that it finds them by. */

import {
  CODE_CACHE_WORDS,
  CONSTANTS_END,
  CONSTANTS_TABLE,
  DRAM_BASE,
  MEMBERS_END,
  MEMBERS_TABLE,
  NOTES_TABLE,
  REGION_TABLE,
} from '../../fabric-layout.js'
import * as op from '../ir/ops.js'
import { MEMBER_BYTES, NOTES_BYTES, NOTES_MAX, REGIONS_MAX, REGION_ENTRY_BYTES } from '../ir/region-tables.js'
import { kernelFunctions, kernelFunctionTable, regionType } from './kernel-functions.js'
import { ModuleEncoder } from '../../../lib/wasm-encoder.js'
import { pageFunction, placeFunction } from './own-functions.js'
import type { RegionSize } from './plan.js'

/** Modules that import one table of the kernel's functions. */
const IMPORTS_OF_TABLE = 128

/** What is below DRAM is in every chip's memory: V8 needs no guard for an access to a constant address there. */
const WASM_PAGE_BYTES = 0x10000

/** Encodes modules of regions: what `instantiate` gives them is what they import. */
export const regionEncoder = (): ModuleEncoder =>
  new ModuleEncoder(
    kernelFunctions.map(({ type }) => type),
    regionType,
    [pageFunction(), placeFunction()],
    DRAM_BASE / WASM_PAGE_BYTES,
    ['constants'],
  )

export interface StandingPort {
  readonly words: Int32Array
  readonly memory: WebAssembly.Memory
  /** The core kernel's function table. */
  readonly table: WebAssembly.Table
  /** Exports of the core kernel, which regions call. */
  readonly kernel: Readonly<Record<string, unknown>>
  readonly sizes: readonly RegionSize[]
  /** Number that no region may have any more. */
  readonly regionsMax: number
  /** What is entered in place of a region's code, which must be entered with a budget of `guard` at least. */
  readonly around: (region: unknown, guard: number) => unknown
}

export interface NewRegion {
  readonly code: unknown
  /** Instructions that one pass may take. */
  readonly guard: number
  /** Number of its RegionSize. */
  readonly size: number
  /** The core whose state area is a constant of the code. */
  readonly core: number
  /** Addresses of the blocks that it holds, each once. */
  readonly blocks: readonly number[]
  /** Of those where it may be entered, by the number that says so. */
  readonly entries: readonly number[]
}

/** A module of regions for one chip. */
export interface ModuleInstance {
  readonly exports: Readonly<Record<string, unknown>>
  /** Address of what its code reads by `env.constants`. */
  readonly constants: number
}

export class StandingRegions {
  /** Number of the next region; 0 is none. */
  private next = 1
  private nextMember = MEMBERS_TABLE
  private nextConstant = CONSTANTS_TABLE
  /** The table that modules import the kernel's functions by, and how many more shall import it. */
  private functions: WebAssembly.Table | undefined
  private importsLeft = 0
  /** Places in the kernel's table that are ours, and how many of them are in use. */
  private readonly places: number[] = []
  private placesUsed = 0

  /** By number of the region. */
  private readonly sizes: number[] = []
  private readonly blocks: number[] = []

  constructor(private readonly port: StandingPort) {}

  /** Whether so much more can stand before the code cache is cleared. */
  hasRoom(regions: number, blocks: number, constants: number): boolean {
    return (
      this.next + regions <= this.port.regionsMax &&
      this.nextMember + blocks * MEMBER_BYTES <= MEMBERS_END &&
      this.nextConstant + constants * 4 <= CONSTANTS_END
    )
  }

  /** The code cache has been cleared: no region stands any more. */
  cleared(): void {
    const { words, table } = this.port
    this.next = 1
    this.nextMember = MEMBERS_TABLE
    this.nextConstant = CONSTANTS_TABLE
    // Their code can be collected.
    for (const place of this.places) table.set(place, null)
    this.placesUsed = 0
    this.functions = undefined
    words.fill(0, NOTES_TABLE >> 2, (NOTES_TABLE + NOTES_MAX * NOTES_BYTES) >> 2)
    words.fill(0, REGION_TABLE >> 2, (REGION_TABLE >> 2) + (REGIONS_MAX * REGION_ENTRY_BYTES) / 4)
  }

  /** Place of `region` in the table of regions, as a word. */
  tableEntry(region: number): number {
    return (REGION_TABLE + region * REGION_ENTRY_BYTES) >> 2
  }

  /** Size of the region at word `tableEntry` of the table. */
  sizeOf(tableEntry: number): number {
    return this.sizes[this.numberOf(tableEntry)]!
  }

  /** How many blocks it holds. */
  blocksOf(tableEntry: number): number {
    return this.blocks[this.numberOf(tableEntry)]!
  }

  private numberOf(tableEntry: number): number {
    return (tableEntry * 4 - REGION_TABLE) / REGION_ENTRY_BYTES
  }

  /** `constants`: words that its code reads; they are the caller's to fill. */
  instantiate(module: WebAssembly.Module, constants: number): ModuleInstance {
    const address = this.nextConstant
    this.nextConstant += constants * 4
    const { exports } = new WebAssembly.Instance(module, {
      env: { memory: this.port.memory, functions: this.importedTable(), constants: address },
    })
    return { exports, constants: address }
  }

  /** Returns the region's number. */
  install({ code, guard, size, core, blocks, entries }: NewRegion): number {
    const { words } = this.port
    const index = this.place(this.port.around(code, guard))
    const region = this.next++
    const entry = this.tableEntry(region)
    words[entry] = index
    words[entry + 1] = guard
    words[entry + 2] = this.port.sizes[size]!.entries
    words[entry + 3] = core
    this.sizes[region] = size
    this.blocks[region] = blocks.length
    for (const address of blocks) this.join(address, region, size > 0)
    entries.forEach((address, n) => {
      const record = (address + op.BLOCK_FIRST_RECORD) >> 2
      words[record] = (words[record]! & ~0xffff) | op.OP_REGION
      words[record + 2] = region
      words[record + 3] = n
    })
    return region
  }

  /** What the jump cache says of regions has become old. */
  changed(): void {
    this.port.words[(CODE_CACHE_WORDS + op.CODE_GENERATION) >> 2]!++
  }

  /**
   * V8 has each table remember all instances that import it: none of them is collected before the table is, and each import copies the list. So a table serves some of
   * them only, and none outlives the code cache.
   */
  private importedTable(): WebAssembly.Table {
    if (!this.functions || this.importsLeft === 0) {
      this.functions = kernelFunctionTable(this.port.kernel)
      this.importsLeft = IMPORTS_OF_TABLE
    }
    this.importsLeft--
    return this.functions
  }

  /** Puts `region` into the kernel's function table. */
  private place(region: unknown): number {
    const { table } = this.port
    const place = this.places[this.placesUsed] ?? table.grow(1)
    this.places[this.placesUsed++] = place
    table.set(place, region)
    return place
  }

  /** Notes in the block at `address` that dropping it ends `region`. */
  private join(address: number, region: number, wide: boolean): void {
    const { words } = this.port
    const member = this.nextMember
    this.nextMember += MEMBER_BYTES
    words[member >> 2] = region
    words[(member >> 2) + 1] = words[(address + op.BLOCK_REGIONS) >> 2]!
    words[(address + op.BLOCK_REGIONS) >> 2] = member
    if (!wide) words[(address + op.BLOCK_REGION_COUNT) >> 2]!++
  }
}
