// One seeded boot of Debian with SEV, interpreted and with hot code compiled: every exit, the console, the count of instructions and DRAM must be the same.

import assert from 'node:assert/strict'
import { createHash, type Hash } from 'node:crypto'
import { test } from 'node:test'
import type { BootFiles } from '../../src/apps/cli/boot-files.js'
import { createMachine } from '../../src/apps/cli/machine.js'
import { guestFiles } from './guest-image.js'

// A machine that is not quiet takes minutes.
const bootMsMax = 900_000

interface Run {
  readonly reason: string
  readonly console: string
  readonly instructions: number
  readonly exits: readonly (readonly [number, number])[]
  readonly dram: string
}

async function run(files: BootFiles, translate: boolean): Promise<Run> {
  const console: Hash = createHash('sha256')
  const machine = createMachine({
    ...files,
    sev: 'sev',
    memoryBytes: 192 << 20,
    seed: 7,
    translate,
    debugAllowed: false,
    onConsole: (byte) => void console.update(Uint8Array.of(byte)),
  })
  const timer = setTimeout(() => machine.stop(), bootMsMax)
  const { reason } = await machine.run()
  clearTimeout(timer)
  const dram = createHash('sha256')
  for (let at = 0; at < machine.dramBytes; at += 1 << 20) dram.update(machine.readDram(at, 1 << 20))
  return {
    reason,
    console: console.digest('hex'),
    instructions: machine.instructions(),
    exits: [...machine.statistics().vm.exits].sort(([a], [b]) => a - b),
    dram: dram.digest('hex'),
  }
}

const files = await guestFiles('quiet cbit.run="dmesg; cat /proc/interrupts"')

test('a boot is the same to the bit interpreted and translated', { skip: typeof files === 'string' && files }, async () => {
  assert(typeof files !== 'string')
  const translated = await run(files, true)
  assert.equal(translated.reason, 'shutdown')
  assert.deepEqual(await run(files, false), translated)
})
