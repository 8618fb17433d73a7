// What the program says to wrong input: one clear line, and an exit code that is not zero.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const folder = mkdtempSync(join(tmpdir(), 'cbit-cli-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Outcome {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

function cbit(words: readonly string[], environment: Record<string, string> = {}): Outcome {
  const result = spawnSync(process.execPath, ['--import', 'tsx', 'src/apps/cli/main.ts', ...words], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
    input: '',
    env: { ...process.env, CBIT_CACHE: join(folder, 'cache'), XDG_RUNTIME_DIR: folder, ...environment },
  })
  return { code: result.status, output: result.stdout, errors: result.stderr }
}

/** Exit code 2 and a message that fits `pattern`; nothing on stdout, no stack trace. */
function refused(outcome: Outcome, pattern: RegExp, lines = 1, code = 2): void {
  assert.match(outcome.errors, pattern)
  assert.equal(outcome.output, '')
  assert.equal(outcome.code, code)
  assert.doesNotMatch(outcome.errors, /\n\s+at /)
  assert.equal(outcome.errors.trim().split('\n').length, lines, outcome.errors)
}

function file(name: string, content: Uint8Array | string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

test('help names the commands and the exit codes, and each command has examples', () => {
  const help = cbit(['--help'])
  assert.equal(help.code, 0)
  for (const word of ['run', 'image', 'dram', 'demo', '2V\\+1', 'kernel panic']) assert.match(help.output, new RegExp(word))
  for (const command of ['run', 'image', 'dram']) assert.match(cbit([command, '--help']).output, /Examples:/)
  assert.match(cbit(['--version']).output, /^\d+\.\d+\.\d+\n$/)
})

test('unknown commands and flags', () => {
  refused(cbit(['rnu']), /unknown command 'rnu'/, 3)
  refused(cbit(['run', '--colour']), /unknown option '--colour'/, 2)
  refused(cbit(['run', 'vmlinuz']), /too many arguments/, 2)
})

test('values that make no sense', () => {
  refused(cbit(['run', '--sev', 'snp']), /'snp' is no SEV mode.*'none' or 'sev'/)
  refused(cbit(['run', '--memory', '8M']), /cannot have 8 MiB.*64M to 3G/)
  refused(cbit(['run', '--memory', 'much']), /'much' is no size/)
  refused(cbit(['run', '--seed', 'x']), /'x' is no whole number/)
  refused(cbit(['run', '--name', '../x']), /cannot be the name/)
  refused(cbit(['image', '--suite', '../x']), /no Debian release/, 1, 1)
  refused(cbit(['image', '--mirror', 'nonsense']), /no mirror URL/, 1, 1)
})

test('kernel files that are none', () => {
  refused(cbit(['run', '--kernel', join(folder, 'absent')]), /there is no such file/)
  refused(cbit(['run', '--kernel', folder]), /not a regular file/)
  refused(cbit(['run', '--kernel', file('empty', '')]), /cannot boot '.*empty'/)
  refused(cbit(['run', '--kernel', file('text', 'hello, world\n'.repeat(1000))]), /cannot boot '.*text'/)
  const truncated = new Uint8Array(0x300)
  truncated.set([0x55, 0xaa], 0x1fe)
  truncated.set(Buffer.from('HdrS'), 0x202)
  refused(cbit(['run', '--kernel', file('truncated', truncated)]), /cannot boot '.*truncated'/)
})

test('an initramfs that cannot be read', () => {
  refused(cbit(['run', '--kernel', file('kernel', 'x'), '--initrd', join(folder, 'absent')]), /cannot read the initramfs.*no such file/)
})

test('a cache that cannot be written', () => {
  const blocked = file('blocked', '')
  refused(cbit(['image'], { CBIT_CACHE: join(blocked, 'cache') }), /cannot write to the cache .*CBIT_CACHE/, 1, 1)
  const readOnly = join(folder, 'read-only')
  mkdirSync(readOnly)
  chmodSync(readOnly, 0o555)
  if (process.getuid?.() !== 0) refused(cbit(['image'], { CBIT_CACHE: readOnly }), /cannot write to the cache/, 1, 1)
})

test('no network', () => {
  const outcome = cbit(['image', '--mirror', 'http://127.0.0.1:9/debian'])
  assert.equal(outcome.code, 1)
  assert.match(outcome.errors, /^cbit: apt-get update failed: .*127\.0\.0\.1.*; check the network and the mirror, or give --mirror URL$/m)
})

test('no VM runs', () => {
  refused(cbit(['dram', '--at', '0']), /no VM is running; start one/, 1, 1)
  const list = cbit(['dram'])
  assert.equal(list.code, 0)
  assert.match(list.output, /no VM is running/)
  assert.equal(cbit(['dram', '--json']).output, '[]\n')
})
