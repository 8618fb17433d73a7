// A migration that is interrupted at any place leaves one guest: at the source before the decision, at the target after it.
// CBIT_LONG_TESTS=1: 200 cuts at random bytes instead of 10.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageType, type MessageTypeName } from '../../src/host/migration/messages.js'
import { pipePair, type PipePair } from './memory-pipe.js'
import { connections, depart, end, MemoryJournal, move, place, type Place, type Running, Tape, Target } from './two-machines.js'

const randomCuts = process.env['CBIT_LONG_TESTS'] ? 200 : 10

/** A guest that goes from one machine to another and back, whatever happens to the connections. */
class Journey {
  readonly tape = new Tape()
  readonly setting: { readonly sev: 'none' | 'sev' }
  readonly #places: readonly [Place, Place] = [place(1), place(2)]
  #at = 0
  #guest: Running | undefined

  constructor(sev: 'none' | 'sev') {
    this.setting = { sev }
  }

  async begin(): Promise<void> {
    this.#guest = await depart(this.tape, this.setting, this.#places[0])
  }

  /** One try to move over `pipes`. Asserts that one copy lives afterwards, and says where. */
  async leg(pipes: readonly PipePair[], journal = new MemoryJournal()): Promise<{ readonly kind: string; readonly target: Target }> {
    const source = this.#guest!
    const target = new Target(this.tape, this.setting, () => this.#places[1 - this.#at]!)
    const { kind } = await move(source.vm, { connect: connections(() => target, pipes), journal })
    // What the target still does with what it has received.
    await new Promise((resolve) => setTimeout(resolve, 5))
    this.#oneLives(source, target, kind)
    if (kind === 'stayed') {
      assert.notEqual(journal.outcome, 'commit')
      target.migration.discard('the test goes on')
      await this.tape.grow(20)
    } else if (target.running) await this.#follow(source, target.running)
    this.tape.check()
    return { kind, target }
  }

  /** The guest has been found at the target. */
  async #follow(source: Running, there: Running): Promise<void> {
    assert.equal((await source.ended).reason, 'moved')
    source.vm.release()
    this.#guest = there
    this.#at = 1 - this.#at
    await this.tape.grow(20)
  }

  #oneLives(source: Running, target: Target, kind: string): void {
    const here = source.vm.state === 'running' || source.vm.state === 'paused'
    const there = target.running !== undefined
    if (kind === 'stayed') assert.deepEqual([here, there, source.vm.state], [true, false, 'running'])
    if (kind === 'done') assert.deepEqual([source.vm.vcpu.end?.reason, there], ['moved', true])
    if (kind === 'unacknowledged') assert.equal(source.vm.vcpu.end?.reason, 'moved')
  }

  async end(): Promise<void> {
    await end(this.#guest)
  }
}

type When = 'before' | 'within' | 'behind'

/** A connection that breaks at the `nth` message of a kind. */
function breaking(name: MessageTypeName, when: When, nth = 1): PipePair {
  let count = 0
  return pipePair({
    passing: (_way, frame) => {
      if (frame[4] !== MessageType[name] || ++count !== nth) return [frame]
      if (when === 'before') return ['cut']
      return when === 'within' ? [frame.subarray(0, frame.length >> 1), 'cut'] : [frame, 'cut']
    },
  })
}

/** Everything that a move says, in order, and what becomes of the guest when the connection breaks there. */
const script: readonly [MessageTypeName, Record<When, 'stayed' | 'done'>][] = [
  ...(['HELLO', 'PLATFORM', 'START', 'STARTED', 'PLAIN_PAGES', 'ROUND_END', 'ROUND_DONE', 'STATE', 'PREPARE'] as const).map(
    (name): [MessageTypeName, Record<When, 'stayed' | 'done'>] => [name, { before: 'stayed', within: 'stayed', behind: 'stayed' }],
  ),
  ['READY', { before: 'stayed', within: 'stayed', behind: 'done' }],
  ['COMMIT', { before: 'done', within: 'done', behind: 'done' }],
  ['RUNNING', { before: 'done', within: 'done', behind: 'done' }],
]

