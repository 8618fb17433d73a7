/** Prints, as Markdown, how the rows of the opcode table are tested: node --import tsx tests/isa/coverage.ts */

import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import type { CompiledRow } from '../../src/silicon/core/decode/table.js'
import { notOnHost, refusedToUsers, writtenByHand } from './rows.js'
import { codeModes } from './state.js'

interface Tally {
  rows: number
  compared: number
  refused: number
  byHand: number
  open: string[]
}

const nameOf = ({ row }: CompiledRow): string => `${row.mnemonic} (${row.encoding})`

/** Why no mode of the host can judge the row; undefined where one can. */
function reason(row: CompiledRow): string | undefined {
  const reasons = codeModes.map((mode) => notOnHost(row, mode))
  return reasons.includes(undefined) ? undefined : reasons.find((one) => !one?.startsWith('not in'))
}

function tally(rows: readonly CompiledRow[]): Tally {
  const result: Tally = { rows: rows.length, compared: 0, refused: 0, byHand: 0, open: [] }
  for (const row of rows) {
    const why = reason(row)
    const hand = writtenByHand(row) !== undefined
    if (why === undefined && !refusedToUsers(row)) result.compared++
    else if (why === undefined) result.refused++
    if ((why !== undefined || refusedToUsers(row)) && hand) result.byHand++
    else if (why !== undefined) result.open.push(`${nameOf(row)}: ${why}`)
    else if (refusedToUsers(row)) result.open.push(`${nameOf(row)}: privileged`)
  }
  return result
}

const { rows } = opcodeTable()
const features = [...new Set(rows.map(({ row }) => row.options.feature ?? 'BASE'))].sort()
const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
const cells = (name: string, t: Tally): string => line([name, t.rows, t.compared, t.refused, t.byHand, t.open.length])

console.log(line(['feature', 'rows', 'result compared with the host’s CPU', 'refusal at CPL 3 compared', 'cases by hand', 'no case']))
console.log(line(['---', '---:', '---:', '---:', '---:', '---:']))
const open: string[] = []
for (const feature of features) {
  const t = tally(rows.filter(({ row }) => (row.options.feature ?? 'BASE') === feature))
  console.log(cells(feature, t))
  open.push(...t.open)
}
console.log(cells('**all**', tally(rows)))
if (open.length) console.log(`\nWithout a case of their own:\n\n${open.map((one) => `- ${one}`).join('\n')}`)
