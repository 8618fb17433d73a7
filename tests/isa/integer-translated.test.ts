/**
 * Integer instructions translated, against the interpreter, undefined flags too: single ones, programs of all, and programs of those whose flags translated
 * code keeps in parts of its own. CBIT_ISA_CASES: cases per row (default 8); CBIT_ISA_PROGRAMS; CBIT_ISA_SEED.
 */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import { describeCase, differences } from './compare.js'
import { Generator } from './generate.js'
import { Machine } from './machine.js'
import { Programs } from './programs.js'
import type { Case } from './state.js'

const CASES = Number(process.env['CBIT_ISA_CASES'] ?? 8)
const PROGRAMS = Number(process.env['CBIT_ISA_PROGRAMS'] ?? 400)
const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const REPORTED_MAX = 10
const INSTRUCTIONS_MAX = 100_000

const table = opcodeTable()
const integer = ({ row }: CompiledRow): boolean =>
  (row.semantics.kind === 'rule' && row.options.system !== true && !/^(RET|CALL|JMP)/.test(row.mnemonic)) ||
  /^(CMPXCHG|XADD)$/.test(row.mnemonic)

function failuresOf(interpreted: Machine, translated: Machine, cases: readonly Case[]): string[] {
  return cases.flatMap((c) => {
    const expected = interpreted.run(c, INSTRUCTIONS_MAX)
    const lines = differences(translated.run(c, INSTRUCTIONS_MAX), expected, { flags: 0 })
    return lines.length > 0 ? [[describeCase(c), ...lines].join('\n    ')] : []
  })
}

const report = (failures: readonly string[]): string => `${failures.length} cases differ\n${failures.slice(0, REPORTED_MAX).join('\n')}`

describe('integer instructions, translated as interpreted', () => {
  const interpreted = new Machine()

  it('single instructions', () => {
    const generator = new Generator(table)
    const translated = new Machine(true, 1)
    const rows = table.rows.filter((row) => integer(row) && !/^J|^LOOP/.test(row.row.mnemonic))
    const cases = rows.flatMap((row) => generator.cases(row, 'long', CASES, SEED * 100_003 + table.rows.indexOf(row)))
    const failures = failuresOf(interpreted, translated, cases)
    assert.equal(failures.length, 0, report(failures))
    const { regions } = translated.kernel.counters.translated!
    assert(regions > cases.length * 0.7, `${regions} regions for ${cases.length} cases`)
  })

  const carries =
    /^(ADC|SBB|ADD|SUB|CMP|NEG|INC|DEC|MUL|IMUL|MULX|ADCX|ADOX|RCL|RCR|ROL|ROR|SH[LR]D?|SAR|BT[SRC]?|SET|CMOV|BLS|ANDN|BZHI|BEXTR|[TL]ZCNT|POPCNT|BS[FR]|CMC|LAHF|DIV)/
  const kinds: Readonly<Record<string, (row: CompiledRow) => boolean>> = {
    all: integer,
    carrying: (row) => integer(row) && carries.test(row.row.mnemonic),
    'long addition': (row) => integer(row) && /^(ADC|SBB|MULX|ADCX|ADOX|MUL|ADD|DEC|SETN?[CBO])$/.test(row.row.mnemonic),
    exchanging: (row) => integer(row) && /^(CMPXCHG|XADD|XCHG|ADC|SETN?[CBO]|RCL)$/.test(row.row.mnemonic),
    rotating: (row) => integer(row) && /^(R[OC][LR]|SH[LR]D?|ADCX|ADOX|BT|SETN?[CBO]|LAHF)$/.test(row.row.mnemonic),
  }
  for (const [name, wanted] of Object.entries(kinds)) {
    it(`programs of ${name} instructions`, () => {
      const translated = new Machine(true, 2)
      const programs = new Programs(table, wanted, false)
      const cases = Array.from({ length: PROGRAMS }, (_, n) => programs.program(SEED * 1_000_003 + n, 4 + (n % 60), 5 + (n % 7)))
      const failures = failuresOf(interpreted, translated, cases)
      assert.equal(failures.length, 0, report(failures))
      const { regions } = translated.kernel.counters.translated!
      assert(regions > PROGRAMS / 2, `${regions} regions`)
    })
  }
})
