/** Results of BMI1 and BMI2 instructions (OP_BMI) as code, by kind; where there is none the kernel computes it. */

import * as kinds from '../ir/bmi-kinds.js'
import type { GuestCode } from './guest.js'
import * as w from './wasm-ops.js'

/** Pushes the result; bits beyond the operand do not matter to BMI_SHLX and BMI_BLSMSK alone, which the writer cuts. `a` and `b` push the operands zero-extended. */
export type BmiCode = (g: GuestCode, size: number, a: () => void, b: () => void, count: number) => void

/** a code (a - 1). */
const lowest =
  (code: number): BmiCode =>
  (g, _size, a) => {
    a()
    a()
    g.i64(-1)
    g.op(w.I64_ADD, code)
  }

const shifted =
  (code: number): BmiCode =>
  (g, size, a, b) => {
    a()
    if (code === w.I64_SHR_S && size === 2) g.op(w.I64_EXTEND32_S)
    b()
    if (size === 2) {
      g.i64(31)
      g.op(w.I64_AND)
    }
    g.op(code)
  }

const andNot: BmiCode = (g, _size, a, b) => {
  b()
  g.i64(-1)
  g.op(w.I64_XOR)
  a()
  g.op(w.I64_AND)
}

const isolate: BmiCode = (g, _size, a) => {
  a()
  g.i64(0)
  a()
  g.op(w.I64_SUB, w.I64_AND)
}

/** The operand, or where the count is less than its bits that many of them. */
const zeroHigh: BmiCode = (g, size, a, b) => {
  const number = (): void => {
    b()
    g.i64(0xff)
    g.op(w.I64_AND)
  }
  a()
  a()
  g.i64(-1)
  number()
  g.op(w.I64_SHL)
  g.i64(-1)
  g.op(w.I64_XOR, w.I64_AND)
  number()
  g.i64(8 << size)
  g.op(w.I64_GE_U, w.SELECT)
}

const rotated: BmiCode = (g, size, a, _b, count) => {
  a()
  if (size === 3) {
    g.i64(count & 63)
    g.op(w.I64_ROTR)
    return
  }
  g.op(w.I32_WRAP_I64)
  g.i32(count & 31)
  g.op(w.I32_ROTR, w.I64_EXTEND_I32_U)
}

export const bmiCodes: readonly (BmiCode | undefined)[] = (() => {
  const codes: (BmiCode | undefined)[] = []
  codes[kinds.BMI_ANDN] = andNot
  codes[kinds.BMI_BZHI] = zeroHigh
  codes[kinds.BMI_BLSR] = lowest(w.I64_AND)
  codes[kinds.BMI_BLSMSK] = lowest(w.I64_XOR)
  codes[kinds.BMI_BLSI] = isolate
  codes[kinds.BMI_SHLX] = shifted(w.I64_SHL)
  codes[kinds.BMI_SHRX] = shifted(w.I64_SHR_U)
  codes[kinds.BMI_SARX] = shifted(w.I64_SHR_S)
  codes[kinds.BMI_RORX] = rotated
  return codes
})()
