import assert from 'node:assert/strict'
import { SevError } from '../../../src/host/sev-driver/index.js'
import { ascii, equalBytes } from '../../../src/lib/bytes.js'
import { aes128Ctr, ecdhShared, ecPublicPoint, kdfCounter } from '../../../src/lib/crypto.js'
import { scalarFrom } from '../../../src/lib/ecdsa.js'
import {
  CertificateUsage,
  type EcPublicKey,
  encodeSevCertificate,
  isMalformed,
  parseSevCertificate,
  withSignature,
} from '../../../src/spec/sev/certificates.js'
import { PacketHeader, SessionLayout } from '../../../src/spec/sev/command-buffers.js'
import { SevPolicy } from '../../../src/spec/sev/policy.js'
import type { Attack } from '../attack.js'
import { type Guest, places, publisher, SECRET, type Stage } from '../stage.js'

/** The provider's own key in the place of a receiving platform's, with certificates that he has made up around it. */
const attackersKey = scalarFrom('P-384', new Uint8Array(64).fill(0x66))

function forgedReceiver(stage: Stage) {
  const { ownership } = stage.machine.driver
  const real = ownership.pdhCertExport()
  const publicKey: EcPublicKey = { kind: 'ec', curve: 'P-384', ...ecPublicPoint('P-384', attackersKey)! }
  const body = encodeSevCertificate({ apiMajor: 0, apiMinor: 24, usage: 'PDH', algo: 'ECDH_SHA256', publicKey })
  // The signature of a real PDH, moved over: the best that can be had without the PEK.
  return { ...real, pdh: withSignature(body, 1, CertificateUsage.PEK, 2, real.pdh.subarray(0x41c, 0x61c)) }
}

/** SEND_START to the provider himself; what he sends is what he then reads. */
function send(stage: Stage, victim: Guest): Uint8Array {
  const { driver } = stage.machine
  const own = parseSevCertificate(driver.ownership.pdhCertExport().pdh)
  assert.ok(!isMalformed(own) && own.publicKey.kind === 'ec')
  const nothing = { ask: new Uint8Array(0x640), ark: new Uint8Array(0x640) }
  const { session } = driver.transfer.sendStart(victim.handle, forgedReceiver(stage), nothing)
  const packet = driver.transfer.sendUpdateData(victim.handle, victim.spa(places.secret), SECRET.length)
  const { nonce, wrapTk, wrapIv } = SessionLayout.decode(session)
  const master = kdfCounter(ecdhShared('P-384', attackersKey, own.publicKey)!, ascii('sev-master-secret'), nonce, 128)
  const tek = aes128Ctr(kdfCounter(master, ascii('sev-kek'), new Uint8Array(0), 128), wrapIv, wrapTk).subarray(0, 16)
  return Uint8Array.from(aes128Ctr(tek, PacketHeader.decode(packet.header).iv, packet.data))
}

function refusal(stage: Stage, policy: number): string {
  const victim = stage.startVictim(publisher(), { policy })
  try {
    send(stage, victim)
  } catch (error) {
    if (error instanceof SevError) return error.statusName
    throw error
  }
  return assert.fail('the guest was sent')
}

export const sendAllowed: Attack = {
  name: "Send the guest to a key of one's own where its policy does not ask who receives",
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'succeeds', says: 'the plaintext: the provider unwraps the transport keys himself' } },
  why: 'Only policy bits 4 and 5 (DOMAIN, SEV) make SEND_START look at the receiver (55766, 6.9): an owner with secrets sets NOSEND or SEV.',
  attempt(stage) {
    const victim = stage.startVictim(publisher(), { policy: SevPolicy.NODBG })
    return equalBytes(send(stage, victim), SECRET) ? 'succeeds' : 'garbles'
  },
}

export const sendForged: Attack = {
  name: 'Send the guest to a platform with a forged certificate chain',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'BAD_SIGNATURE' } },
  why: "With policy bit 5, SEV, the receiver's PDH must be signed by a PEK whose chip the vendor has endorsed (55766, 6.9).",
  attempt(stage) {
    assert.equal(refusal(stage, SevPolicy.NODBG | SevPolicy.SEV), 'BAD_SIGNATURE')
    return 'refused'
  },
}

export const sendForbidden: Attack = {
  name: 'Send a guest whose policy forbids it',
  layer: 'secure processor',
  powers: ['mailbox'],
  outcome: { none: undefined, sev: { verdict: 'refused', says: 'POLICY_FAILURE' } },
  why: 'Policy bit 3, NOSEND (55766, guest policy; 6.9).',
  attempt(stage) {
    assert.equal(refusal(stage, SevPolicy.NODBG | SevPolicy.NOSEND), 'POLICY_FAILURE')
    return 'refused'
  },
}
