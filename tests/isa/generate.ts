/** Makes cases out of the rows of the opcode table: an encoding, and a state in which the instruction meets interesting operands. */

import { Decoder, DECODED } from '../../src/silicon/core/decode/decoder.js'
import { Instruction } from '../../src/silicon/core/decode/instruction.js'
import type { CompiledRow, OpcodeTable } from '../../src/silicon/core/decode/table.js'
import { PREFIX_ANY } from '../../src/silicon/core/decode/table.js'
import { addressBytes, chooseMemory, encode, hasOperand, immediateBytes, operandSize, type Encoding, type MemoryForm } from './encode.js'
import { Random } from './random.js'
import {
  CODE,
  CODE_BYTES,
  DATA,
  DATA_BYTES,
  FX_MXCSR,
  FX_ST,
  FX_XMM,
  isSegmented,
  READ_ONLY,
  UPPER_BYTES,
  UNMAPPED,
  WINDOW,
  WINDOW_BYTES,
  type Case,
  type CodeMode,
} from './state.js'

const MASK = (1n << 64n) - 1n
const RAX = 0
const RCX = 1
const RDX = 2
const RBX = 3
const RSP = 4
const RBP = 5
const RSI = 6
const RDI = 7
const WINDOW_END = WINDOW + WINDOW_BYTES
/** Any operand fits between these. */
const MARGIN = 200

const stringRules = new Set(['MOVS', 'STOS', 'LODS', 'CMPS', 'SCAS'])
const ruleOf = (row: CompiledRow): string => (row.row.semantics.kind === 'rule' ? row.row.semantics.rule : '')
const branchRules = new Set(['JMPI', 'CALLI'])
const stackRules = new Set(['PUSH', 'PUSHI', 'POP', 'CALL', 'CALLI', 'RET', 'ENTER', 'LEAVE'])
const stackMnemonics = new Set(['PUSH', 'POP', 'PUSHA', 'POPA', 'PUSHF', 'POPF', 'RETF', 'IRET', 'CALL'])

const immediateKinds = 'IJAOL'

/** State under construction. */
class Draft {
  readonly gpr = new BigUint64Array(16)
  readonly window: Uint8Array
  readonly view: DataView
  /** Registers whose value the instruction's meaning has settled. */
  readonly settled = new Set<number>()
  offset = 0x800
  fs = 0n
  gs = 0n
  rflags = 0x202
  constructor(random: Random) {
    this.window = random.bytes(WINDOW_BYTES)
    this.view = new DataView(this.window.buffer)
    for (let n = 0; n < 16; n++) this.gpr[n] = random.integer()
  }
  settle(register: number, value: bigint): void {
    this.gpr[register] = BigInt.asUintN(64, value)
    this.settled.add(register)
  }
  /** Puts 8 bytes at linear address `at` of the window. */
  put(at: number, value: bigint): void {
    if (at >= WINDOW && at + 8 <= WINDOW_END) this.view.setBigUint64(at - WINDOW, BigInt.asUintN(64, value), true)
  }
}

const inWindow = (random: Random, align = 1): number =>
  WINDOW + MARGIN + Math.floor(random.below(WINDOW_BYTES - 2 * MARGIN) / align) * align
/** As the program names linear addresses of data and code. */
const dataAddress = (mode: CodeMode, at: number): bigint => BigInt(isSegmented(mode) ? at - DATA : at)
const inCode = (random: Random, mode: CodeMode): bigint => BigInt((isSegmented(mode) ? 0 : CODE) + 0x100 + random.below(CODE_BYTES - 0x200))
/** The linear address behind the stack pointer. */
const stackLinear = (mode: CodeMode, d: Draft): number => Number(BigInt.asUintN(32, d.gpr[RSP]!)) + (isSegmented(mode) ? DATA : 0)

