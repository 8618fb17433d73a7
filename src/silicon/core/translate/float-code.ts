/** Scalar floating-point instructions in line: WebAssembly's arithmetic where the guards hold (float-guards.ts), else the kernel's. */

import { FLAG_ORDER } from '../ir/flag-kinds.js'
import * as V from '../ir/vector-ids.js'
import * as S from '../state/layout.js'
import type { AccessCode } from './access-code.js'
import type { Flags } from './flags.js'
import * as F from './float-forms.js'
import { FloatGuards, type Operation } from './float-guards.js'
import type { FloatVectorCode } from './float-vector-code.js'
import { FusedCode } from './fused-code.js'
import { type GuestCode, L_FA, L_FR, L_LA, L_V } from './guest.js'
import type { IrRecord } from './record.js'
import type { VectorAccess } from './vector-access.js'
import { simd } from './vector-form-code.js'
import { IN_MEMORY, vectorId } from './vector-operands.js'
import { L_OPERAND, type VectorRegisters } from './vector-registers.js'
import { firstOf } from './vex-operands.js'
import * as w from './wasm-ops.js'

const SCALAR_SINGLE = 2
/** ROUNDSD: the rounding of MXCSR, no inexact exception. */
const ROUND_BY_MXCSR = 4
const ROUND_QUIETLY = 8

export interface FloatContext {
  readonly g: GuestCode
  readonly flags: Flags
  readonly access: AccessCode
  readonly memory: VectorAccess
  readonly registers: VectorRegisters
  readonly vectors: FloatVectorCode
  /** Has the kernel execute the record, and leaves the region where a fault follows. */
  slowly(record: IrRecord): void
  /** Leaves at the instruction after that of the record, which has been done. */
  leaveAfter(record: IrRecord): void
}

export class FloatCode {
  private readonly guards: FloatGuards

  constructor(private readonly c: FloatContext) {
    this.guards = new FloatGuards(c.g, c.registers.mode)
  }

  /** A record that isInlineFloat. */
  emit(record: IrRecord): void {
    const id = vectorId(record)
    if (id >= V.V_FMA) return this.fused(record)
    if (F.isArithmetic(id)) return this.arithmetic(record, (id - V.V_ADDPS) >> 2, (id - V.V_ADDPS) & 3)
    if (id <= V.V_COMISD) return this.compare(record, id === V.V_UCOMISS || id === V.V_COMISS ? F.SINGLE : F.DOUBLE)
    switch (id) {
      case V.V_CVTSI2SS:
        return this.fromInteger(record, F.SINGLE)
      case V.V_CVTSI2SD:
        return this.fromInteger(record, F.DOUBLE)
      case V.V_CVTSS2SI:
      case V.V_CVTTSS2SI:
        return this.toInteger(record, F.SINGLE, id === V.V_CVTTSS2SI)
      case V.V_CVTSD2SI:
      case V.V_CVTTSD2SI:
        return this.toInteger(record, F.DOUBLE, id === V.V_CVTTSD2SI)
      case V.V_CVTSS2SD:
        return this.widen(record)
      case V.V_CVTSD2SS:
        return this.narrow(record)
      default:
        this.c.vectors.convert(record)
        return this.forgetRegisters([record.d])
    }
  }

  private arithmetic(record: IrRecord, operation: number, shape: number): void {
    if (shape < SCALAR_SINGLE) {
      this.c.vectors.arithmetic(record, operation, shape === 0 ? F.SINGLE : F.DOUBLE)
      return this.forgetRegisters([record.d])
    }
    const width = shape === SCALAR_SINGLE ? F.SINGLE : F.DOUBLE
    if (operation in F.rounded) return this.rounding(record, operation, width)
    if (operation === F.OP_ROUND) return this.toWhole(record, width)
    return this.choosing(record, operation, width)
  }

  // ---- operands and results

  /** Local of a scalar source in its lowest lane. */
  private source(record: IrRecord, width: F.Width): number {
    const { memory, registers } = this.c
    if (record.a !== IN_MEMORY) return registers.of(record.a)
    memory.loadNarrow(record, 1 << width.size, L_OPERAND)
    return L_OPERAND
  }

  private result(width: F.Width): number {
    return width.wide ? this.c.registers.double : this.c.registers.single
  }

  /**
   * Runs `then` unless one of the conditions of `against` holds; where one does, it runs all the same if `afterAll` pushes nonzero, and otherwise the kernel
   * executes the instruction.
   */
  private guarded(record: IrRecord, against: readonly (() => void)[], then: () => void, afterAll?: () => void): void {
    const { g } = this.c
    g.block()
    g.block()
    for (const pushes of against) {
      pushes()
      g.ifUnlikely()
      this.branch(1)
      g.end()
    }
    then()
    this.branch(1)
    g.end()
    afterAll?.()
    if (afterAll) {
      g.if()
      then()
      g.else()
    }
    this.slowly(record)
    if (afterAll) g.end()
    g.end()
  }

