/** Generic lowering of what the kernel's helpers execute: one record per instruction (docs/core.md). */

import type { Operand } from '../../decode/table.js'
import * as S from '../../state/layout.js'
import { type Lowering, operandBytes } from '../lowering.js'
import * as op from '../ops.js'
import * as V from '../vector-ids.js'

const IN_MEMORY = 0xff

const isVectorRegister = (kind: Operand['class']): boolean => kind === 'V' || kind === 'P'

/** Field d: the operand named by ModRM.reg, the low bits of the opcode or a fixed register. */
function fieldD(l: Lowering): number {
  const { i } = l
  for (const operand of i.row.operands) {
    if (operand.class === 'G') return l.register(i.reg, operandBytes(i, operand))
    if (isVectorRegister(operand.class)) return operand.class === 'P' ? i.reg & 7 : i.reg
    // REX.R names control and debug registers beyond the seventh; of segment registers there are but six, and it is ignored.
    if (operand.class === 'S') return i.reg & 7
    if (operand.class === 'C' || operand.class === 'D') return i.reg
    if (operand.class === 'fixed' && segmentNames.includes(operand.text)) return segmentNames.indexOf(operand.text)
  }
  return i.row.hasModrm ? i.reg & 7 : 0
}

const segmentNames = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS']

/** The operand that ModRM.rm or the low opcode bits name. */
function memoryOperand(l: Lowering): Operand | undefined {
  return l.i.row.operands.find((operand) => 'EMRUWQNOZ'.includes(operand.class) && operand.class.length === 1)
}

/** Field a: register-file offset or vector register number, or IN_MEMORY with the linear address in T0. */
function fieldA(l: Lowering, write: boolean): number {
  const { i } = l
  const operand = memoryOperand(l)
  if (i.isMemory) {
    l.addressInto(S.T0, operand ? operandBytes(i, operand) : 1, write)
    return IN_MEMORY
  }
  if (!operand) return 0
  if (operand.class === 'U' || operand.class === 'W') return i.rm
  if (operand.class === 'N' || operand.class === 'Q') return i.rm & 7
  return l.register(i.rm, operandBytes(i, operand))
}

/** Field b: bytes of the general operand where the encoding says so, else the operand size; 8 with REX.W. */
function fieldB(l: Lowering): number {
  const { i } = l
  for (const operand of i.row.operands) {
    if (!'EGMR'.includes(operand.class)) continue
    const letter = operand.size
    if (letter === 'b' || letter === 'w' || letter === 'v' || letter === 'y') return operandBytes(i, operand)
  }
  return i.wide ? 8 : i.operandSize
}

function fieldC(l: Lowering): number {
  const { i } = l
  return (i.lock ? 1 : 0) | (i.repeat === 0xf3 ? 2 : i.repeat === 0xf2 ? 4 : 0) | (i.addressSize << 4)
}

/** Outside 64-bit mode the segment is then checked for writing. */
const writesMemory = (l: Lowering): boolean => {
  const { operands, row } = l.i.row
  return !row.options.reads && operands[0] !== undefined && 'EMWQ'.includes(operands[0].class)
}

/** HLP record. imm2: the immediate; for VEX forms the register in VEX.vvvv; for far pointers the offset, with the selector in T1. */
export function lowerHelper(l: Lowering, helper: number, endsBlock: boolean): void {
  const { i, e } = l
  const vvvv = i.row.operands.some((operand) => operand.class === 'B')
  const a = fieldA(l, writesMemory(l))
  if (i.row.operands.some((operand) => operand.class === 'A')) e.emit(op.OP_MOVI32, S.T1, 0, 0, 0, i.immediateHigh & 0xffff)
  if (i.segment >= 0) e.emit(op.OP_MOVI32, S.T2, 0, 0, 0, i.segment)
  else e.emit(op.OP_MOVI32, S.T2, 0, 0, 0, 0xff)
  e.emit(op.OP_HLP, fieldD(l), a, fieldB(l), fieldC(l), helper | (i.length << 16), vvvv ? i.vvvv * 8 : i.immediate)
  if (endsBlock) l.jump(op.OP_NEXT, l.nextOffset, op.LINK_NEVER)
}

/** MASKMOVQ and MASKMOVDQU store at rDI, in DS or the segment of an override (APM vol. 4 and 5). */
function implicitDestination(l: Lowering): void {
  l.i.base = 7
  l.i.index = -1
  l.i.displacement = 0
  l.addressInto(S.T0, operandBytes(l.i, l.i.row.operands[0]!), true)
}

/** imm2 of the VEX forms: the immediate byte, VEX.vvvv in bits 11:8, and bit 12 for vectors of 256 bits. */
function vexOperands(l: Lowering): number {
  const { i } = l
  let immediate = i.immediate & 0xff
  // A register in the immediate has three bits outside 64-bit mode (APM vol. 4, section 1.1.3).
  if (!l.long && i.row.operands.some((operand) => operand.class === 'L')) immediate &= 0x7f
  if (i.row.row.options.indexed) immediate = i.index | (i.scale << 4)
  return immediate | (i.vvvv << 8) | (i.vectorBytes === 32 ? 0x1000 : 0)
}

/** Elements are addressed one by one: the effective address (of a gather without its index) into T1, the segment into T2. */
function lowerElements(l: Lowering, vector: number): void {
  const { i, e } = l
  const operands = vexOperands(l)
  if (i.row.row.options.indexed) i.index = -1
  l.effective(S.T1)
  e.emit(op.OP_MOVI32, S.T2, 0, 0, 0, l.dataSegment())
  e.emit(op.OP_VEC, fieldD(l), IN_MEMORY, i.operandSize, i.addressSize << 4, vector | (i.length << 16), operands)
}

/** VEC record. imm2: the immediate byte, and a second one (EXTRQ, INSERTQ) in bits 15:8; of VEX forms see vexOperands. */
export function lowerVector(l: Lowering, vector: number): void {
  const { i, e } = l
  if (vector >= V.V_VTEST_END && vector < V.V_GATHER_END) return lowerElements(l, vector)
  const a = fieldA(l, writesMemory(l))
  if (vector === V.V_MASKMOVQ || vector === V.V_MASKMOVDQU || vector === V.V_VEX + V.V_MASKMOVDQU) implicitDestination(l)
  const immediates = i.row.vex ? vexOperands(l) : (i.immediate & 0xff) | ((i.immediateHigh & 0xff) << 8)
  e.emit(op.OP_VEC, fieldD(l), a, i.wide ? 8 : i.operandSize, i.addressSize << 4, vector | (i.length << 16), immediates)
}

export function lowerX87(l: Lowering, x87: number): void {
  const { i, e } = l
  if (i.isMemory) {
    l.effective(S.T1)
    e.emit(op.OP_MOVI32, S.T2, 0, 0, 0, l.dataSegment())
    l.addressInto(S.T0, memoryOperand(l) ? operandBytes(i, memoryOperand(l)!) : 1, writesMemory(l))
  }
  const opcode = ((i.opcode & 7) << 8) | i.modrm
  e.emit(op.OP_X87, i.rm & 7, i.isMemory ? IN_MEMORY : 0, i.wide ? 8 : i.operandSize, 0, x87 | (i.length << 16), opcode)
}
