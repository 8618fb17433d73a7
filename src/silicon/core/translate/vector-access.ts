/** Code for memory operands of vector instructions. Their linear address stands in T0. */

import * as S from '../state/layout.js'
import type { AccessCode } from './access-code.js'
import { type GuestCode, L_LA, L_P, L_S, L_V } from './guest.js'
import { F_LOAD16, F_LOAD32, F_SLOW_LOAD, F_STORE16, F_STORE32 } from './kernel-functions.js'
import type { IrRecord } from './record.js'
import { simd, simdMemory, zeroVector } from './vector-form-code.js'
import * as w from './wasm-ops.js'

// Alignment of 16-byte operands, as kernel/translated-vector.ts has it.
export const ANY_ADDRESS = 0
/** Misaligned addresses are for MXCSR.MM to allow. */
export const BY_MXCSR = 1
export const ALIGNED = 2

export class VectorAccess {
  constructor(
    private readonly g: GuestCode,
    private readonly access: AccessCode,
    private readonly leave: (record: IrRecord) => void,
  ) {}

  private address(): void {
    this.g.read64(S.T0)
    this.g.set(L_LA)
  }

  /** Pushes whether 16 bytes at L_LA hit in `table` and need no thought about alignment. */
  private pushHit16(table: number, alignment: number): void {
    const { g, access } = this
    if (alignment === ANY_ADDRESS) return access.pushHit(table, 16)
    // What is aligned does not cross a page.
    access.pushHit(table, 1)
    g.get(L_LA)
    g.op(w.I32_WRAP_I64)
    g.i32(15)
    g.op(w.I32_AND, w.I32_EQZ, w.I32_AND)
    return undefined
  }

  private leaveOnTrouble(record: IrRecord, stale: boolean): void {
    this.access.pushTrouble(stale)
    this.g.ifUnlikely()
    this.leave(record)
    this.g.end()
  }

  /** `into` = 16 bytes. */
  load16(record: IrRecord, alignment: number, into: number): void {
    const { g, access } = this
    this.address()
    this.pushHit16(S.TLB_READ, alignment)
    g.ifLikely(w.TYPE_I32)
    access.pushHost(S.TLB_READ)
    g.else()
    g.get(L_S)
    g.get(L_LA)
    g.i32(alignment)
    g.call(F_LOAD16)
    g.set(L_P)
    this.leaveOnTrouble(record, true)
    g.reloadContext()
    g.get(L_P)
    g.end()
    simdMemory(g, 'v128.load', 0)
    g.set(into)
  }

  /** `low` and `high` = 32 bytes. */
  load32(record: IrRecord, alignment: number, low: number, high: number): void {
    const { g, access } = this
    this.address()
    this.pushHit32(S.TLB_READ, alignment)
    g.ifLikely(w.TYPE_I32)
    access.pushHost(S.TLB_READ)
    g.else()
    g.get(L_S)
    g.get(L_LA)
    g.i32(alignment)
    g.call(F_LOAD32)
    g.set(L_P)
    this.leaveOnTrouble(record, true)
    g.reloadContext()
    g.get(L_P)
    g.end()
    g.tee(L_P)
    simdMemory(g, 'v128.load', 0)
    g.set(low)
    g.get(L_P)
    simdMemory(g, 'v128.load', 16)
    g.set(high)
  }

  /** Stores locals `low` and `high`. */
  store32(record: IrRecord, alignment: number, low: number, high: number): void {
    const { g, access } = this
    const halves = [
      [low, 0],
      [high, 16],
    ] as const
    this.address()
    this.pushHit32(S.TLB_WRITE, alignment)
    g.ifLikely()
    access.pushHost(S.TLB_WRITE)
    g.set(L_P)
    for (const [local, offset] of halves) {
      g.get(L_P)
      g.get(local)
      simdMemory(g, 'v128.store', offset)
    }
    g.else()
    for (const [local, offset] of halves) {
      g.get(L_S)
      g.get(local)
      simdMemory(g, 'v128.store', S.VT1 + offset)
    }
    g.get(L_S)
    g.get(L_LA)
    g.i32(alignment)
    g.call(F_STORE32)
    this.leaveOnTrouble(record, false)
    access.noteStale()
    g.reloadContext()
    g.end()
  }

