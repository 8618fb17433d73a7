/**
 * One WebAssembly function for a set of blocks of one page (64-bit mode). Layout:
 *
 *   load registers · block $exit · loop $dispatch · block $Bn-1 … block $B0 · br_table entry · end $B0 · code of block 0 · end $B1 · code of block 1 …
 *   end loop · end $exit · store registers, PC, budget, flags · return L_R
 *
 * Jumps forward inside the region are branches; jumps backward check the budget and go through the br_table.
 */

import type { FunctionBody } from '../../../lib/wasm-encoder.js'
import { R_JUMP, R_NEXT } from '../ir/results.js'
import * as op from '../ir/ops.js'
import * as S from '../state/layout.js'
import { AccessCode, loadForms } from './access-code.js'
import { ArithmeticCode, binaryForm } from './arithmetic-code.js'
import { CallCode } from './call-code.js'
import { Flags } from './flags.js'
import {
  GuestCode,
  L_BUDGET,
  L_ENTRY,
  L_FA,
  L_FB,
  L_FK,
  L_FR,
  L_LA,
  L_PAGE,
  L_PC,
  L_R,
  L_S,
  L_STALE,
  L_V,
  LOCAL_DECLARATIONS,
} from './guest.js'
import { F_MATERIALIZE } from './kernel-functions.js'
import { flagsAreLive } from './liveness.js'
import { type IrBlock, type IrRecord, returnSitesOf } from './record.js'
import { MoveCode } from './move-code.js'
import { registersOf } from './registers.js'
import * as w from './wasm-ops.js'

const between = (code: number, first: number, last: number): boolean => code >= first && code <= last

/** Conditions of the fused forms, in the order of their operations. */
const fusedConditions = [2, 3, 4, 5, 6, 7, 12, 13, 14, 15]
const fusedTestConditions = [4, 5, 8, 9]
const fusedSizes = [0, 2, 3]

const flaglessCodes = [w.I64_ADD, w.I64_OR, w.I64_AND, w.I64_SUB, w.I64_XOR]

/** The interpreter's own limit (kernel/records.ts): below it the dispatcher decides block by block. */
const BUDGET_LOW = 64

export class RegionCode {
  private readonly g = new GuestCode()
  private readonly flags = new Flags(this.g)
  private readonly access = new AccessCode(this.g, (record) => this.leaveAt(record))
  private readonly arithmetic = new ArithmeticCode(this.g, this.flags)
  private readonly moves = new MoveCode(this.g, this.access)
  private readonly calls: CallCode
  private readonly used: readonly number[]
  private readonly written: readonly number[]
  private readonly positions = new Map<number, number>()
  private readonly returnSites: readonly number[]
  private current = 0
  private block!: IrBlock

  /** `blocks` in order of offset; `guard`: instructions that one pass through the region may take. */
  constructor(
    private readonly blocks: readonly IrBlock[],
    private readonly guard: number,
  ) {
    const registers = registersOf(blocks)
    ;({ used: this.used, written: this.written } = registers)
    blocks.forEach((block, n) => this.positions.set(block.offset, n))
    this.returnSites = returnSitesOf(blocks).filter((site) => this.positions.has(site))
    this.calls = new CallCode(this.g, this.flags, this.access, { blocks, ...registers, leave: (record) => this.leaveAt(record) })
  }

  /** The function's body. Throws UntranslatableError for a record that regions do not know. */
  build(): FunctionBody {
    const { g, blocks } = this
    this.prologue()
    g.op(w.BLOCK, w.TYPE_EMPTY, w.LOOP, w.TYPE_EMPTY)
    for (let n = 0; n < blocks.length; n++) g.op(w.BLOCK, w.TYPE_EMPTY)
    g.get(L_ENTRY)
    g.op(w.BR_TABLE)
    g.out.u32(blocks.length - 1)
    for (let n = 0; n < blocks.length; n++) g.out.u32(n)
    blocks.forEach((block, n) => {
      g.op(w.END)
      this.current = n
      this.emitBlock(block)
    })
    g.op(w.END, w.END)
    this.epilogue()
    return { locals: [...LOCAL_DECLARATIONS, ...this.calls.vectors.declarations], code: g.out }
  }

