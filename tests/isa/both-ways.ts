/** A case as translated and as interpreted code: the same outcome, by the whole state, after as many instructions. */

import assert from 'node:assert/strict'
import * as S from '../../src/silicon/core/state/layout.js'
import { differences } from './compare.js'
import { Machine } from './machine.js'
import type { Case, Outcome } from './state.js'

/** Something done to the machine after so many instructions. */
export type Between = readonly [after: number, what: (machine: Machine) => void]

export function run(machine: Machine, c: Case, between: readonly Between[] = []): Outcome {
  machine.load(c)
  let done = 0
  for (const [after, what] of between) {
    while (done < after) {
      const before = machine.core.instructionsRetired
      assert.equal(machine.core.run(after - done), S.EXIT_BUDGET)
      done += machine.core.instructionsRetired - before
    }
    what(machine)
  }
  machine.core.run(10_000_000)
  return machine.outcome()
}

/** Both executors; the translated one ran at least `part` of it as translated code. */
export function bothWays(c: Case, between: readonly Between[] = [], part = 0.9): Outcome {
  const [translated, interpreted] = [new Machine(true, 5), new Machine()]
  const [ours, theirs] = [run(translated, c, between), run(interpreted, c, between)]
  assert.deepEqual(differences(ours, theirs, { flags: 0 }), [])
  assert.equal(translated.core.instructionsRetired, interpreted.core.instructionsRetired)
  const inRegions = translated.kernel.counters.instructionsTranslated / translated.core.instructionsRetired
  assert(inRegions >= part, `${(inRegions * 100).toFixed(1)} % of the instructions were translated`)
  return ours
}