/** A linear address that now and then faults. */
function target(random: Random, align: number, mode: CodeMode): number {
  if (!random.oneIn(40)) {
    const at = inWindow(random)
    return random.oneIn(20) ? at : Math.floor(at / align) * align
  }
  // Beyond the limit of the data segments, on the edge of the one that expands down, across the end of 64 KiB.
  if (isSegmented(mode)) return DATA + random.pick([0x23f0 + random.below(32), 0x1df8 + random.below(16), 0xfff0 + random.below(16)])
  return random.pick([UNMAPPED + random.below(64), READ_ONLY + random.below(64), DATA + DATA_BYTES - 1 - random.below(8), 0x123])
}

/** Alignment that the row's memory operand demands, or 1. */
function alignment(row: CompiledRow): number {
  if (/^F?X(SAVE|RSTOR)/.test(row.row.mnemonic)) return 64
  if (row.row.mnemonic === 'CMPXCHG8B') return 16
  const wide = row.operands.some((o) => (o.class === 'W' && o.size === 'x') || o.size === 'dq')
  if (row.vex) return /^VMOV(A|DQA|NT)/.test(row.row.mnemonic) ? 32 : 1
  return wide && row.row.semantics.kind === 'vector' ? 16 : 1
}

function drawExtended(random: Random): Uint8Array {
  const fx = new Uint8Array(512)
  const view = new DataView(fx.buffer)
  const masks = random.oneIn(6) ? random.below(64) : 0x3f
  view.setUint16(0, 0x40 | masks | (random.below(4) << 10) | (random.pick([0, 2, 3, 3, 3]) << 8), true)
  view.setUint16(2, (random.below(8) << 11) | (random.u32() & 0x4700), true)
  fx[4] = random.pick([0xff, 0xff, random.u32() & 0xff])
  const unmasked = random.oneIn(8) ? random.below(64) : 0x3f
  view.setUint32(FX_MXCSR, (unmasked << 7) | (random.below(4) << 13) | (random.oneIn(6) ? 0x8000 : 0) | (random.oneIn(6) ? 0x40 : 0), true)
  for (let n = 0; n < 8; n++) drawExtendedReal(random, view, FX_ST + n * 16)
  const kind = random.below(3)
  for (let n = 0; n < 16; n++) {
    for (let part = 0; part < 2; part++) {
      const at = FX_XMM + n * 16 + part * 8
      if (kind === 0) view.setBigUint64(at, random.float64(), true)
      else if (kind === 1) {
        view.setUint32(at, random.float32(), true)
        view.setUint32(at + 4, random.float32(), true)
      } else view.setBigUint64(at, random.integer(), true)
    }
  }
  return fx
}

function drawExtendedReal(random: Random, view: DataView, at: number): void {
  const kind = random.below(6)
  const significand = random.u64() | (1n << 63n)
  const sign = random.below(2) << 15
  const [exponent, fraction] = (
    kind === 0
      ? [0, 0n]
      : kind === 1
        ? [0x7fff, random.pick([1n << 63n, (3n << 62n) | 5n, (1n << 63n) | 5n])]
        : kind === 2
          ? [0x3fff + random.below(66), significand]
          : kind === 3
            ? [0x3ff0 + random.below(32), significand]
            : kind === 4
              ? [random.below(0x7fff), significand]
              : [0x3fff + random.below(8), (random.u64() << 48n) | (1n << 63n)]
  ) as [number, bigint]
  view.setBigUint64(at, BigInt.asUintN(64, fraction), true)
  view.setUint16(at + 8, exponent | sign, true)
}

