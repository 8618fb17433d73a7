// What `cbit snapshot` and `cbit restore` refuse, in words that say what to do.

import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { publisher } from '../../../../tests/machine/index.js'
import { openChip } from '../chip-folder.js'
import { exportChain } from '../commands/chip.js'
import { createMachine, type Machine } from '../machine.js'
import { writeWhole } from './files.js'
import { inspectSnapshot, restoreMachine } from './restore.js'
import type { SnapshotRequest } from './take.js'

const folder = mkdtempSync(join(tmpdir(), 'cbit-refusals-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const file = join(folder, 'guest.snap')

const request = (more: Partial<SnapshotRequest> = {}): SnapshotRequest => ({
  stop: true,
  signal: new AbortController().signal,
  progress: () => undefined,
  ...more,
})

async function withMachine(sev: 'none' | 'sev', chip: string | undefined, act: (machine: Machine) => Promise<void>): Promise<void> {
  const machine = createMachine({
    sev,
    memoryBytes: 64 << 20,
    image: publisher(),
    imageName: 'test',
    seed: undefined,
    debugAllowed: false,
    ...(chip !== undefined && { chip: openChip(chip) }),
    onConsole: () => undefined,
  })
  const running = machine.run()
  try {
    await act(machine)
  } finally {
    machine.stop()
    await running
  }
}

test('an encrypted guest on a chip that ends with its process is saved for another chip only', async () => {
  await withMachine('sev', undefined, async (machine) => {
    await assert.rejects(machine.snapshot(file, request()), /ends with its process/)
    const { pdh, pek, oca, cek, ask, ark } = exportChain(join(folder, 'chip'))
    const receiver = { platform: { pdh, pek, oca, cek }, vendor: { ask, ark } }
    // This guest is no Linux: it has not said what it shares.
    await assert.rejects(machine.snapshot(file, request({ receiver })), /not said which of its pages are shared/)
  })
  assert.deepEqual(
    readdirSync(folder).filter((name) => name !== 'chip'),
    [],
    'nothing is left behind',
  )
})

test('a guest without SEV is saved and restored without a chip; the file can be read and is whole', async () => {
  await withMachine('none', undefined, async (machine) => {
    const first = machine.snapshot(file, request({ stop: false }))
    await assert.rejects(machine.snapshot(file, request()), /being taken already/)
    assert.ok((await first).clear > 0)
    await machine.snapshot(file, request({ stop: true }))
  })
  assert.equal(inspectSnapshot(file).snapshot.facts.sealed, undefined)
  const { machine } = restoreMachine(file, { onConsole: () => undefined }, () => undefined)
  const running = machine.run()
  machine.stop()
  assert.equal((await running).reason, 'stopped')
})

test('files that are no snapshots are refused in one sentence', () => {
  const refused = (bytes: Uint8Array, reason: RegExp): void => {
    writeFileSync(join(folder, 'other'), bytes)
    assert.throws(() => restoreMachine(join(folder, 'other'), { onConsole: () => undefined }, () => undefined), reason)
  }
  refused(new Uint8Array(0), /cannot be restored/)
  refused(new Uint8Array(100), /this is no snapshot/)
  const sound = Uint8Array.from(readFileSync(file))
  const newer = sound.slice()
  newer[8] = 9
  refused(newer, /version 9; this program reads version 2/)
  const damaged = sound.slice()
  damaged[damaged.length - 1]! ^= 1
  refused(damaged, /its digest does not hold/)
  assert.throws(() => restoreMachine(folder, { onConsole: () => undefined }, () => undefined), /is not a file/)
  assert.throws(() => restoreMachine(join(folder, 'none'), { onConsole: () => undefined }, () => undefined), /cannot read/)
})

test('a file is written whole or not at all', async () => {
  const target = join(folder, 'kept')
  writeFileSync(target, 'old')
  const failing = writeWhole(target, async (sink) => {
    await sink(new Uint8Array(10))
    throw new Error('no more')
  })
  await assert.rejects(failing, /no more/)
  assert.equal(readFileSync(target, 'utf8'), 'old')
  await assert.rejects(
    writeWhole(join(folder, 'absent', 'file'), () => Promise.resolve()),
    /cannot write/,
  )
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.includes('partial')),
    [],
  )
})
