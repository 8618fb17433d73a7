import {
  CertificateUsage,
  type CertificateUsageName,
  encodeSevCertificate,
  SEV_CERTIFICATE_SIGNED_BYTES,
  withSignature,
} from '../../../spec/sev/certificates.js'
import { SEV_API_MAJOR, SEV_API_MINOR } from '../../../spec/sev/mailbox.js'
import { type KeyPair, sign } from '../keys.js'

/** Certificates that the chip issues itself: for keys on P-384 (document 55766, appendix C). */

export function unsignedCertificate(usage: 'OCA' | 'PEK' | 'PDH' | 'CEK', key: KeyPair): Uint8Array {
  const algo = usage === 'PDH' ? 'ECDH_SHA256' : 'ECDSA_SHA256'
  return encodeSevCertificate({ apiMajor: SEV_API_MAJOR, apiMinor: SEV_API_MINOR, usage, algo, publicKey: key.publicKey })
}

/** `certificate` with the signer's signature in `slot`. */
export function signCertificate(certificate: Uint8Array, slot: 1 | 2, usage: CertificateUsageName, signer: KeyPair): Uint8Array {
  const { algo, field } = sign(signer, certificate.subarray(0, SEV_CERTIFICATE_SIGNED_BYTES))
  return withSignature(certificate, slot, CertificateUsage[usage], algo, field)
}
