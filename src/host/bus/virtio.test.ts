import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boardUnderTest, type BoardUnderTest } from './board-under-test.js'
import type { BlockBackend, PcVirtio } from './index.js'

const QUEUE_AREA = 0x1_0000
const BUFFERS = 0x4_0000

/** A driver as small as can be: finds the structures through the capabilities, uses one queue at a time. */
class Driver {
  private readonly common: number
  private readonly isrAt: number
  private readonly notifyAt: number
  readonly msix: number
  private next = [0, 0, 0]

  constructor(
    readonly board: BoardUnderTest,
    readonly slot: number,
  ) {
    const places = new Map<number, number>()
    let msix = 0
    for (let at = this.config(0x34, 1); at !== 0; at = this.config(at + 1, 1)) {
      if (this.config(at, 1) === 9) places.set(this.config(at + 3, 1), this.barBase(this.config(at + 4, 1)) + this.config(at + 8, 4))
      if (this.config(at, 1) === 0x11) msix = at
    }
    this.common = places.get(1) ?? 0
    this.notifyAt = places.get(2) ?? 0
    this.isrAt = places.get(3) ?? 0
    this.msix = msix
  }

  config(offset: number, size: 1 | 2 | 4): number {
    return this.board.pc.mmio.read(0xe000_0000 + (this.slot << 15) + offset, size, 0).lo
  }

  setConfig(offset: number, size: 1 | 2 | 4, value: number): void {
    this.board.pc.mmio.write(0xe000_0000 + (this.slot << 15) + offset, size, value, 0, 0)
  }

  barBase(index: number): number {
    return (this.config(0x10 + 4 * index, 4) & -16) >>> 0
  }

  get(offset: number, size: 1 | 2 | 4): number {
    return this.board.pc.mmio.read(this.common + offset, size, 0).lo
  }

  set(offset: number, size: 1 | 2 | 4 | 8, value: number): void {
    this.board.pc.mmio.write(this.common + offset, size, value, 0, 0)
  }

  isr(): number {
    return this.board.pc.mmio.read(this.isrAt, 1, 0).lo
  }

  /** Negotiates and enables all queues; `features` is the low word. */
  start(features = 0): void {
    this.set(0x14, 1, 0)
    this.set(0x14, 1, 3)
    this.set(0x08, 4, 0)
    this.set(0x0c, 4, features)
    this.set(0x08, 4, 1)
    this.set(0x0c, 4, 3)
    this.set(0x14, 1, 11)
    assert.equal(this.get(0x14, 1), 11)
    for (let queue = 0; queue < this.get(0x12, 2); queue++) {
      const base = this.queueAt(queue)
      this.board.ram.fill(0, base, base + 0x3000)
      this.set(0x16, 2, queue)
      this.set(0x18, 2, 16)
      this.set(0x1a, 2, queue + 1)
      this.set(0x20, 8, base)
      this.set(0x28, 8, base + 0x1000)
      this.set(0x30, 8, base + 0x2000)
      this.set(0x1c, 2, 1)
      this.next[queue] = 0
    }
    this.set(0x10, 2, 0)
    this.set(0x14, 1, 15)
  }

  queueAt(queue: number): number {
    return QUEUE_AREA + queue * 0x4000
  }

  descriptor(queue: number, index: number, gpa: number, length: number, flags: number, next: number): void {
    const view = new DataView(this.board.ram.buffer, this.queueAt(queue) + 16 * index, 16)
    view.setUint32(0, gpa, true)
    view.setUint32(4, 0, true)
    view.setUint32(8, length, true)
    view.setUint16(12, flags, true)
    view.setUint16(14, next, true)
  }

  /** Offers descriptor 0 of the queue and rings. */
  offer(queue: number, ring = true): void {
    const view = new DataView(this.board.ram.buffer, this.queueAt(queue) + 0x1000)
    view.setUint16(4 + 2 * (this.next[queue] % 16), 0, true)
    this.next[queue]++
    view.setUint16(2, this.next[queue], true)
    if (ring) this.board.pc.mmio.write(this.notifyAt + 4 * queue, 2, queue, 0, 0)
  }

  used(queue: number): { index: number; length: number } {
    const view = new DataView(this.board.ram.buffer, this.queueAt(queue) + 0x2000)
    const index = view.getUint16(2, true)
    return { index, length: view.getUint32(4 + 8 * ((index + 15) % 16) + 4, true) }
  }
}

function board(virtio: PcVirtio): BoardUnderTest {
  return boardUnderTest({ virtio })
}

