import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SymbolTable } from '../../../guest/index.js'
import { profileReport, profileText } from './profile-report.js'

const place = (rip: bigint, weight: number, user = false) => ({ rip, user, space: 0x1000n, samples: 1, weight })

test('places become symbols: the moved kernel, programs, and what has no name', () => {
  const symbols = {
    kernel: new SymbolTable([
      { name: 'memcpy', address: 0xffffffff81000000n },
      { name: 'memset', address: 0xffffffff81000100n },
    ]),
    kernelMoved: 0x1000000n,
    programs: new SymbolTable([{ name: 'main', address: 0x401000n }]),
  }
  const places = [
    place(0xffffffff82000010n, 10),
    place(0xffffffff82000020n, 30),
    place(0xffffffff82000108n, 20),
    place(0x401004n, 15, true),
    place(0x7fff00001234n, 5, true),
    place(0x2000000n, 12),
    place(0xffffffffc0123456n, 8),
  ]
  const report = profileReport({ places, samples: 7, lost: 0, weight: 100 }, symbols, 'ms')
  assert.deepEqual(
    report.rows.map(({ symbol, mode, samples, share }) => [symbol, mode, samples, share]),
    [
      ['memcpy', 'kernel', 2, 0.4],
      ['memset', 'kernel', 1, 0.2],
      ['main', 'user', 1, 0.15],
      ['[before the kernel’s own mapping]', 'kernel', 1, 0.12],
      ['[module]', 'kernel', 1, 0.08],
      ['0x7fff00001000…', 'user', 1, 0.05],
    ],
  )
  const text = profileText(report)
  assert.match(
    text,
    /^# 7 samples of 0\.10 s of the guest's time; kernel moved by 0x1000000\n# 80\.00 % in the kernel, 20\.00 % in programs\n/,
  )
  assert.match(text, / 40\.00 % {9}2 {2}kernel {2}memcpy\n/)
})

test('an empty profile is a report too', () => {
  const report = profileReport(
    { places: [], samples: 0, lost: 0, weight: 0 },
    { kernel: undefined, kernelMoved: 0n, programs: undefined },
    'ms',
  )
  assert.deepEqual(report.rows, [])
  assert.match(profileText(report), /0 samples/)
})
