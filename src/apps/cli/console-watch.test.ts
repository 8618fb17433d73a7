import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConsoleEnded, ConsoleWatch } from './console-watch.js'

function feed(watch: ConsoleWatch, text: string): void {
  for (const byte of Buffer.from(text, 'latin1')) watch.feed(byte)
}

test('a kernel panic is noticed with its message', () => {
  const watch = new ConsoleWatch()
  const output = '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n[    1.3] CPU: 0'
  feed(watch, output)
  assert.equal(watch.panic, 'VFS: Unable to mount root fs on unknown-block(0,0)')
  assert.equal(watch.panicFinished, false)
  feed(watch, '\r\n[    1.4] ---[ end Kernel panic - not syncing: VFS: Unable to mount root fs ]---\r\n')
  assert.equal(watch.panicFinished, true)
})

test('a panic whose line was never ended counts when the guest is gone', () => {
  const watch = new ConsoleWatch()
  feed(watch, 'Kernel panic - not syncing: sysrq')
  assert.equal(watch.panic, undefined)
  watch.end()
  assert.equal(watch.panic, 'sysrq')
})

test('waiting resolves on output that comes later, and rejects when the guest ends', async () => {
  const watch = new ConsoleWatch()
  feed(watch, 'cbit:~# ')
  const prompt = watch.waitFor(/cbit:\S*# /)
  feed(watch, 'x\r\ncbit:/tm')
  feed(watch, 'p# ')
  assert.equal((await prompt)[0], 'cbit:/tmp# ')
  const never = watch.waitFor(/never/)
  watch.end()
  await assert.rejects(never, ConsoleEnded)
})

test('endless output takes bounded memory', () => {
  const watch = new ConsoleWatch()
  const noise = 'x'.repeat(4096)
  for (let i = 0; i < 200; i++) feed(watch, noise)
  assert.ok(JSON.stringify(watch).length < 40_000)
})
