// Every x87 encoding of the opcode table against the host's FPU: whole state before, one instruction, whole state after.

import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { x87Rows } from '../../src/silicon/core/decode/opcodes/x87.js'
import * as id from '../../src/silicon/core/ir/x87-ids.js'
import type { OpcodeRow } from '../../src/silicon/core/decode/row.js'
import {
  CR0,
  DS,
  EFLAGS,
  FAULT,
  PC,
  RAX,
  T0,
  T1,
  T2,
  X87_CONTROL,
  X87_CS,
  X87_DP,
  X87_DS,
  X87_IP,
  X87_OPCODE,
  X87_REGISTERS,
  X87_STATUS,
  X87_TAGS,
} from '../../src/silicon/core/state/layout.js'
import { bench, noAmdOracle, noOracle, Random, type Bench } from './x87-bench.js'

const STATE = 0x10000
const RECORD = 0xf000
const MEMORY = 0xe000
const IMAGE = 108
const IN = 16 + IMAGE + 4 + 128
const OUT = IMAGE + 4 + 128 + 16

interface Extended {
  readonly sig: bigint
  readonly se: number
}

const transcendental = new Set(['F2XM1', 'FYL2X', 'FYL2XP1', 'FPTAN', 'FPATAN', 'FSIN', 'FCOS', 'FSINCOS'])

const ones = (1n << 64n) - 1n
const top = 1n << 63n

function significand(r: Random): bigint {
  const v = r.u64()
  return (
    r.pick([
      0n,
      1n,
      ones >> 1n,
      (ones >> 1n) - 1n,
      1n << 62n,
      v,
      v,
      v,
      v,
      v >> BigInt(r.below(63)),
      v & (ones << BigInt(r.below(63))) & ones,
      v & (ones << 11n) & ones,
      v & (ones << 40n) & ones,
      (1n << 10n) | (v & (ones << 11n)),
      (1n << 39n) | (v & (ones << 40n)),
    ]) &
    (ones >> 1n)
  )
}

function extended(r: Random, near: number): Extended {
  const kind = r.below(24)
  const sign = r.below(2) << 15
  const s = significand(r)
  if (kind === 0) return { sig: 0n, se: sign }
  if (kind === 1) return { sig: top, se: sign | 0x7fff }
  if (kind === 2) return { sig: top | s, se: sign | 0x7fff }
  if (kind === 3) return { sig: r.pick([s, s | top, 1n, ones]), se: sign }
  if (kind === 4) return { sig: s, se: sign | r.pick([1, 0x3fff, 0x7fff, r.below(0x8000)]) }
  if (kind === 5)
    return {
      sig: top | s,
      se: sign | r.pick([1, 2, 0x7ffe, 0x7ffd, 0x3fff - 1023, 0x3fff - 1024, 0x3fff + 1023, 0x3fff - 127, 0x3fff - 126, 0x3fff + 127]),
    }
  if (kind < 8) return { sig: top | s, se: sign | r.below(0x7fff) }
  const e = 0x3fff + near + r.pick([0, 0, 1, 2, -1, -2, r.below(130) - 65, r.below(20) - 10])
  return { sig: top | s, se: sign | Math.min(Math.max(e, 1), 0x7ffe) }
}

function memoryImage(r: Random, row: OpcodeRow): Buffer {
  const b = Buffer.alloc(128)
  for (let i = 0; i < 128; i += 8) b.writeBigUInt64LE(r.u64(), i)
  if (row.mnemonic === 'FLDENV' || row.mnemonic === 'FRSTOR') {
    b.fill(0)
    stateImage(state(r, 1)).copy(b)
    return b
  }
  const near = r.pick([0, 0, 1, 20, 30])
  if (row.operands === 'Md') b.writeUInt32LE(r.pick([single(r), single(r), r.below(200), r.below(2 ** 32)]))
  if (row.operands === 'Mq') b.writeBigUInt64LE(r.pick([double(r), double(r), r.u64(), BigInt(r.below(200))]))
  if (row.operands === 'Mt') {
    const v = extended(r, near)
    b.writeBigUInt64LE(v.sig)
    b.writeUInt16LE(v.se, 8)
    if (row.mnemonic === 'FBLD') for (let i = 0; i < 9; i++) b.writeUInt8(r.below(10) * 16 + r.below(10), i)
    if (row.mnemonic === 'FBLD') b.writeUInt8(r.below(2) * 0x80, 9)
  }
  return b
}

