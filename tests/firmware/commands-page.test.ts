import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { commandsPage, pageFile } from '../../tools/sev-commands-page.js'

test('docs/sev-commands.md is what the command table says', () => {
  assert.equal(readFileSync(pageFile, 'utf8'), commandsPage(), 'run: node --import tsx tools/sev-commands-page.ts')
})