/** Registers that the instruction itself reads as addresses, counts or stack. */
function settleByMeaning(random: Random, e: Encoding, d: Draft): void {
  const { row } = e
  const rule = ruleOf(row)
  const { mnemonic } = row.row
  const upper = e.mode === 'long' && e.addressPrefix ? BigInt(random.u32()) << 32n : 0n
  const isStack = stackRules.has(rule) || stackMnemonics.has(mnemonic)
  if (isStack || random.oneIn(2))
    d.settle(
      RSP,
      dataAddress(
        e.mode,
        random.oneIn(30) && isSegmented(e.mode) && mnemonic !== 'POPA'
          ? DATA + 0x23f8 + random.below(16)
          : inWindow(random, random.oneIn(3) ? 1 : 8),
      ),
    )
  if (rule === 'ENTER' || rule === 'LEAVE') d.settle(RBP, dataAddress(e.mode, inWindow(random)) + (random.oneIn(50) ? 0x100000n : 0n))
  if (rule === 'RET') d.put(stackLinear(e.mode, d), random.oneIn(8) ? random.integer() : inCode(random, e.mode))
  if (mnemonic === 'POPF') d.put(stackLinear(e.mode, d), random.u64() & ~0x40100n)
  if (stringRules.has(rule)) {
    d.settle(RSI, dataAddress(e.mode, target(random, 1, e.mode)) | upper)
    d.settle(RDI, dataAddress(e.mode, target(random, 1, e.mode)) | upper)
    d.settle(RCX, BigInt(random.below(24)) | upper)
    if (random.oneIn(3)) d.rflags |= 0x400
    if (random.oneIn(2)) {
      for (let n = 0; n < WINDOW_BYTES; n++) d.window[n] = random.below(2)
      d.settle(RAX, random.pick([0n, 0x01010101n, 0x0101010101010101n]))
    }
  }
  if (rule === 'XLAT') d.settle(RBX, dataAddress(e.mode, inWindow(random)) - (d.gpr[RAX]! & 255n) - segmentBase(e, d))
  if (/^V?MASKMOV(Q|DQU)/.test(mnemonic)) d.settle(RDI, dataAddress(e.mode, inWindow(random)) - segmentBase(e, d))
  if (/^LOOP|^JCXZ/.test(mnemonic)) d.settle(RCX, random.pick([0n, 1n, 2n, 0x10000n, 0x100000000n, 0x100010000n, d.gpr[RCX]!]))
  if (/^X?SAVE|^XRSTOR|^XSAVE/.test(mnemonic)) {
    d.settle(RAX, BigInt(random.below(8)))
    d.settle(RDX, 0n)
  }
  if (mnemonic === 'CLZERO') d.settle(RAX, dataAddress(e.mode, inWindow(random)))
  if (/^I?DIV$/.test(mnemonic)) settleDividend(random, d)
}

const selectors = [
  7, 0xf, 0xf, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x0d, 0, 3, 0x10, 0x18, 0x23, 0x23, 0x2b, 0x2b, 0x2b, 0x28, 0x33, 0x33, 0x40, 0x1234,
  0xffff, 7,
]
const drawSelector = (random: Random): number => random.pick(selectors)
/** Calls from segments of their own to 64-bit code are not made: the host pushes onto the flat stack. */
const codeSelector = (random: Random, mode: CodeMode): number => {
  const selector = drawSelector(random)
  return selector === 0x33 && isSegmented(mode) ? 0x23 : selector
}

