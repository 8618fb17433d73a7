/** What blocks of a region owe of the budget: paid wherever the region is left, so that counts are exact, whichever way was taken. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { bothWays } from './both-ways.js'
import { Machine } from './machine.js'
import { type Case, caseOf, DATA } from './state.js'

const [RCX, RDX, RBX, RSI] = [1, 2, 3, 6]
const ROUNDS = 4000

/**
 * L: test cl, 1 / jz A / inc edx / inc edx / test cl, 2 / jz B / inc edx / jmp B / A: add ebx, ecx / B: test cl, 8 / jz C / mov eax, [rsi] / add ebx, eax / C: dec ecx / jnz L: ways of different lengths that
 * meet, and an access that may cross a page on one of them.
 */
const LOOP = [
  ...[0xf6, 0xc1, 1, 0x74, 13],
  ...[0xff, 0xc2, 0xff, 0xc2, 0xf6, 0xc1, 2, 0x74, 6],
  ...[0xff, 0xc2, 0xeb, 2],
  ...[0x01, 0xcb],
  ...[0xf6, 0xc1, 8, 0x74, 4],
  ...[0x8b, 0x06, 0x01, 0xc3],
  ...[0xff, 0xc9, 0x75, 0xdf],
  0xcc,
]
const caseAt = (address: number): Case => caseOf(LOOP, { [RCX]: ROUNDS, [RSI]: address })

describe('a loop whose ways differ in length', () => {
  for (const [name, address] of [
    ['in line', DATA],
    ['left for the interpreter on one of them', DATA + 0xffe],
  ] as const) {
    it(`counts its instructions, ${name}`, () => {
      const outcome = bothWays(caseAt(address), [], 0.5)
      assert.equal(outcome.gpr[RDX], BigInt((ROUNDS / 2) * 2 + ROUNDS / 4))
    })

    it(`stops where the interpreter does, however the run is sliced, ${name}`, () => {
      for (const slice of [150, 331, 1009]) {
        const [translated, interpreted] = [new Machine(true, 5), new Machine()]
        for (const machine of [translated, interpreted]) machine.load(caseAt(address))
        for (let slices = 0; slices < 20; slices++) {
          for (const machine of [translated, interpreted]) assert.equal(machine.core.run(slice), S.EXIT_BUDGET)
          assert.equal(translated.core.instructionsRetired, interpreted.core.instructionsRetired)
          for (const slot of [S.PC, RCX * 8, RDX * 8, RBX * 8]) assert.equal(translated.u64(slot), interpreted.u64(slot))
        }
        assert(translated.kernel.counters.instructionsTranslated > 0)
      }
    })
  }
})
