/**
 * Instruction decoder. APM vol. 3, chapter 1 "Instruction Encoding" and appendix A; all that it knows of single instructions stands in the opcode table.
 */

import { BASE_RIP, type Instruction, SEGMENT_NONE } from './instruction.js'
import {
  type CompiledRow,
  type OpcodeTable,
  PREFIX_66,
  PREFIX_ANY,
  PREFIX_F2,
  PREFIX_F3,
  PREFIX_NONE,
  VEX_L_ANY,
  VEX_L_IGNORED,
} from './table.js'

export const DECODED = 0
/** More bytes are needed than lie between `at` and `end`. */
export const NEEDS_MORE = 1
/** No row matches, or a prefix does not suit: #UD. `length` counts the bytes read. */
export const UNDEFINED = 2
/** More than 15 bytes: #GP(0). */
export const TOO_LONG = 3

export const LENGTH_MAX = 15

/** Default code size in bytes: 2, 4 or 8 (64-bit mode). */
export type CodeSize = 2 | 4 | 8

class Truncated extends Error {}
const truncated = new Truncated('instruction bytes end')
class Overlong extends Error {}
const overlong = new Overlong('instruction exceeds 15 bytes')

export class Decoder {
  private code: Uint8Array = new Uint8Array(0)
  private at = 0
  private start = 0
  private end = 0
  private rex = 0
  private vex = false
  /** REX.W, VEX.W and VEX.L as they stand in the prefix. */
  private w = 0
  private l = 0
  private map = 0
  /** VEX.vvvv, all four bits. */
  private vvvv = 0

  constructor(private readonly table: OpcodeTable) {}

  /** Decodes the instruction at `code[at]`, of which bytes before `end` may be read, into `into`. */
  decode(code: Uint8Array, at: number, end: number, size: CodeSize, into: Instruction): number {
    this.code = code
    this.at = at
    this.start = at
    this.end = end
    try {
      const found = this.instruction(size, into)
      into.length = this.at - at
      return found ? DECODED : UNDEFINED
    } catch (error) {
      if (error === truncated) return NEEDS_MORE
      if (error === overlong) return TOO_LONG
      throw error
    }
  }

  private byte(): number {
    if (this.at - this.start >= LENGTH_MAX) throw overlong
    if (this.at >= this.end) throw truncated
    return this.code[this.at++]!
  }

  private word(): number {
    const low = this.byte()
    return low | (this.byte() << 8)
  }

  private double(): number {
    const low = this.word()
    return low | (this.word() << 16)
  }

  private instruction(size: CodeSize, i: Instruction): boolean {
    const opcode = this.prefixes(size, i)
    this.vex = false
    this.map = 0
    i.vvvv = 0
    i.vectorBytes = 16
    let byte = opcode
    if (this.isVex(byte, size)) {
      if (!this.readVex(byte, i, size)) return false
      byte = this.byte()
    } else if (byte === 0x0f) {
      byte = this.byte()
      this.map = 1
      if (byte === 0x38 || byte === 0x3a) {
        this.map = byte === 0x38 ? 2 : 3
        byte = this.byte()
      }
    }
    i.opcode = byte
    this.w = (this.rex >> 3) & 1
    // VEX.W chooses among instructions everywhere, but a general register of 64 bits in 64-bit mode only.
    i.wide = size === 8 && this.w === 1
    return this.select(size, i)
  }

  /** Reads prefixes and returns the byte after them. A REX counts only directly before the opcode. */
  private prefixes(size: CodeSize, i: Instruction): number {
    i.lock = false
    i.repeat = 0
    i.operandSizePrefix = false
    i.segment = SEGMENT_NONE
    i.addressSize = size
    this.rex = 0
    i.hasRex = false
    for (;;) {
      const byte = this.byte()
      if (size === 8 && (byte & 0xf0) === 0x40) {
        this.rex = byte
        i.hasRex = true
        continue
      }
      if (!this.prefix(byte, size, i)) return byte
      this.rex = 0
      i.hasRex = false
    }
  }

  private prefix(byte: number, size: CodeSize, i: Instruction): boolean {
    switch (byte) {
      case 0x66:
        i.operandSizePrefix = true
        return true
      case 0x67:
        i.addressSize = size === 4 ? 2 : 4
        return true
      case 0xf0:
        i.lock = true
        return true
      case 0xf2:
      case 0xf3:
        i.repeat = byte
        return true
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        // ES, CS, SS and DS overrides mean nothing in 64-bit mode (APM vol. 3, section 1.2.4).
        if (size !== 8) i.segment = (byte >> 3) & 3
        return true
      case 0x64:
      case 0x65:
        i.segment = byte - 0x60
        return true
      default:
        return false
    }
  }

