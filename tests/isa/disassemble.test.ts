// The disassembler against binutils' objdump, over encodings drawn for every row of the opcode table in 16-, 32- and 64-bit code. Differences of syntax
// that say the same are taken out of both texts first; rows that objdump reads otherwise than the table are listed with the reason.

import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type CodeSize, Decoder, DECODED } from '../../src/silicon/core/decode/decoder.js'
import { disassemble } from '../../src/silicon/core/decode/disassemble.js'
import { Instruction } from '../../src/silicon/core/decode/instruction.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import { Random } from './random.js'
import { rowBytes } from './row-bytes.js'

const PER_ROW = 6
/** Bytes from one instruction to the next: NOPs between let objdump fall into step again. */
const STRIDE = 32
const table = opcodeTable()
const decoder = new Decoder(table)

interface Sample {
  readonly row: CompiledRow
  readonly code: Uint8Array
  readonly text: string
}

/** What objdump (2.40) reads otherwise, by mnemonic or encoding, and why the table is right. */
const otherwise: readonly (readonly [RegExp, string])[] = [
  [/^SALC/, 'undocumented'],
  [/^FWAIT/, 'objdump parts it from prefixes'],
  [/^UD0/, 'AMD’s UD0 has no ModRM byte (APM vol. 3, UD0)'],
  [/^D9 \/3 reg|^D[CDF] \/[123] reg|^DE \/2 reg/, 'undocumented duplicate'],
  [/^0F 1[ABC]/, 'MPX and CLDEMOTE, which AMD does not have'],
  [/^0F 09$|^0F 01 =D9/, 'objdump refuses 66'],
  [/^[LMS]FENCE/, 'objdump knows ModRM.rm = 0 only'],
  [/^0F 0D/, 'the kind of prefetch is in ModRM.reg'],
  [/^VEX.LIG F[23] 0F 11 \/r reg/, 'objdump sizes the destination by VEX.L, which means nothing'],
  [/^FPREM|^FN(ENI|DISI|SETPM)/, 'objdump adds the processor'],
]

function decode(code: Uint8Array, size: CodeSize, address: bigint): { i: Instruction; text: string } | undefined {
  const i = new Instruction()
  if (decoder.decode(code, 0, code.length, size, i) !== DECODED) return undefined
  return { i, text: disassemble(i, size, address) }
}

function samples(size: CodeSize): Sample[] {
  const random = new Random(size)
  const found: Sample[] = []
  for (const row of table.rows) {
    for (let n = 0; n < PER_ROW; n++) {
      const code = rowBytes(random, row, size)
      const decoded = decode(code, size, BigInt(found.length * STRIDE))
      if (decoded && decoded.i.row === row) found.push({ row, code: code.subarray(0, decoded.i.length), text: decoded.text })
    }
  }
  return found
}

/** objdump's text at each sample. */
function judge(list: readonly Sample[], size: CodeSize): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-objdump-'))
  try {
    const image = new Uint8Array(list.length * STRIDE).fill(0x90)
    list.forEach((sample, n) => image.set(sample.code, n * STRIDE))
    const file = join(folder, 'code')
    writeFileSync(file, image)
    const machine = size === 8 ? 'x86-64' : size === 4 ? 'i386' : 'i8086'
    const { stdout } = spawnSync('objdump', ['-b', 'binary', '-m', 'i386', '-M', `intel,${machine}`, '-w', '-z', '-D', file], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    })
    const texts: string[] = []
    for (const line of stdout.split('\n')) {
      const found = /^\s*([0-9a-f]+):\t([0-9a-f ]+)\t(.*)$/.exec(line)
      if (!found) continue
      const at = parseInt(found[1]!, 16)
      if (at % STRIDE === 0)
        texts[at / STRIDE] =
          found[2]!.trim().split(' ').length === list[at / STRIDE]!.code.length ? found[3]! : `other length: ${found[3]!}`
    }
    return texts
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const comparisons = ['eq', 'lt', 'le', 'unord', 'neq', 'nlt', 'nle', 'ord', 'eq_uq', 'nge', 'ngt', 'false', 'neq_oq', 'ge', 'gt', 'true']
comparisons.push('eq_os', 'lt_oq', 'le_oq', 'unord_s', 'neq_us', 'nlt_uq', 'nle_uq', 'ord_s')
comparisons.push('eq_us', 'nge_uq', 'ngt_uq', 'false_os', 'neq_os', 'ge_oq', 'gt_oq', 'true_us')
const products = ['lqlq', 'hqlq', 'lqhq', 'hqhq']

/** objdump's shorthands with the immediate in the mnemonic. */
function spelledOut(text: string): string {
  const compare = /^(v?cmp)(\w+?)([ps][sd]) (.*)$/.exec(text)
  if (compare) return `${compare[1]!}${compare[3]!} ${compare[4]!},0x${comparisons.indexOf(compare[2]!).toString(16)}`
  const product = /^(v?pclmul)(..)(..)dq (.*)$/.exec(text)
  // objdump writes 2 and 3 as it writes 10h and 11h.
  if (!product) return /^v?pclmulqdq /.test(text) ? text.replace(/,0x1([01])$/, (_, low: string) => `,0x${2 + Number(low)}`) : text
  return `${product[1]!}qdq ${product[4]!},0x${products.indexOf(product[2]! + product[3]!)}`
}

