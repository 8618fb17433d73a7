/**
 * Every row of the opcode table that user mode can run, in 64-bit mode, compatibility mode and with segments of its own, against the CPU of the host.
 * CBIT_ISA_CASES: cases per row (default 6); CBIT_ISA_SEED: where the generator starts.
 */

import assert from 'node:assert/strict'
import { after, describe, it, type TestContext } from 'node:test'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import { describeCase, differences } from './compare.js'
import { Generator } from './generate.js'
import { HostOracle } from './host-oracle.js'
import { Machine } from './machine.js'
import { notOnHost, toleranceOf } from './rows.js'
import { codeModes, type Case, type CodeMode } from './state.js'
import { lackingOnHost, leftOut, settled } from './vendor-differences.js'

const CASES = Number(process.env['CBIT_ISA_CASES'] ?? 6)
const SEED = Number(process.env['CBIT_ISA_SEED'] ?? 1)
const REPORTED_MAX = 10
const TF = 0x100
/** One row in so many is single-stepped too, and every string instruction. */
const STEPPED = 5
/** Rows are run in portions, so that the records of many cases per row do not pile up. */
const PORTION_CASES = 10_000

const table = opcodeTable()
const oracle = HostOracle.open()
const skip = typeof oracle === 'string' ? oracle : false

function* portions(rows: readonly CompiledRow[]): Iterable<CompiledRow[]> {
  const size = Math.max(1, Math.floor(PORTION_CASES / CASES))
  for (let n = 0; n < rows.length; n += size) yield rows.slice(n, n + size)
}

/** `flags`: set in RFLAGS beside those of the case. Says in `t` what the host's CPU, being no AMD's, does not judge. */
function failuresOf(t: TestContext, machine: Machine, host: HostOracle, rows: readonly CompiledRow[], mode: CodeMode, flags = 0): string[] {
  const generator = new Generator(table)
  const failures: string[] = []
  const notCompared = new Map<string, number>()
  const judged = (row: CompiledRow, one: Case): boolean => {
    const why = leftOut(row, one)
    if (why !== undefined) notCompared.set(why, (notCompared.get(why) ?? 0) + 1)
    return why === undefined
  }
  for (const portion of portions(rows)) {
    const cases = portion.flatMap((row) =>
      generator
        .cases(row, mode, CASES, SEED * 100_003 + table.rows.indexOf(row))
        .filter((one) => judged(row, one))
        .map((one) => ({ row, one: { ...one, rflags: one.rflags | flags } })),
    )
    const outcomes = host.run(cases.map(({ one }) => one))
    cases.forEach(({ row, one }, n) => {
      const lines = differences(settled(row, one, machine.run(one), outcomes[n]!), outcomes[n]!, toleranceOf(row, mode))
      if (lines.length) failures.push([describeCase(one), ...lines].join('\n    '))
    })
  }
  for (const [why, count] of notCompared) t.diagnostic(`${count} cases not compared: ${why}`)
  return failures
}

describe('instructions as the host’s CPU executes them', { skip }, () => {
  const machine = skip === false ? new Machine() : undefined
  after(() => typeof oracle !== 'string' && oracle.close())

  for (const mode of codeModes) {
    it(`under RFLAGS.TF in ${mode} mode`, (t) => {
      assert(machine && typeof oracle !== 'string')
      const rows = table.rows.filter(
        (row, n) =>
          notOnHost(row, mode) === undefined &&
          lackingOnHost(row) === undefined &&
          (row.row.options.rep !== undefined || n % STEPPED === SEED % STEPPED),
      )
      const failures = failuresOf(t, machine, oracle, rows, mode, TF)
      assert.equal(failures.length, 0, `${failures.length} cases differ\n${failures.slice(0, REPORTED_MAX).join('\n')}`)
    })
  }

  const features = [...new Set(table.rows.map((row) => row.row.options.feature ?? 'BASE'))]
  for (const mode of codeModes) {
    for (const feature of features) {
      const rows = table.rows.filter((row) => (row.row.options.feature ?? 'BASE') === feature && notOnHost(row, mode) === undefined)
      if (rows.length === 0) continue
      const lacking = rows.map(lackingOnHost).find((one) => one !== undefined)
      const reason = lacking !== undefined && `the CPU of the host is not AMD’s and has no ${lacking}`
      it(`${feature} in ${mode} mode: ${rows.length} rows`, { skip: reason }, (t) => {
        assert(machine && typeof oracle !== 'string')
        const failures = failuresOf(t, machine, oracle, rows, mode)
        assert.equal(failures.length, 0, `${failures.length} cases differ\n${failures.slice(0, REPORTED_MAX).join('\n')}`)
      })
    }
  }
})
