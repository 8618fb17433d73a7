import assert from 'node:assert/strict'
import { indexOfBytes } from '../../../src/lib/bytes.js'
import type { Attack } from '../attack.js'
import { places, publisher, SECRET, type Stage } from '../stage.js'

/** Where in DRAM the secret stands, as a whole or as one of its 16-byte blocks; -1: nowhere. */
function find(stage: Stage): number {
  const dump = stage.dump()
  const finds = [SECRET, SECRET.subarray(0, 16), SECRET.subarray(16, 32)].map((part) => indexOfBytes(dump, part))
  assert.ok(finds.every((at) => at >= 0) || finds.every((at) => at < 0))
  return finds[0]!
}

export const dumpDram: Attack = {
  name: 'Find a known string in a dump of all DRAM',
  layer: 'DRAM',
  powers: ['dram-probe'],
  outcome: {
    none: { verdict: 'succeeds', says: 'found at its address, dirty in the cache or written back' },
    sev: { verdict: 'garbles', says: 'nowhere, dirty in the cache or written back' },
  },
  why: 'The engine stands between cache and DRAM: nothing private leaves the chip in clear (APM vol. 2, 15.34).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const dirty = find(stage)
    stage.flushCaches()
    const flushed = find(stage)
    assert.equal(dirty, flushed)
    if (flushed < 0) return 'garbles'
    assert.equal(flushed, victim.spa(places.secret))
    return 'succeeds'
  },
}
