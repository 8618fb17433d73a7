/**
 * Vector and x87 instructions translated, against the interpreter: single ones with operands of every kind (registers, memory, misaligned, across pages,
 * faulting), then programs of them. CBIT_ISA_CASES: cases per row (default 8); CBIT_ISA_PROGRAMS; CBIT_ISA_SEED.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import { describeCase, differences } from './compare.js'
import { Generator } from './generate.js'
import { Machine } from './machine.js'
import { Programs } from './programs.js'
import { DATA, FX_MXCSR, type Case } from './state.js'

const CASES = Number(process.env['CBIT_ISA_CASES'] ?? 8)
const PROGRAMS = Number(process.env['CBIT_ISA_PROGRAMS'] ?? 300)
const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const REPORTED_MAX = 10
const INSTRUCTIONS_MAX = 100_000
/** The sticky exception flags that most programs have soon: inexact results are computed otherwise before. */
const INEXACT = 0x20

const table = opcodeTable()
const unitRows = table.rows.filter(({ row }) => row.semantics.kind === 'vector' || row.semantics.kind === 'x87')
const features = [...new Set(unitRows.map(({ row }) => row.options.feature ?? 'BASE'))]

const withInexact = (c: Case): Case => {
  const fx = c.fx.slice()
  fx[FX_MXCSR] = fx[FX_MXCSR]! | INEXACT
  return { ...c, fx }
}

/** Cases that differ between the two machines. `cold`: the TLB knows no page beforehand. */
function failuresOf(interpreted: Machine, translated: Machine, cases: readonly Case[]): string[] {
  return cases.flatMap((c, n) => {
    if (n % 3 === 0) for (const machine of [interpreted, translated]) machine.core.invlpga({ lo: DATA, hi: 0 }, 0)
    const expected = interpreted.run(c, INSTRUCTIONS_MAX)
    const lines = differences(translated.run(c, INSTRUCTIONS_MAX), expected, { flags: 0 })
    return lines.length > 0 ? [[describeCase(c), ...lines].join('\n    ')] : []
  })
}

const report = (failures: readonly string[]): string => `${failures.length} cases differ\n${failures.slice(0, REPORTED_MAX).join('\n')}`

describe('translated as interpreted', () => {
  const interpreted = new Machine()
  const generator = new Generator(table)
  const casesOf = (row: CompiledRow): Case[] =>
    generator.cases(row, 'long', CASES, SEED * 100_003 + table.rows.indexOf(row)).map((c, n) => (n % 2 ? withInexact(c) : c))

  for (const feature of features) {
    it(`${feature}: single instructions`, () => {
      const translated = new Machine(true, 1)
      const cases = unitRows.filter(({ row }) => (row.options.feature ?? 'BASE') === feature).flatMap(casesOf)
      const failures = failuresOf(interpreted, translated, cases)
      assert.equal(failures.length, 0, report(failures))
      const { regions } = translated.kernel.counters.translated!
      assert(regions > cases.length * 0.7, `${regions} regions for ${cases.length} cases`)
    })
  }

  const kinds: Readonly<Record<string, (row: CompiledRow) => boolean>> = {
    vector: ({ row }) => row.semantics.kind === 'vector' && row.options.feature !== 'MMX',
    'vector and integer': ({ row }) => row.semantics.kind !== 'x87' && row.options.feature !== 'MMX',
    x87: ({ row }) => row.semantics.kind === 'x87' || row.options.feature === 'MMX',
  }
  for (const [name, wanted] of Object.entries(kinds)) {
    it(`programs of ${name} instructions`, () => {
      const translated = new Machine(true, 2)
      const programs = new Programs(table, wanted)
      const cases = Array.from({ length: PROGRAMS }, (_, n) => programs.program(SEED * 1_000_003 + n, 4 + (n % 60), 5 + (n % 7)))
      const failures = failuresOf(
        interpreted,
        translated,
        cases.map((c, n) => (n % 2 ? withInexact(c) : c)),
      )
      assert.equal(failures.length, 0, report(failures))
      const { regions } = translated.kernel.counters.translated!
      assert(regions > PROGRAMS / 2, `${regions} regions`)
    })
  }
})