/** What far transfers and loads of segment registers find on the stack, at the memory operand or in the register. */
function settleSelectors(random: Random, e: Encoding, d: Draft, at: number): void {
  const { mnemonic, encoding } = e.row.row
  const size = operandSize(e)
  const put = (address: number, value: bigint | number, n: number): void => {
    for (let i = 0; i < n; i++) {
      const to = address + i - WINDOW
      if (to >= 0 && to < WINDOW_BYTES) d.window[to] = Number((BigInt(value) >> BigInt(8 * i)) & 255n)
    }
  }
  const sp = stackLinear(e.mode, d)
  if (mnemonic === 'POP' && hasFixed(e.row)) put(sp, drawSelector(random), size)
  if (/^(LES|LDS|LSS|LFS|LGS)$/.test(mnemonic)) put(at + size, drawSelector(random), 2)
  if (/^(LAR|LSL|VERR|VERW|ARPL|LLDT|LTR)$/.test(mnemonic) || hasOperand(e.row, 'S')) {
    if (e.memory) put(at, drawSelector(random), 2)
    else d.gpr[e.rm] = (d.gpr[e.rm]! & ~0xffffn) | BigInt(drawSelector(random))
  }
  if (/^FF \/[35]/.test(encoding)) {
    put(at, inCode(random, e.mode), size)
    put(at + size, codeSelector(random, e.mode), 2)
  }
  if (mnemonic !== 'RETF' && mnemonic !== 'IRET') return
  const frame = [inCode(random, e.mode), drawSelector(random)]
  if (mnemonic === 'IRET')
    frame.push(random.u64() & 0xad5n, dataAddress(e.mode, inWindow(random, 8)), random.oneIn(4) ? drawSelector(random) : 0x2b)
  frame.forEach((value, n) => put(sp + n * size, value, size))
}

const hasFixed = (row: CompiledRow): boolean => row.operands[0]?.class === 'fixed'

/** Half of all dividends fit, so that quotients and not only #DE are seen. */
function settleDividend(random: Random, d: Draft): void {
  if (random.oneIn(3)) return
  d.settle(RDX, random.pick([0n, MASK, BigInt(random.below(16))]))
}

function segmentBase(e: Encoding, d: Draft): bigint {
  if (e.mode === 'long') return e.segment === 0x64 ? d.fs : e.segment === 0x65 ? d.gs : 0n
  return 0n
}

function aimByDisplacement(form: MemoryForm, rest: bigint): MemoryForm {
  return form.displacementBytes === 4 ? { ...form, displacement: Number(BigInt.asIntN(32, rest)) } : form
}

/** 16-bit forms: the base takes what is left; the upper halves of the registers do not matter. */
function aim16(d: Draft, form: MemoryForm, offset: bigint): MemoryForm {
  const value = (r: number): bigint => (r < 0 ? 0n : d.gpr[r]!)
  const taker = form.base >= 0 && !d.settled.has(form.base) ? form.base : form.index >= 0 && !d.settled.has(form.index) ? form.index : -1
  if (taker < 0) return { ...form, displacement: Number(BigInt.asIntN(16, offset - value(form.base) - value(form.index))) }
  const other = taker === form.base ? form.index : form.base
  d.gpr[taker] = (d.gpr[taker]! & ~0xffffn) | BigInt.asUintN(16, offset - value(other) - BigInt(form.displacement))
  return form
}

/** Gives the registers of the memory form such values that it points to `at`. */
function aim(random: Random, e: Encoding, d: Draft, form: MemoryForm, at: bigint): MemoryForm {
  const narrow = addressBytes(e) !== 8
  if (form.ripRelative) {
    const next = BigInt(CODE + d.offset)
    const displacement = BigInt.asIntN(32, at - segmentBase(e, d) - next)
    return { ...form, displacement: Number(displacement) }
  }
  const offset = at - segmentBase(e, d)
  if (e.mode === 'compatibility' && e.addressPrefix) return form
  if (addressBytes(e) === 2) return aim16(d, form, offset)
  const scaled = form.index < 0 ? 0n : d.gpr[form.index]! << BigInt(form.scale)
  if (form.base < 0) {
    if (form.index < 0) return { ...form, displacement: Number(BigInt.asIntN(32, offset)) }
    // The index register cannot be aimed exactly where it is scaled; the displacement takes the rest.
    if (!d.settled.has(form.index)) d.gpr[form.index] = BigInt(random.below(0x1000))
    return { ...form, displacement: Number(BigInt.asIntN(32, offset - (d.gpr[form.index]! << BigInt(form.scale)))) }
  }
  if (d.settled.has(form.base)) {
    if (form.index >= 0 && !d.settled.has(form.index)) d.gpr[form.index] = BigInt(random.below(0x1000))
    return aimByDisplacement(form, offset - d.gpr[form.base]! - (form.index < 0 ? 0n : d.gpr[form.index]! << BigInt(form.scale)))
  }
  const value = offset - scaled - BigInt(form.displacement)
  d.gpr[form.base] = narrow && e.mode === 'long' ? BigInt.asUintN(32, value) | (BigInt(random.u32()) << 32n) : BigInt.asUintN(64, value)
  return form
}

