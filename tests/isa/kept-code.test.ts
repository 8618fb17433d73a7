/** Code that one chip has translated and another uses: the same outcomes as interpreted, wherever it stands and whatever the immediates of a kernel have become. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { KeptCode } from '../../src/silicon/core/translate/kept-code.js'
import { describeCase, differences } from './compare.js'
import { Machine } from './machine.js'
import { Programs } from './programs.js'
import { Random } from './random.js'
import { sameOnAllVendors } from './vendor-differences.js'
import { CODE, WINDOW_BYTES, type Case, caseOf } from './state.js'

const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const PROGRAMS = Number(process.env['CBIT_ISA_PROGRAMS'] ?? 150)
const HOT = 20
const INSTRUCTIONS_MAX = 100_000
const RAX = 0
const RCX = 1
const RSP = 4
const RSI = 6
const RDI = 7

const word = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255]
const chip = (kept: KeptCode): Machine => new Machine(true, HOT, { kept })
const adopted = (machine: Machine): number => machine.kernel.counters.translated!.adopted
const compiled = (machine: Machine): number => machine.kernel.counters.translated!.regions

const programOf = (code: readonly number[], registers: Readonly<Record<number, number>>, offset?: number): Case =>
  caseOf(
    [...code, 0xcc],
    registers,
    offset,
    Uint8Array.from({ length: WINDOW_BYTES }, (_, n) => n & 255),
  )

/** L: inc rax / dec ecx / jnz L */
const loop = [0x48, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xf9]
const ROUNDS = 1000

describe('kept code', () => {
  it('gives random programs the outcome that they have interpreted', () => {
    const programs = new Programs(opcodeTable(), sameOnAllVendors)
    const kept = new KeptCode()
    const [interpreted, first, second] = [new Machine(), chip(kept), chip(kept)]
    for (let n = 0; n < PROGRAMS; n++) {
      const c = programs.program(SEED * 1_000_003 + n, 4 + (n % 60), 60 + (n % 7), 'long')
      const expected = interpreted.run(c, INSTRUCTIONS_MAX)
      for (const machine of [first, second]) {
        const lines = differences(machine.run(c, INSTRUCTIONS_MAX), expected, { flags: 0 })
        assert.equal(lines.length, 0, [describeCase(c), ...lines].join('\n'))
      }
    }
    assert(compiled(first) > PROGRAMS / 2, `${compiled(first)} regions compiled`)
    assert(adopted(second) > 0.8 * compiled(first), `${adopted(second)} of ${compiled(first)} regions adopted`)
    assert(compiled(second) < 0.2 * compiled(first), `${compiled(second)} regions compiled again`)
  })

  it('serves in the same chip when its code stands in another frame', () => {
    const machine = chip(new KeptCode())
    const run = (): bigint => {
      machine.load(programOf(loop, { [RCX]: ROUNDS }))
      machine.core.run(INSTRUCTIONS_MAX)
      return machine.u64(S.RAX)
    }
    assert.equal(run(), BigInt(ROUNDS))
    assert.deepEqual([compiled(machine), adopted(machine)], [1, 0])
    const other = 0x300000
    machine.memory.write(other, machine.readCode(0, 0x1000))
    machine.mapPage(CODE, other)
    machine.enterLongMode()
    assert.equal(run(), BigInt(ROUNDS))
    assert.deepEqual([compiled(machine), adopted(machine)], [1, 1])
  })

  it('serves after the code cache has been cleared', () => {
    const machine = chip(new KeptCode())
    for (let n = 0; n < 5; n++) {
      const outcome = machine.run(programOf(loop, { [RCX]: ROUNDS }), INSTRUCTIONS_MAX)
      assert.equal(outcome.gpr[RAX], BigInt(ROUNDS))
      machine.kernel.exports.code_clear()
    }
    assert.deepEqual([compiled(machine), adopted(machine)], [1, 4])
  })

  it('is used by the core alone that it was made for, under the same mode, and at the same place of a page', () => {
    const kept = new KeptCode()
    chip(kept).run(programOf(loop, { [RCX]: ROUNDS }), INSTRUCTIONS_MAX)
    const elsewhere = chip(kept)
    assert.equal(elsewhere.run(programOf(loop, { [RCX]: ROUNDS }, 0x180), INSTRUCTIONS_MAX).gpr[RAX], BigInt(ROUNDS))
    assert.deepEqual([compiled(elsewhere), adopted(elsewhere)], [1, 0])
    const privileged = chip(kept)
    privileged.load(programOf(loop, { [RCX]: ROUNDS }))
    privileged.raisePrivilege()
    privileged.core.run(INSTRUCTIONS_MAX)
    assert.equal(privileged.u64(S.RAX), BigInt(ROUNDS))
    const again = chip(kept)
    again.run(programOf(loop, { [RCX]: ROUNDS }), INSTRUCTIONS_MAX)
    assert.deepEqual([compiled(again), adopted(again)], [0, 1])
  })

  it('is not used where a byte differs', () => {
    const kept = new KeptCode()
    // mov edx, 5 / add rax, rdx / dec ecx / jnz
    const code = [0xba, ...word(5), 0x48, 0x01, 0xd0, 0xff, 0xc9, 0x75, 0xf4]
    chip(kept).run(programOf(code, { [RCX]: ROUNDS }), INSTRUCTIONS_MAX)
    for (let at = 1; at < 5; at++) {
      const other = chip(kept)
      const changed = code.with(at, code[at]! ^ 0x11)
      const value = changed.slice(1, 5).reduce((sum, byte, n) => sum + byte * 2 ** (8 * n), 0)
      assert.equal(other.run(programOf(changed, { [RCX]: ROUNDS }), INSTRUCTIONS_MAX).gpr[RAX], BigInt(ROUNDS * value))
      assert.equal(adopted(other), 0)
    }
  })

  it('is left as soon as its code changes', () => {
    const kept = new KeptCode()
    chip(kept).run(programOf(loop, { [RCX]: ROUNDS }), INSTRUCTIONS_MAX)
    const machine = chip(kept)
    const c = programOf(loop, { [RCX]: ROUNDS })
    machine.load(c)
    machine.core.run(3 * 500)
    assert.equal(adopted(machine), 1)
    // dec rax
    machine.writeCode(c.offset, Uint8Array.from([0x48, 0xff, 0xc8]))
    machine.core.run(INSTRUCTIONS_MAX)
    assert.equal(machine.u64(S.RAX), 0n)
  })

  it('takes the place of what would be planned as long as there is room in the tables', () => {
    const kept = new KeptCode()
    const programs = new Programs(opcodeTable(), sameOnAllVendors)
    const cases = Array.from({ length: 30 }, (_, n) => programs.program(SEED * 77 + n, 20, 60, 'long'))
    const interpreted = new Machine()
    const first = chip(kept)
    for (const c of cases) first.run(c, INSTRUCTIONS_MAX)
    const narrow = new Machine(true, HOT, { kept, regionsMax: 4 })
    for (const c of cases)
      assert.equal(
        differences(narrow.run(c, INSTRUCTIONS_MAX), interpreted.run(c, INSTRUCTIONS_MAX), { flags: 0 }).length,
        0,
        describeCase(c),
      )
    assert(adopted(narrow) > 10 && narrow.kernel.counters.clears > 3, `${adopted(narrow)} adopted, ${narrow.kernel.counters.clears} clears`)
  })
})