  private prologue(): void {
    const { g } = this
    for (const slot of this.used) g.reload(slot)
    this.calls.vectors.reloadAll()
    g.get(L_S)
    g.memory(w.I64_LOAD, S.PC)
    g.i64(-4096)
    g.op(w.I64_AND)
    g.set(L_PAGE)
    g.reloadContext()
    g.get(L_S)
    g.memory(w.I64_LOAD, S.BUDGET)
    g.set(L_BUDGET)
  }

  private epilogue(): void {
    const { g } = this
    for (const slot of this.written) g.spill(slot)
    this.calls.vectors.spillAll()
    g.get(L_S)
    g.get(L_PC)
    g.memory(w.I64_STORE, S.PC)
    g.get(L_S)
    g.get(L_BUDGET)
    g.memory(w.I64_STORE, S.BUDGET)
    g.get(L_FK)
    g.op(w.IF, w.TYPE_EMPTY)
    for (const local of [L_S, L_FK, L_FA, L_FB, L_FR]) g.get(local)
    g.call(F_MATERIALIZE)
    g.op(w.END)
    g.get(L_R)
  }

  // ---- leaving

  /** To $exit with result `r`; L_PC is set. */
  private out(r: number): void {
    const { g } = this
    this.flags.settle()
    g.i32(r)
    g.set(L_R)
    // Inside block k: blocks k+1 … n-1, then the loop, then $exit.
    this.branchOut(this.blocks.length - this.current)
  }

  private branchOut(labels: number): void {
    this.g.op(w.BR)
    this.g.out.u32(labels + this.g.depth)
  }

  /** Leaves so that the instruction of `record` is run from its start: it has not been retired. */
  private leaveAt(record: IrRecord): void {
    const { g } = this
    g.pageAddress(this.block.offset + record.offset)
    g.set(L_PC)
    this.charge(record.index)
    this.out(R_JUMP)
  }

  private charge(instructions: number): void {
    const { g } = this
    if (instructions === 0) return
    g.get(L_BUDGET)
    g.i64(instructions)
    g.op(w.I64_SUB)
    g.set(L_BUDGET)
  }

  /** Goes to `delta` from the start of the block; the block has been charged. */
  private goTo(delta: number): void {
    const { g } = this
    const offset = this.block.offset + delta
    const target = this.positions.get(offset)
    if (target === undefined) return this.leaveWith(delta, R_NEXT)
    this.flags.settle()
    if (target > this.current) {
      // A string instruction may have used up more than the guard allowed for.
      if (this.block.records.some((record) => record.op === op.OP_HLP)) this.leaveBelow(BUDGET_LOW, delta)
      return this.branchOut(target - this.current - 1)
    }
    this.leaveBelow(this.guard, delta)
    g.i32(target)
    g.set(L_ENTRY)
    this.branchOut(this.blocks.length - 1 - this.current)
  }

  /** Leaves for the dispatcher, at `delta` from the start of the block, when fewer than `instructions` may still run. */
  private leaveBelow(instructions: number, delta: number): void {
    const { g } = this
    g.get(L_BUDGET)
    g.i64(instructions)
    g.op(w.I64_LT_S)
    g.if()
    this.leaveTo(delta)
    g.end()
  }

  // ---- blocks

  private emitBlock(block: IrBlock): void {
    const { g, flags } = this
    this.block = block
    this.mayStore = false
    g.blockOffset = block.offset
    flags.forget()
    const { records } = block
    for (let n = 0; n < records.length; n++) {
      const record = records[n]!
      this.emit(record, n)
      const next = records[n + 1]
      if (next && next.index !== record.index && this.mayStore) this.leaveIfStale(next)
    }
    g.op(w.UNREACHABLE)
  }

  /** A store of the instruction that ends may have dropped a block of this region. */
  private mayStore = false

