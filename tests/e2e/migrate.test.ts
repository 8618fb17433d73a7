// Debian in an encrypted VM goes back and forth between processes under a compute loop, and its log loses no line. CBIT_LONG_TESTS=1: ten moves instead of two.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bootFiles } from '../../src/apps/cli/boot-files.js'
import { ControlClient } from '../../src/apps/cli/control/client.js'
import type { MigrationStatus } from '../../src/apps/cli/migration/desk.js'
import { makeKeyFile, readKeyFile } from '../../src/apps/cli/migration/key-file.js'

const moves = process.env['CBIT_LONG_TESTS'] ? 10 : 2
// A machine that is not quiet takes minutes.
const bootMsMax = 600_000
const root = fileURLToPath(new URL('../../', import.meta.url))
const loop = 'i=0; while true; do echo line $i; i=$((i+1)); j=0; while [ $j -lt 300 ]; do j=$((j+1)); done; done'

class Party {
  readonly child: ChildProcess
  output = ''
  says = ''
  code: number | null | undefined

  constructor(...words: string[]) {
    this.child = spawn(process.execPath, ['--import', 'tsx', 'src/apps/cli/main.ts', 'run', ...words], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout!.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    this.child.stderr!.on('data', (chunk: Buffer) => (this.says += chunk.toString()))
    this.child.on('close', (code) => (this.code = code))
  }

  get lines(): number {
    return this.output.match(/line \d+\r?\n/g)?.length ?? 0
  }
}

async function until(what: string, holds: () => boolean, ms: number): Promise<void> {
  for (const end = performance.now() + ms; !holds(); await new Promise((resolve) => setTimeout(resolve, 50)))
    assert.ok(performance.now() < end, `${what} within ${ms} ms`)
}

async function imageProblem(): Promise<string | undefined> {
  try {
    await bootFiles({}, () => undefined)
    return undefined
  } catch (error) {
    return `the guest image cannot be built here: ${(error as Error).message}`
  }
}

async function moved(name: string, to: string, key: string): Promise<MigrationStatus> {
  const client = (await ControlClient.open(name))!
  try {
    await client.ask({ op: 'migrate', to, key, bandwidth: 0, downtimeMaxMs: 300, roundsMax: 10 })
    for (;;) {
      const status = (await client.ask({ op: 'migrate-status' })).reply.migration!
      if (status.result) return status
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    client.close()
  }
}

test(`an encrypted Debian moves ${moves} times and loses no line of its log`, { timeout: 3_600_000 }, async (t) => {
  const problem = await imageProblem()
  if (problem) return t.skip(problem)
  const folder = mkdtempSync(join(tmpdir(), 'cbit-move-'))
  process.env['XDG_RUNTIME_DIR'] = folder
  process.env['XDG_STATE_HOME'] = folder
  const keyFile = join(folder, 'key')
  makeKeyFile(keyFile)
  const key = Buffer.from(readKeyFile(keyFile)).toString('hex')
  const parties = [new Party('--sev', 'sev', '--memory', '128M', '--name', 'move0', '--append', `quiet cbit.run="${loop}"`)]
  try {
    await until('the log grows', () => parties[0]!.lines > 5, bootMsMax)
    for (let move = 1; move <= moves; move++) {
      const target = new Party('--incoming', '127.0.0.1:0', '--key', keyFile, '--name', `move${move}`)
      parties.push(target)
      await until('the target waits', () => /waits for a guest at \S+\n/.test(target.says), 60_000)
      const status = await moved(`move${move - 1}`, /waits for a guest at (\S+)\n/.exec(target.says)![1]!, key)
      assert.equal(status.result!.kind, 'done', status.result!.reason ?? '')
      t.diagnostic(`move ${move}: pause ${Math.round(status.downtimeMs!)} ms, ${(status.bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s`)
      await until('the source ends', () => parties[move - 1]!.code !== undefined, 60_000)
      assert.equal(parties[move - 1]!.code, 16)
      await until('the log grows on', () => target.lines > 5, 120_000)
    }
    const log = parties.map(({ output }) => output).join('')
    const numbers = [...log.matchAll(/line (\d+)\r?\n/g)].map(([, number]) => Number(number))
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i),
    )
  } finally {
    for (const { child } of parties) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