  /** C4 and C5 are VEX in 64-bit mode, and elsewhere when the next byte looks like a register form of LES or LDS. */
  private isVex(byte: number, size: CodeSize): boolean {
    if (byte !== 0xc4 && byte !== 0xc5) return false
    if (size === 8) return true
    if (this.at >= this.end) throw truncated
    return this.code[this.at]! >= 0xc0
  }

  private readVex(first: number, i: Instruction, size: CodeSize): boolean {
    if (i.hasRex || i.lock || i.repeat !== 0 || i.operandSizePrefix) return false
    const second = this.byte()
    const last = first === 0xc4 ? this.byte() : second
    this.vex = true
    this.map = first === 0xc4 ? second & 31 : 1
    this.rex = 0x40 | ((~second >> 5) & 4)
    if (first === 0xc4) this.rex |= ((~second >> 5) & 3) | ((last >> 4) & 8)
    if (size !== 8) this.rex &= 0x48
    this.vvvv = (~last >> 3) & 15
    // Bit 3 is ignored outside of 64-bit mode, but only of what names a register.
    i.vvvv = size === 8 ? this.vvvv : this.vvvv & 7
    this.l = (last >> 2) & 1
    const pp = last & 3
    i.operandSizePrefix = pp === 1
    i.repeat = pp === 2 ? 0xf3 : pp === 3 ? 0xf2 : 0
    return this.map >= 1 && this.map <= 3
  }

  private mandatoryPrefix(i: Instruction): number {
    if (i.repeat === 0xf3) return PREFIX_F3
    if (i.repeat === 0xf2) return PREFIX_F2
    return i.operandSizePrefix ? PREFIX_66 : PREFIX_NONE
  }

  /** Finds the row, then reads ModRM, displacement and immediates. */
  private select(size: CodeSize, i: Instruction): boolean {
    const candidates = (this.vex ? this.table.vex : this.table.legacy)[this.map * 256 + i.opcode]!
    if (candidates.length === 0) return false
    let modrmRead = false
    const prefix = this.mandatoryPrefix(i)
    for (const row of candidates) {
      if (row.hasModrm && !modrmRead) {
        i.modrm = this.byte()
        modrmRead = true
      }
      if (this.matches(row, prefix, i, size)) return this.complete(row, size, i)
    }
    return false
  }

  private matches(row: CompiledRow, prefix: number, i: Instruction, size: CodeSize): boolean {
    if (row.prefix !== PREFIX_ANY && row.prefix !== prefix) return false
    if (row.w >= 0 && row.w !== this.w) return false
    if (row.vex && row.l !== VEX_L_ANY && row.l !== VEX_L_IGNORED && row.l !== this.l) return false
    const modes = row.row.options.modes
    if (modes !== undefined && (modes === 'o64') !== (size === 8)) return false
    if (!row.hasModrm) return true
    if (row.modrm >= 0 && row.modrm !== i.modrm) return false
    if (row.reg >= 0 && row.reg !== ((i.modrm >> 3) & 7)) return false
    return row.form < 0 || (row.form === 1) === i.modrm >= 0xc0
  }

  private complete(row: CompiledRow, size: CodeSize, i: Instruction): boolean {
    i.row = row
    this.operandSize(row, size, i)
    i.isMemory = false
    i.base = -1
    i.index = -1
    i.scale = 0
    i.displacement = 0
    if (row.vex && row.l !== VEX_L_IGNORED) i.vectorBytes = this.l ? 32 : 16
    if (row.hasModrm) this.modrm(row, size, i)
    else if (row.registerInOpcode) i.rm = (i.opcode & 7) | ((this.rex & 1) << 3)
    this.immediates(row, size, i)
    if (i.lock && !(row.row.options.lock && i.isMemory)) return false
    if (row.row.options.indexed && !this.gathers(i)) return false
    // VEX.vvvv must be 1111b (inverted: 0) where it names no operand (APM vol. 3, section 1.7.3).
    return !row.vex || this.vvvv === 0 || row.namesVvvv
  }

  /** Destination, index and mask of a gather are three registers (APM vol. 4, VGATHERDPD); a SIB byte there must be. */
  private gathers(i: Instruction): boolean {
    if (i.addressSize === 2 || (i.modrm & 7) !== 4) return false
    return i.reg !== i.index && i.reg !== i.vvvv && i.index !== i.vvvv
  }

