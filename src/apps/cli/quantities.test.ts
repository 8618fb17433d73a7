import assert from 'node:assert/strict'
import { test } from 'node:test'
import { linuxCommandLine } from './boot-files.js'
import { memorySize, sevMode } from './commands/run.js'
import { describeEnding, exitCodeOf, type Ending } from './ending.js'
import { CliError } from './errors.js'
import { formatBytes, parseBytes, parseCount } from './quantities.js'

test('sizes', () => {
  assert.equal(parseBytes('512M', '--memory'), 512 << 20)
  assert.equal(parseBytes('1.5GiB', '--memory'), 1.5 * 2 ** 30)
  assert.equal(parseBytes('64 kb', '--memory'), 65536)
  assert.equal(parseBytes('0x1000', '--at'), 4096)
  for (const bad of ['', 'M', '-1', '1.3', '12Q', '0x', '1e9']) assert.throws(() => parseBytes(bad, '--at'), CliError)
  assert.equal(formatBytes(512 << 20), '512 MiB')
  assert.equal(formatBytes(100), '100 B')
})

test('guest memory has limits', () => {
  assert.equal(memorySize('64M'), 64 << 20)
  for (const bad of ['63M', '4G', '100000000', '512']) assert.throws(() => memorySize(bad), /cannot have/)
})

test('counts', () => {
  assert.equal(parseCount('42', '--seed', 100), 42)
  for (const bad of ['x', '-1', '101', '1.5', '']) assert.throws(() => parseCount(bad, '--seed', 100), CliError)
})

test('SEV modes', () => {
  assert.equal(sevMode(true), 'sev')
  assert.equal(sevMode('none'), 'none')
  assert.throws(() => sevMode('snp'), /no SEV mode/)
})

test("the kernel's command line has a console and an end to panics, unless it says otherwise", () => {
  assert.equal(linuxCommandLine(''), 'console=ttyS0 panic=-1')
  assert.equal(linuxCommandLine(' quiet '), 'console=ttyS0 panic=-1 quiet')
  assert.equal(linuxCommandLine('panic=5 console=hvc0'), 'panic=5 console=hvc0')
  assert.equal(linuxCommandLine('oops.panic=1'), 'console=ttyS0 panic=-1 oops.panic=1')
})

test('every ending has its own exit code', () => {
  const endings: Ending[] = [
    { kind: 'power-off' },
    { kind: 'debug-exit', value: 3 },
    { kind: 'reset' },
    { kind: 'panic', message: 'x' },
    { kind: 'triple-fault', detail: '' },
    { kind: 'halted', detail: '' },
    { kind: 'failed', detail: '' },
    { kind: 'stopped' },
  ]
  const codes = endings.map(exitCodeOf)
  assert.equal(codes[0], 0)
  assert.equal(codes[1], 7)
  assert.equal(new Set(codes).size, codes.length)
  for (const ending of endings) assert.ok(describeEnding(ending).length > 0)
  for (const [index, code] of codes.entries()) if (index !== 1) assert.equal(code % 2, 0, 'odd codes are the guest’s')
})
