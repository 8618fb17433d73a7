/** Collects the IR records of one block. Fields as in docs/core.md. */

import { BLOCK_INSTRUCTIONS_MAX } from './ops.js'

/** No instruction lowers to more records than this. */
const RECORDS_PER_INSTRUCTION_MAX = 16
const WORDS = 4

export class Emitter {
  /** Four 32-bit words a record. */
  readonly words = new Int32Array((BLOCK_INSTRUCTIONS_MAX + 2) * RECORDS_PER_INSTRUCTION_MAX * WORDS)
  /** Records so far. */
  count = 0
  /** Instructions begun. */
  instructions = 0
  /** Offset of the present instruction from the start of the block. */
  offset = 0
  /** True once a record ends the block. */
  ended = false
  private x = 0

  reset(): void {
    this.count = 0
    this.instructions = 0
    this.offset = 0
    this.ended = false
    this.x = 0
  }

  /** Begins the next instruction, at `offset` bytes into the block. */
  begin(offset: number): void {
    this.offset = offset
    this.x = offset | (this.instructions << 10)
    this.instructions++
  }

  emit(op: number, d = 0, a = 0, b = 0, c = 0, imm = 0, imm2 = 0): void {
    const at = this.count * WORDS
    this.words[at] = op | (d << 16) | (a << 24)
    this.words[at + 1] = b | (c << 8) | (this.x << 16)
    this.words[at + 2] = imm
    this.words[at + 3] = imm2
    this.count++
  }

  /** The second record of a conditional branch: two pairs of delta and link. Keeps the x of its branch. */
  extension(takenDelta: number, takenLink: number, fallDelta: number, fallLink: number): void {
    const at = this.count * WORDS
    this.words[at] = takenDelta
    this.words[at + 1] = takenLink
    this.words[at + 2] = fallDelta
    this.words[at + 3] = fallLink
    this.count++
  }

  /** Operation code of the last record, or -1. */
  lastOp(): number {
    return this.count === 0 ? -1 : this.words[(this.count - 1) * WORDS]! & 0xffff
  }

  /** Turns the last record into operation `op` with field c. */
  replaceLastOp(op: number, c: number): void {
    const at = (this.count - 1) * WORDS
    this.words[at] = (this.words[at]! & ~0xffff) | op
    this.words[at + 1] = (this.words[at + 1]! & ~0xff00) | (c << 8)
  }
}
