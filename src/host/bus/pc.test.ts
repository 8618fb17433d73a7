import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boardUnderTest, type BoardUnderTest } from './board-under-test.js'

const MS = 1e6

function outb(board: BoardUnderTest, port: number, value: number): void {
  board.pc.ports.write(port, 1, value)
}

function inb(board: BoardUnderTest, port: number): number {
  return board.pc.ports.read(port, 1)
}

/** Remaps the 8259 pair to 0x20 and 0x28 and masks as told. */
function initPic(board: BoardUnderTest, masterMask: number, slaveMask: number): void {
  for (const [port, base, cascade, mask] of [
    [0x20, 0x20, 4, masterMask],
    [0xa0, 0x28, 2, slaveMask],
  ]) {
    outb(board, port, 0x11)
    outb(board, port + 1, base)
    outb(board, port + 1, cascade)
    outb(board, port + 1, 1)
    outb(board, port + 1, mask)
  }
}

function apicWrite(board: BoardUnderTest, offset: number, value: number, vcpu = 0): void {
  board.pc.mmio.write(0xfee0_0000 + offset, 4, value, 0, vcpu)
}

function apicRead(board: BoardUnderTest, offset: number, vcpu = 0): number {
  return board.pc.mmio.read(0xfee0_0000 + offset, 4, vcpu).lo
}

function ioapicWrite(board: BoardUnderTest, register: number, value: number): void {
  board.pc.mmio.write(0xfec0_0000, 4, register, 0, 0)
  board.pc.mmio.write(0xfec0_0010, 4, value, 0, 0)
}

function ioapicRead(board: BoardUnderTest, register: number): number {
  board.pc.mmio.write(0xfec0_0000, 4, register, 0, 0)
  return board.pc.mmio.read(0xfec0_0010, 4, 0).lo
}

test('PIT channel 0 interrupts through the 8259 and virtual wire at its rate', () => {
  const board = boardUnderTest()
  const [apic] = board.pc.apics
  initPic(board, 0xfe, 0xff)
  outb(board, 0x43, 0x34)
  outb(board, 0x40, 11_932 & 0xff)
  outb(board, 0x40, 11_932 >>> 8)
  let ticks = 0
  for (let i = 0; i < 1000; i++) {
    board.run(MS)
    if (apic.pendingVector() === 0x20) {
      assert.equal(apic.acknowledge(), 0x20)
      outb(board, 0x20, 0x20)
      ticks++
    }
  }
  assert.ok(ticks >= 99 && ticks <= 100, `${ticks} ticks in a second at 100 Hz`)
})

test('a long jump of time gives one tick, not a thousand', () => {
  const board = boardUnderTest()
  initPic(board, 0xfe, 0xff)
  outb(board, 0x43, 0x34)
  outb(board, 0x40, 0xa9)
  outb(board, 0x40, 0x04)
  board.setTimeNs(10_000 * MS)
  assert.equal(board.pc.apics[0].acknowledge(), 0x20)
  outb(board, 0x20, 0x20)
  assert.equal(board.pc.apics[0].pendingVector(), -1)
  assert.ok(board.pc.nextDeadlineNs() > board.timeNs())
})

test('PIT channel 2 measures 50 ms through port 61h, as kernels calibrate their TSC', () => {
  const board = boardUnderTest()
  outb(board, 0x61, (inb(board, 0x61) & ~2) | 1)
  outb(board, 0x43, 0xb0)
  const count = Math.floor(1_193_182 / 20)
  outb(board, 0x42, count & 0xff)
  outb(board, 0x42, count >>> 8)
  assert.equal(inb(board, 0x61) & 0x20, 0)
  board.run(49.9 * MS)
  assert.equal(inb(board, 0x61) & 0x20, 0)
  board.run(0.2 * MS)
  assert.equal(inb(board, 0x61) & 0x20, 0x20)
})

test('PIT read-back gives status and latched count', () => {
  const board = boardUnderTest()
  outb(board, 0x43, 0x34)
  outb(board, 0x40, 0x00)
  outb(board, 0x40, 0x10)
  board.run(1e9 / 1_193_182)
  outb(board, 0x43, 0xc2)
  assert.equal(inb(board, 0x40), 0x80 | 0x34)
  const low = inb(board, 0x40)
  assert.equal(low | (inb(board, 0x40) << 8), 0x0fff)
})

