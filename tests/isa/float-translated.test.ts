/**
 * Floating-point instructions in line against the interpreter, over many operands: a guest loop takes pairs and an MXCSR from a table, and leaves result,
 * MXCSR and flags in another. CBIT_ISA_BATCHES: tables per instruction (default 6); CBIT_ISA_SEED.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { prepareEngine } from '../../src/apps/cli/engine.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import * as V from '../../src/silicon/core/ir/vector-ids.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { fusesMultiplyAdd } from '../../src/silicon/core/translate/fused-multiply-add.js'
import { isFusedDouble } from '../../src/silicon/core/translate/vex-record.js'
import { encode, hasOperand, type Encoding } from './encode.js'
import { Machine } from './machine.js'
import { Random } from './random.js'
import { CODE, DATA, WINDOW_BYTES, type Case } from './state.js'

const BATCHES = Number(process.env['CBIT_ISA_BATCHES'] ?? 6)
const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const PAIRS = 120
const PAIR_BYTES = 48
const RESULT_BYTES = 48
const PAIRS_AT = DATA
const RESULTS_AT = DATA + 0x1800
const STACK = DATA + 0x3ff0
const HOT = 3
const RAX = 0
const RCX = 1
const RSP = 4
const RSI = 6
const RDI = 7
const INT3 = 0xcc
const PREDICATES = [0, 1, 2, 3, 4, 5, 6, 7]

const inLine = (id: number): boolean =>
  (id >= V.V_ADDPS && id < V.V_CONVERT_END) || (id >= V.V_VEX + V.V_ADDPS && id < V.V_VEX + V.V_CONVERT_END) || id >= V.V_FMA
const rows = opcodeTable().rows.filter(({ row }) => row.semantics.kind === 'vector' && inLine(row.semantics.id))
/** Results of their own on every processor, or MMX registers. */
const others = /^V?R(CP|SQRT)|PI|2P[SD]$/
const tested = rows.filter(
  ({ row, operands }) => !others.test(row.mnemonic) && !operands.some(({ class: letter }) => 'PQN'.includes(letter)),
)

/** What VEX.vvvv names: the destination, the other operand, a third. */
const FIRSTS = [0, 1, 2]

function encoding(row: CompiledRow, memory: boolean, immediate: number, wide: boolean, first: number): Encoding {
  const operand = { base: RSI, index: -1, scale: 0, displacement: 16, ripRelative: false, mod: 1, rm: RSI, sib: 0, displacementBytes: 1 }
  return {
    row,
    mode: 'long',
    operandPrefix: false,
    addressPrefix: false,
    lock: false,
    repeat: 0,
    segment: 0,
    wide: row.w >= 0 ? row.w === 1 : wide && hasOperand(row, 'EG'),
    rexAlways: false,
    reg: 0,
    rm: hasOperand(row, 'E') ? RAX : 1,
    vvvv: first,
    l: 0,
    memory: memory ? operand : undefined,
    immediate: hasOperand(row, 'I') ? Uint8Array.of(immediate) : new Uint8Array(0),
  }
}

/**
 * L: movapd xmm0,[rsi] / movapd xmm1,[rsi+16] / movupd xmm2,[rsi+8] / mov rax,[rsi+16] / ldmxcsr [rsi+32] / instruction / movupd [rdi],xmm0 / stmxcsr [rdi+16] / mov [rdi+24],rax /
 * pushfq / pop [rdi+32] / add rsi,48 / add rdi,48 / dec ecx / jnz L / int3
 */
function loopOf(instruction: Uint8Array): Uint8Array {
  const head = [
    0x66, 0x0f, 0x28, 0x06, 0x66, 0x0f, 0x28, 0x4e, 0x10, 0x66, 0x0f, 0x10, 0x56, 0x08, 0x48, 0x8b, 0x46, 0x10, 0x0f, 0xae, 0x56, 0x20,
  ]
  const tail = [0x66, 0x0f, 0x11, 0x07, 0x0f, 0xae, 0x5f, 0x10, 0x48, 0x89, 0x47, 0x18, 0x9c, 0x8f, 0x47, 0x20]
  const body = [...head, ...instruction, ...tail, 0x48, 0x83, 0xc6, PAIR_BYTES, 0x48, 0x83, 0xc7, RESULT_BYTES, 0xff, 0xc9]
  return Uint8Array.from([...body, 0x75, -(body.length + 2) & 255, INT3])
}

const EXPONENT = 52n
/** Doubles where guards decide: ends of the range, whole numbers, few bits, neighbours of powers of two. */
function edgeDouble(random: Random): bigint {
  const sign = BigInt(random.below(2)) << 63n
  const exponent = (value: number): bigint => BigInt(value) << EXPONENT
  const fraction = random.u64() & 0xfffffffffffffn
  switch (random.below(8)) {
    case 0:
      return sign | exponent(random.below(6)) | fraction
    case 1:
      return sign | exponent(2042 + random.below(6)) | fraction
    case 2:
      return bitsOf(random.below(1 << random.below(30)) - 1000)
    case 3:
      return sign | exponent(1000 + random.below(70)) | ((fraction >> 40n) << 40n)
    case 4:
      return sign | exponent(random.below(2048)) | (random.oneIn(2) ? 0n : 0xfffffffffffffn)
    case 5:
      return sign | exponent(500 + random.below(24)) | fraction
    default:
      return random.float64()
  }
}

const scratch = new DataView(new ArrayBuffer(8))
function bitsOf(value: number): bigint {
  scratch.setFloat64(0, value)
  return scratch.getBigUint64(0)
}

