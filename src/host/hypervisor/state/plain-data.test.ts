import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StateError } from '../../devices/state.js'
import { decodeMachineState, encodeMachineState } from './machine-state.js'
import { decodePlain, encodePlain } from './plain-data.js'

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/).filter((text) => text !== '__proto__')
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.boolean(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) }),
    fc.uint8Array(),
    fc.uint16Array(),
    fc.uint32Array(),
    fc.float64Array({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value

test('what is written is read again', () => {
  fc.assert(fc.property(plain, (value) => assert.deepEqual(decodePlain(encodePlain(value), 'it'), value)))
})

test('parts come back under their names', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(name, plain), { selector: ([key]) => key, maxLength: 6 }), (parts) => {
      assert.deepEqual(decodeMachineState(encodeMachineState(new Map(parts))), new Map(parts))
    }),
  )
})

function refusedOrRead(read: () => unknown): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof StateError)) throw error
  }
}

test('any bytes are refused or read, and cost no more than they are long', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 300 }).map((list) => Uint8Array.from(list)),
  )
  fc.assert(
    fc.property(bytes, (input) => refusedOrRead(() => decodePlain(input, 'it'))),
    { numRuns: 3000 },
  )
  fc.assert(
    fc.property(bytes, (input) => refusedOrRead(() => decodeMachineState(input))),
    { numRuns: 500 },
  )
})

test('every cut and every flipped bit of a state is refused or read', () => {
  const state = encodeMachineState(new Map<string, unknown>([['clock', { ticks: 5, list: [1.5, true, 'x', Uint32Array.of(1, 2)] }]]))
  for (let length = 0; length < state.length; length++) assert.throws(() => decodeMachineState(state.subarray(0, length)), StateError)
  for (let bit = 0; bit < 8 * state.length; bit++) {
    const damaged = state.slice()
    damaged[bit >> 3]! ^= 1 << (bit & 7)
    refusedOrRead(() => decodeMachineState(damaged))
  }
})

test('lengths that lie are refused before anything is allocated', () => {
  for (const tag of [5, 6, 7, 8, 9]) assert.throws(() => decodePlain(Uint8Array.of(tag, 0xff, 0xff, 0xff, 0xff), 'it'), /ends too early/)
  assert.throws(
    () =>
      decodePlain(
        Uint8Array.from({ length: 5000 }, (_, i) => [9, 1, 0, 0, 0][i % 5]!),
        'it',
      ),
    /nested too deep/,
  )
  assert.throws(
    () =>
      decodePlain(
        encodePlain({ a: 1 }).map((byte) => (byte === 0x61 ? 0x5f : byte)),
        'it',
      ),
    /name/,
  )
  assert.throws(() => encodePlain({ a: NaN }), /finite/)
})
