import { assert } from '../../lib/assert.js'
import { ecPublicPoint } from '../../lib/crypto.js'
import { ecdsaSignDeterministic, scalarFrom } from '../../lib/ecdsa.js'
import {
  CertificateAlgo,
  CertificateUsage,
  ecdsaSignatureField,
  encodeSevCertificate,
  isMalformed,
  parseSevCertificate,
  SEV_CERTIFICATE_SIGNED_BYTES,
  withSignature,
} from '../../spec/sev/certificates.js'
import type { Random } from '../session/session.js'

/**
 * Platforms of one owner are a domain: policy bit DOMAIN keeps a guest within it. A platform is his when its PEK bears the signature of his OCA key
 * (document 55766, PEK_CSR and PEK_CERT_IMPORT).
 */

const CURVE = 'P-384'
const KEY_MATERIAL_BYTES = 64

/** The private half of a new OCA key. */
export function newOwnerKey(random: Random): Uint8Array {
  return scalarFrom(CURVE, random(KEY_MATERIAL_BYTES))
}

/** The OCA certificate of `key`, signed by itself; undefined where `key` is none. The same key always has the same certificate. */
export function ownerCertificate(key: Uint8Array): Uint8Array | undefined {
  const point = ecPublicPoint(CURVE, key)
  if (!point) return undefined
  const publicKey = { kind: 'ec', curve: CURVE, ...point } as const
  return signedByOwner(key, encodeSevCertificate({ apiMajor: 0, apiMinor: 0, usage: 'OCA', algo: 'ECDSA_SHA384', publicKey }))
}

/** The PEK that PEK_CSR gave out, signed; undefined where `request` is no such thing. */
export function signPlatformKey(key: Uint8Array, request: Uint8Array): Uint8Array | undefined {
  const pek = parseSevCertificate(request)
  if (isMalformed(pek) || pek.usage !== CertificateUsage.PEK || pek.signatures.length > 0) return undefined
  return signedByOwner(key, request)
}

function signedByOwner(key: Uint8Array, certificate: Uint8Array): Uint8Array {
  assert(key.length === 48, 'a scalar of P-384')
  const { r, s } = ecdsaSignDeterministic(CURVE, 'sha384', key, certificate.subarray(0, SEV_CERTIFICATE_SIGNED_BYTES))
  return withSignature(certificate, 1, CertificateUsage.OCA, CertificateAlgo.ECDSA_SHA384, ecdsaSignatureField(r, s))
}