function disk(sectors: number, readOnly = false): BlockBackend & { bytes: Uint8Array } {
  const bytes = new Uint8Array(sectors * 512)
  return {
    bytes,
    sectors,
    readOnly,
    id: 'disk-1',
    read: (sector, count) => bytes.slice(sector * 512, (sector + count) * 512),
    write(sector, data) {
      bytes.set(data, sector * 512)
      return true
    },
    flush: () => true,
  }
}

const fives = { fill: (target: Uint8Array) => void target.fill(5) }

test('BARs size themselves and decode where they are put', () => {
  const b = board({ entropy: fives })
  const driver = new Driver(b, 1)
  assert.equal(driver.config(0, 4), 0x1044_1af4)
  const base = driver.barBase(0)
  driver.setConfig(0x10, 4, 0xffff_ffff)
  assert.equal(driver.config(0x10, 4), 0xffff_c000)
  driver.setConfig(0x10, 4, 0xd000_0000)
  assert.equal(b.pc.mmio.read(0xd000_0012, 2, 0).lo, 1)
  assert.equal(b.pc.mmio.read(base + 0x12, 2, 0).lo, 0xffff)
  driver.setConfig(4, 2, 0)
  assert.equal(b.pc.mmio.read(0xd000_0012, 2, 0).lo, 0xffff)
})

test('features: VERSION_1 must be taken, unknown ones refuse FEATURES_OK', () => {
  const driver = new Driver(board({ entropy: fives }), 1)
  driver.set(0x00, 4, 1)
  assert.equal(driver.get(0x04, 4), 3)
  driver.set(0x14, 1, 3)
  driver.set(0x14, 1, 11)
  assert.equal(driver.get(0x14, 1), 3)
  driver.set(0x08, 4, 1)
  driver.set(0x0c, 4, 5)
  driver.set(0x14, 1, 11)
  assert.equal(driver.get(0x14, 1), 3)
  driver.start()
  assert.equal(driver.get(0x14, 1), 15)
})

test('rng fills buffers and interrupts by INTx, then by MSI-X', () => {
  const b = board({ entropy: fives })
  const { pc } = b
  const driver = new Driver(b, 1)
  driver.start()
  pc.mmio.write(0xfee0_00f0, 4, 0x1ff, 0, 0)
  // PCI device 1, INTA: I/O APIC pin 17, level, vector 0x61.
  pc.mmio.write(0xfec0_0000, 4, 0x10 + 34, 0, 0)
  pc.mmio.write(0xfec0_0010, 4, 0x8061, 0, 0)
  driver.descriptor(0, 0, BUFFERS, 100, 2, 0)
  driver.offer(0)
  assert.deepEqual(driver.used(0), { index: 1, length: 100 })
  assert.ok(b.ram.slice(BUFFERS, BUFFERS + 100).every((byte) => byte === 5))
  assert.equal(pc.apics[0].acknowledge(), 0x61)
  assert.equal(driver.isr(), 1)
  pc.mmio.write(0xfee0_00b0, 4, 0, 0, 0)
  assert.equal(pc.apics[0].pendingVector(), -1)

  const table = driver.barBase(1)
  driver.setConfig(driver.msix + 2, 2, 0x8000)
  pc.mmio.write(table + 16, 4, 0xfee0_0000, 0, 0)
  pc.mmio.write(table + 24, 4, 0x72, 0, 0)
  driver.offer(0)
  assert.equal(pc.apics[0].pendingVector(), -1, 'masked: pending')
  assert.equal(pc.mmio.read(table + 0x800, 4, 0).lo, 2)
  pc.mmio.write(table + 28, 4, 0, 0, 0)
  assert.equal(pc.apics[0].acknowledge(), 0x72)
})

