/**
 * Calls, returns and indirect jumps of hot code: programs of small functions that call each other over two pages, translated as interpreted, in slices of any
 * size, with the stack near the end of a page; and returns that do not go where the call was. CBIT_ISA_PROGRAMS: how many (default 150); CBIT_ISA_SEED.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Core } from '../../src/silicon/core/core.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { KeptCode } from '../../src/silicon/core/translate/kept-code.js'
import { CORE_STATE_STRIDE } from '../../src/silicon/fabric-layout.js'
import { describeCase, differences } from './compare.js'
import { DATA_SPA, Machine } from './machine.js'
import { Random } from './random.js'
import { CODE, DATA, UNMAPPED, WINDOW, WINDOW_BYTES, type Case, type Outcome, caseOf } from './state.js'

const PROGRAMS = Number(process.env['CBIT_ISA_PROGRAMS'] ?? 150)
const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const BP = 3
const PF = 14
const RAX = 0
const RCX = 1
const RDX = 2
const RBX = 3
const RSP = 4
const FUEL = 15
/** Where the window changes page. */
const PAGE_END = WINDOW + 512
const MAIN = 0x100
const FUNCTIONS = [0x400, 0x500, 0x600, 0x700, 0xd00, 0xfc0, 0x1100, 0x1400]
const FUNCTION_BYTES = 0x100
const INSTRUCTIONS_MAX = 3_000_000

const word = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255]
const push = (r: number): number[] => (r < 8 ? [0x50 + r] : [0x41, 0x48 + r])
const pop = (r: number): number[] => (r < 8 ? [0x58 + r] : [0x41, 0x50 + r])
const addTo = (d: number, a: number): number[] => [0x48 | (a >= 8 ? 4 : 0) | (d >= 8 ? 1 : 0), 0x01, 0xc0 | ((a & 7) << 3) | (d & 7)]
const leaRax = (from: number, to: number): number[] => [0x48, 0x8d, 0x05, ...word(to - (from + 7))]

interface Program {
  readonly main: Case
  readonly functions: ReadonlyMap<number, Uint8Array>
}

const mainOf = (code: readonly number[], registers: Readonly<Record<number, number>>): Case =>
  caseOf(
    code,
    registers,
    MAIN,
    Uint8Array.from({ length: WINDOW_BYTES }, (_, n) => n & 255),
  )

/** Functions that save registers, compute, loop, switch, call those behind them (by register too) and themselves as long as R15 lasts. */
class Writer {
  private readonly random: Random
  private code: number[] = []
  private at = 0

  constructor(seed: number) {
    this.random = new Random(seed)
  }

  program(): Program {
    const functions = new Map<number, Uint8Array>()
    FUNCTIONS.forEach((offset, n) => functions.set(offset, this.body(offset, n)))
    this.code = []
    this.at = MAIN
    const body = this.code.length
    for (let n = 0; n < 3; n++) this.call(this.random.pick(FUNCTIONS))
    // dec ebp / jnz body
    this.put(0xff, 0xcd, 0x0f, 0x85, ...word(0))
    this.code.splice(-4, 4, ...word(body - this.code.length))
    const registers: Record<number, number> = { [FUEL]: 20 + this.random.below(200), 5: 10 + this.random.below(40) }
    for (const r of [0, 2, 3, 6, 7, 12]) registers[r] = this.random.u32()
    registers[RSP] = PAGE_END + 8 * this.random.below(40)
    return { main: mainOf(this.code, registers), functions }
  }

  private put(...bytes: readonly number[]): void {
    this.code.push(...bytes)
  }

  private get here(): number {
    return this.at + this.code.length
  }

  private call(target: number): void {
    if (this.random.oneIn(3)) this.put(...leaRax(this.here, target), 0xff, 0xd0)
    else this.put(0xe8, ...word(target - (this.here + 5)))
  }

  private arithmetic(): void {
    const { random } = this
    const registers = [0, 2, 3, 6, 7, 12, 13]
    for (let n = random.below(4); n >= 0; n--) {
      this.put(...addTo(random.pick(registers), random.pick(registers)))
      // adc eax, imm / rol edx, imm: flags of one instruction reach the next
      if (random.oneIn(3)) this.put(0x15, ...word(random.u32()))
      if (random.oneIn(4)) this.put(0xc1, 0xc2, random.below(32))
    }
  }

  private loop(): void {
    // push rcx / mov ecx, n / L: add rbx, rcx / dec ecx / jnz L / pop rcx
    this.put(0x51, 0xb9, ...word(1 + this.random.below(6)), 0x48, 0x01, 0xcb, 0xff, 0xc9, 0x75, 0xf9, 0x59)
  }

