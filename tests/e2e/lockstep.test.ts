/**
 * A seeded boot of Debian with SEV on two executors in lockstep: all registers are compared wherever a region is entered or left, in windows that a seed spreads over the boot, and
 * now and then between them; memories now and then. Once with regions as they are, but early, and once with regions of a single block, so that every block is compared.
 * The kernel is launched unpacked: its unpacking is three quarters of a boot, and one loop. CBIT_LONG_TESTS=1: a whole boot, and a packed one for a part of the way.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prepareEngine } from '../../src/apps/cli/engine.js'
import type { GuestImage } from '../../src/guest/index.js'
import { RAX } from '../../src/silicon/core/state/layout.js'
import { guestFiles } from './guest-image.js'
import { lockstep, LockstepDifference, type LockstepOptions } from './lockstep/index.js'
import { unpacked } from './lockstep/unpacked-kernel.js'

prepareEngine()

const long = process.env['CBIT_LONG_TESTS'] !== undefined
const MILLION = 1_000_000
const files = await guestFiles('quiet cbit.run="dmesg; cat /proc/interrupts"')
const image = typeof files === 'string' ? files : unpacked(files.image, files.kernel)
const skip = typeof image === 'string' && image
const singleBlocks = {
  nodes: 1,
  records: 1600,
  inlineDepth: 0,
  inlineRecords: 0,
  sharedRecords: 0,
  returnTargets: 0,
  jumpTargets: 0,
  memberships: 7,
}

interface Form {
  readonly name: string
  readonly image?: GuestImage
  readonly translation: LockstepOptions['translation']
  readonly millions: number
  readonly windowStops: number
  readonly tight: boolean
}

const early: Form = {
  name: 'regions',
  translation: { hotAfter: 30, widenAfter: 1000 },
  millions: long ? Infinity : 40,
  windowStops: 2000,
  tight: false,
}
const blocks: Form = {
  name: 'single blocks',
  translation: { hotAfter: 1, regionsMax: 4000, limits: singleBlocks, wideLimits: singleBlocks },
  millions: long ? 400 : 15,
  windowStops: long ? 1000 : 500,
  tight: true,
}
const packed: Form = { name: 'regions while the kernel unpacks itself', translation: {}, millions: 300, windowStops: 2000, tight: false }
const forms: readonly Form[] = [early, blocks, ...(long && typeof files !== 'string' ? [{ ...packed, image: files.image }] : [])]

const optionsOf = (form: Form): LockstepOptions => ({
  image: form.image ?? (image as GuestImage),
  memoryBytes: 192 << 20,
  seed: 7,
  translation: form.translation,
  looks: { seed: 1, every: 100_000, windowEvery: 2 * MILLION, windowStops: form.windowStops, fresh: 40, tight: form.tight },
  memoryEvery: 16,
  instructionsMax: form.millions * MILLION,
})

for (const form of forms) {
  test(`the same state around ${form.name}`, { skip }, async (context) => {
    const { reason, instructions, compared, windows, memories, code } = await lockstep(optionsOf(form))
    assert.equal(reason, form.millions === Infinity ? 'shutdown' : 'stopped')
    assert(compared > 10 * form.windowStops && windows > 5 && memories > 0, `${compared} states, ${windows} windows, ${memories} memories`)
    assert(code.translated!.regions > 30)
    context.diagnostic(
      `${compared} states and ${memories} memories compared in ${instructions} instructions, ${code.translated!.regions} regions`,
    )
  })
}

test('a bit that one machine has otherwise is found at once', { skip }, async () => {
  let regions = 0
  let at = -1
  const onRegion: LockstepOptions['onRegion'] = ({ inside: { cores, kernel } }) => {
    if (++regions !== 3000) return
    const core = cores[0]!
    at = core.instructionsRetired
    kernel.view.setUint8(core.state + RAX + 2, kernel.view.getUint8(core.state + RAX + 2) ^ 1)
  }
  await assert.rejects(lockstep({ ...optionsOf(early), instructionsMax: 40 * MILLION, onRegion }), (error) => {
    assert(error instanceof LockstepDifference, String(error))
    assert.match(error.message, /rax/i)
    return true
  })
  assert(at >= 0, 'the bit was turned')
})
