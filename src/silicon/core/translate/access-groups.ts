/**
 * Which accesses of a block go through the same base and index, neither of which changes between them: the first looks at the TLB for all of them, as they lie in one page
 * nearly always, and leaves behind where that is in linear memory.
 */

import { accessOf, type Field, shapes } from '../ir/fields.js'
import * as op from '../ir/ops.js'
import * as S from '../state/layout.js'
import { isFar, L_HOSTS } from './guest.js'
import type { IrRecord } from './record.js'

/** A group spans so many bytes at most: one that crosses the end of a page has each of its accesses looked up by itself. */
const SPAN_MAX = 256

export interface AccessGroup {
  /** Some of them write: all go by the TLB for writes, whose pages can be read too. */
  readonly write: boolean
  /** Displacements from the base: of the first byte, and behind the last. */
  readonly from: number
  readonly to: number
  /** Local of the linear-memory address of the first byte; 0: the TLB did not have all of it. */
  readonly host: number
  /** Positions of its first and last record. */
  readonly first: number
  readonly last: number
}

/** An access that shares a look. */
export interface SharedAccess {
  readonly group: AccessGroup
  /** Bytes from the first of the group. */
  readonly offset: number
}

interface Member {
  readonly position: number
  readonly displacement: number
  readonly bytes: number
}

interface OpenGroup {
  readonly base: number
  readonly index: number
  readonly members: Member[]
  write: boolean
  from: number
  to: number
}

const isGeneral = (slot: number): boolean => slot >> 3 < 16
const writesSlot = (field: Field): boolean => field.kind === 'slot' && field.writes

/** The kernel executes these, and may change the TLB. */
const isBarrier = ({ op: code }: IrRecord): boolean => (code >= op.OP_HLP && code <= op.OP_X87) || code === op.OP_DIVIDE

/** Of the accesses of a block that share a look, by position of their record. `inKernel`: far displacements (guest.ts) may be others in another guest. */
export function sharedAccesses(records: readonly IrRecord[], inKernel = false): ReadonlyMap<number, SharedAccess> {
  const finder = new GroupFinder(inKernel)
  records.forEach((record, n) => finder.take(record, n))
  return finder.finish()
}

class GroupFinder {
  private readonly open = new Map<number, OpenGroup>()
  private readonly closed: OpenGroup[] = []
  /** The address that T0 was computed to for LDW. */
  private target: { readonly base: number; readonly index: number; readonly key: number; readonly displacement: number } | undefined

  constructor(private readonly inKernel: boolean) {}

  take(record: IrRecord, position: number): void {
    if (isBarrier(record)) return this.closeAll()
    const { op: code, d, a, b, c, imm } = record
    const access = accessOf(code)
    if (access && code < op.OP_LDW8 && isGeneral(a)) {
      const index = access.indexed ? b : -1
      if (!access.indexed || isGeneral(b))
        this.join(keyOf(a, index, c), a, index, access.write, { position, displacement: imm, bytes: access.bytes })
    } else if (access && code >= op.OP_LDW8 && a === S.T0 && this.target) {
      const { base, index, key, displacement } = this.target
      this.join(key, base, index, true, { position, displacement, bytes: access.bytes })
    }
    const lea = code === op.OP_LEA_BD || code === op.OP_LEA_BIS
    if (lea && d === S.T0 && isGeneral(a) && (code === op.OP_LEA_BD || isGeneral(b))) {
      const index = code === op.OP_LEA_BIS ? b : -1
      this.target = { base: a, index, key: keyOf(a, index, c), displacement: imm }
      return
    }
    const shape = shapes[code]!
    if (writesSlot(shape.d)) this.written(d)
    if (writesSlot(shape.a)) this.written(a)
    if (writesSlot(shape.b)) this.written(b)
    for (const slot of shape.alsoWrites) this.written(slot)
  }

  private join(key: number, base: number, index: number, write: boolean, member: Member): void {
    const { displacement, bytes } = member
    if (this.inKernel && isFar(displacement)) return
    const known = this.open.get(key)
    if (known) {
      const from = Math.min(known.from, displacement)
      const to = Math.max(known.to, displacement + bytes)
      if (to - from <= SPAN_MAX) {
        known.from = from
        known.to = to
        known.write ||= write
        known.members.push(member)
        return
      }
      this.closed.push(known)
    }
    this.open.set(key, { write, base, index, members: [member], from: displacement, to: displacement + bytes })
  }

  private written(slot: number): void {
    const register = slot & ~7
    if (register === S.T0) this.target = undefined
    for (const [key, group] of this.open) {
      if (group.base !== register && group.index !== register) continue
      this.closed.push(group)
      this.open.delete(key)
    }
    if (this.target && (this.target.base === register || this.target.index === register)) this.target = undefined
  }

  private closeAll(): void {
    this.closed.push(...this.open.values())
    this.open.clear()
    this.target = undefined
  }

  finish(): ReadonlyMap<number, SharedAccess> {
    this.closeAll()
    const shared = new Map<number, SharedAccess>()
    const groups = this.closed.filter(({ members }) => members.length > 1).sort((a, b) => a.members[0]!.position - b.members[0]!.position)
    /** Position behind which each local is free again. */
    const taken = L_HOSTS.map(() => -1)
    for (const { write, from, to, members } of groups) {
      const [first, last] = [members[0]!.position, members.at(-1)!.position]
      const n = taken.findIndex((until) => until < first)
      if (n < 0) continue
      taken[n] = last
      const group = { write, from, to, host: L_HOSTS[n]!, first, last }
      for (const { position, displacement } of members) shared.set(position, { group, offset: displacement - from })
    }
    return shared
  }
}

/** Of base, index and scale: slots are below 256. */
const keyOf = (base: number, index: number, scale: number): number => (index < 0 ? base : base + (index + 1) * 0x100 + scale * 0x20000)
