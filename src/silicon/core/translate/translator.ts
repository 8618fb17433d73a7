/** Has hot code compiled: a region around each block that the kernel offers, and its place in the tables that the kernel enters regions by. */

import { ByteWriter, type FunctionBody } from '../../../lib/wasm-encoder.js'
import * as op from '../ir/ops.js'
import { Adoption } from './adoption.js'
import { UntranslatableError } from './call-code.js'
import { codeAt, type CodePlace, codePlace, frameAt } from './code-pages.js'
import type { CodeConstant } from './guest.js'
import type { KeptCode } from './kept-code.js'
import { keptRegion } from './keeping.js'
import { isEntry, pagesOf, planRegion, type RegionPlan } from './plan.js'
import { RegionCode } from './region-code.js'
import { type Optimiser, type Ripe, Ripening } from './ripening.js'
import * as S from '../state/layout.js'
import { type ModuleInstance, regionEncoder, StandingRegions, type StandingPort } from './standing-regions.js'

/** A block that cannot be translated is not offered again soon. */
const NEVER = 0x7fffffff

/** A block of a planned region is offered again after this part of the executions that made it hot. */
const AGAIN_PART = 1 / 4
/** A region is offered again after this part of the entries that made it one to be replaced, while its successor is being optimised. */
const LOOK_PART = 1 / 64
/** So many offers of planned code are enough to have it, whichever blocks they are of. */
const OFFERS_MAX = 64

/** Executions after which a block is offered that a kept region begins with; and how often again where pages of it are not at hand. */
const ADOPT_AFTER = 100
const LOOKS_MAX = 2

export interface TranslatorPort extends StandingPort {
  readonly bytes: Uint8Array
  /** Executions after which a block is offered. */
  readonly hotAfter: number
  /** Regions that are compiled as one module. */
  readonly batch: number
  /** The engine multiplies and adds with one rounding. */
  readonly fuses: boolean
  /** Code of earlier runs, and for later ones. */
  readonly kept: KeptCode | undefined
  /** Without it wide regions are entered as soon as they are made. */
  readonly optimiser: Optimiser | undefined
  /** The block at (frame, offset) under key and mode, or 0. */
  find(frame: number, offset: number, key: number, mode: number): number
  /** Makes it: see AdoptionPort. */
  make(place: CodePlace, key: number, mode: number): number | undefined
}

export interface TranslatorCounters {
  readonly regions: number
  readonly modules: number
  readonly blocks: number
  readonly bytes: number
  readonly refused: number
  /** Regions, of those above, that took the place of one which was entered very often: of any but the first size. */
  readonly wide: number
  /** Regions that were kept from elsewhere, and not compiled. */
  readonly adopted: number
}

/** A region whose code is written and waits for others to be compiled with. */
export interface PlannedRegion {
  readonly plan: RegionPlan
  /** Place of the first of its constants in those of the module. */
  readonly firstConstant: number
  readonly constants: readonly CodeConstant[]
  /** The bytes of its nodes; undefined where it is not to be kept. */
  readonly code: readonly Uint8Array[] | undefined
  readonly body: FunctionBody
  readonly guard: number
  /** Number of its RegionSize. */
  readonly size: number
  /** Place in the table of the region that it takes over from, as a word; 0: none. That one is offered again while this one waits. */
  readonly takesOver: number
}