test('a connection that breaks before, within or behind any message leaves one guest, and none is lost', async () => {
  const journey = new Journey('none')
  await journey.begin()
  for (const [name, expected] of script) {
    for (const when of ['before', 'within', 'behind'] as const) {
      const { kind } = await journey.leg([breaking(name, when), pipePair(), pipePair()])
      assert.equal(kind, expected[when], `${when} ${name}`)
    }
  }
  await journey.end()
})

test('with memory encrypted the same, around the decision', async () => {
  const journey = new Journey('sev')
  await journey.begin()
  for (const [name, when, expected] of [
    ['START', 'behind', 'stayed'],
    ['PRIVATE_PAGES', 'within', 'stayed'],
    ['READY', 'within', 'stayed'],
    ['READY', 'behind', 'done'],
    ['COMMIT', 'behind', 'done'],
  ] as const) {
    const { kind } = await journey.leg([breaking(name, when), pipePair(), pipePair()])
    assert.equal(kind, expected, `${when} ${name}`)
  }
  await journey.end()
})

test('a source that has aborted tells the target so on a new connection, and the target never runs what it holds', async () => {
  const journey = new Journey('none')
  await journey.begin()
  const told = await journey.leg([breaking('READY', 'before'), pipePair()])
  assert.equal(told.target.discarded, 'the source keeps the guest')
  await journey.end()
})

test('connections cut at random bytes', { timeout: 3_600_000 }, async () => {
  const journey = new Journey('none')
  await journey.begin()
  const whole = pipePair()
  assert.equal((await journey.leg([whole])).kind, 'done')
  const kinds = new Set<string>()
  for (let i = 0; i < randomCuts; i++) {
    // Half of the cuts fall into the last hundred bytes, where the decision is.
    const cutAfter = Math.floor(i % 2 === 0 ? Math.random() * whole.passed() : whole.passed() - Math.random() * 300)
    const pipe = pipePair({ cutAfter })
    const { kind } = await journey.leg([pipe, pipePair(), pipePair()])
    kinds.add(kind)
  }
  assert.ok(!kinds.has('unacknowledged'))
  await journey.end()
})

/** Ways to tamper with one frame and the one after it. */
const tamperings: Record<string, (frame: Uint8Array, earlier: Uint8Array | undefined) => Uint8Array[]> = {
  'a flipped bit': (frame) => [frame.map((byte, i) => (i === Math.floor(frame.length / 3) ? byte ^ 0x10 : byte))],
  'a flipped bit of the length': (frame) => [frame.map((byte, i) => (i === 1 ? byte ^ 0x40 : byte))],
  'a flipped bit of the tag': (frame) => [frame.map((byte, i) => (i === frame.length - 1 ? byte ^ 1 : byte))],
  'a frame twice': (frame) => [frame, frame],
  'an earlier frame in its place': (frame, earlier) => [earlier ?? frame.slice(1)],
}

test('frames that were flipped, repeated or put elsewhere are refused, and the guest stays', async () => {
  const journey = new Journey('none')
  await journey.begin()
  for (const [says, tamper] of Object.entries(tamperings)) {
    for (const name of says === 'a flipped bit'
      ? (['HELLO', 'START', 'PLAIN_PAGES', 'STATE', 'PREPARE', 'READY'] as const)
      : (['PLAIN_PAGES'] as const)) {
      let [earlier, done] = [undefined as Uint8Array | undefined, false]
      const pipe = pipePair({
        passing: (way, frame) => {
          if (frame[4] !== MessageType[name] || done) {
            if (way === 'to-target') earlier = frame
            return [frame]
          }
          done = true
          return tamper(frame, earlier)
        },
      })
      const { kind } = await journey.leg([pipe, pipePair()])
      assert.ok(done)
      assert.equal(kind, 'stayed', `${says}: ${name}`)
    }
  }
  await journey.end()
})