  private operandSize(row: CompiledRow, size: CodeSize, i: Instruction): void {
    // A mandatory 66 is part of the opcode, not an operand-size prefix, but for MOVBE.
    const override = i.operandSizePrefix && (row.prefix !== PREFIX_66 || row.row.options.sizedBy66 === true)
    const rule = row.row.options.size64
    if (size === 8 && rule === 'f64') i.operandSize = 8
    else if (size === 8 && i.wide) i.operandSize = 8
    else if (size === 8 && rule === 'd64') i.operandSize = override ? 2 : 8
    else i.operandSize = (size === 2) !== override ? 2 : 4
  }

  private modrm(row: CompiledRow, size: CodeSize, i: Instruction): void {
    i.reg = ((i.modrm >> 3) & 7) | ((this.rex & 4) << 1)
    i.rm = (i.modrm & 7) | ((this.rex & 1) << 3)
    // Moves to and from control and debug registers ignore ModRM.mod (APM vol. 3, MOV CRn).
    if (i.modrm >= 0xc0 || row.systemRegister) return
    i.isMemory = true
    if (i.addressSize === 2) this.memory16(i)
    else this.memory32(size, i)
  }

  /** APM vol. 3, table 1-13: 16-bit addressing forms. */
  private memory16(i: Instruction): void {
    const mod = i.modrm >> 6
    const rm = i.modrm & 7
    const bases = [3, 3, 5, 5, 6, 7, 5, 3]
    const indexes = [6, 7, 6, 7, -1, -1, -1, -1]
    i.base = bases[rm]!
    i.index = indexes[rm]!
    if (mod === 0 && rm === 6) {
      i.base = -1
      i.displacement = this.word()
    } else if (mod === 1) i.displacement = (this.byte() << 24) >> 24
    else if (mod === 2) i.displacement = (this.word() << 16) >> 16
  }

  private memory32(size: CodeSize, i: Instruction): void {
    const mod = i.modrm >> 6
    let base = i.modrm & 7
    let noBase = mod === 0 && base === 5
    if (base === 4) {
      const sib = this.byte()
      const index = ((sib >> 3) & 7) | ((this.rex & 2) << 2)
      i.scale = sib >> 6
      i.index = index === 4 && !i.row.row.options.indexed ? -1 : index
      base = sib & 7
      noBase = mod === 0 && base === 5
    } else if (noBase && size === 8) {
      i.base = BASE_RIP
      i.displacement = this.double()
      return
    }
    i.base = noBase ? -1 : base | ((this.rex & 1) << 3)
    if (noBase || mod === 2) i.displacement = this.double()
    else if (mod === 1) i.displacement = (this.byte() << 24) >> 24
  }

  private immediates(row: CompiledRow, size: CodeSize, i: Instruction): void {
    i.immediate = 0
    i.immediateHigh = 0
    let second = false
    for (const operand of row.inBytes) {
      if (operand.class === 'L') i.immediate = this.byte()
      else if (operand.class === 'I' || operand.class === 'J') {
        const value = this.immediate(operand.class, operand.size, size, i)
        if (second) i.immediateHigh = value
        else i.immediate = value
        second = true
      } else if (operand.class === 'O') this.memoryOffset(i)
      else if (operand.class === 'A') {
        i.immediate = i.operandSize === 2 ? this.word() : this.double()
        i.immediateHigh = this.word()
      }
    }
  }

  private immediate(kind: 'I' | 'J', letter: string, size: CodeSize, i: Instruction): number {
    switch (letter) {
      case 'b':
      case 's':
        return (this.byte() << 24) >> 24
      case 'w':
        return (this.word() << 16) >> 16
      case 'd':
        return this.double()
      case 'v':
        if (i.operandSize === 8) {
          const low = this.double()
          i.immediateHigh = this.double()
          return low
        }
        return i.operandSize === 2 ? (this.word() << 16) >> 16 : this.double()
      default: {
        // z. AMD: a 66 prefix shortens near branches to 16 bits in 64-bit mode too (APM vol. 3, section 1.2.3).
        const short = kind === 'J' && size === 8 ? i.operandSizePrefix && !i.wide : i.operandSize === 2
        return short ? (this.word() << 16) >> 16 : this.double()
      }
    }
  }

  private memoryOffset(i: Instruction): void {
    i.isMemory = true
    i.displacement = i.addressSize === 2 ? this.word() : this.double()
    i.immediateHigh = i.addressSize === 8 ? this.double() : 0
  }
}
