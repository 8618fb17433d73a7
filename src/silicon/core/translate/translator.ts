/** Has hot code compiled: a region around each block that the kernel offers, and its place in the tables that the kernel enters regions by. */

import { ByteWriter, type FunctionBody, ModuleEncoder } from '../../../lib/wasm-encoder.js'
import { CODE_CACHE_WORDS, DRAM_BASE, FRAME_BYTES, MEMBERS_END, MEMBERS_TABLE, NOTES_TABLE, REGION_TABLE } from '../../fabric-layout.js'
import * as op from '../ir/ops.js'
import { MEMBER_BYTES, NOTES_BYTES, NOTES_MAX, REGIONS_MAX, REGION_ENTRY_BYTES } from '../ir/region-tables.js'
import * as S from '../state/layout.js'
import { accessFunction, pageFunction } from './own-functions.js'
import { UntranslatableError } from './call-code.js'
import { kernelFunctions, kernelFunctionTable, regionType } from './kernel-functions.js'
import { isEntry, type PlanLimits, planRegion, type RegionPlan } from './plan.js'
import { RegionCode } from './region-code.js'

/** Modules that import one table of the kernel's functions. */
const IMPORTS_OF_TABLE = 128

/** What is below DRAM is in every chip's memory: V8 needs no guard for an access to a constant address there. */
const WASM_PAGE_BYTES = 0x10000

/** A block that cannot be translated is not offered again soon. */
const NEVER = 0x7fffffff

/** A block of a planned region is offered again after this part of the executions that made it hot. */
const AGAIN_PART = 1 / 4
/** So many offers of planned code are enough to have it, whichever blocks they are of. */
const OFFERS_MAX = 64

export interface TranslatorPort {
  readonly words: Int32Array
  readonly memory: WebAssembly.Memory
  /** The core kernel's function table. */
  readonly table: WebAssembly.Table
  /** Exports of the core kernel, which regions call. */
  readonly kernel: Readonly<Record<string, unknown>>
  /** Executions after which a block is offered. */
  readonly hotAfter: number
  /** Entries after which a region is offered again. */
  readonly widenAfter: number
  /** Number that no region may have any more. */
  readonly regionsMax: number
  /** What a region may hold, and one that takes the place of another. */
  readonly limits: PlanLimits
  readonly wideLimits: PlanLimits
  /** Regions that are compiled as one module. */
  readonly batch: number
  /** The engine multiplies and adds with one rounding. */
  readonly fuses: boolean
  /** What is entered in place of a region's code, which must be entered with a budget of `guard` at least. */
  readonly around: (region: unknown, guard: number) => unknown
  /** The block at (frame, offset) under key and mode, or 0. */
  find(frame: number, offset: number, key: number, mode: number): number
}

export interface TranslatorCounters {
  readonly regions: number
  readonly modules: number
  readonly blocks: number
  readonly bytes: number
  readonly refused: number
  /** Regions, of those above, that took the place of one which was entered very often. */
  readonly wide: number
}

/** A region whose code is written and waits for others to be compiled with. */
interface PlannedRegion {
  readonly plan: RegionPlan
  readonly body: FunctionBody
  readonly guard: number
  /** Entries after which it is offered again; 0: never. */
  readonly entries: number
  /** Place in the table of the region that it takes over from, as a word; 0: none. That one is offered again while this one waits. */
  readonly takesOver: number
}

/**
 * Regions become hot in company, and V8 gives each module a place of its own anywhere in 64 TiB: code in modules of one region costs the host's TLB for instructions
 * a walk through all levels for every change of region, and each module costs a quarter of a millisecond. So a region waits until there are some to be compiled together, or until
 * its code is offered again.
 */
