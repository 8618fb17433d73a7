import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { catalogue } from './catalogue.js'
import { attackTable, documentFile, withTable } from './table.js'

test('the table in docs/threat-model.md is what the attacks say', () => {
  const document = readFileSync(documentFile, 'utf8')
  assert.equal(withTable(document), document, 'renew it: node --import tsx tests/attacks/table.ts --write')
})

test('one line for each attack', () => {
  const lines = attackTable().trimEnd().split('\n')
  assert.equal(lines.length, catalogue.length + 2)
  for (const line of lines) assert.equal(line.split(/(?<!\\)\|/).length, 8, line)
})
