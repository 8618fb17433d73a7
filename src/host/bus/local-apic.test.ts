import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boardUnderTest, type BoardUnderTest } from './board-under-test.js'

const PAGE = 0xfee0_0000
const MSR_APIC_BASE = 0x1b
const TIMER = 0x320
const INITIAL = 0x380
const CURRENT = 0x390
const ONE_SHOT = 0x40
const PERIODIC = 0x2_0040

function write(board: BoardUnderTest, offset: number, value: number): void {
  board.pc.mmio.write(PAGE + offset, 4, value, 0, 0)
}

function read(board: BoardUnderTest, offset: number): number {
  return board.pc.mmio.read(PAGE + offset, 4, 0).lo
}

/** One count a nanosecond, the timer as a single shot. */
function timerBoard(): BoardUnderTest {
  const board = boardUnderTest()
  write(board, 0xf0, 0x1ff)
  write(board, 0x3e0, 0xb)
  write(board, TIMER, ONE_SHOT)
  return board
}

test('local APIC timer: a single shot that has expired stays at zero when the mode becomes periodic', () => {
  const board = timerBoard()
  write(board, INITIAL, 1000)
  board.run(1500)
  assert.equal(read(board, CURRENT), 0)
  write(board, TIMER, PERIODIC)
  assert.equal(read(board, CURRENT), 0)
  assert.equal(board.pc.apics[0]!.acknowledge(), 0x40)
  write(board, 0xb0, 0)
  board.run(5000)
  assert.equal(board.pc.apics[0]!.pendingVector(), -1)
})

test('local APIC timer: the count goes on where the mode changes between single shot and periodic', () => {
  const board = timerBoard()
  write(board, INITIAL, 100_000)
  board.run(70_000)
  write(board, TIMER, PERIODIC)
  assert.equal(read(board, CURRENT), 30_000)
  board.run(50_000)
  assert.equal(read(board, CURRENT), 80_000)
  write(board, TIMER, ONE_SHOT)
  assert.equal(read(board, CURRENT), 80_000)
  board.run(90_000)
  assert.equal(read(board, CURRENT), 0)
})

test('local APIC: its page moves inside the device hole, reserved bits and RAM are refused', () => {
  const board = boardUnderTest()
  const apic = board.pc.apics[0]!
  const version = read(board, 0x30)
  const moved = 0xfed4_0000
  assert.equal(apic.writeMsr(MSR_APIC_BASE, (moved | 0x900) >>> 0, 0), true)
  assert.deepEqual(apic.readMsr(MSR_APIC_BASE), { lo: (moved | 0x900) >>> 0, hi: 0 })
  assert.equal(board.pc.mmio.read(moved + 0x30, 4, 0).lo, version)
  assert.equal(read(board, 0x30), 0xffff_ffff)
  assert.equal(apic.writeMsr(MSR_APIC_BASE, PAGE + 0x901, 0), false)
  assert.equal(apic.writeMsr(MSR_APIC_BASE, PAGE + 0x900, 0x10000), false)
  assert.equal(apic.writeMsr(MSR_APIC_BASE, 0x0010_0900, 0), false)
  assert.equal(apic.writeMsr(MSR_APIC_BASE, PAGE + 0x900, 0), true)
  assert.equal(read(board, 0x30), version)
})