function single(r: Random): number {
  const e = r.pick([0, 0, 1, 254, 255, 255, 127, 128, 126, 127 + r.below(40) - 20, r.below(256)])
  const f = Number(r.u64() & 0x7fffffn)
  return ((r.below(2) << 31) | (e << 23) | r.pick([0, 1, 0x400000, f, f, f])) >>> 0
}

function double(r: Random): bigint {
  const e = r.pick([0, 0, 1, 2046, 2047, 2047, 1023, 1024, 1022, 1023 + r.below(60) - 30, r.below(2048)])
  const f = r.u64() & 0xfffffffffffffn
  return (BigInt(r.below(2)) << 63n) | (BigInt(e) << 52n) | r.pick([0n, 1n, 1n << 51n, f, f, f])
}

interface State {
  readonly control: number
  readonly status: number
  readonly full: number
  /** Bit n: physical register n is in use. */
  readonly used: number
  /** ST(0) … ST(7) */
  readonly registers: readonly Extended[]
}

function state(r: Random, pending: number): State {
  const masks = r.below(3) ? 0x3f : r.below(64)
  const control = masks | 0x40 | (r.pick([0, 2, 3, 3]) << 8) | (r.below(4) << 10)
  const flags = r.below(pending) ? r.below(64) : r.pick([0, 0, 0x20, 0x41, 0x3f]) & masks
  const status = flags | (r.below(2) << 6) | ((r.below(256) << 8) & 0x7f00)
  const used = r.pick([0xff, 0xff, 0xff, 0x7f, 0xfe, r.below(256), r.below(256)])
  const turned = r.below(8) ? ((used << ((status >> 11) & 7)) | (used >> (8 - ((status >> 11) & 7)))) & 0xff : used
  let full = 0
  for (let i = 0; i < 8; i++) if (!((turned >> i) & 1)) full |= 3 << (2 * i)
  const near = r.pick([0, 0, 0, 1, 10, 30, 60, 16300, -16380, -16320, 1020, -1040])
  const registers = Array.from({ length: 8 }, () => extended(r, near))
  if (!r.below(12)) registers[1] = registers[0] as Extended
  if (!r.below(12)) registers[2] = { sig: (registers[0] as Extended).sig, se: (registers[0] as Extended).se ^ 0x8000 }
  return { control, status, full, used: turned, registers }
}

function stateImage(v: State): Buffer {
  const b = Buffer.alloc(IMAGE)
  b.writeUInt32LE((0xffff0000 | v.control) >>> 0, 0)
  b.writeUInt32LE((0xffff0000 | v.status) >>> 0, 4)
  b.writeUInt32LE((0xffff0000 | v.full) >>> 0, 8)
  v.registers.forEach((x, i) => {
    b.writeBigUInt64LE(x.sig, 28 + i * 10)
    b.writeUInt16LE(x.se, 36 + i * 10)
  })
  return b
}

/** The same image with 16-bit fields, as under an operand-size prefix. */
function smallImage(image: Buffer): Buffer {
  const b = Buffer.alloc(IMAGE)
  for (let i = 0; i < 7; i++) image.copy(b, 2 * i, 4 * i, 4 * i + 2)
  image.copy(b, 14, 28)
  return b
}

interface Encoded {
  readonly bytes: readonly number[]
  /** Under an operand-size prefix. */
  readonly small: boolean
  readonly memory: boolean
  readonly rm: number
}

