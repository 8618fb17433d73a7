// Makes test cases out of the VEX rows of the opcode table, in the form of vector-cases.ts.

import * as V from '../../src/silicon/core/ir/vector-ids.js'
import type { OpcodeRow } from '../../src/silicon/core/decode/row.js'
import {
  type CompiledRow,
  compileRow,
  PREFIX_66,
  PREFIX_F2,
  PREFIX_F3,
  VEX_L_ANY,
  VEX_L_IGNORED,
} from '../../src/silicon/core/decode/table.js'
import { AT_MEMORY, AT_OFFSET, AT_UPPER, FX_MXCSR, FX_XMM } from './vector-bench.js'
import {
  type Case,
  type Fast,
  fieldOf,
  fill,
  idOf,
  immediateBytes,
  isString,
  makeState,
  mxcsr,
  operandOf,
  registerNumber,
} from './vector-cases.js'

const compiled = new Map<OpcodeRow, CompiledRow>()
function compiledOf(row: OpcodeRow): CompiledRow {
  const found = compiled.get(row) ?? compileRow(row)
  compiled.set(row, found)
  return found
}

export const isVex = (row: OpcodeRow): boolean => row.encoding.startsWith('VEX')

const RBX = 3
const WIDE = 0x1000

interface Choice {
  readonly wide: boolean
  readonly l: number
  readonly reg: number
  readonly rm: number
  readonly vvvv: number
  readonly memory: boolean
  /** VSIB index register, scale and displacement of a gather. */
  readonly index: number
  readonly scale: number
  readonly displacement: number
}

/** The registers of a gather differ; the others are drawn each for itself. */
function choose(row: OpcodeRow, c: CompiledRow, r: Fast): Choice {
  const reg = operandOf(row, 'VG')
  const rm = operandOf(row, 'WUEM')
  const mayBeMemory = c.hasModrm && c.form !== 1 && rm !== undefined && 'WEM'.includes(rm[0]!)
  const memory = mayBeMemory && (c.form === 0 || rm[0] === 'M' || r.below(2) === 0)
  const choice = {
    wide: c.w >= 0 ? c.w === 1 : r.below(2) === 0,
    l: c.l === VEX_L_ANY || c.l === VEX_L_IGNORED ? r.below(2) : c.l,
    reg: c.reg >= 0 ? c.reg : registerNumber(reg, r),
    rm: memory ? RBX : registerNumber(rm, r),
    vvvv: row.operands.includes('H') ? registerNumber('Vx', r) : 0,
    memory,
    index: -1,
    scale: r.below(4),
    displacement: r.below(2) ? r.below(16) - 8 : 0,
  }
  if (!row.options.indexed) return { ...choice, scale: 0, displacement: 0 }
  let index = r.below(16)
  let vvvv = choice.vvvv
  while (vvvv === choice.reg) vvvv = r.below(16)
  while (index === choice.reg || index === vvvv) index = r.below(16)
  return { ...choice, index, vvvv }
}

function bytesOf(c: CompiledRow, x: Choice, immediates: readonly number[], r: Fast): number[] {
  const pp = c.prefix === PREFIX_66 ? 1 : c.prefix === PREFIX_F3 ? 2 : c.prefix === PREFIX_F2 ? 3 : 0
  const rex = (x.reg & 8 && c.reg < 0 ? 4 : 0) | (x.index & 8 && x.index >= 0 ? 2 : 0) | (!x.memory && x.rm & 8 ? 1 : 0)
  const last = ((~x.vvvv & 15) << 3) | (x.l << 2) | pp
  const short = c.map === 1 && !x.wide && (rex & 3) === 0 && r.below(2) === 0
  const prefix = short ? [0xc5, (rex & 4 ? 0 : 0x80) | last] : [0xc4, ((~rex & 7) << 5) | c.map, (x.wide ? 0x80 : 0) | last]
  const code = [...prefix, c.opcode]
  const reg = (x.reg & 7) << 3
  if (x.index >= 0) code.push(0x44 | reg, (x.scale << 6) | ((x.index & 7) << 3) | RBX, x.displacement & 0xff)
  else if (c.hasModrm) code.push((x.memory ? 0 : 0xc0) | reg | (x.rm & 7))
  return [...code, ...immediates]
}

/** Indices that stay in the 64 bytes of memory; masks are random anyway. */
function aimIndices(v: DataView, row: OpcodeRow, x: Choice, r: Fast): void {
  const offset = v.getUint32(AT_OFFSET, true) + x.displacement
  const [first, last] = [Math.ceil(-offset / (1 << x.scale)), Math.floor((56 - offset) / (1 << x.scale))]
  const qwords = idOf(row) === V.V_GATHER_QD || idOf(row) === V.V_GATHER_QQ
  for (let i = 0; i < 8; i++) {
    const at = (i < 4 ? FX_XMM : AT_UPPER) + 16 * x.index + 4 * (i & 3)
    const index = first + r.below(last - first + 1)
    if (!qwords) v.setInt32(at, index, true)
    else if (i % 2 === 0) v.setBigInt64(at, BigInt(index), true)
  }
}

