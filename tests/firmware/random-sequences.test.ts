import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { word64 } from '../../src/lib/word64.js'
import {
  ActivateBuffer,
  ActivateExBuffer,
  GuestStatusBuffer,
  LaunchStartBuffer,
  PlatformStatusBuffer,
  ReceiveStartBuffer,
  SendStartBuffer,
} from '../../src/spec/sev/command-buffers.js'
import { SevCommand, type SevCommandName } from '../../src/spec/sev/command-ids.js'
import { GuestState, PlatformState } from '../../src/spec/sev/states.js'
import { SevStatus, statusName } from '../../src/spec/sev/status.js'
import { expected } from './expected-states.js'
import { createPlatform, DRAM_BYTES, needsKernel, type Platform } from './firmware-platform.js'
import { at, type Column, columns, goodBuffer, layCertificates, receiveAreas, type Scene, sendAreas } from './good-buffers.js'

// A model of the state machines, kept beside the firmware through random commands. CBIT_LONG_TESTS=1 takes 100 000 steps; the default some thousand.
const runs = process.env['CBIT_LONG_TESTS'] ? 1000 : 40
const stepsMax = 100

interface Step {
  readonly command: SevCommandName | 'WBINVD'
  readonly handle: number
  readonly asid: number
  readonly policy: number
}

const life: SevCommandName[] = [
  'LAUNCH_START',
  'ACTIVATE',
  'ACTIVATE',
  'LAUNCH_UPDATE_DATA',
  'LAUNCH_MEASURE',
  'LAUNCH_FINISH',
  'SEND_START',
  'RECEIVE_START',
]
const rest = (Object.keys(expected) as SevCommandName[]).filter((name) => !['SHUTDOWN', 'PLATFORM_RESET', 'INIT_EX'].includes(name))

const step: fc.Arbitrary<Step> = fc.record({
  command: fc.oneof(
    { weight: 10, arbitrary: fc.constantFrom(...life) },
    { weight: 12, arbitrary: fc.constantFrom(...rest) },
    { weight: 4, arbitrary: fc.constantFrom<(SevCommandName | 'WBINVD')[]>('DEACTIVATE', 'DECOMMISSION', 'WBINVD', 'DF_FLUSH') },
    {
      weight: 5,
      arbitrary: fc.constantFrom<SevCommandName[]>('SEND_FINISH', 'SEND_CANCEL', 'RECEIVE_FINISH', 'LAUNCH_MEASURE', 'LAUNCH_FINISH'),
    },
    { weight: 1, arbitrary: fc.constantFrom<SevCommandName[]>('SHUTDOWN', 'PLATFORM_RESET', 'INIT') },
  ),
  handle: fc.integer({ min: 0, max: 5 }),
  asid: fc.integer({ min: 0, max: 4 }),
  policy: fc.constantFrom(0, 1, 8),
})

function bufferOf({ command, handle, asid, policy }: Step, scene: Scene): Uint8Array {
  const name = command as SevCommandName
  if (name === 'ACTIVATE') return ActivateBuffer.encode({ handle, asid })
  if (name === 'ACTIVATE_EX') return ActivateExBuffer.encode({ length: 0x18, handle, asid, idCount: 1, idsPaddr: word64(at.ids) })
  if (name === 'LAUNCH_START') return LaunchStartBuffer.encode({ policy })
  if (name === 'SEND_START') return SendStartBuffer.encode({ handle, ...sendAreas })
  if (name === 'RECEIVE_START') return ReceiveStartBuffer.encode(receiveAreas)
  return goodBuffer({ ...scene, handle, column: 'UNINIT' }, name)
}

interface ModelGuest {
  state: keyof typeof GuestState
  asid: number
  readonly policy: number
}

/** Where a guest goes when a command has succeeded. */
const moves: Partial<Record<SevCommandName, ModelGuest['state']>> = {
  LAUNCH_MEASURE: 'LSECRET',
  LAUNCH_FINISH: 'RUNNING',
  SEND_START: 'SUPDATE',
  SEND_FINISH: 'SENT',
  SEND_CANCEL: 'RUNNING',
  RECEIVE_FINISH: 'RUNNING',
}

