/** Code for arithmetic records: operands from locals, flags in parts. */

import { FLAG_ADD, FLAG_DEC, FLAG_IMUL64, FLAG_INC, FLAG_KIND_SHIFT, FLAG_LOCAL, FLAG_LOGIC, FLAG_SUB } from '../ir/flag-kinds.js'
import * as op from '../ir/ops.js'
import type { Flags } from './flags.js'
import { type GuestCode, L_FA, L_FB, L_FK, L_FR, L_LA, L_P, L_V, L_V2 } from './guest.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

/** ADD OR ADC SBB AND SUB XOR CMP TEST. */
const wide = [w.I64_ADD, w.I64_OR, w.I64_ADD, w.I64_SUB, w.I64_AND, w.I64_SUB, w.I64_XOR, w.I64_SUB, w.I64_AND]
const kinds = [FLAG_ADD, FLAG_LOGIC, FLAG_ADD, FLAG_SUB, FLAG_LOGIC, FLAG_SUB, FLAG_LOGIC, FLAG_SUB, FLAG_LOGIC]
const narrow = [w.I32_ADD, w.I32_OR, 0, 0, w.I32_AND, w.I32_SUB, w.I32_XOR, w.I32_SUB, w.I32_AND]
const narrowShifts = [w.I32_SHL, w.I32_SHR_U, w.I32_SHR_S]
const narrowCodes: ReadonlyMap<number, number> = new Map([
  [w.I64_ADD, w.I32_ADD],
  [w.I64_OR, w.I32_OR],
  [w.I64_AND, w.I32_AND],
  [w.I64_SUB, w.I32_SUB],
  [w.I64_XOR, w.I32_XOR],
])
const ADC = 2
const SBB = 3
const XOR = 6
const CMP = 7