/** Which operands a fused operation multiplies, and which it adds: 1 = ModRM.reg, 2 = VEX.vvvv, 3 = ModRM.rm. */
const fusedRoles: Readonly<Record<string, readonly [number, number, number]>> = { 132: [1, 3, 2], 213: [2, 1, 3], 231: [2, 3, 1] }
/** Distances of the addend's exponent from that of the product at which rounding changes its nature. */
const DISTANCES = [
  0, 0, 0, 0, 1, -1, 2, -2, 23, 24, 25, -24, -25, 47, 48, -48, 52, 53, 54, -52, -53, -54, 105, 106, 107, -105, -106, -107, 130, -130,
]

/** Fused operations on products and addends of nearly the same size, or as far apart as it takes: most of their bits cancel, or meet at the rounding point. */
function nearProducts(v: DataView, row: OpcodeRow, x: Choice, r: Fast): void {
  const doubles = /[PS]D$/.test(row.mnemonic)
  const n = doubles ? 8 : 4
  const roles = fusedRoles[/\d+/.exec(row.mnemonic)![0]]!
  const put = (operand: number, at: number, value: number): void => {
    const register = operand === 1 ? x.reg : operand === 2 ? x.vvvv : x.rm
    const start =
      operand === 3 && x.memory ? AT_MEMORY + v.getUint32(AT_OFFSET, true) + at : (at < 16 ? FX_XMM : AT_UPPER) + 16 * register + (at & 15)
    if (doubles) v.setFloat64(start, value, true)
    else v.setFloat32(start, value, true)
  }
  const draw = (): number => {
    const bits = doubles ? r.u32() * 2 ** 21 + (r.u32() >>> 11) : r.u32() >>> 8
    const value = (r.below(4) ? bits : Math.floor(bits / 2 ** r.below(30)) + 1) * 2 ** -r.below(40)
    return r.below(2) ? value : -value
  }
  for (let at = 0; at < 32; at += n) {
    const [a, b] = [draw(), draw()]
    const step = 1 + (r.below(5) - 2) * 2 ** (doubles ? -52 : -23)
    const c = (r.below(2) ? -1 : 1) * a * b * step * 2 ** r.pick(DISTANCES)
    put(roles[0], at, a)
    put(roles[1], at, b)
    put(roles[2], at, c)
  }
  if (r.below(4)) v.setUint32(FX_MXCSR, r.below(3) ? 0x1fa0 : 0x1f80 | (r.below(4) << 13), true)
}

/** Operands that mean something: counts of shifts, MXCSR, indices. */
function settle(v: DataView, row: OpcodeRow, x: Choice, r: Fast): void {
  const id = idOf(row)
  const at = AT_MEMORY + v.getUint32(AT_OFFSET, true)
  if (id === V.V_LDMXCSR && r.below(8)) v.setUint32(at, mxcsr(r), true)
  if (x.index >= 0) aimIndices(v, row, x, r)
  if (id >= V.V_FMA && r.below(2)) nearProducts(v, row, x, r)
  if (row.operands === 'Vx,Hx,Wdq' && r.below(4)) fill(v, x.memory ? at : FX_XMM + 16 * x.rm, 8, 'count', r)
  if (/^VPS[LR][LA]V/.test(row.mnemonic)) {
    for (let i = 0; i < 32; i += 4) {
      const to = x.memory ? at + i : (i < 16 ? FX_XMM : AT_UPPER) + 16 * x.rm + (i & 15)
      if (r.below(4)) v.setUint32(to, i % 8 && r.below(2) ? 0 : r.below(70), true)
    }
  }
}

/** One random case of `row`. */
export function makeVexCase(row: OpcodeRow, r: Fast): Case {
  const c = compiledOf(row)
  const x = choose(row, c, r)
  const id = row.semantics.kind === 'vector' ? row.semantics.id : -1
  const immediates = row.operands.endsWith('Lx') ? [r.below(256)] : immediateBytes(row, r)
  const v = makeState(row, immediates[0] ?? 0, r)
  const code = bytesOf(c, x, immediates, r)
  for (let i = 0; i < 16; i++) v.setUint8(i, code[i] ?? 0xc3)
  v.setUint32(AT_OFFSET, r.below(4) ? 32 * r.below(2) : r.below(33), true)
  settle(v, row, x, r)
  const immediate = x.index >= 0 ? x.index | (x.scale << 4) : (immediates[0] ?? 0)
  const general = /[EG]/.test(row.operands) || isString(idOf(row))
  return {
    row,
    record: new Uint8Array(v.buffer),
    vec: {
      id,
      d: c.reg >= 0 ? 0 : fieldOf(operandOf(row, 'VG'), x.reg),
      a: x.memory ? 0xff : fieldOf(operandOf(row, 'WUEM'), x.rm),
      b: general && x.wide ? 8 : 4,
      imm2: immediate | (x.vvvv << 8) | (x.l === 1 && c.l !== VEX_L_IGNORED ? WIDE : 0),
      displacement: x.displacement,
    },
  }
}