function encode(row: OpcodeRow, r: Random): Encoded {
  const words = row.encoding.split(' ')
  const opcode = parseInt(words[0] as string, 16)
  if (words.length === 1) return { bytes: [opcode], small: false, memory: false, rm: 0 }
  const second = words[1] as string
  if (second.startsWith('=')) {
    const modrm = parseInt(second.slice(1), 16)
    return { bytes: [opcode, modrm], small: false, memory: false, rm: modrm & 7 }
  }
  const field = Number(second.slice(1)) << 3
  if (words[2] === 'mem') {
    const small = row.operands === 'M' && r.below(2) === 1
    return { bytes: small ? [0x66, opcode, field | 3] : [opcode, field | 3], small, memory: true, rm: 3 }
  }
  const rm = r.below(8)
  return { bytes: [opcode, 0xc0 | field | rm], small: false, memory: false, rm }
}

interface Case {
  readonly row: OpcodeRow
  readonly code: Encoded
  readonly before: State
  readonly rflags: number
  readonly memory: Buffer
}

function makeCase(row: OpcodeRow, r: Random): Case {
  const code = encode(row, r)
  const image = memoryImage(r, row)
  const memory =
    code.small && (row.mnemonic === 'FLDENV' || row.mnemonic === 'FRSTOR') ? Buffer.concat([smallImage(image), Buffer.alloc(20)]) : image
  return { row, code, before: state(r, 12), rflags: 0x202 | (r.below(0x10000) & 0x8d5), memory }
}

function oracleInput(cases: readonly Case[]): Buffer {
  const input = Buffer.alloc(cases.length * IN, 0x90)
  cases.forEach((c, i) => {
    input.set(c.code.bytes, i * IN)
    stateImage(c.before).copy(input, i * IN + 16)
    input.writeUInt32LE(c.rflags, i * IN + 16 + IMAGE)
    c.memory.copy(input, i * IN + 16 + IMAGE + 4)
  })
  return input
}

/** Puts the case into the state area and its record into memory. */
function prepare(b: Bench, c: Case, address: number): void {
  const m = b.memory
  const bytes = new Uint8Array(m.buffer)
  bytes.fill(0, STATE, STATE + 0x1000)
  bytes.set(c.memory, MEMORY)
  m.setUint32(STATE + EFLAGS, c.rflags, true)
  m.setUint32(STATE + CR0, 0x80000031, true)
  m.setBigUint64(STATE + RAX, 0x1122334455667788n, true)
  m.setUint16(STATE + X87_CONTROL, c.before.control, true)
  m.setUint16(STATE + X87_STATUS, c.before.status, true)
  m.setUint8(STATE + X87_TAGS, c.before.used)
  const turn = (c.before.status >> 11) & 7
  c.before.registers.forEach((x, i) => {
    const p = STATE + X87_REGISTERS + ((turn + i) & 7) * 16
    m.setBigUint64(p, x.sig, true)
    m.setUint16(p + 8, x.se, true)
  })
  call(b, 'x87_update_es', STATE)
  m.setBigUint64(STATE + T0, BigInt(address), true)
  m.setBigUint64(STATE + T1, 0x5678n, true)
  m.setUint32(STATE + T2, DS, true)
  m.setBigUint64(STATE + PC, 0x400000n, true)
  const [first = 0, modrm = 0] = c.code.small ? c.code.bytes.slice(1) : c.code.bytes
  bytes.set([0, 0, c.code.rm, c.code.memory ? 0xff : 0, c.code.small ? 2 : 4, 0, 0x12, 0], RECORD)
  const semantics = c.row.semantics
  m.setUint32(RECORD + 8, (semantics.kind === 'x87' ? semantics.id : 0) | (c.code.bytes.length << 16), true)
  m.setUint32(RECORD + 12, ((first & 7) << 8) | modrm, true)
}

function call(b: Bench, name: string, ...args: number[]): number {
  return (b.kernel as Record<string, (...args: number[]) => number>)[name]?.(...args) ?? 0
}