/** Addresses of the blocks of `plan`, each once. */
const blocksOf = ({ nodes }: RegionPlan): readonly number[] => [...new Set(nodes.map((node) => node.block.address))]

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
  private readonly encoder = regionEncoder()
  private readonly standing: StandingRegions
  private readonly adoption: Adoption | undefined
  /** Blocks that are offered early, since kept regions may begin with them, and how often they have been. */
  private readonly early = new Map<number, number>()
  /** Regions that wait, for core `plannedFor`, and the blocks that they hold: true where one begins with it. */
  private readonly planned: PlannedRegion[] = []
  private readonly plannedBlocks = new Map<number, boolean>()
  private readonly ripening: Ripening | undefined
  private plannedFor = 0
  private offers = 0
  private readonly writers: ByteWriter[] = []
  private constants = 0

  /** Of one region, whatever its size. */
  private readonly nodesMax: number
  private readonly constantsMax: number

  constructor(private readonly port: TranslatorPort) {
    this.nodesMax = Math.max(...port.sizes.map(({ limits }) => limits.nodes))
    // A frame and the address of its IR for each node.
    this.constantsMax = Math.max(...port.sizes.map(({ limits }) => limits.records)) + 2 * this.nodesMax
    this.standing = new StandingRegions(port)
    if (port.kept) this.adoption = new Adoption(port, port.kept, this.standing)
    if (port.optimiser) this.ripening = new Ripening(port.optimiser)
  }

  get counters(): TranslatorCounters {
    const { regions, modules, blocks, bytes, refused, wide } = this
    return { regions, modules, blocks, bytes, refused, wide, adopted: this.adoption?.adopted ?? 0 }
  }

  /** The code cache has been cleared: no region stands any more. */
  cleared(): void {
    this.forgetPlans()
    this.ripening?.cleared()
    this.early.clear()
    this.adoption?.cleared()
    this.standing.cleared()
  }

  /** A block has been made. One that a kept region begins with is offered after a few executions. */
  blockMade(address: number): void {
    const { kept, words, hotAfter } = this.port
    if (!kept || kept.beginningWith(words[(address + op.BLOCK_HASH) >> 2]! >>> 0).length === 0) return
    this.early.set(address, 0)
    this.postpone(address, Math.min(ADOPT_AFTER, hotAfter))
  }

  /**
   * Plans the region around the hot block at `address`, where core `s` stands, and has it compiled with others in time. False where there is no room for it before the
   * code cache is cleared.
   */
  translate(s: number, address: number): boolean {
    const { words, hotAfter, sizes, batch } = this.port
    const regions = this.planned.length + (this.ripening?.size ?? 0) + 1
    if (!this.standing.hasRoom(regions, this.nodesMax * regions, this.constants + this.constantsMax)) return false
    const takesOver = this.regionAt(address)
    this.installRipe()
    if (this.regionAt(address) !== takesOver) return true
    if (this.ripening?.holds(takesOver)) {
      this.lookAgain(this.ripening, takesOver)
      return true
    }
    if (this.plannedFor !== s) this.compile()
    const again = takesOver !== 0
    if (!again && this.adoption) {
      const done = this.adopt(this.adoption, s, address)
      if (done !== undefined) return done
    }
    if (again && this.planned.some((planned) => planned.takesOver === takesOver)) {
      this.compile()
      return true
    }
    if (again && this.adoption) {
      const done = this.adoptWide(this.adoption, s, address, takesOver)
      if (done !== undefined) return done
    }
    if (!again && this.plannedBlocks.has(address)) {
      this.offeredAgain(address)
      return true
    }
    const port = { words, hotAfter, find: this.port.find, frameAt: (pages: number) => frameAt(words, s, pages) }
    const size = again ? this.standing.sizeOf(takesOver) + 1 : 0
    const plan = planRegion(port, address, sizes[size]!.limits)
    if (size > 1 && blocksOf(plan).length <= this.standing.blocksOf(takesOver)) {
      // All that may be part of it is.
      words[takesOver + 2] = 0
      return true
    }
    if (plan.nodes.length === 0) {
      if (!again) this.postpone(address, NEVER)
      return true
    }
    try {
      this.write(s, plan, size, takesOver)
      if (again) words[takesOver + 2] = Math.ceil(sizes[size - 1]!.entries * AGAIN_PART)
      else this.postpone(address, this.pause)
    } catch (error) {
      if (!(error instanceof UntranslatableError)) throw error
      this.refused++
      if (!again) this.postpone(address, NEVER)
    }
    if (this.planned.length >= batch) this.compile()
    return true
  }

  /** Place in the table of the region that is entered at the block at `address`, as a word, or 0. */
  private regionAt(address: number): number {
    const { words } = this.port
    return isEntry(words, address) ? this.standing.tableEntry(words[(address + op.BLOCK_FIRST_RECORD + 8) >> 2]!) : 0
  }

  /** Undefined: the block is to be made part of a new region. */
  private adopt(adoption: Adoption, s: number, address: number): boolean | undefined {
    const answer = adoption.adopt(s, address, 0)
    if (answer === 'full') return false
    if (answer === 'cleared') return true
    const offers = this.early.get(address)
    if (answer === 'later' && offers !== undefined && offers < LOOKS_MAX) {
      this.early.set(address, offers + 1)
      this.postpone(address, ADOPT_AFTER << (2 * offers + 2))
      return true
    }
    this.early.delete(address)
    if (answer === 'adopted') return true
    if (offers === undefined) return undefined
    this.postpone(address, this.port.hotAfter)
    return true
  }

  /** The same for one in place of the region at `takesOver` of the table. */
  private adoptWide(adoption: Adoption, s: number, address: number, takesOver: number): boolean | undefined {
    const answer = adoption.adopt(s, address, this.standing.sizeOf(takesOver) + 1)
    if (answer === 'full') return false
    if (answer === 'cleared') return true
    if (answer !== 'adopted') return undefined
    this.port.words[takesOver + 2] = 0
    return true
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

  /** Writes the code of `plan`, which waits from now on. */
  private write(s: number, plan: RegionPlan, size: number, takesOver: number): void {
    const writer = (this.writers[this.planned.length] ??= new ByteWriter(1 << 15))
    writer.reset()
    const code = new RegionCode(plan, writer, s, this.port.fuses, this.constants, this.port.words[(s + S.PC + 4) >> 2]! < 0)
    const body = code.build()
    const firstConstant = this.constants
    this.constants += code.constants.length
    this.planned.push({
      plan,
      body,
      guard: code.guard,
      size,
      takesOver,
      firstConstant,
      constants: code.constants,
      code: this.codeOf(s, plan),
    })
    this.plannedFor = s
    if (size > 0) return
    plan.nodes.forEach(({ block: { address } }, n) => this.plannedBlocks.set(address, n === 0 || this.plannedBlocks.get(address) === true))
  }

  /** The bytes of the plan's nodes, where they are to be kept and at hand. */
  private codeOf(s: number, plan: RegionPlan): readonly Uint8Array[] | undefined {
    const { words, bytes, kept } = this.port
    if (!kept) return undefined
    const code: Uint8Array[] = []
    for (const { position, block } of plan.nodes) {
      const place = codePlace(words, s, position, block.length)
      if (!place) return undefined
      code.push(codeAt(bytes, place, block.length).slice())
    }
    return code
  }

  private forgetPlans(): void {
    // What has been taken over, or cannot be, is not offered any more.
    for (const { takesOver } of this.planned)
      if (takesOver !== 0) this.port.words[takesOver + 2] = this.ripening?.holds(takesOver) ? this.untilLook(takesOver) : 0
    this.planned.length = 0
    this.plannedBlocks.clear()
    this.offers = 0
    this.constants = 0
  }

  /** Compiles the regions that wait, but for those that have lost a block meanwhile. */
  private compile(): void {
    const { kept } = this.port
    const { constants } = this
    const standing = this.planned.filter((region) => this.stands(region))
    if (standing.length > 0) {
      const encoded = this.encoder.encode(standing.map((region) => ({ ...region.body, ahead: this.ripens(region) })))
      const bytes = (kept ? encoded.slice() : encoded) as Uint8Array<ArrayBuffer>
      const module = this.moduleOf(bytes, standing)
      const instance = this.standing.instantiate(module, constants)
      standing.forEach((region, n) => {
        if (this.ripens(region)) this.ripening!.add({ region, instance, number: n, core: this.plannedFor })
        else this.install(region, instance, n, this.plannedFor)
      })
      this.standing.changed()
      this.modules++
      this.bytes += bytes.length
      if (kept) this.keep(kept, module, bytes, constants, standing, instance)
    }
    this.forgetPlans()
  }

  /** It takes over when it is optimised, and not at once. */
  private ripens({ takesOver }: PlannedRegion): boolean {
    return this.ripening !== undefined && takesOver !== 0
  }

  private moduleOf(bytes: Uint8Array<ArrayBuffer>, regions: readonly PlannedRegion[]): WebAssembly.Module {
    return regions.some((region) => this.ripens(region)) ? this.port.optimiser!.compile(bytes) : new WebAssembly.Module(bytes)
  }

  /** Entries of the region at `takesOver` until it is looked at again whether what takes its place is ripe. */
  private untilLook(takesOver: number): number {
    return Math.ceil(this.port.sizes[this.standing.sizeOf(takesOver)]!.entries * LOOK_PART)
  }

  private installRipe(): void {
    if (!this.ripening?.size) return
    for (let ripe = this.ripening.take(); ripe; ripe = this.ripening.take()) this.replace(ripe)
  }

  private lookAgain(ripening: Ripening, takesOver: number): void {
    const ripe = ripening.takeFor(takesOver)
    if (ripe) this.replace(ripe)
    else this.port.words[takesOver + 2] = this.untilLook(takesOver)
  }

  private replace({ region, instance, number, core }: Ripe): void {
    this.port.words[region.takesOver + 2] = 0
    if (!this.stands(region)) return
    this.install(region, instance, number, core)
    this.standing.changed()
  }

  /** It has lost no block. */
  private stands({ plan }: PlannedRegion): boolean {
    return plan.nodes.every(({ block }) => this.port.words[(block.address + op.BLOCK_VALID) >> 2] !== 0)
  }

  private install({ plan, guard, size, constants, firstConstant }: PlannedRegion, instance: ModuleInstance, n: number, core: number): void {
    const { words } = this.port
    const frames = new Map(plan.nodes.flatMap((node) => pagesOf(node).map((page, n) => [page, n === 0 ? node.frame : node.block.frame2])))
    constants.forEach((constant, place) => {
      const { kind, block, offset } = constant
      const value = kind === 'frame' ? frames.get(offset)! : kind === 'record' ? block + offset : constant.value
      words[(instance.constants >> 2) + firstConstant + place] = value
    })
    this.standing.install({
      code: instance.exports[`f${n}`],
      guard,
      size,
      core,
      blocks: blocksOf(plan),
      entries: plan.entries.map((node) => plan.nodes[node]!.block.address),
    })
    this.regions++
    if (size > 0) this.wide++
    this.blocks += plan.nodes.length
  }

  private keep(
    kept: KeptCode,
    module: WebAssembly.Module,
    bytes: Uint8Array,
    constants: number,
    planned: readonly PlannedRegion[],
    instance: ModuleInstance,
  ): void {
    const { words } = this.port
    const regions = planned.flatMap((one, number) => {
      const region = keptRegion(words, one, number, this.plannedFor)
      return region ? [{ region, code: instance.exports[`f${number}`] }] : []
    })
    kept.addFresh({ module, bytes, constants, regions })
  }
}
