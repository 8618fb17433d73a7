/** One decoded instruction. The decoder fills the same object again and again. */

import type { CompiledRow } from './table.js'

export const SEGMENT_NONE = -1

export class Instruction {
  row!: CompiledRow
  /** Bytes, 1..15. */
  length = 0
  opcode = 0
  /** Operand size in bytes: 2, 4 or 8. */
  operandSize = 4
  /** Address size in bytes: 2, 4 or 8. */
  addressSize = 8
  /** REX or VEX W. */
  wide = false
  /** A REX prefix is present: SPL, BPL, SIL, DIL instead of AH, CH, DH, BH. */
  hasRex = false
  lock = false
  /** 0, 0xf3 or 0xf2. */
  repeat = 0
  operandSizePrefix = false
  /** Segment override 0..5, or SEGMENT_NONE. */
  segment = SEGMENT_NONE
  modrm = 0
  /** ModRM.reg with REX.R. */
  reg = 0
  /** ModRM.rm with REX.B (register form); also the register in the opcode. */
  rm = 0
  isMemory = false
  /** Memory operand: register numbers or -1; base 16 = RIP. */
  base = -1
  index = -1
  scale = 0
  displacement = 0
  /** Bytes of a vector: 16, or 32 with VEX.L. */
  vectorBytes = 16
  /** VEX.vvvv. */
  vvvv = 0
  /** Immediate, sign-extended from its own size to 32 bits; low half of a 64-bit one. */
  immediate = 0
  /** High half of a 64-bit immediate or memory offset; the second immediate of ENTER; the selector of a far pointer. */
  immediateHigh = 0
}

export const BASE_RIP = 16
