// 32 random bytes that only a running Debian knows: does a dump of all DRAM hold them? With SEV it must not, without it must.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BootFiles } from '../../src/apps/cli/boot-files.js'
import { ConsoleWatch } from '../../src/apps/cli/console-watch.js'
import { createMachine, type Machine, type SevMode } from '../../src/apps/cli/machine.js'
import { fromHex, indexOfBytes } from '../../src/lib/bytes.js'
import { guestFiles } from './guest-image.js'

const memoryBytes = 128 << 20
// A machine that is not quiet takes minutes.
const bootMsMax = 900_000
const SECRET_BYTES = 32
const BLOCK_BYTES = 16

/** Makes the secret, waits for a line, and tells the secret. The quotes keep the marks out of what the kernel prints of its command line. */
const commands = `head -c ${SECRET_BYTES} /dev/urandom > /tmp/secret; echo rea''dy; read go; ` + "echo sec''ret $(xxd -p -c 64 /tmp/secret)"

interface Finding {
  readonly secret: Uint8Array
  /** All of DRAM while the guest held the secret. */
  readonly dump: Uint8Array
  readonly ending: string
}

async function dumpWhileRunning(files: BootFiles, sev: SevMode): Promise<Finding> {
  const watch = new ConsoleWatch()
  const machine: Machine = createMachine({
    ...files,
    sev,
    memoryBytes,
    seed: undefined,
    debugAllowed: false,
    onConsole: (byte) => watch.feed(byte),
  })
  const ready = watch.waitFor(/ready\r?\n/)
  const timer = setTimeout(() => machine.stop(), bootMsMax)
  const running = machine.run().finally(() => watch.end())
  try {
    await ready
    const dump = await machine.frozen(() => machine.readDram(0, machine.dramBytes))
    const told = watch.waitFor(/secret ([0-9a-f]{64})\r?\n/)
    machine.input(new TextEncoder().encode('go\n'))
    const secret = fromHex((await told)[1]!)
    return { secret, dump, ending: (await running).reason }
  } finally {
    clearTimeout(timer)
    machine.stop()
    await running
  }
}

function places(dump: Uint8Array, needle: Uint8Array): number[] {
  const found: number[] = []
  for (let at = indexOfBytes(dump, needle); at >= 0; at = indexOfBytes(dump, needle, at + 1)) found.push(at)
  return found
}

for (const sev of ['none', 'sev'] as const) {
  test(`a random secret of a running guest in a dump of all DRAM, --sev ${sev}`, async (context) => {
    const files = await guestFiles(`quiet cbit.run="${commands}"`)
    if (typeof files === 'string') return context.skip(files)
    const { secret, dump, ending } = await dumpWhileRunning(files, sev)
    assert.equal(secret.length, SECRET_BYTES)
    const whole = places(dump, secret)
    const blocks = [secret.subarray(0, BLOCK_BYTES), secret.subarray(BLOCK_BYTES)].flatMap((block) => places(dump, block))
    if (sev === 'sev') assert.deepEqual([whole, blocks], [[], []])
    else assert.ok(whole.length > 0 && blocks.length >= 2 * whole.length)
    assert.equal(ending, 'shutdown')
  })
}
