// A guest that waits, measured, for its owner: the provider's machine and the owner's library meet over bytes only.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BootFiles } from '../../src/apps/cli/boot-files.js'
import { openChip } from '../../src/apps/cli/chip-folder.js'
import { expectedLaunch } from '../../src/apps/cli/commands/owner-launch.js'
import { ConsoleWatch } from '../../src/apps/cli/console-watch.js'
import { createMachine, type Machine } from '../../src/apps/cli/machine.js'
import { platformRandom } from '../../src/lib/crypto.js'
import { indexOfBytes } from '../../src/lib/bytes.js'
import { compareMeasurement, type LaunchSession, makeLaunchSession, packageSecret, parseMeasurement } from '../../src/owner/index.js'
import { isMalformed, parseSevCertificate } from '../../src/spec/sev/certificates.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { exportChain } from '../../src/apps/cli/commands/chip.js'
import { guestFiles } from './guest-image.js'

const memory = '128M'
const memoryBytes = 128 << 20
// A machine that is not quiet takes minutes.
const bootMsMax = 900_000
const policy = SevPolicy.NODBG
const secretAt = memoryBytes - 0x4000
/** The guest maps the page where its owner's secret lies and says the first eight bytes of it. */
const append = `quiet cbit.run="echo fou''nd $(busybox devmem 0x${secretAt.toString(16)} 64)"`

const random = (bytes: number): Uint8Array => {
  const target = new Uint8Array(bytes)
  platformRandom(target)
  return target
}

interface Scene {
  readonly machine: Machine
  readonly watch: ConsoleWatch
  readonly session: LaunchSession
}

function launchFor(folder: string, files: BootFiles): Scene {
  const chip = openChip(folder)
  const pdh = parseSevCertificate(exportChain(folder).pdh)
  assert.ok(!isMalformed(pdh) && pdh.publicKey.kind === 'ec')
  const session = makeLaunchSession({ pdh: pdh.publicKey, apiMajor: pdh.apiMajor, apiMinor: pdh.apiMinor }, policy, random)
  const watch = new ConsoleWatch()
  const owner = { session, policy }
  const machine = createMachine({
    ...files,
    sev: 'sev',
    memoryBytes,
    seed: undefined,
    debugAllowed: false,
    chip,
    owner,
    onConsole: (byte) => watch.feed(byte),
  })
  return { machine, watch, session }
}

async function ended(machine: Machine, watch: ConsoleWatch): Promise<string> {
  const timer = setTimeout(() => machine.stop(), bootMsMax)
  try {
    return (await machine.run()).reason
  } finally {
    clearTimeout(timer)
    watch.end()
  }
}

async function inFolder(act: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-consent-'))
  try {
    await act(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test("the owner's secret reaches the guest after he has judged it, and only that guest", async (context) => {
  const files = await guestFiles(append)
  if (typeof files === 'string') return context.skip(files)
  await inFolder(async (folder) => {
    const { machine, watch, session } = launchFor(folder, files)
    const running = ended(machine, watch)
    assert.equal(machine.awaitsOwner(), true)
    const report = machine.launchReport()!
    const measurement = parseMeasurement(Uint8Array.from(Buffer.from(report.measurement, 'base64')))!
    const flags = { append, memory, vcpus: '1', cpu: 'EPYC', vmm: 'qemu' }
    const context = { apiMajor: report.apiMajor, apiMinor: report.apiMinor, build: report.build, policy }
    const { components } = await expectedLaunch(flags, policy)
    assert.equal(compareMeasurement({ context, components, tik: session.tik }, measurement).ok, true)
    const other = await expectedLaunch({ ...flags, append: append + ' init=/bin/sh' }, policy)
    assert.equal(compareMeasurement({ context, components: other.components, tik: session.tik }, measurement).ok, false)

    const secret = Buffer.from('open sesame 0123')
    const packet = packageSecret(session, measurement.measure, secret, random)
    assert.throws(() => machine.admit({ ...packet, data: packet.data.map((byte) => byte ^ 1) }), /BAD_MEASUREMENT/)
    assert.throws(() => machine.admit({ header: new Uint8Array(3), data: packet.data }), /refuses the secret/)
    assert.equal(machine.instructions(), 0, 'nothing has run before the owner agreed')
    const told = watch.waitFor(/found 0x([0-9A-F]{16})/)
    machine.admit(packet)
    assert.equal(machine.awaitsOwner(), false)
    const value = (await told)[1]!
    assert.equal(Buffer.from(value, 'hex').reverse().toString(), 'open ses')
    assert.equal(await running, 'shutdown')
    assert.equal(indexOfBytes(machine.readDram(0, machine.dramBytes), secret), -1)
    assert.throws(() => machine.admit(packet), /does not wait/)
  })
})

test('a refused guest never runs, and a session for another chip launches nothing', async (context) => {
  const files = await guestFiles(append)
  if (typeof files === 'string') return context.skip(files)
  await inFolder(async (folder) => {
    const { machine, watch, session } = launchFor(join(folder, 'chip'), files)
    const running = ended(machine, watch)
    machine.stop()
    assert.equal(await running, 'stopped')
    assert.equal(machine.instructions(), 0)
    const other = openChip(join(folder, 'other'))
    const launch = (chip: typeof other, guestPolicy: number): Machine =>
      createMachine({
        ...files,
        sev: 'sev',
        memoryBytes,
        seed: undefined,
        debugAllowed: false,
        chip,
        owner: { session, policy: guestPolicy },
        onConsole: () => undefined,
      })
    assert.throws(() => launch(other, policy), /BAD_MEASUREMENT/)
    assert.throws(() => launch(openChip(join(folder, 'chip')), 0), /BAD_MEASUREMENT/)
  })
})
