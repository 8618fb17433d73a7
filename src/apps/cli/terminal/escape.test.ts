import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EscapeFilter } from './escape.js'

const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const text = (value: Uint8Array): string => Buffer.from(value).toString('latin1')

test('what is typed reaches the guest, Ctrl-C and Ctrl-D included', () => {
  const result = new EscapeFilter().feed(bytes('ls\r\x03\x04\x1b[A'))
  assert.equal(text(result.bytes), 'ls\r\x03\x04\x1b[A')
  assert.deepEqual(result.actions, [])
})

test('the escape key starts an action, in the same read or in the next', () => {
  const filter = new EscapeFilter()
  assert.deepEqual(filter.feed(bytes('a\x1dqb')), { bytes: bytes('ab'), actions: ['quit'] })
  assert.deepEqual(filter.feed(bytes('\x1d')), { bytes: bytes(''), actions: [] })
  assert.deepEqual(filter.feed(bytes('W')), { bytes: bytes(''), actions: ['window-size'] })
  assert.deepEqual(filter.feed(bytes('\x1dz')).actions, ['help'])
})

test('the escape key twice sends it', () => {
  assert.deepEqual(new EscapeFilter().feed(bytes('\x1d\x1dq')), { bytes: bytes('\x1dq'), actions: [] })
})
