/** Turns a row of the opcode table into instruction bytes with chosen prefixes, registers, addressing form and immediates. */

import type { CompiledRow, Operand } from '../../src/silicon/core/decode/table.js'
import { PREFIX_66, PREFIX_ANY, PREFIX_F2, PREFIX_F3, VEX_L_ANY, VEX_L_IGNORED } from '../../src/silicon/core/decode/table.js'
import type { Random } from './random.js'
import type { CodeMode } from './state.js'

export interface MemoryForm {
  /** Register numbers, or -1. */
  readonly base: number
  readonly index: number
  readonly scale: number
  readonly displacement: number
  readonly ripRelative: boolean
  /** ModRM.mod and rm, the SIB byte, displacement bytes. */
  readonly mod: number
  readonly rm: number
  readonly sib: number
  readonly displacementBytes: number
}

export interface Encoding {
  readonly row: CompiledRow
  readonly mode: CodeMode
  operandPrefix: boolean
  addressPrefix: boolean
  lock: boolean
  /** 0, 0xf3 or 0xf2. */
  repeat: number
  /** 0 or a prefix byte. */
  segment: number
  wide: boolean
  rexAlways: boolean
  reg: number
  rm: number
  vvvv: number
  /** VEX.L, where the row leaves it open. */
  l: number
  memory: MemoryForm | undefined
  /** Bytes of immediates, branch displacements and offsets. */
  immediate: Uint8Array
}

const bytesOf = (value: number | bigint, n: number): number[] =>
  Array.from({ length: n }, (_, i) => Number((BigInt(value) >> BigInt(8 * i)) & 255n))

export const hasOperand = (row: CompiledRow, kinds: string): boolean =>
  row.operands.some((o) => o.class.length === 1 && kinds.includes(o.class))

/** Operand size in bytes of `e`, by the decoder's rules. */
export function operandSize(e: Encoding): number {
  const override = e.operandPrefix
  const rule = e.row.row.options.size64
  if (e.mode !== 'long') return (e.mode === 'segmented16') !== override ? 2 : 4
  if (rule === 'f64' || e.wide) return 8
  if (rule === 'd64') return override ? 2 : 8
  return override ? 2 : 4
}

export function addressBytes({ mode, addressPrefix }: Pick<Encoding, 'mode' | 'addressPrefix'>): number {
  if (mode === 'long') return addressPrefix ? 4 : 8
  return (mode === 'segmented16') !== addressPrefix ? 2 : 4
}

export function immediateBytes(e: Encoding, operand: Operand): number {
  const size = operandSize(e)
  switch (operand.class) {
    case 'A':
      return size + 2
    case 'O':
      return addressBytes(e)
    case 'L':
      return 1
    case 'I':
    case 'J':
      if (operand.size === 'b' || operand.size === 's') return 1
      if (operand.size === 'w') return 2
      if (operand.size === 'd') return 4
      if (operand.size === 'v') return size
      if (operand.class === 'J' && e.mode === 'long') return e.operandPrefix && !e.wide ? 2 : 4
      return size === 2 ? 2 : 4
    default:
      return 0
  }
}

/** A memory form; the caller gives its registers their values. `free`: registers that may be base or index. */
export function chooseMemory(random: Random, mode: CodeMode, addressPrefix: boolean, free: readonly number[]): MemoryForm {
  if (addressBytes({ mode, addressPrefix }) === 2) return chooseMemory16(random)
  const kind = random.below(mode === 'long' ? 6 : 5)
  const small = (random.u32() << 24) >> 24
  const displacement32 = random.oneIn(2) ? small : random.u32() | 0
  const none = { base: -1, index: -1, scale: 0, ripRelative: false, sib: 0 }
  if (kind === 5) return { ...none, ripRelative: true, mod: 0, rm: 5, displacement: 0, displacementBytes: 4 }
  const base = random.pick(free)
  const indexes = free.filter((r) => r !== 4 && r !== base)
  const index = indexes.length && random.oneIn(4) === false ? random.pick(indexes) : -1
  const scale = random.below(4)
  const indexBits = (index < 0 ? 4 : index & 7) << 3
  if (kind === 3) return { ...none, mod: 0, rm: 4, sib: 0x25 | (scale << 6), displacement: displacement32, displacementBytes: 4 }
  if (kind === 4)
    return { ...none, index, scale, mod: 0, rm: 4, sib: 5 | indexBits | (scale << 6), displacement: displacement32, displacementBytes: 4 }
  const noDisplacement = random.oneIn(3) && (base & 7) !== 5
  const mod = noDisplacement ? 0 : 1 + random.below(2)
  const displacement = mod === 0 ? 0 : mod === 1 ? small : displacement32
  const displacementBytes = mod === 2 ? 4 : mod
  if (kind === 2 && (base & 7) !== 4) return { ...none, base, mod, rm: base & 7, displacement, displacementBytes }
  return { base, index, scale, ripRelative: false, mod, rm: 4, sib: (base & 7) | indexBits | (scale << 6), displacement, displacementBytes }
}