  /** One of four ways by the low bits of RBX: jmp through RAX. */
  private choice(): void {
    const ways = this.here + 7 + 3 + 2 + 3 + 3 + 2
    // lea rax, [ways] / and ebx, 3 / mov ecx, ebx / shl ecx, 3 / add rax, rcx / jmp rax
    this.put(...leaRax(this.here, ways), 0x83, 0xe3, 0x03, 0x89, 0xd9, 0xc1, 0xe1, 0x03, 0x48, 0x01, 0xc8, 0xff, 0xe0)
    // Each way has eight bytes: add edx, imm8 / jmp end / nops
    for (let n = 0; n < 4; n++) this.put(0x83, 0xc2, 1 + n * 17, 0xeb, (3 - n) * 8 + 3, 0x90, 0x90, 0x90)
  }

  private body(offset: number, n: number): Uint8Array {
    const { random } = this
    this.code = []
    this.at = offset
    const saved = [3, 5, 12, 13].slice(0, random.below(5))
    for (const r of saved) this.put(...push(r))
    if (random.oneIn(4)) this.put(0x6a, random.below(128), 0x68, ...word(random.u32()))
    else this.put(...push(RCX), ...push(RAX))
    this.arithmetic()
    if (random.oneIn(2)) this.loop()
    if (random.oneIn(3)) this.choice()
    const callees = FUNCTIONS.slice(n + 1)
    for (let calls = random.below(3); calls > 0 && callees.length > 0; calls--) {
      this.call(random.pick(callees))
      this.arithmetic()
    }
    if (random.oneIn(2)) {
      // dec r15d / jle over / call self
      this.put(0x41, 0xff, 0xcf, 0x7e, 0x05, 0xe8)
      this.put(...word(offset - (this.here + 4)))
    }
    this.put(...pop(RAX), ...pop(RCX))
    for (const r of saved.reverse()) this.put(...pop(r))
    this.put(0xc3)
    assert(this.code.length <= FUNCTION_BYTES, `a function of ${this.code.length} bytes`)
    return Uint8Array.from(this.code)
  }
}

function load(machine: Machine, { main, functions }: Program): void {
  for (const [offset, code] of functions) machine.writeCode(offset, code)
  machine.load(main)
}

function run(machine: Machine, program: Program, slice: () => number): { outcome: Outcome; retired: number } {
  const before = machine.core.instructionsRetired
  load(machine, program)
  let left = INSTRUCTIONS_MAX
  while (left > 0) {
    const most = Math.min(left, slice())
    left -= most
    if (machine.core.run(most) !== S.EXIT_BUDGET) break
  }
  const outcome = machine.outcome()
  machine.clearCode()
  return { outcome, retired: machine.core.instructionsRetired - before }
}

describe('programs of functions', () => {
  const programs = Array.from({ length: PROGRAMS }, (_, n) => new Writer(SEED * 1_000_003 + n).program())
  const interpreted = new Machine()
  const expected = programs.map((program) => run(interpreted, program, () => INSTRUCTIONS_MAX))

  it('end', () => {
    const ended = expected.filter(({ outcome }) => outcome.vector === BP)
    assert(ended.length > PROGRAMS * 0.5, `${ended.length} of ${PROGRAMS}`)
  })

  const whole = (): number => INSTRUCTIONS_MAX
  const slices = (random: Random): number => 1 + random.below(3000)
  const kept = new KeptCode()
  for (const [name, hotAfter, limits, slice] of [
    ['at once', 3, {}, whole],
    ['when hot', 40, {}, whole],
    ['and made part of larger regions', 10, { widenAfter: 5 }, whole],
    ['and made part of larger regions in slices', 5, { widenAfter: 10 }, slices],
    ['in slices', 5, {}, slices],
    ['with room for a few regions', 5, { regionsMax: 12 }, slices],
    ['several to a module', 40, { batch: 8 }, whole],
    ['several to a module in slices', 5, { batch: 8, widenAfter: 10 }, slices],
    ['and kept', 5, { batch: 8, widenAfter: 10, kept }, whole],
    ['by another chip', 5, { batch: 8, widenAfter: 10, kept }, slices],
  ] as const) {
    it(`do the same translated ${name}`, () => {
      const machine = new Machine(true, hotAfter, limits)
      const random = new Random(SEED)
      programs.forEach((program, n) => {
        const { outcome, retired } = run(machine, program, () => slice(random))
        const lines = differences(outcome, expected[n]!.outcome, { flags: 0 })
        assert.equal(lines.length, 0, [`program ${n}`, describeCase(program.main), ...lines].join('\n'))
        assert.equal(retired, expected[n]!.retired, `program ${n}: instructions retired`)
      })
      const { translated, clears } = machine.kernel.counters
      const { regions, wide, adopted } = translated!
      const elsewhere = name === 'by another chip'
      assert(regions + adopted > PROGRAMS, 'some code became hot')
      assert(!elsewhere || adopted > regions, `${adopted} adopted, ${regions} compiled`)
      assert(!('widenAfter' in limits) || elsewhere || wide > PROGRAMS, `${wide} larger regions`)
      assert.equal(clears > PROGRAMS / 12, 'regionsMax' in limits, `cleared ${clears} times for ${regions} regions`)
    })
  }
})

