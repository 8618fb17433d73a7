// The table of docs/threat-model.md, made from the attacks themselves: `node --import tsx tests/attacks/table.ts --write`.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Attack, type Outcome, powers } from './attack.js'
import { catalogue } from './catalogue.js'

export const documentFile = fileURLToPath(new URL('../../docs/threat-model.md', import.meta.url))
const BEGIN = '<!-- attacks:begin -->\n'
const END = '<!-- attacks:end -->'

const NOT_APPLICABLE = '–'

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`
}

function shown(outcome: Outcome | undefined): string {
  return outcome ? `**${outcome.verdict}**: ${outcome.says}` : NOT_APPLICABLE
}

function attackRow(attack: Attack): string {
  const doors = attack.powers.map((power) => powers[power]).join('; ')
  return row([attack.layer, attack.name, doors, shown(attack.outcome.none), shown(attack.outcome.sev), attack.why])
}

export function attackTable(attacks: readonly Attack[] = catalogue): string {
  const head = ['Where', 'Attack', 'Through', 'Without SEV', 'With plain SEV', 'Why']
  return row(head) + row(head.map(() => '---')) + attacks.map(attackRow).join('')
}

/** `document` with the present table between its marks. */
export function withTable(document: string): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error(`${documentFile} has lost the marks around its table`)
  return document.slice(0, begin + BEGIN.length) + attackTable() + document.slice(end)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const document = readFileSync(documentFile, 'utf8')
  const renewed = withTable(document)
  if (process.argv.includes('--write')) writeFileSync(documentFile, renewed)
  else if (renewed !== document) {
    console.error('docs/threat-model.md is stale: node --import tsx tests/attacks/table.ts --write')
    process.exitCode = 1
  }
}
