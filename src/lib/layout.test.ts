import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytes, layout, u16, u32, u64, u8 } from './layout.js'

test('a layout reads, writes, encodes and decodes its fields', () => {
  const L = layout('L', 0x20, { a: u8(0), b: u8(1), c: u16(2), d: u32(4), e: u64(8), f: bytes(0x10, 0x0c), reserved_1c: u32(0x1c) })
  const raw = L.encode({ a: 1, c: 0xbeef, d: 0xdeadbeef, e: { lo: 0xfffffff0, hi: 0x80000001 }, f: new Uint8Array(12).fill(7) })
  const decoded = L.decode(raw)
  assert.equal(decoded.c, 0xbeef)
  assert.equal(decoded.d, 0xdeadbeef)
  assert.deepEqual(decoded.e, { lo: 0xfffffff0, hi: 0x80000001 })
  const view = L.view(raw)
  view.b = 9
  assert.equal(raw[1], 9)
  assert.equal(decoded.b, 0)
  assert.equal(L.reservedViolation(raw), undefined)
  raw[0x1f] = 1
  assert.equal(L.reservedViolation(raw), 'reserved_1c')
})

test('a layout refuses gaps, overlaps, wrong totals and misplaced reserved fields', () => {
  assert.throws(() => layout('gap', 8, { a: u8(0), b: u32(4) }), /gap/)
  assert.throws(() => layout('overlap', 8, { a: u32(0), b: u32(2) }), /overlaps/)
  assert.throws(() => layout('total', 9, { a: u64(0) }), /fields end/)
  assert.throws(() => layout('reserved', 8, { a: u32(0), reserved_8: u32(4) }), /lies at/)
})

test('a view refuses to leave its bytes', () => {
  const L = layout('L', 4, { a: u32(0) })
  assert.throws(() => L.view(new Uint8Array(4), 1), RangeError)
  assert.throws(() => L.decode(new Uint8Array(3)), RangeError)
})
