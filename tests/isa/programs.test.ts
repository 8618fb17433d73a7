/** Random programs against the host's CPU, and against themselves in slices. CBIT_ISA_PROGRAMS: how many (default 1000). */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import { EXIT_BUDGET } from '../../src/silicon/core/state/layout.js'
import { describeCase, differences } from './compare.js'
import { HostOracle } from './host-oracle.js'
import { Machine } from './machine.js'
import { Programs } from './programs.js'
import { Random } from './random.js'
import { codeModes, type Case, type CodeMode, type Outcome } from './state.js'
import { sameOnAllVendors } from './vendor-differences.js'

const PROGRAMS = Number(process.env['CBIT_ISA_PROGRAMS'] ?? 1000)
const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const INSTRUCTIONS_MAX = 100_000
/** More than a block must run before it is translated. */
const HOT_ROUNDS = 2500
const HOT_INSTRUCTIONS_MAX = 10_000_000

/** On a host that is not AMD's, of what all vendors define alike. */
const programs = new Programs(opcodeTable(), sameOnAllVendors)
const some = (count: number, from: number, rounds = 1, mode: CodeMode = 'long'): Case[] =>
  Array.from({ length: count }, (_, n) => programs.program(SEED * 1_000_003 + from + n, 4 + (n % 60), rounds + (n % 7), mode))

/** Runs in slices of up to `most` instructions, and says how many were retired. */
function inSlices(machine: Machine, c: Case, random: Random, most: number): { outcome: Outcome; retired: number } {
  const before = machine.core.instructionsRetired
  machine.load(c)
  for (let n = 0; n < INSTRUCTIONS_MAX; n++) if (machine.core.run(1 + random.below(most)) !== EXIT_BUDGET) break
  const outcome = machine.outcome()
  machine.clearCode()
  return { outcome, retired: machine.core.instructionsRetired - before }
}

describe('random programs', () => {
  const oracle = HostOracle.open()
  after(() => typeof oracle !== 'string' && oracle.close())

  for (const mode of codeModes) {
    it(`end in ${mode} mode as on the host’s CPU`, { skip: typeof oracle === 'string' ? oracle : false }, () => {
      assert(typeof oracle !== 'string')
      const machine = new Machine()
      const cases = some(mode === 'long' ? PROGRAMS : Math.ceil(PROGRAMS / 4), 0, 1, mode)
      const outcomes = oracle.run(cases)
      cases.forEach((c, n) => {
        const lines = differences(machine.run(c, INSTRUCTIONS_MAX), outcomes[n]!, { flags: 0, narrow: mode !== 'long' })
        assert.equal(lines.length, 0, [describeCase(c), ...lines].join('\n'))
      })
    })
  }

  it('end so when they are hot enough to be translated', { skip: typeof oracle === 'string' ? oracle : false }, () => {
    assert(typeof oracle !== 'string')
    const machine = new Machine(true)
    const cases = some(Math.ceil(PROGRAMS / 30), 700_000, HOT_ROUNDS)
    const outcomes = oracle.run(cases)
    cases.forEach((c, n) => {
      const lines = differences(machine.run(c, HOT_INSTRUCTIONS_MAX), outcomes[n]!, { flags: 0 })
      assert.equal(lines.length, 0, [describeCase(c), ...lines].join('\n'))
    })
    assert(machine.kernel.counters.translated?.regions, 'some code became hot')
  })

  it('do the same in slices when translated', () => {
    const machine = new Machine(true)
    const random = new Random(SEED)
    for (const c of some(Math.ceil(PROGRAMS / 100), 800_000, HOT_ROUNDS)) {
      const whole = inSlices(new Machine(), c, random, INSTRUCTIONS_MAX)
      assert.deepEqual(inSlices(machine, c, random, 5000), whole, describeCase(c))
    }
  })

  it('do the same in slices of any size', () => {
    const machine = new Machine()
    const random = new Random(SEED)
    for (const c of some(Math.ceil(PROGRAMS / 5), 500_000)) {
      const whole = inSlices(machine, c, random, INSTRUCTIONS_MAX)
      for (const most of [1, 3, 100]) {
        const sliced = inSlices(machine, c, random, most)
        assert.deepEqual(sliced, whole, `${describeCase(c)} in slices of up to ${most}`)
      }
    }
  })
})
