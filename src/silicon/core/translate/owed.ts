/**
 * How much of the budget each node of a region still owes when it begins. A block is not charged for where it ends, but later, with what comes behind it: a loop pays once a round, and where ways
 * meet, all but one pay by how much they differ from that one.
 */

import * as op from '../ir/ops.js'
import type { RegionNode } from './plan.js'
import type { IrRecord } from './record.js'
import { isForeign } from './vector-operands.js'

/** What a node owes at most. */
const OWED_MAX = 1000

/** The kernel may ask what is left: the budget has to be exact where such a record stands. */
const asks = (record: IrRecord): boolean =>
  record.op === op.OP_HLP || record.op === op.OP_X87 || record.op === op.OP_DIVIDE || (record.op === op.OP_VEC && isForeign(record))

/**
 * Instructions that have run and are not charged for yet at the start of each node. `order`: the nodes in the order of their code. Nothing is owed where the region is entered, where a loop goes back to, and behind calls.
 */
export function owedAtStarts(
  nodes: readonly RegionNode[],
  entries: readonly number[],
  order: readonly number[],
  isForward: (from: number, to: number) => boolean,
): number[] {
  const owed = nodes.map(() => 0)
  const exact = new Set(entries)
  nodes.forEach(({ block, taken, fall, returns, targets }, from) => {
    if (block.records.some(asks)) exact.add(from)
    if (returns >= 0) exact.add(returns)
    for (const to of [taken, fall, ...targets]) if (to >= 0 && !isForward(from, to)) exact.add(to)
  })
  for (const from of order) {
    const { block, taken, fall, targets } = nodes[from]!
    const behind = owed[from]! + block.instructions
    for (const to of [taken, fall, ...targets]) if (to >= 0 && !exact.has(to) && behind <= OWED_MAX) owed[to] = behind
  }
  return owed
}
