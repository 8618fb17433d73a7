import { assert } from '../../lib/assert.js'
import { ascii, concatBytes, u32le } from '../../lib/bytes.js'
import { aes128Ctr, ecdhShared, ecPublicPoint, hmacSha256, kdfCounter } from '../../lib/crypto.js'
import { ecdsaSignDeterministic, scalarFrom } from '../../lib/ecdsa.js'
import {
  CertificateAlgo,
  CertificateUsage,
  type EcPublicKey,
  ecdsaSignatureField,
  encodeSevCertificate,
  SEV_CERTIFICATE_SIGNED_BYTES,
  withSignature,
} from '../../spec/sev/certificates.js'
import { SessionLayout } from '../../spec/sev/command-buffers.js'

export type Random = (bytes: number) => Uint8Array

/** What only the owner may ever see, until the guest is his: transport encryption and integrity keys. */
export interface TransportKeys {
  readonly tek: Uint8Array
  readonly tik: Uint8Array
}

export interface LaunchSession extends TransportKeys {
  /** The owner's Diffie-Hellman certificate ("godh") and the session buffer: both go to the host, which can open neither. */
  readonly godh: Uint8Array
  readonly blob: Uint8Array
}

export interface Platform {
  /** PDH of the platform that is to run the guest. Its chain must have been verified before. */
  readonly pdh: EcPublicKey
  readonly apiMajor: number
  readonly apiMinor: number
}

const KEY_BYTES = 16
const KEY_MATERIAL_BYTES = 64

/** 55766 section 6.2.1: a session that this platform, and no other, can open, for a guest with exactly this policy. */
export function makeLaunchSession({ pdh, apiMajor, apiMinor }: Platform, policy: number, random: Random): LaunchSession {
  const { curve } = pdh
  const d = scalarFrom(curve, random(KEY_MATERIAL_BYTES))
  const point = ecPublicPoint(curve, d)
  assert(point, 'a new scalar is valid')
  const z = ecdhShared(curve, d, pdh)
  if (!z) throw new RangeError("the platform's PDH is no point of its curve")
  const body = encodeSevCertificate({ apiMajor, apiMinor, usage: 'PDH', algo: 'ECDH_SHA256', publicKey: { kind: 'ec', curve, ...point } })
  // Firmware does not check this signature: the key signs itself, as AMD's own tool has it.
  const { r, s } = ecdsaSignDeterministic(curve, 'sha256', d, body.subarray(0, SEV_CERTIFICATE_SIGNED_BYTES))
  const godh = withSignature(body, 1, CertificateUsage.PEK, CertificateAlgo.ECDSA_SHA256, ecdsaSignatureField(r, s))

  const [nonce, wrapIv, tek, tik] = [random(16), random(16), random(KEY_BYTES), random(KEY_BYTES)] as const
  const none = new Uint8Array(0)
  const master = kdfCounter(z, ascii('sev-master-secret'), nonce, 8 * KEY_BYTES)
  const kek = kdfCounter(master, ascii('sev-kek'), none, 8 * KEY_BYTES)
  const kik = kdfCounter(master, ascii('sev-kik'), none, 8 * KEY_BYTES)
  const wrapTk = Uint8Array.from(aes128Ctr(kek, wrapIv, concatBytes(tek, tik)))
  const macs = { wrapMac: hmacSha256(kik, wrapTk), policyMac: hmacSha256(tik, u32le(policy)) }
  return { godh, blob: SessionLayout.encode({ nonce, wrapTk, wrapIv, ...macs }), tek, tik }
}
