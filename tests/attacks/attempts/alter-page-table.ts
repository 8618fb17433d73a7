import assert from 'node:assert/strict'
import { equalBytes, indexOfBytes } from '../../../src/lib/bytes.js'
import type { Attack } from '../attack.js'
import { PAGE_BYTES, places, PUBLIC, publisher, reported, SECRET } from '../stage.js'

const PRESENT_WRITE_ACCESSED_DIRTY = 0x63n

export const alterPageTable: Attack = {
  name: "Alter the guest's page table",
  layer: 'page tables',
  powers: ['host-memory'],
  outcome: {
    none: { verdict: 'succeeds', says: 'the guest publishes the page that the new entry names' },
    sev: { verdict: 'garbles', says: 'two entries become noise, and the guest faults' },
  },
  why: 'Page tables are always private, whatever their C-bit (APM vol. 2, 15.34.5).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const entry = BigInt(places.secret) | PRESENT_WRITE_ACCESSED_DIRTY | (stage.encrypted ? 1n << BigInt(stage.machine.cBit) : 0n)
    const at = places.pageTable + (places.public / PAGE_BYTES) * 8
    stage.host.write(victim.spa(at), new Uint8Array(BigUint64Array.of(entry).buffer))
    victim.vcpu.requestTlbFlush()
    const { how, reports } = victim.step()
    if (how === 'step' && equalBytes(reported(reports), SECRET)) return 'succeeds'
    assert.equal(indexOfBytes(reported(reports), SECRET.subarray(0, 16)), -1)
    assert.ok(!equalBytes(reported(reports), PUBLIC), 'the old entry is gone too')
    return 'garbles'
  },
}
