/** Accesses in hot code that its TLB does not have, or that cross a page: the interpreter does the rest of the block, from the instruction on, and comes back. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { bothWays, run } from './both-ways.js'
import { differences } from './compare.js'
import { Machine } from './machine.js'
import { type Case, caseOf, CODE, DATA, DATA_BYTES, type Outcome, READ_ONLY } from './state.js'

const [RAX, RCX, RDX, RBX, RSI, RDI] = [0, 1, 2, 3, 6, 7]
const BP = 3
const PF = 14
const PAGE = 0x1000
const ROUNDS = 3000

const INC_EDX = [0xff, 0xc2]
const DEC_ECX = [0xff, 0xc9]
const ADD_EBX_EAX = [0x01, 0xc3]
/** mov eax, [rsi + 4n] */
const load = (n: number): number[] => [0x8b, 0x46, 4 * n]
/** Once round, and again for as long as ECX lasts. */
const loopOf = (...body: readonly (readonly number[])[]): number[] => {
  const code = [...body.flat(), ...DEC_ECX]
  return [...code, 0x75, -(code.length + 2) & 255, 0xcc]
}
/** RSI two bytes before the end of a page. */
const across = (code: readonly number[], registers: Readonly<Record<number, number>> = {}): Case =>
  caseOf(code, { [RCX]: ROUNDS, [RSI]: DATA + PAGE - 2, [RDI]: DATA + 2 * PAGE - 2, ...registers })

describe('an access that translated code cannot make', () => {
  it('is made by the interpreter each time round, which goes on in the block', () => {
    for (const body of [
      [INC_EDX, load(0), ADD_EBX_EAX],
      [load(0), INC_EDX, ADD_EBX_EAX],
      [INC_EDX, ADD_EBX_EAX, load(0)],
    ]) {
      const outcome = bothWays(across(loopOf(...body)), [], 0)
      assert.equal(outcome.vector, BP)
      assert.equal(outcome.gpr[RDX], BigInt(ROUNDS))
      assert.equal(outcome.gpr[RCX], 0n)
    }
  })

  it('makes no block of its own', () => {
    const lowered = (c: Case): number => {
      const machine = new Machine(true, 5)
      run(machine, c)
      assert(machine.kernel.counters.entries > ROUNDS / 2, 'the region was entered again and again')
      return machine.kernel.counters.blocks
    }
    assert.equal(lowered(across(loopOf(INC_EDX, load(0), ADD_EBX_EAX))), lowered(across(loopOf(load(0), INC_EDX, ADD_EBX_EAX))))
  })

  it('finds flags, registers and vectors as they were before it', () => {
    // add eax, 0x90000001 / mov edi, [rsi] / adc ebx, edi / paddd xmm0, xmm1 / movd xmm1, ebx / movups xmm2, [rsi] / paddd xmm0, xmm2
    const flags = [0x05, 1, 0, 0, 0x90]
    const vectors = [0x66, 0x0f, 0xfe, 0xc1, 0x66, 0x0f, 0x6e, 0xcb, 0x0f, 0x10, 0x16, 0x66, 0x0f, 0xfe, 0xc2]
    bothWays(across(loopOf(flags, [0x8b, 0x3e], [0x11, 0xfb], vectors), { [RBX]: 77 }), [], 0)
  })

  it('is made in the order of its block where stores and loads of one base cross a page', () => {
    // add [rsi], ebx / mov eax, [rsi + 4] / mov [rsi - 4], eax / xadd [rsi], eax / mov rbx, [rdi] / push rbx / pop [rdi]
    const body = [[0x01, 0x1e], load(1), [0x89, 0x46, 0xfc], [0x0f, 0xc1, 0x06], [0x48, 0x8b, 0x1f], [0x53], [0x8f, 0x07]]
    for (let offset = -12; offset <= 8; offset++) {
      bothWays(across(loopOf(INC_EDX, ...body), { [RSI]: DATA + PAGE + offset, [RDI]: DATA + 2 * PAGE - offset }), [], 0)
    }
  })

  it('has others of its base made in line, where only the group of them crosses the page', () => {
    // The first word lies before the end of the page, the second behind it.
    const outcome = bothWays(across(loopOf(load(0), ADD_EBX_EAX, load(1), ADD_EBX_EAX), { [RSI]: DATA + PAGE - 4 }), [], 0.99)
    assert.equal(outcome.vector, BP)
  })

  it('may be a push or a pop of several', () => {
    // push rax / push rbx / push rdx / inc edx / pop rbx / pop rax / pop rdi
    const body = [[0x50, 0x53, 0x52], INC_EDX, [0x5b, 0x58, 0x5f]]
    for (let offset = 0; offset <= 24; offset += 4) {
      bothWays(across(loopOf(...body), { [4]: DATA + PAGE + offset, [RAX]: 5, [RBX]: 9 }), [], 0)
    }
  })

  it('may be a store into a page of code that has been lowered', () => {
    // mov [rdi], edx, beside the loop
    const outcome = bothWays(across(loopOf(INC_EDX, [0x89, 0x17], ADD_EBX_EAX), { [RDI]: CODE + 0x800 }), [], 0)
    assert.equal(outcome.vector, BP)
  })

  it('is made in a function that a region calls', () => {
    // call f / dec ecx / jnz … f: inc edx / mov eax, [rsi] / add ebx, eax / mov eax, [rsi] / ret
    const f = 0x400
    const call = [0xe8, (f - 0x105) & 255, (f - 0x105) >> 8, 0, 0]
    const callee = Uint8Array.from([...INC_EDX, ...load(0), ...ADD_EBX_EAX, ...load(0), 0xc3])
    const outcome = bothWays(across(loopOf(call)), [[0, (machine) => machine.writeCode(f, callee)]], 0)
    assert.equal(outcome.gpr[RDX], BigInt(ROUNDS))
  })

  it('faults at its instruction, with all before it done and nothing behind it', () => {
    const store = [0x89, 0x16]
    const rounds = 1000
    const forbid = (machine: Machine): void => {
      machine.setU64(RSI * 8, BigInt(READ_ONLY))
    }
    const outcome = bothWays(across(loopOf(INC_EDX, store, ADD_EBX_EAX), { [RAX]: 1 }), [[rounds * 5, forbid]], 0)
    assert.equal(outcome.vector, PF)
    assert.equal(outcome.cr2, BigInt(READ_ONLY))
    assert.equal(outcome.rip, BigInt(CODE + 0x100 + INC_EDX.length))
    assert.equal(outcome.gpr[RDX], BigInt(rounds + 1))
    assert.equal(outcome.gpr[RBX], BigInt(rounds))
  })

  it('reads through a base where only its store is not allowed', () => {
    // inc edx / mov eax, [rsi] / add ebx, eax / mov [rsi + 4], edx
    const store = [0x89, 0x56, 4]
    const rounds = 1000
    const forbid = (machine: Machine): void => {
      machine.setU64(RSI * 8, BigInt(READ_ONLY))
    }
    const body = [INC_EDX, load(0), ADD_EBX_EAX, store]
    const outcome = bothWays(across(loopOf(...body), { [RSI]: DATA + 8 }), [[rounds * 6, forbid]], 0.9)
    assert.equal(outcome.vector, PF)
    assert.equal(outcome.cr2, BigInt(READ_ONLY + 4))
    assert.equal(outcome.rip, BigInt(CODE + 0x100 + [...INC_EDX, ...load(0), ...ADD_EBX_EAX].length))
    assert.equal(outcome.gpr[RDX], BigInt(rounds + 1))
  })

  it('keeps the count of instructions exact, however the run is sliced', () => {
    const c = across(loopOf(INC_EDX, load(0), ADD_EBX_EAX))
    for (const slice of [97, 1009]) {
      const [translated, interpreted] = [new Machine(true, 5), new Machine()]
      for (const machine of [translated, interpreted]) machine.load(c)
      for (let slices = 0; slices < 8; slices++) {
        for (const machine of [translated, interpreted]) assert.equal(machine.core.run(slice), S.EXIT_BUDGET)
        assert.equal(translated.core.instructionsRetired, interpreted.core.instructionsRetired)
        assert.equal(translated.u64(S.PC), interpreted.u64(S.PC))
        assert.equal(translated.u64(RDX * 8), interpreted.u64(RDX * 8))
      }
    }
  })
})

