/** Code for guest memory accesses: the soft TLB in line, the kernel's slow path behind it. */

import { ACCESS_LOAD, ACCESS_LOAD_FOR_WRITE, ACCESS_STORE, STORE_FAULT, WHAT_KIND, WHAT_LENGTH, WHAT_SIZE } from '../ir/access-kinds.js'
import { accessOf } from '../ir/fields.js'
import * as op from '../ir/ops.js'
import { CODE_CACHE_WORDS } from '../../fabric-layout.js'
import * as S from '../state/layout.js'
import { sharedAccesses, type SharedAccess } from './access-groups.js'
import { type GuestCode, L_LA, L_P, L_R, L_STALE, L_WRITEBACK } from './guest.js'
import { ACCESS_FUNCTION } from './own-functions.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

/** How an access leaves the region where it cannot be completed: the instruction is to be run again from its start. */
export interface Trouble {
  /** What L_R has to say of `record` at label `troubleDepth`. Brings the flags into a form that it can name. */
  place(record: IrRecord): number
  /** Label that leaves, with all general registers in the state area. */
  readonly troubleDepth: number
}

/** What to do after a store that has dropped a block of this region; a number: the instruction, so long, is done, and that is for the label to see to. */
export type Stale = number | (() => void)

const storeCodes = [w.I64_STORE8, w.I64_STORE16, w.I64_STORE32, w.I64_STORE]
const zeroLoads = [w.I64_LOAD8_U, w.I64_LOAD16_U, w.I64_LOAD32_U, w.I64_LOAD]

/** Loads: [size, i64.load form, operand size written]. In the order of OP_LD_*. */
export const loadForms: readonly (readonly [number, number, number])[] = [
  [0, w.I64_LOAD8_U, 3],
  [1, w.I64_LOAD16_U, 3],
  [2, w.I64_LOAD32_U, 3],
  [3, w.I64_LOAD, 3],
  [0, w.I64_LOAD8_S, 2],
  [0, w.I64_LOAD8_S, 3],
  [1, w.I64_LOAD16_S, 2],
  [1, w.I64_LOAD16_S, 3],
  [2, w.I64_LOAD32_S, 3],
  [0, w.I64_LOAD8_U, 0],
  [1, w.I64_LOAD16_U, 1],
  [0, w.I64_LOAD8_S, 1],
]

/** Where an access goes. */
export interface Operand {
  /** L_LA = its address. */
  address(): void
  /** Accesses that it shares its look at the TLB with, by its position in the block. */
  readonly shared: SharedAccess | undefined
  readonly position: number
}

/** What stands at L_LA. */
const atAddress: Operand = { address: () => undefined, shared: undefined, position: -1 }

export class AccessCode {
  /** Of the present block, by position. */
  private shared: ReadonlyMap<number, SharedAccess> = new Map()
  /** Locals of groups that have begun and go on. */
  private readonly hosts = new Set<number>()

  constructor(
    private readonly g: GuestCode,
    readonly trouble: Trouble,
  ) {}

  /** At the start of a block. */
  begin(records: readonly IrRecord[]): void {
    this.shared = sharedAccesses(records, this.g.inKernel)
    this.hosts.clear()
  }

  /** L_LA = the address of a load or store. */
  private address(record: IrRecord): void {
    if (record.op >= op.OP_LDW8) {
      this.g.read64(record.a)
      this.g.set(L_LA)
    } else if (accessOf(record.op)!.indexed) this.addressBis(record)
    else this.addressBd(record)
  }

  /** L_LA = slot a + imm. */
  private addressBd(record: IrRecord): void {
    const { g } = this
    g.read64(record.a)
    if (record.imm !== 0) {
      g.immediate(record)
      g.op(w.I64_ADD)
    }
    g.set(L_LA)
  }

  /** L_LA = slot a + (slot b << c) + imm. */
  private addressBis(record: IrRecord): void {
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
      g.immediate(record)
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
    g.tee(L_P)
    g.stateMemory(w.I64_LOAD, table)
    g.get(L_LA)
    if (bytes > 1) {
      g.i64(bytes - 1)
      g.op(w.I64_ADD)
    }
    g.i64(-4096)
    g.op(w.I64_AND)
    g.context()
    g.op(w.I64_OR, w.I64_EQ)
  }

  /** Pushes the linear-memory address behind L_LA after a hit in `table`. */
  pushHost(table: number): void {
    const { g } = this
    g.get(L_P)
    g.stateMemory(w.I32_LOAD, table + 8)
    g.get(L_LA)
    g.op(w.I32_WRAP_I64, w.I32_ADD)
  }

  /** Pushes the answer of the kernel to an access at L_LA that the TLB does not have: ACCESS_* `kind`. `push`: the value of a store. */
  private pushAnswer(record: IrRecord, kind: number, size: number, stale: Stale, push?: () => void): void {
    const { g } = this
    this.forgetHosts()
    const place = this.trouble.place(record)
    const length = typeof stale === 'number' ? stale : 0
    g.core()
    g.get(L_LA)
    g.i32(place | (length << WHAT_LENGTH) | (size << WHAT_SIZE) | (kind << WHAT_KIND))
    g.tee(L_R)
    if (push) push()
    else g.i64(0)
    g.callOwn(ACCESS_FUNCTION)
  }

