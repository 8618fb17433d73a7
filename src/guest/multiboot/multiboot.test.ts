import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImageError } from '../image-error.js'
import { MEMORY_RAM, type BootPlatform } from '../launch-plan.js'
import { parseMultiboot } from './multiboot-header.js'
import { multibootImage } from './multiboot-image.js'

const MIB = 0x100000
const PLATFORM: BootPlatform = {
  memoryBytes: 128 * MIB,
  memoryMap: [
    { base: 0, bytes: 0x9fc00, type: MEMORY_RAM },
    { base: MIB, bytes: 127 * MIB - 0x10000, type: MEMORY_RAM },
  ],
  cBit: undefined,
  rsdp: 0,
}

function multibootHeader(view: DataView, at: number, flags: number, addresses: number[] = []): void {
  view.setUint32(at, 0x1badb002, true)
  view.setUint32(at + 4, flags, true)
  view.setUint32(at + 8, -(0x1badb002 + flags) >>> 0, true)
  addresses.forEach((value, i) => view.setUint32(at + 12 + 4 * i, value, true))
}

function elf32(): Uint8Array {
  const bytes = new Uint8Array(0x2000)
  const view = new DataView(bytes.buffer)
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1])
  view.setUint16(16, 2, true)
  view.setUint16(18, 3, true)
  view.setUint32(24, 0xc0100010, true)
  view.setUint32(28, 52, true)
  view.setUint16(42, 32, true)
  view.setUint16(44, 1, true)
  ;[1, 0x1000, 0xc0100000, 0x100000, 0x800, 0x3000].forEach((value, i) => view.setUint32(52 + 4 * i, value, true))
  multibootHeader(view, 0x1000, 0)
  return bytes
}

test('an ELF32 kernel is loaded at its physical addresses and entered there', () => {
  const kernel = parseMultiboot(elf32())
  assert.equal(kernel.format, 'ELF32')
  assert.equal(kernel.entry, 0x100010)
  assert.equal(kernel.base, 0x100000)
  assert.equal(kernel.bytes.length, 0x3000)
})

test('the boot information names command line, modules and memory', () => {
  const module = { bytes: Uint8Array.of(1, 2, 3), commandLine: 'env' }
  const plan = multibootImage({ kernel: elf32(), name: 'hello.flat', commandLine: 'a b', modules: [module] }).plan(PLATFORM)
  const info = plan.regions.find((r) => r.name === 'boot-information')!
  const view = new DataView(info.bytes.buffer)
  const at = plan.entry.rbx - info.gpa
  const text = (gpa: number) => String.fromCharCode(...info.bytes.subarray(gpa - info.gpa, info.bytes.indexOf(0, gpa - info.gpa)))
  assert.equal(plan.entry.rax, 0x2badb002)
  assert.equal(view.getUint32(at, true), 0x24d)
  assert.equal(view.getUint32(at + 8, true), (126 * MIB + MIB - 0x10000) / 1024)
  assert.equal(text(view.getUint32(at + 16, true)), 'hello.flat a b')
  const entry = view.getUint32(at + 24, true) - info.gpa
  assert.equal(view.getUint32(entry + 4, true) - view.getUint32(entry, true), 3)
  assert.equal(view.getUint32(entry, true), plan.regions.find((r) => r.name === 'module-0')!.gpa)
  assert.equal(text(view.getUint32(entry + 8, true)), 'env')
  assert.equal(view.getUint32(at + 44, true), 48)
})

test('address fields load what is no ELF', () => {
  const bytes = new Uint8Array(0x400)
  multibootHeader(new DataView(bytes.buffer), 0x10, 0x10000, [0x200010, 0x200000, 0, 0x201000, 0x200040])
  const kernel = parseMultiboot(bytes)
  assert.deepEqual([kernel.format, kernel.base, kernel.bytes.length, kernel.entry], ['flat', 0x200000, 0x1000, 0x200040])
})

test('refusals: no header, unknown requirements, huge spans, encryption, too little memory', () => {
  assert.throws(() => parseMultiboot(new Uint8Array(9000)), /not a Multiboot kernel/)
  const unknown = elf32()
  multibootHeader(new DataView(unknown.buffer), 0x1000, 0x100)
  assert.throws(() => parseMultiboot(unknown), /requires features 0x100/)
  const huge = elf32()
  new DataView(huge.buffer).setUint32(52 + 20, 0xe0000000, true)
  assert.throws(() => parseMultiboot(huge), /span 3584 MiB/)
  assert.throws(() => multibootImage({ kernel: elf32() }).plan({ ...PLATFORM, cBit: 51 }), /cannot run encrypted/)
  assert.equal(multibootImage({ kernel: elf32(), knowsSev: true }).plan({ ...PLATFORM, cBit: 51 }).entry.mode, 'protected')
  const modules = [{ bytes: new Uint8Array(127 * MIB), commandLine: '' }]
  assert.throws(() => multibootImage({ kernel: elf32(), modules }).plan(PLATFORM), /needs at least 130 MiB/)
})

test('no mutation of a Multiboot kernel does anything but parse or throw an ImageError', () => {
  let seed = 99
  const random = (n: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n
  const original = elf32()
  for (let round = 0; round < 3000; round++) {
    const bytes = original.slice(0, random(8) === 0 ? random(original.length) : original.length)
    // Sizes stay below a byte of megabytes most of the time: allocating is slow, refusing is what is tested.
    for (let n = random(4); n >= 0; n--) if (bytes.length > 0) bytes[random(Math.min(bytes.length, 0x54))] = random(256)
    try {
      multibootImage({ kernel: bytes }).plan(PLATFORM)
    } catch (error) {
      assert.ok(error instanceof ImageError, `round ${round}: ${String(error)}`)
    }
  }
})
