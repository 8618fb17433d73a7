/** Flags of a region: known at compile time since the last operation of the block, or in the locals at run time. */

import {
  FLAG_ADD,
  FLAG_DEC,
  FLAG_IMUL64,
  FLAG_INC,
  FLAG_KIND_SHIFT,
  FLAG_LOCAL,
  FLAG_LOGIC,
  FLAG_ORDER,
  FLAG_STATE,
  FLAG_SUB,
} from '../ir/flag-kinds.js'
import { type GuestCode, L_FA, L_FB, L_FK, L_FR, L_S } from './guest.js'
import { F_CARRY, F_CONDITION, F_MATERIALIZE } from './kernel-functions.js'
import * as S from '../state/layout.js'
import * as w from './wasm-ops.js'

const UNKNOWN = -1
/** FLAG_AUX less the carries: corrections of parity, AF, correction of the sign. */
const AUX_REST = 0xff09

const COND_B = 1
const COND_E = 2
const COND_BE = 3
const COND_S = 4
const COND_P = 5
const COND_L = 6
const COND_LE = 7

/** What is known at compile time: FLAG_* kind with its size, and whether its operands alone decide. */
export interface FlagsKnown {
  readonly kind: number
  readonly exact: boolean
}

export class Flags {
  /** FLAG_* kind with its size, or UNKNOWN: what L_FK says at run time. */
  private kind = UNKNOWN
  /** The operands alone decide: no carry came in; of FLAG_LOCAL: FLAG_AUX corrects neither parity nor sign. */
  private exact = false

  constructor(private readonly g: GuestCode) {}

  /** Only L_FK at run time knows. */
  forget(): void {
    this.kind = UNKNOWN
  }

  /** At the start of a block that is reached with these. */
  assume(known: FlagsKnown | undefined): void {
    this.kind = known?.kind ?? UNKNOWN
    this.exact = known?.exact ?? false
  }

  known(): FlagsKnown | undefined {
    return this.kind === UNKNOWN ? undefined : { kind: this.kind, exact: this.exact }
  }

  /** The flags stand in the state area now. */
  inState(): void {
    this.kind = FLAG_STATE
  }

  /** L_FA, L_FB and L_FR hold an operation of `what` and `size`. */
  became(what: number, size: number, exact = true): void {
    this.kind = what | (size << FLAG_KIND_SHIFT)
    this.exact = exact
  }

  /** Makes L_FK true: before leaving the block. */
  settle(): void {
    if (this.kind === UNKNOWN) return
    this.g.i32(this.kind)
    this.g.set(L_FK)
  }

  private pushKind(): void {
    if (this.kind === UNKNOWN) this.g.get(L_FK)
    else this.g.i32(this.kind)
  }

  private pushParts(): void {
    this.g.get(L_S)
    this.pushKind()
    this.g.get(L_FA)
    this.g.get(L_FB)
    this.g.get(L_FR)
  }

  /** Brings the flags into the state area. */
  materialize(): void {
    const { g } = this
    if (this.kind === FLAG_STATE) return
    if (this.kind === UNKNOWN) {
      g.get(L_FK)
      g.if()
      this.pushParts()
      g.call(F_MATERIALIZE)
      g.end()
    } else {
      this.pushParts()
      g.call(F_MATERIALIZE)
    }
    this.kind = FLAG_STATE
    this.settle()
  }

  /** Pushes CF as an i64 of 0 or 1. */
  pushCarry(): void {
    const { g } = this
    const what = this.kind & ((1 << FLAG_KIND_SHIFT) - 1)
    if (this.kind === UNKNOWN || this.kind === FLAG_STATE) {
      this.pushParts()
      g.call(F_CARRY)
    } else if (what === FLAG_LOGIC) g.i64(0)
    else if (what === FLAG_INC || what === FLAG_DEC) g.get(L_FA)
    else if (this.pushBelow(what)) g.op(w.I64_EXTEND_I32_U)
    else {
      this.pushParts()
      g.call(F_CARRY)
    }
  }

  /** The same inside a branch of the code: what is known after it stays as it was. L_FK is left to say what the state area holds. */
  materializeHere(): void {
    const { g } = this
    if (this.kind === FLAG_STATE) return
    if (this.kind === UNKNOWN) {
      g.get(L_FK)
      g.if()
    }
    this.pushParts()
    g.call(F_MATERIALIZE)
    if (this.kind === UNKNOWN) g.end()
  }

  /**
   * For an operation that changes CF and OF alone: L_FR keeps the result and L_FA becomes what FLAG_AUX says beside the carries (AF and corrections of parity
   * and sign). The caller adds the carries and says FLAG_LOCAL, not exact.
   */
  keepRest(): void {
    const { g } = this
    const what = this.kind & ((1 << FLAG_KIND_SHIFT) - 1)
    if (this.kind === UNKNOWN || this.kind === FLAG_STATE) {
      this.materialize()
      g.get(L_S)
      g.memory(w.I64_LOAD, S.FLAG_RES)
      g.set(L_FR)
      g.get(L_S)
      g.memory(w.I64_LOAD, S.FLAG_AUX)
      g.i64(AUX_REST)
      g.op(w.I64_AND)
    } else if (what === FLAG_LOGIC || what === FLAG_IMUL64) g.i64(0)
    else if (what === FLAG_LOCAL) {
      g.get(L_FA)
      g.i64(AUX_REST)
      g.op(w.I64_AND)
    } else this.pushAdjust(what)
    g.set(L_FA)
  }

