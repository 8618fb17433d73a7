/** Lowering of arithmetic, logic and shifts. APM vol. 3, each instruction's page. */

import * as S from '../../state/layout.js'
import { type Lowering, operandBytes, sizeNumber } from '../lowering.js'
import * as kinds from '../bmi-kinds.js'
import * as op from '../ops.js'

type Rule = (l: Lowering) => void

const families = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP', 'TEST'] as const

/** d = d op source, where the destination may be memory. CMP and TEST do not write. */
function binary(family: number): Rule {
  const writes = family < 7
  return (l) => {
    const [destination, source] = l.i.row.operands
    if (!destination || !source) throw new Error('binary operation without two operands')
    const bytes = operandBytes(l.i, destination)
    const size = sizeNumber(bytes)
    const memory = destination.class === 'E' && l.i.isMemory
    let d: number
    if (memory) {
      d = S.T1
      if (writes) {
        l.addressInto(S.T0, bytes, true)
        l.e.emit(op.OP_LDW8 + size, S.T1, S.T0)
      } else {
        l.address(bytes, false)
        l.load(op.OP_LD_Z8_BD + size, S.T1)
      }
    } else d = destination.class === 'fixed' ? S.RAX : l.register(destination.class === 'G' ? l.i.reg : l.i.rm, bytes)
    const to = writes ? d : 0
    if (source.class === 'I') l.e.emit(op.OP_ADDI8 + family * 4 + size, to, d, 0, 0, l.i.immediate)
    else l.e.emit(op.OP_ADD8 + family * 4 + size, to, d, l.source(source, S.T2))
    if (memory && writes) l.e.emit(op.OP_ST8_BD + size, S.T1, S.T0)
  }
}

/** Reads, changes and writes back the one operand. `change` emits the operation on the slot. */
function modify(l: Lowering, change: (slot: number, size: number) => void): void {
  const operand = l.i.row.operands[0]
  if (!operand) throw new Error('operation without an operand')
  const bytes = operandBytes(l.i, operand)
  const size = sizeNumber(bytes)
  if (!l.i.isMemory) {
    change(l.register(l.i.rm, bytes), size)
    return
  }
  l.addressInto(S.T0, bytes, true)
  l.e.emit(op.OP_LDW8 + size, S.T3, S.T0)
  change(S.T3, size)
  l.e.emit(op.OP_ST8_BD + size, S.T3, S.T0)
}

const unary =
  (first: number): Rule =>
  (l) =>
    modify(l, (slot, size) => l.e.emit(first + size, slot, slot))

/** Count operand of a shift: a constant, or -1 for CL. */
function shiftCount(l: Lowering): number {
  const count = l.i.row.operands.at(-1)
  if (count?.class === 'I') return l.i.immediate & 0xff
  return count?.text === '1' ? 1 : -1
}

/** A count of zero changes nothing but the upper half of a 32-bit destination. */
function keep(l: Lowering, slot: number, size: number): void {
  if (size === 2) l.e.emit(op.OP_MOV32, slot, slot)
}

function shift(byImmediate: number, byRegister: number): Rule {
  return (l) =>
    modify(l, (slot, size) => {
      const constant = shiftCount(l)
      if (constant < 0) {
        l.e.emit(byRegister + size, slot, slot, S.RCX)
        return
      }
      const count = constant & (size === 3 ? 63 : 31)
      if (count === 0) keep(l, slot, size)
      else l.e.emit(byImmediate + size, slot, slot, 0, 0, count)
    })
}

function rotate(kind: number): Rule {
  return (l) =>
    modify(l, (slot, size) => {
      const constant = shiftCount(l)
      if (constant >= 0) l.e.emit(op.OP_MOVI64S, S.T4, 0, 0, 0, constant)
      l.e.emit(op.OP_ROTATE, slot, slot, constant < 0 ? S.RCX : S.T4, size | (kind << 2))
    })
}

/** SHLD and SHRD: the count stands in T1. */
function shiftDouble(right: number): Rule {
  return (l) =>
    modify(l, (slot, size) => {
      const constant = shiftCount(l)
      if (constant < 0) l.e.emit(op.OP_MOV64, S.T1, S.RCX)
      else l.e.emit(op.OP_MOVI64S, S.T1, 0, 0, 0, constant)
      l.e.emit(op.OP_SHIFT_DOUBLE, slot, slot, l.register(l.i.reg, 8), size | (right << 2))
    })
}