/** Platform, guests and ASIDs as a reader of the document would keep them. */
class Book {
  initialised = true
  readonly guests = new Map<number, ModelGuest>()
  readonly stale = new Map<number, 'wbinvd' | 'flush'>()

  /** The state that decides whether `command` is admitted, as a column of the table. */
  column(handle: number): Column {
    if (!this.initialised) return 'UNINIT'
    return this.guests.size === 0 ? 'INIT' : ((this.guests.get(handle)?.state ?? 'LUPDATE') as Column)
  }

  /** What the document says before parameters are looked at; undefined where it admits the command. */
  refusal({ command, handle }: Step): string | undefined {
    const row = expected[command as SevCommandName]!
    const answer = row[columns.indexOf(this.column(handle))]!
    if (answer === 'INVALID_PLATFORM_STATE') return answer
    if (!/^(LAUNCH_(?!START)|ATT|ACT|DEACT|DECOM|GUEST|COPY|SEND|RECEIVE_[UF]|DBG|SWAP)/.test(command)) return undefined
    if (!this.guests.has(handle)) return 'INVALID_GUEST'
    return answer === 'INVALID_GUEST_STATE' ? answer : undefined
  }

  record({ command, handle, asid, policy }: Step, newHandle: number): void {
    const guest = this.guests.get(handle)
    if (command === 'INIT') {
      this.initialised = true
      for (let i = 1; i <= 15; i++) this.stale.set(i, 'wbinvd')
    } else if (command === 'SHUTDOWN') {
      this.initialised = false
      this.guests.clear()
    } else if (command === 'LAUNCH_START' || command === 'RECEIVE_START') {
      assert.ok(newHandle !== 0 && !this.guests.has(newHandle), 'a handle is new')
      const launched = command === 'LAUNCH_START'
      this.guests.set(newHandle, { state: launched ? 'LUPDATE' : 'RUPDATE', asid: 0, policy: launched ? policy : 0 })
    } else if (command === 'ACTIVATE' || command === 'ACTIVATE_EX') {
      assert.ok(![...this.guests.values()].some((other) => other.asid === asid), 'an ASID has one owner')
      assert.ok(!this.stale.has(asid), 'a stale ASID is not given out')
      guest!.asid = asid
    } else if (command === 'DEACTIVATE') {
      this.stale.set(guest!.asid, 'wbinvd')
      guest!.asid = 0
    } else if (command === 'DECOMMISSION') {
      assert.equal(guest!.asid, 0, 'an active guest is not decommissioned')
      this.guests.delete(handle)
    } else if (command === 'DBG_DECRYPT' || command === 'DBG_ENCRYPT') {
      assert.equal(guest!.policy & 1, 0, 'NODBG forbids debugging')
    } else if (command === 'DF_FLUSH') {
      assert.ok(![...this.stale.values()].includes('wbinvd'), 'a flush comes after WBINVD')
      this.stale.clear()
    } else if (command === 'WBINVD') {
      for (const stale of this.stale.keys()) this.stale.set(stale, 'flush')
    } else if (moves[command]) {
      if (command === 'SEND_START') assert.equal(guest!.policy & 8, 0, 'NOSEND forbids sending')
      guest!.state = moves[command]
    }
  }

  check(p: Platform): void {
    const { buffer } = p.driver.mailbox.issue('PLATFORM_STATUS', PlatformStatusBuffer.encode({}))
    const status = PlatformStatusBuffer.decode(buffer)
    const state = !this.initialised ? PlatformState.UNINIT : this.guests.size === 0 ? PlatformState.INIT : PlatformState.WORKING
    assert.deepEqual([status.state, status.guestCount], [state, this.guests.size])
    for (const [handle, guest] of this.guests) {
      const seen = GuestStatusBuffer.decode(p.driver.mailbox.issue('GUEST_STATUS', GuestStatusBuffer.encode({ handle })).buffer)
      assert.deepEqual([seen.state, seen.asid, seen.policy], [GuestState[guest.state], guest.asid, guest.policy])
      const runs = guest.asid !== 0 && (guest.state === 'RUNNING' || guest.state === 'SUPDATE')
      assert.equal(p.secureProcessor.mayRun(guest.asid), runs)
    }
  }
}

