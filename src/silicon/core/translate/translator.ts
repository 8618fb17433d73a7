/**
 * Chooses regions and has them compiled. A region grows from a block that has become hot over blocks of the same page that are reached from it by direct
 * jumps and that have been executed before. Only blocks of 64-bit mode are offered (ir/lower.ts).
 */

import { encodeModule } from '../../../lib/wasm-encoder.js'
import { FRAME_BYTES, REGION_TABLE } from '../../fabric-layout.js'
import * as op from '../ir/ops.js'
import { UntranslatableError } from './call-code.js'
import { kernelFunctions, regionType } from './kernel-functions.js'
import { type IrBlock, readBlock } from './record.js'
import { RegionCode } from './region-code.js'

/** Blocks and records of one region: V8's compile time grows faster than the code beyond this. */
const BLOCKS_MAX = 64
const RECORDS_MAX = 1200
/** A whole block more than the interpreter's own limit. */
const BUDGET_MARGIN = 64
/** A neighbour joins the region of a hot block when no more than this part of its count is left. */
const WARM_LEFT = 15 / 16
/** A block that cannot be translated is not offered again soon. */
const NEVER = 0x7fffffff

export interface TranslatorPort {
  readonly words: Int32Array
  readonly memory: WebAssembly.Memory
  /** The core kernel's function table. */
  readonly table: WebAssembly.Table
  /** Exports of the core kernel, imported by regions as module `k`. */
  readonly kernel: Readonly<Record<string, unknown>>
  /** Executions after which a block is offered. */
  readonly hotAfter: number
  /** The block at (frame, offset) under key and mode, or 0. */
  find(frame: number, offset: number, key: number, mode: number): number
}

export interface TranslatorCounters {
  readonly regions: number
  readonly blocks: number
  readonly bytes: number
  readonly refused: number
}

export class Translator {
  private regions = 0
  private blocks = 0
  private bytes = 0
  private refused = 0
  /** Number of the next region; 0 is none. */
  private next = 1

  constructor(private readonly port: TranslatorPort) {}

  get counters(): TranslatorCounters {
    return { regions: this.regions, blocks: this.blocks, bytes: this.bytes, refused: this.refused }
  }

  /** The code cache has been cleared: no region stands any more. */
  cleared(): void {
    this.next = 1
    this.port.words.fill(0, REGION_TABLE >> 2, (REGION_TABLE >> 2) + (op.REGIONS_MAX * op.REGION_ENTRY_BYTES) / 4)
  }

  /** Translates the region around the hot block at `address`. */
  translate(address: number): void {
    if (this.next >= op.REGIONS_MAX) {
      this.postpone(address, NEVER)
      return
    }
    const blocks = this.grow(address)
    try {
      this.install(blocks)
    } catch (error) {
      if (!(error instanceof UntranslatableError)) throw error
      this.refused++
      for (const block of blocks) if (block.address === address || blocks.length === 1) this.postpone(block.address, NEVER)
    }
  }

  private header(address: number, field: number): number {
    return this.port.words[(address + field) >> 2]!
  }

  private postpone(address: number, count: number): void {
    this.port.words[(address + op.BLOCK_FIRST_RECORD + 8) >> 2] = count
  }

  /** Blocks reachable from `address` within its page, in order of offset. */
  private grow(address: number): IrBlock[] {
    const frame = this.header(address, op.BLOCK_FRAME) >>> 0
    const key = this.header(address, op.BLOCK_KEY)
    const mode = this.header(address, op.BLOCK_MODE)
    const taken = new Map<number, IrBlock>()
    const open = [address]
    let records = 0
    while (open.length > 0 && taken.size < BLOCKS_MAX) {
      const at = open.shift()!
      if (taken.has(at) || !this.mayJoin(at) || (at !== address && !this.isWarm(at))) continue
      const block = readBlock(this.port.words, at)
      if (records + block.records.length > RECORDS_MAX && taken.size > 0) continue
      if (!isTranslatable(block)) {
        if (at === address) return [block]
        continue
      }
      records += block.records.length
      taken.set(at, block)
      for (const delta of successors(block)) {
        const offset = block.offset + delta
        if (offset < 0 || offset >= FRAME_BYTES) continue
        const next = this.port.find(frame, offset, key, mode) >>> 0
        if (next !== 0) open.push(next)
      }
    }
    return [...taken.values()].sort((a, b) => a.offset - b.offset)
  }

  /** A block that has run now and then, and that no region has yet. */
  private isWarm(address: number): boolean {
    const left = this.header(address, op.BLOCK_FIRST_RECORD + 8)
    return this.header(address, op.BLOCK_REGION) === 0 && left <= this.port.hotAfter * WARM_LEFT
  }

  private mayJoin(address: number): boolean {
    return this.header(address, op.BLOCK_VALID) !== 0 && this.header(address, op.BLOCK_FRAME2) >>> 0 === op.BLOCK_NO_FRAME
  }

  private install(blocks: readonly IrBlock[]): void {
    const { words, table, memory, kernel } = this.port
    const guard = blocks.reduce((sum, block) => sum + block.instructions, BUDGET_MARGIN)
    const body = new RegionCode(blocks, guard).build()
    const bytes = encodeModule(kernelFunctions, regionType, [body])
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory }, k: kernel })
    const index = table.grow(1)
    table.set(index, instance.exports['f0'])
    const region = this.next++
    const entry = (REGION_TABLE + region * op.REGION_ENTRY_BYTES) >> 2
    words[entry] = index
    words[entry + 1] = guard
    blocks.forEach((block, n) => {
      words[(block.address + op.BLOCK_REGION) >> 2] = region
      const record = (block.address + op.BLOCK_FIRST_RECORD) >> 2
      words[record] = (words[record]! & ~0xffff) | op.OP_REGION
      words[record + 2] = region
      words[record + 3] = n
    })
    this.regions++
    this.blocks += blocks.length
    this.bytes += bytes.length
  }
}

/** Deltas that `block` may go to by direct jumps. */
function successors(block: IrBlock): number[] {
  if (block.branch) return [block.branch.takenDelta, block.branch.fallDelta]
  const last = block.records.at(-1)
  if (!last) return []
  if (last.op === op.OP_JMP || last.op === op.OP_NEXT) return [last.imm]
  if (last.op === op.OP_CALL) return [last.imm, last.a | (last.b << 8)]
  if (last.op === op.OP_CALLI) return [last.imm]
  return []
}

/** Links that a region does not follow, and records it does not know, keep a block out. */
function isTranslatable(block: IrBlock): boolean {
  return block.records.every(
    (record) => record.op !== op.OP_RAISE && record.op !== op.OP_SEGMENT && record.op !== op.OP_CANONICAL && record.op !== op.OP_LEAVE,
  )
}
