/** What lowering rules work with: the instruction, the emitter, and the ways to operands and addresses. */

import type { Instruction } from '../decode/instruction.js'
import { BASE_RIP, SEGMENT_NONE } from '../decode/instruction.js'
import { operandBytes } from '../decode/operand-size.js'
import type { Operand } from '../decode/table.js'
import * as S from '../state/layout.js'
import type { Emitter } from './emitter.js'
import * as op from './ops.js'

export { operandBytes }

/** 0 = 8, 1 = 16, 2 = 32, 3 = 64 bits. */
export type SizeNumber = number

export const sizeNumber = (bytes: number): SizeNumber => (bytes === 8 ? 3 : bytes >> 1)

/** Bytes that one OP_SEGMENT can check. */
const SEGMENT_CHECK_MAX = 0x7f

/** Linear address as base slot + (index slot << scale) + displacement. */
export interface Address {
  base: number
  index: number
  scale: number
  displacement: number
}

export class Lowering {
  /** The address of the memory operand, set by `address`. */
  readonly at: Address = { base: S.ZERO, index: -1, scale: 0, displacement: 0 }

  constructor(
    readonly e: Emitter,
    readonly i: Instruction,
  ) {}

  /** MODE_* bits that the block is made for. */
  mode = 0

  get long(): boolean {
    return (this.mode & S.MODE_CODE_MASK) === S.MODE_CODE64
  }

  /** Offset of the next instruction from the start of the block. */
  get nextOffset(): number {
    return this.e.offset + this.i.length
  }

  /** Register-file offset of general register `n` as an operand of `bytes`: AH, CH, DH and BH without REX. */
  register(n: number, bytes: number): number {
    if (bytes === 1 && !this.i.hasRex && n >= 4 && n < 8) return (n - 4) * 8 + 1
    return n * 8
  }

  /** Segment that memory operands use: an override, or SS with RSP and RBP as base, or DS. */
  dataSegment(): number {
    const i = this.i
    if (i.segment !== SEGMENT_NONE) return i.segment
    return i.base === 4 || i.base === 5 ? S.SS : S.DS
  }

  /** The effective address (before the segment) into slot `to`. */
  effective(to: number): void {
    const { i, e } = this
    if (i.row.operands.some((operand) => operand.class === 'O') && i.immediateHigh !== 0) {
      e.emit(op.OP_MOVI64, to, 0, 0, 0, i.displacement, i.immediateHigh)
      return
    }
    const rip = i.base === BASE_RIP
    const base = i.base < 0 ? S.ZERO : rip ? S.PC : i.base * 8
    let displacement = i.displacement
    if (rip) displacement = this.ripDisplacement(to)
    const from = rip && displacement !== i.displacement + this.nextOffset ? to : base
    this.combine(to, from, i.index < 0 ? -1 : i.index * 8, i.scale, displacement)
    if (i.addressSize === 2) e.emit(op.OP_ZX16, to, to)
    else if (i.addressSize === 8 && i.row.operands.some((operand) => operand.class === 'O') && i.displacement < 0) {
      // A 64-bit memory offset whose high half is zero.
      e.emit(op.OP_MOVI32, to, 0, 0, 0, i.displacement)
    }
  }

  /** RIP-relative displacement from the start of the block; where it exceeds 32 bits, `to` first takes PC + the rest. */
  private ripDisplacement(to: number): number {
    const whole = this.i.displacement + this.nextOffset
    if (whole === (whole | 0)) return whole
    this.e.emit(op.OP_LEA_BD, to, S.PC, 0, 0, this.nextOffset)
    return this.i.displacement
  }

  private combine(to: number, base: number, index: number, scale: number, displacement: number): void {
    const narrow = this.i.addressSize !== 8
    if (index < 0) this.e.emit(narrow ? op.OP_LEA32_BD : op.OP_LEA_BD, to, base, 0, 0, displacement)
    else this.e.emit(narrow ? op.OP_LEA32_BIS : op.OP_LEA_BIS, to, base, index, scale, displacement)
  }

  private set(base: number, index = -1, scale = 0, displacement = 0): Address {
    this.at.base = base
    this.at.index = index
    this.at.scale = scale
    this.at.displacement = displacement
    return this.at
  }

