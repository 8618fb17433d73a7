// A peer that has the key and means no good: whatever it sends, we neither crash nor start a guest that is not ours.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  askStanding,
  FrameChannel,
  FrameReader,
  FrameWriter,
  HandOverLost,
  ProtocolError,
  tellOutcome,
} from '../../src/host/migration/index.js'
import * as messages from '../../src/host/migration/messages.js'
import { pipePair } from './memory-pipe.js'
import { connections, depart, end, MemoryJournal, move, Tape, Target } from './two-machines.js'

const { MessageType } = messages
const runs = process.env['CBIT_LONG_TESTS'] ? 20_000 : 500

test('parsers take anything and give values in range or a ProtocolError', () => {
  const parsers: ((payload: Uint8Array) => unknown)[] = [
    messages.parseHello,
    messages.parseId,
    messages.parsePlatform,
    messages.parseStart,
    messages.parseStanding,
    (payload) => assert.match(messages.parseText(payload), /^[\x20-\x7e]{0,1024}$/),
    (payload) =>
      messages.eachPrivateRun(payload, 100, ({ first, pages, data }) => {
        assert.ok(pages >= 1 && pages <= 4 && first + pages <= 100 && data.length === pages * 4096)
      }),
    (payload) =>
      messages.eachPlainRun(payload, 100, ({ first, pages, data }) => {
        assert.ok(pages >= 1 && pages <= 64 && first + pages <= 100 && (!data || data.length === pages * 4096))
      }),
  ]
  const words = fc.array(fc.oneof(fc.nat({ max: 5 }), fc.constantFrom(0xffffffff, 0x80000001, 99, 100), fc.nat()), { maxLength: 4200 })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    words.map((values) => new Uint8Array(Uint32Array.from(values).buffer)),
  )
  fc.assert(
    fc.property(bytes, fc.nat({ max: parsers.length - 1 }), (payload, which) => {
      try {
        parsers[which]!(payload)
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error
      }
    }),
    { numRuns: 10 * runs },
  )
})

test('what was encoded is read back', () => {
  const id = new Uint8Array(16).fill(9)
  const hello = { id, encrypted: true, machine: Uint8Array.of(1, 2, 3) }
  assert.deepEqual(messages.parseHello(messages.encodeHello(hello)), hello)
  const certificate = (fill: number): Uint8Array => new Uint8Array(0x824).fill(fill)
  const platform = {
    certificates: { pdh: certificate(1), pek: certificate(2), oca: certificate(3), cek: certificate(4) },
    vendor: { ask: new Uint8Array(0x640).fill(5), ark: new Uint8Array(0x640).fill(6) },
  }
  assert.deepEqual(messages.parsePlatform(messages.encodePlatform(platform)), platform)
  const start = { policy: 0xfffffff1, pdh: certificate(7), session: new Uint8Array(0x80).fill(8) }
  assert.deepEqual(messages.parseStart(messages.encodeStart(start)), start)
  assert.equal(messages.parseText(messages.encodeText('naïve\n\x1b[2J')), 'na?ve??[2J')
  const wrongVersion = messages.encodeHello(hello)
  wrongVersion[8] = 2
  assert.throws(() => messages.parseHello(wrongVersion), /speaks version 2 of the protocol/)
})

test('a stream of frames gives back whole frames in order, however it is cut, and nothing that was altered', () => {
  const frame = fc.record({ type: fc.nat({ max: 255 }), payload: fc.uint8Array({ maxLength: 300 }) }, { noNullPrototype: true })
  const frames = fc.array(frame, {
    minLength: 1,
    maxLength: 6,
  })
  const key = new Uint8Array(32).fill(3)
  fc.assert(
    fc.property(frames, fc.nat(), fc.nat(), fc.boolean(), (wanted, cut, flip, alter) => {
      const writer = new FrameWriter(key, 'to-target')
      const stream = Buffer.concat(wanted.map((frame) => writer.encode(frame)))
      const altered = Uint8Array.from(stream)
      if (alter) altered[(flip >>> 3) % stream.length]! ^= 1 << (flip & 7)
      const reader = new FrameReader(key, 'to-target')
      const got: { type: number; payload: Uint8Array }[] = []
      const read = (): void => {
        for (const part of [altered.subarray(0, cut % stream.length), altered.subarray(cut % stream.length)]) {
          reader.push(part)
          for (let frame = reader.next(); frame; frame = reader.next()) got.push(frame)
        }
      }
      if (!alter) {
        read()
        assert.deepEqual(got, wanted)
      } else {
        assert.throws(read, ProtocolError)
        assert.deepEqual(got, wanted.slice(0, got.length), 'only what comes before it')
      }
      const mirrored = new FrameReader(key, 'to-source')
      mirrored.push(stream)
      assert.throws(() => mirrored.next(), ProtocolError, 'the other direction')
    }),
    { numRuns: runs },
  )
})

