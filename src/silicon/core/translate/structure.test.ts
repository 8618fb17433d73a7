import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Item, placesOf, structure } from './structure.js'

/** Loops around each node, outermost first. */
function loopsOf(items: readonly Item[]): Map<number, { heads: readonly number[]; members: Set<number> }[]> {
  const around = new Map<number, { heads: readonly number[]; members: Set<number> }[]>()
  const walk = (list: readonly Item[], loops: { heads: readonly number[]; members: Set<number> }[]): void => {
    for (const item of list) {
      if (item.kind === 'node') {
        around.set(item.node, loops)
        for (const loop of loops) loop.members.add(item.node)
      } else walk(item.body, [...loops, { heads: item.heads, members: new Set() }])
    }
  }
  walk(items, [])
  return around
}

/** What code can be written for: every jump goes forward or to the head of a loop around it, and enters loops by their heads alone. */
function check(successors: readonly (readonly number[])[], entries: readonly number[]): void {
  const items = structure(successors, entries)
  const places = placesOf(items)
  const loops = loopsOf(items)
  const enters = (from: { members: Set<number> }[], to: number): void => {
    for (const loop of loops.get(to)!) {
      if (!from.some((other) => other.members === loop.members)) assert(loop.heads.includes(to), `node ${to} is entered and is no head`)
    }
  }
  for (const entry of entries) enters([], entry)
  for (const [from, place] of places) {
    for (const to of successors[from]!) {
      assert(places.has(to), `node ${to} is reached and left out`)
      const back = places.get(to)! <= place
      if (back)
        assert(
          loops.get(from)!.some((loop) => loop.heads.includes(to)),
          `${from} jumps back to ${to}, which heads no loop around it`,
        )
      enters(loops.get(from)!, to)
    }
  }
}

test('a loop within a loop, and a node that nothing reaches', () => {
  const items = structure([[1], [2], [1, 3], [0, 4], [], [4]], [0])
  const inner: Item = {
    kind: 'loop',
    heads: [1],
    body: [
      { kind: 'node', node: 1 },
      { kind: 'node', node: 2 },
    ],
  }
  assert.deepEqual(items, [
    { kind: 'loop', heads: [0], body: [{ kind: 'node', node: 0 }, inner, { kind: 'node', node: 3 }] },
    { kind: 'node', node: 4 },
  ])
})

test('a loop that is entered in its midst has two heads', () => {
  const [loop] = structure([[1], [2], [0]], [0, 2])
  assert(loop?.kind === 'loop')
  assert.deepEqual([...loop.heads].sort(), [0, 2])
})

test('any graph is ordered so that code can be written for it', () => {
  const graph = fc
    .integer({ min: 1, max: 24 })
    .chain((size) =>
      fc.tuple(
        fc.array(fc.array(fc.nat(size - 1), { maxLength: 2 }), { minLength: size, maxLength: size }),
        fc.uniqueArray(fc.nat(size - 1), { minLength: 1, maxLength: 4 }),
      ),
    )
  fc.assert(
    fc.property(graph, ([successors, entries]) => check(successors, entries)),
    { numRuns: 2000 },
  )
})