function single(opcode: number, signed: number): Rule {
  return (l) => {
    const operand = l.i.row.operands[0]
    if (!operand) throw new Error('multiplication without an operand')
    l.e.emit(opcode, 0, l.source(operand, S.T1), 0, sizeNumber(operandBytes(l.i, operand)) | (signed << 2))
  }
}

const multiplyTwo: Rule = (l) => {
  const d = l.register(l.i.reg, l.i.operandSize)
  const source = l.i.row.operands[1]
  if (!source) throw new Error('IMUL without a source')
  l.e.emit(op.OP_IMUL16 + sizeNumber(l.i.operandSize) - 1, d, d, l.source(source, S.T1))
}

const multiplyThree: Rule = (l) => {
  const [, source] = l.i.row.operands
  if (!source) throw new Error('IMUL without a source')
  const slot = l.source(source, S.T1)
  l.e.emit(op.OP_MOVI64S, S.T2, 0, 0, 0, l.i.immediate)
  l.e.emit(op.OP_IMUL16 + sizeNumber(l.i.operandSize) - 1, l.register(l.i.reg, 8), slot, S.T2)
}

/** Operands of the VEX forms: d by ModRM.reg or VEX.vvvv, a by ModRM.rm, b by VEX.vvvv. */
function bmi(kind: number): Rule {
  return (l) => {
    const { operands } = l.i.row
    const named = operands.find((operand) => operand.class === 'E')
    if (!named) throw new Error('BMI operation without a source')
    const other = l.i.vvvv * 8
    const d = operands[0]!.class === 'B' ? other : l.register(l.i.reg, 8)
    const b = operands.some((operand, n) => n > 0 && operand.class === 'B') ? other : S.ZERO
    const size = sizeNumber(operandBytes(l.i, named))
    l.e.emit(op.OP_BMI, d, l.source(named, S.T1), b, size | (kind << 2), operands.at(-1)!.class === 'I' ? l.i.immediate : 0)
  }
}

const multiplyApart: Rule = (l) => {
  const [, , source] = l.i.row.operands
  if (!source) throw new Error('MULX without a source')
  const size = sizeNumber(operandBytes(l.i, source))
  l.e.emit(op.OP_MULTIPLY_APART, l.register(l.i.reg, 8), l.source(source, S.T1), l.i.vvvv * 8, size)
}

/** ADCX and ADOX. */
function addCarry(overflow: number): Rule {
  return (l) => {
    const [, source] = l.i.row.operands
    if (!source) throw new Error('ADCX or ADOX without a source')
    const size = sizeNumber(operandBytes(l.i, source))
    l.e.emit(op.OP_ADD_CARRY, l.register(l.i.reg, 8), l.source(source, S.T1), 0, size | (overflow << 2))
  }
}

export const arithmeticRules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(families.map((name, n) => [name, binary(n)])),
  INC: unary(op.OP_INC8),
  DEC: unary(op.OP_DEC8),
  NEG: unary(op.OP_NEG8),
  NOT: unary(op.OP_NOT8),
  SHL: shift(op.OP_SHLI8, op.OP_SHL8),
  SHR: shift(op.OP_SHRI8, op.OP_SHR8),
  SAR: shift(op.OP_SARI8, op.OP_SAR8),
  ROL: rotate(0),
  ROR: rotate(1),
  RCL: rotate(2),
  RCR: rotate(3),
  SHLD: shiftDouble(0),
  SHRD: shiftDouble(1),
  MUL: single(op.OP_MULTIPLY, 0),
  IMUL: single(op.OP_MULTIPLY, 1),
  DIV: single(op.OP_DIVIDE, 0),
  IDIV: single(op.OP_DIVIDE, 1),
  IMUL2: multiplyTwo,
  IMUL3: multiplyThree,
  MULX: multiplyApart,
  ADCX: addCarry(0),
  ADOX: addCarry(1),
  ANDN: bmi(kinds.BMI_ANDN),
  BEXTR: bmi(kinds.BMI_BEXTR),
  BZHI: bmi(kinds.BMI_BZHI),
  BLSR: bmi(kinds.BMI_BLSR),
  BLSMSK: bmi(kinds.BMI_BLSMSK),
  BLSI: bmi(kinds.BMI_BLSI),
  PDEP: bmi(kinds.BMI_PDEP),
  PEXT: bmi(kinds.BMI_PEXT),
  SHLX: bmi(kinds.BMI_SHLX),
  SHRX: bmi(kinds.BMI_SHRX),
  SARX: bmi(kinds.BMI_SARX),
  RORX: bmi(kinds.BMI_RORX),
}
