/**
 * Code for rotates, bit tests, one-operand multiplication, scans and sign words. Rotates and bit tests change some flags only: the parts that stay are
 * carried over into the new FLAG_LOCAL (ir/flag-kinds.ts).
 */

import { FLAG_LOCAL } from '../ir/flag-kinds.js'
import * as op from '../ir/ops.js'
import * as S from '../state/layout.js'
import type { Flags } from './flags.js'
import { type GuestCode, L_FA, L_FR, L_LA, L_V, L_V2 } from './guest.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

export class BitCode {
  /** Values that OP_MOVI64S of the present instruction has put into temporaries. */
  private readonly constants = new Map<number, number>()
  private constantsOf = -1

  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
  ) {}

  /** At the start of a block. */
  reset(): void {
    this.constantsOf = -1
  }

  /** Notes a constant that a later record of the same instruction may use as a count. */
  noteConstant(record: IrRecord): void {
    if (record.index !== this.constantsOf) this.constants.clear()
    this.constantsOf = record.index
    this.constants.set(record.d, record.imm)
  }

  private constantIn(record: IrRecord, slot: number): number | undefined {
    return record.index === this.constantsOf ? this.constants.get(slot) : undefined
  }

  /** False where the kernel is to execute the record. */
  emit(record: IrRecord, live: boolean): boolean {
    switch (record.op) {
      case op.OP_ROTATE:
        return this.rotate(record, live)
      case op.OP_BIT:
        return this.bit(record, live)
      case op.OP_MULTIPLY:
        return this.multiply(record, live)
      case op.OP_SIGN:
        return this.sign(record)
      case op.OP_SCAN:
        return !live && this.scan(record)
      default:
        return false
    }
  }

  private rotate(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const left = record.c >> 2 === 0
    const count = this.constantIn(record, record.b)
    if (record.c >> 2 > 1 || size < 2 || (live && count === undefined)) return false
    // A masked count of zero leaves the flags.
    if (count !== undefined && (count & (size === 3 ? 63 : 31)) === 0) return false
    if (live) this.flags.keepRest()
    g.read(record.a, size)
    if (size === 2) g.op(w.I32_WRAP_I64)
    if (count === undefined) {
      g.read64(record.b)
      if (size === 2) g.op(w.I32_WRAP_I64)
    } else if (size === 2) g.i32(count & 31)
    else g.i64(count & 63)
    if (size === 2) g.op(left ? w.I32_ROTL : w.I32_ROTR, w.I64_EXTEND_I32_U)
    else g.op(left ? w.I64_ROTL : w.I64_ROTR)
    if (live) {
      g.tee(L_V)
      this.rotateFlags(left, 8 << size)
    }
    g.write(record.d, size)
    return true
  }

  /** Bit 63 = CF and bit 62 = CF ^ OF of a rotated L_V into L_FA, which holds the rest. */
  private rotateFlags(left: boolean, bits: number): void {
    const { g } = this
    const pushBit = (n: number): void => {
      g.get(L_V)
      g.i64(n)
      g.op(w.I64_SHR_U)
      g.i64(1)
      g.op(w.I64_AND)
    }
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

  /** MUL and IMUL of one operand; CF = OF: the upper half matters. */
  private multiply(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const signed = (record.c & 4) !== 0
    if (size < 2) return false
    if (size === 2) this.multiplyNarrow(record, signed)
    else this.multiplyWide(record, signed)
    // L_V: the low half, L_V2: the high half.
    if (live) {
      g.get(L_V)
      if (size === 2) g.op(w.I64_EXTEND32_S)
      g.set(L_FR)
      g.get(L_V2)
      if (signed) {
        if (size === 2) g.op(w.I64_EXTEND32_S)
        g.get(L_FR)
        g.i64(63)
        g.op(w.I64_SHR_S)
        g.op(w.I64_NE)
      } else {
        g.i64(0)
        g.op(w.I64_NE)
      }
      g.op(w.I64_EXTEND_I32_U)
      g.i64(63)
      g.op(w.I64_SHL)
      g.set(L_FA)
      this.flags.became(FLAG_LOCAL, size)
    }
    g.get(L_V)
    g.write(S.RAX, size)
    g.get(L_V2)
    g.write(S.RDX, size)
    return true
  }

  private multiplyNarrow(record: IrRecord, signed: boolean): void {
    const { g } = this
    g.read(S.RAX, 2)
    if (signed) g.op(w.I64_EXTEND32_S)
    g.read(record.a, 2)
    if (signed) g.op(w.I64_EXTEND32_S)
    g.op(w.I64_MUL)
    g.tee(L_V2)
    g.op(w.I32_WRAP_I64, w.I64_EXTEND_I32_U)
    g.set(L_V)
    g.get(L_V2)
    g.i64(32)
    g.op(w.I64_SHR_U)
    g.set(L_V2)
  }

  /** Four products of 32 bits; for signed operands the high half less a where b is negative and less b where a is. */
  private multiplyWide(record: IrRecord, signed: boolean): void {
    const { g } = this
    const a = (): void => g.read64(S.RAX)
    const b = (): void => g.read64(record.a)
    const low = (push: () => void): void => {
      push()
      g.op(w.I32_WRAP_I64, w.I64_EXTEND_I32_U)
    }
    const high = (push: () => void): void => {
      push()
      g.i64(32)
      g.op(w.I64_SHR_U)
    }
    // L_V = a1·b0 + (a0·b0 >> 32); L_LA = a0·b1 + low half of that.
    high(a)
    low(b)
    g.op(w.I64_MUL)
    high(() => {
      low(a)
      low(b)
      g.op(w.I64_MUL)
    })
    g.op(w.I64_ADD)
    g.set(L_V)
    low(a)
    high(b)
    g.op(w.I64_MUL)
    low(() => g.get(L_V))
    g.op(w.I64_ADD)
    g.set(L_LA)
    high(a)
    high(b)
    g.op(w.I64_MUL)
    high(() => g.get(L_V))
    g.op(w.I64_ADD)
    high(() => g.get(L_LA))
    g.op(w.I64_ADD)
    if (signed) this.subtractSigns(a, b)
    g.set(L_V2)
    a()
    b()
    g.op(w.I64_MUL)
    g.set(L_V)
  }

  private subtractSigns(a: () => void, b: () => void): void {
    const { g } = this
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      one()
      g.i64(63)
      g.op(w.I64_SHR_S)
      other()
      g.op(w.I64_AND, w.I64_SUB)
    }
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

  /** BSF and BSR leave the destination of a zero source. */
  private scan(record: IrRecord): boolean {
    const { g } = this
    const size = record.c & 3
    const kind = record.c >> 2
    const bits = 8 << size
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
    g.write(record.d, size)
    return true
  }
}