test('the RTC tells the wall time in BCD and rolls over the leap day', () => {
  const board = boardUnderTest()
  const read = (index: number): number => {
    outb(board, 0x70, index)
    return inb(board, 0x71)
  }
  assert.deepEqual([4, 2, 0, 7, 8, 9, 0x32].map(read), [0x23, 0x59, 0x58, 0x29, 0x02, 0x24, 0x20])
  board.run(2500 * MS)
  assert.deepEqual([4, 2, 0, 7, 8, 9, 6].map(read), [0x00, 0x00, 0x00, 0x01, 0x03, 0x24, 0x06])
})

test('RTC update interrupt comes each second on IRQ 8 and stops until C is read', () => {
  const board = boardUnderTest()
  initPic(board, 0xfb, 0xfe)
  outb(board, 0x70, 0x0b)
  outb(board, 0x71, 0x12)
  let seen = 0
  for (let i = 0; i < 50; i++) {
    board.run(100 * MS)
    if (board.pc.apics[0].acknowledge() !== 0x28) continue
    seen++
    outb(board, 0x70, 0x0c)
    assert.equal(inb(board, 0x71) & 0x90, 0x90)
    outb(board, 0xa0, 0x20)
    outb(board, 0x20, 0x20)
  }
  assert.equal(seen, 5)
  board.run(1100 * MS)
  assert.equal(board.pc.nextDeadlineNs(), Infinity)
})

test('RTC time can be set and its alarm fires', () => {
  const board = boardUnderTest()
  const write = (index: number, value: number): void => {
    outb(board, 0x70, index)
    outb(board, 0x71, value)
  }
  write(0x0b, 0x82)
  write(4, 0x11)
  write(2, 0x30)
  write(0, 0x00)
  write(5, 0x11)
  write(3, 0x31)
  write(1, 0x05)
  write(0x0b, 0x22)
  const deadline = board.pc.nextDeadlineNs()
  assert.ok(Math.abs(deadline - 65e9) < 1e9, `${deadline}`)
  board.run(66e9)
  outb(board, 0x70, 0x0c)
  assert.equal(inb(board, 0x71) & 0xb0, 0xb0)
})

test('8259: priorities, specific EOI, spurious interrupt, level lines', () => {
  const board = boardUnderTest()
  const { pc } = board
  initPic(board, 0x00, 0x00)
  // The UART's transmit interrupt: IRQ 4.
  outb(board, 0x3fc, 0x08)
  outb(board, 0x3f9, 0x02)
  assert.equal(pc.apics[0].pendingVector(), 0x24)
  outb(board, 0x3f9, 0x00)
  assert.equal(pc.apics[0].acknowledge(), 0x24, 'an edge stays latched')
  outb(board, 0x20, 0x0b)
  assert.equal(inb(board, 0x20), 0x10)
  outb(board, 0x20, 0x64)
  assert.equal(inb(board, 0x20), 0x00)
  assert.equal(pc.apics[0].acknowledge(), -1)
})

test('UART: Linux finds a 16550A, loopback reflects the modem lines, output goes out', () => {
  const board = boardUnderTest()
  const base = 0x3f8
  outb(board, base + 1, 0)
  assert.equal(inb(board, base + 1), 0)
  outb(board, base + 1, 0x0f)
  assert.equal(inb(board, base + 1), 0x0f)
  outb(board, base + 1, 0)
  outb(board, base + 4, 0x10 | 0x0a)
  assert.equal(inb(board, base + 6) & 0xf0, 0x90)
  outb(board, base + 4, 0)
  outb(board, base + 2, 0x01)
  assert.equal(inb(board, base + 2) >>> 6, 3)
  outb(board, base + 2, 0x00)
  assert.equal(inb(board, base + 2) >>> 6, 0)
  outb(board, base + 7, 0xae)
  assert.equal(inb(board, base + 7), 0xae)
  assert.equal(inb(board, base + 5) & 0x60, 0x60)
  for (const c of 'ok') outb(board, base, c.charCodeAt(0))
  assert.deepEqual(board.serial, [0x6f, 0x6b])
})

