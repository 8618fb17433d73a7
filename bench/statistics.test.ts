import assert from 'node:assert/strict'
import { test } from 'node:test'
import { geometricMean, median } from './statistics.js'

test('median of odd and even numbers of samples', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 3, 2]), 2.5)
  assert.equal(median([7]), 7)
  assert.throws(() => median([]), RangeError)
})

test('a geometric mean treats twice and half alike', () => {
  assert.ok(Math.abs(geometricMean([2, 0.5]) - 1) < 1e-12)
  assert.ok(Math.abs(geometricMean([8, 1, 1]) - 2) < 1e-12)
  assert.throws(() => geometricMean([]), RangeError)
})