  private branch(label: number): void {
    this.c.g.op(w.BR, label)
  }

  /** The lowest lane of register d becomes the number in the result's local; the others are those of register `others`. */
  private replaceLowest(record: IrRecord, width: F.Width, others = firstOf(record)): void {
    const { g, registers } = this.c
    g.get(registers.of(others))
    g.get(this.result(width))
    simd(g, `${width.lanes}.replace_lane`, 0)
    g.set(registers.of(record.d))
  }

  // ---- what is known of registers

  /** Locals of registers whose lowest lane is known not to be denormal, by width. */
  private readonly tame = { single: new Set<number>(), double: new Set<number>() }

  private tameOf(width: F.Width): Set<number> {
    return width.wide ? this.tame.double : this.tame.single
  }

  /** At the start of a block: nothing is known. */
  forget(): void {
    this.tame.single.clear()
    this.tame.double.clear()
  }

  /** Something else has written XMM `registers`. */
  forgetRegisters(registers: Iterable<number>): void {
    for (const register of registers) {
      for (const known of [this.tame.single, this.tame.double]) known.delete(this.c.registers.find(register))
    }
  }

  /** From now on the lowest lane of register d, and that of the source, are no denormals: the slow path leaves the region where they are. */
  private slowly(record: IrRecord): void {
    this.c.slowly(record)
    for (const { width, local } of this.promised) {
      this.guards.denormal(width, local)
      this.c.g.ifUnlikely()
      this.c.leaveAfter(record)
      this.c.g.end()
    }
  }

  /** What slow paths of the present instruction have to see to. */
  private promised: { width: F.Width; local: number }[] = []

  /** `emit` writes the instruction, after which the lowest lanes of `locals` are no denormals; register d is one of them. */
  private promising(record: IrRecord, width: F.Width, locals: ReadonlySet<number>, emit: () => void): void {
    const lasting = [...locals].filter((local) => local !== L_OPERAND)
    this.promised = lasting.map((local) => ({ width, local }))
    emit()
    this.promised = []
    this.forgetRegisters([record.d])
    for (const local of lasting) this.tameOf(width).add(local)
  }

  /** Conditions against: operands that are denormal, or zero too where `zeros`. What is known is not asked. */
  private tinyOperands(width: F.Width, locals: ReadonlySet<number>, zeros: boolean): (() => void)[] {
    const { guards } = this
    const asked = [...locals].filter((local) => !this.tameOf(width).has(local))
    return asked.map((local) => (): void => (zeros ? guards.tiny(width, local) : guards.denormal(width, local)))
  }

  /** Pushes whether none of `conditions` is true. */
  private none(conditions: readonly (() => void)[]): void {
    const { g } = this.c
    g.i32(0)
    for (const pushes of conditions) {
      pushes()
      g.op(w.I32_OR)
    }
    g.op(w.I32_EQZ)
  }

  private nans(width: F.Width, locals: ReadonlySet<number>): (() => void)[] {
    return [...locals].map((local) => (): void => this.guards.nan(width, local))
  }

  // ---- arithmetic

  /** ADD, SUB, MUL, DIV, SQRT. */
  private rounding(record: IrRecord, operation: number, width: F.Width): void {
    const { g, registers } = this.c
    const { guards } = this
    const root = operation === F.OP_SQRT
    const b = this.source(record, width)
    const d = registers.of(record.d)
    const a = root ? b : registers.of(firstOf(record))
    const of: Operation = { width, a, b, result: this.result(width) }
    if (!root) guards.number(width, a)
    guards.number(width, b)
    guards.arithmetic(width, F.rounded[operation]![0])
    g.set(of.result)
    const operands = new Set([a, b])
    const outOfRange = (): void => guards.outOfRange(width, of.result)
    const against = [...this.tinyOperands(width, operands, true), outOfRange, (): void => guards.loud()]
    const afterAll = (): void => {
      this.none(this.tinyOperands(width, operands, false))
      outOfRange()
      g.op(w.I32_EQZ)
      guards.exactZero(operation, of)
      g.op(w.I32_OR, w.I32_AND)
      guards.quietOr(() => guards.exact(operation, of))
      g.op(w.I32_AND)
    }
    this.promising(record, width, new Set([d, a, b]), () =>
      this.guarded(record, against, () => this.replaceLowest(record, width), afterAll),
    )
  }

