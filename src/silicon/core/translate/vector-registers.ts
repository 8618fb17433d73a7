/**
 * The XMM registers of a region in locals, like its general registers: loaded on entry, stored where it is left and before calls that read them. Registers
 * that only the kernel's functions work on have no local.
 */

import { F32, F64, I32, V128 } from '../../../lib/wasm-encoder.js'
import { MXCSR_PE, MXCSR_PM, MXCSR_ROUNDING } from '../ir/float-modes.js'
import * as op from '../ir/ops.js'
import * as V from '../ir/vector-ids.js'
import * as S from '../state/layout.js'
import { isInlineFloat } from './float-forms.js'
import { type GuestCode, LOCAL_DECLARATIONS } from './guest.js'
import type { IrBlock, IrRecord } from './record.js'
import { simdMemory, zeroVector } from './vector-form-code.js'
import { vectorId, xmmOperands } from './vector-operands.js'
import * as w from './wasm-ops.js'

const PARAMETERS = 1
const FIRST = LOCAL_DECLARATIONS.reduce((sum, [count]) => sum + count, PARAMETERS)

/** Vectors: an operand from memory, then scratch. */
export const L_OPERAND = FIRST
export const L_X = FIRST + 1
/** Upper halves: of an operand from memory or a register, and of the first source. */
export const L_UPPER = FIRST + 2
export const L_UPPER_FIRST = FIRST + 3
const SCRATCH = 4
const HALF_BYTES = 16

const offsetOf = (register: number): number => S.XMM + register * S.XMM_STRIDE

export class VectorRegisters {
  private readonly locals = new Map<number, number>()
  private readonly written = new Set<number>()
  private readonly any: boolean
  private readonly floats: boolean

  /** `isInline`: the record's registers are worked on in locals. */
  constructor(
    private readonly g: GuestCode,
    blocks: readonly IrBlock[],
    isInline: (record: IrRecord) => boolean,
  ) {
    const records = blocks.flatMap((block) => block.records.filter((record) => record.op === op.OP_VEC && isInline(record)))
    this.any = records.length > 0
    this.floats = records.some((record) => isInlineFloat(vectorId(record)) || vectorId(record) >= V.V_FMA)
    for (const record of records) {
      const { reads, writes } = xmmOperands(record)
      for (const register of reads) if (!this.locals.has(register)) this.locals.set(register, FIRST + SCRATCH + this.locals.size)
      for (const register of writes) this.written.add(register)
    }
  }

  /** Locals beside those of every region. */
  get declarations(): readonly (readonly [number, number])[] {
    const vectors: [number, number] = [SCRATCH + this.locals.size, V128]
    const floats: [number, number][] = [
      [1, F64],
      [1, F32],
      [1, I32],
    ]
    return this.any ? [vectors, ...(this.floats ? floats : [])] : []
  }

  /** Scratch for a result of double precision. */
  get double(): number {
    return FIRST + SCRATCH + this.locals.size
  }

  get single(): number {
    return this.double + 1
  }

  /** What matters of MXCSR (float-guards.ts). */
  get mode(): number {
    return this.double + 2
  }

  /** Looks at MXCSR again, which may have changed: float_mode of kernel/translated-float.ts in line. */
  reloadMode(): void {
    if (!this.floats) return
    const { g } = this
    g.loadState(w.I32_LOAD, S.MXCSR)
    g.tee(this.mode)
    g.i32(MXCSR_ROUNDING | MXCSR_PM | MXCSR_PE)
    g.op(w.I32_AND)
    g.i32(MXCSR_PM | MXCSR_PE)
    g.op(w.I32_EQ)
    g.get(this.mode)
    g.i32(MXCSR_ROUNDING)
    g.op(w.I32_AND, w.I32_EQZ)
    g.i32(1)
    g.op(w.I32_SHL, w.I32_OR)
    g.set(this.mode)
  }

  /** Local of an XMM register that some record in line names. */
  of(register: number): number {
    const local = this.locals.get(register)
    if (local === undefined) throw new Error(`translator: XMM${register} has no local`)
    return local
  }

  /** Its local, or -1. */
  find(register: number): number {
    return this.locals.get(register) ?? -1
  }

  private spillOne(register: number): void {
    const { g } = this
    g.state()
    g.get(this.of(register))
    simdMemory(g, 'v128.store', g.s + offsetOf(register))
  }

  private reloadOne(register: number): void {
    const { g } = this
    g.state()
    simdMemory(g, 'v128.load', g.s + offsetOf(register))
    g.set(this.of(register))
  }

  /** Before the kernel reads these: stores those whose local may be newer. */
  spill(registers: Iterable<number>): void {
    for (const register of new Set(registers)) if (this.written.has(register)) this.spillOne(register)
  }

  /** After the kernel has written these. */
  reload(registers: Iterable<number>): void {
    for (const register of new Set(registers)) if (this.locals.has(register)) this.reloadOne(register)
  }

  // ---- upper halves, which stand in the state area

  /** Registers whose upper half is known to be zero. */
  private readonly cleared = new Set<number>()

  /** At the start of a block, or when something else has written them. */
  forgetUppers(): void {
    this.cleared.clear()
  }

  /** What a result of 128 bits does to the rest of its register. */
  clearUpper(register: number): void {
    if (this.cleared.has(register)) return
    this.setUpper(register, () => zeroVector(this.g))
    this.cleared.add(register)
  }

  /** Stores what `push` pushes. */
  setUpper(register: number, push: () => void): void {
    this.g.state()
    push()
    simdMemory(this.g, 'v128.store', this.g.s + offsetOf(register) + HALF_BYTES)
    this.cleared.delete(register)
  }

  pushUpper(register: number): void {
    this.g.state()
    simdMemory(this.g, 'v128.load', this.g.s + offsetOf(register) + HALF_BYTES)
  }

  spillAll(): void {
    this.spill(this.written)
  }

  reloadAll(): void {
    this.reload(this.locals.keys())
    this.reloadMode()
  }
}