export class Translator {
  private regions = 0
  private blocks = 0
  private bytes = 0
  private refused = 0
  private wide = 0
  private modules = 0
  private readonly encoder = new ModuleEncoder(
    kernelFunctions.map(({ type }) => type),
    regionType,
    [accessFunction(), pageFunction()],
    DRAM_BASE / WASM_PAGE_BYTES,
  )
  /** Regions that wait, for core `plannedFor`, and the blocks that they hold: true where one begins with it. */
  private readonly planned: PlannedRegion[] = []
  private readonly plannedBlocks = new Map<number, boolean>()
  private plannedFor = 0
  private offers = 0
  private readonly writers: ByteWriter[] = []
  /** Number of the next region; 0 is none. */
  private next = 1
  private nextMember = MEMBERS_TABLE
  /** The table that modules import the kernel's functions by, and how many more shall import it. */
  private functions: WebAssembly.Table | undefined
  private importsLeft = 0
  /** Places in the kernel's table that are ours, and how many of them are in use. */
  private readonly places: number[] = []
  private placesUsed = 0

  constructor(private readonly port: TranslatorPort) {}

  get counters(): TranslatorCounters {
    const { regions, modules, blocks, bytes, refused, wide } = this
    return { regions, modules, blocks, bytes, refused, wide }
  }

  /** The code cache has been cleared: no region stands any more. */
  cleared(): void {
    this.forgetPlans()
    this.next = 1
    this.nextMember = MEMBERS_TABLE
    // Their code can be collected.
    for (const place of this.places) this.port.table.set(place, null)
    this.placesUsed = 0
    this.functions = undefined
    this.port.words.fill(0, NOTES_TABLE >> 2, (NOTES_TABLE + NOTES_MAX * NOTES_BYTES) >> 2)
    this.port.words.fill(0, REGION_TABLE >> 2, (REGION_TABLE >> 2) + (REGIONS_MAX * REGION_ENTRY_BYTES) / 4)
  }

  /**
   * Plans the region around the hot block at `address`, where core `s` stands, and has it compiled with others in time. False where there is no room for it before the
   * code cache is cleared.
   */
  translate(s: number, address: number): boolean {
    const { words, hotAfter, limits, wideLimits, batch, widenAfter } = this.port
    const nodesMax = Math.max(limits.nodes, wideLimits.nodes) * (this.planned.length + 1)
    if (this.next + this.planned.length >= this.port.regionsMax || this.nextMember + nodesMax * MEMBER_BYTES > MEMBERS_END) return false
    if (this.plannedFor !== s) this.compile()
    const again = isEntry(words, address)
    const takesOver = again ? this.tableEntry(words[(address + op.BLOCK_FIRST_RECORD + 8) >> 2]!) : 0
    if (again && this.planned.some((planned) => planned.takesOver === takesOver)) {
      this.compile()
      return true
    }
    if (!again && this.plannedBlocks.has(address)) {
      this.offeredAgain(address)
      return true
    }
    const port = { words, hotAfter, find: this.port.find, frameAt: (pages: number) => this.frameAt(s, pages) }
    const plan = planRegion(port, address, again ? wideLimits : limits)
    if (plan.nodes.length === 0) {
      if (!again) this.postpone(address, NEVER)
      return true
    }
    try {
      this.write(s, plan, again ? 0 : widenAfter, takesOver)
      if (again) words[takesOver + 2] = Math.ceil(widenAfter * AGAIN_PART)
      else this.postpone(address, this.pause)
    } catch (error) {
      if (!(error instanceof UntranslatableError)) throw error
      this.refused++
      if (!again) this.postpone(address, NEVER)
    }
    if (this.planned.length >= batch) this.compile()
    return true
  }

  /** Place of `region` in the table of regions, as a word. */
  private tableEntry(region: number): number {
    return (REGION_TABLE + region * REGION_ENTRY_BYTES) >> 2
  }

  /** Executions until a block of a planned region is offered again. */
  private get pause(): number {
    return Math.ceil(this.port.hotAfter * AGAIN_PART)
  }