describe('a region', () => {
  // L: inc rax / dec ecx / jnz L
  const loop = [0x48, 0xff, 0xc0, 0xff, 0xc9, 0x75, 0xf9]
  const ROUNDS = 10_000

  it('is run by the core that it was made for alone', () => {
    const machine = new Machine(true, 5)
    const { kernel, core, s } = machine
    kernel.exports.code_cache_reset(2)
    const second = new Core(kernel, { index: 1, tscPerInstruction: 2, onWbinvd: () => undefined })
    load(machine, { main: mainOf(loop, { [RCX]: ROUNDS }), functions: new Map() })
    const bytes = new Uint8Array(kernel.view.buffer)
    const before = bytes.slice(s, s + CORE_STATE_STRIDE)
    core.run(INSTRUCTIONS_MAX)
    assert(kernel.counters.translated!.regions > 0)
    const after = machine.u64(S.RAX)
    assert.equal(after, BigInt(ROUNDS))

    bytes.set(before, second.state)
    second.run(INSTRUCTIONS_MAX)
    assert.equal(kernel.view.getBigUint64(second.state + S.RAX, true), BigInt(ROUNDS))
    assert.equal(machine.u64(S.RAX), after, 'the first core stands still')
  })

  it('waits for others, and for its block to be offered again at most', () => {
    const machine = new Machine(true, 40, { batch: 8 })
    const { kernel, core } = machine
    const regions = (): number => kernel.counters.translated!.regions
    // L: inc rax / dec ecx / jnz L / N: inc rax / dec edx / jnz N
    load(machine, { main: mainOf([...loop, 0x48, 0xff, 0xc0, 0xff, 0xca, 0x75, 0xf9], { [RCX]: 45, [RDX]: 60 }), functions: new Map() })
    core.run(3 * 45)
    assert.equal(machine.u64(S.RAX), 45n)
    assert.equal(regions(), 0, 'it is planned')
    core.run(INSTRUCTIONS_MAX)
    assert.equal(machine.u64(S.RAX), 105n)
    assert.equal(regions(), 2)
    assert.equal(kernel.counters.translated!.modules, 1)
  })

  it('becomes a larger one though no other code is hot', () => {
    const machine = new Machine(true, 40, { batch: 8, widenAfter: 20 })
    const { kernel, core } = machine
    load(machine, { main: mainOf(loop, { [RCX]: ROUNDS }), functions: new Map() })
    while (core.run(300) === S.EXIT_BUDGET);
    assert.equal(machine.u64(S.RAX), BigInt(ROUNDS))
    assert.equal(kernel.counters.translated!.wide, 1)
  })

  it('is not made of code that has changed while it waited', () => {
    const machine = new Machine(true, 40, { batch: 8 })
    const { kernel, core } = machine
    const main = mainOf(loop, { [RCX]: 200 })
    load(machine, { main, functions: new Map() })
    core.run(3 * 45)
    // dec rax
    machine.writeCode(main.offset, Uint8Array.from([0x48, 0xff, 0xc8]))
    core.run(3 * 15)
    assert.equal(machine.u64(S.RAX), 30n)
    assert.equal(kernel.counters.translated!.regions, 0)
    core.run(INSTRUCTIONS_MAX)
    assert.equal(machine.u64(S.RAX), BigInt.asUintN(64, 45n - 155n))
    assert.equal(kernel.counters.translated!.regions, 1)
  })

  it('is collected once the code cache has been cleared', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const made: WeakRef<WebAssembly.Instance>[] = []
    const { Instance } = WebAssembly
    class Noted extends Instance {
      constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
        super(module, imports)
        made.push(new WeakRef<WebAssembly.Instance>(this))
      }
    }
    const machine = new Machine(true, 5)
    WebAssembly.Instance = Noted as typeof Instance
    try {
      for (let n = 0; n < 20; n++) {
        run(machine, { main: mainOf(loop, { [RCX]: ROUNDS }), functions: new Map() }, () => INSTRUCTIONS_MAX)
        machine.kernel.exports.code_clear()
      }
    } finally {
      WebAssembly.Instance = Instance
    }
    assert(made.length >= 20, `${made.length} regions`)
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      collect()
      const alive = made.filter((one) => one.deref() !== undefined).length
      assert(alive <= 2, `${alive} of ${made.length} regions are still there`)
      // The machine is.
      assert(machine.kernel.counters.clears > 15)
    })
  })
})

