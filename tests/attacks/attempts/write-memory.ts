import assert from 'node:assert/strict'
import { ascii, equalBytes } from '../../../src/lib/bytes.js'
import type { Attack, Verdict } from '../attack.js'
import { places, PUBLIC, publisher, type Stage } from '../stage.js'

const FAKE = ascii('FAKE')
const AT = 4
const BLOCK = 16

/** Four bytes of a 16-byte block are written. What does the guest find? */
function overwrite(stage: Stage, write: (spa: number) => void): Verdict {
  const victim = stage.startVictim(publisher())
  write(victim.spa(places.public) + AT)
  const seen = victim.published()
  assert.deepEqual(seen.subarray(BLOCK), PUBLIC.subarray(BLOCK), 'other blocks are as they were')
  const wanted = PUBLIC.slice(0, BLOCK)
  wanted.set(FAKE, AT)
  if (equalBytes(seen.subarray(0, BLOCK), wanted)) return 'succeeds'
  const same = PUBLIC.subarray(0, BLOCK).filter((byte, n) => byte === seen[n]).length
  assert.ok(same <= 2, `the whole block is noise, but ${same} bytes are as they were`)
  return 'garbles'
}

const outcome: Attack['outcome'] = {
  none: { verdict: 'succeeds', says: 'the guest reads the new bytes' },
  sev: { verdict: 'garbles', says: 'the guest reads noise in each 16-byte block touched' },
}

export const writeMemory: Attack = {
  name: 'Overwrite private data',
  layer: 'memory',
  powers: ['host-memory'],
  outcome,
  why: 'No integrity: the write is accepted, and what was written is decrypted as if it were ciphertext (SEV-SNP white paper, "Integrity").',
  attempt: (stage) => overwrite(stage, (spa) => stage.host.write(spa, FAKE)),
}

export const writeByDma: Attack = {
  name: 'Overwrite private data by DMA',
  layer: 'devices',
  powers: ['dma'],
  outcome,
  why: "Devices write with no guest's key (APM vol. 2, 15.34).",
  attempt: (stage) => overwrite(stage, (spa) => stage.dma.write(spa, FAKE)),
}

export const alterDram: Attack = {
  name: 'Alter DRAM on the board while the guest runs',
  layer: 'DRAM',
  powers: ['dram-probe'],
  outcome,
  why: 'DRAM holds ciphertext without authentication; the alteration is read once the cache has written its line back.',
  attempt: (stage) => overwrite(stage, (spa) => stage.dram.alter(spa, FAKE)),
}
