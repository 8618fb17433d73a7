/**
 * VEX forms as the translator reads them: those that are computed in line as records of the legacy instructions that compute the same, with the operand that
 * those overwrite beside it. Upper halves of the registers stay in the state area: only the lower ones have locals.
 */

import * as op from '../ir/ops.js'
import * as V from '../ir/vector-ids.js'
import { isInlineFloat } from './float-forms.js'
import type { IrRecord } from './record.js'
import { isInlineVectorId } from './vector-code.js'
import { binaryForms, shiftForms } from './vector-forms.js'
import { comparesStrings, IN_MEMORY, isVexForm, namesFirst, usesXmm0, vectorId } from './vector-operands.js'

const WIDE = 0x1000
const HALF = 0xffff

/** Forms of 256 bits that have code. */
const wideToo = new Set([V.V_MOVU_LOAD, V.V_MOVA_LOAD, V.V_MOVU_STORE, V.V_MOVA_STORE, V.V_PMOVMSKB, V.V_MOVMSKPS, V.V_MOVMSKPD, V.V_PTEST])
const hasWide = (id: number): boolean => binaryForms.has(id) || shiftForms.has(id) || wideToo.has(id)

/** Forms without a legacy twin that have code (avx-code.ts). */
const own = new Set([
  V.V_VZEROUPPER,
  V.V_BROADCAST_B,
  V.V_BROADCAST_W,
  V.V_BROADCAST_D,
  V.V_BROADCAST_Q,
  V.V_BROADCAST_128,
  V.V_VPERM2_128,
  V.V_VPERMQ,
  V.V_VINSERT_128,
  V.V_VEXTRACT_128,
])

/** VFMADDxxxSD and its kin. */
export const isFusedDouble = (id: number): boolean => id >= V.V_FMA && (id & 3) === 3

const scalarMoves = new Set([V.V_MOVSS_LOAD, V.V_MOVSD_LOAD, V.V_MOVSS_STORE, V.V_MOVSD_STORE])
/** VEX.L is ignored: scalars. */
const isScalar = (id: number): boolean =>
  (id >= V.V_ADDPS && id < V.V_ARITHMETIC_END && (id & 2) !== 0) ||
  (id >= V.V_UCOMISS && id <= V.V_COMISD) ||
  (id >= V.V_CVTSI2SS && id <= V.V_CVTSD2SS) ||
  scalarMoves.has(id)

function hasCode(id: number, wide: boolean): boolean {
  if (usesXmm0(id)) return false
  if (isInlineFloat(id)) return !wide || isScalar(id)
  return isInlineVectorId(id) && (!wide || hasWide(id) || isScalar(id))
}

/** Elements are addressed one by one, or operands stand where no field says: only a call that passes everything will do. */
const isLarge = (id: number): boolean =>
  id === V.V_VZEROALL || id === V.V_VEX + V.V_MASKMOVDQU || (id >= V.V_VTEST_END && id < V.V_GATHER_END) || comparesStrings(id - V.V_VEX)

/** Whether a record with VEX operands has code; otherwise it is a call that passes what it names. */
export const hasVexCode = (record: IrRecord): boolean => !isVexForm(vectorId(record)) || own.has(vectorId(record))

export function inLineForm(record: IrRecord): IrRecord {
  if (record.op !== op.OP_VEC) return record
  const id = vectorId(record)
  if (!isVexForm(id) || isLarge(id)) return record
  const wide = (record.imm2 & WIDE) !== 0
  const memoryMove = record.a === IN_MEMORY && scalarMoves.has(id - V.V_VEX)
  const first = namesFirst(id) && !memoryMove ? (record.imm2 >> 8) & 15 : -1
  const imm2 = record.imm2 & 0xff
  const twin = id - V.V_VEX
  if (id >= V.V_AVX || !hasCode(twin, wide)) return { ...record, imm2, vex: { first, wide: wide && !isFusedDouble(id) } }
  return { ...record, imm: (record.imm & ~HALF) | twin, imm2, vex: { first, wide: wide && !isScalar(twin) } }
}
