// Two processes, a guest that moves between them, and a signal that no process can catch. CBIT_LONG_TESTS=1: 50 kills instead of 3.
//
// The guest lives at the source until the journal says commit, at the target from then on. Killing the process that it lives in ends it, as the death of
// any host does; killing the other one must leave exactly one copy. Never are there two.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ControlClient } from '../../src/apps/cli/control/client.js'
import { exitCodes } from '../../src/apps/cli/ending.js'
import type { MigrationStatus } from '../../src/apps/cli/migration/desk.js'
import { makeKeyFile, readKeyFile } from '../../src/apps/cli/migration/key-file.js'

const kills = process.env['CBIT_LONG_TESTS'] ? 50 : 3
const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'cbit-kills-'))
after(() => rmSync(folder, { recursive: true, force: true }))
process.env['XDG_RUNTIME_DIR'] = folder
process.env['XDG_STATE_HOME'] = folder
const journals = join(folder, 'cbit', 'migrations')
const keyFile = join(folder, 'move.key')
makeKeyFile(keyFile)
const main = join(root, 'src/apps/cli/main.ts')

/** A process of ours, with what its guest has said and what it says itself. */
class Party {
  readonly child: ChildProcess
  readonly numbers: number[] = []
  says = ''
  code: number | null | undefined

  constructor(...words: string[]) {
    this.child = spawn(process.execPath, ['--import', 'tsx', ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stdout!.on('data', (chunk: Buffer) => {
      for (const byte of chunk) this.numbers.push(byte)
    })
    this.child.stderr!.on('data', (chunk: Buffer) => (this.says += chunk.toString()))
    this.child.on('close', (code) => (this.code = code))
  }

  get ended(): boolean {
    return this.code !== undefined
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }
}

async function until(what: string, holds: () => boolean, ms = 120_000, said = (): string => ''): Promise<void> {
  for (const end = performance.now() + ms; !holds(); await new Promise((resolve) => setTimeout(resolve, 20)))
    assert.ok(performance.now() < end, `${what} within ${ms} ms ${said()}`)
}

async function counts({ numbers }: Party): Promise<void> {
  const now = numbers.length
  await until('the guest counts on', () => numbers.length > now + 300)
}

/** Asks for the move and kills when `when` says so. Returns the last status that was seen. */
async function moveAndKill(client: ControlClient, to: string, victim: Party, when: (status: MigrationStatus, ms: number) => boolean) {
  const started = performance.now()
  const key = Buffer.from(readKeyFile(keyFile)).toString('hex')
  let status = (await client.ask({ op: 'migrate', to, key, bandwidth: 0, downtimeMaxMs: 300, roundsMax: 5 })).reply.migration!
  while (!status.result && !when(status, performance.now() - started)) {
    await new Promise((resolve) => setImmediate(resolve))
    status = (await client.ask({ op: 'migrate-status' })).reply.migration!
  }
  victim.kill()
  return status
}

const journalHas = (kind: string): boolean => existsSync(journals) && readdirSync(journals).some((name) => name.endsWith(kind))

function resolve(): string {
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, 'migrate', '--resolve', '--key', keyFile, '--json'], {
    cwd: root,
    encoding: 'utf8',
  })
  return stdout + stderr
}

/** What has become of the guest: exactly one of the two that could have it. */
async function judge(source: Party, target: Party, killed: Party, last: MigrationStatus): Promise<string> {
  if (killed === target) {
    const now = source.numbers.length
    await until('the source goes on or ends', () => source.ended || source.numbers.length > now + 300)
    if (!source.ended) {
      assert.ok(last.result?.kind !== 'done', 'what was handed over does not run here')
      return 'source lives, target was killed'
    }
    assert.equal(source.code, exitCodes.moved)
    return 'the guest lived at the target, which was killed'
  }
  // Killed before its hello has arrived it has left nothing there: the target waits on, for whoever comes.
  const killedAt = performance.now()
  const unheard = (): boolean => !/a guest comes/.test(target.says) && performance.now() - killedAt > 5000
  const knows = (): boolean => target.ended || /is held here|runs here/.test(target.says)
  await until(
    'the target knows',
    () => knows() || unheard(),
    120_000,
    () => target.says,
  )
  if (!knows()) {
    assert.ok(!journalHas('.outcome'), 'nothing was decided')
    return 'the guest lived at the source, which was killed before the target had heard of it'
  }
  if (target.ended) {
    assert.equal(target.code, exitCodes.notArrived)
    assert.ok(!journalHas('.outcome'), 'nothing was decided')
    return 'the guest lived at the source, which was killed'
  }
  if (!/runs here/.test(target.says)) assert.match(resolve(), /"outcome":"commit"/)
  await counts(target)
  return 'target lives, source was killed'
}

/** The numbers of source and target, one behind the other, have no gap and no repetition. */
function checkOrder(source: Party, target: Party): void {
  const all = [...source.numbers, ...target.numbers]
  const wrong = all.findIndex((byte, i) => byte !== (i & 0xff))
  assert.equal(wrong, -1, `number ${wrong} of ${all.length} (${source.numbers.length} of the source)`)
}

test(`${kills} kills at random moments of a migration`, { timeout: 3_600_000 }, async () => {
  const seen = new Map<string, number>()
  let whole = 4000
  for (let i = 0; i < kills; i++) {
    rmSync(journals, { recursive: true, force: true })
    const name = `source-${i}`
    const source = new Party(join(root, 'tests/migration/source-process.ts'), name)
    const target = new Party(main, 'run', '--incoming', '127.0.0.1:0', '--key', keyFile, '--name', `target-${i}`)
    try {
      await until('the guest counts', () => source.numbers.length > 200)
      await until('the target waits', () => /waits for a guest at \S+\n/.test(target.says))
      const to = /waits for a guest at (\S+)\n/.exec(target.says)![1]!
      const client = (await ControlClient.open(name))!
      const killed = Math.random() < 0.5 ? source : target
      // Every other kill falls near the decision, the rest anywhere.
      const late = i % 2 === 0
      const at = Math.random() * (late ? 60 : whole)
      let decisionMs: number | undefined
      const last = await moveAndKill(client, to, killed, ({ phase }, ms) => {
        if (phase !== 'connecting' && phase !== 'copying') decisionMs ??= ms
        whole = decisionMs ?? whole
        return late ? decisionMs !== undefined && ms - decisionMs >= at : ms >= at
      }).finally(() => client.close())
      const what = await judge(source, target, killed, last)
      checkOrder(source, target)
      seen.set(what, (seen.get(what) ?? 0) + 1)
    } finally {
      source.kill()
      target.kill()
    }
  }
  for (const [what, times] of seen) console.log(`${times} of ${kills}: ${what}`)
})
