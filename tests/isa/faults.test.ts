/** A fault leaves no trace: every row with a memory operand, at an address where nothing is mapped, at CPL 3 and at CPL 0. No oracle is needed. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { describeCase } from './compare.js'
import { hasOperand } from './encode.js'
import { Generator } from './generate.js'
import { Machine } from './machine.js'
import { CODE, FX_USED, UNMAPPED, type Case } from './state.js'

const CASES = Number(process.env['CBIT_ISA_CASES'] ?? 4)
const UD = 6
const GP = 13
const PF = 14
const RF = 0x10000

const table = opcodeTable()
/** They name an address and do not use it, or do not mind, or use what a mask asks for (vector.test.ts, and of gathers host.test.ts). */
const untouched = /^(LEA|NOP|PREFETCH.*|INVLPG|UD1|UD0|VP?MASKMOV(PS|PD|D|Q)|VP?GATHER.*)$/
const controlRegisters = [S.CR0, S.CR3, S.CR4, S.CR8, S.EFER, S.XCR0, S.DR7]

const usesMemory = (row: CompiledRow): boolean =>
  row.hasModrm &&
  row.form !== 1 &&
  row.modrm < 0 &&
  hasOperand(row, 'EMWQ') &&
  !untouched.test(row.row.mnemonic) &&
  row.row.options.modes !== 'i64'

/** What of the state has changed, beyond what delivering an exception changes. */
function traces(machine: Machine, c: Case, cpl: number): string[] {
  machine.load(c)
  if (cpl === 0) machine.raisePrivilege()
  const before = controlRegisters.map((at) => machine.u64(at))
  const tables = [S.GDTR, S.IDTR, S.LDTR, S.TR].map((n) => machine.u64(S.SEGMENTS + n * 16))
  machine.core.run(100)
  const outcome = machine.outcome()
  machine.clearCode()
  const found: string[] = []
  const check = (what: string, is: boolean): void => void (is || found.push(what))
  check(`vector ${outcome.vector}`, outcome.vector === PF || outcome.vector === UD || outcome.vector === GP)
  check(`rip ${outcome.rip.toString(16)}`, outcome.rip === BigInt(CODE + c.offset))
  check(
    'general registers',
    outcome.gpr.every((v, n) => v === c.gpr[n]),
  )
  check('flags', (outcome.rflags & ~RF) === c.rflags)
  check(
    'x87 and XMM',
    outcome.fx.subarray(0, FX_USED).every((v, n) => v === c.fx[n] || isReserved(n)),
  )
  check(
    'upper halves of YMM registers',
    outcome.upper.every((v, n) => v === (c.upper?.[n] ?? 0)),
  )
  check(
    'control registers',
    controlRegisters.every((at, n) => machine.u64(at) === before[n]),
  )
  check(
    'tables',
    [S.GDTR, S.IDTR, S.LDTR, S.TR].every((n, k) => machine.u64(S.SEGMENTS + n * 16) === tables[k]),
  )
  check(
    'segments',
    outcome.selectors.every((v, n) => n === S.CS || n === S.SS || v === (n < S.FS ? 0x2b : 0)),
  )
  check(
    'memory',
    outcome.window.every((v, n) => v === c.window[n]),
  )
  return found
}

const isReserved = (at: number): boolean => (at >= 5 && at < 24) || (at >= 28 && at < 32) || (at >= 32 && at < 160 && (at & 15) >= 10)

describe('a fault on the memory operand leaves no trace', () => {
  const rows = table.rows.filter(usesMemory)
  for (const cpl of [3, 0]) {
    it(`of ${rows.length} rows at CPL ${cpl}`, () => {
      const machine = new Machine()
      const generator = new Generator(table)
      const failures: string[] = []
      for (const row of rows) {
        for (const c of generator.cases(row, 'long', CASES, table.rows.indexOf(row), UNMAPPED + 0x40)) {
          const found = traces(machine, c, cpl)
          if (found.length) failures.push(`${describeCase(c)}\n    changed: ${found.join(', ')}`)
        }
      }
      assert.equal(failures.length, 0, `${failures.length} cases\n${failures.slice(0, 20).join('\n')}`)
    })
  }
})