  /** A block of a planned region is still interpreted, and hot: where a region begins with it, or such offers have been many, none waits any longer. */
  private offeredAgain(address: number): void {
    this.offers++
    this.postpone(address, this.pause)
    if (this.plannedBlocks.get(address) || this.offers >= OFFERS_MAX) this.compile()
  }

  private postpone(address: number, count: number): void {
    this.port.words[(address + op.BLOCK_FIRST_RECORD + 8) >> 2] = count
  }

  /** Frame of the page `pages` away from that of core `s`'s RIP, where its TLB for instructions has it; else -1. */
  private frameAt(s: number, pages: number): number {
    const { words } = this.port
    const word = (offset: number): number => words[(s + offset) >> 2]! >>> 0
    const low = word(S.PC) + pages * FRAME_BYTES
    const page = (low & -FRAME_BYTES) >>> 0
    const high = (word(S.PC + 4) + Math.floor(low / 0x100000000)) >>> 0
    const salt = high >>> 31 !== 0 ? 0 : word(S.SPACE) * S.SPACE_SPREAD
    const entry = S.TLB_EXEC + (((page >>> 12) ^ salt) & (S.TLB_EXEC_ENTRIES - 1)) * 16
    const tag = word(entry)
    const mapped = tag === (page | word(S.CTX)) >>> 0 || tag === (page | word(S.GLOBAL_SPACE) | (word(S.CTX) & 1)) >>> 0
    if (!mapped || word(entry + 4) !== high) return -1
    return word(entry + 12)
  }

  /** Writes the code of `plan`, which waits from now on. */
  private write(s: number, plan: RegionPlan, entries: number, takesOver: number): void {
    const writer = (this.writers[this.planned.length] ??= new ByteWriter(1 << 15))
    writer.reset()
    const code = new RegionCode(plan, writer, s, this.port.fuses)
    this.planned.push({ plan, body: code.build(), guard: code.guard, entries, takesOver })
    this.plannedFor = s
    if (entries === 0) return
    plan.nodes.forEach(({ block: { address } }, n) => this.plannedBlocks.set(address, n === 0 || this.plannedBlocks.get(address) === true))
  }

  private forgetPlans(): void {
    // What has been taken over, or cannot be, is not offered any more.
    for (const { takesOver } of this.planned) if (takesOver !== 0) this.port.words[takesOver + 2] = 0
    this.planned.length = 0
    this.plannedBlocks.clear()
    this.offers = 0
  }

  /** Compiles the regions that wait, but for those that have lost a block meanwhile. */
  private compile(): void {
    const { words, memory } = this.port
    const standing = this.planned.filter(({ plan }) => plan.nodes.every(({ block }) => words[(block.address + op.BLOCK_VALID) >> 2] !== 0))
    if (standing.length > 0) {
      const bytes = this.encoder.encode(standing.map(({ body }) => body))
      const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), {
        env: { memory, functions: this.importedTable() },
      })
      standing.forEach((region, n) => this.install(region, instance.exports[`f${n}`]))
      words[(CODE_CACHE_WORDS + op.CODE_GENERATION) >> 2]!++
      this.modules++
      this.bytes += bytes.length
    }
    this.forgetPlans()
  }

  private install({ plan, guard, entries }: PlannedRegion, code: unknown): void {
    const { words } = this.port
    const index = this.place(this.port.around(code, guard))
    const region = this.next++
    const entry = this.tableEntry(region)
    words[entry] = index
    words[entry + 1] = guard
    words[entry + 2] = entries
    words[entry + 3] = this.plannedFor
    for (const address of new Set(plan.nodes.map((node) => node.block.address))) this.join(address, region, entries === 0)
    plan.entries.forEach((node, n) => {
      const record = (plan.nodes[node]!.block.address + op.BLOCK_FIRST_RECORD) >> 2
      words[record] = (words[record]! & ~0xffff) | op.OP_REGION
      words[record + 2] = region
      words[record + 3] = n
    })
    this.regions++
    if (entries === 0) this.wide++
    this.blocks += plan.nodes.length
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
