import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as op from '../ir/ops.js'
import { owedAtStarts } from './owed.js'
import type { RegionNode } from './plan.js'
import { placesOf, structure } from './structure.js'

interface Ends {
  readonly taken?: number
  readonly fall?: number
  readonly returns?: number
  readonly helper?: boolean
}

/** Of a region of nodes with so many instructions as their number and one. */
function owed(ends: readonly Ends[], entries: readonly number[]): number[] {
  const nodes = ends.map(({ taken = -1, fall = -1, returns = -1, helper }, n): RegionNode => {
    const records = helper
      ? [{ address: 0, op: op.OP_HLP, d: 0, a: 0, b: 0, c: 0, offset: 0, index: 0, imm: 0, imm2: 0, vex: undefined }]
      : []
    const block = { address: n, offset: 0, length: 1, frame2: op.BLOCK_NO_FRAME, instructions: n + 1, records, branch: undefined }
    return { block, position: n, frame: 0, context: undefined, taken, fall, returns, targets: [] }
  })
  const places = placesOf(
    structure(
      nodes.map((node) => [node.taken, node.fall, node.returns].filter((next) => next >= 0)),
      entries,
    ),
  )
  return owedAtStarts(nodes, entries, [...places.keys()], (from, to) => places.get(to)! > places.get(from)!)
}

test('blocks in a row owe all that has run since the entry', () => {
  assert.deepEqual(owed([{ taken: 1 }, { taken: 2 }, { taken: 3 }, {}], [0]), [0, 1, 3, 6])
})

test('nothing is owed at entries, at the head of a loop, and where the kernel may ask', () => {
  assert.deepEqual(owed([{ taken: 1 }, { taken: 2 }, { taken: 1, fall: 3 }, {}], [0, 3]), [0, 0, 2, 0])
  assert.deepEqual(owed([{ taken: 1 }, { taken: 2, helper: true }, {}], [0]), [0, 0, 2])
})

test('nothing is owed behind a call that stays one', () => {
  assert.deepEqual(owed([{ returns: 1 }, { taken: 2 }, {}], [0]), [0, 0, 2])
})

test('where ways meet, one of them owes what is asked', () => {
  const [, , , behind] = owed([{ taken: 1, fall: 2 }, { taken: 3 }, { taken: 3 }, {}], [0])
  assert(behind === 1 + 2 || behind === 1 + 3)
})
