import assert from 'node:assert/strict'
import { test } from 'node:test'
import { indexOfBytes } from '../../src/lib/bytes.js'
import { GuestState } from '../../src/spec/sev/states.js'
import { MARK } from '../machine/index.js'
import { pipePair } from './memory-pipe.js'
import { connections, depart, end, move, Tape, Target } from './two-machines.js'

for (const sev of ['none', 'sev'] as const) {
  test(`a counting guest moves while it counts, memory ${sev === 'sev' ? 'encrypted' : 'in clear'}`, async () => {
    const [tape, setting] = [new Tape(), { sev }]
    const source = await depart(tape, setting)
    const target = new Target(tape, setting)
    const carried: Uint8Array[] = []
    const pipe = pipePair({ passing: (_way, bytes) => (carried.push(bytes), [bytes]) })
    const rounds: number[] = []
    const result = await move(source.vm, {
      connect: connections(() => target, [pipe]),
      onProgress: ({ round, phase }) => (phase === 'copying' || phase === 'stopping') && rounds.push(round),
    })
    assert.equal(result.kind, 'done')
    assert.equal((await source.ended).reason, 'moved')
    await tape.grow(500)
    tape.check()
    assert.ok(Math.max(...rounds) >= 2)
    const seen = carried.some((bytes) => indexOfBytes(bytes, MARK) >= 0)
    assert.equal(seen, sev === 'none', 'what is carried shows nothing of an encrypted guest')
    if (sev === 'sev') {
      const { driver } = source.vm.machine
      assert.equal(driver.guestStatus(source.vm.sevHandle!).state, GuestState.SENT)
      assert.equal(target.vm!.machine.driver.guestStatus(target.vm!.sevHandle!).state, GuestState.RUNNING)
    }
    await end(target.running)
  })
}