function newScene(): Scene {
  const platform = createPlatform({ cores: 1 })
  platform.driver.init()
  layCertificates(platform)
  platform.host.write(at.ids, new Uint8Array(4))
  return { platform, handle: 0, column: 'INIT', measure: new Uint8Array(32), packet: undefined }
}

/** One command on both sides. Returns its name where it has succeeded. */
function take(s: Step, scene: Scene, book: Book): string | undefined {
  const p = scene.platform
  if (s.command === 'WBINVD') {
    p.wbinvd(0)
    book.record(s, 0)
    return undefined
  }
  const refusal = book.refusal(s)
  const { status, buffer } = p.driver.mailbox.issue(s.command, bufferOf(s, scene))
  const name = statusName(status)
  assert.ok(!name.startsWith('status'), name)
  if (refusal) assert.equal(name, refusal, `${s.command} in ${book.column(s.handle)}`)
  else assert.ok(!['INVALID_PLATFORM_STATE', 'INVALID_GUEST_STATE', 'INVALID_GUEST'].includes(name), `${s.command}: ${name}`)
  if (status !== SevStatus.SUCCESS) return undefined
  const starts = s.command === 'LAUNCH_START' || s.command === 'RECEIVE_START'
  book.record(s, starts ? LaunchStartBuffer.decode(buffer).handle : 0)
  book.check(p)
  return s.command
}

test('random command sequences keep the state machines', { ...needsKernel, timeout: 3_600_000 }, () => {
  const succeeded = new Set<string>()
  fc.assert(
    fc.property(fc.array(step, { minLength: stepsMax, maxLength: stepsMax, size: 'max' }), (steps) => {
      const [scene, book] = [newScene(), new Book()]
      for (const drawn of steps) {
        // Mostly a guest that lives; the last number stands for one that nobody has.
        const living = [...book.guests.keys()]
        const handle = drawn.handle === 5 || living.length === 0 ? 999 : living[drawn.handle % Math.min(living.length, 3)]!
        const name = take({ ...drawn, handle }, scene, book)
        if (name) succeeded.add(name)
      }
    }),
    // The short run draws the same sequences each time, so that the commands below take part in it for certain.
    { numRuns: runs, ...(process.env['CBIT_LONG_TESTS'] ? {} : { seed: 1 }) },
  )
  for (const name of [
    'LAUNCH_FINISH',
    'DECOMMISSION',
    'DBG_DECRYPT',
    'DF_FLUSH',
    'SEND_START',
    'SEND_FINISH',
    'RECEIVE_FINISH',
    'SWAP_OUT',
    'ATTESTATION',
    'COPY',
  ]) {
    assert.ok(succeeded.has(name), `${name} took part`)
  }
})

test('nonsense in the mailbox registers and buffers gets a status and harms nothing', { ...needsKernel, timeout: 600_000 }, () => {
  const word = fc.oneof(
    fc.nat({ max: 20 }),
    fc.constantFrom(
      0xffffffff,
      0x80000000,
      DRAM_BYTES - 1,
      0x4000,
      0x4001,
      at.pdh,
      at.certs,
      at.session,
      0x824,
      0x186c,
      0x80,
      0x34,
      0x1000,
    ),
    fc.nat(),
  )
  const known = (Object.keys(expected) as SevCommandName[]).map((name) => SevCommand[name]).filter((id) => id !== SevCommand.SHUTDOWN)
  const nonsense = fc.record({
    id: fc.oneof(fc.nat({ max: 0x7ff }), { weight: 9, arbitrary: fc.constantFrom(...known) }),
    high: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, word),
    low: fc.oneof({ weight: 9, arbitrary: fc.constant(0x8000) }, word),
    words: fc.array(word, { minLength: 18, maxLength: 18 }),
  })
  fc.assert(
    fc.property(fc.array(nonsense, { minLength: 1, maxLength: 60, size: 'max' }), (inputs) => {
      const { platform: p } = newScene()
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
    { numRuns: process.env['CBIT_LONG_TESTS'] ? 2000 : 60 },
  )
})