  /** MIN, MAX, CMP: nothing is rounded. */
  private choosing(record: IrRecord, operation: number, width: F.Width): void {
    const { g, registers, vectors } = this.c
    const b = this.source(record, width)
    const a = registers.of(firstOf(record))
    const d = registers.of(record.d)
    const operands = new Set([a, b])
    const against = [...this.tinyOperands(width, operands, false), ...this.nans(width, operands)]
    // All ones is NaN, which is no denormal.
    this.promising(record, width, new Set([d, a, b]), () =>
      this.guarded(record, against, () => {
        g.get(a)
        vectors.pushChoice(operation, width, a, b, record.imm2)
        simd(g, `${width.integers}.extract_lane`, 0)
        simd(g, `${width.integers}.replace_lane`, 0)
        g.set(d)
      }),
    )
  }

  /** ROUNDSS, ROUNDSD. */
  private toWhole(record: IrRecord, width: F.Width): void {
    const { g, registers } = this.c
    const { guards } = this
    const b = this.source(record, width)
    const result = this.result(width)
    const byMxcsr = (record.imm2 & ROUND_BY_MXCSR) !== 0
    guards.number(width, b)
    guards.arithmetic(width, F.roundings[byMxcsr ? 0 : record.imm2 & 3]!)
    g.set(result)
    const operand = new Set([b])
    const against = [...this.tinyOperands(width, operand, false), ...this.nans(width, operand)]
    if (byMxcsr || !(record.imm2 & ROUND_QUIETLY)) {
      against.push(() => {
        guards.quietOr(() => {
          g.get(result)
          guards.number(width, b)
          guards.compare(width, F.EQ)
        })
        g.op(w.I32_EQZ)
      })
    }
    const written = new Set([registers.of(record.d)])
    this.promising(record, width, written, () => this.guarded(record, against, () => this.replaceLowest(record, width)))
  }

  /** UCOMISS, COMISS and the double forms, of what is no NaN: ZF = equal, CF = less, the other flags are cleared. */
  private compare(record: IrRecord, width: F.Width): void {
    const { g, registers } = this.c
    const b = this.source(record, width)
    const a = registers.of(record.d)
    const operands = new Set([a, b])
    const relation = (kind: number): void => {
      this.guards.number(width, a)
      this.guards.number(width, b)
      this.guards.compare(width, kind)
    }
    // The kernel's flags, where it has to be asked, take the same form.
    g.block()
    const against = [...this.tinyOperands(width, operands, false), ...this.nans(width, operands)]
    this.guarded(record, against, () => {
      relation(F.NE)
      g.op(w.I64_EXTEND_I32_U)
      g.set(L_FR)
      relation(F.LT)
      g.op(w.I64_EXTEND_I32_U)
      g.i64(63)
      g.op(w.I64_SHL)
      g.set(L_FA)
      // Past the reading of the flags.
      this.branch(2)
    })
    g.loadState(w.I64_LOAD, S.FLAG_RES)
    g.set(L_FR)
    g.loadState(w.I64_LOAD, S.FLAG_AUX)
    g.set(L_FA)
    this.orderFromState()
    g.end()
    this.c.flags.became(FLAG_ORDER, 0)
  }

  /** FLAG_AUX in L_FA, with PF in bit 8 where that is not ZF, to CF in bit 63 and PF in bit 0. */
  private orderFromState(): void {
    const { g } = this.c
    g.get(L_FA)
    g.i64(63)
    g.op(w.I64_SHR_U)
    g.i64(63)
    g.op(w.I64_SHL)
    g.get(L_FA)
    g.i64(8)
    g.op(w.I64_SHR_U)
    g.get(L_FR)
    g.op(w.I64_EQZ, w.I64_EXTEND_I32_U, w.I64_XOR)
    g.i64(1)
    g.op(w.I64_AND, w.I64_OR)
    g.set(L_FA)
  }

  /** VFMADDxxxSD and its kin: x × y + z, rounded once. */
  private fused(record: IrRecord): void {
    const { g, registers } = this.c
    const { guards } = this
    const d = registers.of(record.d)
    const of = new FusedCode(g, guards, registers, record, this.source(record, F.DOUBLE))
    const then = (): void => this.replaceLowest(record, F.DOUBLE, record.d)
    if (!g.fuses) {
      of.byKernel()
      const against = [(): void => guards.loud(), (): void => of.answered(false)]
      return this.promising(record, F.DOUBLE, new Set([d]), () => this.guarded(record, against, then))
    }
    of.inLine()
    const operands = new Set(of.operands)
    const against = [
      ...this.tinyOperands(F.DOUBLE, operands, false),
      (): void => guards.outOfRange(F.DOUBLE, registers.double),
      (): void => guards.loud(),
    ]
    this.promising(record, F.DOUBLE, new Set([d, ...operands]), () => this.guarded(record, against, then, () => of.secondChance()))
  }

  // ---- conversions

