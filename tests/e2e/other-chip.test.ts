// A Debian whose policy keeps it in its owner's domain is saved for another chip: as people do it, by commands. Chips of others are refused, and lose nothing.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { guestFiles } from './guest-image.js'

const bootMsMax = 600_000
const LINES = 400
const main = fileURLToPath(new URL('../../src/apps/cli/main.ts', import.meta.url))
/** The quotes keep the marks out of what the kernel prints of its command line. */
const log = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo li''ne $i; sleep 0.1; done`

class Scene {
  readonly folder = mkdtempSync(join(tmpdir(), 'cbit-other-'))
  readonly #running: ChildProcess[] = []

  at(name: string): string {
    return join(this.folder, name)
  }

  get #options(): { env: NodeJS.ProcessEnv } {
    return { env: { ...process.env, XDG_RUNTIME_DIR: this.folder } }
  }

  /** A command that ends soon: its exit code and all that it said. */
  cbit(...words: readonly string[]): { readonly code: number | null; readonly said: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', main, ...words], {
      encoding: 'utf8',
      ...this.#options,
    })
    return { code: status, said: stdout + stderr }
  }

  must(...words: readonly string[]): void {
    const { code, said } = this.cbit(...words)
    assert.equal(code, 0, `cbit ${words.join(' ')}: ${said}`)
  }

  start(...words: readonly string[]): { text(): string; until(pattern: RegExp): Promise<void>; readonly code: Promise<number | null> } {
    const child = spawn(process.execPath, ['--import', 'tsx', main, ...words], { stdio: ['ignore', 'pipe', 'pipe'], ...this.#options })
    this.#running.push(child)
    let [text, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('latin1')))
    const code = new Promise<number | null>((resolve) => child.on('close', resolve))
    const until = async (pattern: RegExp): Promise<void> => {
      for (const end = performance.now() + bootMsMax; !pattern.test(text + errors); await new Promise((resolve) => setTimeout(resolve, 50)))
        assert.ok(performance.now() < end && child.exitCode === null, `${pattern} is said:\n${text}\n${errors}`)
    }
    return { text: () => text, until, code }
  }

  end(): void {
    for (const child of this.#running) child.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A chip in folder `name` that belongs to `owner`, or to itself, with its certificates beside it. */
function makeChip(scene: Scene, name: string, owner?: string): void {
  const chip = scene.at(name)
  if (owner !== undefined) {
    scene.must('chip', 'csr', chip, scene.at(`${name}.csr`))
    scene.must('owner', 'adopt', scene.at(owner), scene.at(`${name}.csr`), scene.at(`${name}.signed`))
    scene.must('chip', 'own', chip, scene.at(`${name}.signed`))
    assert.match(scene.cbit('chip', 'own', chip, scene.at(`${name}.signed`)).said, /ALREADY_OWNED/)
  }
  scene.must('chip', 'export', chip, scene.at(`${name}.certs`))
  scene.must('owner', 'verify-chain', '--emulated', scene.at(`${name}.certs`))
}

test('a guest leaves for a chip of its own owner, and for no other', { timeout: 3_600_000 }, async (t) => {
  const files = await guestFiles()
  // No network and no image in the cache.
  if (typeof files === 'string') return t.skip(files)
  const scene = new Scene()
  const at = (name: string): string => scene.at(name)
  try {
    makeChip(scene, 'here', 'alice')
    makeChip(scene, 'hers', 'alice')
    makeChip(scene, 'his', 'bob')
    makeChip(scene, 'nobodys')
    const policy = SevPolicy.NODBG | SevPolicy.SEV | SevPolicy.DOMAIN
    scene.must('owner', 'session', at('session'), '--chain', at('here.certs'), '--emulated', '--policy', String(policy))

    const launch = ['--sev', '--chip', at('here'), '--owner-session', at('session'), '--memory', '128M', '--name', 'web']
    const first = scene.start('run', ...launch, '--append', `quiet cbit.run="${log}"`)
    await first.until(/waits for/)
    scene.must('secret', '--vm', 'web', '--admit')
    await first.until(/line 5\r?\n/)

    for (const other of ['his', 'nobodys']) {
      const { code, said } = scene.cbit('snapshot', '--vm', 'web', '--for', at(`${other}.certs`), at('stolen.snap'))
      assert.deepEqual([code, existsSync(at('stolen.snap'))], [1, false], said)
      assert.match(said, /policy does not admit the platform .*BAD_SIGNATURE/)
    }
    scene.must('snapshot', '--vm', 'web', '--for', at('hers.certs'), '--stop', at('web.snap'))
    await first.code
    for (const other of ['here', 'his', 'nobodys']) {
      const { code, said } = scene.cbit('restore', '--chip', at(other), at('web.snap'))
      assert.equal(code, 1, said)
      assert.match(said, /made for another chip/)
    }

    const second = scene.start('restore', '--chip', at('hers'), at('web.snap'))
    assert.equal(await second.code, 0)
    const lines = [...(first.text() + second.text()).matchAll(/line (\d+)\r?\n/g)].map(([, number]) => Number(number))
    assert.deepEqual(
      lines,
      Array.from({ length: LINES }, (_, i) => i + 1),
    )
  } finally {
    scene.end()
  }
})
