import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { word64 } from '../../src/lib/word64.js'
import {
  ActivateBuffer,
  DebugBuffer,
  GuestStatusBuffer,
  HandleBuffer,
  LaunchMeasureBuffer,
  LaunchStartBuffer,
  LaunchUpdateDataBuffer,
} from '../../src/spec/sev/command-buffers.js'
import { InitBuffer, PlatformStatusBuffer } from '../../src/spec/sev/command-buffers.js'
import type { SevCommandName } from '../../src/spec/sev/command-ids.js'
import { GuestState, PlatformState } from '../../src/spec/sev/states.js'
import { SevStatus, statusName } from '../../src/spec/sev/status.js'
import { createPlatform, DRAM_BYTES, needsKernel, type Platform } from './firmware-platform.js'

interface Step {
  readonly command: SevCommandName | 'WBINVD'
  readonly handle: number
  readonly asid: number
  readonly policy: number
}

const step: fc.Arbitrary<Step> = fc.record({
  command: fc.oneof(
    {
      weight: 6,
      arbitrary: fc.constantFrom<SevCommandName[]>('LAUNCH_START', 'ACTIVATE', 'LAUNCH_UPDATE_DATA', 'LAUNCH_MEASURE', 'LAUNCH_FINISH'),
    },
    {
      weight: 4,
      arbitrary: fc.constantFrom<(SevCommandName | 'WBINVD')[]>('DEACTIVATE', 'DECOMMISSION', 'WBINVD', 'DF_FLUSH', 'DBG_DECRYPT'),
    },
    fc.constantFrom<SevCommandName[]>('INIT', 'SHUTDOWN', 'PLATFORM_RESET'),
  ),
  handle: fc.integer({ min: 0, max: 4 }),
  asid: fc.integer({ min: 0, max: 4 }),
  policy: fc.constantFrom(0, 1),
})

function bufferOf({ command, handle, asid, policy }: Step): Uint8Array {
  const paddr = word64(0x4000)
  switch (command) {
    case 'INIT':
      return InitBuffer.encode({})
    case 'LAUNCH_START':
      return LaunchStartBuffer.encode({ policy })
    case 'ACTIVATE':
      return ActivateBuffer.encode({ handle, asid })
    case 'LAUNCH_UPDATE_DATA':
      return LaunchUpdateDataBuffer.encode({ handle, paddr, length: 16 })
    case 'LAUNCH_MEASURE':
      return LaunchMeasureBuffer.encode({ handle, measurePaddr: paddr, measureLength: 48 })
    case 'DBG_DECRYPT':
      return DebugBuffer.encode({ handle, srcPaddr: paddr, dstPaddr: paddr, length: 16 })
    default:
      return HandleBuffer.encode({ handle })
  }
}

/** The guests and ASIDs as a reader of the document would keep them. */
class Book {
  initialised = false
  readonly guests = new Map<number, { state: number; asid: number; policy: number }>()
  readonly stale = new Map<number, 'wbinvd' | 'flush'>()

  record({ command, handle, asid, policy }: Step, newHandle: number): void {
    const guest = this.guests.get(handle)
    if (command === 'INIT') {
      this.initialised = true
      for (let i = 1; i <= 15; i++) this.stale.set(i, 'wbinvd')
    } else if (command === 'SHUTDOWN') {
      this.initialised = false
      this.guests.clear()
    } else if (command === 'LAUNCH_START') {
      assert.ok(newHandle !== 0 && !this.guests.has(newHandle), 'a handle is new')
      this.guests.set(newHandle, { state: GuestState.LUPDATE, asid: 0, policy })
    } else if (command === 'ACTIVATE') {
      assert.ok(![...this.guests.values()].some((other) => other.asid === asid), 'an ASID has one owner')
      assert.ok(!this.stale.has(asid), 'a stale ASID is not given out')
      guest!.asid = asid
    } else if (command === 'LAUNCH_MEASURE') {
      guest!.state = GuestState.LSECRET
    } else if (command === 'LAUNCH_FINISH') {
      assert.equal(guest!.state, GuestState.LSECRET, 'only a measured guest is finished')
      guest!.state = GuestState.RUNNING
    } else if (command === 'DEACTIVATE') {
      this.stale.set(guest!.asid, 'wbinvd')
      guest!.asid = 0
    } else if (command === 'DECOMMISSION') {
      assert.equal(guest!.asid, 0, 'an active guest is not decommissioned')
      this.guests.delete(handle)
    } else if (command === 'DBG_DECRYPT') {
      assert.equal(guest!.policy & 1, 0, 'NODBG forbids debugging')
    } else if (command === 'DF_FLUSH') {
      assert.ok(![...this.stale.values()].includes('wbinvd'), 'a flush comes after WBINVD')
      this.stale.clear()
    } else if (command === 'WBINVD') {
      for (const asid of this.stale.keys()) this.stale.set(asid, 'flush')
    }
  }