describe('kept code of a kernel', () => {
  /** First 2 MiB of DRAM, for the supervisor. */
  const UPPER = 0xffffffff80000000n
  const PLACE = 0x100000
  const MEMORY = 0x180000
  /** Where Linux lies, and how far it is from addresses near zero. */
  const far = (random: Random): number => (random.oneIn(3) ? 0x40000001 + random.below(0x3effffff) : -0x7f000000 + random.below(0x3effffff))

  interface Loop {
    readonly code: readonly number[]
    readonly registers: Readonly<Record<number, bigint>>
    readonly gs: bigint
  }

  /** A loop of instructions with far immediates and displacements: `shape` says which, `values` what they are. */
  function kernelLoop(shape: Random, values: Random): Loop {
    const code: number[] = []
    const put = (...bytes: readonly number[]): void => void code.push(...bytes)
    const [source, target] = [far(values), far(values)]
    const memory = UPPER + BigInt(MEMORY)
    let gs = 0n
    // Flags and values of each instruction reach R8.
    const forms: readonly (() => void)[] = [
      () => put(0x48, 0xc7, 0xc0, ...word(far(values))), // mov rax, imm
      () => put(0xb8, ...word(far(values))), // mov eax, imm
      () => put(0x48, 0x8d, 0x91, ...word(far(values))), // lea rdx, [rcx + disp]
      () => put(0x48, 0x8d, 0x14, 0xcd, ...word(far(values))), // lea rdx, [rcx * 8 + disp]
      () => put(0x8d, 0x94, 0x88, ...word(far(values))), // lea edx, [rax + rcx * 4 + disp]
      () => put(0x48, 0x8b, 0x9e, ...word(source)), // mov rbx, [rsi + disp]
      () => put(0x48, 0x8b, 0x9e, ...word(source), 0x48, 0x03, 0x9e, ...word(source + 8)), // mov rbx, [rsi + disp] / add rbx, [rsi + disp + 8]
      () => put(0x48, 0x89, 0x87, ...word(target)), // mov [rdi + disp], rax
      () => put(0x48, 0xc7, 0x87, ...word(target), ...word(far(values))), // mov qword [rdi + disp], imm
      () => put(0x48, 0x81, 0x87, ...word(target), ...word(far(values))), // add qword [rdi + disp], imm
      () => put(0x48, 0x05, ...word(far(values))), // add rax, imm
      () => put(0x35, ...word(far(values))), // xor eax, imm
      () => put(0x48, 0x81, 0xfb, ...word(far(values))), // cmp rbx, imm
      () => put(0x81, 0xfa, ...word(far(values))), // cmp edx, imm
      () => put(0xa9, ...word(far(values))), // test eax, imm
      () => put(0x68, ...word(far(values)), 0x41, 0x5a), // push imm / pop r10
      () => put(0x48, 0x69, 0xc3, ...word(far(values))), // imul rax, rbx, imm
      () => put(0x48, 0x81, 0xfb, ...word(far(values)), 0x72, 3, 0x48, 0xff, 0xc2), // cmp rbx, imm / jb + / inc rdx
    ]
    const perCpu = (): void => {
      // mov rbx, gs:[rip + disp]
      const distance = far(values)
      put(0x65, 0x48, 0x8b, 0x1d, ...word(distance))
      gs = BigInt.asUintN(64, memory - (UPPER + BigInt(PLACE + code.length) + BigInt(distance)))
    }
    const perCpuAt = shape.below(8)
    for (let n = 0; n < 8; n++) {
      // setc r9b / add r8, rax / rol r8, 7 / add r8, rbx / add r8, rdx / add r8, r9
      if (n === perCpuAt) perCpu()
      shape.pick(forms)()
      put(0x41, 0x0f, 0x92, 0xc1, 0x49, 0x01, 0xc0, 0x49, 0xc1, 0xc0, 7, 0x49, 0x01, 0xd8, 0x49, 0x01, 0xd0, 0x4d, 0x01, 0xc8)
    }
    // dec r15 / jnz
    put(0x49, 0xff, 0xcf, 0x0f, 0x85)
    put(...word(-(code.length + 4)), 0xcc)
    const registers = {
      [RCX]: BigInt(values.u32()),
      [RSI]: BigInt.asUintN(64, memory - BigInt(source)),
      [RDI]: BigInt.asUintN(64, memory + 64n - BigInt(target)),
      [RSP]: memory + 0x800n,
      15: 200n,
    }
    return { code, registers, gs }
  }

  /** Registers and memory when it has ended. */
  function run(machine: Machine, { code, registers, gs }: Loop): string {
    machine.load(programOf([], {}))
    machine.raisePrivilege()
    machine.memory.write(
      PLACE,
      Uint8Array.from({ length: 0x400 }, () => 0xcc),
    )
    machine.memory.write(PLACE, Uint8Array.from(code))
    machine.memory.write(
      MEMORY,
      Uint8Array.from({ length: 0x1000 }, (_, n) => (n * 37) & 255),
    )
    for (let r = 0; r < 16; r++) machine.setU64(r * 8, registers[r] ?? 0n)
    machine.setU64(S.GS_BASE, gs)
    machine.setU64(S.PC, UPPER + BigInt(PLACE))
    machine.core.run(INSTRUCTIONS_MAX)
    assert.equal(machine.u32(S.EXIT_REASON), S.EXIT_HALT)
    const { gpr } = machine.outcome()
    const memory = machine.memory.read(MEMORY, 0x80)
    return [...gpr.map((value, r) => (r === RSP ? 0n : value)), Buffer.from(memory).toString('hex')].join(' ')
  }

  it('serves where the kernel lies elsewhere', () => {
    let regions = 0
    let reused = 0
    const kept = new KeptCode()
    const [interpreted, first, second] = [new Machine(), chip(kept), chip(kept)]
    for (let n = 0; n < PROGRAMS; n++) {
      const shape = (): Random => new Random(SEED * 5003 + n)
      const before = adopted(second)
      for (const [machine, seed] of [
        [first, 2 * n],
        [second, 2 * n + 1],
      ] as const) {
        const program = kernelLoop(shape(), new Random(SEED * 7919 + seed))
        assert.equal(run(machine, program), run(interpreted, program), `program ${n}: ${Buffer.from(program.code).toString('hex')}`)
      }
      regions++
      if (adopted(second) > before) reused++
    }
    assert(reused > 0.6 * regions, `${reused} of ${regions} loops were adopted`)
  })
})
