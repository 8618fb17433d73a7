/** Wide regions that are optimised before they take over: what they replace runs meanwhile, and what has changed meanwhile is never run. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { compileModule } from '../../src/silicon/core/translate/kept-code.js'
import { type PlanLimits, regionLimits } from '../../src/silicon/core/translate/plan.js'
import type { Optimiser } from '../../src/silicon/core/translate/ripening.js'
import { Machine } from './machine.js'
import { type Case, caseOf } from './state.js'

const RCX = 1
const HOT = 20
const WIDEN = 6400
const ROUNDS = 60_000
/** Instructions after which a wide region has been compiled and not been looked at often: four make a round, which enters two regions. */
const BEFORE = 5 * WIDEN
/** Regions of one block: what goes on in another leaves them. */
const single: PlanLimits = { ...regionLimits, nodes: 1 }

/** L: inc rax / jmp M / M: dec ecx / jnz L */
const loop = [0x48, 0xff, 0xc0, 0xeb, 0x00, 0xff, 0xc9, 0x75, 0xf7]
/** L: lea eax, [rax+2] / … */
const byTwo = [0x8d, 0x40, 0x02, ...loop.slice(3)]
/** L: call F / dec ecx / jnz L / int3 / F: inc rax / ret */
const caller = [0xe8, 0x05, 0, 0, 0, 0xff, 0xc9, 0x75, 0xf7, 0xcc, 0x48, 0xff, 0xc0, 0xc3]
/** Instructions of as many runs, which begin in the midst of such a loop of five. */
const SLICE = 3000

const loopsOf = (code: readonly number[]): Case => caseOf([...code, 0xcc], { [RCX]: ROUNDS })

class SlowOptimiser implements Optimiser {
  ripe = false
  compiled = 0
  looks = 0

  compile(bytes: Uint8Array): WebAssembly.Module {
    this.compiled++
    return compileModule(bytes)
  }

  isOptimised(exported: unknown): boolean {
    assert.equal(typeof exported, 'function')
    this.looks++
    return this.ripe
  }
}

function chip(optimiser: Optimiser): Machine {
  return new Machine(true, HOT, { widenAfter: WIDEN, limits: single, optimiser })
}

const wide = (machine: Machine): number => machine.kernel.counters.translated!.wide

/** RAX at the end of a run of `code`. */
function outcome(machine: Machine, code: readonly number[], instructions = 10 * ROUNDS): bigint {
  machine.load(loopsOf(code))
  machine.core.run(instructions)
  return machine.u64(S.RAX)
}

describe('a wide region', () => {
  it('takes over when it is optimised, and not before', () => {
    const optimiser = new SlowOptimiser()
    const machine = chip(optimiser)
    assert.equal(outcome(machine, loop, BEFORE) < BigInt(ROUNDS), true)
    assert.equal(optimiser.compiled > 0, true)
    assert.equal(wide(machine), 0)
    optimiser.ripe = true
    assert.equal(outcome(machine, loop), BigInt(ROUNDS))
    assert.equal(wide(machine) > 0, true)
  })

  it('is made for each of two regions that are entered in turn', () => {
    const optimiser = new SlowOptimiser()
    optimiser.ripe = true
    const machine = new Machine(true, HOT, { widenAfter: WIDEN, limits: single, wideLimits: single, optimiser })
    assert.equal(outcome(machine, loop), BigInt(ROUNDS))
    assert.equal(wide(machine), 2)
  })

  it('is made for one that calls another often, and takes that in', () => {
    const optimiser = new SlowOptimiser()
    optimiser.ripe = true
    const narrow = { ...regionLimits, inlineRecords: 0, sharedRecords: 0 }
    const machine = new Machine(true, HOT, { widenAfter: WIDEN, limits: narrow, optimiser })
    machine.load(loopsOf(caller))
    const entries: number[] = []
    for (let slices = 0; slices < 40; slices++) {
      const before = machine.kernel.counters.entries
      machine.core.run(SLICE)
      entries.push(machine.kernel.counters.entries - before)
    }
    assert.equal(entries[5]! > SLICE / 6, true, 'every call enters a region')
    assert.equal(entries.at(-1)! < 10, true, `${entries.join(' ')} entries`)
  })

  it('takes over from a region that goes on being entered, within one run', () => {
    const machine = chip(
      new (class extends SlowOptimiser {
        override isOptimised(exported: unknown): boolean {
          return super.isOptimised(exported) || this.looks > 5
        }
      })(),
    )
    assert.equal(outcome(machine, loop), BigInt(ROUNDS))
    assert.equal(wide(machine) > 0, true)
  })

  it('takes over at last where the engine never says that it is optimised', () => {
    const optimiser = new SlowOptimiser()
    const machine = chip(optimiser)
    assert.equal(outcome(machine, loop), BigInt(ROUNDS))
    assert.equal(wide(machine) > 0, true)
    assert.equal(optimiser.looks >= 64, true)
  })

  it('never runs where its code has changed meanwhile', () => {
    const optimiser = new SlowOptimiser()
    const machine = chip(optimiser)
    outcome(machine, loop, BEFORE)
    assert.equal(optimiser.compiled > 0 && wide(machine) === 0, true)
    optimiser.ripe = true
    assert.equal(outcome(machine, byTwo), BigInt(2 * ROUNDS))
    assert.equal(outcome(machine, loop), BigInt(ROUNDS))
  })

  it('is forgotten with all code', () => {
    const optimiser = new SlowOptimiser()
    const machine = chip(optimiser)
    outcome(machine, loop, BEFORE)
    assert.equal(optimiser.compiled > 0 && wide(machine) === 0, true)
    machine.kernel.exports.code_clear()
    optimiser.ripe = true
    assert.equal(outcome(machine, loop), BigInt(ROUNDS))
    assert.equal(wide(machine) > 0, true)
  })
})
