import assert from 'node:assert/strict'
import { SevError } from '../../../src/host/sev-driver/index.js'
import { equalBytes } from '../../../src/lib/bytes.js'
import { SevPolicy } from '../../../src/spec/sev/policy.js'
import type { Attack } from '../attack.js'
import { PAGE_BYTES, places, PUBLIC, publisher, SECRET } from '../stage.js'

/** The status that a command is answered with, which must not be SUCCESS. */
function refusalOf(command: () => unknown): string {
  try {
    command()
  } catch (error) {
    if (error instanceof SevError) return error.statusName
    throw error
  }
  return assert.fail('the command was carried out')
}

export const debugForbidden: Attack = {
  name: 'Debug commands on a guest whose policy forbids them',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'POLICY_FAILURE, reading and writing' } },
  why: 'Policy bit 0, NODBG (55766, guest policy; chapter 7).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const { driver } = stage.machine
    assert.equal(
      refusalOf(() => driver.dbgDecrypt(victim.handle, victim.spa(places.secret), SECRET.length)),
      'POLICY_FAILURE',
    )
    assert.equal(
      refusalOf(() => driver.dbgEncrypt(victim.handle, victim.spa(places.public), SECRET)),
      'POLICY_FAILURE',
    )
    assert.deepEqual(victim.published(), PUBLIC)
    return 'refused'
  },
}

export const debugAllowed: Attack = {
  name: 'Debug commands on a guest whose policy allows them',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'succeeds', says: 'the plaintext, and any write' } },
  why: 'That is what the commands are for: an owner with secrets sets NODBG (55766, chapter 7).',
  attempt(stage) {
    const victim = stage.startVictim(publisher(), { policy: SevPolicy.NOKS })
    const { driver } = stage.machine
    const seen = driver.dbgDecrypt(victim.handle, victim.spa(places.secret), SECRET.length)
    driver.dbgEncrypt(victim.handle, victim.spa(places.public), SECRET)
    assert.deepEqual(victim.published(), SECRET)
    return equalBytes(seen, SECRET) ? 'succeeds' : 'garbles'
  },
}

export const updateAfterLaunch: Attack = {
  name: 'Have the firmware encrypt more pages after the launch',
  layer: 'secure processor',
  powers: ['mailbox', 'host-memory'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'INVALID_GUEST_STATE' } },
  why: 'LAUNCH_UPDATE_DATA is for guests in LUPDATE, and LAUNCH_MEASURE ends that state (55766, 6.3).',
  attempt(stage) {
    const victim = stage.startVictim(publisher())
    const status = refusalOf(() => stage.machine.driver.launchUpdateData(victim.handle, victim.spa(places.public), PAGE_BYTES))
    assert.equal(status, 'INVALID_GUEST_STATE')
    assert.deepEqual(victim.published(), PUBLIC)
    return 'refused'
  },
}