test('UART input waits for RTS, survives a FIFO reset before it, and comes in order', () => {
  let space = 0
  const board = boardUnderTest({ serialInputSpace: () => space++ })
  const base = 0x3f8
  const text = Uint8Array.from({ length: 5000 }, (_, i) => i & 0xff)
  const taken = board.pc.serial.input(text)
  assert.equal(taken, 4096)
  outb(board, base + 2, 0x07)
  inb(board, base)
  assert.equal(inb(board, base + 5) & 1, 0)
  outb(board, base + 4, 0x0b)
  const seen: number[] = []
  while (inb(board, base + 5) & 1) seen.push(inb(board, base))
  assert.deepEqual(Uint8Array.from(seen), text.slice(0, 4096))
  assert.equal(space, 1)
  assert.equal(board.pc.serial.freeInput(), 4096)
  // While the guest listens, what is refused for want of room is announced once, and not from inside the call.
  assert.equal(board.pc.serial.input(text), 4096)
  assert.equal(space, 1)
  inb(board, base)
  assert.equal(space, 2)
})

test('UART interrupts: receive below and at the trigger, transmit cleared by reading IIR', () => {
  const board = boardUnderTest()
  initPic(board, 0xef, 0xff)
  const base = 0x3f8
  outb(board, base + 2, 0x81)
  outb(board, base + 4, 0x0b)
  outb(board, base + 1, 0x05)
  board.pc.serial.input(Uint8Array.of(1))
  assert.equal(board.pc.apics[0].acknowledge(), 0x24)
  assert.equal(inb(board, base + 2) & 0x0f, 0x0c)
  board.pc.serial.input(new Uint8Array(9))
  assert.equal(inb(board, base + 2) & 0x0f, 0x04)
  for (let i = 0; i < 10; i++) inb(board, base)
  assert.equal(inb(board, base + 2) & 0x0f, 0x01)
  outb(board, base + 1, 0x02)
  assert.equal(inb(board, base + 2) & 0x0f, 0x02)
  assert.equal(inb(board, base + 2) & 0x0f, 0x01)
  outb(board, base, 0x41)
  assert.equal(inb(board, base + 2) & 0x0f, 0x02)
})

test('I/O APIC: edge and level, remote IRR and EOI broadcast', () => {
  const board = boardUnderTest()
  const { pc } = board
  const [apic] = pc.apics
  apicWrite(board, 0xf0, 0x1ff)
  assert.equal(ioapicRead(board, 1), 0x0017_0020)
  // SCI on pin 9, level, vector 0x51.
  ioapicWrite(board, 0x10 + 18, 0x8051)
  pc.ports.write(0xb2, 1, 2)
  pc.ports.write(0x602, 2, 0x100)
  pc.pressPowerButton()
  assert.equal(apic.pendingVector(), 0x51)
  assert.equal(apic.acknowledge(), 0x51)
  assert.equal(ioapicRead(board, 0x10 + 18) & 0x4000, 0x4000)
  apicWrite(board, 0xb0, 0)
  assert.equal(apic.acknowledge(), 0x51, 'the line is still up')
  assert.equal(pc.ports.read(0x600, 2), 0x100)
  pc.ports.write(0x600, 2, 0x100)
  apicWrite(board, 0xb0, 0)
  assert.equal(apic.pendingVector(), -1)
  assert.equal(ioapicRead(board, 0x10 + 18) & 0x4000, 0)
  // The timer is on pin 2.
  ioapicWrite(board, 0x10 + 4, 0x0030)
  outb(board, 0x43, 0x30)
  outb(board, 0x40, 10)
  outb(board, 0x40, 0)
  board.run(MS)
  assert.equal(apic.acknowledge(), 0x30)
})