  check(p: Platform): void {
    const { buffer } = p.driver.mailbox.issue('PLATFORM_STATUS', PlatformStatusBuffer.encode({}))
    const status = PlatformStatusBuffer.decode(buffer)
    const state = !this.initialised ? PlatformState.UNINIT : this.guests.size === 0 ? PlatformState.INIT : PlatformState.WORKING
    assert.deepEqual([status.state, status.guestCount], [state, this.guests.size])
    for (const [handle, guest] of this.guests) {
      const seen = GuestStatusBuffer.decode(p.driver.mailbox.issue('GUEST_STATUS', GuestStatusBuffer.encode({ handle })).buffer)
      assert.deepEqual([seen.state, seen.asid, seen.policy], [guest.state, guest.asid, guest.policy])
      assert.equal(p.secureProcessor.mayRun(guest.asid), guest.asid !== 0 && guest.state === GuestState.RUNNING)
    }
  }
}

test('random command sequences keep the book of guests and ASIDs', { ...needsKernel, timeout: 120_000 }, () => {
  const succeeded = new Set<string>()
  fc.assert(
    fc.property(fc.array(step, { minLength: 30, maxLength: 120, size: 'max' }), (steps) => {
      const p = createPlatform({ cores: 1 })
      p.driver.init()
      const book = new Book()
      book.initialised = true
      for (const s of steps) {
        if (s.command === 'WBINVD') {
          p.wbinvd(0)
          book.record(s, 0)
          continue
        }
        const { status, buffer } = p.driver.mailbox.issue(s.command, bufferOf(s))
        assert.notEqual(statusName(status), `status 0x${status.toString(16)}`)
        if (status !== SevStatus.SUCCESS) continue
        succeeded.add(s.command)
        book.record(s, s.command === 'LAUNCH_START' ? LaunchStartBuffer.decode(buffer).handle : 0)
        book.check(p)
      }
    }),
    { numRuns: 60 },
  )
  for (const name of ['LAUNCH_FINISH', 'DECOMMISSION', 'DBG_DECRYPT', 'DF_FLUSH']) assert.ok(succeeded.has(name), `${name} took part`)
})

test('nonsense in the mailbox registers and buffers gets a status and harms nothing', { ...needsKernel, timeout: 120_000 }, () => {
  const word = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(0xffffffff, 0x80000000, DRAM_BYTES - 1, 0x4000, 0x4001), fc.nat())
  const nonsense = fc.record({
    id: fc.oneof(fc.nat({ max: 0x7ff }), fc.constantFrom(1, 4, 0xc, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x33, 0x35, 0x60, 0x61)),
    high: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, word),
    low: fc.oneof({ weight: 9, arbitrary: fc.constant(0x8000) }, word),
    words: fc.array(word, { minLength: 9, maxLength: 9 }),
  })
  fc.assert(
    fc.property(fc.array(nonsense, { minLength: 1, maxLength: 60, size: 'max' }), (inputs) => {
      const p = createPlatform({ cores: 1 })
      p.driver.init()
      for (const { id, high, low, words } of inputs) {
        p.host.write(0x8000, new Uint8Array(Uint32Array.from(words).buffer))
        p.host.mailbox.writeAddressHigh(high)
        p.host.mailbox.writeAddressLow(low)
        p.host.mailbox.writeCommand((id << 16) | (low & 0xffff))
        const response = p.host.mailbox.readResponse()
        assert.ok(response >>> 31 === 1 && (response & 0xffff) <= SevStatus.SECURE_DATA_INVALID)
      }
      const { state, guestCount } = p.driver.platformStatus()
      assert.equal(state === PlatformState.WORKING, guestCount > 0)
    }),
    { numRuns: 80 },
  )
})
