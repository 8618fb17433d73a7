/** Code for guest memory accesses: the soft TLB in line. What it does not have, and what crosses a page, is for the interpreter. */

import { accessOf } from '../ir/fields.js'
import * as op from '../ir/ops.js'
import { CODE_CACHE_WORDS } from '../../fabric-layout.js'
import * as S from '../state/layout.js'
import { sharedAccesses, type SharedAccess } from './access-groups.js'
import { type GuestCode, L_LA, L_P, L_R, L_STALE, L_WRITEBACK } from './guest.js'
import { PLACE_FUNCTION } from './own-functions.js'
import { type IrRecord, isCount } from './record.js'
import * as w from './wasm-ops.js'

/** How an access that cannot be made here leaves the region. */
export interface Trouble {
  /** What L_R has to say at label `troubleDepth` for the interpreter to go on at `record`, the first of an instruction. Brings the flags into a form that it can name. */
  resumption(record: IrRecord): number
  /** Label that leaves, with all general registers in the state area. */
  readonly troubleDepth: number
}

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
  private records: readonly IrRecord[] = []
  /** Of the present block, by position. */
  private shared: ReadonlyMap<number, SharedAccess> = new Map()
  /** Locals of groups that have begun and go on: what the kernel does may change where guest memory stands. */
  private readonly hosts = new Set<number>()

  constructor(
    private readonly g: GuestCode,
    private readonly trouble: Trouble,
  ) {}

  /** At the start of a block. */
  begin(records: readonly IrRecord[]): void {
    this.records = records
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

  /**
   * Leaves for the interpreter, which does the instruction of `record` from its start, and the rest of its block. A way on from here for each access costs V8 more than all the
   * rest: what stands in registers where ways come together again.
   */
  leaveFor({ index }: IrRecord): void {
    const { g } = this
    g.flush()
    g.i32(this.trouble.resumption(this.records.find((record) => record.index === index && !isCount(record))!))
    g.set(L_R)
    g.op(w.BR)
    g.out.u32(this.trouble.troubleDepth)
  }

  /** Pushes the linear-memory address of an operand at L_LA, behind the entry of `table` where `pushHit` says that it has all of it. */
  pushPlace(record: IrRecord, table: number, pushHit: () => void): void {
    const { g } = this
    pushHit()
    g.ifLikely(w.TYPE_I32)
    this.pushHost(table)
    g.else()
    this.leaveFor(record)
    g.end()
  }

  /** The operand of the load or store at `position` of the block. */
  operandAt(record: IrRecord, position: number): Operand {
    return { address: () => this.address(record), shared: this.shared.get(position), position }
  }

  /** An access of `bytes`: `quick` works on linear memory at a pushed address with `offset`. `kind`: what it leaves on the stack. */
  private access(record: IrRecord, operand: Operand, bytes: number, table: number, kind: number, quick: (offset: number) => void): void {
    const { address, shared } = operand
    if (shared) return this.sharedAccess(record, shared, operand, bytes, table, kind, quick)
    address()
    return this.look(record, bytes, table, kind, quick)
  }

  /** The access at L_LA by itself. */
  private look(record: IrRecord, bytes: number, table: number, kind: number, quick: (offset: number) => void): void {
    const { g } = this
    this.pushHit(table, bytes)
    g.ifLikely(kind)
    this.pushHost(table)
    quick(0)
    g.else()
    if (g.inKernel) this.ask(record, bytes, table, quick)
    else this.leaveFor(record)
    g.end()
  }

  /** Has the TLB filled with the bytes at L_LA, and goes on with `quick`: for code of the upper half, which touches much anew after each switch of spaces. */
  private ask(record: IrRecord, bytes: number, table: number, quick: (offset: number) => void): void {
    const { g } = this
    g.core()
    g.get(L_LA)
    g.i32(bytes)
    g.i32(table === S.TLB_WRITE ? 1 : 0)
    g.callOwn(PLACE_FUNCTION)
    g.tee(L_P)
    g.op(w.I32_EQZ)
    g.ifUnlikely()
    this.leaveFor(record)
    g.end()
    for (const host of this.hosts) {
      g.i32(0)
      g.set(host)
    }
    g.get(L_P)
    quick(0)
  }

  /** The `first` access of a group looks for all of them; where the TLB does not have all that, each looks for itself. */
  private sharedAccess(
    record: IrRecord,
    { group, offset }: SharedAccess,
    { address, position }: Operand,
    bytes: number,
    table: number,
    kind: number,
    quick: (offset: number) => void,
  ): void {
    const { g } = this
    const first = position === group.first
    const common = group.write ? S.TLB_WRITE : S.TLB_READ
    if (first) {
      address()
      this.moveAddress(-offset)
      this.pushHit(common, group.to - group.from)
    } else g.get(group.host)
    g.ifLikely(kind)
    if (first) {
      this.pushHost(common)
      g.tee(group.host)
    } else g.get(group.host)
    quick(offset)
    g.else()
    if (first) {
      g.i32(0)
      g.set(group.host)
    }
    address()
    if (g.inKernel) this.ask(record, bytes, table, quick)
    else this.look(record, bytes, table, kind, quick)
    g.end()
    if (first) this.hosts.add(group.host)
    if (position === group.last) this.hosts.delete(group.host)
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
    this.access(record, operand, 1 << size, S.TLB_READ, w.TYPE_I64, (offset) => this.g.memory(code, offset))
  }

  /** Stores what `push` pushes (i64). */
  store(record: IrRecord, size: number, push: () => void, operand = atAddress): void {
    this.access(record, operand, 1 << size, S.TLB_WRITE, w.TYPE_EMPTY, (offset) => {
      push()
      this.g.memory(storeCodes[size]!, offset)
    })
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
    this.access(record, operand, 1 << size, S.TLB_WRITE, w.TYPE_I64, quick)
  }

  /** The store of what `push` pushes that belongs to the LDW before it. */
  writeBack(size: number, push: () => void): void {
    const { g } = this
    g.get(L_WRITEBACK)
    push()
    g.memory(storeCodes[size]!, 0)
  }
}
