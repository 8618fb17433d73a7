/** Code of one node of a region: its block's records in order, and the ways out of it. */

import { R_NEXT } from '../ir/results.js'
import * as op from '../ir/ops.js'
import * as S from '../state/layout.js'
import { AccessCode, loadForms, type Trouble } from './access-code.js'
import { ArithmeticCode, binaryForm } from './arithmetic-code.js'
import { BitCode } from './bit-code.js'
import { type CallContext, CallCode, mayDropCode } from './call-code.js'
import type { Flags } from './flags.js'
import { type GuestCode, L_LA, L_PC, L_STALE, L_V } from './guest.js'
import { flagsAreLive } from './liveness.js'
import { MoveCode } from './move-code.js'
import type { RegionNode } from './plan.js'
import { CHAIN_MAX, HASH_BITS, hashOf } from './jump-hash.js'
import { type IrBlock, type IrRecord, isCount } from './record.js'
import { StackCode } from './stack-code.js'
import * as w from './wasm-ops.js'

/** How code of a node leaves it. */
export interface Ways extends Trouble {
  /** Leaves the region with a result; L_PC is set. */
  out(result: number): void
  /** Leaves so that the instruction of `record` is run from its start: it has not been retired. */
  leaveAt(record: IrRecord): void
  /** Leaves for the dispatcher, at `delta` from the start of the block, which has been charged. */
  leaveTo(delta: number): void
  /** The block of so many instructions has run: whatever leaves it from here on pays for it. */
  charge(instructions: number): void
  /** Goes to node `to` at `delta` from the start of the block, or leaves where it is -1. `spent`: the budget may be lower than was counted on. */
  goTo(to: number, delta: number, spent: boolean): void
  /** Goes to the node behind a call that was taken in. */
  goBack(to: number, spent: boolean): void
  /** Calls whatever is at L_PC, its return address having been pushed and the instruction charged, and goes on behind the call at `delta`. */
  call(delta: number): void
  /** Bytes from the region's first page to the start of node `n`. */
  positionOf(n: number): number
}

const between = (code: number, first: number, last: number): boolean => code >= first && code <= last

/** Conditions of the fused forms, in the order of their operations. */
const fusedConditions = [2, 3, 4, 5, 6, 7, 12, 13, 14, 15]
const fusedTestConditions = [4, 5, 8, 9]
const fusedSizes = [0, 2, 3]

const flaglessCodes = [w.I64_ADD, w.I64_OR, w.I64_AND, w.I64_SUB, w.I64_XOR]

