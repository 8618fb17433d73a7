/** Lowering of near control transfers, the stack and strings. */

import * as id from '../helper-ids.js'
import * as S from '../../state/layout.js'
import { type Lowering, operandBytes } from '../lowering.js'
import * as op from '../ops.js'

type Rule = (l: Lowering) => void

const UD = 6

/** Link of a direct jump: jumps with 16-bit operands cut RIP to 16 bits. */
function link(l: Lowering): number {
  if (l.i.operandSize === 2) return op.LINK_16
  return l.mode & S.MODE_SINGLE ? op.LINK_NEVER : op.LINK_UNRESOLVED
}

/** Link of the way past an untaken branch. */
function fallLink(l: Lowering): number {
  return l.mode & S.MODE_SINGLE ? op.LINK_NEVER : op.LINK_UNRESOLVED
}

/** Field b of indirect transfers: 1 = something is due after this one instruction, so the dispatcher finds what comes next. */
const single = (l: Lowering): number => (l.mode & S.MODE_SINGLE ? 1 : 0)

const target = (l: Lowering): number => l.nextOffset + l.i.immediate

const fusible = [2, 3, 4, 5, 6, 7, 12, 13, 14, 15]
const fusibleTests = [4, 5, 8, 9]

/** The fused operation for the comparison emitted last and `condition`, or -1. */
function fused(last: number, condition: number): number {
  const sizes = (first: number): number => [0, -1, 1, 2][last - first]!
  if (last >= op.OP_CMP8 && last <= op.OP_CMP64) return place(op.OP_CMPJ_B_8, fusible, sizes(op.OP_CMP8), condition)
  if (last >= op.OP_CMPI8 && last <= op.OP_CMPI64) return place(op.OP_CMPIJ_B_8, fusible, sizes(op.OP_CMPI8), condition)
  if (last >= op.OP_TEST8 && last <= op.OP_TEST64) return place(op.OP_TESTJ_E_8, fusibleTests, sizes(op.OP_TEST8), condition)
  if (last >= op.OP_TESTI8 && last <= op.OP_TESTI64) return place(op.OP_TESTIJ_E_8, fusibleTests, sizes(op.OP_TESTI8), condition)
  return -1
}

function place(first: number, conditions: readonly number[], size: number, condition: number): number {
  const n = conditions.indexOf(condition)
  return n < 0 || size < 0 ? -1 : first + n * 3 + size
}

const conditional: Rule = (l) => {
  const condition = l.i.opcode & 15
  const fusion = l.e.instructions > 1 ? fused(l.e.lastOp(), condition) : -1
  // The fused record keeps the place of the comparison: should the block be dropped there, the comparison is run again.
  if (fusion >= 0) l.e.replaceLastOp(fusion, l.e.instructions)
  else l.e.emit(op.OP_JO + condition, 0, 0, 0, l.e.instructions)
  l.e.extension(target(l), link(l), l.nextOffset, fallLink(l))
  l.e.ended = true
}

const jump: Rule = (l) => l.jump(op.OP_JMP, target(l), link(l))

const jumpIndirect: Rule = (l) => {
  const operand = l.i.row.operands[0]
  if (!operand) throw new Error('JMP without a target')
  const slot = l.source(operand, S.T1)
  l.e.emit(op.OP_JMPI, limited(l) ? 1 : 0, extended(l, slot), single(l), l.e.instructions)
  l.e.ended = true
}

/** Where RIP may lie beyond the limit of CS. */
const limited = (l: Lowering): boolean => !l.long && (l.mode & S.MODE_FLAT) === 0

/** Slot with a branch target of the operand size zero-extended to 64 bits. */
function extended(l: Lowering, slot: number): number {
  if (l.i.operandSize === 8) return slot
  l.e.emit(l.i.operandSize === 4 ? op.OP_MOV32 : op.OP_ZX16, S.T1, slot)
  return S.T1
}

function helperCall(l: Lowering, helper: number, a: number, imm2 = 0): void {
  l.e.emit(op.OP_HLP, 0, a, l.i.operandSize, l.i.addressSize << 4, helper | (l.i.length << 16), imm2)
}

/** Near call outside the flat stack of 64-bit mode: the target in T1. */
function legacyCall(l: Lowering): void {
  helperCall(l, id.H_NEAR_CALL, S.T1)
  l.e.ended = true
}

const call: Rule = (l) => {
  if (fastStack(l)) {
    l.e.emit(op.OP_CALL, 0, l.nextOffset & 0xff, l.nextOffset >> 8, l.e.instructions, target(l), link(l))
    l.e.ended = true
    return
  }
  l.e.emit(l.i.operandSize === 8 ? op.OP_LEA_BD : op.OP_LEA32_BD, S.T1, S.PC, 0, 0, target(l))
  legacyCall(l)
}

const callIndirect: Rule = (l) => {
  const operand = l.i.row.operands[0]
  if (!operand) throw new Error('CALL without a target')
  const slot = l.source(operand, S.T1)
  if (fastStack(l)) {
    l.e.emit(op.OP_CALLI, 0, slot, single(l), l.e.instructions, l.nextOffset)
    l.e.ended = true
    return
  }
  if (slot !== S.T1) l.e.emit(op.OP_MOV64, S.T1, slot)
  legacyCall(l)
}