  /** Pushes AF as bit 3: the carry out of bit 3. */
  private pushAdjust(what: number): void {
    const { g } = this
    if (what === FLAG_INC || what === FLAG_DEC) {
      // INC: (r - 1) & ~r; DEC: ~(r + 1) & r.
      g.get(L_FR)
      g.i64(what === FLAG_INC ? -1 : 1)
      g.op(w.I64_ADD)
      if (what === FLAG_DEC) this.invert()
      g.get(L_FR)
      if (what === FLAG_INC) this.invert()
      g.op(w.I64_AND)
    } else {
      g.get(L_FA)
      g.get(L_FB)
      g.get(L_FR)
      g.op(w.I64_XOR, w.I64_XOR)
      g.i64(1)
      g.op(w.I64_SHR_U)
    }
    g.i64(8)
    g.op(w.I64_AND)
  }

  private invert(): void {
    this.g.i64(-1)
    this.g.op(w.I64_XOR)
  }

  private get size(): number {
    return this.kind >> FLAG_KIND_SHIFT
  }

  /** Pushes L_FA or L_FB cut to the operation's size: i64 for 64 bits, else i32. */
  private operand(local: number, signed: boolean): void {
    const { g } = this
    g.get(local)
    if (this.size === 3) return
    if (this.size === 2) {
      g.op(w.I32_WRAP_I64)
      return
    }
    if (signed) g.op(this.size === 1 ? w.I64_EXTEND16_S : w.I64_EXTEND8_S)
    else {
      g.i64(this.size === 1 ? 0xffff : 0xff)
      g.op(w.I64_AND)
    }
    g.op(w.I32_WRAP_I64)
  }

  private compare(narrow: number, wide: number, signed: boolean): void {
    this.operand(L_FA, signed)
    this.operand(L_FB, signed)
    this.g.op(this.size === 3 ? wide : narrow)
  }

  /** Pushes CF as i32 where the parts give it directly. */
  private pushBelow(what: number): boolean {
    const { g } = this
    if (what === FLAG_SUB && this.exact) this.compare(w.I32_LT_U, w.I64_LT_U, false)
    else if (what === FLAG_ADD && this.exact) {
      // A carry came out where the sum is below an operand.
      this.operand(L_FR, false)
      this.operand(L_FA, false)
      g.op(this.size === 3 ? w.I64_LT_U : w.I32_LT_U)
    } else if (what === FLAG_LOCAL || what === FLAG_ORDER) {
      g.get(L_FA)
      g.i64(0)
      g.op(w.I64_LT_S)
    } else return false
    return true
  }

  private pushZero(): void {
    this.g.get(L_FR)
    this.g.op(w.I64_EQZ)
  }

  private pushNegative(): void {
    this.g.get(L_FR)
    this.g.i64(0)
    this.g.op(w.I64_LT_S)
  }

  /** Pushes the truth of even condition number `which * 2`; false where it needs the kernel. */
  private pushDirect(which: number): boolean {
    const what = this.kind & ((1 << FLAG_KIND_SHIFT) - 1)
    if (this.kind === UNKNOWN || this.kind === FLAG_STATE || what === FLAG_IMUL64) return false
    if (which === COND_E) this.pushZero()
    else if (what === FLAG_ORDER) this.pushOrder(which)
    else if (what === FLAG_LOCAL && !this.exact && (which === COND_S || which === COND_P)) return false
    else if (which === COND_S) this.pushNegative()
    else if (which === COND_P) this.pushParity()
    else if (what === FLAG_LOGIC) return this.pushLogic(which)
    else if (which === COND_B) return this.pushBelow(what)
    else if (what !== FLAG_SUB || !this.exact) return false
    else if (which === COND_BE) this.compare(w.I32_LE_U, w.I64_LE_U, false)
    else if (which === COND_L) this.compare(w.I32_LT_S, w.I64_LT_S, true)
    else if (which === COND_LE) this.compare(w.I32_LE_S, w.I64_LE_S, true)
    else return false
    return true
  }

  private pushParity(): void {
    const { g } = this
    g.get(L_FR)
    g.op(w.I32_WRAP_I64)
    g.i32(0xff)
    g.op(w.I32_AND, w.I32_POPCNT)
    g.i32(1)
    g.op(w.I32_AND, w.I32_EQZ)
  }

  /** SF and OF are clear, CF and PF stand in bits of L_FA. */
  private pushOrder(which: number): void {
    const { g } = this
    if (which === COND_B) this.pushBelow(FLAG_ORDER)
    else if (which === COND_LE) this.pushZero()
    else if (which === COND_BE) {
      this.pushBelow(FLAG_ORDER)
      this.pushZero()
      g.op(w.I32_OR)
    } else if (which === COND_P) {
      g.get(L_FA)
      g.op(w.I32_WRAP_I64)
      g.i32(1)
      g.op(w.I32_AND)
    } else g.i32(0)
  }

  private pushLogic(which: number): boolean {
    if (which === COND_BE) this.pushZero()
    else if (which === COND_L) this.pushNegative()
    else if (which === COND_LE) {
      this.pushNegative()
      this.pushZero()
      this.g.op(w.I32_OR)
    } else this.g.i32(0)
    return true
  }

  /** Pushes x86 condition `code` (tttn) as i32 of 0 or 1. */
  pushCondition(code: number): void {
    const { g } = this
    if (this.pushDirect(code >> 1)) {
      if (code & 1) g.op(w.I32_EQZ)
      return
    }
    this.pushParts()
    g.i32(code)
    g.call(F_CONDITION)
  }
}
