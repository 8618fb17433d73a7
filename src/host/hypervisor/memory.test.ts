import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HostPort } from '../../silicon/doors/host.js'
import { AsidPool } from './asids.js'
import type { GuestClock } from './guest-clock.js'
import { DirtyLog } from './dirty-log.js'
import { VmMemory } from './guest-memory-access.js'
import { translate, type PagingState } from './guest-walk.js'
import { NestedTables } from './nested-tables.js'
import { Paravirtual, pvclockScale } from './paravirtual.js'
import { HostResourceError, PhysicalMemory } from './physical-memory.js'

const MIB = 0x100000

function flatHost(bytes: number): HostPort & { dram: Uint8Array } {
  const dram = new Uint8Array(bytes)
  return {
    dram,
    dramBytes: bytes,
    cores: [],
    mailbox: { writeAddressLow() {}, writeAddressHigh() {}, writeCommand() {}, readResponse: () => 0 },
    read: (spa, length) => dram.slice(spa, spa + length),
    readInto: (spa, target) => target.set(dram.subarray(spa, spa + target.length)),
    write: (spa, data) => dram.set(data, spa),
  }
}

test('the allocator aligns, splits and joins', () => {
  const memory = new PhysicalMemory(0x1000, 16 * MIB - 0x1000)
  const small = memory.allocate(0x1000, 0x1000, 'a')
  const large = memory.allocate(4 * MIB, 2 * MIB, 'b')
  const next = memory.allocate(0x2000, 0x1000, 'c')
  assert.deepEqual([small, large, next], [0x1000, 2 * MIB, 0x2000])
  assert.throws(() => memory.allocate(16 * MIB, 0x1000, 'too much'), HostResourceError)
  memory.free(large, 4 * MIB)
  memory.free(small, 0x1000)
  memory.free(next, 0x2000)
  assert.equal(memory.freeBytes, 16 * MIB - 0x1000)
  assert.equal(memory.allocate(15 * MIB, 0x1000, 'all'), 0x1000)
  assert.throws(() => memory.free(0x1000 + 15 * MIB, 0x1000), /freed once/)
})

test('nested tables use large pages where they can and split them where they must', () => {
  const host = flatHost(32 * MIB)
  const tables = new NestedTables(host, new PhysicalMemory(0x100000, 31 * MIB))
  tables.mapRange(0, 16 * MIB, 0xa0000)
  tables.mapRange(0xc0000, 16 * MIB + 0xc0000, 8 * MIB - 0xc0000)
  assert.equal(tables.translate(0x9ffff), 16 * MIB + 0x9ffff)
  assert.equal(tables.translate(0xa0000), undefined)
  assert.equal(tables.translate(0xc0123), 16 * MIB + 0xc0123)
  assert.equal(tables.translate(5 * MIB + 7), 21 * MIB + 7)
  assert.equal(tables.translate(8 * MIB), undefined)
  tables.mapPage(5 * MIB, 0x300000)
  assert.equal(tables.translate(5 * MIB + 7), 0x300007)
  assert.equal(tables.translate(5 * MIB + 0x1000), 21 * MIB + 0x1000)
  tables.unmapPage(5 * MIB)
  assert.equal(tables.translate(5 * MIB), undefined)

  // What stands in memory is what a nested walk needs: user bit everywhere.
  const view = new DataView(host.dram.buffer)
  const pml4 = view.getBigUint64(tables.rootSpa, true)
  const pdpt = view.getBigUint64(Number(pml4 & 0xffffffff000n), true)
  const large = view.getBigUint64(Number(pdpt & 0xffffffff000n) + 8, true)
  assert.deepEqual([pml4 & 0xfffn, pdpt & 0xfffn, large], [0x27n, 0x27n, BigInt(18 * MIB) | 0xe7n])
})

test('ASIDs: encrypted guests stay below, a used one returns only after a flush', () => {
  const pool = new AsidPool({ sevFirst: 1, sevLast: 2, count: 4 })
  let flushes = 0
  const flush = () => flushes++
  assert.equal(pool.allocate(false, flush), 3)
  assert.deepEqual([pool.allocate(true, flush), pool.allocate(true, flush)], [1, 2])
  assert.throws(() => pool.allocate(true, flush), /encrypted-guest ASIDs/)
  pool.release(2, true)
  assert.equal(flushes, 0)
  assert.equal(pool.allocate(true, flush), 2)
  assert.equal(flushes, 1)
})

