/** Hot code with an instruction across two pages: it is part of regions, which look at both pages. Translated as interpreted, by the whole state, and by hand. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { frameAt } from '../../src/silicon/core/translate/code-pages.js'
import { KeptCode } from '../../src/silicon/core/translate/kept-code.js'
import { bothWays, run } from './both-ways.js'
import { Machine } from './machine.js'
import { CODE, DATA, type Case, caseOf } from './state.js'

const RCX = 1
const RBX = 3
const BP = 3
const PF = 14
const ROUNDS = 5000
const PAGE_END = 0x1000
/** Where the second page moves to. */
const OTHER_FRAME = 0x220000

/** First 2 MiB of DRAM, for the supervisor; pages of it that hold nothing else. */
const KERNEL = 0xffffffff80000000n
const KERNEL_PAGES = Array.from({ length: 128 }, (_, n) => 0x100 + n)

const word = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255]
const INC_EDX = [0xff, 0xc2]
const ADD_EBX_EAX = [0x01, 0xc3]
const DEC_ECX = [0xff, 0xc9]
const movEax = (value: number): number[] => [0xb8, ...word(value)]
const jnz = (bytes: number): number[] => [0x75, -(bytes + 2) & 255]

/** `code` such that its byte number `before` is the first of the second page. */
const crossing = (code: readonly number[], before: number, registers: Readonly<Record<number, number>> = {}): Case =>
  caseOf(code, { [RCX]: ROUNDS, ...registers }, PAGE_END - before)

/** L: inc edx / mov eax, value / add ebx, eax / dec ecx / jnz L */
function loop(value: number): number[] {
  const body = [...INC_EDX, ...movEax(value), ...ADD_EBX_EAX, ...DEC_ECX]
  return [...body, ...jnz(body.length)]
}
const INSTRUCTIONS = 5

/** Puts the page behind the first elsewhere, with the code of `loop(value)` from byte `before` on. */
const moveSecondPage =
  (value: number, before: number) =>
  (machine: Machine): void => {
    machine.memory.write(OTHER_FRAME, Uint8Array.from([...loop(value).slice(before), 0xcc]))
    machine.mapPage(CODE + PAGE_END, OTHER_FRAME)
    machine.core.invlpga({ lo: CODE + PAGE_END, hi: 0 }, 0)
  }

