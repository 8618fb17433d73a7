/**
 * Random programs: a loop over a few dozen instructions with branches forward, on registers and a window of memory. They test what single instructions
 * cannot: flags that pass from one instruction to the next, fused compares, blocks that follow one another, budgets.
 */

import type { CompiledRow, OpcodeTable } from '../../src/silicon/core/decode/table.js'
import { PREFIX_ANY } from '../../src/silicon/core/decode/table.js'
import { Decoder, DECODED } from '../../src/silicon/core/decode/decoder.js'
import { Instruction } from '../../src/silicon/core/decode/instruction.js'
import { encode, hasOperand, immediateBytes, type Encoding } from './encode.js'
import { Random } from './random.js'
import { CODE_MAX, FX_MXCSR, FX_XMM, WINDOW, WINDOW_BYTES, type Case } from './state.js'

const RSP = 4
/** Counts the rounds of the loop. */
const R13 = 13
/** Points to the window. */
const R15 = 15
const registers = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14]

/** Their registers or their effect on control flow would lead a program astray. */
const astray = new Set([
  'XLAT', 'LEAVE', 'ENTER', 'POPF', 'RET', 'JMP', 'CALL', 'MOVS', 'MOVSB', 'STOS', 'STOSB', 'LODS', 'LODSB', 'CMPS', 'CMPSB', 'SCAS', 'SCASB', 'LOOP', 'LOOPE',
  'LOOPNE', 'JCXZ', 'UD0', 'UD1', 'UD2', 'CLZERO', 'XGETBV', 'WRPKRU', 'RDPKRU', 'WRFSBASE', 'WRGSBASE', 'RDFSBASE', 'RDGSBASE', 'PAUSE', 'LDMXCSR', 'STMXCSR',
  'MASKMOVDQU', 'CLFLUSH', 'CLFLUSHOPT', 'CLWB', 'FXSAVE', 'FXRSTOR', 'XSAVE', 'XRSTOR', 'XSAVEC', 'XSAVEOPT', 'RCPPS', 'RCPSS', 'RSQRTPS', 'RSQRTSS', 'DIV', 'IDIV',
])
const conditional = (row: CompiledRow): boolean => row.row.semantics.kind === 'rule' && row.row.semantics.rule === 'Jcc'

function fit(row: CompiledRow): boolean {
  const { mnemonic, options, semantics } = row.row
  if (options.system || options.modes === 'i64' || astray.has(mnemonic) || semantics.kind === 'x87') return false
  if (hasOperand(row, 'PQNO')) return false
  return !(row.operands.length === 0 && semantics.kind === 'vector')
}

/** ADD r14b, r14b: makes every arithmetic flag defined. */
const defineFlags = Uint8Array.of(0x45, 0x00, 0xf6)
/** DEC r13d. */
const countDown = [0x41, 0xff, 0xcd]

interface Piece {
  bytes: Uint8Array
  /** Pieces that a branch skips, 0 where it is none. */
  skips: number
  branch: Encoding | undefined
}

export class Programs {
  private readonly rows: readonly CompiledRow[]
  private readonly branches: readonly CompiledRow[]
  private readonly decoder: Decoder
  private readonly instruction = new Instruction()

  constructor(table: OpcodeTable) {
    this.rows = table.rows.filter(fit)
    this.branches = table.rows.filter(conditional)
    this.decoder = new Decoder(table)
  }

  /** A program of about `length` instructions, run `rounds` times. */
  program(seed: number, length: number, rounds: number): Case {
    const random = new Random(seed)
    const pieces: Piece[] = []
    let bytes = 0
    while (pieces.length < length && bytes < CODE_MAX - 100) {
      const piece = random.oneIn(5) ? this.branch(random) : this.plain(random)
      pieces.push(...piece)
      bytes += piece.reduce((sum, one) => sum + (one.branch ? 7 : one.bytes.length), 0)
    }
    const code = assemble(pieces)
    const back = -(code.length + countDown.length + 6)
    const loop = [...code, ...countDown, 0x0f, 0x85, back & 255, (back >> 8) & 255, (back >> 16) & 255, (back >> 24) & 255]
    return { ...initialState(random, rounds), name: `program ${seed}`, mode: 'long', code: Uint8Array.from(loop), offset: 0xf00 + random.below(0x80) }
  }

