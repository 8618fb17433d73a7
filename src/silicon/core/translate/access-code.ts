/** Code for guest memory accesses: the soft TLB in line, the kernel's slow path behind it. */

import { CODE_STALE } from '../ir/ops.js'
import { CODE_CACHE_WORDS } from '../../fabric-layout.js'
import * as S from '../state/layout.js'
import { type GuestCode, L_CTX, L_LA, L_P, L_S, L_STALE, L_V, L_WRITEBACK } from './guest.js'
import { F_LOAD_FOR_WRITE, F_SLOW_LOAD, F_SLOW_STORE } from './kernel-functions.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

/** How an access leaves the region when it cannot be completed: the instruction is to be run again from its start. */
export type LeaveAtInstruction = (record: IrRecord) => void

const I64 = 0x7e
const storeCodes = [w.I64_STORE8, w.I64_STORE16, w.I64_STORE32, w.I64_STORE]
const zeroLoads = [w.I64_LOAD8_U, w.I64_LOAD16_U, w.I64_LOAD32_U, w.I64_LOAD]

/** Loads: [size, i64.load form, extension after the slow path, operand size written]. In the order of OP_LD_*. */
export const loadForms: readonly (readonly [number, number, number, number])[] = [
  [0, w.I64_LOAD8_U, 0, 3],
  [1, w.I64_LOAD16_U, 0, 3],
  [2, w.I64_LOAD32_U, 0, 3],
  [3, w.I64_LOAD, 0, 3],
  [0, w.I64_LOAD8_S, w.I64_EXTEND8_S, 2],
  [0, w.I64_LOAD8_S, w.I64_EXTEND8_S, 3],
  [1, w.I64_LOAD16_S, w.I64_EXTEND16_S, 2],
  [1, w.I64_LOAD16_S, w.I64_EXTEND16_S, 3],
  [2, w.I64_LOAD32_S, w.I64_EXTEND32_S, 3],
  [0, w.I64_LOAD8_U, 0, 0],
  [1, w.I64_LOAD16_U, 0, 1],
  [0, w.I64_LOAD8_S, w.I64_EXTEND8_S, 1],
]

export class AccessCode {
  constructor(
    private readonly g: GuestCode,
    private readonly leave: LeaveAtInstruction,
  ) {}

  /** L_LA = slot a + imm. */
  addressBd(record: IrRecord): void {
    const { g } = this
    g.read64(record.a)
    if (record.imm !== 0) {
      g.i64(record.imm)
      g.op(w.I64_ADD)
    }
    g.set(L_LA)
  }

  /** L_LA = slot a + (slot b << c) + imm. */
  addressBis(record: IrRecord): void {
    this.pushScaled(record)
    this.g.set(L_LA)
  }

  pushScaled(record: IrRecord): void {
    const { g } = this
    g.read64(record.a)
    g.read64(record.b)
    if (record.c !== 0) {
      g.i64(record.c)
      g.op(w.I64_SHL)
    }
    g.op(w.I64_ADD)
    if (record.imm !== 0) {
      g.i64(record.imm)
      g.op(w.I64_ADD)
    }
  }

  /** Looks L_LA up in the TLB at `table` and pushes whether all `bytes` hit. L_P = address of the entry less `table`. */
  pushHit(table: number, bytes: number): void {
    const { g } = this
    g.get(L_LA)
    g.op(w.I32_WRAP_I64)
    g.i32(8)
    g.op(w.I32_SHR_U)
    g.i32((S.TLB_ENTRIES - 1) << 4)
    g.op(w.I32_AND)
    g.get(L_S)
    g.op(w.I32_ADD)
    g.tee(L_P)
    g.memory(w.I64_LOAD, table)
    g.get(L_LA)
    if (bytes > 1) {
      g.i64(bytes - 1)
      g.op(w.I64_ADD)
    }
    g.i64(-4096)
    g.op(w.I64_AND)
    g.get(L_CTX)
    g.op(w.I64_OR, w.I64_EQ)
  }

