// The bytes of every vector row, decoded and lowered, give the VEC record that the kernel is tested with.

import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { avxTwinRows } from '../../src/silicon/core/decode/opcodes/avx-twins.js'
import { avxRows } from '../../src/silicon/core/decode/opcodes/avx.js'
import { cryptoRows } from '../../src/silicon/core/decode/opcodes/crypto.js'
import { fmaRows } from '../../src/silicon/core/decode/opcodes/fma.js'
import { mmxRows } from '../../src/silicon/core/decode/opcodes/mmx.js'
import { sseRows } from '../../src/silicon/core/decode/opcodes/sse.js'
import type { OpcodeRow } from '../../src/silicon/core/decode/row.js'
import { compileTable } from '../../src/silicon/core/decode/table.js'
import { BlockLowering } from '../../src/silicon/core/ir/lower.js'
import { OP_RAISE, OP_VEC } from '../../src/silicon/core/ir/ops.js'
import { V_MASKMOVDQU, V_MASKMOVQ, V_VEX } from '../../src/silicon/core/ir/vector-ids.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { type Case, Fast, makeCase as makeLegacyCase } from './vector-cases.js'
import { isVex, makeVexCase } from './vector-vex-cases.js'

const makeCase = (row: OpcodeRow, random: Fast): Case => (isVex(row) ? makeVexCase : makeLegacyCase)(row, random)

const rows = [...mmxRows, ...sseRows, ...cryptoRows, ...avxTwinRows, ...avxRows, ...fmaRows]
const vectorRows = rows.filter((row) => row.semantics.kind === 'vector')
const lowering = new BlockLowering(compileTable(rows))
const MODE = S.MODE_CODE64 | S.MODE_SINGLE

/** The records of one instruction: op, d, a, b, imm and imm2 each. */
function lower(code: Uint8Array, mode: number): { op: number; d: number; a: number; b: number; imm: number; imm2: number }[] {
  const block = lowering.lower(code, 0, 16, mode)
  ok(block !== null)
  const { words, count } = block.emitter
  const view = new DataView(words.buffer)
  return Array.from({ length: count }, (_, i) => ({
    op: view.getUint16(16 * i, true),
    d: view.getUint8(16 * i + 2),
    a: view.getUint8(16 * i + 3),
    b: view.getUint8(16 * i + 4),
    imm: view.getUint32(16 * i + 8, true),
    imm2: view.getInt32(16 * i + 12, true),
  }))
}

test('decoder and lowering give the records of the cases', () => {
  const random = new Fast(0x5eed)
  for (const row of vectorRows) {
    for (let i = 0; i < 20; i++) {
      const { vec, record } = makeCase(row, random)
      const records = lower(record.subarray(0, 16), MODE)
      const found = records.find((r) => r.op === OP_VEC)
      const text = `${row.mnemonic} [${row.encoding}] ${Buffer.from(record.subarray(0, 10)).toString('hex')}`
      ok(found, `${text} is not lowered to a VEC record`)
      const general = /[EG]/.test(row.operands)
      const bits = row.operands.includes('Ib,Ib') || isVex(row) ? 0xffff : 0xff
      const implicit = [V_MASKMOVQ, V_MASKMOVDQU, V_VEX + V_MASKMOVDQU].includes(vec.id)
      deepStrictEqual(
        { id: found.imm & 0xffff, d: usesD(row.operands) ? found.d : 0, a: found.a, b: general ? found.b : 0, imm2: found.imm2 & bits },
        {
          id: vec.id,
          d: usesD(row.operands) ? narrowed(row.operands, 'P', vec.d) : 0,
          a: narrowed(row.operands, '[NQ]', vec.a),
          b: general ? vec.b : 0,
          imm2: vec.imm2 & bits,
        },
        text,
      )
      ok(!implicit || records.length > 2, `${text}: no address for the implicit operand`)
    }
  }
})

/** ModRM.reg is an operand, not part of the opcode. */
const usesD = (operands: string): boolean => /[VGP]/.test(operands)
/** MMX registers are numbered in three bits. */
const narrowed = (operands: string, letter: string, n: number): number => (n !== 0xff && new RegExp(letter).test(operands) ? n & 7 : n)

test('CR0 and CR4 forbid what names XMM or MMX registers and nothing else', () => {
  const random = new Fast(1)
  const raised = (mnemonic: string, mode: number): number | undefined => {
    const row = vectorRows.find((r) => r.mnemonic === mnemonic)
    ok(row)
    return lower(makeCase(row, random).record.subarray(0, 16), MODE | mode).find((r) => r.op === OP_RAISE)?.d
  }
  deepStrictEqual(
    ['ADDPS', 'LDMXCSR', 'PTEST', 'AESENC', 'CVTPI2PS'].map((m) => raised(m, S.MODE_SSE_UD)),
    [6, 6, 6, 6, 6],
  )
  deepStrictEqual(
    ['ADDPS', 'STMXCSR', 'PADDB', 'EMMS', 'PAVGB'].map((m) => raised(m, S.MODE_SSE_NM)),
    [7, 7, 7, 7, 7],
  )
  deepStrictEqual(
    ['PADDB', 'PAVGB', 'PSHUFW', 'EMMS'].map((m) => raised(m, S.MODE_MMX_UD)),
    [6, 6, 6, 6],
  )
  const all = S.MODE_SSE_UD | S.MODE_SSE_NM | S.MODE_MMX_UD
  deepStrictEqual(
    ['CRC32', 'MOVNTI', 'CLFLUSH'].map((m) => raised(m, all)),
    [undefined, undefined, undefined],
  )
  deepStrictEqual(
    ['PAVGB', 'MASKMOVQ'].map((m) => raised(m, S.MODE_SSE_UD)),
    [undefined, undefined],
  )
})
