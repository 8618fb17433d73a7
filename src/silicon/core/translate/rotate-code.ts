/**
 * Code for rotates and double shifts. Rotates change CF and OF alone: the other parts are carried over into the new FLAG_LOCAL (ir/flag-kinds.ts), or the
 * two are kept apart.
 */

import { FLAG_LOCAL } from '../ir/flag-kinds.js'
import * as S from '../state/layout.js'
import type { Flags } from './flags.js'
import { type GuestCode, L_CF, L_FA, L_FR, L_LA, L_OF, L_V, L_V2 } from './guest.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

export class RotateCode {
  /** `constantIn`: what the instruction of a record has put into a slot, where that is a constant. */
  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
    private readonly constantIn: (record: IrRecord, slot: number) => number | undefined,
  ) {}

  rotate(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const left = (record.c >> 2) % 2 === 0
    const count = this.constantIn(record, record.b)
    if (record.c >> 2 > 1) return size >= 2 && count === 1 && this.rotateThroughCarry(record, left, size)
    if (size < 2 && count === undefined) return false
    // A masked count of zero leaves the flags.
    if (count !== undefined && (count & (size === 3 ? 63 : 31)) === 0) return false
    if (live && count === undefined) this.flags.setApart()
    else if (live) this.flags.keepRest()
    if (size < 2) this.pushRotatedShort(record, left, count! & 31)
    else this.pushRotated(record, left, count)
    if (live) {
      g.tee(L_V)
      if (count === undefined) this.rotateFlagsUnlessZero(record, left, size)
      else this.rotateFlags(left, 8 << size)
    }
    g.write(record.d, size)
    return true
  }

  private pushRotated(record: IrRecord, left: boolean, count: number | undefined): void {
    const { g } = this
    const size = record.c & 3
    g.read(record.a, size)
    if (size === 2) g.op(w.I32_WRAP_I64)
    if (count === undefined) {
      g.read64(record.b)
      if (size === 2) g.op(w.I32_WRAP_I64)
    } else if (size === 2) g.i32(count & 31)
    else g.i64(count & 63)
    if (size === 2) g.op(left ? w.I32_ROTL : w.I32_ROTR, w.I64_EXTEND_I32_U)
    else g.op(left ? w.I64_ROTL : w.I64_ROTR)
  }

  /** 8 and 16 bits: bits beyond the operand are anything. */
  private pushRotatedShort(record: IrRecord, left: boolean, count: number): void {
    const { g } = this
    const size = record.c & 3
    const bits = 8 << size
    const up = left ? count % bits : bits - (count % bits)
    g.read(record.a, size)
    g.i64(up)
    g.op(w.I64_SHL)
    g.read(record.a, size)
    g.i64(bits - up)
    g.op(w.I64_SHR_U, w.I64_OR)
  }

  /** RCL and RCR by one. */
  private rotateThroughCarry(record: IrRecord, left: boolean, size: number): boolean {
    const { g } = this
    const bits = 8 << size
    this.flags.setApart()
    g.read(record.a, size)
    g.tee(L_V2)
    g.i64(1)
    g.op(left ? w.I64_SHL : w.I64_SHR_U)
    g.get(L_CF)
    if (!left) {
      g.i64(bits - 1)
      g.op(w.I64_SHL)
    }
    g.op(w.I64_OR)
    g.set(L_V)
    this.pushBit(L_V2, left ? bits - 1 : 0)
    g.set(L_CF)
    this.pushBit(L_V, bits - 1)
    if (left) g.get(L_CF)
    else this.pushBit(L_V, bits - 2)
    g.op(w.I64_XOR)
    g.set(L_OF)
    g.get(L_V)
    g.write(record.d, size)
    return true
  }

  private pushBit(local: number, n: number): void {
    const { g } = this
    g.get(local)
    if (n !== 0) {
      g.i64(n)
      g.op(w.I64_SHR_U)
    }
    g.i64(1)
    g.op(w.I64_AND)
  }

  /** Flags of a rotated L_V, which are kept apart, unless the masked count is zero. */
  private rotateFlagsUnlessZero(record: IrRecord, left: boolean, size: number): void {
    const { g } = this
    const bits = 8 << size
    const choose = (flag: number, push: () => void): void => {
      push()
      g.get(flag)
      g.read64(record.b)
      g.i64(size === 3 ? 63 : 31)
      g.op(w.I64_AND, w.I64_EQZ, w.I32_EQZ, w.SELECT)
      g.set(flag)
    }
    choose(L_CF, () => this.pushBit(L_V, left ? 0 : bits - 1))
    choose(L_OF, () => {
      this.pushBit(L_V, bits - 1)
      this.pushBit(L_V, left ? 0 : bits - 2)
      g.op(w.I64_XOR)
    })
  }

  /** Bit 63 = CF and bit 62 = CF ^ OF of a rotated L_V into L_FA, which holds the rest. */
  private rotateFlags(left: boolean, bits: number): void {
    const { g } = this
    const pushBit = (n: number): void => this.pushBit(L_V, n)
    g.get(L_FA)
    // Left: CF = bit 0, OF = top ^ CF. Right: CF = top, OF = top ^ next: so CF ^ OF is the top bit, or the one below it.
    pushBit(left ? 0 : bits - 1)
    g.i64(63)
    g.op(w.I64_SHL, w.I64_OR)
    pushBit(left ? bits - 1 : bits - 2)
    g.i64(62)
    g.op(w.I64_SHL, w.I64_OR)
    g.set(L_FA)
    this.flags.became(FLAG_LOCAL, 3, false)
  }

  /** SHLD and SHRD of 32 and 64 bits; with flags by a constant only. */
  shiftDouble(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const right = (record.c & 4) !== 0
    const known = this.constantIn(record, S.T1)
    if (size < 2 || (known === undefined && live)) return false
    const bits = 8 << size
    if (known === undefined) {
      this.shiftDoubleByRegister(record, size, right)
      return true
    }
    const count = known & (bits - 1)
    g.read(record.a, size)
    if (count !== 0) {
      if (live) g.tee(L_V)
      g.i64(count)
      g.op(right ? w.I64_SHR_U : w.I64_SHL)
      g.read(record.b, size)
      g.i64(bits - count)
      g.op(right ? w.I64_SHL : w.I64_SHR_U, w.I64_OR)
      if (live) {
        g.tee(L_V2)
        if (size === 2) g.op(w.I64_EXTEND32_S)
        g.set(L_FR)
        this.shiftDoubleFlags(size, right ? count - 1 : bits - count)
        g.get(L_V2)
      }
    }
    g.write(record.d, size)
    return true
  }

  /** CF is the bit `from` of the operand L_V; OF says that the sign of L_FR is another. */
  private shiftDoubleFlags(size: number, from: number): void {
    const { g } = this
    const bits = 8 << size
    this.pushBit(L_V, from)
    g.tee(L_LA)
    g.i64(63)
    g.op(w.I64_SHL)
    g.get(L_V)
    g.get(L_FR)
    g.op(w.I64_XOR)
    g.i64(bits - 1)
    g.op(w.I64_SHR_U)
    g.get(L_LA)
    g.op(w.I64_XOR)
    g.i64(1)
    g.op(w.I64_AND)
    g.i64(62)
    g.op(w.I64_SHL, w.I64_OR)
    g.set(L_FA)
    this.flags.became(FLAG_LOCAL, size)
  }

  /** A count of zero gives the first operand: the second is shifted out by one and then by the rest. */
  private shiftDoubleByRegister(record: IrRecord, size: number, right: boolean): void {
    const { g } = this
    const bits = 8 << size
    g.read64(S.T1)
    g.i64(bits - 1)
    g.op(w.I64_AND)
    g.set(L_LA)
    g.read(record.a, size)
    g.get(L_LA)
    g.op(right ? w.I64_SHR_U : w.I64_SHL)
    g.read(record.b, size)
    g.i64(1)
    g.op(right ? w.I64_SHL : w.I64_SHR_U)
    g.i64(bits - 1)
    g.get(L_LA)
    g.op(w.I64_SUB, right ? w.I64_SHL : w.I64_SHR_U, w.I64_OR)
    g.write(record.d, size)
  }
}