/** Runs the case on the kernel and returns a record as the oracle writes it. */
function runKernel(b: Bench, c: Case): Buffer {
  prepare(b, c, MEMORY)
  const result = call(b, 'x87', STATE, RECORD)
  const m = b.memory
  const bytes = new Uint8Array(m.buffer)
  const out = Buffer.alloc(OUT)
  out.writeUInt32LE((0xffff0000 | m.getUint16(STATE + X87_CONTROL, true)) >>> 0, 0)
  const status = m.getUint16(STATE + X87_STATUS, true)
  out.writeUInt32LE((0xffff0000 | status) >>> 0, 4)
  out.writeUInt32LE((0xffff0000 | call(b, 'x87_full_tags', STATE)) >>> 0, 8)
  for (let i = 0; i < 8; i++) {
    out.set(bytes.subarray(STATE + X87_REGISTERS + ((((status >> 11) & 7) + i) & 7) * 16).subarray(0, 10), 28 + i * 10)
  }
  out.writeUInt32LE(m.getUint32(STATE + EFLAGS, true), IMAGE)
  out.set(bytes.subarray(MEMORY, MEMORY + 128), IMAGE + 4)
  out.set(bytes.subarray(STATE + RAX, STATE + RAX + 8), IMAGE + 132)
  if (result) out.writeUInt32LE((m.getUint32(STATE + FAULT, true) & 0xff) === 16 ? 8 : 99, IMAGE + 140)
  return out
}

/** What the two need not agree in: instruction and data pointers, which the host alone has from its own addresses. */
function blank(c: Case, out: Buffer): Buffer {
  out.fill(0, 12, 28)
  const at = IMAGE + 4
  if (c.row.mnemonic === 'FNSAVE' || c.row.mnemonic === 'FNSTENV') out.fill(0, at + (c.code.small ? 6 : 12), at + (c.code.small ? 14 : 28))
  return out
}

const se = (b: Buffer, i: number): string => `${b.readUInt16LE(36 + i * 10).toString(16)}:${b.readBigUInt64LE(28 + i * 10).toString(16)}`

function describe(b: Buffer): string {
  const n = (at: number): string => b.readUInt16LE(at).toString(16)
  return `cw ${n(0)} sw ${n(4)} tags ${n(8)} st ${[0, 1, 2, 3, 4, 5, 6, 7].map((i) => se(b, i)).join(' ')} fl ${n(IMAGE)} mem ${b.toString('hex', IMAGE + 4, IMAGE + 16)} signal ${b.readUInt32LE(IMAGE + 140)}`
}

function different(mine: Buffer, host: Buffer): boolean {
  const fault = host.readUInt32LE(IMAGE + 140)
  if (fault || mine.readUInt32LE(IMAGE + 140)) return fault !== mine.readUInt32LE(IMAGE + 140)
  return !mine.equals(host)
}

/** Position of a register value on the line of all values of its sign. */
const position = (b: Buffer, i: number): bigint =>
  (BigInt(b.readUInt16LE(36 + i * 10)) << 63n) + (b.readBigUInt64LE(28 + i * 10) & (ones >> 1n))

/** 3 for an empty register, 0 for all others: next to zero the tag may be either. */
const emptyTags = (full: number): number => (full & (full >> 1) & 0x5555) * 3

/** Equal but for one unit in the last place of ST(0) and ST(1), PE, and C1 where it tells the direction of rounding. */
function farApart(mine: Buffer, host: Buffer, before: State): boolean {
  const fault = host.readUInt32LE(IMAGE + 140)
  if (fault || mine.readUInt32LE(IMAGE + 140)) return fault !== mine.readUInt32LE(IMAGE + 140)
  const [x, y] = [Buffer.from(mine), Buffer.from(host)]
  for (const b of [x, y]) {
    const stackFault = !(before.status & 0x40) && (host.readUInt16LE(4) & 0x40) !== 0
    const keep = stackFault ? 0xffdf : 0xfddf
    b.writeUInt16LE(emptyTags(b.readUInt16LE(8)), 8)
    // ES and B follow an unmasked PE
    b.writeUInt16LE(b.readUInt16LE(4) & keep & (host.readUInt16LE(0) & 0x20 ? 0xffff : 0x7f7f), 4)
  }
  for (const i of [0, 1]) {
    const d = position(x, i) - position(y, i)
    if (d > 1n || d < -1n) return true
    for (const b of [x, y]) b.fill(0, 28 + i * 10, 38 + i * 10)
  }
  return !x.equals(y)
}

