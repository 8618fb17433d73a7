// A snapshot as bytes: whole, or refused. What the chip itself refuses is in tests/attacks.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import fc from 'fast-check'
import {
  createVm,
  HostMachine,
  leaveGuest,
  nodeHostLoop,
  openSnapshot,
  readSnapshot,
  StateError,
  writeSnapshot,
  type Source,
  type Vm,
  type VmOptions,
} from '../../src/host/hypervisor/index.js'
import { SevError } from '../../src/host/sev-driver/index.js'
import { concatBytes } from '../../src/lib/bytes.js'
import { providersMachine, publisher } from '../machine/index.js'

const MSR_KVM_MIGRATION_CONTROL = 0x4b564d08

type Sev = 'none' | 'sev'

function machineWith(sev: Sev): { machine: HostMachine; options: VmOptions } {
  const provider = providersMachine(3)
  const options: VmOptions = {
    memoryBytes: 64 << 20,
    sev,
    time: 'virtual',
    clock: provider.clock,
    loop: nodeHostLoop,
    onSerialOutput: () => undefined,
  }
  return { machine: new HostMachine(provider.host), options }
}

async function snapshotOf(vm: Vm): Promise<Uint8Array> {
  const { driver } = vm.machine
  const blocks: Uint8Array[] = []
  const none = new Uint8Array(0)
  const receiver = vm.encrypted ? { platform: driver.ownership.pdhCertExport(), vendor: { ask: none, ark: none } } : undefined
  await writeSnapshot(vm, (block) => Promise.resolve(void blocks.push(block.slice())), { receiver, createdMs: 1, description: 'a test' })
  return concatBytes(...blocks)
}

function sourceOf(bytes: Uint8Array): Source {
  let at = 0
  return (length) => {
    if (at + length > bytes.length) return undefined
    at += length
    return bytes.subarray(at - length, at)
  }
}

/** Reads all of it, as `cbit restore --info` does. */
function read(bytes: Uint8Array): number {
  const pages = openSnapshot(sourceOf(bytes)).pages()
  for (;;) {
    const next = pages.next()
    if (next.done === true) return next.value.sealed + next.value.clear
  }
}

interface Scene {
  readonly machine: HostMachine
  readonly options: VmOptions
  readonly bytes: Uint8Array
}
const scenes = new Map<Sev, Scene>()

before(async () => {
  for (const sev of ['none', 'sev'] as const) {
    const { machine, options } = machineWith(sev)
    const vm = createVm(machine, { ...options, image: publisher() })
    vm.launch()
    vm.pause()
    const ended = vm.run()
    assert.ok(await vm.paused())
    vm.paravirtual.writeMsr(MSR_KVM_MIGRATION_CONTROL, 1, 0)
    const bytes = await snapshotOf(vm)
    leaveGuest(vm)
    await ended
    vm.release()
    scenes.set(sev, { machine, options, bytes })
  }
})

for (const sev of ['none', 'sev'] as const) {
  test(`a snapshot is restored, and says the same when it is saved again, ${sev}`, async () => {
    const { machine, options, bytes } = scenes.get(sev)!
    const vm = createVm(machine, options)
    const counts = readSnapshot(vm, openSnapshot(sourceOf(bytes)))
    assert.ok(counts.clear + counts.sealed > 3 && counts.clear > 0 === (sev === 'none'))
    vm.pause()
    const ended = vm.run()
    assert.ok(await vm.paused())
    const again = openSnapshot(sourceOf(await snapshotOf(vm)))
    assert.deepEqual(again.state, openSnapshot(sourceOf(bytes)).state)
    leaveGuest(vm)
    await ended
    vm.release()
  })

  test(`every flipped bit of a snapshot is found, ${sev}`, () => {
    const { bytes } = scenes.get(sev)!
    // All of the head, the state's beginning and the end; elsewhere samples.
    const places = fc.oneof(
      fc.integer({ min: 0, max: 200 }),
      fc.integer({ min: bytes.length - 60, max: bytes.length - 1 }),
      fc.integer({ min: 0, max: bytes.length - 1 }),
    )
    fc.assert(
      fc.property(places, fc.integer({ min: 0, max: 7 }), (at, bit) => {
        const damaged = bytes.slice()
        damaged[at]! ^= 1 << bit
        assert.throws(() => read(damaged), StateError)
      }),
      { numRuns: 150 },
    )
  })

  test(`a snapshot that is cut, or longer, is refused, ${sev}`, () => {
    const { bytes } = scenes.get(sev)!
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: bytes.length - 1 }),
        (length) => void assert.throws(() => read(bytes.subarray(0, length)), StateError),
      ),
    )
    assert.throws(() => read(concatBytes(bytes, new Uint8Array(1))), /something follows/)
  })
}

