import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionNamesOf } from './wasm-names.js'

const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
const text = (words: string): number[] => [words.length, ...Buffer.from(words)]
const section = (id: number, content: readonly number[]): number[] => [id, content.length, ...content]

test('names are read past other sections and other kinds of names', () => {
  const names = section(1, [2, 0, ...text('first'), 0x85, 0x01, ...text('second')])
  const module = new Uint8Array([
    ...head,
    ...section(0, text('other')),
    ...section(10, [1, 2, 3]),
    ...section(0, [...text('name'), ...section(0, text('m')), ...names]),
  ])
  assert.deepEqual(
    [...functionNamesOf(module)],
    [
      [0, 'first'],
      [0x85, 'second'],
    ],
  )
})

test('a module without names has none, and a truncated one says so', () => {
  assert.equal(functionNamesOf(new Uint8Array(head)).size, 0)
  assert.throws(() => functionNamesOf(new Uint8Array([...head, 10, 5, 0])), RangeError)
})
