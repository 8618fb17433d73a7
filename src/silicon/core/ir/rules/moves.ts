/** Lowering of moves, extensions, exchanges, flag instructions, conditional moves and bit instructions. */

import { H_BIT_MEMORY } from '../helper-ids.js'
import * as S from '../../state/layout.js'
import { type Lowering, operandBytes, sizeNumber } from '../lowering.js'
import * as op from '../ops.js'

type Rule = (l: Lowering) => void

const moves = [op.OP_MOV8, op.OP_MOV16, op.OP_MOV32, op.OP_MOV64]
/** Loads that write a whole register as MOV does: bytes and words leave the rest. */
const partialLoads = [op.OP_LD_P8_BD, op.OP_LD_P16_BD, op.OP_LD_Z32_BD, op.OP_LD_Z64_BD]

function moveImmediate(l: Lowering, d: number, size: number): void {
  const { e, i } = l
  if (size === 3 && i.row.operands[1]?.size === 'v') e.emit(op.OP_MOVI64, d, 0, 0, 0, i.immediate, i.immediateHigh)
  else if (size === 3) e.emit(op.OP_MOVI64S, d, 0, 0, 0, i.immediate)
  else if (size === 2) e.emit(op.OP_MOVI32, d, 0, 0, 0, i.immediate)
  else e.emit(size === 1 ? op.OP_MOVI16 : op.OP_MOVI8, d, 0, 0, 0, i.immediate)
}

function storeImmediate(l: Lowering, bytes: number): void {
  const at = l.address(bytes, true)
  const size = sizeNumber(bytes)
  if (at.index < 0) l.e.emit(op.OP_STI8 + size, 0, at.base, 0, 0, at.displacement, l.i.immediate)
  else {
    l.e.emit(op.OP_MOVI64S, S.T1, 0, 0, 0, l.i.immediate)
    l.store(size, S.T1)
  }
}

const isMemoryOperand = (l: Lowering, n: number): boolean => {
  const kind = l.i.row.operands[n]?.class
  return kind === 'O' || ((kind === 'E' || kind === 'M') && l.i.isMemory)
}

const move: Rule = (l) => {
  const [destination, source] = l.i.row.operands
  if (!destination || !source) throw new Error('MOV without two operands')
  const bytes = operandBytes(l.i, destination)
  const size = sizeNumber(bytes)
  if (isMemoryOperand(l, 0)) {
    if (source.class === 'I') {
      storeImmediate(l, bytes)
      return
    }
    l.address(bytes, true)
    l.store(size, source.class === 'fixed' ? S.RAX : l.register(l.i.reg, bytes))
    return
  }
  const d = destination.class === 'fixed' ? S.RAX : l.register(destination.class === 'G' ? l.i.reg : l.i.rm, bytes)
  if (source.class === 'I') moveImmediate(l, d, size)
  else if (isMemoryOperand(l, 1)) {
    l.address(bytes, false)
    l.load(partialLoads[size]!, d)
  } else l.e.emit(moves[size]!, d, l.register(source.class === 'G' ? l.i.reg : l.i.rm, bytes))
}

/** Register and load forms of an extension, by source bytes and destination size number. */
function extension(signed: boolean, from: number, size: number): { register: number; load: number } {
  if (from === 4)
    return size === 3 ? { register: op.OP_SX32_64, load: op.OP_LD_S32_64_BD } : { register: op.OP_MOV32, load: op.OP_LD_Z32_BD }
  if (!signed) {
    if (size === 1) return from === 1 ? { register: op.OP_ZX8_16, load: -1 } : { register: op.OP_MOV16, load: op.OP_LD_P16_BD }
    return from === 1 ? { register: op.OP_ZX8, load: op.OP_LD_Z8_BD } : { register: op.OP_ZX16, load: op.OP_LD_Z16_BD }
  }
  if (size === 1) return from === 1 ? { register: op.OP_SX8_16, load: op.OP_LD_S8_16_BD } : { register: op.OP_MOV16, load: op.OP_LD_P16_BD }
  if (from === 1)
    return size === 3 ? { register: op.OP_SX8_64, load: op.OP_LD_S8_64_BD } : { register: op.OP_SX8_32, load: op.OP_LD_S8_32_BD }
  return size === 3 ? { register: op.OP_SX16_64, load: op.OP_LD_S16_64_BD } : { register: op.OP_SX16_32, load: op.OP_LD_S16_32_BD }
}

