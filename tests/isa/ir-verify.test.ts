// The lowering of every row of the opcode table, in every mode that changes it, passes the verifier and survives its text form; and the verifier sees what is wrong.

import { deepStrictEqual, match, ok, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { type CodeSize, Decoder, DECODED } from '../../src/silicon/core/decode/decoder.js'
import { Instruction } from '../../src/silicon/core/decode/instruction.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import { BlockLowering } from '../../src/silicon/core/ir/lower.js'
import { blockText, IrSyntaxError, parseBlock } from '../../src/silicon/core/ir/text.js'
import { verifyBlock } from '../../src/silicon/core/ir/verify.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { Random } from './random.js'
import { rowBytes } from './row-bytes.js'

const table = opcodeTable()
const sizes: Readonly<Record<number, CodeSize>> = { [S.MODE_CODE16]: 2, [S.MODE_CODE32]: 4, [S.MODE_CODE64]: 8 }
const modes = [
  S.MODE_CODE16,
  S.MODE_CODE16 | S.MODE_STACK32,
  S.MODE_CODE16 | S.MODE_FLAT,
  S.MODE_CODE32 | S.MODE_STACK32,
  S.MODE_CODE32 | S.MODE_STACK32 | S.MODE_FLAT,
  S.MODE_CODE64,
  S.MODE_CODE64 | S.MODE_X87_NM | S.MODE_SSE_NM | S.MODE_WAIT_NM,
  S.MODE_CODE32 | S.MODE_STACK32 | S.MODE_SSE_UD | S.MODE_MMX_UD,
]

/** Lowers `code` and verifies it; the complaints, and the text with them where there are any. */
function complaints(lowering: BlockLowering, code: Uint8Array, mode: number): string[] {
  const block = lowering.lower(code, 0, code.length, mode)
  if (!block) return []
  const { words, count } = block.emitter
  const found = verifyBlock({ words, count, instructions: block.instructions, length: block.length, mode })
  const text = blockText(words, count)
  const again = parseBlock(text)
  deepStrictEqual(again.words, words.slice(0, count * 4), `text form of ${Buffer.from(code).toString('hex')}:\n${text}`)
  return found.length === 0 ? [] : [`${found.join('; ')} in mode ${mode}, code ${Buffer.from(code).toString('hex')}\n${text}`]
}

test('every row, alone and with what follows, in every mode', () => {
  const lowering = new BlockLowering(table)
  const decoder = new Decoder(table)
  const instruction = new Instruction()
  const random = new Random(7)
  const wrong: string[] = []
  for (const row of table.rows) {
    for (const mode of modes) {
      for (let n = 0; n < 6; n++) {
        const code = rowBytes(random, row, sizes[mode & S.MODE_CODE_MASK]!)
        if (decoder.decode(code, 0, 16, sizes[mode & S.MODE_CODE_MASK]!, instruction) !== DECODED || instruction.row !== row) continue
        const found = complaints(lowering, code, n % 2 ? mode | S.MODE_SINGLE : mode)
        wrong.push(...found.map((text) => `${row.row.mnemonic} ${row.row.operands} [${row.row.encoding}]: ${text}`))
      }
    }
  }
  deepStrictEqual(wrong.slice(0, Number(process.env['CBIT_DIFFERENCES'] ?? 5)), [], `${wrong.length} blocks are wrong`)
})

test('random bytes, as long as a block may be', () => {
  const lowering = new BlockLowering(table, 1000)
  const random = new Random(8)
  const wrong: string[] = []
  for (let n = 0; n < 3000; n++) {
    const rows = Array.from({ length: 100 }, () => random.pick(table.rows))
    const mode = random.pick(modes)
    const code = random.oneIn(3)
      ? random.bytes(1100)
      : Buffer.concat(rows.map((row) => rowBytes(random, row, sizes[mode & S.MODE_CODE_MASK]!)))
    wrong.push(...complaints(lowering, code, mode))
  }
  deepStrictEqual(wrong.slice(0, 3), [], `${wrong.length} blocks are wrong`)
})

const NEXT = '@3#1 next 2, 6, 0'

function judge(text: string, mode = S.MODE_CODE64, instructions = 2, length = 6): string {
  return verifyBlock({ ...parseBlock(text), instructions, length, mode }).join('\n')
}

test('the verifier names what is wrong', () => {
  strictEqual(judge(`@0#0 mov64 rax, rbx\n${NEXT}`), '')
  const wrong: readonly (readonly [string, RegExp])[] = [
    [`@0#0 mov64 rax, rbx`, /does not end/],
    [`@0#0 leave\n${NEXT}`, /not for a new block/],
    [`@0#0 mov64 rax, rbx, imm!5\n${NEXT}`, /no field imm/],
    [`@0#0 mov64 ah, rbx\n${NEXT}`, /names ah with 8 bytes/],
    [`@0#0 mov64 zero, rbx\n${NEXT}`, /writes zero/],
    [`@0#0 mov64 fs_base, rbx\n${NEXT}`, /writes fs_base/],
    [`@0#0 mov64 [163], rbx\n${NEXT}`, /names \[163\]/],
    [`@0#0 mov64 rax, t1\n${NEXT}`, /t1 before/],
    [`@0#0 movi8 t1, 1\n@0#0 mov64 rax, t1\n${NEXT}`, /8 bytes of t1 before/],
    [`@0#0 movi64s t1, 1\n@3#1 mov64 rax, t1\n${NEXT}`, /t1 before/],
    [`@0#0 mov64 rax, rbx\n@0#0 ld_z64_bd rcx, rbx, 0\n${NEXT}`, /may fault after rax/],
    [`@0#0 addi32 t1, rbx, 1\n@0#0 st32_bd t1, rcx, 0\n${NEXT}`, /may fault after the flags/],
    [`@0#0 ldw32 t1, rcx\n@0#0 addi32 t1, t1, 1\n@0#0 st64_bd t1, rcx, 0\n${NEXT}`, /may fault after the flags/],
    [`@0#0 jmp 2, 0, 0\n${NEXT}`, /follows the end/],
    [`@0#0 next 1, 6, 0`, /counts 1/],
    [`@0#0 next 2, 5, 0`, /NEXT to 5/],
    [`@0#0 next 2, 6, 4096`, /link 4096/],
    [`@0#0 je 2`, /no extension/],
    [`@0#0 je 2\n-> 5 link 0 else 5 link 0`, /falls through to 5/],
    [`@4#1 mov64 rax, rbx\n${NEXT}`, /do not rise together/],
    [`@0#0 lea_bis rax, rbx, rcx, 4, 0\n${NEXT}`, /scale 4/],
    [`@0#0 cmov64 rax, rbx, 16\n${NEXT}`, /c is 16/],
    [`@0#0 hlp 999/3, d 0, a 0, b 4, c 64, imm2 0\n${NEXT}`, /no kernel function 999/],
    [`@0#0 hlp cpuid/2, d 0, a 0, b 4, c 64, imm2 0\n${NEXT}`, /length 2/],
    [`@0#0 hlp xadd/3, d 0, a 255, b 4, c 64, imm2 0\n${NEXT}`, /t0 before/],
    [`@0#0 vmov xmm16, xmm1\n${NEXT}`, /XMM register 16/],
    [`@0#0 mov64 rax, rbx\n@0#0 profile 10\n${NEXT}`, /at the head/],
  ]
  for (const [text, reason] of wrong) match(judge(text), reason, text)
  match(judge(`@0#0 ld_z8_bd rax, rbx, 0\n${NEXT}`, S.MODE_CODE32), /passed its segment/)
  match(judge(`@0#0 segment t6, rbx, 3, 1, -1, 0\n@0#0 ld_z32_bd rax, t6, 0\n${NEXT}`, S.MODE_CODE32), /asked for 1/)
  match(judge(`@0#0 segment t6, rbx, 3, 4, -1, 0\n@0#0 st32_bd rax, t6, 0\n${NEXT}`, S.MODE_CODE32), /asked for reading/)
  strictEqual(judge(`@0#0 segment t6, rbx, 3, 132, -1, 0\n@0#0 st32_bd rax, t6, 0\n${NEXT}`, S.MODE_CODE32), '')
  match(judge(`@0#0 next 1, 6, 0`, S.MODE_CODE64 | S.MODE_SINGLE, 1), /link 0/)
  // A store to what LDW has checked is safe.
  strictEqual(judge(`@0#0 ldw32 t1, rcx\n@0#0 addi32 t1, t1, 1\n@0#0 st32_bd t1, rcx, 0\n${NEXT}`), '')
})

test('text that is no IR is refused with its line', () => {
  for (const text of [
    'mov64 rax',
    '@0#0 nonsense',
    '@0#0 mov64 rax',
    '@0#0 mov64 rax, rqx',
    '@0#0 mov64 rax, rbx, rcx',
    '@9999#0 leave',
    '@0#0 movi64s rax, 5000000000',
  ]) {
    throws(
      () => parseBlock(`; comment\n${text}`),
      (error) => error instanceof IrSyntaxError && error.message.includes('line 2'),
    )
  }
  ok(parseBlock('').count === 0)
})
