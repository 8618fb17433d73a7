import assert from 'node:assert/strict'
import { SevError } from '../../../src/host/sev-driver/index.js'
import { SevPolicy } from '../../../src/spec/sev/policy.js'
import type { Attack } from '../attack.js'
import { ownerFor, type Stage } from '../stage.js'

function launches(stage: Stage, session: { readonly godh: Uint8Array; readonly blob: Uint8Array }): boolean {
  try {
    const handle = stage.machine.driver.launchStart(SevPolicy.NODBG, 0, session)
    stage.machine.driver.decommission(handle)
    return true
  } catch (error) {
    if (error instanceof SevError && error.statusName === 'BAD_MEASUREMENT') return false
    throw error
  }
}

export const rollBackFlash: Attack = {
  name: "Put an old copy of the secure processor's state back into the flash",
  layer: 'secure processor',
  powers: ['flash', 'mailbox'],
  outcome: {
    none: undefined,
    sev: { verdict: 'succeeds', says: 'the keys that PDH_GEN had replaced are back, and an old session opens again' },
  },
  why: 'The state is sealed and so genuine or refused, but nothing on the chip counts its versions (55766 has no such counter; chapter 5, INIT).',
  attempt(stage) {
    const driver = stage.machine.readySev()
    const { session } = ownerFor(driver.ownership.pdhCertExport().pdh, SevPolicy.NODBG)
    const old = stage.flash.read(0, stage.flash.bytes)
    assert.ok(launches(stage, session))
    driver.ownership.pdhGen()
    assert.ok(!launches(stage, session), 'the session was for the old key')

    driver.shutdown()
    stage.flash.write(
      0,
      old.map((byte, i) => (i === 0x60 || i === 0x8060 ? byte ^ 1 : byte)),
    )
    driver.init()
    assert.ok(!launches(stage, session), 'altered state is no state')
    driver.shutdown()
    stage.flash.write(0, old)
    driver.init()
    return launches(stage, session) ? 'succeeds' : 'detected'
  },
}