  /** Pushes the linear-memory address that the kernel has for a load. */
  private pushSlowPlace(record: IrRecord, kind: number, size: number): void {
    const { g } = this
    this.pushAnswer(record, kind, size, 0)
    g.tee(L_P)
    g.op(w.I32_EQZ)
    g.branchUnlikely(this.trouble.troubleDepth)
    g.get(L_P)
  }

  /** Pushes the linear-memory address of an operand at L_LA: behind the entry of the read TLB where `pushHit` says so, else the kernel's answer to ACCESS_* `kind`. */
  pushPlace(record: IrRecord, kind: number, size: number, pushHit: () => void): void {
    const { g } = this
    // Where the region is left in the midst of things, the state area has all registers already.
    g.flush()
    pushHit()
    g.ifLikely(w.TYPE_I32)
    this.pushHost(S.TLB_READ)
    g.else()
    this.pushSlowPlace(record, kind, size)
    g.end()
  }

  /** Whatever the kernel does may change where guest memory stands. */
  forgetHosts(): void {
    for (const host of this.hosts) {
      this.g.i32(0)
      this.g.set(host)
    }
  }

  /** The operand of the load or store at `position` of the block. */
  operandAt(record: IrRecord, position: number): Operand {
    return { address: () => this.address(record), shared: this.shared.get(position), position }
  }

  /** An access of `bytes`: `quick` works on linear memory at a pushed address with `offset`, `slow` at L_LA. `kind`: what the two leave on the stack. */
  private access(
    { address, shared, position }: Operand,
    bytes: number,
    table: number,
    kind: number,
    quick: (offset: number) => void,
    slow: () => void,
  ): void {
    const { g } = this
    const group = shared?.group
    const offset = shared?.offset ?? 0
    const follows = group !== undefined && position !== group.first
    // Where the region is left in the midst of things, the state area has all registers already.
    g.flush()
    if (follows) g.get(group.host)
    else {
      address()
      this.moveAddress(-offset)
      this.pushHit(table, group ? group.to - group.from : bytes)
    }
    g.ifLikely(kind)
    if (follows) g.get(group.host)
    else {
      this.pushHost(table)
      if (group) g.tee(group.host)
    }
    quick(offset)
    g.else()
    if (follows) address()
    else this.moveAddress(offset)
    if (position === group?.first) this.hosts.add(group.host)
    if (position === group?.last) this.hosts.delete(group.host)
    slow()
    g.end()
  }

  private moveAddress(by: number): void {
    if (by === 0) return
    this.g.get(L_LA)
    this.g.i64(by)
    this.g.op(w.I64_ADD)
    this.g.set(L_LA)
  }

  /** Pushes the i64 loaded by `code` (an i64.load form). */
  load(record: IrRecord, size: number, code: number, operand = atAddress): void {
    const { g } = this
    const slow = (): void => {
      this.pushSlowPlace(record, ACCESS_LOAD, size)
      g.memory(code, 0)
    }
    this.access(operand, 1 << size, S.TLB_READ, w.TYPE_I64, (offset) => g.memory(code, offset), slow)
  }

  /** Stores what `push` pushes (i64). */
  store(record: IrRecord, size: number, push: () => void, stale: Stale = this.markStale, kind = ACCESS_STORE, operand = atAddress): void {
    const { g } = this
    const quick = (offset: number): void => {
      push()
      g.memory(storeCodes[size]!, offset)
    }
    this.access(operand, 1 << size, S.TLB_WRITE, w.TYPE_EMPTY, quick, () => this.storeSlowly(record, size, push, stale, kind))
  }

  storeSlowly(record: IrRecord, size: number, push: (() => void) | undefined, stale: Stale = this.markStale, kind = ACCESS_STORE): void {
    const { g } = this
    this.pushAnswer(record, kind, size, stale, push)
    if (typeof stale === 'number') return g.branchUnlikely(this.trouble.troubleDepth)
    g.tee(L_P)
    g.i32(STORE_FAULT)
    g.op(w.I32_AND)
    g.branchUnlikely(this.trouble.troubleDepth)
    g.get(L_P)
    g.ifUnlikely()
    stale()
    return g.end()
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
    g.memory(w.I32_LOAD, op.CODE_STALE)
    g.set(L_STALE)
  }

  /** LDW: pushes the operand, having checked that it may be written; L_WRITEBACK remembers where. */
  loadForWrite(record: IrRecord, size: number, operand = atAddress): void {
    const { g } = this
    const quick = (offset: number): void => {
      if (offset !== 0) {
        g.i32(offset)
        g.op(w.I32_ADD)
      }
      g.tee(L_WRITEBACK)
      g.memory(zeroLoads[size]!, 0)
    }
    const slow = (): void => {
      g.i32(0)
      g.set(L_WRITEBACK)
      this.pushSlowPlace(record, ACCESS_LOAD_FOR_WRITE, size)
      g.memory(zeroLoads[size]!, 0)
    }
    this.access(operand, 1 << size, S.TLB_WRITE, w.TYPE_I64, quick, slow)
  }

  /** The store that belongs to the LDW before it. `pushAddress` pushes its address. */
  writeBack(record: IrRecord, size: number, pushAddress: () => void, push: () => void, stale: Stale = this.markStale): void {
    const { g } = this
    g.get(L_WRITEBACK)
    g.ifLikely()
    g.get(L_WRITEBACK)
    push()
    g.memory(storeCodes[size]!, 0)
    g.else()
    pushAddress()
    g.set(L_LA)
    this.storeSlowly(record, size, push, stale)
    g.end()
  }
}
