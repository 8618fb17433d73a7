/** Code for products of twice the operands' bits, and for the additions that go with them: MUL and IMUL of one operand, MULX, ADCX, ADOX. */

import { FLAG_LOCAL } from '../ir/flag-kinds.js'
import * as S from '../state/layout.js'
import type { Flags } from './flags.js'
import { type GuestCode, L_CF, L_FA, L_FR, L_LA, L_OF, L_V, L_V2 } from './guest.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

export class ProductCode {
  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
  ) {}

  /** MUL and IMUL of one operand; CF = OF: the upper half matters. */
  multiply(record: IrRecord, live: boolean): boolean {
    const { g } = this
    const size = record.c & 3
    const signed = (record.c & 4) !== 0
    if (size < 2) return false
    if (size === 2) this.multiplyNarrow(S.RAX, record.a, signed)
    else this.multiplyWide(S.RAX, record.a, signed)
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

  /** MULX: no flags; the high half stays where both go to one register. */
  multiplyApart(record: IrRecord): boolean {
    const { g } = this
    if (record.c === 2) this.multiplyNarrow(S.RDX, record.a, false)
    else this.multiplyWide(S.RDX, record.a, false)
    g.get(L_V)
    g.write(record.b, record.c)
    g.get(L_V2)
    g.write(record.d, record.c)
    return true
  }

  private multiplyNarrow(one: number, other: number, signed: boolean): void {
    const { g } = this
    g.read(one, 2)
    if (signed) g.op(w.I64_EXTEND32_S)
    g.read(other, 2)
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
  private multiplyWide(one: number, other: number, signed: boolean): void {
    const { g } = this
    const a = (): void => g.read64(one)
    const b = (): void => g.read64(other)
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

  /** ADCX and ADOX. */
  addCarry(record: IrRecord): boolean {
    const { g } = this
    const size = record.c & 3
    const flag = record.c & 4 ? L_OF : L_CF
    this.flags.setApart()
    g.read(record.d, size)
    g.read(record.a, size)
    if (size === 2) {
      g.op(w.I64_ADD)
      g.get(flag)
      g.op(w.I64_ADD)
      g.tee(L_V)
      g.i64(32)
      g.op(w.I64_SHR_U)
      g.set(flag)
      g.get(L_V)
      g.write(record.d, size)
      return true
    }
    // A carry comes out of the sum of the operands or of that with the flag, never of both.
    g.tee(L_V)
    g.op(w.I64_ADD)
    g.tee(L_V2)
    g.get(flag)
    g.op(w.I64_ADD)
    g.write(record.d, size)
    g.get(L_V2)
    g.get(L_V)
    g.op(w.I64_LT_U)
    g.read(record.d, size)
    g.get(L_V2)
    g.op(w.I64_LT_U, w.I32_OR, w.I64_EXTEND_I32_U)
    g.set(flag)
    return true
  }
}
