// One seeded boot of Debian with SEV, interpreted and with hot code compiled: every exit, the console, the count of instructions and DRAM must be the same.

import assert from 'node:assert/strict'
import { createHash, type Hash } from 'node:crypto'
import { test } from 'node:test'
import type { BootFiles } from '../../src/apps/cli/boot-files.js'
import { createMachine } from '../../src/apps/cli/machine.js'
import { KeptCode } from '../../src/silicon/core/translate/kept-code.js'
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

async function run(files: BootFiles, translate: boolean, seed = 7, kept?: KeptCode): Promise<Run & { readonly adopted: number }> {
  const console: Hash = createHash('sha256')
  const machine = createMachine({
    ...files,
    sev: 'sev',
    memoryBytes: 192 << 20,
    seed,
    translate,
    ...(kept && { keptCode: { code: kept, save: () => 0 } }),
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
    adopted: machine.statistics().chip.code.translated?.adopted ?? 0,
  }
}

const files = await guestFiles('quiet cbit.run="dmesg; cat /proc/interrupts"')

test('a boot is the same to the bit interpreted and translated', { skip: typeof files === 'string' && files }, async () => {
  assert(typeof files !== 'string')
  const translated = await run(files, true)
  assert.equal(translated.reason, 'shutdown')
  const interpreted = await run(files, false)
  assert.deepEqual(interpreted, translated)
  // Another seed: the kernel lies elsewhere, so do the programs, and the code of that boot serves this one.
  const kept = new KeptCode()
  await run(files, true, 8, kept)
  const { adopted, ...again } = await run(files, true, 7, kept)
  assert.deepEqual({ ...again, adopted: 0 }, interpreted)
  assert(adopted > 300, `${adopted} regions of the other boot`)
})
