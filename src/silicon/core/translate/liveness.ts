/** Which records need the flags that an earlier one leaves: those that read them, and those that may leave the region. */

import { BMI_PDEP } from '../ir/bmi-kinds.js'
import * as op from '../ir/ops.js'
import type { IrBlock, IrRecord } from './record.js'

const between = (code: number, first: number, last: number): boolean => code >= first && code <= last

const readsCarry = (code: number): boolean => between(code, op.OP_ADC8, op.OP_SBB64) || between(code, op.OP_ADCI8, op.OP_SBBI64)

/** Sets all arithmetic flags from its operands alone and cannot fault. */
function overwrites({ op: code, c }: IrRecord): boolean {
  if (between(code, op.OP_ADD8, op.OP_TESTI64)) return !readsCarry(code)
  return (
    between(code, op.OP_NEG8, op.OP_NEG64) ||
    between(code, op.OP_SHLI8, op.OP_SARI64) ||
    between(code, op.OP_IMUL16, op.OP_IMUL64) ||
    code === op.OP_MULTIPLY ||
    code === op.OP_SCAN ||
    (code === op.OP_BMI && c >> 2 < BMI_PDEP) ||
    between(code, op.OP_CMPJ_B_8, op.OP_TESTIJ_NS_64)
  )
}

/**
 * Cannot leave the region, and asks of the flags no more than to pass some of them on: what is seen of those is seen behind it.
 */
function passes({ op: code, c }: IrRecord): boolean {
  return (
    between(code, op.OP_ADDN32, op.OP_XORIN64) ||
    between(code, op.OP_INC8, op.OP_DEC64) ||
    between(code, op.OP_NOT8, op.OP_NOT64) ||
    between(code, op.OP_SHLIN32, op.OP_SARIN64) ||
    between(code, op.OP_SHL8, op.OP_SAR64) ||
    between(code, op.OP_MOV64, op.OP_LEA32_BIS) ||
    // RCL and RCR read CF.
    (code === op.OP_ROTATE && c >> 2 < 2) ||
    code === op.OP_SHIFT_DOUBLE ||
    code === op.OP_BIT ||
    code === op.OP_MULTIPLY_APART ||
    code === op.OP_BMI ||
    code === op.OP_SIGN ||
    code === op.OP_BSWAP32 ||
    code === op.OP_BSWAP64 ||
    code === op.OP_PROFILE ||
    code === op.OP_REGION
  )
}

/** True where flags left by record `position` of `block` may be seen; -1: those that it begins with. `atEnd`: where it goes on they may be. */
export function flagsAreLive(block: IrBlock, position: number, atEnd: boolean): boolean {
  for (let n = position + 1; n < block.records.length; n++) {
    const record = block.records[n]!
    const { op: code, imm2 } = record
    if (overwrites(record)) return false
    if ((code === op.OP_JMP || code === op.OP_NEXT) && imm2 !== op.LINK_NEVER) return atEnd
    if (!passes(record)) return true
  }
  return true
}

export interface FlowNode {
  readonly block: IrBlock
  readonly taken: number
  readonly fall: number
}

/** The way out of `block` may leave the region for more reasons than where it goes: a helper has run or a store was made in its last instruction. */
function endsUnsurely({ records }: IrBlock): boolean {
  const last = records.at(-2)
  const stores = last !== undefined && (between(last.op, op.OP_ST8_BD, op.OP_STI64) || between(last.op, op.OP_PUSH64, op.OP_PUSHI64))
  return stores || records.some(({ op: code }) => code === op.OP_HLP || code === op.OP_VEC || code === op.OP_X87)
}

/** For each node of a region, whether flags that it leaves may be seen. `mayLeave`: the way from one node to another has a check that may leave the region. */
export function flagsLiveAtEnds(nodes: readonly FlowNode[], mayLeave: (from: number, to: number) => boolean): boolean[] {
  const atEnd = nodes.map(({ block, taken, fall }, n) => {
    const next = block.branch ? [taken, fall] : [taken]
    return endsUnsurely(block) || next.some((to) => to < 0 || mayLeave(n, to))
  })
  for (let changed = true; changed;) {
    changed = false
    nodes.forEach((node, n) => {
      if (atEnd[n]) return
      const next = node.block.branch ? [node.taken, node.fall] : [node.taken]
      if (!next.some((to) => flagsAreLive(nodes[to]!.block, -1, atEnd[to]!))) return
      atEnd[n] = true
      changed = true
    })
  }
  return atEnd
}
