/**
 * Random bytes: what our decoder takes for an instruction, and how long, against the host's CPU. Each string is put before an unmapped page with 1 to 15
 * bytes visible: the fewest bytes that the CPU does not ask more of are the instruction. CBIT_ISA_STRINGS: how many strings (default 1200 per mode).
 */

import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { DECODED, Decoder, TOO_LONG, UNDEFINED } from '../../src/silicon/core/decode/decoder.js'
import { Instruction } from '../../src/silicon/core/decode/instruction.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import { HostOracle } from './host-oracle.js'
import { Machine } from './machine.js'
import { Random } from './random.js'
import { CODE, CODE_BYTES, WINDOW_BYTES, type Case, type CodeMode, type Outcome } from './state.js'
import { encodingDiffers } from './vendor-differences.js'

const STRINGS = Number(process.env['CBIT_ISA_STRINGS'] ?? 1200)
const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const LENGTH_MAX = 15
const UD = 6
const GP = 13
const PF = 14
const END = BigInt(CODE + CODE_BYTES)
const PORTION_STRINGS = 1200

const prefixes = [0x66, 0x66, 0xf2, 0xf3, 0xf0, 0x67, 0x64, 0x65, 0x2e, 0x3e, 0x26, 0x36]
const image = Uint8Array.from({ length: 512 }, (_, n) => ({ 0: 0x7f, 1: 3, 24: 0x80, 25: 0x1f })[n] ?? 0)

/** VEX: mostly of maps and fields that mean something. */
function drawVex(random: Random, mode: CodeMode, bytes: number[]): void {
  const field = random.oneIn(3) ? random.below(16) : 15
  const last = (random.below(2) << 7) | (field << 3) | random.below(8)
  if (random.oneIn(3)) bytes.push(0xc5, mode === 'long' ? last : last | 0xc0)
  else bytes.push(0xc4, (mode === 'long' ? random.below(8) << 5 : 0xe0) | (random.oneIn(20) ? random.below(32) : 1 + random.below(3)), last)
  bytes.push(random.below(256), random.oneIn(2) ? 0xc0 | random.below(64) : random.below(256))
}

function draw(random: Random, mode: CodeMode): Uint8Array {
  const bytes: number[] = []
  for (let n = random.pick([0, 0, 0, 1, 1, 2, 3]); n > 0; n--) bytes.push(random.pick(prefixes))
  if (mode === 'long' && random.oneIn(3)) bytes.push(0x40 | random.below(16))
  const map = random.below(11)
  if (map >= 8) {
    drawVex(random, mode, bytes)
    while (bytes.length < LENGTH_MAX) bytes.push(random.below(256))
    return Uint8Array.from(bytes)
  }
  if (map >= 3) bytes.push(0x0f)
  if (map >= 6) bytes.push(map === 6 ? 0x38 : 0x3a)
  bytes.push(random.below(256), random.oneIn(2) ? 0xc0 | random.below(64) : random.below(256))
  while (bytes.length < LENGTH_MAX) bytes.push(random.below(256))
  return Uint8Array.from(bytes)
}

/** The bytes from the opcode on. */
function withoutPrefixes(code: Uint8Array, mode: CodeMode): string {
  let n = 0
  while (prefixes.includes(code[n]!) || (mode === 'long' && (code[n]! & 0xf0) === 0x40)) n++
  return Buffer.from(code.subarray(n)).toString('hex')
}

/** Calls into the host's kernel and hypervisor. */
const notToBeRun = (opcode: string): boolean => /^(0f05|0f34|cd|0f01d9|0f01c1)/.test(opcode)

/**
 * What the host's CPU may know and our chip does not claim: EVEX and XOP; GFNI; MOVDIRI, MOVDIR64B; CR8 as LOCK MOV CR0. With VEX: mask registers (AVX-512F, BW, DQ), AVX-VNNI and
 * its kin, AVX-IFMA, GFNI (SDM vol. 2, chapters 3 to 6).
 */
const beyond = [
  /^(0f2[02]|62|8f|0f38cf|0f3ac[ef]|0f38f[89])/,
  /^(c5|c4[02468ace]1)..(4[124567ab]|9[012389])/,
  /^c4[02468ace]2..(5[0-3]|b[45]|cf|d[23])/,
  /^c4[02468ace]3..(3[0-3]|c[ef])/,
]
const beyondOurChip = (opcode: string): boolean => beyond.some((form) => form.test(opcode))

/** Instructions that decode, and of which #UD is decided by registers, modes or features. */
const undefinedAtRunTime = (opcode: string): boolean => /^(0f2[0-3]|0f01|0f00|0f0[5-7]|0f3[4-7]|0fae)/.test(opcode)

interface Hosts {
  readonly length: number
  readonly vector: number
}

function hostView(outcomes: readonly Outcome[]): Hosts {
  for (let n = 1; n <= LENGTH_MAX; n++) {
    const { vector, cr2, rip } = outcomes[n - 1]!
    if (vector !== PF || cr2 !== END || rip !== BigInt(CODE + CODE_BYTES - n)) return { length: n, vector }
  }
  return { length: 0, vector: PF }
}

