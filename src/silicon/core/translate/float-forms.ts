/** Floating-point instructions computed in line, and the numbers of WebAssembly's that compute them, by width. */

import * as V from '../ir/vector-ids.js'

/** What differs between single and double precision. */
export interface Width {
  readonly wide: boolean
  /** log2 of the bytes. */
  readonly size: number
  /** Vectors of it, and of integers of its width. */
  readonly lanes: 'f32x4' | 'f64x2'
  readonly integers: 'i32x4' | 'i64x2'
  /** First opcodes of the runs abs, neg, ceil, floor, trunc, nearest, sqrt, add, sub, mul, div … and eq, ne, lt, gt, le, ge. */
  readonly arithmetic: number
  readonly comparison: number
}

export const SINGLE: Width = { wide: false, size: 2, lanes: 'f32x4', integers: 'i32x4', arithmetic: 0x8b, comparison: 0x5b }
export const DOUBLE: Width = { wide: true, size: 3, lanes: 'f64x2', integers: 'i64x2', arithmetic: 0x99, comparison: 0x61 }

// Offsets into the runs of a width.
export const NEG = 1
export const CEIL = 2
export const FLOOR = 3
export const TRUNC = 4
export const NEAREST = 5
export const SQRT = 6
export const ADD = 7
export const SUB = 8
export const MUL = 9
export const DIV = 10
export const EQ = 0
export const NE = 1
export const LT = 2

// Operation numbers of the kernel's arithmetic, (id - V_ADDPS) / 4.
export const OP_ADD = 0
export const OP_MUL = 1
export const OP_SUB = 2
export const OP_MIN = 3
export const OP_DIV = 4
export const OP_MAX = 5
export const OP_SQRT = 6
export const OP_CMP = 7
export const OP_ROUND = 8

/** Opcode offset and vector name of the operations that round, by operation number. */
export const rounded: Readonly<Record<number, readonly [number, string]>> = {
  [OP_ADD]: [ADD, 'add'],
  [OP_SUB]: [SUB, 'sub'],
  [OP_MUL]: [MUL, 'mul'],
  [OP_DIV]: [DIV, 'div'],
  [OP_SQRT]: [SQRT, 'sqrt'],
}

/** Vector comparisons of CMPccPS by predicate, for ordered operands; always and never have none. */
export const comparisons: readonly (string | undefined)[] = ['eq', 'lt', 'le', undefined, 'ne', 'ge', 'gt', undefined]
export const NEVER = 3

/** Roundings by the low bits of ROUNDSD's immediate: nearest, down, up, to zero. */
export const roundings: readonly number[] = [NEAREST, FLOOR, CEIL, TRUNC]

export const isArithmetic = (id: number): boolean => id >= V.V_ADDPS && id < V.V_ARITHMETIC_END

const conversions = new Set([
  V.V_CVTSI2SS,
  V.V_CVTSI2SD,
  V.V_CVTSS2SI,
  V.V_CVTTSS2SI,
  V.V_CVTSD2SI,
  V.V_CVTTSD2SI,
  V.V_CVTSS2SD,
  V.V_CVTSD2SS,
  V.V_CVTDQ2PS,
  V.V_CVTDQ2PD,
  V.V_CVTPS2PD,
])

export function isInlineFloat(id: number): boolean {
  // Rounding of whole vectors is rare.
  if (isArithmetic(id)) return id !== V.V_ROUNDPS && id !== V.V_ROUNDPD
  return (id >= V.V_UCOMISS && id <= V.V_COMISD) || conversions.has(id)
}
