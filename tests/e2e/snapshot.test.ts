// A running Debian is saved and goes on elsewhere: no line of its log is lost, and its memory is not in the file.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openChip } from '../../src/apps/cli/chip-folder.js'
import { ConsoleWatch } from '../../src/apps/cli/console-watch.js'
import { createMachine, type Machine, type MachineOptions, type SevMode } from '../../src/apps/cli/machine.js'
import { restoreMachine } from '../../src/apps/cli/snapshot/restore.js'
import { fromHex } from '../../src/lib/bytes.js'
import { guestFiles } from './guest-image.js'

const memoryBytes = 128 << 20
// A machine that is not quiet takes minutes.
const bootMsMax = 900_000
const LINES = 40
const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** A secret that nobody outside knows, a log that grows, and at last the secret. The quotes keep the marks out of what the kernel prints of its command line. */
const log = `i=0; while [ $i -lt ${LINES} ]; do i=$((i+1)); echo li''ne $i; sleep 0.2; done`
const commands = `head -c 32 /dev/urandom > /tmp/secret; ${log}; echo sec''ret $(xxd -p -c 64 /tmp/secret)`

async function inFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-snapshot-'))
  try {
    await act(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Running {
  readonly machine: Machine
  readonly watch: ConsoleWatch
  /** All that the guest has printed. */
  text(): string
}

function start(options: Omit<MachineOptions, 'onConsole' | 'memoryBytes' | 'debugAllowed'>): Running {
  const watch = new ConsoleWatch()
  let text = ''
  const machine = createMachine({
    ...options,
    memoryBytes,
    debugAllowed: false,
    onConsole(byte) {
      text += String.fromCharCode(byte)
      watch.feed(byte)
    },
  })
  return { machine, watch, text: () => text }
}

/** Runs until line `line` is in the log, and saves the guest, which ends thereby. */
async function saveAt({ machine, watch }: Running, line: number, file: string): Promise<void> {
  const timer = setTimeout(() => machine.stop(), bootMsMax)
  const reached = watch.waitFor(new RegExp(`line ${line}\\r?\\n`))
  const running = machine.run().finally(() => watch.end())
  await reached
  await machine.snapshot(file, { stop: true, signal: new AbortController().signal, progress: () => undefined })
  const report = await running
  clearTimeout(timer)
  assert.equal(report.explanation, 'the guest was saved to a snapshot')
}

function restoreElsewhere(words: readonly string[], folder: string): Promise<{ code: number | null; output: string; errors: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'src/apps/cli/main.ts', 'restore', ...words], {
      cwd: root,
      env: { ...process.env, XDG_RUNTIME_DIR: folder },
      timeout: bootMsMax,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [output, errors] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('latin1')))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output, errors }))
  })
}

function linesOf(text: string): number[] {
  return [...text.matchAll(/line (\d+)\r?\n/g)].map((match) => Number(match[1]))
}

for (const sev of ['none', 'sev'] as const satisfies readonly SevMode[]) {
  test(`a growing log goes on in another process without losing a line, --sev ${sev}`, async (context) => {
    const files = await guestFiles(`quiet cbit.run="${commands}"`)
    if (typeof files === 'string') return context.skip(files)
    await inFolder(async (folder) => {
      const chipFolder = join(folder, 'chip')
      const file = join(folder, 'guest.snap')
      const first = start({ ...files, sev, seed: undefined, chip: openChip(chipFolder) })
      await saveAt(first, 10, file)
      assert.equal(statSync(file).mode & 0o777, 0o600)

      const { code, output, errors } = await restoreElsewhere(['--chip', chipFolder, file], folder)
      assert.equal(code, 0, errors)
      const all = Array.from({ length: LINES }, (_, i) => i + 1)
      assert.deepEqual(linesOf(first.text() + output), all)
      const secret = fromHex(/secret ([0-9a-f]{64})/.exec(output)![1]!)
      const content = readFileSync(file)
      const found = [secret, secret.subarray(0, 16), secret.subarray(16)].map((part) => content.includes(Buffer.from(part)))
      assert.deepEqual(found, [sev === 'none', sev === 'none', sev === 'none'], 'the secret in the file')
    })
  })
}

test('a repeatable run that was saved and restored is the same run', async (context) => {
  const files = await guestFiles(`quiet cbit.run="${commands}"`)
  if (typeof files === 'string') return context.skip(files)
  await inFolder(async (folder) => {
    const chip = openChip(join(folder, 'chip'))
    const file = join(folder, 'guest.snap')
    const whole = start({ ...files, sev: 'sev', seed: 11, chip })
    const wholeReport = await whole.machine.run()

    const first = start({ ...files, sev: 'sev', seed: 11, chip })
    await saveAt(first, 7, file)
    let rest = ''
    const { machine } = restoreMachine(file, { chip, onConsole: (byte) => (rest += String.fromCharCode(byte)) }, () => undefined)
    const report = await machine.run()
    assert.equal(first.text() + rest, whole.text())
    assert.deepEqual(
      [report.reason, report.instructions, report.guestTimeNs],
      [wholeReport.reason, wholeReport.instructions, wholeReport.guestTimeNs],
    )
  })
})
