import assert from 'node:assert/strict'
import type { Attack, Verdict } from '../attack.js'
import { type Guest, guard, GUARD_LOCKED, GUARD_TRIES, PAGE_BYTES, places, type Stage } from '../stage.js'

function exhaust(victim: Guest): void {
  for (let left = GUARD_TRIES - 1; left >= 0; left--) assert.deepEqual(victim.step().reports, [left])
  assert.deepEqual(victim.step().reports, [GUARD_LOCKED])
}

/** Puts the counter's page back after the last try, twice: there is no end of it. */
function replay(stage: Stage, read: (spa: number) => Uint8Array, write: (spa: number, old: Uint8Array) => void): Verdict {
  const victim = stage.startVictim(guard)
  const spa = victim.spa(places.counter)
  const old = read(spa)
  for (let round = 0; round < 2; round++) {
    exhaust(victim)
    write(spa, old)
  }
  const [left] = victim.step().reports
  return left === GUARD_TRIES - 1 ? 'succeeds' : 'garbles'
}

const says = 'the guest takes its old state for the present one'
const outcome: Attack['outcome'] = { none: { verdict: 'succeeds', says }, sev: { verdict: 'succeeds', says } }

export const replayByStores: Attack = {
  name: 'Replay an old ciphertext at its address',
  layer: 'memory',
  powers: ['host-memory'],
  outcome,
  why: 'Encryption is deterministic and nothing counts versions: integrity came with SEV-SNP (threat table of the SEV-SNP white paper).',
  attempt: (stage) =>
    replay(
      stage,
      (spa) => stage.host.read(spa, PAGE_BYTES),
      (spa, old) => stage.host.write(spa, old),
    ),
}

export const replayOnBoard: Attack = {
  name: 'Replay an old ciphertext from the board',
  layer: 'DRAM',
  powers: ['dram-probe'],
  outcome,
  why: 'The same with an interposer between chip and modules; SEV-SNP does not prevent this one either.',
  attempt: (stage) =>
    replay(
      stage,
      (spa) => stage.dram.dump(spa, PAGE_BYTES),
      (spa, old) => stage.dram.alter(spa, old),
    ),
}
