import assert from 'node:assert/strict'
import { equalBytes } from '../../../src/lib/bytes.js'
import type { Attack } from '../attack.js'
import { PAGE_BYTES, places, PUBLIC, publisher, SECRET } from '../stage.js'

export const swapPages: Attack = {
  name: 'Swap two private pages',
  layer: 'memory',
  powers: ['host-memory'],
  outcome: {
    none: { verdict: 'succeeds', says: "each page has the other's content" },
    sev: { verdict: 'garbles', says: 'both pages become noise' },
  },
  why: 'The physical address enters the encryption, so ciphertext is right at its own address only (SEV white paper, "Memory encryption").',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const [one, other] = [victim.spa(places.public), victim.spa(places.secret)]
    const [first, second] = [stage.host.read(one, PAGE_BYTES), stage.host.read(other, PAGE_BYTES)]
    stage.host.write(one, second)
    stage.host.write(other, first)
    const seen = victim.published()
    if (equalBytes(seen, SECRET)) return 'succeeds'
    assert.ok(!equalBytes(seen, PUBLIC))
    return 'garbles'
  },
}