/** The records of a snapshot: type, and where it begins and ends. */
function recordsOf(bytes: Uint8Array): { type: number; from: number; to: number }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const records = []
  for (let at = 16 + view.getUint32(12, true); at < bytes.length;) {
    const to = at + 16 + view.getUint32(at + 4, true)
    records.push({ type: view.getUint32(at, true), from: at, to })
    at = to
  }
  return records
}

test('records that are missing, doubled or exchanged are refused, whatever their numbers say', () => {
  const { bytes } = scenes.get('sev')!
  const records = recordsOf(bytes)
  const head = bytes.subarray(0, records[0]!.from)
  const pages = records.filter(({ type }) => type === 2)
  assert.ok(pages.length > 3)
  const rebuilt = (order: readonly { from: number; to: number }[], renumber: boolean): Uint8Array => {
    const parts = order.map(({ from, to }) => bytes.slice(from, to))
    if (renumber) parts.forEach((part, n) => new DataView(part.buffer).setUint32(8, n, true))
    return concatBytes(head, ...parts)
  }
  const [one, other] = [records.indexOf(pages[0]!), records.indexOf(pages[1]!)]
  const exchanged = records.map((record, n) => (n === one ? records[other]! : n === other ? records[one]! : record))
  const orders = [records.filter((_, n) => n !== one), [...records.slice(0, one + 1), ...records.slice(one)], exchanged]
  assert.equal(read(rebuilt(records, true)), read(bytes))
  for (const order of orders) for (const renumber of [false, true]) assert.throws(() => read(rebuilt(order, renumber)), StateError)
})

test('a page that the chip did not seal stops the arrival, and the VM never runs', () => {
  const { machine, options, bytes } = scenes.get('sev')!
  const damaged = bytes.slice()
  const page = recordsOf(bytes).find(({ type }) => type === 2)!
  damaged[page.to - 1]! ^= 1
  const vm = createVm(machine, options)
  assert.throws(
    () => readSnapshot(vm, openSnapshot(sourceOf(damaged))),
    (error) => error instanceof SevError && error.statusName === 'BAD_MEASUREMENT',
  )
  assert.notEqual(vm.state, 'running')
  vm.stop()
  vm.release()
})

test('any bytes behind a sound beginning are refused', () => {
  const { bytes } = scenes.get('none')!
  const start = recordsOf(bytes)[0]!.to
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (rest) => {
      assert.throws(() => read(concatBytes(bytes.subarray(0, start), rest)), StateError)
    }),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (any) => void assert.throws(() => read(any), StateError)),
    { numRuns: 500 },
  )
})

test('a guest that fails to be written is as before', async () => {
  const { machine, options } = machineWith('sev')
  const vm = createVm(machine, { ...options, image: publisher() })
  vm.launch()
  vm.pause()
  const ended = vm.run()
  assert.ok(await vm.paused())
  const receiver = { platform: machine.driver.ownership.pdhCertExport(), vendor: { ask: new Uint8Array(0), ark: new Uint8Array(0) } }
  const save = (sink: () => Promise<void>): Promise<unknown> => writeSnapshot(vm, sink, { receiver, createdMs: 1, description: 'a test' })
  await assert.rejects(
    save(() => Promise.resolve()),
    /not ready to be moved/,
  )
  vm.paravirtual.writeMsr(MSR_KVM_MIGRATION_CONTROL, 1, 0)
  await assert.rejects(
    save(() => Promise.reject(new Error('the disk is full'))),
    /disk is full/,
  )
  assert.equal(machine.driver.guestStatus(vm.sevHandle!).state, 3, 'RUNNING')
  vm.stop()
  await ended
})
