/**
 * Compiles the opcode table for look-up: per encoding space (legacy or VEX), map and opcode byte, the rows that may match.
 */

import type { OpcodeRow } from './row.js'

export const VEX_L_ANY = -1
export const VEX_L_IGNORED = 2

export const PREFIX_ANY = -1
export const PREFIX_NONE = 0
export const PREFIX_66 = 1
export const PREFIX_F3 = 2
export const PREFIX_F2 = 3

export type OperandClass =
  /** ModRM.rm general register or memory. */
  | 'E'
  /** ModRM.reg general register. */
  | 'G'
  /** Immediate. */
  | 'I'
  /** Branch displacement. */
  | 'J'
  /** Memory by ModRM.rm. */
  | 'M'
  /** Memory offset in the instruction. */
  | 'O'
  /** Register by ModRM.rm only. */
  | 'R'
  /** Register in the low bits of the opcode. */
  | 'Z'
  /** Segment register by ModRM.reg. */
  | 'S'
  | 'C'
  | 'D'
  | 'X'
  | 'Y'
  | 'V'
  | 'W'
  | 'U'
  | 'P'
  | 'Q'
  | 'N'
  | 'B'
  /** Vector register by VEX.vvvv. */
  | 'H'
  /** Vector register by bits 7:4 of an immediate byte. */
  | 'L'
  /** Far pointer in the instruction. */
  | 'A'
  /** x87 stack register by ModRM.rm. */
  | 'ST'
  /** A register or constant named by the mnemonic itself. */
  | 'fixed'

export interface Operand {
  readonly class: OperandClass
  /** Size letter of the notation: b w d q v y z s x h f e t dq, or the name of a fixed operand. */
  readonly size: string
  readonly text: string
}

export interface CompiledRow {
  readonly row: OpcodeRow
  readonly vex: boolean
  /** VEX.L demanded, VEX_L_ANY (it chooses the size) or VEX_L_IGNORED. */
  readonly l: number
  readonly map: number
  readonly opcode: number
  readonly registerInOpcode: boolean
  readonly prefix: number
  readonly hasModrm: boolean
  /** ModRM.reg demanded, or -1. */
  readonly reg: number
  /** -1 any, 0 memory, 1 register. */
  readonly form: number
  /** Whole ModRM byte demanded, or -1. */
  readonly modrm: number
  /** REX.W demanded, or -1. */
  readonly w: number
  readonly operands: readonly Operand[]
  // What is asked of the operands for each instruction.
  /** Those that stand in bytes behind ModRM. */
  readonly inBytes: readonly Operand[]
  /** One is a control or debug register. */
  readonly systemRegister: boolean
  /** VEX.vvvv names one. */
  readonly namesVvvv: boolean
}