describe('an access of kernel code that its TLB does not have', () => {
  /** Where the first 2 MiB of DRAM stand for the supervisor, and a page of them that holds nothing else. */
  const KERNEL = 0xffffffff80000000n
  const PAGE_OF_CODE = 0x100000
  /** Pages of the data area are not there from `from` on. */
  const bothChips = (code: readonly number[], registers: Readonly<Record<number, number>>, from: number): Outcome => {
    const chips = [new Machine(true, 5), new Machine()]
    const outcomes = chips.map((machine) => {
      machine.load(caseOf([0x90], { [RCX]: ROUNDS, ...registers }))
      machine.raisePrivilege()
      for (let page = from; page < DATA + DATA_BYTES; page += PAGE) machine.mapPage(page, 0, 0n)
      machine.memory.write(PAGE_OF_CODE, Uint8Array.from(code))
      machine.setU64(S.PC, KERNEL + BigInt(PAGE_OF_CODE))
      machine.core.run(10_000_000)
      return machine.outcome()
    })
    assert.deepEqual(differences(outcomes[0]!, outcomes[1]!, { flags: 0 }), [])
    assert.equal(chips[0]!.core.instructionsRetired, chips[1]!.core.instructionsRetired)
    assert.equal(chips[0]!.u64(S.CR2), chips[1]!.u64(S.CR2))
    assert(chips[0]!.kernel.counters.instructionsTranslated > 0)
    return outcomes[0]!
  }
  const ADD_RSI_8 = [0x48, 0x83, 0xc6, 8]

  it('is made in line once the kernel has looked, from page to page and across them', () => {
    for (const offset of [0, 2, 5]) {
      const outcome = bothChips(
        loopOf(load(0), ADD_EBX_EAX, [0x89, 0x56, 4], INC_EDX, ADD_RSI_8),
        { [RCX]: 1500, [RSI]: DATA + offset },
        DATA + DATA_BYTES,
      )
      assert.equal(outcome.vector, BP)
    }
  })

  it('faults at its instruction, once', () => {
    for (const access of [load(0), [0x89, 0x16], [0x01, 0x16]]) {
      for (const body of [
        [INC_EDX, access, ADD_RSI_8],
        [access, INC_EDX, ADD_RSI_8],
      ]) {
        const outcome = bothChips(loopOf(...body), { [RSI]: DATA }, DATA + 2 * PAGE)
        assert.equal(outcome.vector, PF)
        assert.equal(outcome.cr2, BigInt(DATA + 2 * PAGE))
      }
    }
  })
})
