import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { isRunning, ownMark } from './process-life.js'

test('a process runs until it has ended, whether or not its parent knows', async () => {
  assert.ok(isRunning(ownMark()))
  const child = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  const pid = child.pid!
  try {
    await once(child, 'spawn')
    assert.ok(isRunning({ pid }))
  } finally {
    child.kill('SIGKILL')
  }
  // Nothing is awaited, so that Node has no turn in which it could learn of the end.
  const wait = new Int32Array(new SharedArrayBuffer(4))
  for (let looks = 0; isRunning({ pid }); looks++) {
    assert.ok(looks < 1000, 'the end is seen')
    Atomics.wait(wait, 0, 0, 5)
  }
  await once(child, 'close')
  assert.ok(!isRunning({ pid }))
})

test('a number that was given to another process since is not taken for the first', { skip: process.platform !== 'linux' }, () => {
  const own = ownMark()
  assert.ok(own.startTicks! > 0)
  assert.ok(!isRunning({ ...own, startTicks: own.startTicks! - 1 }))
})