test('the guest walk: 4 levels, 2 levels, large pages, rights', () => {
  const host = flatHost(8 * MIB)
  const memory = new VmMemory(host, 0, 8 * MIB)
  const put64 = (at: number, value: bigint) => host.write(at, new Uint8Array(BigUint64Array.of(value).buffer))
  const put32 = (at: number, value: number) => host.write(at, new Uint8Array(Uint32Array.of(value).buffer))
  put64(0x100000, 0x101003n)
  put64(0x101000, 0x102003n)
  put64(0x102000, 0x103007n)
  put64(0x102008, 0x400083n)
  put64(0x103008, 0x155001n)
  const long: PagingState = { cr0: 0x80010001, cr3: 0x100000, cr4: 0x20, efer: 0x500, user: false }
  assert.deepEqual(translate(memory, long, 0x1234n, false), { gpa: 0x155234 })
  assert.deepEqual(translate(memory, long, 0x1234n, true), { faultError: 3 })
  assert.deepEqual(translate(memory, { ...long, cr0: 0x80000001 }, 0x1234n, true), { gpa: 0x155234 })
  assert.deepEqual(translate(memory, { ...long, user: true }, 0x1234n, false), { faultError: 5 })
  assert.deepEqual(translate(memory, long, 0x212345n, true), { gpa: 0x412345 })
  assert.deepEqual(translate(memory, long, 0x5000n, false), { faultError: 0 })

  put32(0x110000, 0x111007)
  put32(0x111000 + 4 * 5, 0x166007)
  put32(0x110004, 0x400087)
  const legacy: PagingState = { cr0: 0x80010001, cr3: 0x110000, cr4: 0x10, efer: 0, user: true }
  assert.deepEqual(translate(memory, legacy, 0x5678n, true), { gpa: 0x166678 })
  assert.deepEqual(translate(memory, legacy, 0x512345n, false), { gpa: 0x512345 })
  assert.deepEqual(translate(memory, { ...legacy, cr0: 1 }, 0x5678n, true), { gpa: 0x5678 })
})

test('pvclock scale: a nanosecond is a nanosecond at any rate', () => {
  for (const kHz of [1_000_000, 2_000_000, 2_450_000, 999_999, 4_000_000]) {
    const { multiplier, shift } = pvclockScale(kHz)
    const ticks = BigInt(kHz) * 1000n
    const shifted = shift >= 0 ? ticks << BigInt(shift) : ticks >> BigInt(-shift)
    const ns = Number((shifted * BigInt(multiplier)) >> 32n)
    assert.ok(Math.abs(ns - 1e9) < 3, `${kHz} kHz: ${ns}`)
  }
})

test('the paravirtual clock reaches a page above 2 GiB', () => {
  const host = flatHost(0x1000)
  const written: number[] = []
  host.write = (spa) => written.push(spa)
  const memory = new VmMemory(host, 0, 3 * 1024 * MIB)
  const clock = { tscKHz: 2_000_000, ticks: () => 5, tscAtZero: 0, nowNs: () => 2 } as unknown as GuestClock
  new Paravirtual(memory, clock, true, 0).writeMsr(0x4b564d01, 0xb0001001, 0)
  assert.deepEqual(written, [0xb0001000])
})

test('the dirty log tells each page that guest or host writes, once, and puts the tables back', () => {
  const host = flatHost(32 * MIB)
  const physical = new PhysicalMemory(0x100000, 15 * MIB)
  const tables = new NestedTables(host, physical)
  const memory = new VmMemory(host, 16 * MIB, 8 * MIB)
  tables.mapRange(0, memory.base, 0xa0000)
  tables.mapRange(0xc0000, memory.base + 0xc0000, 8 * MIB - 0xc0000)
  const [before, free] = [host.dram.slice(0, 16 * MIB), physical.freeBytes]
  let flushes = 0
  const log = new DirtyLog(tables, memory, () => flushes++)
  const view = new DataView(host.dram.buffer)
  const entryOf = (gpa: number): number => {
    let table = tables.rootSpa
    for (let level = 3; level > 0; level--)
      table = view.getUint32(table + (Math.floor(gpa / 2 ** (12 + 9 * level)) % 512) * 8, true) & 0xfffff000
    return table + (Math.floor(gpa / 4096) % 512) * 8
  }
  const guestWrites = (gpa: number): void => view.setUint32(entryOf(gpa), view.getUint32(entryOf(gpa), true) | 0x40, true)
  const taken = (): number[] => {
    const set = log.take()
    return Array.from({ length: set.pages }, (_, page) => page).filter((page) => set.has(page))
  }
  memory.write(0x5000, new Uint8Array(1))
  log.start()
  assert.deepEqual(taken(), [], 'what was written before is not told')
  guestWrites(0x1000)
  guestWrites(5 * MIB)
  memory.write(0x2fff, new Uint8Array(2))
  memory.write(0x7000, new Uint8Array(0))
  assert.deepEqual(taken(), [1, 2, 3, (5 * MIB) / 4096])
  assert.deepEqual(taken(), [])
  tables.mapPage(6 * MIB, 0x300000)
  assert.deepEqual(taken(), [(6 * MIB) / 4096], 'another frame is as good as a write')
  tables.mapPage(6 * MIB, memory.base + 6 * MIB)
  assert.ok(flushes >= 5)
  log.stop()
  assert.equal(memory.onWrite, undefined)
  assert.equal(tables.translate(5 * MIB + 7), 21 * MIB + 7)
  assert.equal(physical.freeBytes, free, 'large pages are large again')
  assert.deepEqual(host.dram.slice(tables.rootSpa, tables.rootSpa + 4096), before.slice(tables.rootSpa, tables.rootSpa + 4096))
  assert.equal(view.getUint32(entryOf(0x1000), true) & 0x67, 0x67)
})