function chooseMemory16(random: Random): MemoryForm {
  const bases = [3, 3, 5, 5, 6, 7, 5, 3]
  const indexes = [6, 7, 6, 7, -1, -1, -1, -1]
  const rm = random.below(8)
  const mod = random.below(3)
  const direct = mod === 0 && rm === 6
  const displacementBytes = direct ? 2 : mod
  const displacement = displacementBytes === 0 ? 0 : displacementBytes === 1 ? (random.u32() << 24) >> 24 : (random.u32() << 16) >> 16
  return {
    base: direct ? -1 : bases[rm]!,
    index: direct ? -1 : indexes[rm]!,
    scale: 0,
    ripRelative: false,
    mod,
    rm,
    sib: 0,
    displacement,
    displacementBytes,
  }
}

function modrmBytes(e: Encoding): number[] {
  const { row, memory } = e
  if (!row.hasModrm) return []
  if (row.modrm >= 0) return [row.modrm]
  const reg = (row.reg >= 0 ? row.reg : e.reg & 7) << 3
  if (!memory) return [0xc0 | reg | (e.rm & 7)]
  const sib = memory.rm === 4 && addressBytes(e) !== 2 ? [memory.sib] : []
  return [
    (memory.mod << 6) | reg | memory.rm,
    ...sib,
    ...bytesOf(BigInt.asUintN(64, BigInt(memory.displacement)), memory.displacementBytes),
  ]
}

function rexBits(e: Encoding): number {
  const { memory, row } = e
  const r = row.hasModrm && row.reg < 0 && row.modrm < 0 && e.reg & 8 ? 4 : 0
  const x = memory && memory.index >= 8 ? 2 : 0
  const b = memory ? (memory.base >= 8 ? 1 : 0) : e.rm & 8 && (row.registerInOpcode || (row.hasModrm && row.modrm < 0)) ? 1 : 0
  return (e.wide ? 8 : 0) | r | x | b
}

function vexBytes(e: Encoding): number[] {
  const bits = e.mode === 'long' ? rexBits(e) : e.wide ? 8 : 0
  const l = e.row.l === VEX_L_ANY || e.row.l === VEX_L_IGNORED ? e.l : e.row.l
  const pp = e.row.prefix === PREFIX_66 ? 1 : e.row.prefix === PREFIX_F3 ? 2 : e.row.prefix === PREFIX_F2 ? 3 : 0
  const inverted = ~bits & 7
  return [0xc4, (inverted << 5) | e.row.map, (bits & 8 ? 0x80 : 0) | ((~e.vvvv & 15) << 3) | (l << 2) | pp]
}

function prefixBytes(e: Encoding, random: Random): number[] {
  const mandatory = e.row.vex ? [] : ([[], [], [0x66], [0xf3], [0xf2]][e.row.prefix + 1] ?? [])
  const prefixes = [...mandatory]
  if (e.operandPrefix && e.row.prefix !== PREFIX_66) prefixes.push(0x66)
  if (e.addressPrefix) prefixes.push(0x67)
  if (e.lock) prefixes.push(0xf0)
  if (e.repeat && e.row.prefix === PREFIX_ANY) prefixes.push(e.repeat)
  if (e.segment) prefixes.push(e.segment)
  for (let n = prefixes.length - 1; n > 0; n--) {
    const m = random.below(n + 1)
    ;[prefixes[n], prefixes[m]] = [prefixes[m]!, prefixes[n]!]
  }
  return prefixes
}

/** The instruction's bytes. */
export function encode(e: Encoding, random: Random): Uint8Array {
  const { row } = e
  const bytes = prefixBytes(e, random)
  const rex = rexBits(e)
  if (row.vex) bytes.push(...vexBytes(e))
  else {
    if (e.mode === 'long' && (rex || e.rexAlways)) bytes.push(0x40 | rex)
    bytes.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][row.map]!)
  }
  bytes.push(row.registerInOpcode ? row.opcode | (e.rm & 7) : row.opcode, ...modrmBytes(e), ...e.immediate)
  return Uint8Array.from(bytes)
}
