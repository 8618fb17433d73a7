import assert from 'node:assert/strict'
import { planLaunch } from '../../../src/host/hypervisor/index.js'
import { SevError } from '../../../src/host/sev-driver/index.js'
import { concatBytes, u32le } from '../../../src/lib/bytes.js'
import { hmacSha256, sha256 } from '../../../src/lib/crypto.js'
import { SevPolicy } from '../../../src/spec/sev/policy.js'
import type { Attack } from '../attack.js'
import { asker, ownerFor, publisher, type Stage } from '../stage.js'

const POLICY = SevPolicy.NODBG | SevPolicy.NOKS

/** The owner has asked this chip for its key and answers with a session. */
function ownerOf(stage: Stage) {
  return ownerFor(stage.machine.readySev().ownership.pdhCertExport().pdh, POLICY)
}

function contentOf(stage: Stage, bytes: number): readonly Uint8Array[] {
  return planLaunch(publisher(), bytes, stage.machine.cBit, 1).regions.map((region) => region.bytes)
}

export const forgeForOwner: Attack = {
  name: "Launch other code with the owner's session, and forge the measurement that he waits for",
  layer: 'launch',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'detected', says: "without the owner's TIK no nonce makes the numbers fit" } },
  why: 'The measurement is an HMAC under TIK, which travels wrapped for this chip alone (55766, 6.2 and 6.5).',
  attempt(stage) {
    const owner = ownerOf(stage)
    const honest = stage.start(publisher(), { owner })
    const content = contentOf(stage, honest.vm.memory.bytes)
    const { driver } = stage.machine
    const version = driver.platformStatus()
    assert.ok(owner.accepts(version, content, honest.vm.measurement!), 'he accepts what is his')

    const other = stage.start(asker, { owner }).vm.measurement!
    const { apiMajor, apiMinor, build } = version
    const head = concatBytes(Uint8Array.of(4, apiMajor, apiMinor, build), u32le(POLICY), sha256(...content))
    const forgeries = [
      other,
      // The right measure with the nonce of the other launch, and the right digest under keys that the provider has.
      { ...other, measure: honest.vm.measurement!.measure },
      { ...other, measure: hmacSha256(new Uint8Array(16), concatBytes(head, other.mnonce)) },
      { ...other, measure: hmacSha256(owner.session.blob.subarray(0x10, 0x20), concatBytes(head, other.mnonce)) },
    ]
    return forgeries.some((forged) => owner.accepts(version, content, forged)) ? 'succeeds' : 'detected'
  },
}

export const secretForOther: Attack = {
  name: "Give the owner's secret to another guest, launched with the same session",
  layer: 'launch',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'BAD_MEASUREMENT' } },
  why: "A secret's MAC covers the measurement that it answers, and each launch has a nonce of its own (55766, 6.6).",
  attempt(stage) {
    const owner = ownerOf(stage)
    const honest = stage.start(publisher(), { owner })
    const secret = owner.secretFor(honest.vm.measurement!.measure)
    const other = stage.start(asker, { owner })
    assert.throws(
      () => other.vm.injectSecret(secret),
      (error) => error instanceof SevError && error.statusName === 'BAD_MEASUREMENT',
    )
    honest.vm.injectSecret(secret)
    return 'refused'
  },
}
