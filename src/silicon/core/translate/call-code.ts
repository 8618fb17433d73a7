/** Code for records that the kernel executes: spill what it may read, call, reload what it may have written. */

import { opcodeRows } from '../decode/opcodes.js'
import * as op from '../ir/ops.js'
import * as V from '../ir/vector-ids.js'
import * as S from '../state/layout.js'
import type { AccessCode } from './access-code.js'
import type { Flags } from './flags.js'
import { type GuestCode, isTemporary, L_BUDGET, L_LA, L_P, L_R, L_S } from './guest.js'
import { F_RECORD, F_VECTOR } from './kernel-functions.js'
import type { IrBlock, IrRecord } from './record.js'
import * as w from './wasm-ops.js'

const IN_MEMORY = 0xff

/** Records that regions cannot hold. */
export class UntranslatableError extends Error {}

/** Vector ids whose instructions touch neither general registers nor flags. */
const pureVectors = findPureVectors()

function findPureVectors(): ReadonlySet<number> {
  const pure = new Set<number>()
  const impure = new Set<number>()
  for (const row of opcodeRows) {
    if (row.semantics.kind !== 'vector') continue
    const operands = row.operands.split(',')
    const general = operands.some((operand) => 'EGRBZ'.includes(operand[0] ?? '') && operand !== '')
    const flags = /COMIS|P?TEST|PCMP.STR|MASKMOV|GATHER/.test(row.mnemonic)
    ;(general || flags ? impure : pure).add(row.semantics.id)
  }
  for (const id of impure) pure.delete(id)
  return pure
}

/** Pure ones on XMM registers that raise nothing either, as long as no operand is in memory: moves, logic, shuffles and integer arithmetic. */
const quietVectors = new Set(
  [...pureVectors].filter((id) =>
    opcodeRows.every(
      (row) =>
        row.semantics.kind !== 'vector' ||
        row.semantics.id !== id ||
        (/^(P|MOV[AUDQ]|AND|OR|XOR|UNPCK|SHUF|AES|SHA)/.test(row.mnemonic) && !/[PQN]q/.test(row.operands)),
    ),
  ),
)

export function isPureVector(record: IrRecord): boolean {
  return pureVectors.has(record.imm & 0xffff)
}

export interface CallContext {
  readonly used: readonly number[]
  readonly written: readonly number[]
  /** Leaves with a result; L_PC and L_BUDGET are set. */
  out(r: number): void
}