describe('a return elsewhere', () => {
  const call = (from: number, to: number): number[] => [0xe8, ...word(to - (from + 5))]
  /** L: call f / inc ebx / inc ebx / dec ecx / jnz L */
  const loop = [...call(MAIN, 0x400), 0xff, 0xc3, 0xff, 0xc3, 0xff, 0xc9, 0x75, 0xf3]

  function rounds(f: readonly number[], registers: Readonly<Record<number, number>> = {}): Outcome {
    const machine = new Machine(true, 5)
    const program = {
      main: mainOf(loop, { [RCX]: 5000, [RSP]: PAGE_END + 64, ...registers }),
      functions: new Map([[0x400, Uint8Array.from(f)]]),
    }
    const { outcome } = run(machine, program, () => INSTRUCTIONS_MAX)
    assert(machine.kernel.counters.translated!.regions > 0)
    return outcome
  }

  it('goes there', () => {
    // add qword [rsp], 2 / ret: past one inc
    const outcome = rounds([0x48, 0x83, 0x04, 0x24, 2, 0xc3])
    assert.equal(outcome.vector, BP)
    assert.equal(outcome.gpr[RBX], 5000n)
  })

  it('goes there now and then', () => {
    // test ecx, 7 / jnz + / add qword [rsp], 2 / +: ret
    const outcome = rounds([0xf7, 0xc1, ...word(7), 0x75, 5, 0x48, 0x83, 0x04, 0x24, 2, 0xc3])
    assert.equal(outcome.gpr[RBX], BigInt(10_000 - 5000 / 8))
  })

  it('faults where nothing is', () => {
    // cmp ecx, 10 / jne + / mov qword [rsp], UNMAPPED / +: ret
    const outcome = rounds([0x83, 0xf9, 10, 0x75, 8, 0x48, 0xc7, 0x04, 0x24, ...word(UNMAPPED), 0xc3])
    assert.equal(outcome.vector, PF)
    assert.equal(outcome.rip, BigInt(UNMAPPED))
    assert.equal(outcome.gpr[RCX], 10n)
  })

  it('goes on in code that the callee has changed', () => {
    // cmp ecx, 10 / jne + / mov byte [caller's second inc], to dec ebx / +: ret
    const second = MAIN + 5 + 3
    const f = 0x400
    const store = [0xc6, 0x05, ...word(second - (f + 5 + 7)), 0xcb]
    const outcome = rounds([0x83, 0xf9, 10, 0x75, store.length, ...store, 0xc3])
    assert.equal(outcome.gpr[RBX], BigInt(4990 * 2))
  })

  it('comes back from a depth beyond that of any host stack', () => {
    // f: dec eax / jz + / call f / +: ret
    const f = [0xff, 0xc8, 0x74, 5, 0xe8, ...word(-9), 0xc3]
    const machine = new Machine(true, 5)
    // mov eax, 40 / call f / dec ecx / jnz
    const main = [0xb8, ...word(40), ...call(MAIN + 5, 0x400), 0xff, 0xc9, 0x75, 0xf2]
    const program = { main: mainOf(main, { [RCX]: 3000, [RSP]: PAGE_END + 200 }), functions: new Map([[0x400, Uint8Array.from(f)]]) }
    const { outcome, retired } = run(machine, program, () => INSTRUCTIONS_MAX)
    assert.equal(outcome.vector, BP)
    assert.equal(outcome.gpr[RSP], BigInt(PAGE_END + 200))
    const expected = run(new Machine(), program, () => INSTRUCTIONS_MAX)
    assert.equal(retired, expected.retired)
  })
})

