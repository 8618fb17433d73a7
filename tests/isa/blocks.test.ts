/** Cached blocks: code that changes under them, pages that move, budgets, REP in slices, faults in the middle. Expectations by hand. */

import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { Machine } from './machine.js'
import { CODE, DATA, UNMAPPED, WINDOW, type Case, type Outcome, caseOf } from './state.js'

const RAX = 0
const RCX = 1
const RBX = 3
const RSI = 6
const RDI = 7
const BP = 3
const PF = 14
const INC_EAX = [0xff, 0xc0]

const word = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255]

let machine: Machine

/** Runs to the INT3 behind the code. */
function finish(c: Case, budget = 100_000): Outcome {
  machine.load(c)
  machine.core.run(budget)
  const outcome = machine.outcome()
  assert.equal(outcome.vector, BP, `ended with ${outcome.vector} at ${outcome.rip.toString(16)}`)
  return outcome
}

for (const translate of [false, true]) {
  describe(translate ? 'with translation of hot code' : 'interpreted', () => {
    beforeEach(() => {
      machine = new Machine(translate)
    })

    describe('code that is written to', () => {
      it('takes effect on the next instruction', () => {
        // mov dword [rip+1], 0x55667788 / mov eax, 0x11223344
        const outcome = finish(caseOf([0xc7, 0x05, ...word(1), ...word(0x55667788), 0xb8, ...word(0x11223344)]))
        assert.equal(outcome.gpr[RAX], 0x55667788n)
      })

      it('takes effect later in the same block', () => {
        // mov byte [rip+6], 0x99 / nop / nop / nop / nop / nop / mov al, 0x11
        const outcome = finish(caseOf([0xc6, 0x05, ...word(6), 0x99, 0x90, 0x90, 0x90, 0x90, 0x90, 0xb0, 0x11]))
        assert.equal(outcome.gpr[RAX], 0x99n)
      })

      it('takes effect in a loop that changes itself each round', () => {
        // L: mov eax, 1 / add ebx, eax / inc dword [L+1] / dec ecx / jnz L
        const body = [0xb8, ...word(1), 0x01, 0xc3, 0xff, 0x05]
        const code = [...body, ...word(1 - (body.length + 4)), 0xff, 0xc9, 0x75]
        const outcome = finish(caseOf([...code, -(code.length + 1) & 255], { [RCX]: 5000 }))
        assert.equal(outcome.gpr[RBX], 12_502_500n)
      })

      it('takes effect in another page, and through another mapping of it', () => {
        const callee = 0x1400
        const call = (from: number): number[] => [0xe8, ...word(callee - (from + 5))]
        for (const [name, target] of [
          ['itself', CODE + callee],
          ['alias', DATA + 0x3400],
        ] as const) {
          machine = new Machine(translate)
          machine.mapPage(DATA + 0x3000, 0x201000)
          machine.writeCode(callee, Uint8Array.of(0xb8, ...word(1), 0xc3))
          // call f / mov ebx, eax / mov byte [f+1], 7 (by its absolute address) / call f
          const head = [...call(0x100), 0x89, 0xc3, 0xc6, 0x04, 0x25, ...word(target + 1), 7]
          const outcome = finish(caseOf([...head, ...call(0x100 + head.length)]))
          assert.equal(outcome.gpr[RBX], 1n, name)
          assert.equal(outcome.gpr[RAX], 7n, name)
        }
      })

      it('leaves the code of other lines alone', () => {
        // L: inc dword [rip + far] / dec ecx / jnz L: the word stands in the same page, away from the loop
        const code = [0xff, 0x05, ...word(0x400), 0xff, 0xc9, 0x75, 0xf6]
        machine.load(caseOf(code, { [RCX]: 1000 }))
        machine.core.run(300)
        const blocks = machine.kernel.counters.blocks
        machine.core.run(10_000)
        assert(machine.kernel.counters.blocks - blocks <= 6, 'a store beside the code must not drop it')
        assert.equal(machine.outcome().vector, BP)
      })

      it('is seen where host software or a device writes it', () => {
        const loop = caseOf([...INC_EAX, 0xeb, 0xfc])
        machine.load(loop)
        machine.core.run(100)
        // inc eax becomes inc ebx
        machine.writeCode(0x100, Uint8Array.of(0xff, 0xc3))
        machine.core.run(100)
        assert.equal(machine.u64(RAX), 50n)
        assert.equal(machine.u64(RBX * 8), 50n)
      })

      it('may be entered in the middle of an instruction', () => {
        // mov eax, 0x00c3ff90 / jmp to its second byte: nop / inc ebx / add [rax], al of the immediate are never reached twice
        const code = [0xb8, 0x90, 0xff, 0xc3, 0x90, 0x83, 0xfb, 0x03, 0x75, 0xf7]
        const outcome = finish(caseOf(code))
        assert.equal(outcome.gpr[RBX], 3n)
      })
    })

    describe('an instruction across two pages', () => {
      /** mov eax, imm32 whose immediate crosses. */
      const crossing = [0xb8, 0x44, 0x33, 0x22, 0x11]
      const at = 0x1000 - 3

      it('is one instruction', () => {
        assert.equal(finish(caseOf(crossing, {}, at)).gpr[RAX], 0x11223344n)
      })

      it('changes with either page', () => {
        finish(caseOf(crossing, {}, at))
        machine.writeCode(0x1001, Uint8Array.of(0x99))
        assert.equal(finish(caseOf(crossing.slice(0, 3), {}, at)).gpr[RAX], 0x99223344n)
        machine.writeCode(at + 1, Uint8Array.of(0x55))
        assert.equal(finish({ ...caseOf(crossing.slice(0, 1), {}, at) }).gpr[RAX], 0x99223355n)
      })

      it('changes when the second page is mapped elsewhere', () => {
        finish(caseOf(crossing, {}, at))
        const other = 0x220000
        machine.memory.write(other, Uint8Array.of(0x66, 0x77, 0xcc))
        machine.mapPage(CODE + 0x1000, other)
        machine.core.invlpga({ lo: CODE + 0x1000, hi: 0 }, 0)
        assert.equal(finish(caseOf(crossing.slice(0, 3), {}, at)).gpr[RAX], 0x77663344n)
      })

      it('faults at the second page where that is not mapped', () => {
        machine.load(caseOf(crossing.slice(0, 3), {}, at))
        machine.mapPage(CODE + 0x1000, 0, 0n)
        machine.core.run(100)
        const outcome = machine.outcome()
        assert.equal(outcome.vector, PF)
        assert.equal(outcome.rip, BigInt(CODE + at))
        assert.equal(outcome.cr2, BigInt(CODE + 0x1000))
        assert.equal(outcome.gpr[RAX], 0n)
      })
    })

    describe('the budget', () => {
      const straight = Array.from({ length: 150 }, () => INC_EAX).flat()

      it('is exact at every instruction of a block', () => {
        machine.load(caseOf(straight))
        for (let n = 1; n <= 150; n++) {
          const before = machine.core.instructionsRetired
          assert.equal(machine.core.run(1), S.EXIT_BUDGET)
          assert.equal(machine.core.instructionsRetired - before, 1)
          assert.equal(machine.u64(RAX), BigInt(n))
          assert.equal(machine.u64(S.PC), BigInt(CODE + 0x100 + 2 * n))
        }
        for (const budget of [2, 7, 61, 62, 63, 64, 65, 126, 149]) {
          machine.load(caseOf(straight))
          machine.core.run(budget)
          assert.equal(machine.u64(RAX), BigInt(budget))
        }
      })

      it('is exact in a loop', () => {
        // L: inc eax / dec ecx / jnz L
        for (let budget = 1; budget < 400; budget += 13) {
          machine.load(caseOf([...INC_EAX, 0xff, 0xc9, 0x75, 0xfa], { [RCX]: 1_000_000 }))
          machine.core.run(budget)
          assert.equal(machine.u64(RAX), BigInt(Math.floor((budget + 2) / 3)))
        }
      })

      it('counts what came before a fault, and the fault leaves no trace', () => {
        // ten times inc eax / add [rbx], eax (faults) / inc eax
        const code = [...Array.from({ length: 10 }, () => INC_EAX).flat(), 0x01, 0x03, ...INC_EAX]
        machine.load(caseOf(code, { [RBX]: UNMAPPED }))
        const before = machine.core.instructionsRetired
        machine.core.run(1000)
        const outcome = machine.outcome()
        assert.equal(outcome.vector, PF)
        assert.equal(outcome.rip, BigInt(CODE + 0x100 + 20))
        assert.equal(outcome.gpr[RAX], 10n)
        // The HLT of the handler is the eleventh.
        assert.equal(machine.core.instructionsRetired - before, 11)
      })
    })

    describe('a loop that became hot', () => {
      it('leaves its registers as they are at a fault', () => {
        // L: add [rdi], eax / add rdi, 8 / inc ecx / jmp L, up to the end of the data
        const code = [0x01, 0x07, 0x48, 0x83, 0xc7, 0x08, 0xff, 0xc1, 0xeb, 0xf6]
        machine.load(caseOf(code, { [RDI]: DATA, [RAX]: 3 }))
        const before = machine.core.instructionsRetired
        machine.core.run(100_000)
        const outcome = machine.outcome()
        assert.equal(outcome.vector, PF)
        assert.equal(outcome.rip, BigInt(CODE + 0x100))
        assert.equal(outcome.cr2, BigInt(DATA + 0x4000))
        assert.equal(outcome.gpr[RCX], 2048n)
        assert.equal(outcome.gpr[RDI], BigInt(DATA + 0x4000))
        assert.equal(machine.core.instructionsRetired - before, 4 * 2048 + 1)
      })

      it('ends where a store changes its way out', () => {
        // L: inc eax / cmp eax, 3000 / jne M / mov byte [jump at the end + 1], 0 / M: jmp L (then: jmp to the next)
        const code = [0xff, 0xc0, 0x3d, ...word(3000), 0x75, 0x07, 0xc6, 0x05, ...word(1), 0x00, 0xeb, 0xee]
        const outcome = finish(caseOf(code))
        assert.equal(outcome.gpr[RAX], 3000n)
      })

      it('is interrupted by its budget at any instruction', () => {
        // L: inc eax / inc ebx / add edx, eax / jmp L
        const code = [...INC_EAX, 0xff, 0xc3, 0x01, 0xc2, 0xeb, 0xf8]
        machine.load(caseOf(code))
        machine.core.run(20_000)
        let total = 20_000
        for (let n = 1; n < 300; n++) {
          machine.core.run(n)
          total += n
          assert.equal(machine.u64(RAX), BigInt(Math.floor((total + 3) / 4)))
          assert.equal(machine.u64(RBX * 8), BigInt(Math.floor((total + 2) / 4)))
        }
      })
    })

    describe('REP', () => {
      const bytes = Uint8Array.from({ length: 0x1800 }, (_, n) => n * 7 + (n >> 8))

      it('moves the same in slices of any size', () => {
        for (const budget of [1, 2, 50, 100_000]) {
          const c = caseOf([0xf3, 0xa4], { [RSI]: DATA + 0x40, [RDI]: DATA + 0x2003, [RCX]: bytes.length })
          machine.load(c)
          machine.writeData(DATA + 0x40, bytes)
          for (let n = 0; n < 20_000 && machine.core.run(budget) === S.EXIT_BUDGET; n++);
          const outcome = machine.outcome()
          assert.equal(outcome.vector, BP)
          assert.equal(outcome.gpr[RCX], 0n)
          assert.equal(outcome.gpr[RSI], BigInt(DATA + 0x40 + bytes.length))
          assert.deepEqual(machine.readData(DATA + 0x2003, bytes.length), bytes)
        }
      })

      it('stops at a fault with what has been done in its registers', () => {
        for (const code of [
          [0xf3, 0xa4],
          [0xf3, 0x48, 0xa5],
        ]) {
          const size = code.length === 2 ? 1 : 8
          const c = caseOf(code, { [RSI]: DATA, [RDI]: DATA + 0x3000, [RCX]: 0x2000 / size })
          machine.load(c)
          machine.core.run(100_000)
          const outcome = machine.outcome()
          assert.equal(outcome.vector, PF)
          assert.equal(outcome.cr2, BigInt(DATA + 0x4000))
          assert.equal(outcome.rip, BigInt(CODE + 0x100))
          assert.equal(outcome.gpr[RCX], BigInt(0x1000 / size))
          assert.equal(outcome.gpr[RDI], BigInt(DATA + 0x4000))
        }
      })

      it('smears forward where its operands overlap, as byte by byte', () => {
        const c = caseOf([0xf3, 0xa4], { [RSI]: WINDOW, [RDI]: WINDOW + 1, [RCX]: 100 })
        c.window[0] = 0x5a
        const outcome = finish(c)
        assert.deepEqual(outcome.window.slice(0, 101), new Uint8Array(101).fill(0x5a))
      })

      it('writes over its own code', () => {
        // rep stosb over the INT3s behind it with inc eax's bytes would run away; NOPs let it fall to the INT3 after them
        const c = caseOf([0xf3, 0xaa], { [RAX]: 0x90, [RDI]: CODE + 0x102, [RCX]: 16 })
        assert.equal(finish(c).rip, BigInt(CODE + 0x102 + 16 + 1))
      })
    })
  })
}
