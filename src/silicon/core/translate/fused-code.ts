/** The number that VFMADDxxxSD and its kin give, in two ways (docs/decisions/0018-fused-multiply-add.md). Under which conditions each is right, FloatCode asks. */

import * as V from '../ir/vector-ids.js'
import * as F from './float-forms.js'
import type { FloatGuards } from './float-guards.js'
import type { GuestCode } from './guest.js'
import { F_FMA } from './kernel-functions.js'
import type { IrRecord } from './record.js'
import { simd } from './vector-form-code.js'
import { vectorId } from './vector-operands.js'
import type { VectorRegisters } from './vector-registers.js'
import { firstOf } from './vex-operands.js'
import * as w from './wasm-ops.js'

/** ±(x × y) ± z, of the lowest lanes of locals. */
export class FusedCode {
  /** x, y, z. */
  readonly operands: readonly [number, number, number]
  private readonly negatesProduct: boolean
  private readonly negatesAddend: boolean
  private readonly result: number

  /** `third`: local of the operand that may be in memory. */
  constructor(
    private readonly g: GuestCode,
    private readonly guards: FloatGuards,
    registers: VectorRegisters,
    record: IrRecord,
    third: number,
  ) {
    const d = registers.of(record.d)
    const first = registers.of(firstOf(record))
    const code = vectorId(record) - V.V_FMA
    const orders: readonly (readonly [number, number, number])[] = [
      [d, third, first],
      [first, d, third],
      [first, third, d],
    ]
    // 132, 213 and 231.
    this.operands = orders[code >> 5]!
    this.negatesProduct = ((code >> 3) & 1) !== 0
    this.negatesAddend = ((code >> 2) & 1) !== 0
    this.result = registers.double
  }

  /** Needs an engine that fuses (GuestCode). */
  inLine(): void {
    const { g } = this
    for (const operand of this.operands) g.get(operand)
    if (this.negatesAddend) simd(g, 'f64x2.neg')
    simd(g, `f64x2.relaxed_${this.negatesProduct ? 'nmadd' : 'madd'}`)
    simd(g, 'f64x2.extract_lane', 0)
    g.set(this.result)
  }

  /** NaN where the kernel has to execute the record. */
  byKernel(): void {
    const { g, guards } = this
    const [x, y, z] = this.operands
    guards.number(F.DOUBLE, x)
    if (this.negatesProduct) guards.arithmetic(F.DOUBLE, F.NEG)
    guards.number(F.DOUBLE, y)
    guards.number(F.DOUBLE, z)
    if (this.negatesAddend) guards.arithmetic(F.DOUBLE, F.NEG)
    g.call(F_FMA)
    g.set(this.result)
  }

  /** Pushes whether the kernel has given a number, or (`given` false) none. */
  answered(given: boolean): void {
    this.g.get(this.result)
    this.g.get(this.result)
    this.guards.compare(F.DOUBLE, given ? F.EQ : F.NE)
  }

  /** Where the result is zero: pushes whether the kernel's number, which is now the result, will do. */
  secondChance(): void {
    const { g, guards } = this
    this.byKernel()
    guards.quietOr(() => g.i32(0))
    this.answered(true)
    g.op(w.I32_AND)
  }
}