function extend(signed: boolean): Rule {
  return (l) => {
    const source = l.i.row.operands[1]
    if (!source) throw new Error('extension without a source')
    const from = operandBytes(l.i, source)
    const d = l.register(l.i.reg, l.i.operandSize)
    if (from === 4 && l.i.operandSize === 2) {
      // MOVSXD with a 16-bit operand moves 16 bits.
      l.e.emit(op.OP_MOV16, d, l.source(source, S.T1))
      return
    }
    const forms = extension(signed, from, sizeNumber(l.i.operandSize))
    if (!l.i.isMemory || forms.load < 0) l.e.emit(forms.register, d, l.source(source, S.T1))
    else {
      l.address(from, false)
      l.load(forms.load, d)
    }
  }
}

const loadAddress: Rule = (l) => {
  const d = l.register(l.i.reg, l.i.operandSize)
  if (l.i.operandSize === 8) l.effective(d)
  else {
    l.effective(S.T1)
    l.e.emit(l.i.operandSize === 4 ? op.OP_MOV32 : op.OP_MOV16, d, S.T1)
  }
}

const exchange: Rule = (l) => {
  const [first, second] = l.i.row.operands
  if (!first || !second) throw new Error('XCHG without two operands')
  const bytes = operandBytes(l.i, first)
  const size = sizeNumber(bytes)
  if (second.class === 'fixed') {
    // 90 alone is NOP: it does not clear the upper half of RAX (APM vol. 3, NOP).
    if (l.i.rm !== 0) l.e.emit(op.OP_XCHG8 + size, l.register(l.i.rm, bytes), S.RAX)
    else if (l.i.operandSize === 4 && l.i.hasRex && l.i.wide) l.e.emit(op.OP_MOV64, S.RAX, S.RAX)
    return
  }
  const register = l.register(l.i.reg, bytes)
  if (!l.i.isMemory) {
    l.e.emit(op.OP_XCHG8 + size, l.register(l.i.rm, bytes), register)
    return
  }
  l.addressInto(S.T0, bytes, true)
  l.e.emit(op.OP_LDW8 + size, S.T1, S.T0)
  l.e.emit(op.OP_ST8_BD + size, register, S.T0)
  l.e.emit(moves[size]!, register, S.T1)
}

const byteSwap: Rule = (l) => {
  const d = l.register(l.i.rm, 8)
  if (l.i.operandSize === 8) l.e.emit(op.OP_BSWAP64, d)
  else if (l.i.operandSize === 4) l.e.emit(op.OP_BSWAP32, d)
  // With a 16-bit operand the result is undefined; real processors clear the register's low word.
  else l.e.emit(op.OP_MOVI16, d)
}

const convert: Rule = (l) => {
  const code = l.i.operandSize === 8 ? op.OP_SX32_64 : l.i.operandSize === 4 ? op.OP_SX16_32 : op.OP_SX8_16
  l.e.emit(code, S.RAX, S.RAX)
}

const translate: Rule = (l) => {
  const { e, i } = l
  i.base = 3
  i.index = -1
  i.displacement = 0
  i.isMemory = true
  e.emit(op.OP_ZX8, S.T5, S.RAX)
  const mask = i.addressSize === 8 ? op.OP_LEA_BIS : op.OP_LEA32_BIS
  e.emit(mask, S.T6, S.RBX, S.T5, 0, 0)
  if (i.addressSize === 2) e.emit(op.OP_ZX16, S.T6, S.T6)
  const segment = i.segment < 0 ? S.DS : i.segment
  if (l.long) {
    if (segment >= S.FS) e.emit(op.OP_LEA_BIS, S.T6, S.T6, S.SEG_BASE + segment * 8, 0, 0)
  } else e.emit(op.OP_SEGMENT, S.T6, S.T6, segment, 1, -1, 0)
  e.emit(op.OP_LD_P8_BD, S.RAX, S.T6)
}

const flag =
  (what: number): Rule =>
  (l) =>
    l.e.emit(op.OP_FLAG, 0, 0, 0, 0, what)

