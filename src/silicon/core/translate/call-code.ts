/** Code for records that the kernel executes: spill what it may read, call, reload what it may have written. */

import { opcodeRows } from '../decode/opcodes.js'
import { BMI_PDEP } from '../ir/bmi-kinds.js'
import * as op from '../ir/ops.js'
import * as x87 from '../ir/x87-ids.js'
import * as S from '../state/layout.js'
import type { AccessCode } from './access-code.js'
import { AvxCode } from './avx-code.js'
import { ExchangeCode } from './exchange-code.js'
import { exchanges, usesNoRegister } from './helper-operands.js'
import { hasVexCode, isFusedDouble } from './vex-record.js'
import type { Flags } from './flags.js'
import { FloatCode } from './float-code.js'
import { isInlineFloat } from './float-forms.js'
import { FloatVectorCode } from './float-vector-code.js'
import { type GuestCode, isTemporary, L_BUDGET, L_R, L_V, L_V2 } from './guest.js'
import { F_FLOAT, F_RECORD, F_VECTOR, F_X87 } from './kernel-functions.js'
import type { IrBlock, IrRecord } from './record.js'
import { VectorAccess } from './vector-access.js'
import { isInlineVector, VectorCode } from './vector-code.js'
import {
  generalOperands,
  IN_MEMORY,
  isForeign,
  isQuiet,
  isVexForm,
  vectorId,
  worksOnMemory,
  writesFlags,
  xmmOperands,
} from './vector-operands.js'
import { VectorRegisters } from './vector-registers.js'
import * as w from './wasm-ops.js'

/** Records that regions cannot hold. */
export class UntranslatableError extends Error {}

/** Helpers that read or write the XMM registers as a whole. */
const extendedState: ReadonlySet<number> = new Set(
  opcodeRows.flatMap((row) => (row.semantics.kind === 'helper' && /^F?X(SAVE|RSTOR)/.test(row.mnemonic) ? [row.semantics.id] : [])),
)

/** x87 instructions that use the flags or AX. */
export const usesIntegerState = (id: number): boolean => (id >= x87.X87_FCOMI && id <= x87.X87_FCMOV) || id === x87.X87_FNSTSW_AX

/** Whether the record may write memory, and so drop code of the region. */
export function mayDropCode(record: IrRecord): boolean {
  if (record.op === op.OP_HLP) return true
  if (record.op === op.OP_X87) return record.a === IN_MEMORY
  return record.op === op.OP_VEC && (worksOnMemory(record) || isForeign(record))
}

/** The place of the instruction after that of `record`. */
const after = (record: IrRecord): IrRecord => ({ ...record, offset: record.offset + (record.imm >>> 16), index: record.index + 1 })

const isInline = (record: IrRecord): boolean => record.vex !== undefined || isInlineVector(record) || isInlineFloat(vectorId(record))

export interface CallContext {
  readonly blocks: readonly IrBlock[]
  /** Leaves at the record's instruction, which has not been retired. */
  leave(record: IrRecord): void
  /** Loads the general registers that are read behind `record`. */
  reloadAfter(record: IrRecord): void
}