  private pushHit32(table: number, alignment: number): void {
    const { g, access } = this
    access.pushHit(table, 32)
    if (alignment !== ALIGNED) return
    g.get(L_LA)
    g.op(w.I32_WRAP_I64)
    g.i32(31)
    g.op(w.I32_AND, w.I32_EQZ, w.I32_AND)
  }

  /** Stores the 16 bytes of local `from`. */
  store16(record: IrRecord, alignment: number, from: number): void {
    const { g, access } = this
    this.address()
    this.pushHit16(S.TLB_WRITE, alignment)
    g.ifLikely()
    access.pushHost(S.TLB_WRITE)
    g.get(from)
    simdMemory(g, 'v128.store', 0)
    g.else()
    g.get(L_S)
    g.get(from)
    simdMemory(g, 'v128.store', S.VT1)
    g.get(L_S)
    g.get(L_LA)
    g.i32(alignment)
    g.call(F_STORE16)
    this.leaveOnTrouble(record, false)
    access.noteStale()
    g.reloadContext()
    g.end()
  }

  /** `into` = `bytes` (1, 2, 4 or 8) bytes, zero-extended. */
  loadNarrow(record: IrRecord, bytes: number, into: number): void {
    const { g, access } = this
    this.address()
    access.pushHit(S.TLB_READ, bytes)
    g.ifLikely(w.TYPE_V128)
    if (bytes < 4) zeroVector(g)
    access.pushHost(S.TLB_READ)
    if (bytes < 4) {
      g.memory(bytes === 1 ? w.I64_LOAD8_U : w.I64_LOAD16_U, 0)
      simd(g, 'i64x2.replace_lane', 0)
    } else simdMemory(g, bytes === 4 ? 'v128.load32_zero' : 'v128.load64_zero', 0)
    g.else()
    g.get(L_S)
    g.get(L_LA)
    g.i32(bytes)
    g.call(F_SLOW_LOAD)
    g.set(L_V)
    this.leaveOnTrouble(record, true)
    g.reloadContext()
    zeroVector(g)
    g.get(L_V)
    simd(g, 'i64x2.replace_lane', 0)
    g.end()
    g.set(into)
  }

  /** Stores lane `lane` of `bytes` (1, 2, 4 or 8) of local `from`. */
  storeLane(record: IrRecord, bytes: number, lane: number, from: number): void {
    const { g, access } = this
    this.address()
    access.pushHit(S.TLB_WRITE, bytes)
    g.ifLikely()
    access.pushHost(S.TLB_WRITE)
    g.get(from)
    simdMemory(g, `v128.store${bytes * 8}_lane`, 0, lane)
    g.else()
    access.storeSlowly(record, Math.log2(bytes), () => pushLane(g, bytes, lane, from))
    g.end()
  }
}

/** Pushes lane `lane` of `bytes` (1, 2, 4 or 8) of local `from` as a zero-extended i64. */
export function pushLane(g: GuestCode, bytes: number, lane: number, from: number): void {
  g.get(from)
  if (bytes === 8) return simd(g, 'i64x2.extract_lane', lane)
  simd(g, bytes === 4 ? 'i32x4.extract_lane' : bytes === 2 ? 'i16x8.extract_lane_u' : 'i8x16.extract_lane_u', lane)
  g.op(w.I64_EXTEND_I32_U)
  return undefined
}

/** Alignment rule of a source of 16 bytes: VEX forms ask for none. */
export const alignmentOf = (record: IrRecord): number => (record.vex ? ANY_ADDRESS : BY_MXCSR)