  private leaveIfStale(next: IrRecord): void {
    const { g } = this
    this.mayStore = false
    g.get(L_STALE)
    g.if()
    this.leaveAt(next)
    g.end()
  }

  private emit(record: IrRecord, position: number): void {
    const code = record.op
    if (code === op.OP_PROFILE || code === op.OP_REGION) return
    if (between(code, op.OP_ADD8, op.OP_SARIN64)) this.emitArithmetic(record, position)
    else if (between(code, op.OP_MOV64, op.OP_LEA32_BIS)) this.moves.emit(record)
    else if (between(code, op.OP_LD_Z8_BD, op.OP_LDW64)) this.emitAccess(record)
    else if (between(code, op.OP_PUSH64, op.OP_JNZ_SLOT)) this.emitControl(record)
    else if (between(code, op.OP_SETO, op.OP_SETG)) this.emitSet(record)
    else if (between(code, op.OP_CMOV16, op.OP_CMOV64)) this.emitConditionalMove(record)
    else if (between(code, op.OP_IMUL16, op.OP_IMUL64)) {
      this.arithmetic.multiply(record, code - op.OP_IMUL16 + 1, flagsAreLive(this.block, position))
    } else if (code === op.OP_BSWAP32 || code === op.OP_BSWAP64) this.moves.swapBytes(record)
    else {
      this.calls.emit(record, this.block, position)
      this.mayStore = true
    }
  }

