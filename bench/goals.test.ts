import assert from 'node:assert/strict'
import { test } from 'node:test'
import { goalsOf, isMet } from './goals.js'
import type { Measurement, Measurements } from './measure.js'
import type { PeerName } from './peers/peer.js'

const one = (name: string, group: Measurement['group'], samples: Partial<Record<PeerName, number[]>>): Measurement => ({
  name,
  group,
  about: '',
  size: 1,
  samples,
  outputs: {},
  elapsed: {},
  agree: true,
})

const fast: Measurements = {
  list: [
    one('time to shell', 'boot', { qemu: [10], cbit: [8], 'cbit-sev': [9], 'cbit-sev-later': [7] }),
    one('gzip', 'integer', { qemu: [10], cbit: [5], 'cbit-sev': [5], 'cbit-sev-later': [4] }),
    one('xz', 'integer', { qemu: [10], cbit: [8], 'cbit-sev': [8], 'cbit-sev-later': [4] }),
    one('memory', 'memory', { qemu: [10], cbit: [10], 'cbit-sev': [90] }),
  ],
  peakResidentMiB: { qemu: 2000, cbit: 900, 'cbit-sev': 980, 'cbit-sev-later': 990 },
}
const slow: Measurements = {
  list: [one('time to shell', 'boot', { cbit: [1], v86: [1000] }), one('gzip', 'integer', { cbit: [1], 'cbit-later': [0.5], v86: [5] })],
  peakResidentMiB: {},
}

test('goals are judged with SEV on, by geometric means, and only where there are figures', () => {
  const goals = Object.fromEntries(goalsOf(fast, [slow], 512).map((goal) => [goal.what, [Number(goal.measured.toFixed(3)), isMet(goal)]]))
  assert.deepEqual(goals, {
    'time to the shell over QEMU TCG, SEV': [0.9, true],
    'integer mix, SEV': [0.632, false],
    'time to the shell over QEMU TCG, SEV, later runs': [0.7, true],
    'integer mix, SEV, later runs': [0.4, true],
    'cost of SEV, geometric mean': [4.004, false],
    'as fast as v86 with 32-bit builds, geometric mean': [5, true],
    'as fast as v86 with 32-bit builds, geometric mean, later runs': [10, true],
    "resident memory over the guest's own, at most in the whole run": [478, false],
  })
})
