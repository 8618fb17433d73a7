import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as V from '../../spec/svm/vmcb.js'
import { ExitTimes } from './exit-times.js'
import { GuestSampler } from './guest-sampler.js'

const at = (rip: bigint, cpl = 0) => ({ big: (offset: number) => (offset === V.VMCB_RIP ? rip : 0x1000n), u8: () => cpl })

test('exits of the guest’s own making are no samples: they use up the period and no more', () => {
  const sampler = new GuestSampler(1000)
  for (let i = 0; i < 7; i++) sampler.ran(100, at(1n))
  assert.equal(sampler.profile().samples, 0)
  const left = sampler.instructionsLeft
  assert.ok(left >= 50 && left <= 550, `750 to 1250 less 700, not ${left}`)
  sampler.ran(left, at(2n))
  assert.deepEqual(
    sampler.profile().places.map(({ rip, weight }) => ({ rip, weight })),
    [{ rip: 2n, weight: 700 + left }],
  )
})

test('places are told apart by address and address space, and periods differ', () => {
  const sampler = new GuestSampler(1000)
  const periods = new Set<number>()
  for (let i = 0; i < 100; i++) {
    periods.add(sampler.instructionsLeft)
    sampler.ran(sampler.instructionsLeft, at(BigInt(i % 3), i % 3 === 2 ? 3 : 0))
  }
  const { places, samples } = sampler.profile()
  assert.equal(samples, 100)
  assert.deepEqual(
    places.map(({ samples: count, user }) => [count, user]),
    [
      [34, false],
      [33, false],
      [33, true],
    ],
  )
  assert.ok(periods.size > 50)
  assert.ok([...periods].every((period) => period >= 750 && period <= 1250))
})

test('a guest that is everywhere fills no more than the table', () => {
  const sampler = new GuestSampler(1)
  for (let i = 0; i < 100_010; i++) sampler.ran(sampler.instructionsLeft, at(BigInt(i)))
  const { places, lost, samples } = sampler.profile()
  assert.deepEqual([places.length, lost, samples], [100_000, 10, 100_010])
})

test('with a clock a sample weighs the time in the guest since the one before', () => {
  let now = 0
  const times = new ExitTimes(() => now)
  const sampler = new GuestSampler(10, () => times.guestMs)
  const run = (guestMs: number, hostMs: number): void => {
    times.entering()
    now += guestMs
    times.left(0x78)
    sampler.ran(sampler.instructionsLeft, at(5n))
    now += hostMs
    times.handled()
  }
  run(3, 100)
  run(4, 50)
  now += 7
  times.sleeping()
  now += 9
  times.woke()
  assert.equal(sampler.profile().weight, 7)
  assert.deepEqual(times.totals(), { guestMs: 7, exitsMs: new Map([[0x78, 150]]), betweenMs: 7, idleMs: 9 })
})