function drawEncoding(random: Random, row: CompiledRow, mode: CodeMode): Encoding {
  const options = row.row.options
  const long = mode === 'long'
  const registers = long ? 16 : 8
  const e: Encoding = {
    row,
    mode,
    operandPrefix: row.prefix === PREFIX_ANY && random.oneIn(4),
    addressPrefix: random.oneIn(long ? 10 : 8),
    lock: false,
    repeat: 0,
    segment: random.oneIn(8) ? random.pick(mode !== 'compatibility' ? [0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e] : [0x26, 0x36, 0x3e, 0x2e]) : 0,
    wide: row.w >= 0 ? row.w === 1 : (long || row.vex) && random.oneIn(3),
    rexAlways: random.oneIn(4),
    reg: random.below(registers),
    rm: random.below(registers),
    vvvv: hasOperand(row, 'BH') ? random.below(registers) : 0,
    l: random.below(2),
    memory: undefined,
    immediate: new Uint8Array(0),
  }
  if (row.vex) e.operandPrefix = false
  // Where an image of many bytes lies across the end of 64 KiB is not compared.
  if (!long && /^F?X(SAVE|RSTOR)|^F(N?STENV|N?SAVE|LDENV|RSTOR)|^V?MASKMOV(Q|DQU)/.test(row.row.mnemonic))
    e.addressPrefix = mode === 'segmented16'
  // Whether CS may be written is asked by the host only once something is to be written.
  if (!long && /^(ARPL|MASKMOVQ|MOV [EM][vw],Sw|F?X(SAVE|RSTOR))/.test(`${row.row.mnemonic} ${row.row.operands}`)) e.segment = 0
  // Vector registers as indices need 32-bit addresses.
  if (options.indexed && !long) e.addressPrefix = mode === 'segmented16'
  if (options.rep && random.oneIn(2)) e.repeat = random.pick([0xf3, 0xf2])
  if (row.row.mnemonic === 'JMP' || row.row.mnemonic === 'CALL' || /^J|^LOOP|^RET/.test(row.row.mnemonic)) e.segment = 0
  return e
}

/** Puts code addresses where an indirect branch will read them. */
function aimBranch(random: Random, e: Encoding, d: Draft, at: number): void {
  const to = random.oneIn(10) ? random.integer() : inCode(random, e.mode)
  if (e.memory) d.put(at, to)
  else if (!d.settled.has(e.rm)) d.gpr[e.rm] = to
}

function drawImmediates(random: Random, e: Encoding, d: Draft, codeLength: (n: number) => number): Uint8Array {
  const bytes: number[] = []
  for (const operand of e.row.operands) {
    if (operand.class.length !== 1 || !immediateKinds.includes(operand.class)) continue
    const n = immediateBytes(e, operand)
    let value = random.integer()
    if (operand.class === 'J') value = jumpDistance(random, n, codeLength(n))
    else if (operand.class === 'A')
      value = (BigInt(codeSelector(random, e.mode)) << BigInt(8 * (n - 2))) | (inCode(random, e.mode) & (n === 4 ? 0xffffn : 0xffffffffn))
    else if (e.row.row.mnemonic === 'INT') value = BigInt(random.pick([0, 1, 3, 4, 6, 13, 14, 0x20, 0x7f, 0x81, 0xff]))
    else if (operand.class === 'O') value = dataAddress(e.mode, target(random, 1, e.mode)) - segmentBase(e, d)
    else if (ruleOf(e.row) === 'ENTER')
      value = bytes.length === 0 ? BigInt(random.below(100)) : BigInt(random.oneIn(2) ? 0 : random.u32() & 0xff)
    else if (/^RET/.test(e.row.row.mnemonic)) value = BigInt(random.below(64))
    for (let i = 0; i < n; i++) bytes.push(Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 255n))
  }
  return Uint8Array.from(bytes)
}

