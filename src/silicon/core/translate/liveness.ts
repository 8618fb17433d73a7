/** Which records need the flags that an earlier one leaves: those that read them, and those that may leave the region. */

import * as op from '../ir/ops.js'
import type { IrBlock } from './record.js'

const between = (code: number, first: number, last: number): boolean => code >= first && code <= last

/** Sets all arithmetic flags from its operands alone and cannot fault. */
function overwrites(code: number): boolean {
  if (between(code, op.OP_ADD8, op.OP_TESTI64)) return !readsCarry(code)
  return between(code, op.OP_NEG8, op.OP_NEG64) || between(code, op.OP_CMPJ_B_8, op.OP_TESTIJ_NS_64)
}

const readsCarry = (code: number): boolean => between(code, op.OP_ADC8, op.OP_SBB64) || between(code, op.OP_ADCI8, op.OP_SBBI64)

/** Neither touches flags nor can leave the region. */
function isNeutral(code: number): boolean {
  return (
    between(code, op.OP_ADDN32, op.OP_XORIN64) ||
    between(code, op.OP_NOT8, op.OP_NOT64) ||
    between(code, op.OP_SHLIN32, op.OP_SARIN64) ||
    between(code, op.OP_MOV64, op.OP_LEA32_BIS) ||
    code === op.OP_BSWAP32 ||
    code === op.OP_BSWAP64
  )
}

/** True where flags left by record `position` of `block` may be seen. */
export function flagsAreLive(block: IrBlock, position: number): boolean {
  for (let n = position + 1; n < block.records.length; n++) {
    const code = block.records[n]!.op
    if (overwrites(code)) return false
    if (!isNeutral(code)) return true
  }
  return true
}
