/** Which general registers the blocks of a region read or write. Records that call the kernel count for all. */

import * as op from '../ir/ops.js'
import { usesIntegerState } from './call-code.js'
import { exchanges, exchangeSlots, namesItsRegisters } from './helper-operands.js'
import type { IrBlock, IrRecord } from './record.js'
import { generalOperands, isForeign } from './vector-operands.js'

const GPRS = 16
const RAX = 0
const RDX = 2
const RSP = 4

export interface RegionRegisters {
  /** Slots to load on entry. */
  readonly used: readonly number[]
  /** Slots to store on exit. */
  readonly written: readonly number[]
}

const between = (code: number, first: number, last: number): boolean => code >= first && code <= last

/** True where field d is read only or is no register of the general file. */
function writesD(code: number): boolean {
  if (between(code, op.OP_ST8_BD, op.OP_STI64)) return false
  if (between(code, op.OP_CMP8, op.OP_TEST64) || between(code, op.OP_CMPI8, op.OP_TESTI64)) return false
  return !between(code, op.OP_PUSH64, op.OP_JNZ_SLOT) || code === op.OP_POP64
}

export function registersOf(blocks: readonly IrBlock[]): RegionRegisters {
  const used = new Set<number>()
  const written = new Set<number>()
  for (const block of blocks) for (const record of block.records) note(record, used, written)
  const slots = (registers: Set<number>): number[] => [...registers].sort((a, b) => a - b).map((n) => n * 8)
  // What is stored on exit must have been loaded: a path may leave it unchanged.
  for (const n of written) used.add(n)
  return { used: slots(used), written: slots(written) }
}

function note(record: IrRecord, used: Set<number>, written: Set<number>): void {
  const { op: code } = record
  const read = (slot: number): void => void (slot >> 3 < GPRS && used.add(slot >> 3))
  const write = (slot: number): void => void (slot >> 3 < GPRS && written.add(slot >> 3))
  const id = record.imm & 0xffff
  if (code === op.OP_X87 && !usesIntegerState(id)) return
  if (code === op.OP_HLP && namesItsRegisters(id)) {
    if (!exchanges(id)) return
    const slots = exchangeSlots(record)
    slots.forEach(read)
    slots.forEach(write)
    return
  }
  if (code === op.OP_HLP || code === op.OP_X87 || (code === op.OP_VEC && isForeign(record))) {
    for (let n = 0; n < GPRS; n++) {
      used.add(n)
      written.add(n)
    }
    return
  }
  if (code === op.OP_VEC) {
    const operands = generalOperands(record)
    operands.reads.forEach(read)
    operands.writes.forEach(write)
    return
  }
  read(record.a)
  read(record.b)
  read(record.d)
  if (writesD(code)) write(record.d)
  if (between(code, op.OP_XCHG8, op.OP_XCHG64)) write(record.a)
  if (between(code, op.OP_PUSH64, op.OP_RET)) write(RSP * 8)
  if (code === op.OP_MULTIPLY_APART) {
    read(RDX * 8)
    write(record.b)
  }
  if (code === op.OP_MULTIPLY || code === op.OP_DIVIDE || code === op.OP_SIGN || code === op.OP_FLAG) {
    write(RAX * 8)
    write(RDX * 8)
  }
}