  /** Integers of 32 bits are doubles; others may have to be rounded. */
  private fromInteger(record: IrRecord, width: F.Width): void {
    const { g, access } = this.c
    const wide = record.b === 8
    if (record.a === IN_MEMORY) {
      g.read64(S.T0)
      g.set(L_LA)
      access.load(record, wide ? 3 : 2, wide ? w.I64_LOAD : w.I64_LOAD32_S)
    } else {
      g.read64(record.a)
      if (!wide) g.op(w.I64_EXTEND32_S)
    }
    g.set(L_V)
    g.get(L_V)
    g.op(width.wide ? w.F64_CONVERT_I64_S : w.F32_CONVERT_I64_S)
    g.set(this.result(width))
    this.written(record, width)
    if (width.wide && !wide) return this.replaceLowest(record, width)
    const notExact = (): void => {
      const bits = width.wide ? 53 : 24
      g.get(L_V)
      g.i64Wide(bits < 32 ? 2 ** bits : 0, bits < 32 ? 0 : 2 ** (bits - 32))
      g.op(w.I64_ADD)
      g.i64Wide(bits < 31 ? 2 ** (bits + 1) : 0, bits < 31 ? 0 : 2 ** (bits - 31))
      g.op(w.I64_GE_U)
    }
    const afterAll = (): void => this.guards.quiet()
    return this.guarded(record, [notExact], () => this.replaceLowest(record, width), afterAll)
  }

  /** CVTTSS2SI, CVTSS2SI and the double forms. */
  private toInteger(record: IrRecord, width: F.Width, truncate: boolean): void {
    const { g, registers } = this.c
    const { double } = registers
    const b = this.source(record, width)
    const wide = record.b === 8
    this.guards.number(width, b)
    if (!width.wide) g.op(w.F64_PROMOTE_F32)
    g.set(double)
    g.get(double)
    if (!truncate) g.op(w.F64_NEAREST)
    g.op(w.TRUNCATIONS, w.I64_TRUNC_SAT_F64_S)
    g.set(L_V)
    const outOfRange = (): void => {
      g.get(double)
      g.op(w.F64_ABS, w.F64_CONST)
      g.out.bytes(new Uint8Array(Float64Array.of(2 ** (wide ? 62 : 30)).buffer))
      g.op(w.F64_LT, w.I32_EQZ)
    }
    const exact = (): void => {
      g.get(L_V)
      g.op(w.F64_CONVERT_I64_S)
      g.get(double)
      g.op(w.F64_EQ)
    }
    const inexact = (): void => {
      this.guards.quietOr(exact)
      g.op(w.I32_EQZ)
    }
    const against = [...this.tinyOperands(width, new Set([b]), false), outOfRange, inexact]
    this.guarded(record, against, () => {
      g.get(L_V)
      g.write(record.d, wide ? 3 : 2)
    })
  }

  /** CVTSS2SD: exact. */
  private widen(record: IrRecord): void {
    const { g, registers } = this.c
    const b = this.source(record, F.SINGLE)
    const operand = new Set([b])
    const against = [...this.tinyOperands(F.SINGLE, operand, false), ...this.nans(F.SINGLE, operand)]
    this.guarded(record, against, () => {
      this.guards.number(F.SINGLE, b)
      g.op(w.F64_PROMOTE_F32)
      g.set(registers.double)
      this.replaceLowest(record, F.DOUBLE)
    })
    // No single is a denormal double.
    this.written(record, F.DOUBLE)
  }

  /** CVTSD2SS. */
  private narrow(record: IrRecord): void {
    const { g, registers } = this.c
    const { guards } = this
    const { single } = registers
    const b = this.source(record, F.DOUBLE)
    guards.number(F.DOUBLE, b)
    g.op(w.F32_DEMOTE_F64)
    g.set(single)
    const outOfRange = (): void => guards.outOfRange(F.SINGLE, single)
    const against = [...this.tinyOperands(F.DOUBLE, new Set([b]), true), outOfRange, (): void => guards.loud()]
    const afterAll = (): void => {
      this.none(this.tinyOperands(F.DOUBLE, new Set([b]), false))
      outOfRange()
      g.op(w.I32_EQZ)
      guards.number(F.DOUBLE, b)
      guards.zero(F.DOUBLE)
      g.op(w.F64_EQ, w.I32_OR, w.I32_AND)
      guards.quietOr(() => {
        g.get(single)
        g.op(w.F64_PROMOTE_F32)
        guards.number(F.DOUBLE, b)
        g.op(w.F64_EQ)
      })
      g.op(w.I32_AND)
    }
    const d = new Set([registers.of(record.d)])
    this.promising(record, F.SINGLE, d, () => this.guarded(record, against, () => this.replaceLowest(record, F.SINGLE), afterAll))
  }

  /** Register d holds a number of `width` that is no denormal. */
  private written(record: IrRecord, width: F.Width): void {
    this.forgetRegisters([record.d])
    this.tameOf(width).add(this.c.registers.of(record.d))
  }
}
