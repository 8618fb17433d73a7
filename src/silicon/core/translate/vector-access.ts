/** Code for memory operands of vector instructions. Their linear address stands in T0. */

import * as S from '../state/layout.js'
import type { AccessCode } from './access-code.js'
import { type GuestCode, L_LA, L_P } from './guest.js'
import type { IrRecord } from './record.js'
import { simd, simdMemory, zeroVector } from './vector-form-code.js'
import * as w from './wasm-ops.js'

export class VectorAccess {
  constructor(
    private readonly g: GuestCode,
    private readonly access: AccessCode,
  ) {}

  private address(): void {
    this.g.read64(S.T0)
    this.g.set(L_LA)
  }

  /** Pushes whether `bytes` bytes at L_LA hit in `table` and need no thought about alignment. */
  private pushVectorHit(table: number, bytes: number, alignment: number): void {
    const { g, access } = this
    if (alignment === ANY_ADDRESS) return access.pushHit(table, bytes)
    // What is aligned does not cross a page.
    access.pushHit(table, 1)
    g.get(L_LA)
    g.op(w.I32_WRAP_I64)
    g.i32(bytes - 1)
    g.op(w.I32_AND, w.I32_EQZ, w.I32_AND)
    return undefined
  }

  /** `into` = 16 bytes. */
  load16(record: IrRecord, alignment: number, into: number): void {
    this.pushVector(record, alignment, 16)
    simdMemory(this.g, 'v128.load', 0)
    this.g.set(into)
  }

  /** `low` and `high` = 32 bytes. */
  load32(record: IrRecord, alignment: number, low: number, high: number): void {
    const { g } = this
    this.pushVector(record, alignment, 32)
    g.tee(L_P)
    simdMemory(g, 'v128.load', 0)
    g.set(low)
    g.get(L_P)
    simdMemory(g, 'v128.load', 16)
    g.set(high)
  }

  /** Pushes the linear-memory address of the operand of `bytes` bytes. */
  private pushVector(record: IrRecord, alignment: number, bytes: number): void {
    this.address()
    this.access.pushPlace(record, S.TLB_READ, () => this.pushVectorHit(S.TLB_READ, bytes, alignment))
  }

  /** Stores the 16 bytes of local `from`. */
  store16(record: IrRecord, alignment: number, from: number): void {
    this.storeVector(record, alignment, [from])
  }

  /** Stores locals `low` and `high`. */
  store32(record: IrRecord, alignment: number, low: number, high: number): void {
    this.storeVector(record, alignment, [low, high])
  }

  private storeVector(record: IrRecord, alignment: number, parts: readonly number[]): void {
    const { g, access } = this
    this.address()
    access.pushPlace(record, S.TLB_WRITE, () => this.pushVectorHit(S.TLB_WRITE, 16 * parts.length, alignment))
    g.set(L_P)
    parts.forEach((local, n) => {
      g.get(L_P)
      g.get(local)
      simdMemory(g, 'v128.store', 16 * n)
    })
  }

  /** `into` = `bytes` (1, 2, 4 or 8) bytes, zero-extended. */
  loadNarrow(record: IrRecord, bytes: number, into: number): void {
    const { g, access } = this
    this.address()
    if (bytes < 4) zeroVector(g)
    access.pushPlace(record, S.TLB_READ, () => access.pushHit(S.TLB_READ, bytes))
    if (bytes < 4) {
      g.memory(bytes === 1 ? w.I64_LOAD8_U : w.I64_LOAD16_U, 0)
      simd(g, 'i64x2.replace_lane', 0)
    } else simdMemory(g, bytes === 4 ? 'v128.load32_zero' : 'v128.load64_zero', 0)
    g.set(into)
  }

  /** Stores lane `lane` of `bytes` (1, 2, 4 or 8) of local `from`. */
  storeLane(record: IrRecord, bytes: number, lane: number, from: number): void {
    const { g, access } = this
    this.address()
    access.pushPlace(record, S.TLB_WRITE, () => access.pushHit(S.TLB_WRITE, bytes))
    g.get(from)
    simdMemory(g, `v128.store${bytes * 8}_lane`, 0, lane)
  }
}

/** Alignment rules of vectors. */
export const ANY_ADDRESS = 0
/** Misaligned addresses are for MXCSR.MM to allow. */
export const BY_MXCSR = 1
export const ALIGNED = 2

/** Alignment rule of a source of 16 bytes: VEX forms ask for none. */
export const alignmentOf = (record: IrRecord): number => (record.vex ? ANY_ADDRESS : BY_MXCSR)