function edgeSingle(random: Random): number {
  const sign = random.below(2) * 2 ** 31
  const fraction = random.u32() & 0x7fffff
  switch (random.below(6)) {
    case 0:
      return sign + (random.below(6) << 23) + fraction
    case 1:
      return sign + ((250 + random.below(6)) << 23) + fraction
    case 2:
      scratch.setFloat32(0, random.below(1 << random.below(30)) - 1000)
      return scratch.getUint32(0)
    case 3:
      return sign + ((110 + random.below(40)) << 23) + (fraction & 0x7c0000)
    default:
      return random.float32() >>> 0
  }
}

const edgeInteger = (random: Random): bigint =>
  random.oneIn(2) ? random.integer() : (1n << BigInt(random.below(64))) + BigInt(random.below(3)) - 1n

function table(random: Random, single: boolean, integers: boolean): Uint8Array {
  const bytes = new Uint8Array(PAIRS * PAIR_BYTES)
  const view = new DataView(bytes.buffer)
  for (let at = 0; at < bytes.length; at += PAIR_BYTES) {
    for (let n = 0; n < 32; n += 8) {
      if (integers && n >= 16) view.setBigUint64(at + n, BigInt.asUintN(64, edgeInteger(random)), true)
      else if (single) for (const half of [0, 4]) view.setUint32(at + n + half, edgeSingle(random), true)
      else view.setBigUint64(at + n, edgeDouble(random), true)
    }
    // Lanes are often alike, so that one that is out of the ordinary decides.
    if (random.oneIn(3)) bytes.copyWithin(at + 8, at, at + 8)
    const rounding = random.oneIn(4) ? random.below(4) << 13 : 0
    const zeros = random.oneIn(6) ? random.pick([0x8000, 0x40, 0x8040]) : 0
    view.setUint32(at + 32, 0x1f80 | rounding | zeros | (random.oneIn(3) ? 0 : 0x20), true)
  }
  return bytes
}

class Loop {
  constructor(
    private readonly machine: Machine,
    code: Uint8Array,
  ) {
    const gpr = new BigUint64Array(16)
    const c: Case = {
      name: '',
      mode: 'long',
      code,
      offset: 0x100,
      gpr,
      rflags: 0x202,
      fs: 0n,
      gs: 0n,
      fx: new Uint8Array(512),
      window: new Uint8Array(WINDOW_BYTES),
    }
    machine.load(c)
  }

  run(pairs: Uint8Array): Uint8Array {
    const { machine } = this
    machine.userMode('long')
    machine.writeData(PAIRS_AT, pairs)
    const start: readonly (readonly [number, number])[] = [
      [RSI, PAIRS_AT],
      [RDI, RESULTS_AT],
      [RCX, PAIRS],
      [RSP, STACK],
    ]
    for (const [register, value] of start) machine.setU64(register * 8, BigInt(value))
    machine.setU64(S.PC, BigInt(CODE + 0x100))
    machine.kernel.exports.update_mode(machine.s)
    machine.core.run(100_000)
    assert.equal(machine.outcome().vector, 3)
    return machine.readData(RESULTS_AT, PAIRS * RESULT_BYTES)
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).reverse().toString('hex')

function compare(row: CompiledRow, instruction: Uint8Array, interpreted: Machine, translated: Machine): void {
  const code = loopOf(instruction)
  const loops = [new Loop(interpreted, code), new Loop(translated, code)] as const
  const random = new Random(SEED * 7919 + instruction.reduce((sum, byte) => sum * 31 + byte, 0))
  const { mnemonic } = row.row
  const single = /SS$|PS$|^V?CVTT?[SP]S2/.test(mnemonic) && !/^V?CVT(SD|PD|SI)2/.test(mnemonic)
  for (let batch = 0; batch < BATCHES; batch++) {
    const pairs = table(random, single, /^V?CVT(SI|DQ)2/.test(mnemonic))
    const [expected, found] = loops.map((loop) => loop.run(pairs)) as [Uint8Array, Uint8Array]
    for (let n = 0; n < PAIRS; n++) {
      const result = (from: Uint8Array): string => hex(from.subarray(n * RESULT_BYTES, (n + 1) * RESULT_BYTES))
      const pair = pairs.subarray(n * PAIR_BYTES, (n + 1) * PAIR_BYTES)
      assert.equal(result(found), result(expected), `${mnemonic} [${hex(instruction)} backwards] of ${hex(pair)}`)
    }
  }
}

describe('floating point in line', () => {
  prepareEngine()
  const interpreted = new Machine()
  for (const row of tested) {
    const { mnemonic, operands } = row.row
    const variants =
      row.row.semantics.kind === 'vector' && isFusedDouble(row.row.semantics.id) && fusesMultiplyAdd() ? [true, false] : [undefined]
    for (const fuses of variants)
      it(`${mnemonic} ${operands} is the interpreter’s to the bit${fuses === false ? ', without fused arithmetic' : ''}`, () => {
        const translated = new Machine(true, HOT, fuses === undefined ? {} : { fuses })
        for (const immediate of hasOperand(row, 'I') ? PREDICATES : [0])
          for (const memory of row.form < 0 ? [false, true] : [row.form === 0])
            for (const wide of hasOperand(row, 'EG') ? [false, true] : [false])
              for (const first of hasOperand(row, 'H') ? FIRSTS : [0])
                compare(row, encode(encoding(row, memory, immediate, wide, first), new Random(1)), interpreted, translated)
        assert(translated.kernel.counters.translated!.regions > 0, 'the loop became hot')
      })
  }
})
