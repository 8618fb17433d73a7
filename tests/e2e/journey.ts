// A guest that moves from process to process of `cbit`, each started as a user starts it, while its log grows. For the test that no line is lost, and
// for the bench that says how long it stood still.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ControlClient } from '../../src/apps/cli/control/client.js'
import { exitCodes } from '../../src/apps/cli/ending.js'
import type { MigrationStatus } from '../../src/apps/cli/migration/desk.js'
import { makeKeyFile, readKeyFile } from '../../src/apps/cli/migration/key-file.js'

/** For the guest's shell: computes, and writes a numbered line now and then. */
export const growingLog = 'i=0; while true; do echo line $i; i=$((i+1)); j=0; while [ $j -lt 300 ]; do j=$((j+1)); done; done'

/** Lines that show that the log grows. */
const LINES = 5
// A machine that is not quiet takes minutes to boot.
const bootMsMax = 600_000
const stepMsMax = 120_000

class Party {
  readonly child: ChildProcess
  output = ''
  says = ''
  code: number | null | undefined

  constructor([program, ...words]: readonly string[]) {
    this.child = spawn(program!, words, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.child.stdout!.on('data', (chunk: Buffer) => (this.output += chunk.toString()))
    this.child.stderr!.on('data', (chunk: Buffer) => (this.says += chunk.toString()))
    this.child.on('close', (code) => (this.code = code))
  }

  get grows(): boolean {
    return (this.output.match(/line \d+\r?\n/g)?.length ?? 0) > LINES
  }

  async until(what: string, holds: (party: this) => boolean, ms: number): Promise<void> {
    for (const end = performance.now() + ms; !holds(this); await new Promise((resolve) => setTimeout(resolve, 50)))
      assert.ok(
        performance.now() < end && (this.code === undefined || holds(this)),
        `${what} within ${ms} ms:\n${this.output}\n${this.says}`,
      )
  }
}

export class Journey {
  // configuration
  readonly #cbit: readonly string[]
  readonly #folder = mkdtempSync(join(tmpdir(), 'cbit-move-'))
  readonly #keyFile = join(this.#folder, 'key')
  readonly #before: Readonly<Record<string, string | undefined>>
  // state
  readonly #parties: Party[] = []

  /** `cbit`: the words that start it. */
  constructor(cbit: readonly string[]) {
    this.#cbit = cbit
    const own = { XDG_RUNTIME_DIR: this.#folder, XDG_STATE_HOME: this.#folder }
    this.#before = Object.fromEntries(Object.keys(own).map((name) => [name, process.env[name]]))
    Object.assign(process.env, own)
    makeKeyFile(this.#keyFile)
  }

  /** All that the guest has written, wherever it was. */
  get log(): string {
    return this.#parties.map(({ output }) => output).join('')
  }

  /** Starts a guest that runs `growingLog`; `words` are what `cbit run` shall be told besides. */
  async begin(...words: readonly string[]): Promise<void> {
    await this.#start(...words).until('the log grows', ({ grows }) => grows, bootMsMax)
  }

  /** To a new process, where it goes on. */
  async move(limits: { readonly downtimeMaxMs: number; readonly roundsMax: number }): Promise<MigrationStatus> {
    const source = this.#parties.at(-1)!
    const from = `move${this.#parties.length - 1}`
    const target = this.#start('--incoming', '127.0.0.1:0', '--key', this.#keyFile)
    const waits = /waits for a guest at (\S+)\n/
    await target.until('the target waits', ({ says }) => waits.test(says), stepMsMax)
    const status = await this.#ask(from, waits.exec(target.says)![1]!, limits)
    assert.equal(status.result!.kind, 'done', status.result!.reason ?? '')
    await source.until('the source ends', ({ code }) => code !== undefined, stepMsMax)
    assert.equal(source.code, exitCodes.moved)
    await target.until('the log grows on', ({ grows }) => grows, stepMsMax)
    return status
  }

  end(): void {
    for (const { child } of this.#parties) child.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
    for (const [name, value] of Object.entries(this.#before)) if (value !== undefined) process.env[name] = value
    if (this.#before['XDG_RUNTIME_DIR'] === undefined) delete process.env['XDG_RUNTIME_DIR']
    if (this.#before['XDG_STATE_HOME'] === undefined) delete process.env['XDG_STATE_HOME']
  }

  #start(...words: readonly string[]): Party {
    const party = new Party([...this.#cbit, 'run', '--name', `move${this.#parties.length}`, ...words])
    this.#parties.push(party)
    return party
  }

  async #ask(name: string, to: string, limits: { readonly downtimeMaxMs: number; readonly roundsMax: number }): Promise<MigrationStatus> {
    const client = (await ControlClient.open(name))!
    try {
      const key = Buffer.from(readKeyFile(this.#keyFile)).toString('hex')
      await client.ask({ op: 'migrate', to, key, bandwidth: 0, ...limits })
      for (;;) {
        const status = (await client.ask({ op: 'migrate-status' })).reply.migration!
        if (status.result) return status
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
    } finally {
      client.close()
    }
  }
}
