/** Vector instructions in line: integer arithmetic, shuffles, moves. What has no form here is left to the kernel (call-code.ts). */

import { FLAG_ORDER } from '../ir/flag-kinds.js'
import * as V from '../ir/vector-ids.js'
import type { AccessCode } from './access-code.js'
import type { Flags } from './flags.js'
import { type GuestCode, L_FA, L_FR, L_LA } from './guest.js'
import type { IrRecord } from './record.js'
import { ALIGNED, alignmentOf, ANY_ADDRESS, type VectorAccess } from './vector-access.js'
import { pushForm, simd, zeroVector } from './vector-form-code.js'
import { binaryForms, insertForm, narrowForms, shiftForms, type VectorForm } from './vector-forms.js'
import { IN_MEMORY, usesXmm0, vectorId } from './vector-operands.js'
import { L_OPERAND, L_UPPER, L_UPPER_FIRST, L_X, type VectorRegisters } from './vector-registers.js'
import { firstOf } from './vex-operands.js'
import * as w from './wasm-ops.js'
import * as S from '../state/layout.js'

const insertBytes: Readonly<Record<number, number>> = { [V.V_PINSRB]: 1, [V.V_PINSRW]: 2 }
const extractBytes: Readonly<Record<number, number>> = { [V.V_PEXTRB]: 1, [V.V_PEXTRW]: 2, [V.V_PEXTRW_REG]: 2, [V.V_EXTRACTPS]: 4 }
const insertLanes: Readonly<Record<number, string>> = { 1: 'i8x16', 2: 'i16x8', 4: 'i32x4', 8: 'i64x2' }
/** Code and bits of a mask of signs. */
const masks: ReadonlyMap<number, readonly [string, number]> = new Map([
  [V.V_PMOVMSKB, ['i8x16.bitmask', 16]],
  [V.V_MOVMSKPS, ['i32x4.bitmask', 4]],
  [V.V_MOVMSKPD, ['i64x2.bitmask', 2]],
])
/** Stores to memory or another register: [bytes, lane]. */
const stores: ReadonlyMap<number, readonly [number, number]> = new Map([
  [V.V_MOVQ_STORE, [8, 0]],
  [V.V_MOVSS_STORE, [4, 0]],
  [V.V_MOVSD_STORE, [8, 0]],
  [V.V_MOVL_STORE, [8, 0]],
  [V.V_MOVH_STORE, [8, 1]],
])
const wholeMoves = new Set([V.V_MOVU_LOAD, V.V_MOVA_LOAD, V.V_MOVU_STORE, V.V_MOVA_STORE])
const generalMoves = new Set([
  V.V_MOVD_LOAD,
  V.V_MOVD_STORE,
  V.V_MOVNTI,
  V.V_PINSRB,
  V.V_PINSRW,
  V.V_PINSRD,
  V.V_PEXTRB,
  V.V_PEXTRW,
  V.V_PEXTRW_REG,
  V.V_PEXTRD,
  V.V_EXTRACTPS,
])

export const isInlineVector = (record: IrRecord): boolean => isInlineVectorId(vectorId(record))

export function isInlineVectorId(id: number): boolean {
  return (
    binaryForms.has(id) ||
    shiftForms.has(id) ||
    narrowForms.has(id) ||
    wholeMoves.has(id) ||
    stores.has(id) ||
    masks.has(id) ||
    generalMoves.has(id) ||
    id === V.V_INSERTPS ||
    id === V.V_PTEST
  )
}

/** What of an immediate the upper half sees: some instructions have bits of their own for it. */
function upperImmediate(id: number, immediate: number): number {
  if (id === V.V_BLENDPS) return immediate >> 4
  return id === V.V_BLENDPD || id === V.V_SHUFPD ? immediate >> 2 : immediate
}

/** Bytes of a general operand of 32 bits, or 64 with REX.W. */
const generalBytes = (record: IrRecord): number => (record.b === 8 ? 8 : 4)

