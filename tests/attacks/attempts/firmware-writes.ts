import assert from 'node:assert/strict'
import { equalBytes } from '../../../src/lib/bytes.js'
import { word64 } from '../../../src/lib/word64.js'
import { GetIdBuffer } from '../../../src/spec/sev/command-buffers.js'
import { SevStatus } from '../../../src/spec/sev/status.js'
import type { Attack } from '../attack.js'
import { places, PUBLIC, publisher } from '../stage.js'

const ID_BYTES_MAX = 0x100

export const firmwareWrites: Attack = {
  name: "Aim an answer of the secure processor at a guest's page",
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: {
    none: { verdict: 'succeeds', says: "the guest reads the firmware's answer" },
    sev: { verdict: 'garbles', says: 'the guest reads noise' },
  },
  why: 'Before SEV-SNP the firmware writes what it returns to any address that the host names, with no key (55766, chapter 5, GET_ID).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const id = stage.machine.driver.getId()
    const { status } = stage.machine.driver.mailbox.issue(
      'GET_ID',
      GetIdBuffer.encode({ idPaddr: word64(victim.spa(places.public)), idLength: ID_BYTES_MAX }),
    )
    assert.equal(status, SevStatus.SUCCESS)
    const seen = victim.published()
    assert.ok(!equalBytes(seen, PUBLIC))
    return equalBytes(seen, id.subarray(0, seen.length)) ? 'succeeds' : 'garbles'
  },
}
