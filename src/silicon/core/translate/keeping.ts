/** Makes of a region what can be kept of it. */

import * as op from '../ir/ops.js'
import { type CodeConstant, isFar } from './guest.js'
import {
  CONSTANT_FRAME,
  CONSTANT_IMMEDIATE,
  CONSTANT_RECORD,
  immediateAt,
  type KeptBlock,
  type KeptConstant,
  type KeptRegion,
} from './kept-code.js'
import { notedTargets } from './notes.js'
import type { IrRecord } from './record.js'
import type { PlannedRegion } from './translator.js'

/** Bytes of immediate that may follow a displacement. */
const TRAILING = [0, 1, 2, 4]

/** `number`: the region's in its module; `core`: the state area that its code is for. Undefined where it cannot be kept. */
export function keptRegion(
  words: Int32Array,
  { plan, code, guard, size, constants, firstConstant }: PlannedRegion,
  number: number,
  core: number,
): KeptRegion | undefined {
  if (!code) return undefined
  const header = (address: number, field: number): number => words[(address + field) >> 2]! >>> 0
  const blocks: KeptBlock[] = []
  const records: (readonly IrRecord[])[] = []
  /** By where it stands, and by address: the same frame may be behind two pages. */
  const places = new Map<number, number>()
  const numbers = new Map<number, number>()
  plan.nodes.forEach(({ block: { address, records: its }, position }, n) => {
    if (places.has(position)) return
    places.set(position, blocks.length)
    numbers.set(address, blocks.length)
    blocks.push({ position, hash: header(address, op.BLOCK_HASH), code: code[n]!, targets: notedTargets(words, its.at(-1)) })
    records.push(its)
  })
  const kept: KeptConstant[] = []
  for (const constant of constants) {
    const one = keptConstant(constant, numbers, blocks, records)
    if (!one) return undefined
    kept.push(one)
  }
  return {
    number,
    core,
    mode: header(plan.nodes[0]!.block.address, op.BLOCK_MODE),
    guard,
    size,
    blocks,
    entries: plan.entries.map((node) => places.get(plan.nodes[node]!.position)!),
    constants: kept,
    firstConstant,
  }
}

function keptConstant(
  constant: CodeConstant,
  numbers: ReadonlyMap<number, number>,
  blocks: readonly KeptBlock[],
  records: readonly (readonly IrRecord[])[],
): KeptConstant | undefined {
  const { kind, offset } = constant
  if (kind === 'frame') return { kind: CONSTANT_FRAME, block: 0, offset, addend: 0 }
  const block = numbers.get(constant.block)!
  if (kind === 'record') return { kind: CONSTANT_RECORD, block, offset, addend: 0 }
  const { code } = blocks[block]!
  const end = records[block]!.find((record) => record.offset > offset)?.offset ?? code.length
  // The value stands there as it is, or is a distance from the end of the instruction and was made one from the block's start.
  for (let at = offset; at + 4 <= end; at++) {
    const bytes = immediateAt(code, at)
    if (!isFar(bytes)) continue
    const addends = [0, ...TRAILING.map((more) => at + 4 + more).filter((after) => after === end)]
    const addend = addends.find((more) => ((bytes + more) | 0) === constant.value)
    if (addend !== undefined) return { kind: CONSTANT_IMMEDIATE, block, offset: at, addend }
  }
  return undefined
}
