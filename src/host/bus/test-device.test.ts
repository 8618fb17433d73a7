import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boardUnderTest } from './board-under-test.js'

const MEMORY = 0xff00_0000

test('test device: its port keeps bytes, words and doublewords; without it the port is empty', () => {
  const { ports } = boardUnderTest({ testDevice: true }).pc
  ports.write(0xe0, 4, 0x12345678)
  assert.equal(ports.read(0xe0, 4), 0x12345678)
  assert.equal(ports.read(0xe1, 1), 0x56)
  ports.write(0xe0, 2, 0xaaaa)
  assert.equal(ports.read(0xe0, 4), 0x1234aaaa)
  const { pc } = boardUnderTest()
  pc.ports.write(0xe0, 1, 1)
  assert.equal(pc.ports.read(0xe0, 1), 0xff)
  assert.equal(pc.mmio.read(MEMORY, 4, 0).lo, 0xffff_ffff)
})

test('test device: memory of 64 KiB in every size, up to its end', () => {
  const { mmio } = boardUnderTest({ testDevice: true }).pc
  mmio.write(MEMORY, 8, 0x89abcdef, 0x01234567, 0)
  assert.deepEqual(mmio.read(MEMORY, 8, 0), { lo: 0x89abcdef, hi: 0x01234567 })
  assert.equal(mmio.read(MEMORY + 3, 2, 0).lo, 0x6789)
  mmio.write(MEMORY + 0xffff, 4, 0x11223344, 0, 0)
  assert.equal(mmio.read(MEMORY + 0xffff, 4, 0).lo, 0xffffff44)
  assert.equal(mmio.read(MEMORY + 0x10000, 1, 0).lo, 0xff)
})

test('test device: a port is the level of a line, of the 8259 and of the I/O APIC', () => {
  const { pc } = boardUnderTest({ testDevice: true })
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 4],
    [0x21, 1],
    [0x21, 0xdf],
  ] as const)
    pc.ports.write(port, 1, value)
  pc.ports.write(0x2005, 4, 1)
  assert.equal(pc.apics[0]!.acknowledge(), 0x25)
  pc.ports.write(0x2005, 4, 0)

  pc.mmio.write(0xfee0_00f0, 4, 0x1ff, 0, 0)
  pc.mmio.write(0xfec0_0000, 4, 0x10 + 2 * 20, 0, 0)
  pc.mmio.write(0xfec0_0010, 4, 0x8061, 0, 0)
  pc.ports.write(0x2014, 1, 1)
  assert.equal(pc.apics[0]!.acknowledge(), 0x61)
  pc.mmio.write(0xfee0_00b0, 4, 0, 0, 0)
  assert.equal(pc.apics[0]!.acknowledge(), 0x61, 'the level is still up')
  pc.ports.write(0x2014, 1, 0)
  pc.mmio.write(0xfee0_00b0, 4, 0, 0, 0)
  assert.equal(pc.apics[0]!.pendingVector(), -1)
})

test('test device: its state is saved and restored', () => {
  const first = boardUnderTest({ testDevice: true }).pc
  first.ports.write(0xe2, 1, 7)
  first.mmio.write(MEMORY + 8, 4, 9, 0, 0)
  const second = boardUnderTest({ testDevice: true }).pc
  second.restore(first.save())
  assert.equal(second.ports.read(0xe2, 1), 7)
  assert.equal(second.mmio.read(MEMORY + 8, 4, 0).lo, 9)
})
