import { assert } from '../../lib/assert.js'
import { ascii } from '../../lib/bytes.js'
import { ecdhShared, ecPublicPoint, kdfCounter } from '../../lib/crypto.js'
import { ecdsaSignDeterministic, scalarFrom } from '../../lib/ecdsa.js'
import { CertificateAlgo, ecdsaSignatureField, type EcPublicKey } from '../../spec/sev/certificates.js'

/** Keys on P-384, the only curve on which this firmware makes keys (document 55766, section 2.1). */
export interface KeyPair {
  /** The private scalar, big-endian. Leaves the secure processor sealed only. */
  readonly d: Uint8Array
  readonly publicKey: EcPublicKey
}

const CURVE = 'P-384'
export const SCALAR_BYTES = 48
/** Random bytes that make a key: 16 more than the scalar has. */
const KEY_MATERIAL_BYTES = 64

export function keyPairOf(d: Uint8Array): KeyPair | undefined {
  const point = ecPublicPoint(CURVE, d)
  return point && { d, publicKey: { kind: 'ec', curve: CURVE, ...point } }
}

export function makeKeyPair(random: (bytes: number) => Uint8Array): KeyPair {
  const pair = keyPairOf(scalarFrom(CURVE, random(KEY_MATERIAL_BYTES)))
  assert(pair, 'scalarFrom yields valid scalars')
  return pair
}

/** A key that is the same whenever it is derived from the same chip secret. */
export function deriveKeyPair(chipSecret: Uint8Array, label: string): KeyPair {
  return makeKeyPair((bytes) => kdfCounter(chipSecret, ascii(label), new Uint8Array(0), 8 * bytes))
}

/** The signature field of a certificate or report, and the algorithm that goes with it. */
export function sign({ d }: KeyPair, data: Uint8Array): { algo: number; field: Uint8Array } {
  const { r, s } = ecdsaSignDeterministic(CURVE, 'sha256', d, data)
  return { algo: CertificateAlgo.ECDSA_SHA256, field: ecdsaSignatureField(r, s) }
}

/** ECDH with a peer's public key; undefined where that is on another curve or on none. */
export function sharedSecret({ d }: KeyPair, peer: EcPublicKey): Uint8Array | undefined {
  return peer.curve === CURVE ? ecdhShared(CURVE, d, peer) : undefined
}
