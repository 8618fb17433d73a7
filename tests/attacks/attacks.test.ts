// Every attack on a machine of its own, with and without SEV: it has the outcome that the table says.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { modes } from './attack.js'
import { catalogue } from './catalogue.js'
import { Stage } from './stage.js'

/** Outcomes are no accident of one key. */
const SEEDS = [1, 2]

for (const attack of catalogue) {
  for (const mode of modes) {
    const outcome = attack.outcome[mode]
    if (!outcome) continue
    test(`${attack.name}, ${mode}: ${outcome.verdict}`, async () => {
      for (const seed of SEEDS) assert.equal(await attack.attempt(new Stage(mode, seed)), outcome.verdict)
    })
  }
}

test('names are unique', () => {
  assert.equal(new Set(catalogue.map((attack) => attack.name)).size, catalogue.length)
})
