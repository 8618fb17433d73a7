import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chipKernels } from '../../src/apps/cli/chip-kernels.js'
import { createBoard, Dram, seededEntropy } from '../../src/board/index.js'
import { multibootImage } from '../../src/guest/index.js'
import { createVm, GuestSampler, HostMachine, nodeHostLoop, type Vm, type VmOptions } from '../../src/host/hypervisor/index.js'
import { SevError } from '../../src/host/sev-driver/index.js'
import { createSoc } from '../../src/silicon/soc.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { fuseChip } from '../../src/vendor/index.js'

// Bare-metal programs of a few instructions on the whole machine: chip, secure processor, hypervisor, board.

const MIB = 0x100000
const LOAD = 0x100000

/** A flat Multiboot kernel: header with address fields, then `code`. */
function kernel(code: number[]): Uint8Array {
  const bytes = new Uint8Array(0x1000)
  const view = new DataView(bytes.buffer)
  const words = [0x1badb002, 0x10000, -(0x1badb002 + 0x10000) >>> 0, LOAD, LOAD, 0, 0, LOAD + 0x20]
  words.forEach((word, i) => view.setUint32(4 * i, word, true))
  bytes.set(code, 0x20)
  return bytes
}

const out = (port: number, value: number) => [0x66, 0xba, port & 0xff, port >> 8, 0xb0, value, 0xee]
const say = (text: string) => [...text].flatMap((c) => out(0x3f8, c.charCodeAt(0)))
const exitWith = (value: number) => [...out(0xf4, value), 0xf4]
/** mov dword [0x200000], 0xdeadbeef */
const STORE_SECRET = [0xc7, 0x05, 0x00, 0x00, 0x20, 0x00, 0xef, 0xbe, 0xad, 0xde]
/** mov ecx, count; 1: loop 1b */
const spin = (count: number) => [0xb9, count & 0xff, (count >> 8) & 0xff, (count >> 16) & 0xff, count >>> 24, 0xe2, 0xfe]

function machine(dramMiB = 160) {
  const board = createBoard({ fuses: fuseChip(seededEntropy(1, 'vendor')), seed: 1 })
  const soc = createSoc({ board, kernels: chipKernels(), dramBytes: dramMiB * MIB })
  const dram = new Dram(soc.bus)
  return { board, dram, host: new HostMachine(soc.host) }
}

function vmOf(
  parts: ReturnType<typeof machine>,
  code: number[],
  sev: 'none' | 'sev',
  policy = 0,
  observers: NonNullable<VmOptions['observers']> = {},
): { vm: Vm; text: () => string } {
  let text = ''
  const vm = createVm(parts.host, {
    memoryBytes: 64 * MIB,
    sev,
    policy,
    image: multibootImage({ kernel: kernel(code), knowsSev: true }),
    time: 'virtual',
    clock: parts.board.clock,
    loop: nodeHostLoop,
    onSerialOutput: (byte) => (text += String.fromCharCode(byte)),
    observers,
  })
  return { vm, text: () => text }
}

for (const sev of ['none', 'sev'] as const) {
  test(`a Multiboot kernel prints and exits, --sev ${sev}`, async () => {
    const parts = machine()
    const { vm, text } = vmOf(parts, [...say('Hi'), ...STORE_SECRET, ...exitWith(7)], sev)
    const report = await vm.run()
    assert.deepEqual([report.reason, report.value, text()], ['debug-exit', 7, 'Hi'], report.explanation)
    assert.equal(vm.measurement !== undefined, sev === 'sev')

    const secret = '\xef\xbe\xad\xde'
    const asHost = Buffer.from(vm.readGuestPhysical(0x200000, 4)!).toString('latin1')
    assert.equal(asHost === secret, sev === 'none')
    assert.equal(Buffer.from(vm.debugRead(0x200000, 4)!).toString('latin1'), secret)
    assert.equal(Buffer.from(vm.debugRead(0x200001, 2)!).toString('latin1'), secret.slice(1, 3))
    assert.equal(Buffer.from(parts.dram.dump(vm.memory.base, 64 * MIB)).includes(Buffer.from(secret, 'latin1')), sev === 'none')
    vm.release()
  })
}