export class VectorCode {
  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
    private readonly access: AccessCode,
    private readonly memory: VectorAccess,
    private readonly registers: VectorRegisters,
  ) {}

  /** A record that isInlineVector. */
  emit(record: IrRecord): void {
    const id = vectorId(record)
    const form = binaryForms.get(id)
    if (form !== undefined) return this.binary(record, form)
    if (shiftForms.has(id)) return this.shift(record, shiftForms.get(id)!)
    if (narrowForms.has(id)) return this.narrow(record)
    if (wholeMoves.has(id)) return this.moveWhole(record)
    if (stores.has(id)) return this.storeScalar(record)
    if (masks.has(id)) return this.mask(record)
    if (id === V.V_PTEST) return this.test(record)
    if (id === V.V_INSERTPS) return this.insertSingle(record)
    return this.general(record)
  }

  /** XMM `to` = form(XMM a, local b). */
  private assignFrom(to: number, form: VectorForm, record: IrRecord, a: number, b: number): void {
    const { g, registers } = this
    const immediate = record.imm2 & 0xff
    const xmm0 = usesXmm0(vectorId(record)) ? registers.of(0) : b
    pushForm(g, form, immediate, { a: registers.of(a), b, x: L_X, xmm0 })
    g.set(registers.of(to))
  }

  private assign(to: number, form: VectorForm, record: IrRecord, a: number, b: number): void {
    this.assignFrom(to, form, record, a, this.registers.of(b))
  }

  /** Local of a 16-byte source. */
  private source16(record: IrRecord): number {
    if (record.a !== IN_MEMORY) return this.registers.of(record.a)
    this.memory.load16(record, alignmentOf(record), L_OPERAND)
    return L_OPERAND
  }

  /** The same, and of a record of 256 bits L_UPPER is the upper half of the source. */
  private source(record: IrRecord): number {
    if (!record.vex?.wide) return this.source16(record)
    if (record.a === IN_MEMORY) {
      this.memory.load32(record, ANY_ADDRESS, L_OPERAND, L_UPPER)
      return L_OPERAND
    }
    this.registers.pushUpper(record.a)
    this.g.set(L_UPPER)
    return this.registers.of(record.a)
  }

  private binary(record: IrRecord, form: VectorForm): void {
    const { registers } = this
    const id = vectorId(record)
    // The count of a shift has 128 bits, for both halves.
    const counted = id >= V.V_PSLLW && id <= V.V_PSRAD
    const b = counted ? this.source16(record) : this.source(record)
    if (record.vex?.wide) {
      registers.pushUpper(firstOf(record))
      this.g.set(L_UPPER_FIRST)
      const upper = { a: L_UPPER_FIRST, b: counted ? b : L_UPPER, x: L_X, xmm0: b }
      registers.setUpper(record.d, () => pushForm(this.g, form, upperImmediate(id, record.imm2 & 0xff), upper))
    }
    this.assignFrom(record.d, form, record, firstOf(record), b)
  }

  /** Shifts by an immediate: of VEX forms VEX.vvvv is the destination. */
  private shift(record: IrRecord, form: VectorForm): void {
    const { g, registers } = this
    const to = record.vex ? record.vex.first : record.a
    if (record.vex?.wide) {
      registers.pushUpper(record.a)
      g.set(L_UPPER)
      const upper = { a: L_UPPER, b: L_UPPER, x: L_X, xmm0: L_UPPER }
      registers.setUpper(to, () => pushForm(g, form, record.imm2 & 0xff, upper))
    }
    this.assign(to, form, record, record.a, record.a)
  }

  private narrow(record: IrRecord): void {
    const { form, bytes, memory } = narrowForms.get(vectorId(record))!
    const first = firstOf(record)
    if (record.a !== IN_MEMORY) return this.assign(record.d, form, record, first, record.a)
    this.memory.loadNarrow(record, bytes, L_OPERAND)
    return this.assignFrom(record.d, memory ?? form, record, first, L_OPERAND)
  }

  private moveWhole(record: IrRecord): void {
    const { g, registers } = this
    const id = vectorId(record)
    const store = id === V.V_MOVU_STORE || id === V.V_MOVA_STORE
    const alignment = id === V.V_MOVA_LOAD || id === V.V_MOVA_STORE ? ALIGNED : ANY_ADDRESS
    if (record.vex?.wide) return this.moveWide(record, store, alignment)
    if (record.a !== IN_MEMORY) {
      g.get(registers.of(store ? record.d : record.a))
      g.set(registers.of(store ? record.a : record.d))
    } else if (store) this.memory.store16(record, alignment, registers.of(record.d))
    else this.memory.load16(record, alignment, registers.of(record.d))
  }

  private moveWide(record: IrRecord, store: boolean, alignment: number): void {
    const { g, registers, memory } = this
    if (record.a !== IN_MEMORY) {
      const [to, from] = store ? [record.a, record.d] : [record.d, record.a]
      registers.setUpper(to, () => registers.pushUpper(from))
      g.get(registers.of(from))
      return g.set(registers.of(to))
    }
    if (!store) {
      memory.load32(record, alignment, registers.of(record.d), L_UPPER)
      return registers.setUpper(record.d, () => g.get(L_UPPER))
    }
    registers.pushUpper(record.d)
    g.set(L_UPPER)
    return memory.store32(record, alignment, registers.of(record.d), L_UPPER)
  }

  /** The low or high part of register d to memory or to register a. */
  private storeScalar(record: IrRecord): void {
    const id = vectorId(record)
    const [bytes, lane] = stores.get(id)!
    if (record.a === IN_MEMORY) return this.memory.storeLane(record, bytes, lane, this.registers.of(record.d))
    // The register forms are those of the loads, with the operands exchanged.
    const twin = id === V.V_MOVQ_STORE ? V.V_MOVQ_LOAD : id === V.V_MOVSS_STORE ? V.V_MOVSS_LOAD : V.V_MOVSD_LOAD
    const first = record.vex && record.vex.first >= 0 ? record.vex.first : record.a
    return this.assign(record.a, narrowForms.get(twin)!.form, record, first, record.d)
  }

  private mask(record: IrRecord): void {
    const { g } = this
    const [name, bits] = masks.get(vectorId(record))!
    g.get(this.registers.of(record.a))
    simd(g, name)
    if (record.vex?.wide) {
      this.registers.pushUpper(record.a)
      simd(g, name)
      g.i32(bits)
      g.op(w.I32_SHL, w.I32_OR)
    }
    g.op(w.I64_EXTEND_I32_U)
    g.write(record.d, 3)
  }

  /** ZF = no common bit, CF = no bit of the source outside of the destination; the other flags are cleared. */
  private test(record: IrRecord): void {
    const { g } = this
    const b = this.source(record)
    const a = this.registers.of(record.d)
    const wide = record.vex?.wide === true
    if (wide) {
      this.registers.pushUpper(record.d)
      g.set(L_UPPER_FIRST)
    }
    const common = (code: string): void => {
      g.get(b)
      g.get(a)
      simd(g, code)
      if (wide) {
        g.get(L_UPPER)
        g.get(L_UPPER_FIRST)
        simd(g, code)
        simd(g, 'v128.or')
      }
      simd(g, 'v128.any_true')
    }
    common('v128.and')
    g.op(w.I64_EXTEND_I32_U)
    g.set(L_FR)
    // CF in bit 63, PF clear.
    common('v128.andnot')
    g.op(w.I32_EQZ, w.I64_EXTEND_I32_U)
    g.i64(63)
    g.op(w.I64_SHL)
    g.set(L_FA)
    this.flags.became(FLAG_ORDER, 0)
  }

  private insertSingle(record: IrRecord): void {
    const inMemory = record.a === IN_MEMORY
    if (inMemory) this.memory.loadNarrow(record, 4, L_OPERAND)
    const b = inMemory ? L_OPERAND : this.registers.of(record.a)
    this.assignFrom(record.d, insertForm(record.imm2 & 0xff, inMemory), record, firstOf(record), b)
  }

  // ---- between general and vector registers

  private general(record: IrRecord): void {
    const id = vectorId(record)
    if (id === V.V_MOVNTI) return this.storeGeneral(record)
    if (id === V.V_MOVD_LOAD) return this.fromGeneral(record)
    if (id === V.V_MOVD_STORE) return this.extract(record, generalBytes(record), 0, record.d)
    if (id >= V.V_PINSRB && id <= V.V_PINSRD) return this.insert(record, insertBytes[id] ?? generalBytes(record))
    const bytes = extractBytes[id] ?? generalBytes(record)
    const lane = record.imm2 & (16 / bytes - 1)
    if (id !== V.V_PEXTRW_REG) return this.extract(record, bytes, lane, record.d)
    pushLane(this.g, bytes, lane, this.registers.of(record.a))
    return this.g.write(record.d, 3)
  }

  private storeGeneral(record: IrRecord): void {
    const { g } = this
    const size = record.b === 8 ? 3 : 2
    g.read64(S.T0)
    g.set(L_LA)
    this.access.store(record, size, () => g.read(record.d, size))
  }

  private fromGeneral(record: IrRecord): void {
    const { g } = this
    const bytes = generalBytes(record)
    if (record.a === IN_MEMORY) return this.memory.loadNarrow(record, bytes, this.registers.of(record.d))
    zeroVector(g)
    g.read(record.a, bytes === 8 ? 3 : 2)
    simd(g, 'i64x2.replace_lane', 0)
    return g.set(this.registers.of(record.d))
  }

  private extract(record: IrRecord, bytes: number, lane: number, from: number): void {
    if (record.a === IN_MEMORY) return this.memory.storeLane(record, bytes, lane, this.registers.of(from))
    pushLane(this.g, bytes, lane, this.registers.of(from))
    return this.g.write(record.a, 3)
  }

  private insert(record: IrRecord, bytes: number): void {
    const { g } = this
    const d = this.registers.of(record.d)
    const lane = record.imm2 & (16 / bytes - 1)
    if (record.a === IN_MEMORY) this.memory.loadNarrow(record, bytes, L_OPERAND)
    g.get(this.registers.of(firstOf(record)))
    if (record.a === IN_MEMORY) pushLane(g, 8, 0, L_OPERAND)
    else g.read64(record.a)
    if (bytes !== 8) g.op(w.I32_WRAP_I64)
    simd(g, `${insertLanes[bytes]!}.replace_lane`, lane)
    g.set(d)
  }
}

/** Pushes lane `lane` of `bytes` (1, 2, 4 or 8) of local `from` as a zero-extended i64. */
function pushLane(g: GuestCode, bytes: number, lane: number, from: number): void {
  g.get(from)
  if (bytes === 8) return simd(g, 'i64x2.extract_lane', lane)
  simd(g, bytes === 4 ? 'i32x4.extract_lane' : bytes === 2 ? 'i16x8.extract_lane_u' : 'i8x16.extract_lane_u', lane)
  g.op(w.I64_EXTEND_I32_U)
  return undefined
}
