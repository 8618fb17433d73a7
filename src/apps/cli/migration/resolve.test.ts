import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { JournalFile, outcomeOf, settle } from './journal-file.js'
import { decideFor } from './resolve.js'

const folder = mkdtempSync(join(tmpdir(), 'cbit-resolve-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A source that has begun a migration and decided nothing. */
async function undecided(digit: string) {
  const source = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  await once(source, 'spawn')
  const entry = { id: digit.repeat(32), to: 'other:7100', vm: 'vm1', pid: source.pid!, startedAt: '2026-01-01T00:00:00Z' }
  new JournalFile(entry, folder).open()
  return { source, entry }
}

const killSoon = (source: ChildProcess): NodeJS.Timeout => setTimeout(() => source.kill('SIGKILL'), 200)

test('a source that ends while it is looked at leaves the decision to whoever resolves', async () => {
  for (const [digit, standing, outcome] of [
    ['a', 'ready', 'commit'],
    ['b', 'receiving', 'abort'],
  ] as const) {
    const { source, entry } = await undecided(digit)
    killSoon(source)
    assert.equal(await decideFor(folder, entry, standing), outcome)
    assert.equal(outcomeOf(folder, entry.id), outcome)
  }
})

test('a source that settles its migration meanwhile, and ends, has left nothing to decide', async () => {
  const { source, entry } = await undecided('c')
  setTimeout(() => settle(folder, entry.id), 100)
  killSoon(source)
  assert.equal(await decideFor(folder, entry, 'ready'), undefined)
})

test('a source that goes on decides itself', async () => {
  const { source, entry } = await undecided('d')
  try {
    await assert.rejects(decideFor(folder, entry, 'ready'), /still runs: it decides itself/)
    assert.equal(outcomeOf(folder, entry.id), undefined)
  } finally {
    source.kill('SIGKILL')
  }
})