describe('pushes and pops in a row', () => {
  const pushes = [...push(0), ...push(3), ...push(12), 0x6a, 0x85, ...push(6)]
  const pops = [...pop(6), ...pop(2), ...pop(13), ...pop(3), ...pop(0)]
  const rounds = (registers: Readonly<Record<number, number>>): Case => {
    const body = [...pushes, ...pops, 0xff, 0xc9, 0x75]
    return mainOf([...body, -(body.length + 1) & 255], { 0: 11, 3: 22, 12: 33, 6: 44, ...registers })
  }

  it('are the same anywhere in a page and across its end', () => {
    const [interpreted, translated] = [new Machine(), new Machine(true, 5)]
    for (let offset = -8; offset <= 56; offset += 4) {
      const c = rounds({ [RCX]: 200, [RSP]: PAGE_END + offset })
      const program = { main: c, functions: new Map<number, Uint8Array>() }
      const [ours, theirs] = [translated, interpreted].map((machine) => run(machine, program, () => INSTRUCTIONS_MAX))
      assert.deepEqual(differences(ours!.outcome, theirs!.outcome, { flags: 0 }), [], `RSP at ${offset}`)
      assert.equal(ours!.retired, theirs!.retired)
    }
    assert(translated.kernel.counters.translated!.regions > 0)
  })

  it('fault where the page below is missing, the earlier ones done', () => {
    // After 100 rounds RSP moves: L: the rounds / mov rsp, r8 / mov ecx, 1 / push ...
    const c = rounds({ [RCX]: 100, [RSP]: PAGE_END + 128 })
    const tail = [0x4c, 0x89, 0xc4, 0xb9, ...word(1), 0xeb]
    const code = [...c.code, ...tail]
    const back = [...code, -(code.length + 1) & 255]
    const gpr = c.gpr.slice()
    gpr[8] = BigInt(UNMAPPED + 0x1000 + 16)
    const main = { ...c, code: Uint8Array.from(back), gpr }
    const outcomes = [new Machine(true, 5), new Machine()].map((machine) =>
      run(machine, { main, functions: new Map() }, () => INSTRUCTIONS_MAX),
    )
    assert.equal(outcomes[0]!.outcome.vector, PF)
    assert.deepEqual(differences(outcomes[0]!.outcome, outcomes[1]!.outcome, { flags: 0 }), [])
    assert.equal(outcomes[0]!.retired, outcomes[1]!.retired)
  })
})

describe('accesses through one base', () => {
  // mov rax, [rbx+0x20] / add [rbx+0x18], rax / mov [rbx+0x10], eax / mov rdx, [rbx+8] / inc dword [rbx+0x14] / mov [rbx], dl / dec ecx / jnz
  const accesses = [0x48, 0x8b, 0x43, 0x20, 0x48, 0x01, 0x43, 0x18, 0x89, 0x43, 0x10, 0x48, 0x8b, 0x53, 0x08, 0xff, 0x43, 0x14, 0x88, 0x13]
  const body = [...accesses, 0xff, 0xc9, 0x75]
  const rounds = [...body, -(body.length + 1) & 255]

  const PAGE = 0x1000

  const bothWays = (main: Case): void => {
    const [ours, theirs] = [new Machine(true, 5), new Machine()].map((machine) => {
      // The two pages change places, so that what crosses from one to the other lies apart.
      machine.mapPage(PAGE_END - PAGE, DATA_SPA + PAGE_END - DATA)
      machine.mapPage(PAGE_END, DATA_SPA + PAGE_END - PAGE - DATA)
      return {
        ...run(machine, { main, functions: new Map() }, () => INSTRUCTIONS_MAX),
        memory: machine.readData(PAGE_END - PAGE, 3 * PAGE),
      }
    })
    assert.deepEqual(differences(ours!.outcome, theirs!.outcome, { flags: 0 }), [])
    assert.equal(ours!.retired, theirs!.retired)
    assert.deepEqual(ours!.memory, theirs!.memory)
  }

  it('are the same anywhere in a page and across its end', () => {
    for (let offset = -48; offset <= 8; offset += 3) bothWays(mainOf(rounds, { [RCX]: 200, [RBX]: PAGE_END + offset }))
  })

  it('fault where the page of a later one is missing, the earlier ones done', () => {
    // mov rbx, r8 / mov ecx, 1 / again
    const code = [...rounds, 0x4c, 0x89, 0xc3, 0xb9, ...word(1), 0xeb]
    for (let offset = 0; offset <= 32; offset += 4) {
      const registers = { [RCX]: 100, [RBX]: PAGE_END - 64, 8: UNMAPPED + 0x1000 - offset }
      bothWays(mainOf([...code, -(code.length + 1) & 255], registers))
    }
  })

  it('take the slow way where they lie in a page of code', () => {
    bothWays(mainOf(rounds, { [RCX]: 200, [RBX]: CODE + MAIN + rounds.length + 8 }))
  })
})