test('local APIC timer: one-shot, periodic, deadline', () => {
  const board = boardUnderTest()
  const [apic] = board.pc.apics
  apicWrite(board, 0xf0, 0x1ff)
  apicWrite(board, 0x3e0, 0xb)
  apicWrite(board, 0x320, 0x40)
  apicWrite(board, 0x380, 1_000_000)
  board.run(0.4 * MS)
  assert.equal(apicRead(board, 0x390), 600_000)
  board.run(0.7 * MS)
  assert.equal(apic.acknowledge(), 0x40)
  apicWrite(board, 0xb0, 0)
  assert.equal(board.pc.nextDeadlineNs(), Infinity)
  apicWrite(board, 0x320, 0x2_0041)
  apicWrite(board, 0x380, 1)
  assert.ok(board.pc.nextDeadlineNs() >= board.timeNs() + 9_000, 'a period has a floor')
  board.run(0.1 * MS)
  assert.equal(apic.acknowledge(), 0x41)
  apicWrite(board, 0xb0, 0)
  apicWrite(board, 0x320, 0x4_0042)
  assert.equal(board.pc.nextDeadlineNs(), Infinity)
  assert.equal(apic.writeMsr(0x6e0, 5_000_000, 0), true)
  board.run(3 * MS)
  assert.equal(apic.acknowledge(), -1)
  board.run(2 * MS)
  assert.equal(apic.acknowledge(), 0x42)
  assert.deepEqual(apic.readMsr(0x6e0), { lo: 0, hi: 0 })
})

test('local APIC priorities: TPR and service hold lower vectors back', () => {
  const board = boardUnderTest()
  const [apic] = board.pc.apics
  apicWrite(board, 0xf0, 0x1ff)
  apicWrite(board, 0x300, 0x4_0045)
  apicWrite(board, 0x300, 0x4_0063)
  assert.equal(apic.acknowledge(), 0x63)
  assert.equal(apic.pendingVector(), -1)
  assert.equal(apicRead(board, 0xa0), 0x60)
  apicWrite(board, 0xb0, 0)
  apic.cr8 = 4
  assert.equal(apic.pendingVector(), -1)
  assert.equal(apic.highestRequest(), 0x45)
  apic.cr8 = 3
  assert.equal(apic.acknowledge(), 0x45)
})

test('IPIs: INIT and SIPI start the other vCPU, x2APIC cluster addressing, self-IPI', () => {
  const board = boardUnderTest()
  const [boot, other] = board.pc.apics
  apicWrite(board, 0xf0, 0x1ff)
  apicWrite(board, 0x310, 0x0100_0000)
  apicWrite(board, 0x300, 0x0000_c500)
  assert.equal(other.takeInit(), true)
  apicWrite(board, 0x300, 0x0000_8500)
  assert.equal(other.takeInit(), false, 'level de-assert is nothing')
  apicWrite(board, 0x300, 0x0000_0609)
  assert.equal(other.takeSipi(), 9)
  assert.equal(other.takeSipi(), -1)
  for (const apic of [boot, other]) {
    assert.equal(apic.readMsr(0x802), undefined)
    assert.equal(apic.writeMsr(0x1b, 0xfee0_0c00, 0), true)
    assert.equal(apic.writeMsr(0x1b, 0xfee0_0800, 0), false, 'x2APIC to xAPIC is #GP')
    assert.equal(apic.writeMsr(0x80f, 0x1ff, 0), true)
  }
  assert.deepEqual(other.readMsr(0x80d), { lo: 2, hi: 0 })
  assert.equal(boot.writeMsr(0x830, 0x0000_0833, 0x0000_0003), true)
  assert.equal(boot.acknowledge(), 0x33)
  assert.equal(other.acknowledge(), 0x33)
  assert.equal(boot.writeMsr(0x80b, 0, 0), true)
  assert.equal(boot.writeMsr(0x83f, 0x44, 0), true)
  assert.equal(boot.acknowledge(), 0x44)
  assert.equal(boot.writeMsr(0x830, 0x000c_0400, 0), true)
  assert.equal(other.takeNmi(), true)
  assert.equal(boot.takeNmi(), false)
})

test('power off, resets and debug exit reach the host', () => {
  const board = boardUnderTest()
  board.pc.ports.write(0x604, 2, 0x2000)
  outb(board, 0xcf9, 0x02)
  outb(board, 0xcf9, 0x06)
  outb(board, 0x64, 0xfe)
  outb(board, 0x92, 0x03)
  board.pc.ports.write(0xf4, 4, 0x1234)
  assert.deepEqual(board.log, ['shutdown', 'reset cf9', 'reset keyboard-controller', 'reset port-92', 'exit 4660'])
})

test('PM timer counts 3.579545 MHz', () => {
  const board = boardUnderTest()
  const before = board.pc.ports.read(0x608, 4)
  board.run(1000 * MS)
  assert.equal(board.pc.ports.read(0x608, 4) - before, 3_579_545)
})