const ret: Rule = (l) => {
  const release = l.i.row.operands.length > 0 ? l.i.immediate & 0xffff : 0
  if (fastStack(l)) l.e.emit(op.OP_RET, 0, 0, single(l), l.e.instructions, release)
  else helperCall(l, id.H_NEAR_RET, 0, release)
  l.e.ended = true
}

/** RCX, ECX or CX by address size. */
function countRegister(l: Lowering, opcode: number): void {
  l.e.emit(opcode, l.i.addressSize, S.RCX, 0, l.e.instructions)
  l.e.extension(target(l), link(l), l.nextOffset, fallLink(l))
  l.e.ended = true
}

/** LOOP without a condition: one less in the count register, no flags. */
function decrement(l: Lowering): void {
  if (l.i.addressSize === 8) l.e.emit(op.OP_LEA_BD, S.RCX, S.RCX, 0, 0, -1)
  else if (l.i.addressSize === 4) l.e.emit(op.OP_LEA32_BD, S.RCX, S.RCX, 0, 0, -1)
  else {
    l.e.emit(op.OP_LEA_BD, S.T1, S.RCX, 0, 0, -1)
    l.e.emit(op.OP_MOV16, S.RCX, S.T1)
  }
}

const loop: Rule = (l) => {
  decrement(l)
  countRegister(l, op.OP_JNZ_SLOT)
}

/** LOOPE and LOOPNE: the branch is taken when the count is not zero and ZF has the wanted value. */
function loopWhile(setter: number): Rule {
  return (l) => {
    decrement(l)
    l.e.emit(op.OP_MOVI64S, S.T2)
    l.e.emit(setter, S.T2)
    // T2 = 1 where the condition holds; its negation masks the count.
    l.e.emit(op.OP_MOVI64S, S.T3)
    l.e.emit(op.OP_SUBN64, S.T3, S.T3, S.T2)
    l.e.emit(op.OP_ANDN64, S.T3, S.T3, S.RCX)
    l.e.emit(op.OP_JNZ_SLOT, l.i.addressSize, S.T3, 0, l.e.instructions)
    l.e.extension(target(l), link(l), l.nextOffset, fallLink(l))
    l.e.ended = true
  }
}

const undefinedInstruction: Rule = (l) => {
  l.e.emit(op.OP_RAISE, UD)
  l.e.ended = true
}

const fastStack = (l: Lowering): boolean => l.long && l.i.operandSize === 8

const push: Rule = (l) => {
  const operand = l.i.row.operands[0]
  if (!operand) throw new Error('PUSH without an operand')
  const slot = l.source(operand, S.T1)
  if (fastStack(l)) l.e.emit(op.OP_PUSH64, 0, slot)
  else helperCall(l, id.H_PUSH, slot)
}

const pushImmediate: Rule = (l) => {
  if (fastStack(l)) l.e.emit(op.OP_PUSHI64, 0, 0, 0, 0, l.i.immediate)
  else helperCall(l, id.H_PUSH, 0xff, l.i.immediate)
}

const pop: Rule = (l) => {
  if (!l.i.isMemory) {
    if (fastStack(l)) l.e.emit(op.OP_POP64, l.register(l.i.rm, 8))
    else helperCall(l, id.H_POP, l.register(l.i.rm, 8))
    return
  }
  // An address formed with RSP counts from after the pop (APM vol. 3, POP).
  if (l.i.base === 4) l.i.displacement += l.i.operandSize
  l.addressInto(S.T0, operandBytes(l.i, l.i.row.operands[0]!), true)
  helperCall(l, id.H_POP_MEMORY, 0xff)
}

const leave: Rule = (l) => {
  if (!fastStack(l)) {
    helperCall(l, id.H_LEAVE, 0)
    return
  }
  l.e.emit(op.OP_LD_Z64_BD, S.T1, S.RBP)
  l.e.emit(op.OP_LEA_BD, S.RSP, S.RBP, 0, 0, 8)
  l.e.emit(op.OP_MOV64, S.RBP, S.T1)
}

const enter: Rule = (l) => helperCall(l, id.H_ENTER, 0, (l.i.immediate & 0xffff) | ((l.i.immediateHigh & 31) << 16))

function string(helper: number): Rule {
  return (l) => {
    const { i, e } = l
    const memory = i.row.operands.find((operand) => operand.class === 'X' || operand.class === 'Y')
    if (!memory) throw new Error('string instruction without a memory operand')
    const repeat = i.repeat === 0xf3 ? 2 : i.repeat === 0xf2 ? 4 : 0
    const segment = i.segment < 0 ? S.DS : i.segment
    e.emit(op.OP_HLP, segment, 0, operandBytes(i, memory), repeat | (i.addressSize << 4), helper | (i.length << 16))
  }
}

export const controlRules: Readonly<Record<string, Rule>> = {
  Jcc: conditional,
  JMP: jump,
  JMPI: jumpIndirect,
  CALL: call,
  CALLI: callIndirect,
  RET: ret,
  LOOP: loop,
  LOOPE: loopWhile(op.OP_SETE),
  LOOPNE: loopWhile(op.OP_SETNE),
  JCXZ: (l) => countRegister(l, op.OP_JZ_SLOT),
  UD: undefinedInstruction,
  PUSH: push,
  PUSHI: pushImmediate,
  POP: pop,
  ENTER: enter,
  LEAVE: leave,
  MOVS: string(id.H_MOVS),
  STOS: string(id.H_STOS),
  LODS: string(id.H_LODS),
  CMPS: string(id.H_CMPS),
  SCAS: string(id.H_SCAS),
}