export class CallCode {
  /** The region's XMM registers. */
  readonly vectors: VectorRegisters
  private readonly vectorCode: VectorCode
  private readonly floatCode: FloatCode
  private readonly avxCode: AvxCode
  private readonly exchangeCode: ExchangeCode

  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
    private readonly access: AccessCode,
    private readonly context: CallContext,
  ) {
    this.vectors = new VectorRegisters(g, context.blocks, isInline)
    const memory = new VectorAccess(g, access)
    const registers = this.vectors
    this.vectorCode = new VectorCode(g, flags, access, memory, registers)
    this.avxCode = new AvxCode(g, memory, registers)
    this.exchangeCode = new ExchangeCode(g, flags, access)
    const slowly = (record: IrRecord): void => this.slowFloat(record)
    const vectors = new FloatVectorCode(g, memory, registers, slowly)
    const leaveAfter = (record: IrRecord): void => context.leave(after(record))
    this.floatCode = new FloatCode({ g, flags, access, memory, registers, vectors, slowly, leaveAfter })
  }

  emit(record: IrRecord): void {
    switch (record.op) {
      case op.OP_HLP:
        if (exchanges(record.imm & 0xffff)) return this.exchangeCode.emit(record)
        return usesNoRegister(record.imm & 0xffff) ? this.control(record) : this.general(record)
      case op.OP_X87:
        return usesIntegerState(record.imm & 0xffff) ? this.general(record) : this.x87(record)
      case op.OP_VEC:
        return this.vector(record)
      case op.OP_DIVIDE:
        return this.divide(record)
      case op.OP_MULTIPLY:
        return this.emitSimple(record, [S.RAX, S.RDX, record.a], [S.RAX, S.RDX], true)
      case op.OP_ROTATE:
        return this.emitSimple(record, [record.a, record.b, record.d], [record.d], true)
      case op.OP_SHIFT_DOUBLE:
        return this.emitSimple(record, [record.a, record.b, record.d, S.T1], [record.d], true)
      case op.OP_SCAN:
        return this.emitSimple(record, [record.a, record.d], [record.d], true)
      case op.OP_BMI:
        return this.emitSimple(record, [record.a, record.b], [record.d], record.c >> 2 < BMI_PDEP)
      case op.OP_FLAG:
        return this.emitSimple(record, [S.RAX], [S.RAX], true)
      default:
        throw new UntranslatableError(`operation ${record.op}`)
    }
  }

  /** At the start of a block: what is known of values no longer holds. */
  forget(): void {
    this.floatCode.forget()
    this.vectors.forgetUppers()
  }

  /** A record that cannot fault: reads and writes just these slots, and with `flags` the flags. */
  emitSimple(record: IrRecord, reads: readonly number[], writes: readonly number[], flags: boolean): void {
    const { g } = this
    if (flags) this.flags.materialize()
    for (const slot of new Set(reads.map((slot) => slot & ~7))) g.spill(slot)
    g.core()
    g.recordAddress(record.address)
    g.call(F_RECORD)
    g.set(L_R)
    for (const slot of new Set(writes.map((slot) => slot & ~7))) g.reload(slot)
    if (flags) this.flags.inState()
  }

  private storeProgress(): void {
    const { g } = this
    g.state()
    g.pageAddress(g.blockOffset)
    g.stateMemory(w.I64_STORE, S.PC)
    g.state()
    g.get(L_BUDGET)
    g.stateMemory(w.I64_STORE, S.BUDGET)
  }

  /** Anything may happen: all registers go out and come back. */
  private general(record: IrRecord): void {
    const { g, context } = this
    const id = record.imm & 0xffff
    const extended = record.op === op.OP_HLP ? extendedState.has(id) : record.op === op.OP_VEC && isForeign(record)
    const operands = record.op === op.OP_VEC && !extended ? xmmOperands(record) : undefined
    this.flags.materialize()
    g.flush()
    for (const slot of [S.T0, S.T1, S.T2, S.T3]) g.spill(slot)
    if (extended) this.vectors.spillAll()
    if (operands) this.vectors.spill(operands.reads)
    this.storeProgress()
    this.callAndReturn(record)
    context.reloadAfter(record)
    if (extended) this.vectors.reloadAll()
    if (extended) this.forget()
    if (operands) this.vectors.reload(operands.writes)
    if (!extended) this.vectors.reloadMode()
    this.afterCall()
    this.flags.inState()
  }

  /** A helper that uses no general register: they go out only where the region is left. */
  private control(record: IrRecord): void {
    this.flags.materialize()
    this.storeProgress()
    this.callAndReturn(record)
    this.afterCall()
    this.flags.inState()
  }

  /** Calls; on anything but R_NEXT returns it at once: state, PC and budget are the kernel's. */
  private callAndReturn(record: IrRecord): void {
    const { g } = this
    g.core()
    g.recordAddress(record.address)
    g.call(F_RECORD)
    g.tee(L_R)
    g.ifUnlikely()
    g.flush()
    this.vectors.spillAll()
    g.get(L_R)
    g.op(w.RETURN)
    g.end()
  }

  private afterCall(): void {
    const { g } = this
    g.loadState(w.I64_LOAD, S.BUDGET)
    g.set(L_BUDGET)
    this.access.noteStale()
  }

  /** In line where the quotient surely fits. The flags, which are undefined, stay. */
  private divide(record: IrRecord): void {
    const { g } = this
    const size = record.c & 3
    if (size >= 2) {
      this.pushDivides(record, size, (record.c & 4) !== 0)
      g.ifLikely()
      this.divideInLine(size, (record.c & 4) !== 0)
      g.else()
    }
    this.divideByCall(record)
    if (size >= 2) g.end()
  }

  /** L_V2 = divisor, L_V = dividend where one local holds it; pushes whether the division can be done in line. */
  private pushDivides(record: IrRecord, size: number, signed: boolean): void {
    const { g } = this
    g.read(record.a, size)
    if (signed && size === 2) g.op(w.I64_EXTEND32_S)
    g.set(L_V2)
    g.read(S.RAX, size)
    if (signed && size === 2) g.op(w.I64_EXTEND32_S)
    if (!signed && size === 2) {
      g.read64(S.RDX)
      g.i64(32)
      g.op(w.I64_SHL, w.I64_OR)
    }
    g.set(L_V)
    if (!signed && size === 2) {
      // The quotient has 32 bits where the high half is below the divisor.
      g.read(S.RDX, 2)
      g.get(L_V2)
      g.op(w.I64_LT_U)
      return
    }
    g.read(S.RDX, size)
    if (signed) {
      if (size === 2) g.op(w.I64_EXTEND32_S)
      g.get(L_V)
      g.i64(63)
      g.op(w.I64_SHR_S, w.I64_EQ)
      // Neither 0 nor -1.
      g.get(L_V2)
      g.i64(1)
      g.op(w.I64_ADD)
      g.i64(1)
      g.op(w.I64_GT_U, w.I32_AND)
    } else {
      g.op(w.I64_EQZ)
      g.get(L_V2)
      g.op(w.I64_EQZ, w.I32_EQZ, w.I32_AND)
    }
  }

  private divideInLine(size: number, signed: boolean): void {
    const { g } = this
    for (const [slot, code] of [
      [S.RAX, signed ? w.I64_DIV_S : w.I64_DIV_U],
      [S.RDX, signed ? w.I64_REM_S : w.I64_REM_U],
    ] as const) {
      g.get(L_V)
      g.get(L_V2)
      g.op(code)
      g.write(slot, size)
    }
  }

  private divideByCall(record: IrRecord): void {
    const { g } = this
    // #DE leaves through the kernel, so all registers must stand in the state area.
    this.flags.materializeHere()
    g.flush()
    if (isTemporary(record.a & ~7)) g.spill(record.a)
    this.storeProgress()
    this.callAndReturn(record)
    g.reload(S.RAX)
    g.reload(S.RDX)
  }

  private vector(record: IrRecord): void {
    const id = vectorId(record)
    if (isForeign(record)) return this.general(record)
    if (record.vex) return this.vex(record)
    if (isInlineFloat(id)) return this.floatCode.emit(record)
    if (isInlineVector(record)) this.vectorCode.emit(record)
    else this.vectorCall(record)
    return this.floatCode.forgetRegisters(xmmOperands(record).writes)
  }

  /** A VEX form: a result of 128 bits clears the rest of its register. */
  private vex(record: IrRecord): void {
    const id = vectorId(record)
    const { writes } = xmmOperands(record)
    if (isInlineFloat(id) || isFusedDouble(id)) this.floatCode.emit(record)
    else if (!hasVexCode(record)) {
      this.vectorCall(record)
      this.floatCode.forgetRegisters(writes)
      return this.vectors.forgetUppers()
    } else {
      if (isVexForm(id)) this.avxCode.emit(record)
      else this.vectorCode.emit(record)
      this.floatCode.forgetRegisters(writes)
      if (isVexForm(id)) return
    }
    if (!record.vex!.wide) for (const register of writes) this.vectors.clearUpper(register)
  }

  /** The kernel's function for one vector instruction: it sees and changes what the record names, and may leave a fault pending. */
  private vectorCall(record: IrRecord): void {
    const { g } = this
    const { vectors } = this
    const id = vectorId(record)
    const memory = worksOnMemory(record)
    const general = generalOperands(record)
    const xmm = xmmOperands(record)
    if (memory) g.spill(S.T0)
    for (const slot of general.reads) g.spill(slot)
    vectors.spill(xmm.reads)
    g.core()
    g.recordAddress(record.address)
    g.call(F_VECTOR)
    if (isQuiet(id) && !memory) g.op(w.DROP)
    else this.leaveOnFault(record)
    for (const slot of general.writes) g.reload(slot)
    vectors.reload(xmm.writes)
    if (memory) this.access.noteStale()
    if (writesFlags(id)) this.flags.wereWritten()
    if (!isQuiet(id)) vectors.reloadMode()
  }

  /** The kernel computes what the code in line may not. */
  private slowFloat(record: IrRecord): void {
    const { g, vectors } = this
    const general = generalOperands(record)
    const xmm = xmmOperands(record)
    if (record.a === IN_MEMORY) g.spill(S.T0)
    for (const slot of general.reads) g.spill(slot)
    vectors.spill(xmm.reads)
    g.core()
    g.recordAddress(record.address)
    g.call(F_FLOAT)
    g.tee(vectors.mode)
    g.op(w.I32_EQZ)
    this.leaveOnFault(record)
    for (const slot of general.writes) g.reload(slot)
    vectors.reload(xmm.writes)
  }

  /** x87 instructions that touch neither general registers nor flags. */
  private x87(record: IrRecord): void {
    const { g } = this
    const memory = record.a === IN_MEMORY
    if (memory) for (const slot of [S.T0, S.T1, S.T2]) g.spill(slot)
    g.state()
    g.pageAddress(g.blockOffset)
    g.stateMemory(w.I64_STORE, S.PC)
    g.core()
    g.recordAddress(record.address)
    g.call(F_X87)
    this.leaveOnFault(record)
    if (memory) this.access.noteStale()
  }

  /** Pops an answer of the kernel: not zero means that a fault is pending. */
  private leaveOnFault(record: IrRecord): void {
    const { g } = this
    g.ifUnlikely()
    this.context.leave(record)
    g.end()
  }
}