describe('an instruction across two pages in a hot loop', () => {
  it('is part of the region, wherever it is cut', () => {
    for (let before = 3; before < 7; before++) {
      const outcome = bothWays(crossing(loop(3), before), [], 0.99)
      assert.equal(outcome.vector, BP)
      assert.equal(outcome.gpr[RBX], BigInt(3 * ROUNDS))
    }
  })

  it('is part of it where the loop begins with it', () => {
    const body = [...movEax(5), ...ADD_EBX_EAX, ...DEC_ECX]
    for (let before = 1; before < 5; before++) {
      const outcome = bothWays(crossing([...body, ...jnz(body.length)], before), [], 0.99)
      assert.equal(outcome.gpr[RBX], BigInt(5 * ROUNDS))
    }
  })

  it('is what the second page holds when that is mapped elsewhere', () => {
    const before = 4
    const rounds = 2000
    const outcome = bothWays(crossing(loop(3), before), [[rounds * INSTRUCTIONS, moveSecondPage(3 + (9 << 8), before)]])
    assert.equal(outcome.vector, BP)
    assert.equal(outcome.gpr[RBX], BigInt(3 * ROUNDS + (9 << 8) * (ROUNDS - rounds)))
  })

  it('faults when the second page is no longer there', () => {
    const gone = (machine: Machine): void => {
      machine.mapPage(CODE + PAGE_END, 0, 0n)
      machine.core.invlpga({ lo: CODE + PAGE_END, hi: 0 }, 0)
    }
    const outcome = bothWays(crossing(loop(3), 4), [[2000 * INSTRUCTIONS, gone]])
    assert.equal(outcome.vector, PF)
    assert.equal(outcome.rip, BigInt(CODE + PAGE_END - 4 + INC_EDX.length))
    assert.equal(outcome.cr2, BigInt(CODE + PAGE_END))
    assert.equal(outcome.gpr[RCX], BigInt(ROUNDS - 2000))
  })

  it('changes with its part on either page', () => {
    const before = 4
    const write =
      (at: number, byte: number) =>
      (machine: Machine): void =>
        machine.writeCode(at, Uint8Array.of(byte))
    const outcome = bothWays(crossing(loop(3), before), [
      [1000 * INSTRUCTIONS, write(PAGE_END, 7)],
      [2000 * INSTRUCTIONS, write(PAGE_END - 1, 4)],
    ])
    assert.equal(outcome.gpr[RBX], BigInt(3 * 1000 + (3 + (7 << 8)) * 1000 + (4 + (7 << 8)) * (ROUNDS - 2000)))
  })

  it('changes when the loop itself writes to the second page', () => {
    // L: inc edx / mov eax, 0 / add ebx, eax / inc byte [the second byte of the immediate] / dec ecx / jnz L
    const head = [...INC_EDX, ...movEax(0), ...ADD_EBX_EAX, 0xfe, 0x05]
    const body = [...head, ...word(4 - (head.length + 4)), ...DEC_ECX]
    const outcome = bothWays(crossing([...body, ...jnz(body.length)], 4, { [RCX]: 600 }), [], 0)
    const sum = Array.from({ length: 600 }, (_, n) => (n & 255) << 8).reduce((a, b) => a + b)
    assert.equal(outcome.gpr[RBX], BigInt(sum))
  })

  it('faults where its operand does, with all that came before done', () => {
    // L: inc edx / mov eax, [rbx - 8] / add rbx, 4 / dec ecx / jnz L
    const body = [...INC_EDX, 0x8b, 0x83, ...word(-8), 0x48, 0x83, 0xc3, 4, ...DEC_ECX]
    const code = [...body, ...jnz(body.length)]
    const missing = DATA + 0x3000
    const remove = (machine: Machine): void => machine.mapPage(missing, 0, 0n)
    for (let before = 3; before < 8; before++) {
      const outcome = bothWays(crossing(code, before, { [RCX]: 100_000, [RBX]: missing - 0x800 + 8 }), [[0, remove]])
      assert.equal(outcome.vector, PF)
      assert.equal(outcome.rip, BigInt(CODE + PAGE_END - before + INC_EDX.length))
      assert.equal(outcome.cr2, BigInt(missing))
    }
  })

  it('is where an inlined call returns to', () => {
    // L: call f / mov eax, 3 / add ebx, eax / dec ecx / jnz L ... f: inc edx / ret
    const f = 0x400
    const before = 7
    const at = PAGE_END - before
    const body = [0xe8, ...word(f - (at + 5)), ...movEax(3), ...ADD_EBX_EAX, ...DEC_ECX]
    const called = (machine: Machine): void => machine.writeCode(f, Uint8Array.from([...INC_EDX, 0xc3]))
    const moved = (machine: Machine): void => {
      const other = [...body.slice(0, 6), ...word(9 << 8), ...body.slice(10), ...jnz(body.length), 0xcc]
      machine.memory.write(OTHER_FRAME, Uint8Array.from(other.slice(before)))
      machine.mapPage(CODE + PAGE_END, OTHER_FRAME)
      machine.core.invlpga({ lo: CODE + PAGE_END, hi: 0 }, 0)
    }
    const c = crossing([...body, ...jnz(body.length)], before)
    const outcome = bothWays(c, [
      [0, called],
      [2000 * 7 + 3, moved],
    ])
    assert.equal(outcome.vector, BP)
    assert.equal(outcome.gpr[RBX], BigInt(3 * ROUNDS + (9 << 8) * (ROUNDS - 2000)))
  })

  it('serves from kept code, with its second page in another frame', () => {
    const kept = new KeptCode()
    const limits = { kept }
    run(new Machine(true, 1000, limits), crossing(loop(3), 4))
    const machine = new Machine(true, 1000, limits)
    const outcome = run(machine, crossing(loop(3), 4), [[0, moveSecondPage(3, 4)]])
    assert.equal(outcome.gpr[RBX], BigInt(3 * ROUNDS))
    const { regions, adopted } = machine.kernel.counters.translated!
    assert.equal(adopted, 1)
    assert.equal(regions, 0)
    // Another immediate is other code.
    const third = new Machine(true, 1000, limits)
    const changed = run(third, crossing(loop(3), 4), [[0, moveSecondPage(3 + (9 << 8), 4)]])
    assert.equal(changed.gpr[RBX], BigInt((3 + (9 << 8)) * ROUNDS))
    assert.equal(third.kernel.counters.translated!.adopted, 0)
  })
})

describe('a page of a program', () => {
  it('stays in sight of regions, whichever pages of the kernel run in between', () => {
    const machine = new Machine()
    const { s, core } = machine
    const words = new Int32Array(machine.kernel.view.buffer)
    // L: mov rax, cr3 / mov cr3, rax / jmp L
    machine.load(crossing([0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8, 0xeb, 0xf8], PAGE_END))
    machine.raisePrivilege()
    for (const page of KERNEL_PAGES) machine.memory.write(page * PAGE_END, Uint8Array.of(0x90))
    for (let spaces = 0; spaces < 250; spaces++) {
      core.run(3)
      const frame = frameAt(words, s, 0)
      assert.notEqual(frame, -1)
      for (const page of KERNEL_PAGES) {
        machine.setU64(S.PC, KERNEL + BigInt(page * PAGE_END))
        core.run(1)
        assert.equal(machine.u64(S.PC), KERNEL + BigInt(page * PAGE_END + 1))
      }
      machine.setU64(S.PC, BigInt(CODE))
      assert.equal(frameAt(words, s, 0), frame, `in space ${spaces}`)
    }
  })
})