  private plain(random: Random): Piece[] {
    for (;;) {
      const row = random.pick(this.rows)
      const e = draw(random, row)
      e.immediate = randomImmediate(random, e)
      const bytes = encode(e, new Random(1))
      if (bytes.length > 15 || !this.decodesTo(row, bytes)) continue
      const piece = { bytes, skips: 0, branch: undefined }
      return row.row.options.undefinedFlags ? [piece, { ...piece, bytes: defineFlags }] : [piece]
    }
  }

  private branch(random: Random): Piece[] {
    const e = draw(random, random.pick(this.branches))
    e.operandPrefix = false
    e.segment = 0
    e.immediate = new Uint8Array(e.row.operands[0]!.size === 'b' ? 1 : 4)
    return [{ bytes: encode(e, new Random(1)), skips: 1 + random.below(3), branch: e }]
  }

  private decodesTo(row: CompiledRow, code: Uint8Array): boolean {
    return this.decoder.decode(code, 0, code.length, 8, this.instruction) === DECODED && this.instruction.row === row && this.instruction.length === code.length
  }
}

function draw(random: Random, row: CompiledRow): Encoding {
  const bitString = /^BT/.test(row.row.mnemonic) && hasOperand(row, 'G')
  const wantsMemory = !bitString && (row.form === 0 || (row.form < 0 && row.hasModrm && row.modrm < 0 && hasOperand(row, 'EMWQ') && random.oneIn(2)))
  const displacement = 64 + 16 * random.below(24)
  return {
    row,
    mode: 'long',
    operandPrefix: row.prefix === PREFIX_ANY && !row.vex && random.oneIn(4),
    addressPrefix: random.oneIn(12),
    lock: wantsMemory && row.row.options.lock === true && random.oneIn(6),
    repeat: 0,
    segment: 0,
    wide: row.w >= 0 ? row.w === 1 : random.oneIn(2),
    rexAlways: random.oneIn(4),
    reg: random.pick(registers),
    rm: random.pick(registers),
    vvvv: random.pick(registers),
    memory: wantsMemory
      ? { base: R15, index: -1, scale: 0, displacement, ripRelative: false, mod: 2, rm: 7, sib: 0, displacementBytes: 4 }
      : undefined,
    immediate: new Uint8Array(0),
  }
}

function randomImmediate(random: Random, e: Encoding): Uint8Array {
  const bytes = e.row.operands.flatMap((operand) => {
    const n = operand.class === 'I' ? immediateBytes(e, operand) : 0
    const value = random.integer()
    return Array.from({ length: n }, (_, i) => Number((value >> BigInt(8 * i)) & 255n))
  })
  return Uint8Array.from(bytes)
}

/** Puts the pieces together; branches skip whole pieces. */
function assemble(pieces: readonly Piece[]): number[] {
  const starts: number[] = []
  let at = 0
  for (const piece of pieces) {
    starts.push(at)
    at += piece.bytes.length
  }
  starts.push(at)
  return pieces.flatMap((piece, n) => {
    if (!piece.branch) return [...piece.bytes]
    const to = starts[Math.min(n + 1 + piece.skips, pieces.length)]!
    const distance = to - starts[n + 1]!
    piece.branch.immediate = Uint8Array.from(piece.branch.immediate, (_, i) => (distance >> (8 * i)) & 255)
    return [...encode(piece.branch, new Random(1))]
  })
}

function initialState(random: Random, rounds: number): Pick<Case, 'gpr' | 'rflags' | 'fs' | 'gs' | 'fx' | 'window'> {
  const gpr = BigUint64Array.from({ length: 16 }, () => random.integer())
  gpr[RSP] = BigInt(WINDOW + 512)
  gpr[R13] = BigInt(rounds)
  gpr[R15] = BigInt(WINDOW)
  const fx = new Uint8Array(512)
  const view = new DataView(fx.buffer)
  view.setUint16(0, 0x37f, true)
  view.setUint32(FX_MXCSR, 0x1f80, true)
  for (let n = 0; n < 32; n++) view.setBigUint64(FX_XMM + n * 8, random.oneIn(2) ? random.float64() : random.integer(), true)
  return { gpr, rflags: 0x202 | (random.u32() & 0x8d5), fs: 0n, gs: 0n, fx, window: random.bytes(WINDOW_BYTES) }
}