const anyMessage = fc.record({
  type: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...Object.values(MessageType)) }, fc.nat({ max: 255 })),
  payload: fc.oneof(fc.uint8Array({ maxLength: 100 }), fc.constant(new Uint8Array(16).fill(0xa5)), fc.constant(Uint8Array.of(1, 0, 0, 0))),
})

test('a target that is sent messages in any order starts nothing and answers or hangs up', { timeout: 600_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyMessage, { minLength: 1, maxLength: 8 }), async (sent) => {
      const target = new Target(new Tape(), { sev: 'none' })
      const pipe = pipePair()
      const served = target.migration.serve(pipe.target)
      const peer = new FrameChannel(pipe.source, 'source')
      for (const { type, payload } of sent) await peer.send(type, payload).catch(() => undefined)
      peer.close()
      await served
      assert.equal(target.running, undefined)
      assert.ok(target.migration.standing !== 'running' && target.migration.standing !== 'ready')
    }),
    { numRuns: runs },
  )
})

test('a target refuses a second guest, other outcomes, pages that are missing, and pages that no VM has', async () => {
  const tape = new Tape()
  const source = await depart(tape, { sev: 'none' })
  assert.ok(await source.vm.paused())
  const machine = source.vm.saveState()
  source.vm.resume()
  const id = new Uint8Array(16).fill(1)
  const attempt = async (...said: readonly [number, Uint8Array][]): Promise<{ target: Target; answers: string[] }> => {
    const target = new Target(tape, { sev: 'none' })
    const pipe = pipePair()
    const served = target.migration.serve(pipe.target)
    const peer = new FrameChannel(pipe.source, 'source')
    await peer.send(MessageType.HELLO, messages.encodeHello({ id, encrypted: false, machine }))
    await peer.send(MessageType.START)
    for (const [type, payload] of said) await peer.send(type, payload).catch(() => undefined)
    const answers: string[] = []
    for (;;) {
      const frame = await peer.receive().catch(() => undefined)
      if (!frame) break
      answers.push(messages.messageName(frame.type))
      if (frame.type === MessageType.REFUSED) answers.push(messages.parseText(frame.payload))
    }
    await served
    assert.equal(target.running, undefined)
    return { target, answers }
  }
  const page = new Uint8Array(4096).fill(1)
  for (const [said, reason] of [
    [[[MessageType.PREPARE, id]], /16352 pages of the guest have never come/],
    [[[MessageType.COMMIT, id]], /sends COMMIT where pages are due/],
    [[[MessageType.PLAIN_PAGES, messages.encodePlainRun(0xa0, page)]], /pages that the VM does not have/],
    [[[MessageType.PLAIN_PAGES, messages.encodePlainRun(0x4000, page)]], /pages that the VM does not have/],
    [
      [[MessageType.PRIVATE_PAGES, messages.encodePrivateRun({ first: 1, pages: 1, header: new Uint8Array(0x34), data: page })]],
      /private pages of a guest that has none/,
    ],
    [[[MessageType.HELLO, messages.encodeHello({ id, encrypted: false, machine })]], /sends HELLO where pages are due/],
  ] as const) {
    const { answers, target } = await attempt(...(said as unknown as [number, Uint8Array][]))
    assert.match(answers.at(-1)!, reason)
    assert.equal(target.migration.standing, 'discarded')
  }
  await end(source)
})

test('a target that answers otherwise than it should keeps nothing: the guest stays', async () => {
  const tape = new Tape()
  const source = await depart(tape, { sev: 'none' })
  for (const answers of [
    [MessageType.READY],
    [MessageType.PLATFORM, MessageType.READY],
    [MessageType.PLATFORM, MessageType.STARTED, MessageType.RUNNING],
    [MessageType.PLATFORM, MessageType.STARTED, MessageType.ROUND_DONE],
    [MessageType.REFUSED],
    [0xff],
  ]) {
    const pipe = pipePair()
    const liar = new FrameChannel(pipe.target, 'target')
    for (const type of answers) void liar.send(type)
    const result = await move(source.vm, { connect: () => Promise.resolve(pipe.source) })
    assert.equal(result.kind, 'stayed', answers.join())
    await tape.grow(5)
  }
  tape.check()
  await end(source)
})