  /** Pushes the linear-memory address behind L_LA after a hit in `table`. */
  pushHost(table: number): void {
    const { g } = this
    g.get(L_P)
    g.memory(w.I32_LOAD, table + 8)
    g.get(L_LA)
    g.op(w.I32_WRAP_I64, w.I32_ADD)
  }

  /** Pushes nonzero where a fault is pending (or, with `stale`, the region has lost a block). */
  pushTrouble(stale: boolean): void {
    const { g } = this
    g.get(L_S)
    g.memory(w.I32_LOAD, S.FAULT)
    if (!stale) return
    g.i32(CODE_CACHE_WORDS)
    g.memory(w.I32_LOAD, CODE_STALE)
    g.op(w.I32_OR)
  }

  /** Pushes the i64 loaded from L_LA by `code` (an i64.load form); `extend` repeats its sign extension after the slow path. */
  load(record: IrRecord, size: number, code: number, extend: number): void {
    const { g } = this
    this.pushHit(S.TLB_READ, 1 << size)
    g.ifLikely(I64)
    this.pushHost(S.TLB_READ)
    g.memory(code, 0)
    g.else()
    g.get(L_S)
    g.get(L_LA)
    g.i32(1 << size)
    g.call(F_SLOW_LOAD)
    g.set(L_V)
    this.pushTrouble(true)
    g.ifUnlikely()
    this.leave(record)
    g.end()
    g.reloadContext()
    g.get(L_V)
    if (extend !== 0) g.op(extend)
    g.end()
  }

  /** Stores what `push` pushes (i64) at L_LA. `stale` is what to do when that has dropped a block of this region. */
  store(record: IrRecord, size: number, push: () => void, stale = this.markStale): void {
    const { g } = this
    this.pushHit(S.TLB_WRITE, 1 << size)
    g.ifLikely()
    this.pushHost(S.TLB_WRITE)
    push()
    g.memory(storeCodes[size]!, 0)
    g.else()
    this.storeSlowly(record, size, push, stale)
    g.end()
  }

  storeSlowly(record: IrRecord, size: number, push: () => void, stale = this.markStale): void {
    const { g } = this
    g.get(L_S)
    g.get(L_LA)
    g.i32(1 << size)
    push()
    g.call(F_SLOW_STORE)
    this.pushTrouble(false)
    g.ifUnlikely()
    this.leave(record)
    g.end()
    g.i32(CODE_CACHE_WORDS)
    g.memory(w.I32_LOAD, CODE_STALE)
    g.ifUnlikely()
    stale()
    g.end()
    g.reloadContext()
  }

  /** Has the region left after the instruction. */
  readonly markStale = (): void => {
    this.g.i32(1)
    this.g.set(L_STALE)
  }

  /** L_STALE = the region has lost a block. */
  noteStale(): void {
    const { g } = this
    g.i32(CODE_CACHE_WORDS)
    g.memory(w.I32_LOAD, CODE_STALE)
    g.set(L_STALE)
  }

  /** LDW: pushes the operand at L_LA, having checked that it may be written; L_WRITEBACK remembers where. */
  loadForWrite(record: IrRecord, size: number): void {
    const { g } = this
    this.pushHit(S.TLB_WRITE, 1 << size)
    g.ifLikely(I64)
    this.pushHost(S.TLB_WRITE)
    g.tee(L_WRITEBACK)
    g.memory(zeroLoads[size]!, 0)
    g.else()
    g.get(L_S)
    g.get(L_LA)
    g.i32(1 << size)
    g.call(F_LOAD_FOR_WRITE)
    g.set(L_V)
    this.pushTrouble(true)
    g.ifUnlikely()
    this.leave(record)
    g.end()
    g.reloadContext()
    g.i32(0)
    g.set(L_WRITEBACK)
    g.get(L_V)
    g.end()
  }

  /** The store that belongs to the LDW before it. */
  writeBack(record: IrRecord, size: number, push: () => void, stale = this.markStale): void {
    const { g } = this
    g.get(L_WRITEBACK)
    g.ifLikely()
    g.get(L_WRITEBACK)
    push()
    g.memory(storeCodes[size]!, 0)
    g.else()
    this.storeSlowly(record, size, push, stale)
    g.end()
  }
}
