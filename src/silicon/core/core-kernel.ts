/** The core's WebAssembly kernel over the chip's linear memory, and the making of code blocks. One instance serves all cores of a chip. */

import { assert } from '../../lib/assert.js'
import type { FabricKernel } from '../fabric.js'
import { CODE_ARENA_BASE, CODE_CACHE_WORDS, FRAME_BYTES } from '../fabric-layout.js'
import type { OpcodeTable } from './decode/table.js'
import { BlockLowering, type LoweredBlock } from './ir/lower.js'
import * as op from './ir/ops.js'
import { REGIONS_MAX, REGIONS_OF_MODULE, WIDEN_AGAIN, WIDEN_THRESHOLD } from './ir/region-tables.js'
import * as S from './state/layout.js'
import { fusesMultiplyAdd } from './translate/fused-multiply-add.js'
import type { CodePlace } from './translate/code-pages.js'
import { blockHash, type KeptCode } from './translate/kept-code.js'
import { type PlanLimits, regionLimits, type RegionSize, widestLimits, wideLimits } from './translate/plan.js'
import type { Optimiser } from './translate/ripening.js'
import { Translator, type TranslatorCounters } from './translate/translator.js'

/** What the core asks of the platform around it. */
export interface CorePlatform {
  /** 32 random bits for RDRAND and RDSEED. */
  entropy32(): number
  /** Ticks of the time stamp counter's oscillator since an arbitrary start (real time only). */
  tscHost(): number
  /** Milliseconds of real time, for counters that nothing in the machine sees; without it they stay zero. */
  stopwatch?(): number
}

interface KernelExports {
  code_cache_reset(cores: number): void
  code_insert(block: number): void
  code_reserve(bytes: number): number
  code_clear(): void
  fetch_next_page(s: number): number
  run(s: number): number
  core_reset(s: number, index: number): void
  vmrun_enter(s: number, lo: number, hi: number): number
  physical_interrupt(s: number): number
  vmload(s: number, lo: number, hi: number): number
  vmsave(s: number, lo: number, hi: number): number
  set_gif(s: number, gif: number): void
  invlpga(s: number, lo: number, hi: number, asid: number): void
  host_tsc(s: number): number
  read_msr(s: number, msr: number): number
  write_msr(s: number, msr: number, lo: number, hi: number): number
  read_cpuid(s: number, leaf: number, subleaf: number): void
  save_extended(s: number, lo: number, hi: number): number
  restore_extended(s: number, lo: number, hi: number): number
  write_xcr0(s: number, lo: number, hi: number): number
  update_mode(s: number): void
  fabric_sync(s: number): void
  code_find(frame: number, offset: number, key: number, mode: number): number
  readonly table: WebAssembly.Table
}

const FETCH_AHEAD = 16

export interface CodeCounters {
  /** Blocks lowered since the start, the instructions in them, and the time that took. */
  readonly blocks: number
  readonly instructions: number
  readonly loweringMs: number
  readonly translated: TranslatorCounters | undefined
  /** Instructions that translated code has run. */
  readonly instructionsTranslated: number
  /** Times that translated code was entered. */
  readonly entries: number
  /** Time in the translator and in V8 behind it, on the core's path. */
  readonly translatingMs: number
  /** Blocks whose code changed under them, times the whole cache was cleared, bytes of its arena in use. */
  readonly blocksDropped: number
  readonly clears: number
  readonly arenaBytes: number
}

/** How hot code is translated; what is not given is as on a chip. */
export interface TranslationLimits {
  /** Executions of a block. */
  readonly hotAfter?: number
  /** Entries of a region after which it becomes part of a larger one; four times as many of that make it part of the largest kind. */
  readonly widenAfter?: number
  /** Regions, one more than there may be, before all code is forgotten. */
  readonly regionsMax?: number
  /** What a region may hold, and one that takes the place of another. */
  readonly limits?: PlanLimits
  readonly wideLimits?: PlanLimits
  /** Regions that are compiled as one module. */
  readonly batch?: number
  /** Whether f64x2.relaxed_madd is there and rounds once. Else the kernel computes what VFMADD and its kin do. */
  readonly fuses?: boolean
  /** Code of earlier runs, and for later ones. */
  readonly kept?: KeptCode
  /** Has the engine optimise wide regions before they are entered. */
  readonly optimiser?: Optimiser
  /** For whoever looks at a core between regions: what is entered in place of a region's code, which must be entered with a budget of `guard` at least. */
  around?(region: unknown, guard: number): unknown
}

