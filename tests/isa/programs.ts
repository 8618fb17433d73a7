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
import { CODE_MAX, DATA, FX_MXCSR, FX_XMM, isSegmented, WINDOW, WINDOW_BYTES, type Case, type CodeMode } from './state.js'

const RSP = 4

/** Registers by their part in a program. */
interface Roles {
  /** Counts the rounds of the loop. */
  readonly counter: number
  /** Points to the window. */
  readonly pointer: number
  readonly free: readonly number[]
}
const narrowRoles: Roles = { counter: 5, pointer: 7, free: [0, 1, 2, 3, 6] }
const roles: Readonly<Record<CodeMode, Roles>> = {
  long: { counter: 13, pointer: 15, free: [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14] },
  compatibility: narrowRoles,
  segmented16: narrowRoles,
  segmented32: narrowRoles,
}

/** Their registers or their effect on control flow would lead a program astray. */
const astray = new Set([
  'XLAT',
  'LEAVE',
  'ENTER',
  'POPF',
  'RET',
  'JMP',
  'CALL',
  'MOVS',
  'MOVSB',
  'STOS',
  'STOSB',
  'LODS',
  'LODSB',
  'CMPS',
  'CMPSB',
  'SCAS',
  'SCASB',
  'LOOP',
  'LOOPE',
  'LOOPNE',
  'JCXZ',
  'UD0',
  'UD1',
  'UD2',
  'CLZERO',
  'XGETBV',
  'WRPKRU',
  'RDPKRU',
  'WRFSBASE',
  'WRGSBASE',
  'RDFSBASE',
  'RDGSBASE',
  'PAUSE',
  'LDMXCSR',
  'STMXCSR',
  'MASKMOVDQU',
  'CLFLUSH',
  'CLFLUSHOPT',
  'CLWB',
  'FXSAVE',
  'FXRSTOR',
  'XSAVE',
  'XRSTOR',
  'XSAVEC',
  'XSAVEOPT',
  'RCPPS',
  'VRCPPS',
  'VRCPSS',
  'VRSQRTPS',
  'VRSQRTSS',
  'RCPSS',
  'RSQRTPS',
  'RSQRTSS',
  'DIV',
  'IDIV',
])
const conditional = (row: CompiledRow): boolean => row.row.semantics.kind === 'rule' && row.row.semantics.rule === 'Jcc'

/** Of these the host's results are its own to the last bits, or they replace all of the x87. */
const astrayX87 = /^(F2XM1|FYL2XP?1?|FPATAN|FPTAN|FSINCOS|FSIN|FCOS|FLDENV|FRSTOR|FNSAVE|FNSTENV|FLDCW|FWAIT)$/

function fit(row: CompiledRow): boolean {
  const { mnemonic, options } = row.row
  // VEX forms as their twins; where a gather reads is not known beforehand.
  if (options.indexed || (row.vex && astray.has(mnemonic.slice(1)))) return false
  if (options.system || options.modes === 'i64' || astray.has(mnemonic) || astrayX87.test(mnemonic) || /MASKMOV/.test(mnemonic))
    return false
  return !hasOperand(row, 'O')
}

/** CMP al, bl: makes every arithmetic flag defined. */
const defineFlags = Uint8Array.of(0x38, 0xd8)
/** DEC of the counter. */
const countDown = (mode: CodeMode): number[] =>
  mode === 'long' ? [0x41, 0xff, 0xcd] : mode === 'segmented16' ? [0x66, 0xff, 0xcd] : [0xff, 0xcd]

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

  /** `wanted`: rows that the programs are made of, besides branches. `defined`: nothing sees flags that an instruction leaves undefined. */
  constructor(
    table: OpcodeTable,
    wanted: (row: CompiledRow) => boolean = () => true,
    private readonly defined = true,
  ) {
    this.rows = table.rows.filter((row) => fit(row) && wanted(row))
    this.branches = table.rows.filter(conditional)
    this.decoder = new Decoder(table)
  }

  /** A program of about `length` instructions, run `rounds` times. Now and then it faults in some round. */
  program(seed: number, length: number, rounds: number, mode: CodeMode = 'long'): Case {
    const random = new Random(seed)
    const pieces: Piece[] = []
    let bytes = 0
    const add = (piece: readonly Piece[]): void => {
      pieces.push(...piece)
      bytes += piece.reduce((sum, one) => sum + (one.branch ? 7 : one.bytes.length), 0)
    }
    while (pieces.length < length && bytes < CODE_MAX - 140) {
      if (random.oneIn(5)) add(this.branch(random, mode))
      else if (mode === 'long' && random.oneIn(16)) add(repeated(random))
      else add(this.plain(random, mode))
    }
    if (mode === 'long' && random.oneIn(4)) add([plainPiece(leavesTheData(random, rounds))])
    const code = assemble(pieces)
    const near = mode === 'segmented16' ? 2 : 4
    const back = -(code.length + countDown(mode).length + 2 + near)
    const loop = [...code, ...countDown(mode), 0x0f, 0x85, ...bytesOf(back, near)]
    return {
      ...initialState(random, rounds, mode),
      name: `program ${seed}`,
      mode,
      code: Uint8Array.from(loop),
      offset: 0xf00 + random.below(0x80),
    }
  }

  private plain(random: Random, mode: CodeMode): Piece[] {
    for (;;) {
      const row = random.pick(this.rows)
      if (mode !== 'long' && (row.row.options.modes === 'o64' || row.row.options.size64 !== undefined)) continue
      const e = draw(random, row, mode)
      e.immediate = randomImmediate(random, e)
      const bytes = encode(e, new Random(1))
      if (bytes.length > 15 || !this.decodesTo(row, bytes, mode)) continue
      const piece = plainPiece(bytes)
      return this.defined && row.row.options.undefinedFlags ? [piece, { ...piece, bytes: defineFlags }] : [piece]
    }
  }

  private branch(random: Random, mode: CodeMode): Piece[] {
    const e = draw(random, random.pick(this.branches), mode)
    e.operandPrefix = false
    e.segment = 0
    e.immediate = new Uint8Array(e.row.operands[0]!.size === 'b' ? 1 : mode === 'segmented16' ? 2 : 4)
    return [{ bytes: encode(e, new Random(1)), skips: 1 + random.below(3), branch: e }]
  }

  private decodesTo(row: CompiledRow, code: Uint8Array, mode: CodeMode): boolean {
    const size = mode === 'long' ? 8 : mode === 'segmented16' ? 2 : 4
    return (
      this.decoder.decode(code, 0, code.length, size, this.instruction) === DECODED &&
      this.instruction.row === row &&
      this.instruction.length === code.length
    )
  }
}

