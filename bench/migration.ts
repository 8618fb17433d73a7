// `npm run bench:migration`: how long a guest stands still while it moves, and how fast its memory goes. Two processes of the build in dist/, Debian at its shell
// with 512 MiB, with SEV and without. The figures count for a quiet machine: two processors, each with one process to itself.

import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ControlClient } from '../src/apps/cli/control/client.js'
import type { MigrationStatus } from '../src/apps/cli/migration/desk.js'
import { makeKeyFile, readKeyFile } from '../src/apps/cli/migration/key-file.js'

const moves = 3
const pauseGoalMs = 300
const program = fileURLToPath(new URL('../dist/src/apps/cli/main.js', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'cbit-bench-'))
process.env['XDG_RUNTIME_DIR'] = folder
process.env['XDG_STATE_HOME'] = folder
const keyFile = join(folder, 'key')
makeKeyFile(keyFile)
const key = Buffer.from(readKeyFile(keyFile)).toString('hex')

interface Party {
  readonly child: ChildProcess
  said(pattern: RegExp): Promise<RegExpExecArray>
}

function party(...words: string[]): Party {
  const child = spawn(process.execPath, [program, 'run', ...words], { stdio: ['pipe', 'pipe', 'pipe'] })
  let all = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (all += chunk.toString()))
  return {
    child,
    async said(pattern) {
      for (;;) {
        const match = pattern.exec(all)
        if (match) return match
        if (child.exitCode !== null) throw new Error(`the process ended before it said ${pattern}:\n${all}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    },
  }
}

async function move(name: string, to: string): Promise<MigrationStatus> {
  const client = (await ControlClient.open(name))!
  try {
    await client.ask({ op: 'migrate', to, key, bandwidth: 0, downtimeMaxMs: pauseGoalMs, roundsMax: 30 })
    for (;;) {
      const status = (await client.ask({ op: 'migrate-status' })).reply.migration!
      if (status.result) return status
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  } finally {
    client.close()
  }
}

const parties: Party[] = []
try {
  for (const sev of ['none', 'sev']) {
    parties.push(party('--sev', sev, '--memory', '512M', '--name', `${sev}0`))
    await parties.at(-1)!.said(/cbit:~# /)
    for (let i = 1; i <= moves; i++) {
      const target = party('--incoming', '127.0.0.1:0', '--key', keyFile, '--name', `${sev}${i}`)
      parties.push(target)
      const [, to] = await target.said(/waits for a guest at (\S+)\n/)
      const status = await move(`${sev}${i - 1}`, to!)
      if (status.result!.kind !== 'done') throw new Error(`the guest did not move: ${status.result!.reason}`)
      const speed = (status.bytesPerSecond / 2 ** 20).toFixed(1)
      const pause = Math.round(status.downtimeMs!)
      const load = loadavg()[0]!.toFixed(1)
      console.log(`--sev ${sev}, move ${i}: pause ${pause} ms (goal ${pauseGoalMs}), ${status.round} rounds, ${speed} MiB/s; load ${load}`)
    }
  }
} finally {
  for (const { child } of parties) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
}