/** Takes out what only differs in writing. */
function plain(text: string, row: CompiledRow): string {
  let s = text
    .toLowerCase()
    .replace(/\s*#.*$/, '')
    .replace(/\s+/g, ' ')
    .trim()
  for (let before = ''; before !== s;) {
    before = s
    s = s.replace(/(^|^(?:lock|rep|repz|repnz) )(rex(\.\w+)?|data16|data32|addr16|addr32|[c-g]s|ss|notrack|bnd|xacquire|xrelease) /, '$1')
  }
  s = spelledOut(s.replace(/movabs/, 'mov'))
  s = s.replace(/ip\+(0xf{8}[0-9a-f]{8})/, (_, hex: string) => `ip-0x${(-BigInt.asIntN(64, BigInt(hex))).toString(16)}`)
  s = s.replace(/\+[re]iz\*\d/, '').replace(/\+0x0\]/, ']')
  const operands = row.operands
  if (operands[0]?.class === 'J') s = s.replace(/0xffffffff(?=[0-9a-f]{8}$)/, '0x')
  if (operands[0]?.text === 'Gd') s = s.replace(/ r([a-ds][xpi]|bp),/, ' e$1,').replace(/ (r\d+),/, ' $1d,')
  // Selectors in registers: objdump shows the register at the operand size.
  if (operands[0]?.class === 'S' || /^L(SL|AR)$/.test(row.row.mnemonic)) s = s.replace(/,[re]?([a-ds][xpi]|bp)$|,(r\d+)[dw]?$/, ',$1$2')
  if (operands.length === 0)
    s = s.replace(/^((?:\w+ )?\w+) .*$/, (whole, head: string) => (/^(rep|repz|repnz|lock) /.test(whole) ? head : whole.split(' ')[0]!))
  if (operands.some((o) => o.class === 'O' || (o.class === 'M' && ['', 'dq', 'x'].includes(o.size)))) s = s.replace(/\w+ ptr /, '')
  return /^(p?blendv|sha256rnds2)/.test(s) ? s.replace(/^((?:[^,]+,){1}[^,]+),xmm0$/, '$1') : s
}

/** A size suffix that the mnemonic has on one side only. */
function sameMnemonic(mine: string, theirs: string): boolean {
  const [a, b] = [mine.split(' '), theirs.split(' ')]
  const at = /^(lock|rep|repz|repnz)$/.test(a[0]!) ? 1 : 0
  if (a.slice(at + 1).join(' ') !== b.slice(at + 1).join(' ') || (at && a[0] !== b[0])) return false
  const [m, t] = [a[at] ?? '', b[at] ?? '']
  const stem = (word: string): string => word.replace(/[bwdq]$/, '')
  return m === t || stem(m) === t || m === stem(t) || stem(m) === stem(t)
}

const hasObjdump = spawnSync('objdump', ['--version']).status === 0

for (const size of [2, 4, 8] as const) {
  test(`${size * 8}-bit code reads as objdump reads it`, { skip: hasObjdump ? false : 'needs objdump (binutils)' }, () => {
    const list = samples(size)
    ok(list.length > table.rows.length * PER_ROW * 0.5)
    const theirs = judge(list, size)
    const differ: string[] = []
    list.forEach(({ row, code, text }, n) => {
      if (otherwise.some(([pattern]) => pattern.test(row.row.mnemonic) || pattern.test(row.row.encoding))) return
      // An index that does not exist: the table's text has none.
      if (/\[[er]iz|^notrack/.test(theirs[n] ?? '')) return
      const [a, b] = [plain(text, row), plain(theirs[n] ?? '', row)]
      if (!sameMnemonic(a, b)) differ.push(`${Buffer.from(code).toString('hex')} [${row.row.encoding}]: ${a} | ${b} | ${theirs[n] ?? ''}`)
    })
    deepStrictEqual(differ.slice(0, Number(process.env['CBIT_DIFFERENCES'] ?? 20)), [], `${differ.length} of ${list.length} differ`)
  })
}

test('every row has a text in every mode that has it, and no name of another size', () => {
  for (const size of [2, 4, 8] as const) {
    const seen = new Set(samples(size).map((sample) => sample.row))
    for (const row of table.rows) {
      const { modes } = row.row.options
      if ((row.w !== 1 || size === 8) && (modes === undefined || (modes === 'o64') === (size === 8)))
        ok(seen.has(row), `${row.row.mnemonic} [${row.row.encoding}] in ${size * 8}-bit code`)
    }
  }
})

test('addresses, sizes and prefixes', () => {
  const text = (hex: string, size: CodeSize = 8, address = 0x1000n): string =>
    decode(Uint8Array.from(Buffer.from(hex.padEnd(32, '0'), 'hex')), size, address)!.text
  strictEqual(text('488b05f0ffffff'), 'mov rax,QWORD PTR [rip-0x10]  # 0xff7')
  strictEqual(text('e8fbffffff'), 'call 0x1000')
  strictEqual(text('66e900ff', 4), 'data16 jmp 0xf04')
  strictEqual(text('f00fc70b', 4), 'lock cmpxchg8b [ebx]')
  strictEqual(text('65488b042528000000'), 'mov rax,QWORD PTR gs:0x28')
  strictEqual(text('f348ab'), 'rep stosq QWORD PTR es:[rdi],rax')
  strictEqual(text('ea7856341200f0', 4), 'jmp 0xf000:0x12345678')
  strictEqual(text('48b88877665544332211'), 'mov rax,0x1122334455667788')
  strictEqual(text('67e3fe', 8), 'jecxz 0x1001')
  strictEqual(text('26678b4e10', 2), 'mov cx,WORD PTR es:[esi+0x10]')
  strictEqual(text('88e0'), 'mov al,ah')
  strictEqual(text('4088e0'), 'mov al,spl')
})
