/** Flags of a region: known at compile time since the last operation of the block, or in the locals at run time. */

import {
  FLAG_ADD,
  FLAG_DEC,
  FLAG_IMUL64,
  FLAG_INC,
  FLAG_KIND_SHIFT,
  FLAG_LAZY,
  FLAG_LOCAL,
  FLAG_LOGIC,
  FLAG_ORDER,
  FLAG_STATE,
  FLAG_SUB,
} from '../ir/flag-kinds.js'
import { type GuestCode, L_CF, L_FA, L_FB, L_FK, L_FR, L_OF } from './guest.js'
import { F_CARRY, F_CONDITION, F_MATERIALIZE } from './kernel-functions.js'
import * as S from '../state/layout.js'
import { clearLazyFlags } from './lazy-flags.js'
import * as w from './wasm-ops.js'

const UNKNOWN = -1
/** CF and OF stand in L_CF and L_OF, all else as in FLAG_LOCAL: only within a block, never in L_FK. */
const APART = 15
const KIND_MASK = (1 << FLAG_KIND_SHIFT) - 1
/** What the parts are once the carries have been put back into L_FA. */
const TOGETHER = FLAG_LOCAL | (3 << FLAG_KIND_SHIFT)
/** FLAG_AUX less the carries: corrections of parity, AF, correction of the sign. */
const AUX_REST = 0xff09

