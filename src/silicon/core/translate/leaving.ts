/** How a region is left in the midst of a block: one word in L_R says where, and what the flags are. */

import { R_JUMP } from '../ir/results.js'
import * as S from '../state/layout.js'
import { type GuestCode, L_BUDGET, L_ENTRY, L_FK, L_P, L_PC, L_R } from './guest.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

/** The dispatcher looks at an instruction: its offset in the block, and its index there. */
const OFFSET_MASK = 0x3ff
const INDEX = 10
const INDEX_MASK = 0x3f
/** Or the interpreter goes on in the block, at the record so many bytes into it. */
const RESUME = 1 << 22
const RECORD_MASK = 0xffff
/** In a record: offset and index of its instruction, as here (u16). */
const RECORD_PLACE = 6
/** Kind of the flags (ir/flag-kinds.ts) that stand in the locals; FLAGS_MASK: L_FK says it. */
const FLAGS = 16
const FLAGS_MASK = 0x3f

/** `flags`: what `settled` says of them. */
const flagsPart = (flags: number | undefined): number => (flags ?? FLAGS_MASK) << FLAGS

/** The interpreter goes on at the record `bytes` into the block, the first of an instruction. */
export const resumptionAt = (bytes: number, flags: number | undefined): number => RESUME | bytes | flagsPart(flags)

/** The dispatcher is to see to a fault, or to run the instruction of `record` from its start. */
export const repetitionOf = ({ offset, index }: IrRecord, flags: number | undefined): number => offset | (index << INDEX) | flagsPart(flags)

/**
 * L_PC: address of the block, which L_BUDGET has not been charged for; where the interpreter is to go on, L_P is that of its IR. L_R becomes what the region answers, PC,
 * budget and the kind of the flags what whoever goes on expects: the interpreter those of the block's start. A pending fault is the dispatcher's in any case.
 */
export function leaveMidway(g: GuestCode): void {
  const part = (shift: number, mask: number): void => {
    g.get(L_R)
    g.i32(shift)
    g.op(w.I32_SHR_U)
    g.i32(mask)
    g.op(w.I32_AND)
  }
  part(FLAGS, FLAGS_MASK)
  g.tee(L_ENTRY)
  g.get(L_FK)
  g.get(L_ENTRY)
  g.i32(FLAGS_MASK)
  g.op(w.I32_NE, w.SELECT)
  g.set(L_FK)
  g.block()
  g.get(L_R)
  g.i32(RESUME)
  g.op(w.I32_AND)
  g.if()
  g.get(L_P)
  part(0, RECORD_MASK)
  g.op(w.I32_ADD)
  g.set(L_R)
  g.loadState(w.I32_LOAD, S.FAULT)
  g.op(w.I32_EQZ)
  g.op(w.BR_IF, 1)
  g.get(L_R)
  g.memory(w.I32_LOAD16_U, RECORD_PLACE)
  g.set(L_R)
  g.end()
  g.get(L_PC)
  part(0, OFFSET_MASK)
  g.op(w.I64_EXTEND_I32_U, w.I64_ADD)
  g.set(L_PC)
  g.get(L_BUDGET)
  part(INDEX, INDEX_MASK)
  g.op(w.I64_EXTEND_I32_U, w.I64_SUB)
  g.set(L_BUDGET)
  g.i32(R_JUMP)
  g.set(L_R)
  g.end()
}