let compiled: Bench | undefined
const x87Bench = (): Bench => (compiled ??= bench('x87.ts', noOracle() === false))

function compareWithHost(rows: readonly OpcodeRow[], perRow: number, differ: (mine: Buffer, host: Buffer, before: State) => boolean): void {
  const b = x87Bench()
  const r = new Random(0xc0ffeen)
  const cases = rows.flatMap((row) => Array.from({ length: perRow }, () => makeCase(row, r)))
  const output = b.oracle(
    'x87',
    oracleInput(cases),
    cases.map(({ row, code }) => `${row.encoding} ${row.mnemonic} ${Buffer.from(code.bytes).toString('hex')}`),
  )
  const failures: string[] = []
  const counts = new Map<string, number>()
  cases.forEach((c, i) => {
    const host = blank(c, output.subarray(i * OUT, (i + 1) * OUT))
    const mine = blank(c, runKernel(b, c))
    if (!differ(mine, host, c.before)) return
    const key = `${c.row.encoding} ${c.row.mnemonic}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
    if ((counts.get(key) ?? 0) > 3) return
    const input = Buffer.concat([stateImage(c.before), Buffer.alloc(4), c.memory, Buffer.alloc(16)])
    input.writeUInt32LE(c.rflags, IMAGE)
    failures.push(
      `${key} ${Buffer.from(c.code.bytes).toString('hex')}\n  in   ${describe(input)}\n  mine ${describe(mine)}\n  host ${describe(host)}`,
    )
  })
  deepStrictEqual([...counts], [], failures.slice(0, 30).join('\n') + '\n' + JSON.stringify([...counts]))
}

const casesPerRow = Number(process.env['CBIT_FLOAT_CASES'] ?? 250)
const only = process.env['CBIT_X87_ONLY']
const chosen = x87Rows.filter((row) => !only || row.mnemonic === only)

test('x87 agrees with the FPU of the host', { skip: noAmdOracle() }, () => {
  compareWithHost(
    chosen.filter((row) => !transcendental.has(row.mnemonic)),
    casesPerRow,
    different,
  )
})

test('transcendental functions agree with the FPU of the host within one unit in the last place', { skip: noAmdOracle() }, () => {
  compareWithHost(
    chosen.filter((row) => transcendental.has(row.mnemonic)),
    casesPerRow * 5,
    farApart,
  )
})

/** FNSTENV of one known state in each of the four formats (AMD64 APM vol. 2, section 11.4.4). */
test('environment images of real and protected mode, 16 and 32 bits', () => {
  const b = x87Bench()
  const m = b.memory
  const store = (cr0: number, size: number): string => {
    new Uint8Array(m.buffer).fill(0, STATE, STATE + 0x1000).fill(0xcc, MEMORY, MEMORY + 28)
    m.setUint32(STATE + CR0, cr0, true)
    m.setUint16(STATE + X87_CONTROL, 0x0240, true)
    m.setUint16(STATE + X87_STATUS, 0x3800, true)
    m.setUint8(STATE + X87_TAGS, 0x80)
    m.setUint16(STATE + X87_OPCODE, 0x1d3, true)
    m.setBigUint64(STATE + X87_IP, 0x2345n, true)
    m.setBigUint64(STATE + X87_DP, 0x6789n, true)
    m.setUint16(STATE + X87_CS, 0xf123, true)
    m.setUint16(STATE + X87_DS, 0xa567, true)
    m.setBigUint64(STATE + T0, BigInt(MEMORY), true)
    new Uint8Array(m.buffer).set([0, 0, 6, 0xff, size, 0, 0, 0, id.X87_FNSTENV, 0, 2, 0, 0x36, 1, 0, 0], RECORD)
    deepStrictEqual(call(b, 'x87', STATE, RECORD), 0)
    deepStrictEqual(m.getUint16(STATE + X87_CONTROL, true), 0x027f)
    return Buffer.from(m.buffer, MEMORY, size === 2 ? 14 : 28).toString('hex')
  }
  const words = (...w: number[]): string => w.map((x) => Buffer.from([x & 255, x >> 8]).toString('hex')).join('')
  const F = 0xffff
  // physical register 7 holds zero: tag 1
  deepStrictEqual(store(1, 2), words(0x240, 0x3800, 0x7fff, 0x2345, 0xf123, 0x6789, 0xa567))
  deepStrictEqual(store(1, 4), words(0x240, F, 0x3800, F, 0x7fff, F, 0x2345, 0, 0xf123, 0x1d3, 0x6789, 0, 0xa567, F))
  // linear addresses f1230 + 2345 = f3575 and a5670 + 6789 = abdf9
  deepStrictEqual(store(0, 2), words(0x240, 0x3800, 0x7fff, 0x3575, 0xf1d3, 0xbdf9, 0xa000))
  deepStrictEqual(store(0, 4), words(0x240, F, 0x3800, F, 0x7fff, F, 0x3575, F, 0xf1d3, 0, 0xbdf9, F, 0xa000, 0))
})

test('a page fault leaves no trace', () => {
  const b = x87Bench()
  const r = new Random(7n)
  const area = (): string => Buffer.from(b.memory.buffer, STATE + X87_REGISTERS, 0xc0).toString('hex')
  for (const row of x87Rows.filter((row) => row.encoding.endsWith('mem'))) {
    for (let i = 0; i < 50; i++) {
      const c = makeCase(row, r)
      // no pending exception, and nothing unmasked that would stop a store before it reaches memory
      const quiet = { ...c, before: { ...c.before, control: 0x37f } }
      prepare(b, quiet, 0x80000)
      const before = area()
      deepStrictEqual([row.mnemonic, call(b, 'x87', STATE, RECORD), area()], [row.mnemonic, 1, before])
    }
  }
})

test('instruction and data pointers follow the last instruction that is no control instruction', () => {
  const b = x87Bench()
  const r = new Random(8n)
  const m = b.memory
  for (const row of x87Rows) {
    const c = makeCase(row, r)
    prepare(b, { ...c, before: { ...c.before, control: 0x37f } }, MEMORY)
    m.setBigUint64(STATE + X87_IP, 0x99n, true)
    call(b, 'x87', STATE, RECORD)
    const control = /^(FWAIT|FN(?!OP)|FLDCW|FLDENV|FRSTOR)/.test(row.mnemonic)
    if (control) continue
    const opcode = m.getUint32(RECORD + 12, true)
    deepStrictEqual(
      [row.encoding, m.getBigUint64(STATE + X87_IP, true), m.getUint16(STATE + X87_OPCODE, true)],
      [row.encoding, 0x400012n, opcode],
    )
    deepStrictEqual(m.getBigUint64(STATE + X87_DP, true), c.code.memory ? 0x5678n : 0n)
  }
})

test('WAIT raises #NM only with CR0.MP and CR0.TS', () => {
  const b = x87Bench()
  const c = makeCase(
    x87Rows.find((row) => row.mnemonic === 'FWAIT')!,
    new Random(9n),
  )
  for (const [cr0, result] of [
    [0x11, 0],
    [0x13, 0],
    [0x19, 0],
    [0x1b, 1],
  ] as const) {
    prepare(b, { ...c, before: { ...c.before, control: 0x37f } }, MEMORY)
    b.memory.setUint32(STATE + CR0, cr0, true)
    deepStrictEqual(call(b, 'x87', STATE, RECORD), result)
    deepStrictEqual(b.memory.getUint32(STATE + FAULT, true) & 0xff, result ? 7 : 0)
  }
})