/** AL = CF ? FF : 00. */
const carryIntoAl: Rule = ({ e }) => {
  e.emit(op.OP_MOVI64S, S.T1)
  e.emit(op.OP_SETB, S.T1)
  e.emit(op.OP_SUBN64, S.T1, S.ZERO, S.T1)
  e.emit(op.OP_MOV8, S.RAX, S.T1)
}

const setCondition: Rule = (l) => {
  const condition = op.OP_SETO + (l.i.opcode & 15)
  if (!l.i.isMemory) {
    l.e.emit(condition, l.register(l.i.rm, 1))
    return
  }
  l.address(1, true)
  l.e.emit(condition, S.T1)
  l.store(0, S.T1)
}

const conditionalMove: Rule = (l) => {
  const source = l.i.row.operands[1]
  if (!source) throw new Error('CMOV without a source')
  const from = l.source(source, S.T1)
  const size = sizeNumber(l.i.operandSize)
  l.e.emit(op.OP_CMOV16 + size - 1, l.register(l.i.reg, 8), from, 0, l.i.opcode & 15)
}

/** Where addresses of 64 bits are computed, T0 is linear; elsewhere it is the offset in segment a, which wraps with the bit number added. */
function bitString(l: Lowering, number: number, kind: number): void {
  const linear = l.long && l.i.addressSize === 8
  if (linear) l.addressInto(S.T0, 1, kind > 0)
  else l.effective(S.T0)
  l.e.emit(
    op.OP_HLP,
    number,
    linear ? 0xff : l.dataSegment(),
    l.i.operandSize,
    l.i.addressSize << 4,
    H_BIT_MEMORY | (l.i.length << 16),
    kind,
  )
}

/** BT and its kin: a register bit number reaches beyond a memory operand, an immediate one does not. */
function bit(kind: number): Rule {
  return (l) => {
    const bytes = l.i.operandSize
    const size = sizeNumber(bytes)
    const byRegister = l.i.row.operands[1]?.class === 'G'
    const c = size | (kind << 2)
    if (!byRegister) l.e.emit(op.OP_MOVI64S, S.T2, 0, 0, 0, l.i.immediate & 0xff)
    const number = byRegister ? l.register(l.i.reg, 8) : S.T2
    if (!l.i.isMemory) {
      l.e.emit(op.OP_BIT, l.register(l.i.rm, 8), 0, number, c)
      return
    }
    if (byRegister) {
      bitString(l, number, kind)
      return
    }
    l.addressInto(S.T0, bytes, kind > 0)
    l.e.emit((kind > 0 ? op.OP_LDW8 : op.OP_LD_Z8_BD) + size, S.T3, S.T0)
    l.e.emit(op.OP_BIT, S.T3, 0, number, c)
    if (kind > 0) l.e.emit(op.OP_ST8_BD + size, S.T3, S.T0)
  }
}

const scan =
  (kind: number): Rule =>
  (l) => {
    const source = l.i.row.operands[1]
    if (!source) throw new Error('scan without a source')
    l.e.emit(op.OP_SCAN, l.register(l.i.reg, 8), l.source(source, S.T1), 0, sizeNumber(l.i.operandSize) | (kind << 2))
  }

export const moveRules: Readonly<Record<string, Rule>> = {
  MOV: move,
  MOVZX: extend(false),
  MOVSX: extend(true),
  LEA: loadAddress,
  XCHG: exchange,
  BSWAP: byteSwap,
  CBW: convert,
  CWD: (l) => l.e.emit(op.OP_SIGN, 0, 0, 0, sizeNumber(l.i.operandSize)),
  XLAT: translate,
  CLC: flag(0),
  STC: flag(1),
  CMC: flag(2),
  CLD: flag(3),
  STD: flag(4),
  LAHF: flag(5),
  SAHF: flag(6),
  SALC: carryIntoAl,
  SETcc: setCondition,
  CMOVcc: conditionalMove,
  BT: bit(0),
  BTS: bit(1),
  BTR: bit(2),
  BTC: bit(3),
  BSF: scan(0),
  BSR: scan(1),
  TZCNT: scan(2),
  LZCNT: scan(3),
  POPCNT: scan(4),
  NOP: () => undefined,
}