/** Not into the branch itself, which would make a loop. */
function jumpDistance(random: Random, bytes: number, length: number): bigint {
  const reach = bytes === 1 ? 128 : 0x600
  const distance = random.below(2 * reach) - reach
  return BigInt(distance < 0 && distance >= -length ? distance + length : distance)
}

/** A base register and displacement; the vector register that is the index comes in `withIndices`, when the base has been aimed. */
function chooseGather(random: Random, free: readonly number[]): MemoryForm {
  const base = random.pick(free)
  const scale = random.below(4)
  const displacement = random.below(256) - 128
  const sib = (scale << 6) | (4 << 3) | (base & 7)
  return { base, index: -1, scale, ripRelative: false, mod: 2, rm: 4, sib, displacement, displacementBytes: 4 }
}

/** Names the index register and gives it indices, of which a few lead far away. */
function withIndices(random: Random, e: Encoding, form: MemoryForm, fx: Uint8Array, upper: Uint8Array): MemoryForm {
  const index = random.below(e.mode === 'long' ? 16 : 8)
  for (const half of [fx.subarray(FX_XMM + 16 * index, FX_XMM + 16 * index + 16), upper.subarray(16 * index, 16 * index + 16)]) {
    const view = new DataView(half.buffer, half.byteOffset, 16)
    const qwords = /GATHERQ/.test(e.row.row.mnemonic)
    for (let at = 0; at < 16; at += qwords ? 8 : 4) {
      const value = random.oneIn(60) ? random.u32() | 0 : random.below(20) - 10
      if (qwords) view.setBigInt64(at, BigInt(value), true)
      else view.setInt32(at, value, true)
    }
  }
  return { ...form, index, sib: (form.sib & 0xc7) | ((index & 7) << 3) }
}

/** One attempt; undefined where the bytes do not decode to the row. */
function attempt(
  random: Random,
  row: CompiledRow,
  mode: CodeMode,
  check: (code: Uint8Array) => boolean,
  name: string,
  only?: number,
): Case | undefined {
  const d = new Draft(random)
  const e = drawEncoding(random, row, mode)
  d.rflags |= random.u32() & 0x8d5
  if (random.oneIn(4)) d.offset = 0x1000 - 1 - random.below(12)
  if (e.segment === 0x64 && mode === 'long') d.fs = random.pick([0n, 0x1000n, BigInt(DATA), BigInt.asUintN(64, -0x5000n) & 0x7fffffffffffn])
  if (e.segment === 0x65 && mode === 'long') d.gs = BigInt(random.below(0x10000000))
  settleByMeaning(random, e, d)
  const fx = drawExtended(random)
  const upper = drawExtended(random).slice(FX_XMM, FX_XMM + UPPER_BYTES)
  const gathers = row.row.options.indexed !== undefined
  const wantsMemory =
    only !== undefined || row.form === 0 || (row.form < 0 && row.hasModrm && row.modrm < 0 && hasOperand(row, 'EMWQ') && random.oneIn(2))
  const isBit = /^BT/.test(row.row.mnemonic) && hasOperand(row, 'G')
  let at =
    isSegmented(mode) && row.operands.some((o) => o.class === 'M' && o.size === '')
      ? inWindow(random, alignment(row))
      : target(random, alignment(row), mode)
  if (only !== undefined) at = only
  if (wantsMemory) {
    const registers = mode === 'long' ? 16 : 8
    const free = Array.from({ length: registers }, (_, r) => r).filter((r) => !d.settled.has(r) || (r === RSP && only === undefined))
    e.memory = gathers ? chooseGather(random, free) : chooseMemory(random, mode, e.addressPrefix, free)
    if (isBit && e.reg !== e.memory.base && e.reg !== e.memory.index) d.gpr[e.reg] = BigInt.asUintN(64, BigInt(random.below(1600) - 800))
    else if (isBit) e.reg = e.memory.base
    if (/XSAVE|XRSTOR/.test(row.row.mnemonic) && only === undefined) at = WINDOW + 64 * random.below(4)
    e.memory = aim(random, e, d, e.memory, dataAddress(mode, at))
    if (gathers) e.memory = withIndices(random, e, e.memory, fx, upper)
    e.lock = row.row.options.lock === true && random.oneIn(4)
  }
  settleSelectors(random, e, d, at)
  if (branchRules.has(ruleOf(row))) aimBranch(random, e, d, at)
  if (/^CMPXCHG/.test(row.row.mnemonic) && random.oneIn(2)) equalise(e, d, at)
  e.immediate = drawImmediates(random, e, d, (n) => encode({ ...e, immediate: new Uint8Array(n) }, new Random(1)).length)
  let code = encode(e, new Random(1))
  if (e.memory?.ripRelative) {
    e.memory = { ...e.memory, displacement: (e.memory.displacement - code.length) | 0 }
    code = encode(e, new Random(1))
  }
  if (code.length > 15 || !check(code)) return undefined
  if (d.offset + code.length > CODE_BYTES) d.offset = 0x800
  return {
    name,
    mode,
    code,
    offset: d.offset,
    gpr: finish(d, mode),
    rflags: d.rflags,
    fs: d.fs,
    gs: d.gs,
    fx,
    upper,
    window: d.window,
  }
}

