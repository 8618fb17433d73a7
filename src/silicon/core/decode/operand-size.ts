/** How many bytes an operand has: the size letters of the notation (row.ts), given the decoded instruction. */

import type { Instruction } from './instruction.js'
import type { Operand } from './table.js'

/** Bytes behind a size letter of the operand notation, given the instruction; where it says nothing, what the row says. */
export function operandBytes(i: Instruction, operand: Operand): number {
  switch (operand.class === 'fixed' ? fixedSize(operand.text) : operand.size) {
    case 'b':
      return 1
    case 'w':
      return 2
    case 'd':
      return 4
    case 'q':
      return 8
    case 'v':
      return i.operandSize
    case 'z':
      return i.operandSize === 2 ? 2 : 4
    case 'y':
      return i.wide || (i.operandSize === 8 && i.row.row.options.size64 === 'f64') ? 8 : 4
    case 't':
      return 10
    case 'x':
      return i.vectorBytes
    case 'h':
      return i.vectorBytes >> 1
    case 'f':
      return i.vectorBytes >> 2
    case 'e':
      return i.vectorBytes >> 3
    case 'dq':
      return 16
    default:
      return i.row.row.options.bytes?.[i.operandSize === 8 ? 2 : i.operandSize === 4 ? 1 : 0] ?? 1
  }
}

function fixedSize(name: string): string {
  if (name === 'AL' || name === 'CL') return 'b'
  if (name === 'AX' || name === 'DX') return 'w'
  if (name === 'eAX') return 'z'
  return name === 'rAX' ? 'v' : ''
}
