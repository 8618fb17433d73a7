import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createBoard, Dram, fileFlash, FLASH_BYTES, seededEntropy, VirtualClock } from './index.js'

const fuses = { chipId: new Uint8Array(64), chipSecret: new Uint8Array(32), certificates: {} }

function draw(entropy: { fill(target: Uint8Array): void }, ...sizes: number[]): string[] {
  return sizes.map((size) => {
    const target = new Uint8Array(size)
    entropy.fill(target)
    return Buffer.from(target).toString('hex')
  })
}

test('seeded entropy repeats, differs between seeds and purposes, and never twice in a row', () => {
  assert.deepEqual(draw(seededEntropy(7), 16, 200_000, 5), draw(seededEntropy(7), 16, 200_000, 5))
  const all = [...draw(seededEntropy(7), 16, 16, 16), ...draw(seededEntropy(8), 16), ...draw(seededEntropy(7, 'fuses'), 16)]
  assert.equal(new Set(all).size, all.length)
  assert.notDeepEqual(draw(createBoard({ fuses }).entropy, 16), draw(createBoard({ fuses }).entropy, 16))
})

test('virtual time follows instructions and skips only', () => {
  const clock = new VirtualClock(1000)
  let retired = 0
  clock.follow(() => retired, 100)
  assert.deepEqual([clock.monotonicMs(), clock.wallMs()], [0, 1000])
  retired = 250
  clock.advance(5)
  assert.deepEqual([clock.monotonicMs(), clock.wallMs()], [7.5, 1007.5])
  assert.throws(() => clock.advance(-1), RangeError)
  assert.equal(createBoard({ fuses, seed: 1 }).clock.virtual, true)
})

test('DRAM is read and altered over the bus, within its bounds', () => {
  const bytes = new Uint8Array(64)
  const dram = new Dram({
    dramBytes: bytes.length,
    readInto: (spa, target) => target.set(bytes.subarray(spa, spa + target.length)),
    write: (spa, written) => bytes.set(written, spa),
  })
  dram.alter(10, Uint8Array.of(1, 2))
  assert.deepEqual(dram.dump(9, 4), Uint8Array.of(0, 1, 2, 0))
  for (const [spa, length] of [
    [63, 2],
    [-1, 1],
    [0.5, 1],
    [0, 2 ** 52],
  ] as const) {
    assert.throws(() => dram.dump(spa, length), RangeError)
  }
  assert.throws(() => dram.alter(63, new Uint8Array(2)), RangeError)
})

test('flash in a file keeps its content, starts erased and has bounds', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-flash-'))
  try {
    const path = join(folder, 'flash')
    fileFlash(path).write(100, Uint8Array.of(1, 2, 3))
    const again = fileFlash(path)
    assert.deepEqual(again.read(99, 5), Uint8Array.of(255, 1, 2, 3, 255))
    assert.equal(readFileSync(path).length, FLASH_BYTES)
    assert.throws(() => again.write(FLASH_BYTES - 1, new Uint8Array(2)), RangeError)
    assert.throws(() => fileFlash(join(folder, 'nowhere', 'flash')), /ENOENT/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
