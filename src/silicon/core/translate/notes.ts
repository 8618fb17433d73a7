/** Where indirect jumps and calls went while they were interpreted, as the kernel notes it (note_target, note_callee): from the start of their block. */

import { NOTES_TABLE } from '../../fabric-layout.js'
import * as op from '../ir/ops.js'
import { NOTED_MAX, NOTES_BYTES, NOTES_MAX } from '../ir/region-tables.js'
import type { IrRecord } from './record.js'

/** Place of the notes of the record at `address`, as a word. */
const notesAt = (address: number): number => (NOTES_TABLE + ((address >> 4) & (NOTES_MAX - 1)) * NOTES_BYTES) >> 2

/** Of what ends in `record`: none unless that is an indirect jump or call. The more usual come first. */
export function notedTargets(words: Int32Array, record: IrRecord | undefined): number[] {
  if (record?.op === op.OP_CALLI) return record.imm2 === 0 ? [] : [record.imm2]
  if (record?.op !== op.OP_JMPI) return []
  const notes = notesAt(record.address)
  if (words[notes]! >>> 0 !== record.address) return []
  return [...words.subarray(notes + 1, notes + 1 + NOTED_MAX)].filter((delta) => delta !== 0)
}

/** Adds what was noted elsewhere of the same jump or call. */
export function noteTargets(words: Int32Array, record: IrRecord, targets: readonly number[]): void {
  const known = notedTargets(words, record)
  const more = targets.filter((target) => !known.includes(target))
  if (more.length === 0) return
  if (record.op === op.OP_CALLI) {
    if (known.length === 0) words[(record.address >> 2) + 3] = more[0]!
  } else if (record.op === op.OP_JMPI) {
    const notes = notesAt(record.address)
    words[notes] = record.address
    words.fill(0, notes + 1, notes + 1 + NOTED_MAX)
    words.set([...known, ...more].slice(0, NOTED_MAX), notes + 1)
  }
}
