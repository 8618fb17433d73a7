import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader } from './byte-reader.js'
import { ByteWriter } from './wasm-encoder.js'

test('numbers and bytes come back as they were written', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.integer(), fc.uint8Array({ maxLength: 9 }))), (items) => {
      const out = new ByteWriter()
      for (const [unsigned, signed, bytes] of items) {
        out.u32(unsigned)
        out.s32(signed)
        out.byte(bytes.length)
        out.bytes(bytes)
      }
      const data = new ByteReader(out.copy())
      for (const [unsigned, signed, bytes] of items) {
        assert.equal(data.u32(), unsigned)
        assert.equal(data.s32(), signed)
        assert.deepEqual(data.bytes(data.byte()), bytes)
      }
      assert(data.done)
      assert.equal(data.rest().length, 0)
    }),
  )
})

test('what ends too early or is too large is refused', () => {
  const reader = (...bytes: readonly number[]): ByteReader => new ByteReader(Uint8Array.from(bytes))
  assert.throws(() => reader().byte(), RangeError)
  assert.throws(() => reader(1, 2).bytes(3), RangeError)
  assert.throws(() => reader(0x80, 0x80).u32(), RangeError)
  assert.throws(() => reader(0xff, 0xff, 0xff, 0xff, 0x1f).u32(), RangeError)
  assert.throws(() => reader(0x80, 0x80, 0x80, 0x80, 0x80, 0).u32(), RangeError)
  assert.throws(() => reader(0x80, 0x80, 0x80, 0x80, 0x80, 0).s32(), RangeError)
  assert.throws(() => reader(5).upTo(4), RangeError)
  assert.equal(reader(0xff, 0xff, 0xff, 0xff, 0x0f).u32(), 0xffffffff)
  assert.equal(reader(5).upTo(5), 5)
})