test('a policy without debugging keeps the host out', async () => {
  const { vm } = vmOf(machine(), [...STORE_SECRET, ...exitWith(0)], 'sev', SevPolicy.NODBG)
  await vm.run()
  assert.throws(
    () => vm.debugRead(0x200000, 4),
    (error) => error instanceof SevError && error.statusName === 'POLICY_FAILURE',
  )
})

test('two encrypted VMs share a core: registers, keys and memory stay apart', async () => {
  const parts = machine()
  const program = (letter: string) => [
    0xb3,
    letter.charCodeAt(0),
    ...spin(6_000_000),
    0x66,
    0xba,
    0xf8,
    0x03,
    0x88,
    0xd8,
    0xee,
    ...STORE_SECRET,
    ...exitWith(0),
  ]
  const first = vmOf(parts, program('1'), 'sev')
  const second = vmOf(parts, program('2'), 'sev')
  await Promise.all([first.vm.run(), second.vm.run()])
  assert.deepEqual([first.text(), second.text()], ['1', '2'])
  assert.notEqual(first.vm.asid, second.vm.asid)
  assert.notDeepEqual(first.vm.readGuestPhysical(0x200000, 16), second.vm.readGuestPhysical(0x200000, 16))
})

test('ASIDs and memory come back: more guests in a row than the machine has room for', async () => {
  const parts = machine()
  for (let round = 0; round < 6; round++) {
    const { vm } = vmOf(parts, exitWith(round), round % 2 === 0 ? 'sev' : 'none')
    assert.equal((await vm.run()).value, round)
    vm.release()
  }
})

test('RAM without a nested mapping is mapped when it is touched', async () => {
  const { vm } = vmOf(machine(), [...STORE_SECRET, ...exitWith(1)], 'none')
  vm.launch()
  vm.nestedTables.unmapPage(0x200000)
  const report = await vm.run()
  assert.equal(report.reason, 'debug-exit', report.explanation)
  assert.deepEqual([...vm.readGuestPhysical(0x200000, 4)!], [0xef, 0xbe, 0xad, 0xde])
})

test("ends that are the guest's own doing: triple fault, halt for ever, code where no memory is", async () => {
  const ends = await Promise.all(
    [
      [0x0f, 0x0b],
      [0xfa, 0xf4],
      [0xb8, 0x00, 0x00, 0x00, 0xb0, 0xff, 0xe0], // jmp 0xb0000000
    ].map(async (code) => {
      const { vm } = vmOf(machine(96), code, 'sev')
      return (await vm.run()).reason
    }),
  )
  assert.deepEqual(ends, ['triple-fault', 'halted-for-ever', 'internal-error'])
})

test('a profile finds the loop that a guest is in, and leaves the seeded run as it was', async () => {
  // The text, and the TSC behind it, lie after the loop: rdtsc; mov [0x200000], eax.
  const code = [...spin(500_000), ...say('x'), 0x0f, 0x31, 0xa3, 0, 0, 0x20, 0, ...exitWith(1)]
  const run = async (sampler?: GuestSampler) => {
    const { vm } = vmOf(machine(), code, 'sev', 0, sampler && { sampler })
    const { instructions, registers, reason } = await vm.run()
    return { instructions, registers, reason, tsc: vm.debugRead(0x200000, 4) }
  }
  const sampler = new GuestSampler(1000)
  assert.deepEqual(await run(sampler), await run())
  const { places, samples } = sampler.profile()
  assert.ok(samples > 400 && samples < 700, `${samples} samples`)
  assert.equal(places.find(({ rip }) => rip === BigInt(LOAD + 0x25))?.samples, samples)
})