export class CallCode {
  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
    private readonly access: AccessCode,
    private readonly context: CallContext,
  ) {}

  emit(record: IrRecord, _block: IrBlock, _position: number): void {
    switch (record.op) {
      case op.OP_HLP:
      case op.OP_X87:
        return this.general(record)
      case op.OP_VEC:
        return isPureVector(record) ? this.vector(record) : this.general(record)
      case op.OP_DIVIDE:
        return this.divide(record)
      case op.OP_MULTIPLY:
        return this.emitSimple(record, [S.RAX, S.RDX, record.a], [S.RAX, S.RDX], true)
      case op.OP_SIGN:
        return this.emitSimple(record, [S.RAX, S.RDX], [S.RDX], false)
      case op.OP_ROTATE:
        return this.emitSimple(record, [record.a, record.b, record.d], [record.d], true)
      case op.OP_SHIFT_DOUBLE:
        return this.emitSimple(record, [record.a, record.b, record.d, S.T1], [record.d], true)
      case op.OP_BIT:
        return this.emitSimple(record, [record.b, record.d], [record.d], true)
      case op.OP_SCAN:
        return this.emitSimple(record, [record.a, record.d], [record.d], true)
      case op.OP_FLAG:
        return this.emitSimple(record, [S.RAX], [S.RAX], true)
      default:
        throw new UntranslatableError(`operation ${record.op}`)
    }
  }

  /** A record that cannot fault: reads and writes just these slots, and with `flags` the flags. */
  emitSimple(record: IrRecord, reads: readonly number[], writes: readonly number[], flags: boolean): void {
    const { g } = this
    if (flags) this.flags.materialize()
    for (const slot of new Set(reads.map((slot) => slot & ~7))) g.spill(slot)
    g.get(L_S)
    g.i32(record.address)
    g.call(F_RECORD)
    g.set(L_R)
    for (const slot of new Set(writes.map((slot) => slot & ~7))) g.reload(slot)
    if (flags) this.flags.inState()
  }

  private storeProgress(): void {
    const { g } = this
    g.get(L_S)
    g.pageAddress(g.blockOffset)
    g.memory(w.I64_STORE, S.PC)
    g.get(L_S)
    g.get(L_BUDGET)
    g.memory(w.I64_STORE, S.BUDGET)
  }

  /** Anything may happen: all registers go out and come back. */
  private general(record: IrRecord): void {
    const { g, context } = this
    this.flags.materialize()
    for (const slot of context.written) g.spill(slot)
    for (const slot of [S.T0, S.T1, S.T2, S.T3]) g.spill(slot)
    this.storeProgress()
    this.callAndReturn(record)
    for (const slot of context.used) g.reload(slot)
    this.afterCall()
    this.flags.inState()
  }

  /** Calls; on anything but R_NEXT returns it at once: state, PC and budget are the kernel's. */
  private callAndReturn(record: IrRecord): void {
    const { g } = this
    g.get(L_S)
    g.i32(record.address)
    g.call(F_RECORD)
    g.tee(L_R)
    g.if()
    g.get(L_R)
    g.op(w.RETURN)
    g.end()
  }

  private afterCall(): void {
    const { g } = this
    g.reloadContext()
    g.get(L_S)
    g.memory(w.I64_LOAD, S.BUDGET)
    g.set(L_BUDGET)
    this.access.noteStale()
  }

  private divide(record: IrRecord): void {
    const { g, context } = this
    // #DE leaves through the kernel, so all registers must stand in the state area.
    this.flags.materialize()
    for (const slot of context.written) g.spill(slot)
    if (isTemporary(record.a & ~7)) g.spill(record.a)
    this.storeProgress()
    this.callAndReturn(record)
    g.reload(S.RAX)
    g.reload(S.RDX)
    this.flags.inState()
  }

  private vector(record: IrRecord): void {
    if (this.moveInline(record)) return
    const { g, context } = this
    const memory = record.a === IN_MEMORY
    if (!memory && quietVectors.has(record.imm & 0xffff)) {
      g.get(L_S)
      g.i32(record.address)
      g.call(F_VECTOR)
      g.set(L_R)
      return
    }
    if (memory) g.spill(S.T0)
    // A fault leaves through the kernel: registers and flags must stand in the state area by then.
    this.flags.materialize()
    for (const slot of context.written) g.spill(slot)
    this.storeProgress()
    this.callAndReturn(record)
    if (memory) this.afterCall()
  }

  /** 16-byte moves between memory and a register, when the TLB has the page. */
  private moveInline(record: IrRecord): boolean {
    const id = record.imm & 0xffff
    const load = id === V.V_MOVU_LOAD || id === V.V_MOVA_LOAD
    const store = id === V.V_MOVU_STORE || id === V.V_MOVA_STORE
    if (record.a !== IN_MEMORY || !(load || store)) return false
    const { g } = this
    const register = S.XMM + record.d * S.XMM_STRIDE
    g.read64(S.T0)
    g.set(L_LA)
    this.access.pushVectorHost(store)
    if (id === V.V_MOVA_LOAD || id === V.V_MOVA_STORE) {
      // A misaligned address takes the slow way to its fault.
      g.i32(0)
      g.get(L_LA)
      g.i64(15)
      g.op(w.I64_AND, w.I64_EQZ, w.SELECT)
    }
    g.tee(L_P)
    g.if()
    g.get(load ? L_S : L_P)
    g.get(load ? L_P : L_S)
    this.simd(w.V128_LOAD, load ? 0 : register)
    this.simd(w.V128_STORE, load ? register : 0)
    g.else()
    g.spill(S.T0)
    this.flags.materializeHere()
    for (const slot of this.context.written) g.spill(slot)
    this.storeProgress()
    this.callAndReturn(record)
    this.afterCall()
    g.end()
    return true
  }

  private simd(code: number, offset: number): void {
    const { out } = this.g
    out.byte(w.SIMD)
    out.u32(code)
    out.u32(0)
    out.u32(offset)
  }
}
