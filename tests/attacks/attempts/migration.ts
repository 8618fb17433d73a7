import assert from 'node:assert/strict'
import { type Packet, type PlatformCertificates, SevError } from '../../../src/host/sev-driver/index.js'
import { SevPolicy } from '../../../src/spec/sev/policy.js'
import type { Attack } from '../attack.js'
import { type Guest, guard, GUARD_TRIES, places, publisher, Stage } from '../stage.js'

const nobody = { ask: new Uint8Array(0x640), ark: new Uint8Array(0x640) }

function statusOf(act: () => void): string {
  try {
    act()
    return 'SUCCESS'
  } catch (error) {
    if (error instanceof SevError) return error.statusName
    throw error
  }
}

/** Another genuine machine of the same provider. */
function secondMachine(): { readonly stage: Stage; readonly certificates: PlatformCertificates } {
  const stage = new Stage('sev', 0x5ec0)
  return { stage, certificates: stage.machine.readySev().ownership.pdhCertExport() }
}

function sendTo(stage: Stage, victim: Guest, certificates: PlatformCertificates): Uint8Array {
  return stage.machine.driver.transfer.sendStart(victim.handle, certificates, nobody).session
}

export const leaveDomain: Attack = {
  name: "Migrate a guest to a genuine machine that is not in its owner's domain",
  layer: 'migration',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'BAD_SIGNATURE' } },
  why: "Policy bit 4, DOMAIN: the receiver's PEK must bear the signature of the owner of the sender's platform (55766, 6.9).",
  attempt(stage) {
    const victim = stage.startVictim(publisher(), { policy: SevPolicy.NODBG | SevPolicy.DOMAIN })
    const { certificates } = secondMachine()
    assert.equal(
      statusOf(() => sendTo(stage, victim, certificates)),
      'BAD_SIGNATURE',
    )
    // With the sender's own owner certificate put among the receiver's.
    const { oca } = stage.machine.driver.ownership.pdhCertExport()
    assert.equal(
      statusOf(() => sendTo(stage, victim, { ...certificates, oca })),
      'BAD_SIGNATURE',
    )
    return 'refused'
  },
}

export const weakenPolicy: Attack = {
  name: 'Take a migrating guest in with a weaker policy, or on firmware older than it accepts',
  layer: 'migration',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'BAD_MEASUREMENT, POLICY_FAILURE' } },
  why: "The session carries an HMAC of the policy under TIK, and the receiver's firmware judges the policy for itself (55766, 6.14).",
  attempt(stage) {
    const policy = SevPolicy.NODBG
    const victim = stage.startVictim(publisher(), { policy })
    const { stage: other, certificates } = secondMachine()
    const session = sendTo(stage, victim, certificates)
    const { pdh } = stage.machine.driver.ownership.pdhCertExport()
    const receive = (asked: number): string => statusOf(() => other.machine.driver.transfer.receiveStart(asked, pdh, session))
    assert.equal(receive(0), 'BAD_MEASUREMENT')
    assert.equal(receive((25 << 24) | policy), 'POLICY_FAILURE')
    assert.equal(receive(policy), 'SUCCESS')
    return 'refused'
  },
}

export const replayPackets: Attack = {
  name: 'Give the receiver an old packet of a migration again, and at another page',
  layer: 'migration',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'succeeds', says: 'a page is set back to what it was, or stands at another place' } },
  why: "A packet's MAC covers neither address nor number (55766, 6.10 and 6.15): what keeps the order is the hosts' own protocol, and SEV-SNP.",
  attempt(stage) {
    // A policy that lets this test look at what has come of it.
    const victim = stage.startVictim(guard, { policy: 0 })
    const { stage: other, certificates } = secondMachine()
    const session = sendTo(stage, victim, certificates)
    const { transfer, ownership } = stage.machine.driver
    const tries = (): Packet => transfer.sendUpdateData(victim.handle, victim.spa(places.counter), 0x1000)
    const early = tries()
    assert.equal(victim.step().how, 'step')
    const late = tries()

    const { driver, memory } = other.machine
    const handle = driver.transfer.receiveStart(0, ownership.pdhCertExport().pdh, session)
    driver.activate(handle, other.machine.allocateAsid(true))
    const counter = memory.allocate(0x1000, 0x1000, 'a page of the guest')
    const elsewhere = memory.allocate(0x1000, 0x1000, 'another')
    const at = (spa: number): number => driver.dbgDecrypt(handle, spa, 16)[0]!
    driver.transfer.receiveUpdateData(handle, counter, late)
    assert.equal(at(counter), GUARD_TRIES - 1)
    driver.transfer.receiveUpdateData(handle, counter, early)
    driver.transfer.receiveUpdateData(handle, elsewhere, late)
    return at(counter) === GUARD_TRIES && at(elsewhere) === GUARD_TRIES - 1 ? 'succeeds' : 'garbles'
  },
}
