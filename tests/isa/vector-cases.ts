// Makes test cases out of the rows of the opcode table: instruction bytes, the VEC record that the lowering would emit, and a state.

import * as V from '../../src/silicon/core/ir/vector-ids.js'
import type { OpcodeRow } from '../../src/silicon/core/decode/row.js'
import {
  AT_FLAGS,
  AT_GPR,
  AT_MEMORY,
  AT_OFFSET,
  AT_UPPER,
  FX_CONTROL,
  FX_MXCSR,
  FX_ST,
  FX_STATUS,
  FX_TAGS,
  FX_XMM,
  GENERAL,
  RECORD_BYTES,
  type Vec,
} from './vector-bench.js'

/** A quick repeatable generator for bulk data (xorshift32, Marsaglia 2003). */
export class Fast {
  private x: number
  constructor(seed: number) {
    this.x = seed | 1
  }
  u32(): number {
    let x = this.x
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.x = x
    return x >>> 0
  }
  below(n: number): number {
    return this.u32() % n
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }
}

export interface Case {
  readonly row: OpcodeRow
  readonly vec: Vec
  readonly record: Uint8Array
}

interface Encoding {
  readonly prefix: readonly number[]
  readonly escape: readonly number[]
  readonly opcode: number
  readonly group: number | undefined
  readonly hasModrm: boolean
  readonly only: 'mem' | 'reg' | undefined
}

const ESCAPES: Readonly<Record<string, readonly number[]>> = { '0F': [0x0f], '0F38': [0x0f, 0x38], '0F3A': [0x0f, 0x3a] }

function parse(row: OpcodeRow): Encoding {
  const words = row.encoding.split(' ')
  let prefix: number[] = []
  let escape: readonly number[] = []
  let opcode = -1
  let group: number | undefined
  let only: Encoding['only']
  let hasModrm = false
  for (const word of words) {
    if (word === 'NP') continue
    else if (escape.length === 0 && /^(66|F2|F3)$/.test(word)) prefix = [parseInt(word, 16)]
    else if (escape.length === 0 && ESCAPES[word]) escape = ESCAPES[word]
    else if (word === 'mem' || word === 'reg') only = word
    else if (word.startsWith('/')) {
      hasModrm = true
      if (word !== '/r') group = Number(word.slice(1))
    } else if (/^[0-9A-F]{2}$/.test(word)) opcode = parseInt(word, 16)
    else throw new Error(`${row.encoding}: unknown word ${word}`)
  }
  return { prefix, escape, opcode, group, hasModrm, only }
}

/** Of VEX forms with a legacy twin the number of the twin. */
export const idOf = (row: OpcodeRow): number => {
  if (row.semantics.kind !== 'vector') throw new Error(`${row.mnemonic}: not a vector row`)
  const { id } = row.semantics
  return id >= V.V_VEX && id < V.V_AVX ? id - V.V_VEX : id
}

export const isString = (id: number): boolean => id >= V.V_PCMPESTRM && id <= V.V_PCMPISTRI
const isFloat = (id: number): boolean => (id >= V.V_CONTROL_END && id < V.V_CONVERT_END) || id === V.V_VCVTPS2PH || id >= V.V_FMA

/** Kind of number a floating-point row reads: lanes are filled with its interesting values. */
function laneKind(row: OpcodeRow): 'single' | 'double' | 'integer' {
  const id = idOf(row)
  if (!isFloat(id)) return 'integer'
  if (/^V?CVT(SI|DQ|PI)/.test(row.mnemonic)) return 'integer'
  if (/^V?CVTT?(PS|SS)/.test(row.mnemonic)) return 'single'
  if (/^V?CVTT?(PD|SD)/.test(row.mnemonic)) return 'double'
  return /(PS|SS)$/.test(row.mnemonic) ? 'single' : 'double'
}

/** Ordinary numbers, as most programs use: what the kernel computes with the host's own arithmetic. */
function tame(v: DataView, at: number, kind: string, r: Fast): void {
  if (kind === 'single') {
    v.setFloat32(at, (r.below(2000) - 1000) / 7, true)
    v.setFloat32(at + 4, r.below(8) ? (r.below(2000) - 1000) * 1.1 : 0, true)
  } else v.setFloat64(at, r.below(8) ? (r.u32() - 2 ** 31) / 7.7 : 0, true)
}

function single(r: Fast): number {
  const exponent = r.pick([
    0,
    0,
    1,
    2,
    126,
    127,
    128,
    150,
    158,
    159,
    190,
    253,
    254,
    255,
    255,
    r.below(256),
    r.below(256),
    120 + r.below(50),
    60 + r.below(10),
  ])
  const fraction = r.pick([
    0,
    0,
    1,
    0x7fffff,
    0x400000,
    0x400001,
    0x3fffff,
    r.below(1 << 23),
    r.below(1 << 23),
    r.below(1 << 23),
    r.below(16) << 19,
  ])
  return ((r.below(2) << 31) | (exponent << 23) | fraction) >>> 0
}

