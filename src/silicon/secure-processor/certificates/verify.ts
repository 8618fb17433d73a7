import { equalBytes, reversedBytes } from '../../../lib/bytes.js'
import { ecdsaVerify, rsaPssVerify } from '../../../lib/crypto.js'
import {
  type CaCertificate,
  caCertificateBytes,
  CertificateAlgo,
  CertificateUsage,
  ecdsaSignatureParts,
  isMalformed,
  parseCaCertificate,
  parseSevCertificate,
  PlatformCertificatesLayout,
  rsaSignatureNumber,
  type SevCertificate,
} from '../../../spec/sev/certificates.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'

/** The chip's own judgement of certificates that the host hands in (document 55766, appendices B and C). */

const hashOf: ReadonlyMap<number, 'sha256' | 'sha384'> = new Map([
  [CertificateAlgo.RSA_SHA256, 'sha256'],
  [CertificateAlgo.RSA_SHA384, 'sha384'],
  [CertificateAlgo.ECDSA_SHA256, 'sha256'],
  [CertificateAlgo.ECDSA_SHA384, 'sha384'],
])
const rsaAlgos: readonly number[] = [CertificateAlgo.RSA_SHA256, CertificateAlgo.RSA_SHA384]

/** A certificate of the named usage, or undefined. */
export function certificateFor(usage: 'OCA' | 'PEK' | 'PDH' | 'CEK', bytes: Uint8Array): SevCertificate | undefined {
  const certificate = parseSevCertificate(bytes)
  return isMalformed(certificate) || certificate.usage !== CertificateUsage[usage] ? undefined : certificate
}

/** Is one of the signatures of `signed` by `signer`'s key? */
export function signedBy(signer: SevCertificate | CaCertificate, signed: SevCertificate): boolean {
  const { publicKey } = signer
  return signed.signatures.some(({ usage, algo, field }) => {
    const hash = hashOf.get(algo)
    if (usage !== signer.usage || !hash || rsaAlgos.includes(algo) !== (publicKey.kind === 'rsa')) return false
    if (publicKey.kind === 'rsa') {
      const signature = rsaSignatureNumber(field, publicKey.bits)
      return signature !== undefined && rsaPssVerify(hash, publicKey.modulus, publicKey.exponent, signed.signed, signature)
    }
    const signature = ecdsaSignatureParts(field, publicKey.curve)
    return signature !== undefined && ecdsaVerify(publicKey.curve, hash, publicKey, signed.signed, signature)
  })
}

function caSignedBy(signer: CaCertificate, signed: CaCertificate): boolean {
  const { bits, modulus, exponent } = signer.publicKey
  if (!equalBytes(signed.certifyingId, signer.keyId) || signed.signature.length !== bits / 8) return false
  return rsaPssVerify(bits === 2048 ? 'sha256' : 'sha384', modulus, exponent, signed.signed, reversedBytes(signed.signature))
}

export interface PlatformChain {
  readonly pek: SevCertificate
  readonly oca: SevCertificate
  readonly cek: SevCertificate
}

/** PEK, OCA and CEK in the form of PDH_CERT_EXPORT. */
export function parsePlatformChain(bytes: Uint8Array): PlatformChain | undefined {
  const { pek, oca, cek } = PlatformCertificatesLayout.decode(bytes)
  const chain = { pek: certificateFor('PEK', pek), oca: certificateFor('OCA', oca), cek: certificateFor('CEK', cek) }
  return chain.pek && chain.oca && chain.cek ? (chain as PlatformChain) : undefined
}

/** ASK then ARK. Is `cek` endorsed under the root in this chip's own fuses? */
export function checkEndorsement(amdCertificates: Uint8Array, cek: SevCertificate, root: Uint8Array | undefined): SevStatusCode {
  const askBytes = caCertificateBytes(amdCertificates)
  if (askBytes === undefined) return SevStatus.INVALID_CERTIFICATE
  const ask = parseCaCertificate(amdCertificates.subarray(0, askBytes))
  const ark = parseCaCertificate(amdCertificates.subarray(askBytes))
  if (isMalformed(ask) || isMalformed(ark)) return SevStatus.INVALID_CERTIFICATE
  if (ask.usage !== CertificateUsage.ASK || ark.usage !== CertificateUsage.ARK) return SevStatus.INVALID_CERTIFICATE
  if (!root || !equalBytes(root, ark.raw)) return SevStatus.INVALID_CERTIFICATE
  return caSignedBy(ark, ask) && signedBy(ask, cek) ? SevStatus.SUCCESS : SevStatus.BAD_SIGNATURE
}