function regionSizes({ widenAfter = WIDEN_THRESHOLD, limits, wideLimits: wider }: TranslationLimits): readonly RegionSize[] {
  return [
    { limits: limits ?? regionLimits, entries: widenAfter },
    { limits: wider ?? wideLimits, entries: widenAfter * WIDEN_AGAIN },
    { limits: wider ?? widestLimits, entries: 0 },
  ]
}

export class CoreKernel {
  readonly exports: KernelExports
  readonly view: DataView
  private readonly bytes: Uint8Array
  private readonly words: Int32Array
  private readonly lowering: BlockLowering
  private readonly crossing = new Uint8Array(2 * FETCH_AHEAD)
  private readonly translator: Translator | undefined
  /** Blocks have hashes, by which kept code is found. */
  private readonly keeps: boolean
  private clears = 0
  private blocks = 0
  private instructions = 0
  private loweringMs = 0
  private translatingMs = 0
  private readonly stopwatch: () => number

  /** `translation`: hot code is translated; without it all is interpreted. */
  constructor(
    wasm: Uint8Array,
    memory: WebAssembly.Memory,
    fabric: FabricKernel,
    platform: CorePlatform,
    table: OpcodeTable,
    translation?: TranslationLimits,
  ) {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
      env: { memory },
      fabric: { frame: fabric.frame, frame_to_fill: fabric.frame_to_fill },
      platform: { entropy32: () => platform.entropy32(), tsc_host: () => platform.tscHost() },
    })
    this.exports = instance.exports as unknown as KernelExports
    assert(typeof this.exports.run === 'function', 'the core kernel exports run')
    this.stopwatch = () => platform.stopwatch?.() ?? 0
    this.view = new DataView(memory.buffer)
    this.bytes = new Uint8Array(memory.buffer)
    this.words = new Int32Array(memory.buffer)
    const { hotAfter = op.PROFILE_THRESHOLD } = translation ?? {}
    this.lowering = new BlockLowering(table, translation ? hotAfter : 0)
    this.keeps = translation?.kept !== undefined
    if (translation) {
      this.translator = new Translator({
        words: this.words,
        memory,
        table: this.exports.table,
        kernel: instance.exports,
        hotAfter,
        regionsMax: translation.regionsMax ?? REGIONS_MAX,
        sizes: regionSizes(translation),
        batch: translation.batch ?? REGIONS_OF_MODULE,
        fuses: translation.fuses ?? fusesMultiplyAdd(),
        around: (region, guard) => translation.around?.(region, guard) ?? region,
        bytes: this.bytes,
        kept: translation.kept,
        optimiser: translation.optimiser,
        find: (frame, offset, key, mode) => this.exports.code_find(frame, offset, key, mode),
        make: (place, key, mode) => this.makeAt(place, key, mode),
      })
    }
  }

  get counters(): CodeCounters {
    const { blocks, instructions, loweringMs, translatingMs, clears } = this
    const word = (offset: number): number => this.word(CODE_CACHE_WORDS + offset)
    return {
      ...{ blocks, instructions, loweringMs, translatingMs, clears },
      translated: this.translator?.counters,
      // Those that count are noted as what they stand for.
      entries: word(op.CODE_ENTRIES) + word(op.CODE_ENTRIES + 4) * 0x100000000 - word(op.CODE_UNCOUNTED),
      instructionsTranslated: word(op.CODE_TRANSLATED) + word(op.CODE_TRANSLATED + 4) * 0x100000000,
      blocksDropped: word(op.CODE_BLOCKS_DROPPED),
      arenaBytes: word(op.CODE_ARENA_POINTER) - CODE_ARENA_BASE,
    }
  }

  /** Runs core `s` until something other than missing code stops it. Returns EXIT_*. */
  run(s: number): number {
    for (;;) {
      const reason = this.exports.run(s)
      if (reason !== S.EXIT_CODE && reason !== S.EXIT_HOT) return reason
      const started = this.stopwatch()
      if (reason === S.EXIT_CODE) {
        this.makeBlock(s)
        this.loweringMs += this.stopwatch() - started
      } else {
        this.translateAt(s, this.word(s + S.EXIT_INFO))
        this.translatingMs += this.stopwatch() - started
      }
    }
  }

  /** Translates the region of a hot block. Where there is no room for more regions all code is forgotten: much of what fills the tables has been dropped. */
  private translateAt(s: number, block: number): void {
    this.noteClears()
    if (this.translator?.translate(s, block) !== false) return
    this.exports.code_clear()
    this.noteClears()
  }

  private noteClears(): void {
    const clears = this.word(CODE_CACHE_WORDS + op.CODE_CLEARS)
    if (clears === this.clears) return
    this.clears = clears
    this.translator?.cleared()
  }

  private word(address: number): number {
    return this.words[address >> 2]! >>> 0
  }

  /** Decodes, lowers and enters the block at the present PC (EXIT_CODE). Leaves a fault pending where its second page cannot be fetched. */
  private makeBlock(s: number): void {
    const at = this.word(s + S.EXIT_INFO)
    const frame = this.word(s + S.EXIT_INFO2)
    const mode = this.word(s + S.CODE_MODE)
    const end = at - (at % FRAME_BYTES) + FRAME_BYTES
    const block = this.lowering.lower(this.bytes, at, end, mode)
    if (block) {
      const address = this.insert(block, at, frame, op.BLOCK_NO_FRAME, this.word(s + S.CODE_KEY), mode)
      this.translator?.blockMade(address)
      return
    }
    const next = this.exports.fetch_next_page(s) >>> 0
    if (next === 0) return
    this.insert(this.lowerCrossing(at, next, mode), at, frame, this.word(s + S.LAST_FRAME), this.word(s + S.CODE_KEY), mode)
  }

  /** The block of the one instruction that stands at `at` and goes on at `next`, the start of a page. */
  private lowerCrossing(at: number, next: number, mode: number): LoweredBlock {
    const first = FRAME_BYTES - (at % FRAME_BYTES)
    this.crossing.fill(0)
    this.crossing.set(this.bytes.subarray(at, at + first))
    this.crossing.set(this.bytes.subarray(next, next + FETCH_AHEAD), first)
    const block = this.lowering.lower(this.crossing, 0, first + FETCH_AHEAD, mode, true)
    assert(block, 'an instruction has at most 15 bytes')
    return block
  }

  /** Makes a block for the translator (AdoptionPort). */
  private makeAt({ at, frame, second }: CodePlace, key: number, mode: number): number | undefined {
    const end = at - (at % FRAME_BYTES) + FRAME_BYTES
    const block = second ? this.lowerCrossing(at, second.at, mode) : this.lowering.lower(this.bytes, at, end, mode)
    if (!block) return 0
    const { clears } = this
    const address = this.insert(block, at, frame, second?.frame ?? op.BLOCK_NO_FRAME, key, mode)
    return clears === this.clears ? address : undefined
  }

  /** Returns its address. */
  private insert(block: LoweredBlock, at: number, frame: number, frame2: number, key: number, mode: number): number {
    const { emitter } = block
    const bytes = op.BLOCK_HEADER_BYTES + emitter.count * 16
    const address = this.exports.code_reserve(bytes) >>> 0
    this.noteClears()
    const { words } = this
    const header = address >> 2
    // Word by word: there are few, and a boot enters a hundred thousand blocks.
    for (let n = 0; n < op.BLOCK_HEADER_BYTES / 4; n++) words[header + n] = 0
    words[header + op.BLOCK_COUNT / 4] = block.instructions
    words[header + op.BLOCK_FRAME / 4] = frame
    words[header + op.BLOCK_OFFSET / 4] = at % FRAME_BYTES
    words[header + op.BLOCK_LENGTH / 4] = block.length
    words[header + op.BLOCK_MODE / 4] = mode
    words[header + op.BLOCK_KEY / 4] = key
    words[header + op.BLOCK_FRAME2 / 4] = frame2
    words[header + op.BLOCK_END / 4] = address + bytes
    if (this.keeps) words[header + op.BLOCK_HASH / 4] = blockHash(emitter.words, 0, emitter.count, at % FRAME_BYTES, mode)
    const records = (address + op.BLOCK_FIRST_RECORD) >> 2
    for (let n = 0; n < emitter.count * 4; n++) words[records + n] = emitter.words[n]!
    this.exports.code_insert(address)
    this.blocks++
    this.instructions += block.instructions
    return address
  }
}