export class BlockCode {
  readonly calls: CallCode
  private readonly access: AccessCode
  private readonly arithmetic: ArithmeticCode
  private readonly bits: BitCode
  private readonly moves: MoveCode
  private readonly stack: StackCode
  private node!: RegionNode
  private block!: IrBlock
  private liveAtEnd = true
  /** The instruction under way may have dropped a block of this region and says so in L_STALE. */
  private mayBeStale = false
  /** The target of the RET at the end stands in L_PC. */
  private returnIsLoaded = false
  /** A helper has run in this block. */
  private spent = false
  /** Slot of the address of the LDW of instruction `writeBackIndex` of this block. */
  private writeBackAt = -1
  private writeBackIndex = -1

  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
    private readonly ways: Ways,
    context: CallContext,
  ) {
    this.access = new AccessCode(g, ways)
    this.arithmetic = new ArithmeticCode(g, flags)
    this.bits = new BitCode(g, flags)
    this.moves = new MoveCode(g, this.access)
    this.calls = new CallCode(g, flags, this.access, context)
    this.stack = new StackCode(g, this.access)
  }

  /** `liveAtEnd`: where the block goes on, flags may be seen that it leaves. */
  emit(node: RegionNode, liveAtEnd: boolean): void {
    const { g, ways } = this
    this.liveAtEnd = liveAtEnd
    this.node = node
    this.block = node.block
    this.mayBeStale = false
    this.spent = false
    this.writeBackAt = -1
    this.returnIsLoaded = false
    this.bits.reset()
    this.calls.forget()
    this.access.begin(node.block.records)
    g.blockOffset = node.position
    g.blockAddress = node.block.address
    const { records } = node.block
    for (let n = 0; n < records.length; n++) {
      const group = this.stack.groupAt(records, n)
      if (group > 1) {
        this.returnIsLoaded = this.stack.emit(records, n, group)
        n += group - 1
        continue
      }
      const record = records[n]!
      this.emitRecord(record, n)
      const next = records[n + 1]
      if (!next || next.index === record.index || !this.mayBeStale) continue
      this.mayBeStale = false
      g.get(L_STALE)
      g.ifUnlikely()
      ways.leaveAt(next)
      g.end()
    }
  }

  private emitRecord(record: IrRecord, position: number): void {
    const code = record.op
    if (isCount(record)) return
    if (between(code, op.OP_ADD8, op.OP_SARIN64)) this.emitArithmetic(record, position)
    else if (between(code, op.OP_MOV64, op.OP_LEA32_BIS)) {
      if (code === op.OP_MOVI64S) this.bits.noteConstant(record)
      this.moves.emit(record)
    } else if (between(code, op.OP_LD_Z8_BD, op.OP_LDW64)) this.emitAccess(record, position)
    else if (between(code, op.OP_PUSH64, op.OP_JNZ_SLOT)) this.emitControl(record)
    else if (between(code, op.OP_SETO, op.OP_SETG)) this.emitSet(record)
    else if (between(code, op.OP_CMOV16, op.OP_CMOV64)) this.emitConditionalMove(record)
    else if (between(code, op.OP_IMUL16, op.OP_IMUL64)) {
      this.arithmetic.multiply(record, code - op.OP_IMUL16 + 1, this.flagsLive(position))
    } else if (code === op.OP_BSWAP32 || code === op.OP_BSWAP64) this.moves.swapBytes(record)
    else if (!this.bits.emit(record, this.flagsLive(position))) {
      this.calls.emit(record)
      this.mayBeStale ||= mayDropCode(record)
      this.spent ||= code === op.OP_HLP
    }
  }

  /** Whether anybody may see the flags that record `position` leaves. */
  private flagsLive(position: number): boolean {
    return flagsAreLive(this.block, position, this.liveAtEnd)
  }

  private emitArithmetic(record: IrRecord, position: number): void {
    const { arithmetic } = this
    const code = record.op
    const live = (): boolean => this.flagsLive(position)
    if (code <= op.OP_TESTI64) {
      const form = binaryForm(code)
      arithmetic.binary(record, form.family, form.size, form.immediate, live())
    } else if (code <= op.OP_XORIN64) {
      const immediate = code >= op.OP_ADDIN32
      const n = code - (immediate ? op.OP_ADDIN32 : op.OP_ADDN32)
      arithmetic.flagless(record, flaglessCodes[n >> 1]!, (n & 1) + 2, immediate)
    } else if (code <= op.OP_DEC64) {
      const n = code - op.OP_INC8
      arithmetic.incrementDecrement(record, n & 3, n >= 4, live())
    } else if (code <= op.OP_NEG64) arithmetic.negate(record, code - op.OP_NEG8, live())
    else if (code <= op.OP_NOT64) arithmetic.complement(record, code - op.OP_NOT8)
    else if (code <= op.OP_SARI64) {
      const n = code - op.OP_SHLI8
      arithmetic.shift(record, n >> 2, n & 3, live())
    } else if (code <= op.OP_SAR64) {
      const n = code - op.OP_SHL8
      arithmetic.shiftByRegister(record, n >> 2, n & 3, live())
    } else {
      const n = code - op.OP_SHLIN32
      arithmetic.shift(record, n >> 1, (n & 1) + 2, false)
    }
  }

  // ---- memory

  private emitAccess(record: IrRecord, position: number): void {
    const { g, access } = this
    const code = record.op
    if (code < op.OP_ST8_BD) {
      const scaled = code >= op.OP_LD_Z8_BIS
      const [size, form, target] = loadForms[code - (scaled ? op.OP_LD_Z8_BIS : op.OP_LD_Z8_BD)]!
      access.load(record, size, form, access.operandAt(record, position))
      g.write(record.d, target)
    } else if (code < op.OP_LDW8) this.emitStore(record, position)
    else {
      access.loadForWrite(record, code - op.OP_LDW8, access.operandAt(record, position))
      g.write(record.d, 3)
      this.writeBackAt = record.a
      this.writeBackIndex = record.index
    }
  }

  private emitStore(record: IrRecord, position: number): void {
    const { g, access } = this
    const code = record.op
    const immediate = code >= op.OP_STI8
    const scaled = code >= op.OP_ST8_BIS && !immediate
    const size = code - (immediate ? op.OP_STI8 : scaled ? op.OP_ST8_BIS : op.OP_ST8_BD)
    const push = immediate ? (): void => g.immediate(record, record.imm2) : (): void => g.read(record.d, size)
    const pairs = !scaled && !immediate && record.imm === 0 && record.a === this.writeBackAt && record.index === this.writeBackIndex
    if (pairs) access.writeBack(size, push)
    else access.store(record, size, push, access.operandAt(record, position))
  }

  private emitPush(record: IrRecord, push: () => void): void {
    const { g, access } = this
    g.read64(S.RSP)
    g.i64(-8)
    g.op(w.I64_ADD)
    g.set(L_LA)
    access.store(record, 3, push)
    this.stack.move(-8)
  }

  // ---- conditions

  private emitSet(record: IrRecord): void {
    this.flags.pushCondition(record.op - op.OP_SETO)
    this.g.op(w.I64_EXTEND_I32_U)
    this.g.write(record.d, 0)
  }

  private emitConditionalMove(record: IrRecord): void {
    const { g } = this
    const size = record.op - op.OP_CMOV16 + 1
    g.read(record.a, size)
    g.read(record.d, size)
    this.flags.pushCondition(record.c)
    g.op(w.SELECT)
    g.write(record.d, size)
  }

  // ---- control

  private emitControl(record: IrRecord): void {
    const { g, access, ways, node, spent } = this
    const code = record.op
    if (code > op.OP_POP64) g.flush()
    if (code >= op.OP_JO) return this.emitBranch(record)
    switch (code) {
      case op.OP_PUSH64:
      case op.OP_PUSHI64:
        return this.emitPush(record, () => (code === op.OP_PUSH64 ? g.read64(record.a) : g.immediate(record)))
      case op.OP_POP64:
        g.read64(S.RSP)
        g.set(L_LA)
        access.load(record, 3, w.I64_LOAD)
        g.set(L_V)
        this.stack.move(8)
        g.get(L_V)
        return g.write(record.d, 3)
      case op.OP_CALL: {
        const target = record.imm
        this.emitPush(record, () => g.pageAddress(node.position + (record.a | (record.b << 8))))
        ways.charge(record.c)
        if (node.taken >= 0 || node.returns < 0) return ways.goTo(node.taken, target, spent)
        g.pageAddress(node.position + target)
        g.set(L_PC)
        return ways.call(record.a | (record.b << 8))
      }
      case op.OP_CALLI:
        g.read64(record.a)
        g.set(L_PC)
        this.checkTarget(record)
        this.emitPush(record, () => g.pageAddress(node.position + record.imm))
        ways.charge(record.c)
        if (node.taken >= 0) this.goIfThere(node.taken, record.imm2)
        return node.returns < 0 ? ways.out(R_NEXT) : ways.call(record.imm)
      case op.OP_RET:
        return this.emitReturn(record)
      case op.OP_JMPI:
        g.read64(record.a)
        g.set(L_PC)
        this.checkTarget(record)
        ways.charge(record.c)
        this.goWhereNoted()
        return ways.out(R_NEXT)
      default:
        ways.charge(record.c)
        // After helpers that may change mode or events the dispatcher must look.
        if (record.imm2 === op.LINK_NEVER) return ways.leaveTo(record.imm)
        this.leaveIfStale(record.imm)
        return ways.goTo(node.taken, record.imm, spent)
    }
  }

  /** Goes to the node at L_PC if it is among the targets of this one: few are compared one by one, more are found by a hash of where they lie in the region. */
  private goWhereNoted(): void {
    const { g, ways, node } = this
    const go = (target: number): void => this.goIfThere(target, ways.positionOf(target) - node.position)
    if (node.targets.length <= CHAIN_MAX) return node.targets.forEach(go)
    const { factor, buckets } = hashOf(node.targets.map((target) => ways.positionOf(target)))
    const filled = buckets.filter((places) => places.length > 0)
    g.block()
    filled.forEach(() => g.block())
    g.get(L_PC)
    g.pageAddress(0)
    g.op(w.I64_SUB, w.I32_WRAP_I64)
    g.i32(factor)
    g.op(w.I32_MUL)
    g.i32(32 - HASH_BITS)
    g.op(w.I32_SHR_U, w.BR_TABLE)
    g.out.u32(buckets.length)
    for (let n = 0, label = 0; n < buckets.length; n++) g.out.u32(buckets[n]!.length > 0 ? label++ : filled.length)
    g.out.u32(filled.length)
    filled.forEach((places, n) => {
      g.end()
      for (const place of places) go(node.targets[place]!)
      g.op(w.BR)
      g.out.u32(filled.length - 1 - n)
    })
    g.end()
  }

  /** Goes to node `to`, `delta` from the start of the block, where L_PC is there. */
  private goIfThere(to: number, delta: number): void {
    const { g } = this
    g.get(L_PC)
    g.pageAddress(this.node.position + delta)
    g.op(w.I64_EQ)
    g.if()
    this.ways.goTo(to, delta, this.spent)
    g.end()
  }

  private leaveIfStale(delta: number): void {
    if (!this.mayBeStale) return
    const { g } = this
    g.get(L_STALE)
    g.ifUnlikely()
    this.ways.leaveTo(delta)
    g.end()
  }

  /** RET: to the call that was taken in, where that is where it goes. */
  private emitReturn(record: IrRecord): void {
    const { g, ways, node } = this
    if (!this.returnIsLoaded) this.stack.loadReturn(record)
    const retire = (): void => {
      this.stack.move(8 + (record.imm & 0xffff))
      ways.charge(record.c)
    }
    if (node.taken >= 0) {
      g.get(L_PC)
      g.pageAddress(node.context!.returnPosition)
      g.op(w.I64_EQ)
      g.ifLikely()
      retire()
      ways.goBack(node.taken, this.spent)
      g.end()
    }
    this.checkTarget(record)
    retire()
    g.flush()
    for (const target of node.targets) this.goIfThere(target, ways.positionOf(target) - node.position)
    ways.out(R_NEXT)
  }

  /** An indirect target that is not canonical faults on the jump itself: the interpreter shall raise it. */
  private checkTarget(record: IrRecord): void {
    const { g } = this
    g.get(L_PC)
    g.i64(16)
    g.op(w.I64_SHL)
    g.i64(16)
    g.op(w.I64_SHR_S)
    g.get(L_PC)
    g.op(w.I64_NE)
    g.ifUnlikely()
    this.ways.leaveAt(record)
    g.end()
  }

  private emitBranch(record: IrRecord): void {
    const { g, ways, node, spent } = this
    const { branch } = node.block
    if (!branch) throw new Error('translator: a conditional branch without its extension')
    ways.charge(record.c)
    this.pushBranchCondition(record)
    g.if()
    ways.goTo(node.taken, branch.takenDelta, spent)
    g.end()
    ways.goTo(node.fall, branch.fallDelta, spent)
  }

  private pushBranchCondition(record: IrRecord): void {
    const { g, arithmetic, flags } = this
    const code = record.op
    if (code <= op.OP_JG) return flags.pushCondition(code - op.OP_JO)
    if (code >= op.OP_JZ_SLOT) {
      g.read(record.a, record.d === 8 ? 3 : record.d >> 1)
      g.op(w.I64_EQZ)
      if (code === op.OP_JNZ_SLOT) g.op(w.I32_EQZ)
      return undefined
    }
    const compare = code < op.OP_TESTJ_E_8
    const immediate = compare ? code >= op.OP_CMPIJ_B_8 : code >= op.OP_TESTIJ_E_8
    const first = compare ? (immediate ? op.OP_CMPIJ_B_8 : op.OP_CMPJ_B_8) : immediate ? op.OP_TESTIJ_E_8 : op.OP_TESTJ_E_8
    const n = code - first
    arithmetic.comparison(record, compare ? 7 : 8, fusedSizes[n % 3]!, immediate)
    const conditions = compare ? fusedConditions : fusedTestConditions
    return flags.pushCondition(conditions[Math.floor(n / 3)]!)
  }
}