const fixedOperands = new Set(['AL', 'CL', 'AX', 'DX', 'eAX', 'rAX', '1', '3', 'ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'XMM0', 'ST'])

/** Reads one operand of Intel's appendix A notation (row.ts). */
export function parseOperand(text: string): Operand {
  if (fixedOperands.has(text)) return { class: 'fixed', size: text, text }
  if (text === 'STi') return { class: 'ST', size: '', text }
  const letter = text[0]
  if (!letter || !'EGIJMORZSCDXYVWUPQNBAHL'.includes(letter)) throw new Error(`opcode table: unknown operand ${text}`)
  return { class: letter as OperandClass, size: text.slice(1), text }
}

const maps: Readonly<Record<string, number>> = { '0F': 1, '0F38': 2, '0F3A': 3 }
const vexLengths: Readonly<Record<string, number>> = { VEX: VEX_L_ANY, 'VEX.L0': 0, 'VEX.L1': 1, 'VEX.LIG': VEX_L_IGNORED }
const prefixes: Readonly<Record<string, number>> = { NP: PREFIX_NONE, '66': PREFIX_66, F3: PREFIX_F3, F2: PREFIX_F2 }

interface Parsed {
  vex: boolean
  l: number
  map: number
  opcode: number
  registerInOpcode: boolean
  prefix: number
  hasModrm: boolean
  reg: number
  form: number
  modrm: number
  w: number
}

function applyModifier(parsed: Parsed, word: string): boolean {
  if (word === '/r') parsed.hasModrm = true
  else if (/^\/[0-7]$/.test(word)) {
    parsed.hasModrm = true
    parsed.reg = Number(word[1])
  } else if (word === 'mem' || word === 'reg') {
    parsed.hasModrm = true
    parsed.form = word === 'reg' ? 1 : 0
  } else if (word.startsWith('=')) {
    parsed.hasModrm = true
    parsed.modrm = parseInt(word.slice(1), 16)
  } else if (word === 'W0' || word === 'W1') parsed.w = Number(word[1])
  else return false
  return true
}

/** Compiles one row; throws on an encoding that does not follow the notation. */
export function compileRow(row: OpcodeRow): CompiledRow {
  const parsed: Parsed = {
    vex: false,
    l: VEX_L_ANY,
    map: 0,
    opcode: -1,
    registerInOpcode: false,
    prefix: PREFIX_ANY,
    hasModrm: false,
    reg: -1,
    form: -1,
    modrm: -1,
    w: -1,
  }
  for (const word of row.encoding.split(' ')) {
    if (word in vexLengths) {
      parsed.vex = true
      parsed.l = vexLengths[word]!
    } else if (parsed.opcode < 0 && parsed.map === 0 && parsed.prefix === PREFIX_ANY && word in prefixes && row.encoding !== word)
      parsed.prefix = prefixes[word]!
    else if (parsed.opcode < 0 && parsed.map === 0 && word in maps) parsed.map = maps[word]!
    else if (parsed.opcode < 0 && /^[0-9A-F]{2}(\+r)?$/.test(word)) {
      parsed.opcode = parseInt(word, 16)
      parsed.registerInOpcode = word.endsWith('+r')
    } else if (!applyModifier(parsed, word)) throw new Error(`opcode table: cannot read "${word}" in "${row.encoding}"`)
  }
  if (parsed.opcode < 0) throw new Error(`opcode table: no opcode in "${row.encoding}"`)
  const operands = row.operands === '' ? [] : row.operands.split(',').map((text) => parseOperand(text.trim()))
  const has = (classes: string): boolean => operands.some((operand) => classes.includes(operand.class))
  const inBytes = operands.filter((operand) => 'LIJOA'.includes(operand.class))
  return { row, ...parsed, operands, inBytes, systemRegister: has('CD'), namesVvvv: has('BH') }
}

export interface OpcodeTable {
  readonly rows: readonly CompiledRow[]
  /** Candidates by map * 256 + opcode, legacy encodings. */
  readonly legacy: readonly (readonly CompiledRow[])[]
  readonly vex: readonly (readonly CompiledRow[])[]
}

const SPACES = 4 * 256

/** More demanding rows come first, so that the first match is the right one. */
function demands(row: CompiledRow): number {
  return (
    (row.modrm >= 0 ? 8 : 0) +
    (row.prefix > PREFIX_NONE ? 4 : 0) +
    (row.prefix === PREFIX_NONE ? 2 : 0) +
    (row.reg >= 0 ? 1 : 0) +
    (row.form >= 0 ? 1 : 0) +
    (row.w >= 0 ? 1 : 0)
  )
}

export function compileTable(rows: readonly OpcodeRow[]): OpcodeTable {
  const compiled = rows.map(compileRow)
  const legacy: CompiledRow[][] = Array.from({ length: SPACES }, () => [])
  const vex: CompiledRow[][] = Array.from({ length: SPACES }, () => [])
  for (const row of compiled) {
    for (let n = 0; n < (row.registerInOpcode ? 8 : 1); n++) (row.vex ? vex : legacy)[row.map * 256 + row.opcode + n]!.push(row)
  }
  for (const space of [legacy, vex]) for (const candidates of space) candidates.sort((a, b) => demands(b) - demands(a))
  return { rows: compiled, legacy, vex }
}
