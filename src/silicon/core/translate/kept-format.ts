/** Kept regions as bytes. Numbers are LEB128; what is read is as hostile as any file, so all of it is bounded. */

import type { ByteReader } from '../../../lib/byte-reader.js'
import type { ByteWriter } from '../../../lib/wasm-encoder.js'
import { FRAME_BYTES } from '../../fabric-layout.js'
import { BLOCK_BYTES_MAX } from '../ir/ops.js'
import { NOTED_MAX, REGION_SIZES, REGIONS_OF_MODULE } from '../ir/region-tables.js'
import { CONSTANT_IMMEDIATE, type KeptBlock, type KeptConstant, type KeptRegion } from './kept-code.js'

/** More than any region has. */
const BLOCKS_MAX = 4096
const CONSTANTS_MAX = 0x10000
/** Of a block: the last instruction may begin at BLOCK_BYTES_MAX. */
const CODE_MAX = BLOCK_BYTES_MAX + 15

export function writeRegions(out: ByteWriter, regions: readonly KeptRegion[]): void {
  out.u32(regions.length)
  for (const { number, core, mode, guard, size, blocks, entries, constants, firstConstant } of regions) {
    out.u32(number)
    out.u32(core)
    out.u32(mode)
    out.u32(guard)
    out.u32(size)
    out.u32(blocks.length)
    for (const { position, hash, code, targets } of blocks) {
      out.s32(position)
      out.u32(hash)
      out.u32(code.length)
      out.bytes(code)
      out.u32(targets.length)
      for (const target of targets) out.s32(target)
    }
    out.u32(entries.length)
    for (const entry of entries) out.u32(entry)
    out.u32(firstConstant)
    out.u32(constants.length)
    for (const { kind, block, offset, addend } of constants) {
      out.byte(kind)
      out.u32(block)
      out.s32(offset)
      out.s32(addend)
    }
  }
}

/** `constantsOfModule`: as many words its module has. Throws RangeError where this is not what `writeRegions` writes. */
export function readRegions(data: ByteReader, constantsOfModule: number): KeptRegion[] {
  const regions: KeptRegion[] = []
  for (let left = data.upTo(REGIONS_OF_MODULE); left > 0; left--) regions.push(readRegion(data, constantsOfModule))
  return regions
}

function readRegion(data: ByteReader, constantsOfModule: number): KeptRegion {
  const number = data.upTo(REGIONS_OF_MODULE - 1)
  const core = data.u32()
  const mode = data.u32()
  const guard = data.u32()
  const size = data.upTo(REGION_SIZES - 1)
  const blocks: KeptBlock[] = []
  for (let left = data.upTo(BLOCKS_MAX); left > 0; left--) {
    const position = data.s32()
    const hash = data.u32()
    const code = data.bytes(data.upTo(CODE_MAX))
    const targets: number[] = []
    for (let more = data.upTo(NOTED_MAX); more > 0; more--) targets.push(data.s32())
    blocks.push({ position, hash, code, targets })
  }
  const first = blocks[0]
  if (!first || first.position < 0 || first.position >= FRAME_BYTES) throw new RangeError('a region begins on its first page')
  const entries: number[] = []
  for (let left = data.upTo(BLOCKS_MAX); left > 0; left--) entries.push(data.upTo(blocks.length - 1))
  const firstConstant = data.upTo(constantsOfModule)
  const constants: KeptConstant[] = []
  for (let left = data.upTo(Math.min(CONSTANTS_MAX, constantsOfModule - firstConstant)); left > 0; left--) {
    const kind = data.upTo(CONSTANT_IMMEDIATE)
    const block = data.upTo(blocks.length - 1)
    const offset = data.s32()
    if (kind === CONSTANT_IMMEDIATE && (offset < 0 || offset + 4 > blocks[block]!.code.length))
      throw new RangeError('an immediate stands in its block')
    constants.push({ kind, block, offset, addend: data.s32() })
  }
  return { number, core, mode, guard, size, blocks, entries, constants, firstConstant }
}