function double(r: Fast): readonly [number, number] {
  const exponent = r.pick([
    0,
    0,
    1,
    2,
    1022,
    1023,
    1024,
    1054,
    1075,
    1086,
    2045,
    2046,
    2047,
    2047,
    r.below(2048),
    1000 + r.below(90),
    870 + r.below(60),
    1140 + r.below(20),
  ])
  const high = r.pick([0, 0, 0xfffff, 0x80000, r.below(1 << 20), r.below(1 << 20), r.below(1 << 20)])
  const low = r.pick([0, 0, 1, 0xffffffff, r.u32(), r.u32(), r.u32() & 0xe0000000, (r.u32() & 0xe0000000) | 0x10000000])
  return [low, ((r.below(2) << 31) | (exponent << 20) | high) >>> 0]
}

const CORNERS = [
  0, 0xffffffff, 0x80808080, 0x7f7f7f7f, 0x80008000, 0x7fff7fff, 0x80000000, 0x7fffffff, 0x01010101, 0x00ff00ff, 0x7f80ff00, 0x8000,
]

export function fill(v: DataView, at: number, bytes: number, kind: string, r: Fast): void {
  const shared = double(r)
  const sharedSingle = single(r)
  const ordinary = /single|double/.test(kind) && r.below(3) === 0
  for (let i = 0; i < bytes; i += 8) {
    if (ordinary) tame(v, at + i, kind, r)
    else if (kind === 'single') {
      v.setUint32(at + i, r.below(8) ? single(r) : sharedSingle, true)
      v.setUint32(at + i + 4, r.below(8) ? single(r) : sharedSingle, true)
    } else if (kind === 'double') {
      const [low, high] = r.below(8) ? double(r) : shared
      v.setUint32(at + i, low, true)
      v.setUint32(at + i + 4, high, true)
    } else if (kind === 'text') {
      for (let k = 0; k < 8; k++) v.setUint8(at + i + k, r.pick([0x61, 0x61, 0x62, 0x62, 0x63, 0x7a, 0x80, 0xff, r.below(6) ? 0x61 : 0]))
    } else if (kind === 'wide text') {
      for (let k = 0; k < 8; k += 2) v.setUint16(at + i + k, r.pick([0x61, 0x61, 0x62, 0x62, 0x8000, 0xffff, r.below(5) ? 0x61 : 0]), true)
    } else if (kind === 'count') {
      v.setUint32(at + i, r.pick([r.below(80), r.below(80), r.below(16), r.u32()]), true)
      v.setUint32(at + i + 4, r.pick([0, 0, 0, 1, r.u32()]), true)
    } else {
      v.setUint32(at + i, r.below(3) ? r.u32() : r.pick(CORNERS), true)
      v.setUint32(at + i + 4, r.below(3) ? r.u32() : r.pick(CORNERS), true)
    }
  }
}

function dataKind(row: OpcodeRow, immediate: number): string {
  const id = idOf(row)
  if (isString(id)) return immediate & 1 ? 'wide text' : 'text'
  return laneKind(row)
}

export function mxcsr(r: Fast): number {
  if (r.below(4) === 0) return 0x1fa0
  const masks = r.below(3) ? 0x3f : r.below(64)
  const sticky = r.pick([0, 0x20, 0x3f, r.below(64)])
  return (masks << 7) | sticky | (r.pick([0, 0, 1, 2, 3]) << 13) | r.pick([0, 0, 0, 0x40, 0x8000, 0x8040]) | (r.below(6) ? 0 : 0x20000)
}

export function makeState(row: OpcodeRow, immediate: number, r: Fast): DataView {
  const v = new DataView(new ArrayBuffer(RECORD_BYTES))
  const id = idOf(row)
  const kind = dataKind(row, immediate)
  for (let i = 0; i < 4; i++) fill(v, AT_GPR + 8 * i, 8, 'integer', r)
  if (isString(id)) {
    for (const i of [0, 2]) {
      const length = r.pick([r.below(20), r.below(16), -r.below(20), r.below(8)])
      v.setInt32(AT_GPR + 8 * i, length, true)
      v.setInt32(AT_GPR + 8 * i + 4, r.pick([length < 0 ? -1 : 0, r.u32() | 0]), true)
    }
  }
  v.setUint32(AT_FLAGS, 0x202 | (r.u32() & 0x8d5), true)
  v.setUint16(FX_CONTROL, 0x37f, true)
  v.setUint16(FX_STATUS, r.below(8) << 11, true)
  if (r.below(12) === 0) {
    v.setUint16(FX_CONTROL, 0x37e, true)
    v.setUint16(FX_STATUS, v.getUint16(FX_STATUS, true) | 0x8081, true)
  }
  v.setUint8(FX_TAGS, r.below(256))
  v.setUint32(FX_MXCSR, mxcsr(r), true)
  for (let i = 0; i < 8; i++) {
    fill(v, FX_ST + 16 * i, 8, kind, r)
    v.setUint16(FX_ST + 16 * i + 8, r.below(65536), true)
  }
  fill(v, FX_XMM, 256, kind, r)
  fill(v, AT_MEMORY, 64, kind, r)
  fill(v, AT_UPPER, 256, kind, r)
  return v
}

