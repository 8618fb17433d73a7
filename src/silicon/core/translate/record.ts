/** Reads IR records where they stand in linear memory. */

import * as op from '../ir/ops.js'
import { inLineForm } from './vex-record.js'

export interface IrRecord {
  readonly address: number
  readonly op: number
  readonly d: number
  readonly a: number
  readonly b: number
  readonly c: number
  /** pc offset of the instruction in its block. */
  readonly offset: number
  /** Index of the instruction in its block. */
  readonly index: number
  readonly imm: number
  readonly imm2: number
  /** Of a VEX form: its operands beyond d and a. Where a legacy instruction computes the same, imm names that one (vex-record.ts). */
  readonly vex: VexOperands | undefined
}

export interface VexOperands {
  /** The register that VEX.vvvv names, or -1 where it names none. */
  readonly first: number
  /** Vectors of 256 bits. */
  readonly wide: boolean
}

export interface Branch {
  readonly takenDelta: number
  readonly fallDelta: number
}

/** A cached block, as the translator sees it. */
export interface IrBlock {
  readonly address: number
  /** Offset in its page. */
  readonly offset: number
  /** Bytes of code. */
  readonly length: number
  /** Frame behind the page that its code runs over into; BLOCK_NO_FRAME: it does not. */
  readonly frame2: number
  readonly instructions: number
  readonly records: readonly IrRecord[]
  /** Deltas of the conditional branch at the end. */
  readonly branch: Branch | undefined
}

const HALF = 0xffff
const BYTE = 0xff

export function readRecord(words: Int32Array, address: number): IrRecord {
  const at = address >> 2
  const head = words[at]!
  const middle = words[at + 1]!
  const x = middle >>> 16
  return {
    address,
    op: head & HALF,
    d: (head >>> 16) & BYTE,
    a: head >>> 24,
    b: middle & BYTE,
    c: (middle >>> 8) & BYTE,
    offset: x & 0x3ff,
    index: x >>> 10,
    imm: words[at + 2]!,
    imm2: words[at + 3]!,
    vex: undefined,
  }
}

export const isConditional = (code: number): boolean => code >= op.OP_JO && code <= op.OP_JNZ_SLOT

/** How many records the block at `address` has, and the last of them, with the deltas of the branch that it may be. */
export function readEnd(
  words: Int32Array,
  address: number,
): { readonly records: number; readonly last: IrRecord; readonly branch: Branch | undefined } {
  const first = address + op.BLOCK_FIRST_RECORD
  const end = words[(address + op.BLOCK_END) >> 2]! >>> 0
  const count = (end - first) / 16
  const conditional = count > 1 ? readRecord(words, end - 32) : undefined
  if (!conditional || !isConditional(conditional.op)) return { records: count, last: readRecord(words, end - 16), branch: undefined }
  const extension = (end - 16) >> 2
  return { records: count - 1, last: conditional, branch: { takenDelta: words[extension]!, fallDelta: words[extension + 2]! } }
}

export function readBlock(words: Int32Array, address: number): IrBlock {
  const header = address >> 2
  const end = words[header + op.BLOCK_END / 4]! >>> 0
  const records: IrRecord[] = []
  let branch: Branch | undefined
  for (let at = address + op.BLOCK_FIRST_RECORD; at < end; at += 16) {
    const record = inLineForm(readRecord(words, at))
    records.push(record)
    if (isConditional(record.op)) {
      const extension = (at + 16) >> 2
      branch = { takenDelta: words[extension]!, fallDelta: words[extension + 2]! }
      break
    }
  }
  const field = (offset: number): number => words[header + offset / 4]!
  return {
    address,
    offset: field(op.BLOCK_OFFSET),
    length: field(op.BLOCK_LENGTH),
    frame2: field(op.BLOCK_FRAME2) >>> 0,
    instructions: field(op.BLOCK_COUNT),
    records,
    branch,
  }
}

/** Counts how often the block runs, or enters a region: no part of an instruction. */
export const isCount = ({ op: code }: IrRecord): boolean => code === op.OP_PROFILE || code === op.OP_REGION