const COND_O = 0
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

  forget(): void {
    this.kind = UNKNOWN
  }

  assume(known: FlagsKnown | undefined): void {
    this.kind = known?.kind ?? UNKNOWN
    this.exact = known?.exact ?? false
  }

  /** What is known behind `settle`. */
  known(): FlagsKnown | undefined {
    if (this.kind === APART) return { kind: TOGETHER, exact: false }
    return this.kind === UNKNOWN ? undefined : { kind: this.kind, exact: this.exact }
  }

  private get what(): number {
    return this.kind & KIND_MASK
  }

  /** The flags stand in the state area now, where they stood before. */
  inState(): void {
    this.kind = FLAG_STATE
  }

  /** Something has written all of them to the state area. */
  wereWritten(): void {
    clearLazyFlags(this.g)
    this.kind = FLAG_STATE
  }

  /** At an entry of the region. */
  load(): void {
    this.g.i32(FLAG_LAZY)
    this.g.set(L_FK)
    this.kind = UNKNOWN
  }

  /** L_FA, L_FB and L_FR hold an operation of `what` and `size`. */
  became(what: number, size: number, exact = true): void {
    this.kind = what | (size << FLAG_KIND_SHIFT)
    this.exact = exact
  }

  /** Makes L_FK true: before leaving the block. */
  settle(): void {
    const kind = this.settled()
    if (kind === undefined) return
    this.g.i32(kind)
    this.g.set(L_FK)
  }

  /** The parts stand in L_FA, L_FB and L_FR as this kind says; undefined: L_FK says it. */
  settled(): number | undefined {
    if (this.kind === UNKNOWN) return undefined
    this.putTogether()
    return this.kind === APART ? TOGETHER : this.kind
  }

  private pushKind(): void {
    if (this.kind === UNKNOWN) this.g.get(L_FK)
    else this.g.i32(this.kind === APART ? TOGETHER : this.kind)
  }

  private pushParts(): void {
    this.putTogether()
    this.g.core()
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
    const { g, what } = this
    if (this.kind === UNKNOWN || this.kind === FLAG_STATE || what === FLAG_IMUL64) {
      this.pushParts()
      g.call(F_CARRY)
    } else if (what === FLAG_LOGIC) g.i64(0)
    else if (what === FLAG_INC || what === FLAG_DEC) g.get(L_FA)
    else if (what === APART) g.get(L_CF)
    else if (this.exact && (what === FLAG_ADD || what === FLAG_SUB)) {
      this.pushBelow(what)
      g.op(w.I64_EXTEND_I32_U)
    } else {
      this.pushCarryAtTop(what)
      g.i64(63)
      g.op(w.I64_SHR_U)
    }
  }

  /** Pushes an i64 whose top bit is CF. */
  private pushCarryAtTop(what: number): void {
    const { g } = this
    g.get(L_FA)
    if (what !== FLAG_ADD && what !== FLAG_SUB) return
    // The carry out of the top bit. ADD: a & b | (a | b) & ~r; SUB: ~a & b | (~a | b) & r.
    if (what === FLAG_SUB) this.invert()
    g.get(L_FB)
    g.op(w.I64_AND)
    g.get(L_FA)
    if (what === FLAG_SUB) this.invert()
    g.get(L_FB)
    g.op(w.I64_OR)
    g.get(L_FR)
    if (what === FLAG_ADD) this.invert()
    g.op(w.I64_AND, w.I64_OR)
    this.toTop()
  }

  /** Brings the operation's top bit to the top of an i64. */
  private toTop(): void {
    if (this.size === 3) return
    this.g.i64(64 - (8 << this.size))
    this.g.op(w.I64_SHL)
  }

  /** Pushes OF as an i64 of 0 or 1; false where only the state area says it. */
  private pushOverflow(): boolean {
    const { g, what } = this
    if (this.kind === UNKNOWN || this.kind === FLAG_STATE || what === FLAG_IMUL64) return false
    if (what === FLAG_LOGIC || what === FLAG_ORDER) {
      g.i64(0)
      return true
    }
    if (what === APART) g.get(L_OF)
    else if (what === FLAG_LOCAL) this.pushOverflowIn(() => g.get(L_FA))
    else if (what === FLAG_INC || what === FLAG_DEC) {
      // The result alone tells: the least number after INC, the greatest after DEC.
      g.get(L_FR)
      const bits = 8 << this.size
      const least = bits === 64 ? -0x80000000 : -(2 ** (bits - 1))
      if (what === FLAG_INC) g.i64Wide(bits === 64 ? 0 : least, bits === 64 ? -0x80000000 : -1)
      else g.i64Wide(bits === 64 ? -1 : -1 - least, bits === 64 ? 0x7fffffff : 0)
      g.op(w.I64_EQ, w.I64_EXTEND_I32_U)
    } else {
      // ADD: both operands differ from the result in sign; SUB: the first differs from both.
      g.get(L_FA)
      g.get(L_FR)
      g.op(w.I64_XOR)
      g.get(what === FLAG_ADD ? L_FB : L_FA)
      g.get(what === FLAG_ADD ? L_FR : L_FB)
      g.op(w.I64_XOR, w.I64_AND)
      this.toTop()
      g.i64(63)
      g.op(w.I64_SHR_U)
    }
    return true
  }

  /** OF of the FLAG_AUX that `push` pushes. */
  private pushOverflowIn(push: () => void): void {
    const { g } = this
    push()
    push()
    g.i64(1)
    g.op(w.I64_SHL, w.I64_XOR)
    g.i64(63)
    g.op(w.I64_SHR_U)
  }

  /** For ADCX and ADOX: CF and OF into L_CF and L_OF, the rest into L_FA and L_FR. */
  setApart(): void {
    const { g } = this
    if (this.kind === APART) return
    if (!this.pushOverflow()) {
      this.materialize()
      const aux = (): void => {
        g.loadState(w.I64_LOAD, S.FLAG_AUX)
      }
      this.pushOverflowIn(aux)
      g.set(L_OF)
      aux()
      g.i64(63)
      g.op(w.I64_SHR_U)
    } else {
      g.set(L_OF)
      this.pushCarry()
    }
    g.set(L_CF)
    this.keepRest()
    this.kind = APART
    this.exact = false
  }

  /** Carries kept apart also stand in L_FA behind this; L_CF and L_OF stay right. */
  private putTogether(): void {
    if (this.kind !== APART) return
    const { g } = this
    g.get(L_FA)
    g.i64(AUX_REST)
    g.op(w.I64_AND)
    g.get(L_CF)
    g.i64(63)
    g.op(w.I64_SHL, w.I64_OR)
    g.get(L_CF)
    g.get(L_OF)
    g.op(w.I64_XOR)
    g.i64(62)
    g.op(w.I64_SHL, w.I64_OR)
    g.set(L_FA)
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
    const { g, what } = this
    if (this.kind === UNKNOWN || this.kind === FLAG_STATE) {
      this.materialize()
      g.loadState(w.I64_LOAD, S.FLAG_RES)
      g.set(L_FR)
      g.loadState(w.I64_LOAD, S.FLAG_AUX)
      g.i64(AUX_REST)
      g.op(w.I64_AND)
    } else if (what === FLAG_LOGIC || what === FLAG_IMUL64) g.i64(0)
    else if (what === FLAG_ORDER) {
      // PF stands in L_FA; the result, which is zero or one, would have that of ZF.
      g.get(L_FA)
      g.get(L_FR)
      g.op(w.I64_EQZ, w.I64_EXTEND_I32_U, w.I64_XOR)
      g.i64(1)
      g.op(w.I64_AND)
      g.i64(8)
      g.op(w.I64_SHL)
    } else if (what === FLAG_LOCAL || what === APART) {
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

  private pushBelow(what: number): boolean {
    const { g } = this
    if (what === FLAG_SUB && this.exact) this.compare(w.I32_LT_U, w.I64_LT_U, false)
    else if (what === FLAG_ADD && this.exact) {
      // A carry came out where the sum is below an operand.
      this.operand(L_FR, false)
      this.operand(L_FA, false)
      g.op(this.size === 3 ? w.I64_LT_U : w.I32_LT_U)
    } else if (what === APART) {
      g.get(L_CF)
      g.op(w.I32_WRAP_I64)
    } else if (what === FLAG_INC || what === FLAG_DEC) {
      g.get(L_FA)
      g.op(w.I32_WRAP_I64)
    } else if (what === FLAG_IMUL64) return false
    else {
      this.pushCarryAtTop(what)
      g.i64(0)
      g.op(w.I64_LT_S)
    }
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
    const { what } = this
    if (this.kind === UNKNOWN || this.kind === FLAG_STATE || what === FLAG_IMUL64) return false
    if (which === COND_E && what === FLAG_SUB && this.exact) this.compare(w.I32_EQ, w.I64_EQ, false)
    else if (which === COND_E) this.pushZero()
    else if (what === FLAG_ORDER) this.pushOrder(which)
    else if ((what === FLAG_LOCAL || what === APART) && !this.exact && (which === COND_S || which === COND_P)) return false
    else if (which === COND_S) this.pushNegative()
    else if (which === COND_P) this.pushParity()
    else if (what === FLAG_LOGIC) return this.pushLogic(which)
    else if (which === COND_B) return this.pushBelow(what)
    else if (what !== FLAG_SUB || !this.exact || which === COND_O) return this.pushFromParts(which, what)
    else if (which === COND_BE) this.compare(w.I32_LE_U, w.I64_LE_U, false)
    else if (which === COND_L) this.compare(w.I32_LT_S, w.I64_LT_S, true)
    else this.compare(w.I32_LE_S, w.I64_LE_S, true)
    return true
  }

  /** O, BE, L and LE where no comparison of the operands says them. */
  private pushFromParts(which: number, what: number): boolean {
    const { g } = this
    if (which === COND_BE) {
      this.pushBelow(what)
      this.pushZero()
      g.op(w.I32_OR)
      return true
    }
    // FLAG_AUX may correct the sign.
    if (which !== COND_O && !this.exact && (what === FLAG_LOCAL || what === APART)) return false
    this.pushOverflow()
    g.op(w.I32_WRAP_I64)
    if (which === COND_O) return true
    this.pushNegative()
    g.op(w.I32_XOR)
    if (which === COND_L) return true
    this.pushZero()
    g.op(w.I32_OR)
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
