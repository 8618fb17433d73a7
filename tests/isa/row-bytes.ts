/** Instruction bytes for a row of the opcode table in any code size, drawn at random; what follows the opcode is random too, so the decoder says how long they are. */

import type { CodeSize } from '../../src/silicon/core/decode/decoder.js'
import {
  type CompiledRow,
  PREFIX_66,
  PREFIX_ANY,
  PREFIX_F2,
  PREFIX_F3,
  VEX_L_ANY,
  VEX_L_IGNORED,
} from '../../src/silicon/core/decode/table.js'
import type { Random } from './random.js'

const mandatory = (row: CompiledRow): number[] =>
  row.prefix === PREFIX_66 ? [0x66] : row.prefix === PREFIX_F3 ? [0xf3] : row.prefix === PREFIX_F2 ? [0xf2] : []

function modrmByte(random: Random, row: CompiledRow): number {
  if (row.modrm >= 0) return row.modrm
  const reg = row.reg >= 0 ? row.reg : random.below(8)
  const mod = row.form === 1 ? 3 : row.form === 0 ? random.below(3) : random.pick([0, 1, 2, 3, 3])
  return (mod << 6) | (reg << 3) | random.below(8)
}

function drawPrefixes(random: Random, row: CompiledRow, size: CodeSize): number[] {
  const prefixes = row.vex ? [] : mandatory(row)
  if (row.prefix === PREFIX_ANY && !row.vex) {
    if (random.oneIn(4)) prefixes.push(0x66)
    if (row.row.options.rep && random.oneIn(2)) prefixes.push(random.pick([0xf2, 0xf3]))
    if (row.row.options.lock && random.oneIn(6)) prefixes.push(0xf0)
  }
  // Vector registers as indices need 32-bit addresses.
  if (random.oneIn(6) || (row.row.options.indexed && size === 2)) prefixes.push(0x67)
  if (random.oneIn(6)) prefixes.push(random.pick(size === 8 ? [0x64, 0x65] : [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]))
  return prefixes
}

/** Sixteen bytes that begin with an instruction of `row`, unless the choice of mode or prefixes forbids it: the caller decodes and looks. */
export function rowBytes(random: Random, row: CompiledRow, size: CodeSize): Uint8Array {
  const bytes = drawPrefixes(random, row, size)
  const rex = size === 8 && random.oneIn(2) ? random.below(16) : 0
  const wide = row.w >= 0 ? row.w === 1 : (rex & 8) !== 0
  if (row.vex) {
    const pp = row.prefix === PREFIX_66 ? 1 : row.prefix === PREFIX_F3 ? 2 : row.prefix === PREFIX_F2 ? 3 : 0
    const vvvv = row.operands.some((operand) => operand.class === 'B' || operand.class === 'H')
      ? size === 8
        ? random.below(16)
        : 8 + random.below(8)
      : 15
    const l = row.l === VEX_L_ANY || row.l === VEX_L_IGNORED ? random.below(2) : row.l
    const w = wide && (size === 8 || row.w >= 0) ? 0x80 : 0
    bytes.push(0xc4, ((~rex & 7) << 5) | row.map, w | (vvvv << 3) | (l << 2) | pp)
  } else {
    if (size === 8 && (rex || wide || random.oneIn(4))) bytes.push(0x40 | (rex & 7) | (wide ? 8 : 0))
    bytes.push(...[[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]][row.map]!)
  }
  bytes.push(row.opcode + (row.registerInOpcode ? random.below(8) : 0))
  if (row.hasModrm) bytes.push(row.row.options.indexed ? (modrmByte(random, row) & 0xf8) | 4 : modrmByte(random, row))
  while (bytes.length < 16) bytes.push(random.below(256))
  return Uint8Array.from(bytes)
}