/** Immediates that matter: any byte; for EXTRQ and INSERTQ only fields that end inside the quadword are defined. */
export function immediateBytes(row: OpcodeRow, r: Fast): readonly number[] {
  const count = row.operands.split(',').filter((o) => o === 'Ib').length
  if (count === 2) {
    const index = r.below(64)
    return [index === 0 ? r.below(64) : 1 + r.below(64 - index), index]
  }
  if (count === 0) return []
  return [r.pick([r.below(256), r.below(256), r.below(32), r.below(64)])]
}

/** Whole-register operands of the memory form that must be aligned. */
export function operandOf(row: OpcodeRow, letters: string): string | undefined {
  return row.operands.split(',').find((o) => letters.includes(o[0] as string) && o !== 'Ib')
}

function placeField(v: DataView, at: number, r: Fast): void {
  const index = r.below(64)
  v.setUint8(at, (index === 0 ? r.below(64) : 1 + r.below(64 - index)) | (r.u32() & 0xc0))
  v.setUint8(at + 1, index | (r.u32() & 0xc0))
}

/** One random case of `row`. */
export function makeCase(row: OpcodeRow, r: Fast): Case {
  const e = parse(row)
  const id = idOf(row)
  const reg = operandOf(row, 'VGP')
  const rm = operandOf(row, 'WUQNEM')
  const mayBeMemory = e.hasModrm && e.only !== 'reg' && rm !== undefined && 'WQEM'.includes(rm[0] as string)
  const memory = mayBeMemory && (e.only === 'mem' || rm?.[0] === 'M' || r.below(2) === 0)
  const immediates = immediateBytes(row, r)
  const v = makeState(row, immediates[0] ?? 0, r)
  const wide = (/Ey|Gy/.test(row.operands) || id === V.V_PCMPESTRI || id === V.V_PCMPESTRM) && r.below(2) === 0
  const half = id === V.V_CRC32 && !wide && r.below(2) === 0
  const regNumber = e.group ?? registerNumber(reg, r)
  const rmNumber = memory ? 3 : registerNumber(rm === 'Eb' && (wide || regNumber & 8) ? 'Ed' : rm, r)
  const byteSource = rm === 'Eb' && !memory
  // REX.R and REX.B mean nothing to MMX registers.
  const idle = (reg?.[0] === 'P' && r.below(8) === 0 ? 4 : 0) | (!memory && /^[QN]/.test(rm ?? '') && r.below(8) === 0 ? 1 : 0)
  const rex = (wide ? 8 : 0) | (regNumber & 8 ? 4 : 0) | (!memory && rmNumber & 8 ? 1 : 0) | idle
  const force = byteSource && rmNumber === 6 && r.below(2) === 0
  const code = [...(half ? [0x66] : []), ...e.prefix, ...(rex || force ? [0x40 | rex] : []), ...e.escape, e.opcode]
  if (e.hasModrm) code.push((memory ? 0 : 0xc0) | ((regNumber & 7) << 3) | (rmNumber & 7))
  code.push(...immediates)
  for (let i = 0; i < 16; i++) v.setUint8(i, code[i] ?? 0xc3)
  v.setUint32(AT_OFFSET, 16 + (r.below(4) ? 0 : r.below(16)), true)
  if (id === V.V_LDMXCSR && r.below(8)) v.setUint32(AT_MEMORY + v.getUint32(AT_OFFSET, true), mxcsr(r), true)
  if (id === V.V_EXTRQ) placeField(v, FX_XMM + 16 * rmNumber, r)
  if (id === V.V_INSERTQ) placeField(v, FX_XMM + 16 * rmNumber + 8, r)
  if (/^PS[RL]/.test(row.mnemonic) && r.below(4))
    fill(v, memory ? AT_MEMORY + 16 : (rm?.[0] === 'W' ? FX_XMM : FX_ST) + 16 * (rmNumber & 15), 8, 'count', r)
  const highByte = byteSource && !rex && !force && rmNumber >= 4
  return {
    row,
    record: new Uint8Array(v.buffer),
    vec: {
      id,
      d: fieldOf(reg, regNumber | (idle & 4 ? 8 : 0)),
      a: memory ? 0xff : highByte ? 8 * (rmNumber - 4) + 1 : fieldOf(rm, rmNumber | (idle & 1 ? 8 : 0)),
      b: wide ? 8 : half ? 2 : 4,
      imm2: immediates.length === 2 ? (immediates[0] as number) | ((immediates[1] as number) << 8) : ((immediates[0] ?? 0) << 24) >> 24,
    },
  }
}

export function registerNumber(operand: string | undefined, r: Fast): number {
  const letter = operand?.[0]
  if (letter === undefined) return 0
  if ('VWU'.includes(letter)) return r.below(3) ? r.below(4) : r.below(16)
  if ('PQN'.includes(letter)) return r.below(8)
  if (operand === 'Eb') return r.pick([0, 1, 2, 4, 5, 6])
  return r.pick(GENERAL)
}

export function fieldOf(operand: string | undefined, n: number): number {
  if (operand === undefined) return 0
  return 'GE'.includes(operand[0] as string) ? 8 * n : n
}
