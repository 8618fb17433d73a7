/** Lowers a run of decoded instructions to the IR records of one block. */

import { Decoder, DECODED, NEEDS_MORE, TOO_LONG, type CodeSize } from '../decode/decoder.js'
import { Instruction } from '../decode/instruction.js'
import type { CompiledRow, OpcodeTable } from '../decode/table.js'
import * as S from '../state/layout.js'
import { Emitter } from './emitter.js'
import { Lowering } from './lowering.js'
import * as op from './ops.js'
import { arithmeticRules } from './rules/arithmetic.js'
import { lowerHelper, lowerVector, lowerX87 } from './rules/calls.js'
import { controlRules } from './rules/control.js'
import { moveRules } from './rules/moves.js'

const rules: Readonly<Record<string, (l: Lowering) => void>> = { ...arithmeticRules, ...moveRules, ...controlRules }

const UD = 6
const NM = 7
const GP = 13

const codeSizes: readonly CodeSize[] = [2, 4, 8]

export interface LoweredBlock {
  readonly emitter: Emitter
  readonly instructions: number
  /** Bytes of code. */
  readonly length: number
}

export class BlockLowering {
  private readonly instruction = new Instruction()
  private readonly emitter = new Emitter()
  private readonly lowering = new Lowering(this.emitter, this.instruction)
  private readonly decoder: Decoder
  /** What is known of each row, found once. */
  private readonly known = new Map<CompiledRow, KnownRow>()

  /** `hotAfter`: executions after which a block of 64-bit mode is offered to the translator; 0 = never. */
  constructor(
    table: OpcodeTable,
    private readonly hotAfter = 0,
  ) {
    this.decoder = new Decoder(table)
    for (const row of table.rows) this.known.set(row, { rule: ruleFor(row), gate: gateOf(row) })
  }

  /**
   * Lowers the block that starts at `code[at]`. Bytes up to `end` belong to its page; where the first instruction reaches beyond it null is returned, and the caller tries
   * again with more bytes. `mode`: MODE_* bits. `alone`: the block has that instruction only, and is not offered to the translator by itself.
   */
  lower(code: Uint8Array, at: number, end: number, mode: number, alone = false): LoweredBlock | null {
    const e = this.emitter
    const size = codeSizes[mode & S.MODE_CODE_MASK]!
    e.reset()
    this.lowering.mode = mode
    const single = alone || (mode & S.MODE_SINGLE) !== 0
    let offset = 0
    if (this.hotAfter > 0 && !single && this.lowering.long) e.emit(op.OP_PROFILE, 0, 0, 0, 0, this.hotAfter)
    while (!e.ended) {
      const status = this.decoder.decode(code, at + offset, end, size, this.instruction)
      if (status === NEEDS_MORE) {
        if (offset === 0) return null
        this.fallThrough(offset)
        break
      }
      e.begin(offset)
      if (status === DECODED) this.one(mode)
      else this.raise(status === TOO_LONG ? GP : UD)
      offset += this.instruction.length
      if (!e.ended && (single || e.instructions >= op.BLOCK_INSTRUCTIONS_MAX || offset >= op.BLOCK_BYTES_MAX || at + offset >= end))
        this.fallThrough(offset)
    }
    return { emitter: e, instructions: e.instructions, length: offset }
  }

  private fallThrough(offset: number): void {
    const link = this.lowering.mode & S.MODE_SINGLE ? op.LINK_NEVER : op.LINK_UNRESOLVED
    this.lowering.jump(op.OP_NEXT, offset, link)
  }

  private raise(vector: number): void {
    this.emitter.emit(op.OP_RAISE, vector, vector === GP ? 1 : 0)
    this.emitter.ended = true
  }

  private one(mode: number): void {
    const { rule, gate } = this.known.get(this.instruction.row)!
    const unavailable = gate === undefined ? -1 : unavailability(gate, mode)
    if (unavailable >= 0) this.raise(unavailable)
    else rule(this.lowering)
  }
}

interface KnownRow {
  readonly rule: (l: Lowering) => void
  readonly gate: Gate | undefined
}

function ruleFor(row: CompiledRow): (l: Lowering) => void {
  const semantics = row.row.semantics
  switch (semantics.kind) {
    case 'rule': {
      const rule = rules[semantics.rule]
      if (!rule) throw new Error(`opcode table: no lowering rule ${semantics.rule}`)
      return rule
    }
    case 'helper':
      return (l) => lowerHelper(l, semantics.id, semantics.endsBlock)
    case 'vector':
      return (l) => lowerVector(l, semantics.id)
    case 'x87':
      return (l) => lowerX87(l, semantics.id)
  }
}

/** What CR0 and CR4 may forbid of an instruction; `vex`: its encoding alone. */
type Gate = 'x87' | 'vex' | 'avx' | 'sse' | 'mmx'

function gateOf({ row, vex, operands }: CompiledRow): Gate | undefined {
  const { semantics, options, mnemonic } = row
  const names = (classes: string): boolean => operands.some((operand) => classes.includes(operand.class))
  if (vex) return semantics.kind === 'vector' ? 'avx' : 'vex'
  if (semantics.kind === 'x87') return options.feature === 'X87' ? 'x87' : undefined
  if (semantics.kind !== 'vector') return undefined
  if (names('VWU') || mnemonic.endsWith('MXCSR')) return 'sse'
  return names('PQN') || mnemonic === 'EMMS' ? 'mmx' : undefined
}

/**
 * The exception that CR0 and CR4 make of a floating-point or media instruction, or -1. APM vol. 2, sections 3.1.1 and 8.2.7; vol. 4, appendix. A media
 * instruction is under the conditions of the registers that it names, so CRC32, MOVNTI and CLFLUSH are under none.
 */
function unavailability(gate: Gate, mode: number): number {
  switch (gate) {
    case 'x87':
      return mode & S.MODE_X87_NM ? NM : -1
    case 'vex':
      return mode & S.MODE_VEX_UD ? UD : -1
    case 'avx':
      return mode & (S.MODE_VEX_UD | S.MODE_AVX_UD) ? UD : mode & S.MODE_SSE_NM ? NM : -1
    case 'sse':
      return mode & S.MODE_SSE_UD ? UD : mode & S.MODE_SSE_NM ? NM : -1
    case 'mmx':
      return mode & S.MODE_MMX_UD ? UD : mode & S.MODE_SSE_NM ? NM : -1
  }
}