const plainPiece = (bytes: Uint8Array): Piece => ({ bytes, skips: 0, branch: undefined })

const bytesOf = (value: number, n: number): number[] => Array.from({ length: n }, (_, i) => (value >> (8 * i)) & 255)

/** lea rsi, [r15+a] / lea rdi, [r15+b] / mov ecx, n / cld or std / rep movs, stos, lods, scas, cmps / cld. */
function repeated(random: Random): Piece[] {
  const prefix = random.pick([0xf3, 0xf2])
  const opcode = random.pick([0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf, 0xa6, 0xa7])
  const wide = random.pick([[], [0x66], [0x48]])
  const place = (): number[] => bytesOf(300 + random.below(400), 4)
  const operation = wide[0] === 0x48 ? [prefix, 0x48, opcode] : [...wide, prefix, opcode]
  const operands = [0x49, 0x8d, 0xb7, ...place(), 0x49, 0x8d, 0xbf, ...place(), 0xb9, ...bytesOf(random.below(30), 4)]
  return [plainPiece(Uint8Array.from([...operands, random.pick([0xfc, 0xfd]), ...operation, 0xfc]))]
}

/** add [r13*4 + base], eax, which comes out of the data area in some round. */
function leavesTheData(random: Random, rounds: number): Uint8Array {
  const base = DATA - 4 * (1 + random.below(rounds))
  return Uint8Array.of(0x42, 0x01, 0x04, 0xad, ...bytesOf(base, 4))
}

function draw(random: Random, row: CompiledRow, mode: CodeMode): Encoding {
  const { free, pointer } = roles[mode]
  const misaligned = random.oneIn(row.row.semantics.kind === 'vector' ? 60 : 3)
  const displacement = misaligned ? 64 + random.below(800) : 64 + 16 * random.below(50)
  const long = mode === 'long'
  const addressPrefix = long ? random.oneIn(12) : mode === 'segmented16'
  const bitString = /^BT/.test(row.row.mnemonic) && hasOperand(row, 'G')
  const wantsMemory =
    !bitString && (row.form === 0 || (row.form < 0 && row.hasModrm && row.modrm < 0 && hasOperand(row, 'EMWQ') && random.oneIn(2)))
  return {
    row,
    mode,
    operandPrefix: row.prefix === PREFIX_ANY && !row.vex && random.oneIn(4),
    addressPrefix,
    lock: wantsMemory && row.row.options.lock === true && random.oneIn(6),
    repeat: 0,
    segment: 0,
    wide: row.w >= 0 ? row.w === 1 : long && random.oneIn(2),
    rexAlways: random.oneIn(4),
    reg: random.pick(free),
    rm: random.pick(free),
    vvvv: hasOperand(row, 'BH') ? random.pick(free) : 0,
    l: random.below(2),
    memory: wantsMemory
      ? { base: pointer, index: -1, scale: 0, displacement, ripRelative: false, mod: 2, rm: 7, sib: 0, displacementBytes: 4 }
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

function initialState(random: Random, rounds: number, mode: CodeMode): Pick<Case, 'gpr' | 'rflags' | 'fs' | 'gs' | 'fx' | 'window'> {
  const gpr = BigUint64Array.from({ length: 16 }, () => random.integer())
  const window = isSegmented(mode) ? WINDOW - DATA : WINDOW
  gpr[RSP] = BigInt(window + 512)
  gpr[roles[mode].counter] = BigInt(rounds)
  gpr[roles[mode].pointer] = BigInt(window)
  if (mode !== 'long') gpr.forEach((v, n) => (gpr[n] = n < 8 ? v & 0xffffffffn : 0n))
  const fx = new Uint8Array(512)
  const view = new DataView(fx.buffer)
  view.setUint16(0, 0x37f, true)
  view.setUint32(FX_MXCSR, 0x1f80, true)
  for (let n = 0; n < 32; n++) view.setBigUint64(FX_XMM + n * 8, random.oneIn(2) ? random.float64() : random.integer(), true)
  return { gpr, rflags: 0x202 | (random.u32() & 0x8d5), fs: 0n, gs: 0n, fx, window: random.bytes(WINDOW_BYTES) }
}
