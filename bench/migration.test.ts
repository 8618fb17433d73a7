import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMet } from './goals.js'
import { migrationGoals, migrationLines, type MigrationMeasurement } from './migration.js'

const move = (pauseMs: number) => ({ pauseMs, rounds: 3, sentMiB: 240, mibPerSecond: 80 })
const list: MigrationMeasurement[] = [
  { sev: 'none', memoryMiB: 512, moves: [move(20), move(299), move(25)] },
  { sev: 'sev', memoryMiB: 512, moves: [move(20), move(301), move(25)] },
]

test('the longest pause is judged, and the line tells all of them', () => {
  assert.deepEqual(migrationGoals(list).map(isMet), [true, false])
  assert.match(migrationLines(list)[1]!, /--sev sev: a 512 MiB guest .* stood still for 20, 301, 25 ms; 240 MiB in 3 rounds at 80 MiB\/s/)
})
