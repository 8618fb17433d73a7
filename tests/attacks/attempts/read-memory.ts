import assert from 'node:assert/strict'
import { equalBytes, isZero } from '../../../src/lib/bytes.js'
import type { Attack, Verdict } from '../attack.js'
import { places, publisher, SECRET } from '../stage.js'

function judge(seen: Uint8Array): Verdict {
  if (equalBytes(seen, SECRET)) return 'succeeds'
  assert.ok(!isZero(seen))
  return 'garbles'
}

export const readMemory: Attack = {
  name: 'Read a private page',
  layer: 'memory',
  powers: ['host-memory'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the plaintext' },
    sev: { verdict: 'garbles', says: 'ciphertext' },
  },
  why: 'A load without a key passes no decryption, and the chip keeps caches of different keys apart (APM vol. 2, 15.34.5; coherence across keys: SME_COHERENT in CPUID 8000_001F).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    return judge(stage.host.read(victim.spa(places.secret), SECRET.length))
  },
}

export const readByDma: Attack = {
  name: 'Read a private page by DMA',
  layer: 'devices',
  powers: ['dma'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the plaintext' },
    sev: { verdict: 'garbles', says: 'ciphertext' },
  },
  why: "Devices access memory with no guest's key (APM vol. 2, 15.34).",
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    return judge(stage.dma.read(victim.spa(places.secret), SECRET.length))
  },
}
