// The state of a stopped machine: it goes on elsewhere exactly as it would have here, and nothing that claims to be one harms the host.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  configurationOfState,
  createVm,
  HostMachine,
  nodeHostLoop,
  StateError,
  type Vm,
  type VmOptions,
} from '../../src/host/hypervisor/index.js'
import { handleExit } from '../../src/host/hypervisor/exits.js'
import { listener, providersMachine, watchmaker } from '../machine/index.js'

const MIB = 0x100000
const MEMORY_BYTES = 64 * MIB

function optionsFor(provider: ReturnType<typeof providersMachine>): VmOptions {
  return {
    memoryBytes: MEMORY_BYTES,
    sev: 'none',
    time: 'virtual',
    clock: provider.clock,
    loop: nodeHostLoop,
    onSerialOutput: () => undefined,
    virtio: { entropy: { fill: (target) => void target.fill(7) }, console: { output: () => undefined } },
  }
}

/** Runs `count` exits without the loop. */
function work(vm: Vm, count: number): void {
  vm.machine.acquire(vm.vcpu)
  for (let i = 0; i < count; i++) {
    vm.pc.advance()
    vm.vcpu.enter(5000)
    handleExit(vm.vcpu)
    assert.equal(vm.vcpu.end, undefined)
  }
}

async function stateOf(vm: Vm): Promise<Uint8Array> {
  vm.pause()
  const ended = vm.run()
  assert.ok(await vm.paused())
  const state = vm.saveState()
  vm.stop()
  await ended
  return state
}

function arrival(state: Uint8Array, memory: Uint8Array, seed: number): Vm {
  const provider = providersMachine(seed)
  const vm = createVm(new HostMachine(provider.host), optionsFor(provider))
  vm.beginArrival()
  vm.memory.write(0, memory.subarray(0, 0xa0000))
  vm.memory.write(0xc0000, memory.subarray(0xc0000))
  vm.completeArrival(state)
  return vm
}

function memoryOf(vm: Vm): Uint8Array {
  return vm.machine.port.read(vm.memory.base, MEMORY_BYTES)
}

for (const image of [watchmaker, listener({ rings: true })]) {
  test(`a machine that ${image.description} goes on elsewhere to the same state`, async () => {
    const make = (): Vm => {
      const provider = providersMachine(1)
      const vm = createVm(new HostMachine(provider.host), { ...optionsFor(provider), image })
      vm.launch()
      work(vm, 300)
      // Registers that VMRUN leaves alone.
      vm.vcpu.core.writeDr(2, { lo: 0x1234, hi: 5 })
      vm.vcpu.core.xsetbv({ lo: 3, hi: 0 })
      vm.serialInput(new Uint8Array(5000).fill(0x41))
      return vm
    }
    const stayed = make()
    work(stayed, 200)
    const left = make()
    const memory = memoryOf(left)
    const arrived = arrival(await stateOf(left), memory, 99)
    work(arrived, 200)
    assert.equal(arrived.statistics().instructions, stayed.statistics().instructions)
    assert.deepEqual(memoryOf(arrived), memoryOf(stayed))
    assert.deepEqual(await stateOf(arrived), await stateOf(stayed))
    assert.deepEqual(arrived.vcpu.core.readDr(2), { lo: 0x1234, hi: 5 })
    assert.deepEqual(arrived.vcpu.core.xgetbv(), { lo: 3, hi: 0 })
  })
}

test('what is no state, or one of another machine, is refused', async () => {
  const provider = providersMachine(1)
  const machine = new HostMachine(provider.host)
  const vm = createVm(machine, { ...optionsFor(provider), image: watchmaker })
  vm.launch()
  work(vm, 100)
  const state = await stateOf(vm)
  vm.release()
  assert.equal(configurationOfState(state).memoryBytes, MEMORY_BYTES)
  const refused = (bytes: Uint8Array, options: Partial<VmOptions>, reason: RegExp): void => {
    const other = createVm(machine, { ...optionsFor(provider), ...options })
    other.beginArrival()
    assert.throws(
      () => other.completeArrival(bytes),
      (error) => error instanceof StateError && reason.test(error.message),
    )
    assert.equal(other.state, 'stopped')
    other.release()
  }
  refused(state, { memoryBytes: 66 * MIB }, /memoryBytes/)
  refused(state, { virtio: {} }, /entropy/)
  refused(state.subarray(0, -1), {}, /length/)
  refused(new Uint8Array(0), {}, /ends too early/)
  const newer = state.slice()
  newer[8] = 2
  refused(newer, {}, /version 2/)
})

test('a damaged state is refused or taken, and then the machine runs or ends: nothing else happens', async () => {
  const provider = providersMachine(1)
  const machine = new HostMachine(provider.host)
  const vm = createVm(machine, { ...optionsFor(provider), image: listener({ rings: true }) })
  vm.launch()
  work(vm, 200)
  const memory = memoryOf(vm)
  const state = await stateOf(vm)
  vm.release()
  let taken = 0
  const values = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff))
  const changes = fc.array(fc.tuple(fc.integer({ min: 0, max: state.length - 1 }), values), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(changes, async (list) => {
      const damaged = state.slice()
      for (const [at, value] of list) damaged[at] = value
      const other = createVm(machine, optionsFor(provider))
      other.beginArrival()
      other.memory.write(0xc0000, memory.subarray(0xc0000, 0xd0000))
      other.memory.write(0, memory.subarray(0, 0xa0000))
      try {
        other.completeArrival(damaged)
        taken++
        attempt(other)
        other.stop()
        await other.run()
      } catch (error) {
        if (!(error instanceof StateError)) throw error
      }
      other.release()
    }),
    { numRuns: 60 },
  )
  assert.ok(taken > 10, `only ${taken} were taken`)
})

/** Some exits of a machine that may be in any state. */
function attempt(vm: Vm): void {
  vm.machine.acquire(vm.vcpu)
  for (let i = 0; i < 50 && !vm.vcpu.end; i++) {
    vm.pc.advance()
    if (vm.vcpu.halted && !vm.vcpu.canWake()) return
    vm.vcpu.enter(2000)
    handleExit(vm.vcpu)
  }
}
