/**
 * Which general registers code of a region may read before it writes them: those that have to be in locals. Nothing else keeps a register alive, as the state
 * area has all of them wherever the region may be left (guest.ts).
 */

import { type Field, shapes } from '../ir/fields.js'
import * as op from '../ir/ops.js'
import * as S from '../state/layout.js'
import { usesIntegerState } from './call-code.js'
import { exchanges, exchangeSlots, namesItsRegisters } from './helper-operands.js'
import type { RegionNode } from './plan.js'
import type { IrRecord } from './record.js'
import { generalOperands, isForeign } from './vector-operands.js'

const GPRS = 16
const ALL = 0xffff
const NONE = { reads: 0, replaces: 0 }

/** Bit n for register n. `replaces`: registers all of whose old value is gone behind the record. */
interface Effect {
  readonly reads: number
  readonly replaces: number
}

const bit = (slot: number): number => (slot >> 3 < GPRS ? 1 << (slot >> 3) : 0)
const bits = (slots: readonly number[]): number => slots.reduce((mask, slot) => mask | bit(slot), 0)

/** How a field of an operation counts; BY_SIZE: by the size in field c. */
const UNUSED = 0
const READ = 1
const REPLACED = 2
const BY_SIZE = 3

function useOf(field: Field): number {
  if (field.kind !== 'slot') return UNUSED
  // A part of a register is inserted into what stands there.
  if (!field.writes || field.reads || (field.bytes !== 0 && field.bytes < 4)) return READ
  return field.bytes === 0 ? BY_SIZE : REPLACED
}

/** Of each operation: how d, a and b count, and what it reads besides. */
const uses = shapes.map(({ d, a, b, alsoWrites }, code) => {
  // RSP, and what multiplications and their like add to: their old values count, be it for the parts that stay.
  let reads = bits(alsoWrites)
  if (code === op.OP_RET) reads |= bit(S.RSP)
  if (code === op.OP_SIGN || code === op.OP_MULTIPLY || code === op.OP_DIVIDE) reads |= bit(S.RAX)
  if (code === op.OP_MULTIPLY_APART) reads |= bit(S.RDX)
  return { d: useOf(d), a: useOf(a), b: useOf(b), reads }
})

const replaces = (use: number, size: number): boolean => use === REPLACED || (use === BY_SIZE && size >= 2)

function effectOf(record: IrRecord): Effect {
  const { op: code, d, a, b } = record
  if (code === op.OP_HLP || code === op.OP_X87 || code === op.OP_VEC) return effectOfCall(record)
  const use = uses[code]!
  const size = record.c & 3
  const effect = { reads: use.reads, replaces: 0 }
  note(effect, use.d, d, size)
  note(effect, use.a, a, size)
  note(effect, use.b, b, size)
  return effect
}

function note(effect: { reads: number; replaces: number }, use: number, slot: number, size: number): void {
  if (use === UNUSED) return
  if (replaces(use, size)) effect.replaces |= bit(slot)
  else effect.reads |= bit(slot)
}

/** Of what the kernel executes: it sees the state area, and code behind a call that may do anything loads what it needs from there. */
function effectOfCall(record: IrRecord): Effect {
  const id = record.imm & 0xffff
  if (record.op === op.OP_HLP && namesItsRegisters(id)) return exchanges(id) ? { reads: bits(exchangeSlots(record)), replaces: 0 } : NONE
  if (record.op === op.OP_X87 && !usesIntegerState(id)) return NONE
  if (record.op !== op.OP_VEC || isForeign(record)) return { reads: 0, replaces: ALL }
  const { reads, writes } = generalOperands(record)
  return { reads: bits(reads) | bits(writes), replaces: 0 }
}

const before = (live: number, { reads, replaces }: Effect): number => (live & ~replaces) | reads

export class RegisterLiveness {
  private readonly liveIn: number[]
  /** Of each node, from its last record to its first. */
  private readonly effects: readonly (readonly Effect[])[]

  constructor(private readonly nodes: readonly RegionNode[]) {
    this.liveIn = nodes.map(() => 0)
    this.effects = nodes.map(({ block }) => block.records.map(effectOf).reverse())
    for (let changed = true; changed;) {
      changed = false
      for (let n = nodes.length - 1; n >= 0; n--) {
        const live = this.effects[n]!.reduce(before, this.liveOut(n))
        changed ||= live !== this.liveIn[n]
        this.liveIn[n] = live
      }
    }
  }

  /** Registers that are read from the start of node `n` on: bit for bit. */
  at(n: number): number {
    return this.liveIn[n]!
  }

  /** Those that are read behind record `record` of node `n`. */
  after(n: number, record: IrRecord): number {
    const { records } = this.nodes[n]!.block
    return this.effects[n]!.slice(0, records.length - 1 - records.indexOf(record)).reduce(before, this.liveOut(n))
  }

  /** Behind a call that stays one registers are loaded again: node `returns` needs none of them here. */
  private liveOut(n: number): number {
    const { taken, fall, targets } = this.nodes[n]!
    return [taken, fall, ...targets].reduce((live, to) => (to < 0 ? live : live | this.liveIn[to]!), 0)
  }
}
