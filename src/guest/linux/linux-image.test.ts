import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ImageError } from '../image-error.js'
import { MEMORY_ACPI, MEMORY_RAM, type BootPlatform } from '../launch-plan.js'
import { parseBzImage } from './bzimage.js'
import { buildPageTables, linuxImage } from './linux-image.js'

const MIB = 0x100000

/** A bzImage in all that a boot loader looks at: 4 setup sectors, 64 KiB of "kernel". */
function fakeBzImage(change: (view: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(5 * 512 + 0x10000)
  const view = new DataView(bytes.buffer)
  view.setUint8(0x1f1, 4)
  view.setUint32(0x1f4, 0x10000 / 16, true)
  view.setUint16(0x1fe, 0xaa55, true)
  view.setUint8(0x201, 0x6a)
  view.setUint32(0x202, 0x53726448, true)
  view.setUint16(0x206, 0x20f, true)
  view.setUint16(0x20e, 0x300, true)
  view.setUint8(0x211, 1)
  view.setUint32(0x22c, 0x7fffffff, true)
  view.setUint32(0x230, 0x200000, true)
  view.setUint8(0x234, 1)
  view.setUint16(0x236, 0x3f, true)
  view.setUint32(0x238, 2047, true)
  view.setUint32(0x258, 0x1000000, true)
  view.setUint32(0x260, 40 * MIB, true)
  for (const [i, c] of [...'6.1.0-cbit (test)'].entries()) view.setUint8(0x500 + i, c.charCodeAt(0))
  bytes.fill(0x90, 5 * 512)
  change(view)
  return bytes
}

function platform(memoryMiB: number, cBit?: number): BootPlatform {
  const memoryBytes = memoryMiB * MIB
  const memoryMap = [
    { base: 0, bytes: 0x9fc00, type: MEMORY_RAM },
    { base: MIB, bytes: memoryBytes - MIB - 0x10000, type: MEMORY_RAM },
    { base: memoryBytes - 0x10000, bytes: 0x10000, type: MEMORY_ACPI },
  ]
  return { memoryBytes, memoryMap, cBit, rsdp: memoryBytes - 0x10000 }
}

test('a bzImage says what it is and where it goes', () => {
  const image = parseBzImage(fakeBzImage())
  assert.equal(image.version, '6.1.0-cbit (test)')
  assert.equal(image.loadAddress, 0x1000000)
  assert.equal(image.kernel.length, 0x10000)
  assert.equal(linuxImage({ kernel: fakeBzImage(), commandLine: '' }).description, 'Linux 6.1.0-cbit')
})

test('what is no 64-bit bzImage is refused in one sentence', () => {
  const refusal = (bytes: Uint8Array) => {
    try {
      parseBzImage(bytes)
    } catch (error) {
      assert.ok(error instanceof ImageError)
      return `${error.problem}: ${error.message}`
    }
    return 'accepted'
  }
  assert.match(refusal(new Uint8Array(0)), /^wrong-format: not a Linux kernel: the file is empty/)
  assert.match(refusal(new Uint8Array(100000)), /^wrong-format: not a Linux kernel: no boot flag/)
  assert.match(refusal(fakeBzImage((v) => v.setUint32(0x202, 0, true))), /no "HdrS"/)
  assert.match(refusal(fakeBzImage((v) => v.setUint16(0x206, 0x209, true))), /^unsupported: .*2\.9 is older than 2\.12/)
  assert.match(refusal(fakeBzImage((v) => v.setUint16(0x236, 0, true))), /not a 64-bit kernel/)
  assert.match(
    refusal(fakeBzImage((v) => v.setUint32(0x1f4, 0x10000, true))),
    /^truncated: truncated: the Linux kernel ends at byte 68096, but byte 1051136 is needed/,
  )
  assert.match(refusal(fakeBzImage((v) => v.setUint32(0x258, 0x1001000, true))), /^malformed: .* loaded at 0x1001000/)
  assert.match(refusal(fakeBzImage().subarray(0, 3000)), /^truncated/)
})

test('the plan places kernel, initrd and boot parameters without overlap, and says so in boot_params', () => {
  const initrd = new Uint8Array(3 * MIB + 5).fill(7)
  const plan = linuxImage({ kernel: fakeBzImage(), initrd, commandLine: 'console=ttyS0' }).plan(platform(512, 51))
  const sorted = [...plan.regions].sort((a, b) => a.gpa - b.gpa)
  sorted.reduce((end, region) => {
    assert.ok(region.gpa >= end && region.bytes.length % 0x1000 === 0, region.name)
    return region.gpa + region.bytes.length
  }, 0)
  assert.equal(plan.regions[0]!.name, 'kernel')
  assert.equal(plan.entry.rip, 0x1000200)

  const params = plan.regions.find((r) => r.name === 'boot-params')!
  const view = new DataView(params.bytes.buffer, params.bytes.byteOffset)
  const placed = plan.regions.find((r) => r.name === 'initrd')!
  assert.equal(plan.entry.rsi, params.gpa)
  assert.equal(view.getUint32(0x218, true), placed.gpa)
  assert.equal(view.getUint32(0x21c, true), initrd.length)
  assert.ok(placed.gpa + placed.bytes.length <= 512 * MIB - 0x10000)
  assert.equal(view.getUint8(0x1e8), 3)
  assert.equal(view.getUint32(0x2d0 + 40 + 16, true), MEMORY_ACPI)
  assert.equal(view.getUint32(0x070, true), 512 * MIB - 0x10000)
  assert.equal(view.getUint16(0x206, true), 0x20f)
})

test('in a small machine the initrd goes below the kernel, and too little memory is said', () => {
  const image = linuxImage({ kernel: fakeBzImage(), initrd: new Uint8Array(10 * MIB), commandLine: '' })
  assert.equal(image.plan(platform(64)).regions.find((r) => r.name === 'initrd')!.gpa, 6 * MIB)
  assert.throws(() => image.plan(platform(32)), /^ImageError: needs at least 57 MiB of memory: the kernel/)
  const large = linuxImage({ kernel: fakeBzImage(), initrd: new Uint8Array(20 * MIB), commandLine: '' })
  assert.throws(() => large.plan(platform(64)), /needs at least 77 MiB of memory/)
  assert.throws(() => linuxImage({ kernel: fakeBzImage(), commandLine: 'x'.repeat(2048) }), /takes 2047/)
})

test('boot page tables map 4 GiB one to one and carry the C-bit in every entry', () => {
  const view = new DataView(buildPageTables(51).buffer)
  assert.equal(view.getBigUint64(0, true), 0x0008_0000_0000_a003n)
  assert.equal(view.getBigUint64(0x1000 + 24, true), 0x0008_0000_0000_e003n)
  assert.equal(view.getBigUint64(0x2000 + 2047 * 8, true), 0x0008_0000_ffe0_0083n)
  assert.equal(new DataView(buildPageTables(undefined).buffer).getBigUint64(0x2000, true), 0x83n)
})

test('no mutation of a bzImage does anything but parse or throw an ImageError', () => {
  let seed = 12345
  const random = (n: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n
  const original = fakeBzImage()
  for (let round = 0; round < 3000; round++) {
    const bytes = original.slice(0, random(8) === 0 ? random(original.length) : original.length)
    for (let n = random(6); n >= 0; n--) if (bytes.length > 0) bytes[random(Math.min(bytes.length, 0x280))] = random(256)
    try {
      linuxImage({ kernel: bytes, initrd: new Uint8Array(100), commandLine: 'a' }).plan(platform(256, 51))
    } catch (error) {
      assert.ok(error instanceof ImageError, `seed round ${round}: ${String(error)}`)
    }
  }
})