test('PCI: bridges are found, absent functions read all ones', () => {
  const board = boardUnderTest()
  const read = (device: number, offset: number): number => {
    board.pc.ports.write(0xcf8, 4, (0x8000_0000 | (device << 11) | offset) >>> 0)
    return board.pc.ports.read(0xcfc, 4)
  }
  assert.equal(read(0, 0), 0x29c0_8086)
  assert.equal(read(31, 0), 0x2918_8086)
  assert.equal(read(5, 0), 0xffff_ffff)
  assert.equal(board.pc.mmio.read(0xe000_0000 + (31 << 15), 4, 0).lo, 0x2918_8086)
  board.pc.ports.write(0xcf8, 4, 0)
  assert.equal(board.pc.ports.read(0xcfc, 4), 0xffff_ffff)
})

test('fw_cfg: signature, directory, a file by port and by DMA', () => {
  const content = Uint8Array.from({ length: 100 }, (_, i) => i)
  const board = boardUnderTest({
    fwCfgFiles: new Map([
      ['opt/b', content],
      ['etc/a', new Uint8Array(3)],
    ]),
  })
  const { pc, ram } = board
  const bytes = (key: number, count: number): number[] => {
    pc.ports.write(0x510, 2, key)
    return Array.from({ length: count }, () => inb(board, 0x511))
  }
  assert.equal(String.fromCharCode(...bytes(0, 4)), 'QEMU')
  const directory = bytes(0x19, 4 + 128)
  assert.equal(directory[3], 2)
  assert.equal(String.fromCharCode(...directory.slice(4 + 64 + 8, 4 + 64 + 13)), 'opt/b')
  const key = (directory[4 + 64 + 4] << 8) | directory[4 + 64 + 5]
  assert.deepEqual(Uint8Array.from(bytes(key, 100)), content)
  const request = new DataView(ram.buffer)
  request.setUint32(0x1000, (key << 16) | 8 | 2)
  request.setUint32(0x1004, 100)
  request.setUint32(0x100c, 0x2000)
  pc.ports.write(0x518, 4, 0x0010_0000)
  assert.equal(request.getUint32(0x1000), 0)
  assert.deepEqual(ram.slice(0x2000, 0x2064), content)
  request.setUint32(0x1000, 2)
  request.setUint32(0x1004, 0xffff_ffff)
  pc.ports.write(0x518, 4, 0x0010_0000)
  assert.equal(request.getUint32(0x1000), 1, 'a request for 4 GiB of zeros is refused')
})

test('i8042 answers its tests and says that nothing is plugged in', () => {
  const board = boardUnderTest()
  outb(board, 0x64, 0xaa)
  assert.equal(inb(board, 0x64) & 1, 1)
  assert.equal(inb(board, 0x60), 0x55)
  outb(board, 0x60, 0xf2)
  assert.equal(inb(board, 0x64) & 0x41, 0x41)
  assert.equal(inb(board, 0x60), 0xfe)
  assert.equal(inb(board, 0x64) & 1, 0)
})

test('save and restore: a restored board goes on as the first would have', () => {
  const first = boardUnderTest()
  apicWrite(first, 0xf0, 0x1ff)
  apicWrite(first, 0x3e0, 0xb)
  apicWrite(first, 0x320, 0x2_0040)
  apicWrite(first, 0x380, 1_000_000)
  first.pc.serial.input(Uint8Array.of(1, 2, 3))
  outb(first, 0x3fc, 0x0b)
  first.run(2.5 * MS)
  const saved = structuredClone(first.pc.save())
  const second = boardUnderTest()
  second.setTimeNs(first.timeNs())
  second.pc.restore(saved)
  assert.deepEqual(second.pc.save(), saved)
  assert.equal(second.pc.nextDeadlineNs(), first.pc.nextDeadlineNs())
  assert.equal(second.pc.apics[0].acknowledge(), 0x40)
  assert.deepEqual([inb(second, 0x3f8), inb(second, 0x3f8)], [1, inb(first, 0x3f8) + 1])
  assert.throws(() => second.pc.restore({ ...saved, uart: { ier: 'x' } }), /uart/)
  assert.throws(() => boardUnderTest({ vcpus: 1 }).pc.restore({}), /pit/)
})
