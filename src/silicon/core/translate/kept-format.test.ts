import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteReader } from '../../../lib/byte-reader.js'
import { ByteWriter } from '../../../lib/wasm-encoder.js'
import { NOTED_MAX } from '../ir/region-tables.js'
import { CONSTANT_FRAME, CONSTANT_IMMEDIATE, CONSTANT_RECORD, type KeptRegion } from './kept-code.js'
import { readRegions, writeRegions } from './kept-format.js'

const CONSTANTS = 100

/** Of plain objects. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> => fc.record(model, { noNullPrototype: true })
const u32 = fc.integer({ min: 0, max: 0xffffffff })
const block = record({
  position: fc.integer({ min: -0x70000000, max: 0x70000000 }),
  hash: u32,
  code: fc.uint8Array({ minLength: 4, maxLength: 40 }),
  targets: fc.array(fc.integer({ min: -0x80000000, max: 0x7fffffff }), { maxLength: NOTED_MAX }),
})
const region: fc.Arbitrary<KeptRegion> = record({
  blocks: fc.array(block, { minLength: 1, maxLength: 6 }),
  first: fc.integer({ min: 0, max: 0xfff }),
}).chain(({ blocks, first }) => {
  const number = fc.integer({ min: 0, max: blocks.length - 1 })
  const constant = fc.oneof(
    record({ kind: fc.constant(CONSTANT_RECORD), block: number, offset: fc.integer({ min: 0, max: 4000 }), addend: fc.constant(0) }),
    record({
      kind: fc.constant(CONSTANT_FRAME),
      block: fc.constant(0),
      offset: fc.integer({ min: -9, max: 9 }),
      addend: fc.constant(0),
    }),
    record({ kind: fc.constant(CONSTANT_IMMEDIATE), block: number, offset: fc.constant(0), addend: fc.integer({ min: -9, max: 99 }) }),
  )
  return record({
    number: fc.integer({ min: 0, max: 31 }),
    core: u32,
    mode: u32,
    guard: u32,
    size: fc.integer({ min: 0, max: 2 }),
    blocks: fc.constant(blocks.map((one, n) => (n === 0 ? { ...one, position: first } : one))),
    entries: fc.array(number, { maxLength: 5 }),
    constants: fc.array(constant, { maxLength: 20 }),
    firstConstant: fc.integer({ min: 0, max: CONSTANTS - 20 }),
  })
})

test('regions come back as they were written', () => {
  fc.assert(
    fc.property(fc.array(region, { maxLength: 5 }), (regions) => {
      const out = new ByteWriter()
      writeRegions(out, regions)
      const data = new ByteReader(out.copy())
      assert.deepEqual(readRegions(data, CONSTANTS), regions)
      assert(data.done)
    }),
  )
})

test('bytes that are no regions are refused, or are regions within bounds', () => {
  const hostile = fc.tuple(
    fc.array(region, { minLength: 1, maxLength: 3 }),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
    fc.nat(),
  )
  fc.assert(
    fc.property(hostile, ([regions, changes, cut]) => {
      const out = new ByteWriter()
      writeRegions(out, regions)
      const bytes = out.copy()
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      let read: KeptRegion[]
      try {
        read = readRegions(new ByteReader(cut % 3 === 0 ? bytes.subarray(0, cut % bytes.length) : bytes), CONSTANTS)
      } catch (error) {
        assert(error instanceof RangeError, String(error))
        return
      }
      for (const { blocks, entries, constants, firstConstant, number } of read) {
        assert(blocks.length > 0 && number < 32 && firstConstant + constants.length <= CONSTANTS)
        assert(entries.every((entry) => entry < blocks.length))
        for (const { kind, block: its, offset } of constants)
          assert(its < blocks.length && (kind !== CONSTANT_IMMEDIATE || (offset >= 0 && offset + 4 <= blocks[its]!.code.length)))
      }
    }),
    { numRuns: 2000 },
  )
})