test('a guest that was handed over is not started again here when the target is silent, and can be resolved later', async () => {
  const tape = new Tape()
  const source = await depart(tape, { sev: 'sev' })
  const target = new Target(tape, { sev: 'sev' })
  const journal = new MemoryJournal()
  const pipe = pipePair({ passing: (_way, frame) => (frame[4] === MessageType.COMMIT ? ['cut'] : [frame]) })
  let [count, lost] = [0, false]
  const connect = connections(() => (count++ === 0 || lost ? target : undefined), [pipe, pipePair()])
  const result = await move(source.vm, { connect, journal })
  assert.deepEqual([result.kind, journal.outcome], ['unacknowledged', 'commit'])
  assert.equal((await source.ended).reason, 'moved')
  assert.deepEqual([target.migration.standing, target.running], ['ready', undefined], 'it holds the guest and does not run it')
  const said = tape.numbers.length
  await new Promise((resolve) => setTimeout(resolve, 50))
  assert.equal(tape.numbers.length, said, 'nobody runs')

  lost = true
  const id = new Uint8Array(16).fill(0xa5)
  const ask = async (): Promise<FrameChannel> => new FrameChannel(await connect(), 'source')
  const channel = await ask()
  const standing = await askStanding(channel, id)
  assert.equal(standing, 'ready')
  await tellOutcome(channel, id, journal.outcome!, standing)
  await tape.grow(50)
  tape.check()
  await end(target.running)
})

test('a decision that somebody else has made stands, also against the wish of a source that has lost its connection', async () => {
  const tape = new Tape()
  const source = await depart(tape, { sev: 'none' })
  const target = new Target(tape, { sev: 'none' })
  const journal = new MemoryJournal()
  const pipe = pipePair({
    passing: (_way, frame) => {
      if (frame[4] !== MessageType.READY) return [frame]
      journal.decide('commit')
      return ['cut']
    },
  })
  const result = await move(source.vm, { connect: connections(() => target, [pipe, pipePair()]), journal })
  assert.equal(result.kind, 'done')
  await tape.grow(50)
  tape.check()
  await end(target.running)
})

test('a target that has lost a guest that was handed over says so', async () => {
  const pipe = pipePair()
  await assert.rejects(tellOutcome(new FrameChannel(pipe.source, 'source'), new Uint8Array(16), 'commit', 'unknown'), HandOverLost)
  await assert.rejects(tellOutcome(new FrameChannel(pipe.source, 'source'), new Uint8Array(16), 'abort', 'running'), ProtocolError)
})

test('the operator cancels, and a limit of bandwidth is kept', async () => {
  const tape = new Tape()
  const source = await depart(tape, { sev: 'none' })
  const target = new Target(tape, { sev: 'none' })
  const cancelled = await move(source.vm, {
    connect: connections(() => target, [pipePair()]),
    onProgress: ({ pagesSent }, migration) => pagesSent > 100 && migration.cancel(),
  })
  assert.ok(cancelled.kind === 'stayed' && /cancelled/.test(cancelled.reason))
  const slow = new Target(tape, { sev: 'none' })
  const started = performance.now()
  const moved = await move(source.vm, { connect: connections(() => slow, [pipePair()]), bandwidthBytesPerSecond: 2 << 20 })
  assert.equal(moved.kind, 'done')
  const allowed = (moved.progress.bytesSent - 0x8_0000) / (2 << 20)
  assert.ok((performance.now() - started) / 1000 >= allowed, 'no faster than allowed')
  await tape.grow(10)
  tape.check()
  await end(slow.running)
})

test('a guest that has said nothing of its pages is not moved, nor one whose owner forbids it', async () => {
  const tape = new Tape()
  const forbidden = await depart(tape, { sev: 'sev', policy: 9 })
  const target = new Target(tape, { sev: 'sev' })
  const result = await move(forbidden.vm, { connect: connections(() => target, [pipePair()]) })
  assert.ok(result.kind === 'stayed' && /SEND_START: POLICY_FAILURE/.test(result.reason))
  await tape.grow(10)
  forbidden.vm.paravirtual.writeMsr(0x4b564d08, 0, 0)
  const silent = await move(forbidden.vm, { connect: connections(() => target, [pipePair()]) })
  assert.ok(silent.kind === 'stayed' && /has not said which of its pages are shared/.test(silent.reason))
  tape.check()
  await end(forbidden)
})