/** Makes a compare-and-exchange succeed. */
function equalise(e: Encoding, d: Draft, at: number): void {
  const inside = at >= WINDOW && at + 16 <= WINDOW_END
  if (e.row.row.mnemonic === 'CMPXCHG8B') {
    if (!inside) return
    const low = d.view.getBigUint64(at - WINDOW, true)
    const high = d.view.getBigUint64(at - WINDOW + 8, true)
    d.gpr[RAX] = e.wide ? low : low & 0xffffffffn
    d.gpr[RDX] = e.wide ? high : low >> 32n
  } else if (!e.memory) d.gpr[e.rm] = d.gpr[RAX]!
  else d.put(at, d.gpr[RAX]!)
}

/** Outside 64-bit mode only the low halves of eight registers exist. */
function finish(d: Draft, mode: CodeMode): BigUint64Array {
  if (mode === 'long') return d.gpr
  return d.gpr.map((v, n) => (n < 8 ? v & 0xffffffffn : 0n))
}

/** Cases for `row`, `count` of them, from `seed`. Fewer where its encodings cannot be hit. */
export class Generator {
  private readonly decoder: Decoder
  private readonly instruction = new Instruction()

  constructor(table: OpcodeTable) {
    this.decoder = new Decoder(table)
  }

  private decodesTo(row: CompiledRow, mode: CodeMode, code: Uint8Array): boolean {
    const status = this.decoder.decode(code, 0, code.length, mode === 'long' ? 8 : mode === 'segmented16' ? 2 : 4, this.instruction)
    return status === DECODED && this.instruction.row === row && this.instruction.length === code.length
  }

  /** `only`: the memory operand stands there. */
  cases(row: CompiledRow, mode: CodeMode, count: number, seed: number, only?: number): Case[] {
    const random = new Random(seed)
    const made: Case[] = []
    const name = `${row.row.mnemonic} ${row.row.operands} (${row.row.encoding})`
    for (let tries = 0; made.length < count && tries < count * 10 + 50; tries++) {
      const one = attempt(random, row, mode, (code) => this.decodesTo(row, mode, code), name, only)
      if (one) made.push(one)
    }
    return made
  }
}