const decoder = new Decoder(opcodeTable())
const instruction = new Instruction()

function disagreement(code: Uint8Array, mode: CodeMode, host: Hosts): string | undefined {
  const opcode = withoutPrefixes(code, mode)
  const status = decoder.decode(code, 0, LENGTH_MAX, mode === 'long' ? 8 : 4, instruction)
  if (status === TOO_LONG)
    return host.length === 0 || host.vector === GP ? undefined : `ours is too long, the host takes ${host.length} bytes`
  if (host.length === 0) return 'the host wants more than 15 bytes'
  const semantics = instruction.row?.row.semantics
  const undefinedHere = status === UNDEFINED || (semantics?.kind === 'rule' && semantics.rule === 'UD')
  const lengths = { here: instruction.length, there: host.length }
  if (encodingDiffers(opcode, { code, mode, undefinedHere, undefinedThere: host.vector === UD, ...lengths }) !== undefined) return undefined
  if (undefinedHere !== (host.vector === UD)) {
    if (undefinedHere ? beyondOurChip(opcode) : undefinedAtRunTime(opcode)) return undefined
    return undefinedHere ? `undefined here, the host takes ${host.length} bytes and raises ${host.vector}` : 'the host raises #UD'
  }
  if (status === DECODED && host.vector !== UD && instruction.length !== host.length)
    return `${instruction.length} bytes here, ${host.length} on the host`
  return undefined
}

const oracle = HostOracle.open()

function drawStrings(mode: CodeMode): Uint8Array[] {
  const random = new Random(SEED)
  const strings: Uint8Array[] = []
  while (strings.length < STRINGS) {
    const code = draw(random, mode)
    if (!notToBeRun(withoutPrefixes(code, mode))) strings.push(code)
  }
  return strings
}

function caseOf(code: Uint8Array, mode: CodeMode, offset: number): Case {
  const gpr = new BigUint64Array(16).fill(0x10011f00n)
  return { name: '', mode, code, offset, gpr, rflags: 0x202, fs: 0n, gs: 0n, fx: image, window: new Uint8Array(WINDOW_BYTES) }
}

describe('the decoder against the host’s CPU', { skip: typeof oracle === 'string' ? oracle : false }, () => {
  after(() => typeof oracle !== 'string' && oracle.close())

  for (const mode of ['long', 'compatibility'] as const) {
    it(`takes the same bytes for instructions in ${mode} mode`, () => {
      assert(typeof oracle !== 'string')
      const strings = drawStrings(mode)
      const found: string[] = []
      for (let first = 0; first < strings.length; first += PORTION_STRINGS) {
        const some = strings.slice(first, first + PORTION_STRINGS)
        const cases = some.flatMap((code) => Array.from(code, (_, n) => caseOf(code.slice(0, n + 1), mode, CODE_BYTES - 1 - n)))
        const outcomes = oracle.run(cases)
        some.forEach((code, n) => {
          const why = disagreement(code, mode, hostView(outcomes.slice(n * LENGTH_MAX, (n + 1) * LENGTH_MAX)))
          if (why) found.push(`${Buffer.from(code).toString('hex')}: ${why}`)
        })
      }
      assert.deepEqual(found, [])
    })
  }
})

describe('what is in no row of the opcode table', () => {
  it('raises #UD with nothing changed', () => {
    const machine = new Machine()
    const random = new Random(SEED)
    let tried = 0
    for (let n = 0; n < STRINGS; n++) {
      const code = draw(random, 'long')
      if (decoder.decode(code, 0, LENGTH_MAX, 8, instruction) !== UNDEFINED) continue
      const one = caseOf(code, 'long', 0x800)
      const outcome = machine.run(one)
      tried++
      assert.equal(outcome.vector, UD, Buffer.from(code).toString('hex'))
      assert.equal(outcome.rip, BigInt(CODE + 0x800))
      assert.deepEqual(outcome.gpr, one.gpr)
    }
    assert(tried > 10)
  })
})

describe('VEX.vvvv', () => {
  const decodes = (code: string, size: 4 | 8): number =>
    decoder.decode(Buffer.from(code.padEnd(32, '0'), 'hex'), 0, LENGTH_MAX, size, instruction)

  it('is 1111b in all four bits where it names no operand, in 32-bit code too', () => {
    // VCVTTSS2SI EBP,XMM7: vvvv of 1111b, then with its top bit clear
    for (const size of [4, 8] as const) {
      assert.equal(decodes('c4e17a2cef', size), DECODED)
      assert.equal(decodes('c4e13a2cef', size), UNDEFINED)
    }
  })

  it('names one of eight registers in 32-bit code', () => {
    // VADDSS XMM0,XMM8,XMM0 of 64-bit code
    for (const [size, register] of [
      [4, 0],
      [8, 8],
    ] as const) {
      assert.equal(decodes('c4e13a58c0', size), DECODED)
      assert.equal(instruction.vvvv, register)
    }
  })
})