export class ArithmeticCode {
  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
  ) {}

  /** Pops an i64 and pushes it sign-extended from `size`. */
  private signExtend(size: number): void {
    if (size === 3) return
    this.g.op(size === 2 ? w.I64_EXTEND32_S : size === 1 ? w.I64_EXTEND16_S : w.I64_EXTEND8_S)
  }

  private pushSecond(record: IrRecord, size: number, immediate: boolean): void {
    if (immediate) this.g.immediate(record)
    else this.g.read(record.b, size)
  }

  /** d = a op b for family 0..8; CMP and TEST write flags only. */
  binary(record: IrRecord, family: number, size: number, immediate: boolean, live: boolean): void {
    const { g, flags } = this
    const writes = family < CMP
    if (!live && !writes) return
    if (family === XOR && !immediate && record.a === record.b && size >= 2) return this.zero(record, size, live)
    const carries = family === ADC || family === SBB
    if (size === 2 && !carries) return this.narrow(record, family, immediate, live)
    const keeps = live && kinds[family] !== FLAG_LOGIC
    if (carries) {
      flags.pushCarry()
      g.set(L_V2)
    }
    g.read(record.a, size)
    if (keeps) g.tee(L_V)
    this.pushSecond(record, size, immediate)
    if (keeps) {
      // The old parts may be operands' source only through pushCarry, which is done.
      g.tee(L_FB)
      g.get(L_V)
      g.set(L_FA)
    }
    g.op(wide[family]!)
    if (carries) {
      g.get(L_V2)
      g.op(family === ADC ? w.I64_ADD : w.I64_SUB)
    }
    if (live) {
      g.tee(L_V)
      this.signExtend(size)
      g.set(L_FR)
      if (writes) g.get(L_V)
      flags.became(kinds[family]!, size, !carries)
    }
    if (writes) g.write(record.d, size)
  }

  /** 32 bits, without a carry: the parts need not be cut to size. */
  private narrow(record: IrRecord, family: number, immediate: boolean, live: boolean): void {
    const { g, flags } = this
    const keeps = live && kinds[family] !== FLAG_LOGIC
    g.read64(record.a)
    if (keeps) g.tee(L_FA)
    g.op(w.I32_WRAP_I64)
    if (immediate) {
      if (keeps) {
        g.immediate(record)
        g.set(L_FB)
      }
      g.immediateNarrow(record)
    } else {
      g.read64(record.b)
      if (keeps) g.tee(L_FB)
      g.op(w.I32_WRAP_I64)
    }
    g.op(narrow[family]!)
    const writes = family < CMP
    if (live) {
      if (writes) g.tee(L_P)
      g.op(w.I64_EXTEND_I32_S)
      g.set(L_FR)
      if (writes) g.get(L_P)
      flags.became(kinds[family]!, 2)
    }
    if (writes) g.writeNarrow(record.d)
  }

  /** XOR of a register with itself. */
  private zero(record: IrRecord, size: number, live: boolean): void {
    const { g } = this
    g.i64(0)
    if (live) {
      g.tee(L_FR)
      this.flags.became(FLAG_LOGIC, size)
    }
    g.write(record.d, 3)
  }

  /** The comparison of a fused compare-and-branch. */
  comparison(record: IrRecord, family: number, size: number, immediate: boolean): void {
    this.binary(record, family, size, immediate, true)
  }

  /** The forms without flags, 32 and 64 bits. */
  flagless(record: IrRecord, code: number, size: number, immediate: boolean): void {
    const { g } = this
    if (code === w.I64_XOR && !immediate && record.a === record.b) return this.zero(record, size, false)
    const short = size === 2
    g.read64(record.a)
    if (short) g.op(w.I32_WRAP_I64)
    if (immediate) {
      if (short) g.immediateNarrow(record)
      else g.immediate(record)
    } else {
      g.read64(record.b)
      if (short) g.op(w.I32_WRAP_I64)
    }
    if (!short) {
      g.op(code)
      return g.write(record.d, 3)
    }
    g.op(narrowCodes.get(code)!)
    return g.writeNarrow(record.d)
  }

  incrementDecrement(record: IrRecord, size: number, decrement: boolean, live: boolean): void {
    const { g, flags } = this
    if (live) {
      flags.pushCarry()
      g.set(L_FA)
    }
    g.read(record.a, size)
    g.i64(decrement ? -1 : 1)
    g.op(w.I64_ADD)
    if (live) {
      g.tee(L_V)
      this.signExtend(size)
      g.set(L_FR)
      g.get(L_V)
      flags.became(decrement ? FLAG_DEC : FLAG_INC, size)
    }
    g.write(record.d, size)
  }

  negate(record: IrRecord, size: number, live: boolean): void {
    const { g, flags } = this
    g.i64(0)
    g.read(record.a, size)
    if (live) g.tee(L_FB)
    g.op(w.I64_SUB)
    if (live) {
      g.tee(L_V)
      this.signExtend(size)
      g.set(L_FR)
      g.i64(0)
      g.set(L_FA)
      g.get(L_V)
      flags.became(FLAG_SUB, size)
    }
    g.write(record.d, size)
  }

  complement(record: IrRecord, size: number): void {
    const { g } = this
    g.read(record.a, size)
    g.i64(-1)
    g.op(w.I64_XOR)
    g.write(record.d, size)
  }

  /** Shift by a constant of 1..63. kind: 0 SHL, 1 SHR, 2 SAR. */
  shift(record: IrRecord, kind: number, size: number, live: boolean): void {
    const { g, flags } = this
    const count = record.imm & 63
    if (size === 2 && !live && count < 32) {
      g.readNarrow(record.a, 2)
      g.i32(count)
      g.op(narrowShifts[kind]!)
      return g.writeNarrow(record.d)
    }
    g.read(record.a, size)
    if (kind === 2) this.signExtend(size)
    if (live) g.tee(L_V)
    g.i64(count)
    g.op(kind === 0 ? w.I64_SHL : kind === 1 ? w.I64_SHR_U : w.I64_SHR_S)
    if (live) {
      g.tee(L_V2)
      this.signExtend(size)
      g.set(L_FR)
      this.shiftCarries(kind, size, count)
      flags.became(FLAG_LOCAL, size)
      g.get(L_V2)
    }
    return g.write(record.d, size)
  }

  /** L_FA = FLAG_AUX of a shift of L_V with sign-extended result L_FR: as alu.ts computes it. */
  private shiftCarries(kind: number, size: number, count: number): void {
    const { g } = this
    const bits = 8 << size
    const pushCarry = (): void => {
      if (kind === 0 && count > bits) {
        g.i64(0)
        return
      }
      g.get(L_V)
      const from = kind === 0 ? bits - count : count - 1
      if (from !== 0) {
        g.i64(from)
        g.op(w.I64_SHR_U)
      }
      g.i64(1)
      g.op(w.I64_AND)
    }
    // Bit 63 = CF, bit 62 = CF ^ OF.
    pushCarry()
    g.i64(63)
    g.op(w.I64_SHL)
    if (kind === 0) {
      // OF = CF ^ top bit of the result, so CF ^ OF is that top bit.
      g.get(L_FR)
      g.i64(63)
      g.op(w.I64_SHR_U)
    } else {
      pushCarry()
      if (kind === 1 && count === 1) {
        g.get(L_V)
        g.i64(bits - 1)
        g.op(w.I64_SHR_U)
        g.i64(1)
        g.op(w.I64_AND, w.I64_XOR)
      }
    }
    g.i64(62)
    g.op(w.I64_SHL, w.I64_OR)
    g.set(L_FA)
  }

  /** Shift by the count in slot b; a masked count of zero leaves the flags. */
  shiftByRegister(record: IrRecord, kind: number, size: number, live: boolean): void {
    const { g, flags } = this
    if (size === 2 && !live) {
      g.readNarrow(record.a, 2)
      g.readNarrow(record.b, 2)
      g.op(narrowShifts[kind]!)
      return g.writeNarrow(record.d)
    }
    g.read64(record.b)
    g.i64(size === 3 ? 63 : 31)
    g.op(w.I64_AND)
    g.set(L_V2)
    g.read(record.a, size)
    if (kind === 2) this.signExtend(size)
    g.tee(L_V)
    g.get(L_V2)
    g.op([w.I64_SHL, w.I64_SHR_U, w.I64_SHR_S][kind]!)
    if (!live) return g.write(record.d, size)
    g.set(L_LA)
    flags.settle()
    g.get(L_V2)
    g.op(w.I64_EQZ, w.I32_EQZ)
    g.if()
    g.get(L_LA)
    this.signExtend(size)
    g.set(L_FR)
    this.registerShiftCarries(kind, size)
    g.i32(FLAG_LOCAL | (size << FLAG_KIND_SHIFT))
    g.set(L_FK)
    g.end()
    flags.forget()
    g.get(L_LA)
    return g.write(record.d, size)
  }

  /** The same as shiftCarries for the count in L_V2, 1 or more. */
  private registerShiftCarries(kind: number, size: number): void {
    const { g } = this
    const bits = 8 << size
    const pushBit = (push: () => void): void => {
      g.get(L_V)
      push()
      g.op(w.I64_SHR_U)
      g.i64(1)
      g.op(w.I64_AND)
    }
    if (kind === 0) {
      pushBit(() => {
        if (size < 2) return this.pushShortCount(bits)
        g.i64(bits)
        g.get(L_V2)
        return g.op(w.I64_SUB)
      })
    } else {
      pushBit(() => {
        g.get(L_V2)
        g.i64(1)
        g.op(w.I64_SUB)
      })
    }
    g.tee(L_FA)
    g.i64(63)
    g.op(w.I64_SHL)
    if (kind === 0) {
      g.get(L_FR)
      g.i64(63)
      g.op(w.I64_SHR_U)
    } else g.get(L_FA)
    if (kind === 1) {
      // OF is the operand's top bit where the count is 1.
      g.get(L_V2)
      g.i64(1)
      g.op(w.I64_EQ, w.I64_EXTEND_I32_U)
      pushBit(() => g.i64(bits - 1))
      g.op(w.I64_AND, w.I64_XOR)
    }
    g.i64(62)
    g.op(w.I64_SHL, w.I64_OR)
    g.set(L_FA)
  }

  /** Where the carry of a SHL of 8 or 16 bits stands: a count beyond the operand shifts zeros out, as does one of 63. */
  private pushShortCount(bits: number): void {
    const { g } = this
    g.i64(bits)
    g.get(L_V2)
    g.op(w.I64_SUB)
    g.i64(63)
    g.op(w.I64_AND)
  }

  /** IMUL d = a * b. */
  multiply(record: IrRecord, size: number, live: boolean): void {
    const { g, flags } = this
    if (size === 2 && !live) {
      g.readNarrow(record.a, 2)
      g.readNarrow(record.b, 2)
      g.op(w.I32_MUL)
      return g.writeNarrow(record.d)
    }
    g.read(record.a, size)
    this.signExtend(size)
    if (live) g.tee(L_FA)
    g.read(record.b, size)
    this.signExtend(size)
    if (live) g.tee(L_FB)
    g.op(w.I64_MUL)
    if (live) {
      g.tee(L_V)
      this.signExtend(size)
      g.set(L_FR)
      if (size === 3) flags.became(FLAG_IMUL64, 3)
      else {
        // CF = OF = the product does not fit: bit 63 set, bit 62 clear.
        g.get(L_V)
        g.get(L_FR)
        g.op(w.I64_NE, w.I64_EXTEND_I32_U)
        g.i64(63)
        g.op(w.I64_SHL)
        g.set(L_FA)
        flags.became(FLAG_LOCAL, size)
      }
      g.get(L_V)
    }
    return g.write(record.d, size)
  }
}

/** Family and form of a record between OP_ADD8 and OP_TESTI64. */
export function binaryForm(code: number): { family: number; size: number; immediate: boolean } {
  const immediate = code >= op.OP_ADDI8
  const n = code - (immediate ? op.OP_ADDI8 : op.OP_ADD8)
  return { family: n >> 2, size: n & 3, immediate }
}
