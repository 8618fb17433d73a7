import { ecPublicPoint } from '../../src/lib/crypto.js'
import { ecdsaSignDeterministic, scalarFrom } from '../../src/lib/ecdsa.js'
import {
  CertificateAlgo,
  CertificateUsage,
  ecdsaSignatureField,
  encodeSevCertificate,
  SEV_CERTIFICATE_SIGNED_BYTES,
  withSignature,
} from '../../src/spec/sev/certificates.js'

/** An owner outside the platform: a key, its self-signed certificate, and its signature on a PEK. */
export function outsideOwner(seed: number): { sign(certificate: Uint8Array): Uint8Array; readonly certificate: Uint8Array } {
  const d = scalarFrom('P-384', new Uint8Array(64).fill(seed))
  const sign = (certificate: Uint8Array): Uint8Array => {
    const { r, s } = ecdsaSignDeterministic('P-384', 'sha384', d, certificate.subarray(0, SEV_CERTIFICATE_SIGNED_BYTES))
    return withSignature(certificate, 1, CertificateUsage.OCA, CertificateAlgo.ECDSA_SHA384, ecdsaSignatureField(r, s))
  }
  const publicKey = { kind: 'ec', curve: 'P-384', ...ecPublicPoint('P-384', d)! } as const
  return { sign, certificate: sign(encodeSevCertificate({ apiMajor: 0, apiMinor: 0, usage: 'OCA', algo: 'ECDSA_SHA384', publicKey })) }
}