  /** Finds the linear address of the memory operand, checked outside flat modes for an access of `bytes`. Uses T6 and T7. */
  address(bytes: number, write: boolean): Address {
    const { i, e } = this
    const segment = this.dataSegment()
    if (!this.long) return this.legacyAddress(segment, bytes, write)
    const based = segment >= S.FS
    const offsetOperand = i.row.operands.some((operand) => operand.class === 'O')
    const whole = i.displacement + this.nextOffset
    const simple = i.addressSize === 8 && !offsetOperand && !(i.base === BASE_RIP && whole !== (whole | 0))
    if (simple && !(based && i.index >= 0)) {
      const rip = i.base === BASE_RIP
      const base = i.base < 0 ? S.ZERO : rip ? S.PC : i.base * 8
      const displacement = rip ? whole : i.displacement
      if (!based) return this.set(base, i.index < 0 ? -1 : i.index * 8, i.scale, displacement)
      return base === S.ZERO
        ? this.set(S.SEG_BASE + segment * 8, -1, 0, displacement)
        : this.set(S.SEG_BASE + segment * 8, base, 0, displacement)
    }
    this.effective(S.T6)
    if (based) e.emit(op.OP_LEA_BIS, S.T6, S.T6, S.SEG_BASE + segment * 8, 0, 0)
    return this.set(S.T6)
  }

  private legacyAddress(segment: number, bytes: number, write: boolean): Address {
    this.effective(S.T6)
    if (this.mode & S.MODE_FLAT && segment < S.FS && !(segment === S.CS && write)) return this.set(S.T6)
    const writing = write ? 0x80 : 0
    // Of images longer than field c can say, both ends are checked.
    if (bytes > SEGMENT_CHECK_MAX) this.e.emit(op.OP_SEGMENT, S.T5, S.T6, segment, 1 | writing, -1, bytes - 1)
    this.e.emit(op.OP_SEGMENT, S.T6, S.T6, segment, Math.min(bytes, SEGMENT_CHECK_MAX) | writing, -1, 0)
    return this.set(S.T6)
  }

  /** The same, as one value in slot `to`. */
  addressInto(to: number, bytes: number, write: boolean): void {
    const at = this.address(bytes, write)
    if (at.index < 0) {
      if (at.base !== to || at.displacement !== 0) this.e.emit(op.OP_LEA_BD, to, at.base, 0, 0, at.displacement)
    } else this.e.emit(op.OP_LEA_BIS, to, at.base, at.index, at.scale, at.displacement)
  }

  /** Emits a load of family `kind` (OP_LD_*_BD) from `this.at` into `d`. */
  load(kindBd: number, d: number): void {
    const at = this.at
    if (at.index < 0) this.e.emit(kindBd, d, at.base, 0, 0, at.displacement)
    else this.e.emit(kindBd + (op.OP_LD_Z8_BIS - op.OP_LD_Z8_BD), d, at.base, at.index, at.scale, at.displacement)
  }

  /** Emits a store of slot `d` to `this.at`. */
  store(size: SizeNumber, d: number): void {
    const at = this.at
    if (at.index < 0) this.e.emit(op.OP_ST8_BD + size, d, at.base, 0, 0, at.displacement)
    else this.e.emit(op.OP_ST8_BIS + size, d, at.base, at.index, at.scale, at.displacement)
  }

  /** Slot that holds the value of a readable operand, loading memory and immediates into `temporary` (zero-extended). */
  source(operand: Operand, temporary: number): number {
    const { i, e } = this
    const bytes = operandBytes(i, operand)
    switch (operand.class) {
      case 'G':
        return this.register(i.reg, bytes)
      case 'E':
      case 'M':
      case 'O':
        if (!i.isMemory) return this.register(i.rm, bytes)
        this.address(bytes, false)
        this.load(op.OP_LD_Z8_BD + sizeNumber(bytes), temporary)
        return temporary
      case 'Z':
        return this.register(i.rm, bytes)
      case 'I':
        if (operand.size === 'v' && i.operandSize === 8) e.emit(op.OP_MOVI64, temporary, 0, 0, 0, i.immediate, i.immediateHigh)
        else e.emit(op.OP_MOVI64S, temporary, 0, 0, 0, i.immediate)
        return temporary
      default:
        if (operand.text === 'AL' || operand.text === 'AX' || operand.text === 'rAX') return S.RAX
        if (operand.text === 'CL') return S.RCX
        throw new Error(`no source for operand ${operand.text}`)
    }
  }

  /** Ends the block: jumps to `delta` from its start. */
  jump(opcode: number, delta: number, link: number): void {
    this.e.emit(opcode, 0, 0, 0, this.e.instructions, delta, link)
    this.e.ended = true
  }
}
