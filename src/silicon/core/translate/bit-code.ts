/**
 * Code for bit tests, scans, bit fields and sign words, and the door to that for rotates and wide products. Bit tests change some flags only: the parts that
 * stay are carried over into the new FLAG_LOCAL (ir/flag-kinds.ts).
 */

import { FLAG_LOCAL, FLAG_LOGIC, FLAG_ORDER } from '../ir/flag-kinds.js'
import * as kinds from '../ir/bmi-kinds.js'
import * as op from '../ir/ops.js'
import * as S from '../state/layout.js'
import type { Flags } from './flags.js'
import { bmiCodes } from './bmi-code.js'
import { type GuestCode, L_FA, L_FR, L_LA, L_V, isFar } from './guest.js'
import type { IrRecord } from './record.js'
import { ProductCode } from './product-code.js'
import { RotateCode } from './rotate-code.js'
import * as w from './wasm-ops.js'

export class BitCode {
  /** Values that OP_MOVI64S of the present instruction has put into temporaries. */
  private readonly constants = new Map<number, number>()
  private constantsOf = -1

  private readonly rotates: RotateCode
  private readonly products: ProductCode

  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
  ) {
    this.rotates = new RotateCode(g, flags, (record, slot) => this.constantIn(record, slot))
    this.products = new ProductCode(g, flags)
  }

  /** At the start of a block. */
  reset(): void {
    this.constantsOf = -1
  }

  /** Notes a constant that a later record of the same instruction may use as a count. */
  noteConstant(record: IrRecord): void {
    if (record.index !== this.constantsOf) this.constants.clear()
    this.constantsOf = record.index
    if (!isFar(record.imm)) this.constants.set(record.d, record.imm)
  }

  private constantIn(record: IrRecord, slot: number): number | undefined {
    return record.index === this.constantsOf ? this.constants.get(slot) : undefined
  }

  /** False where the kernel is to execute the record. */
  emit(record: IrRecord, live: boolean): boolean {
    switch (record.op) {
      case op.OP_ROTATE:
        return this.rotates.rotate(record, live)
      case op.OP_BIT:
        return this.bit(record, live)
      case op.OP_MULTIPLY:
        return this.products.multiply(record, live)
      case op.OP_MULTIPLY_APART:
        return this.products.multiplyApart(record)
      case op.OP_ADD_CARRY:
        return this.products.addCarry(record)
      case op.OP_BMI:
        return this.bmi(record, live)
      case op.OP_SHIFT_DOUBLE:
        return this.rotates.shiftDouble(record, live)
      case op.OP_SIGN:
        return this.sign(record)
      case op.OP_SCAN:
        return this.scan(record, live)
      default:
        return false
    }
  }

  /** BT, BTS, BTR, BTC: CF is the bit; OF is cleared, as the kernel has it (it is undefined). */
  private bit(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const kind = (record.c >> 2) & 3
    const bits = 8 << size
    if (live) this.flags.keepRest()
    g.read64(record.b)
    g.i64(bits - 1)
    g.op(w.I64_AND)
    g.set(L_LA)
    if (live) {
      g.get(L_FA)
      g.read(record.d, size)
      g.get(L_LA)
      g.op(w.I64_SHR_U)
      g.i64(1)
      g.op(w.I64_AND)
      g.tee(L_V)
      g.i64(63)
      g.op(w.I64_SHL, w.I64_OR)
      g.get(L_V)
      g.i64(62)
      g.op(w.I64_SHL, w.I64_OR)
      g.set(L_FA)
      this.flags.became(FLAG_LOCAL, 3, false)
    }
    if (kind === 0) return true
    g.read(record.d, size)
    g.i64(1)
    g.get(L_LA)
    g.op(w.I64_SHL)
    if (kind === 2) {
      g.i64(-1)
      g.op(w.I64_XOR)
    }
    g.op([0, w.I64_OR, w.I64_AND, w.I64_XOR][kind]!)
    g.write(record.d, size)
    return true
  }

  /** BMI1 and BMI2; AF and PF, which are undefined, as kernel/bmi.ts has them. */
  private bmi(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const kind = record.c >> 2
    const push = bmiCodes[kind]
    if (!push) return false
    const a = (): void => g.read(record.a, size)
    const b = (): void => g.read(record.b, size)
    const flagged = kind < kinds.BMI_PDEP && live
    if (flagged) this.bmiCarry(kind, size, a, b)
    push(g, size, a, b, record.imm)
    if (flagged) {
      g.tee(L_V)
      if (size === 2) g.op(w.I64_EXTEND32_S)
      g.set(L_FR)
      g.get(L_V)
      this.flags.became(kind === kinds.BMI_ANDN || kind === kinds.BMI_BEXTR ? FLAG_LOGIC : FLAG_LOCAL, size)
    }
    g.write(record.d, size)
    return true
  }

  /** FLAG_AUX of CF alone into L_FA, from operands that are about to go. */
  private bmiCarry(kind: number, size: number, a: () => void, b: () => void): void {
    const { g } = this
    if (kind === kinds.BMI_ANDN || kind === kinds.BMI_BEXTR) return
    if (kind === kinds.BMI_BZHI) {
      b()
      g.i64(0xff)
      g.op(w.I64_AND)
      g.i64(8 << size)
      g.op(w.I64_GE_U)
    } else {
      a()
      g.op(w.I64_EQZ)
      if (kind === kinds.BMI_BLSI) g.op(w.I32_EQZ)
    }
    this.setCarryAlone()
  }

  /** Pops an i32 of 0 or 1: CF, with OF clear, into L_FA. */
  private setCarryAlone(): void {
    const { g } = this
    g.op(w.I64_EXTEND_I32_U)
    // Bits 63 and 62: CF and CF ^ OF.
    g.i64(3)
    g.op(w.I64_MUL)
    g.i64(62)
    g.op(w.I64_SHL)
    g.set(L_FA)
  }

  /** CWD, CDQ, CQO. */
  private sign(record: IrRecord): boolean {
    const { g } = this
    const size = record.c
    g.read64(S.RAX)
    if (size < 3) g.op(size === 2 ? w.I64_EXTEND32_S : w.I64_EXTEND16_S)
    g.i64(63)
    g.op(w.I64_SHR_S)
    g.write(S.RDX, size)
    return true
  }

  /** ZF alone, or of TZCNT and LZCNT also CF, says that the source is zero: as kernel/integer.ts has them. */
  private scanFlags(record: IrRecord, size: number, counts: boolean): void {
    const { g } = this
    g.read(record.a, size)
    if (counts) {
      g.op(w.I64_EQZ)
      this.setCarryAlone()
      return
    }
    g.i64(0)
    g.set(L_FA)
    g.i64(0)
    g.op(w.I64_NE, w.I64_EXTEND_I32_U)
    g.set(L_FR)
    this.flags.became(FLAG_ORDER, 3)
  }

  /** BSF and BSR leave the destination of a zero source. */
  private scan(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const kind = record.c >> 2
    const bits = 8 << size
    const counts = kind === 2 || kind === 3
    if (live) this.scanFlags(record, size, counts)
    if (kind === 4) {
      g.read(record.a, size)
      g.op(w.I64_POPCNT)
    } else if (kind < 2) {
      g.read(record.a, size)
      g.tee(L_V)
      g.op(kind === 0 ? w.I64_CTZ : w.I64_CLZ)
      if (kind === 1) {
        g.i64(63)
        g.op(w.I64_XOR)
      }
      g.read(record.d, 3)
      g.get(L_V)
      g.op(w.I64_EQZ, w.I32_EQZ, w.SELECT)
      // A zero source leaves even the upper half of a 32-bit destination.
      g.write(record.d, size === 2 ? 3 : size)
      return true
    } else if (kind === 2) {
      g.read(record.a, size)
      if (size < 3) {
        // A bit beyond the operand makes the count of a zero that of its bits.
        g.i64Wide(size === 2 ? 0 : 1 << bits, size === 2 ? 1 : 0)
        g.op(w.I64_OR)
      }
      g.op(w.I64_CTZ)
    } else {
      g.read(record.a, size)
      g.op(w.I64_CLZ)
      if (size < 3) {
        g.i64(64 - bits)
        g.op(w.I64_SUB)
      }
    }
    if (counts && live) {
      g.tee(L_FR)
      this.flags.became(FLAG_LOCAL, 3)
    }
    g.write(record.d, size)
    return true
  }
}