  private emitArithmetic(record: IrRecord, position: number): void {
    const { arithmetic } = this
    const code = record.op
    const live = (): boolean => flagsAreLive(this.block, position)
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
    } else if (code <= op.OP_SAR64) this.emitShiftByRegister(record, live())
    else {
      const n = code - op.OP_SHLIN32
      arithmetic.shiftFlagless(record, n >> 1, (n & 1) + 2)
    }
  }

  /** Shift by a register: the interpreter does it, since a count of zero leaves the flags. */
  private emitShiftByRegister(record: IrRecord, live: boolean): void {
    const n = record.op - op.OP_SHL8
    const { g } = this
    const size = n & 3
    if (live || size < 2) {
      this.calls.emitSimple(record, [record.a, record.b, record.d], [record.d], true)
      return
    }
    g.read(record.a, size)
    if (n >> 2 === 2 && size === 2) g.op(w.I64_EXTEND32_S)
    g.read64(record.b)
    g.i64(size === 3 ? 63 : 31)
    g.op(w.I64_AND)
    g.op([w.I64_SHL, w.I64_SHR_U, w.I64_SHR_S][n >> 2]!)
    g.write(record.d, size)
  }

  private emitAccess(record: IrRecord): void {
    const { g, access } = this
    const code = record.op
    if (code < op.OP_ST8_BD) {
      const scaled = code >= op.OP_LD_Z8_BIS
      const [size, form, extend, target] = loadForms[code - (scaled ? op.OP_LD_Z8_BIS : op.OP_LD_Z8_BD)]!
      if (scaled) access.addressBis(record)
      else access.addressBd(record)
      access.load(record, size, form, extend)
      g.write(record.d, target)
    } else if (code < op.OP_LDW8) this.emitStore(record)
    else {
      g.read64(record.a)
      g.set(L_LA)
      access.loadForWrite(record, code - op.OP_LDW8)
      g.write(record.d, 3)
      this.writeBackAt = record.a
      this.writeBackIndex = record.index
    }
  }

  /** Slot of the address of the LDW of instruction `writeBackIndex` of this block. */
  private writeBackAt = -1
  private writeBackIndex = -1

  private emitStore(record: IrRecord): void {
    const { g, access } = this
    const code = record.op
    this.mayStore = true
    if (code >= op.OP_STI8) {
      access.addressBd(record)
      return access.store(record, code - op.OP_STI8, () => g.i64(record.imm2))
    }
    const scaled = code >= op.OP_ST8_BIS
    const size = code - (scaled ? op.OP_ST8_BIS : op.OP_ST8_BD)
    const push = (): void => g.read(record.d, size)
    if (scaled) access.addressBis(record)
    else access.addressBd(record)
    const pairs = !scaled && record.imm === 0 && record.a === this.writeBackAt && record.index === this.writeBackIndex
    if (pairs) access.writeBack(record, size, push)
    else access.store(record, size, push)
    return undefined
  }

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
    const { g, access } = this
    const code = record.op
    if (code === op.OP_PUSH64 || code === op.OP_PUSHI64) {
      this.mayStore = true
      return this.emitPush(record, () => (code === op.OP_PUSH64 ? g.read64(record.a) : g.i64(record.imm)))
    }
    if (code === op.OP_POP64) {
      g.read64(S.RSP)
      g.set(L_LA)
      access.load(record, 3, w.I64_LOAD, 0)
      g.set(L_V)
      this.moveStack(8)
      g.get(L_V)
      return g.write(record.d, 3)
    }
    if (code >= op.OP_JO) return this.emitBranch(record)
    switch (code) {
      case op.OP_CALL:
        this.emitPush(record, () => g.pageAddress(this.block.offset + (record.a | (record.b << 8))))
        this.charge(record.c)
        return this.leaveOrGo(record.imm)
      case op.OP_CALLI:
        g.read64(record.a)
        g.set(L_PC)
        this.checkTarget(record)
        this.emitPush(record, () => g.pageAddress(this.block.offset + record.imm))
        this.charge(record.c)
        return this.out(R_NEXT)
      case op.OP_RET:
        g.read64(S.RSP)
        g.set(L_LA)
        access.load(record, 3, w.I64_LOAD, 0)
        g.set(L_PC)
        this.checkTarget(record)
        this.moveStack(8 + (record.imm & 0xffff))
        this.charge(record.c)
        return this.returnTo()
      case op.OP_JMPI:
        g.read64(record.a)
        g.set(L_PC)
        this.checkTarget(record)
        this.charge(record.c)
        return this.out(R_NEXT)
      default:
        this.charge(record.c)
        // After helpers that may change mode or events the dispatcher must look.
        if (record.imm2 === op.LINK_NEVER) return this.leaveTo(record.imm)
        return this.leaveOrGo(record.imm)
    }
  }

  private leaveTo(delta: number): void {
    this.leaveWith(delta, R_JUMP)
  }

  private leaveWith(delta: number, result: number): void {
    this.g.pageAddress(this.block.offset + delta)
    this.g.set(L_PC)
    this.out(result)
  }

  /** RET: to a call of this region where L_PC says so, without leaving. */
  private returnTo(): void {
    const { g } = this
    for (const site of this.returnSites) {
      g.get(L_PC)
      g.pageAddress(site)
      g.op(w.I64_EQ)
      g.if()
      this.goTo(site - this.block.offset)
      g.end()
    }
    this.out(R_NEXT)
  }

  /** A jump after an instruction that may have dropped a block leaves the region. */
  private leaveOrGo(delta: number): void {
    const { g } = this
    g.get(L_STALE)
    g.if()
    this.leaveTo(delta)
    g.end()
    this.goTo(delta)
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
    g.if()
    this.leaveAt(record)
    g.end()
  }

  private emitPush(record: IrRecord, push: () => void): void {
    const { g, access } = this
    g.read64(S.RSP)
    g.i64(-8)
    g.op(w.I64_ADD)
    g.set(L_LA)
    access.store(record, 3, push)
    this.moveStack(-8)
  }

  private moveStack(by: number): void {
    const { g } = this
    g.read64(S.RSP)
    g.i64(by)
    g.op(w.I64_ADD)
    g.write(S.RSP, 3)
  }

  private emitBranch(record: IrRecord): void {
    const { g } = this
    const { branch } = this.block
    if (!branch) throw new Error('translator: a conditional branch without its extension')
    this.charge(record.c)
    this.pushBranchCondition(record)
    g.if()
    this.goTo(branch.takenDelta)
    g.end()
    this.goTo(branch.fallDelta)
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