test('block: read, write, id, bounds, read-only, indirect descriptors', () => {
  const medium = disk(64)
  const b = board({ blocks: [medium, disk(8, true)] })
  const driver = new Driver(b, 1)
  driver.start(1 << 28)
  const request = (type: number, sector: number, length: number, write: boolean, d = driver): number => {
    const view = new DataView(b.ram.buffer, BUFFERS)
    view.setUint32(0, type, true)
    view.setUint32(8, sector, true)
    view.setUint32(12, 0, true)
    b.ram[BUFFERS + 0x8000] = 0xee
    d.descriptor(0, 0, BUFFERS, 16, 1, 1)
    d.descriptor(0, 1, BUFFERS + 0x1000, length, write ? 1 : 3, 2)
    d.descriptor(0, 2, BUFFERS + 0x8000, 1, 2, 0)
    d.offer(0)
    return b.ram[BUFFERS + 0x8000]
  }
  b.ram.fill(0xab, BUFFERS + 0x1000, BUFFERS + 0x1400)
  assert.equal(request(1, 3, 1024, true), 0)
  assert.ok(medium.bytes.slice(3 * 512, 5 * 512).every((byte) => byte === 0xab))
  b.ram.fill(0, BUFFERS + 0x1000, BUFFERS + 0x1400)
  assert.equal(request(0, 4, 512, false), 0)
  assert.deepEqual(driver.used(0), { index: 2, length: 513 })
  assert.equal(b.ram[BUFFERS + 0x11ff], 0xab)
  assert.equal(request(0, 64, 512, false), 1)
  assert.equal(request(0, 0, 511, false), 1)
  assert.equal(request(8, 0, 20, false), 0)
  assert.equal(String.fromCharCode(...b.ram.slice(BUFFERS + 0x1000, BUFFERS + 0x1006)), 'disk-1')
  assert.equal(request(77, 0, 512, false), 2)
  const second = new Driver(b, 2)
  second.start()
  assert.equal(request(1, 0, 512, true, second), 1)
  // The same chain through an indirect table.
  driver.start(1 << 28)
  request(0, 3, 512, false)
  b.ram.copyWithin(BUFFERS + 0x9000, QUEUE_AREA, QUEUE_AREA + 48)
  driver.descriptor(0, 0, BUFFERS + 0x9000, 48, 4, 0)
  b.ram[BUFFERS + 0x8000] = 0xee
  driver.offer(0)
  assert.equal(b.ram[BUFFERS + 0x8000], 0)
})

test('console carries both directions', () => {
  const out: number[] = []
  const b = board({ console: { output: (bytes) => out.push(...bytes) } })
  const driver = new Driver(b, 1)
  assert.equal(b.pc.virtioConsole?.input(Uint8Array.of(1, 2, 3)), 3)
  driver.start()
  driver.descriptor(0, 0, BUFFERS, 2, 2, 0)
  driver.offer(0)
  assert.deepEqual([...b.ram.slice(BUFFERS, BUFFERS + 3)], [1, 2, 0])
  driver.offer(0)
  assert.equal(b.ram[BUFFERS], 3)
  b.ram.set([7, 8, 9], BUFFERS + 16)
  driver.descriptor(1, 0, BUFFERS + 16, 3, 0, 0)
  driver.offer(1)
  assert.deepEqual(out, [7, 8, 9])
})

test('a ring that breaks the rules breaks the queue, and a reset mends it', () => {
  const cases: [string, (driver: Driver) => void][] = [
    ['a loop', (d) => d.descriptor(0, 0, BUFFERS, 8, 3, 0)],
    ['an index outside the table', (d) => d.descriptor(0, 0, BUFFERS, 8, 3, 99)],
    ['readable after writable', (d) => (d.descriptor(0, 0, BUFFERS, 8, 3, 1), d.descriptor(0, 1, BUFFERS, 8, 0, 0))],
    ['an indirect table that is no table', (d) => d.descriptor(0, 0, BUFFERS, 17, 4, 0)],
    ['an indirect table too large', (d) => d.descriptor(0, 0, BUFFERS, 0x1000_0000, 4, 0)],
    ['readable bytes without end', (d) => d.descriptor(0, 0, 0, 0xffff_ffff, 0, 0)],
  ]
  for (const [name, arrange] of cases) {
    const b = board({ blocks: [disk(8)] })
    const driver = new Driver(b, 1)
    driver.start()
    arrange(driver)
    driver.offer(0)
    assert.equal(driver.get(0x14, 1), 0x4f, name)
    assert.equal(driver.used(0).index, 0, name)
    assert.equal(driver.isr(), 2, name)
    driver.start()
    assert.equal(driver.get(0x14, 1), 15, name)
  }
})

test('a queue is saved and restored in the middle', () => {
  const b = board({ entropy: fives })
  const driver = new Driver(b, 1)
  driver.start()
  driver.descriptor(0, 0, BUFFERS, 4, 2, 0)
  driver.offer(0)
  const saved = structuredClone(b.pc.save())
  driver.offer(0)
  b.pc.restore(saved)
  assert.deepEqual(b.pc.save(), saved)
  driver.offer(0)
  assert.equal(driver.used(0).index, 3)
})
