// Debian in an encrypted VM goes back and forth between processes under a compute loop, and its log loses no line. CBIT_LONG_TESTS=1: ten moves instead of two.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { growingLog, Journey } from './journey.js'
import { guestFiles } from './guest-image.js'

const moves = process.env['CBIT_LONG_TESTS'] ? 10 : 2
const cbit = [process.execPath, '--import', 'tsx', fileURLToPath(new URL('../../src/apps/cli/main.ts', import.meta.url))]

test(`an encrypted Debian moves ${moves} times and loses no line of its log`, { timeout: 3_600_000 }, async (t) => {
  const files = await guestFiles()
  // No network and no image in the cache.
  if (typeof files === 'string') return t.skip(files)
  const journey = new Journey(cbit)
  try {
    await journey.begin('--sev', 'sev', '--memory', '128M', '--append', `quiet cbit.run="${growingLog}"`)
    for (let move = 1; move <= moves; move++) {
      const { downtimeMs, bytesPerSecond } = await journey.move({ downtimeMaxMs: 300, roundsMax: 10 })
      t.diagnostic(`move ${move}: pause ${Math.round(downtimeMs!)} ms, ${(bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s`)
    }
    const numbers = [...journey.log.matchAll(/line (\d+)\r?\n/g)].map(([, number]) => Number(number))
    assert.deepEqual(
      numbers,
      numbers.map((_, i) => i),
    )
  } finally {
    journey.end()
  }
})
