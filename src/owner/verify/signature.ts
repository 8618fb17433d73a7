import { ecdsaVerify, rsaPssVerify } from '../../lib/crypto.js'
import {
  CertificateAlgo,
  type EcPublicKey,
  ecdsaSignatureParts,
  type RsaPublicKey,
  rsaSignatureNumber,
} from '../../spec/sev/certificates.js'
import { reversedBytes } from '../../lib/bytes.js'

/** Bytes and who is said to have signed them: is it true? Nothing here says whether the signer is trusted. */

/** Signature of one of the two fields of a SEV certificate, or of an attestation report (55766 appendix C). */
export function signatureHolds(key: EcPublicKey | RsaPublicKey, algo: number, signed: Uint8Array, field: Uint8Array): boolean {
  if (key.kind === 'rsa') {
    const signature = rsaSignatureNumber(field, key.bits)
    const hash = algo === CertificateAlgo.RSA_SHA256 ? 'sha256' : algo === CertificateAlgo.RSA_SHA384 ? 'sha384' : undefined
    return hash !== undefined && signature !== undefined && rsaPssVerify(hash, key.modulus, key.exponent, signed, signature)
  }
  const signature = ecdsaSignatureParts(field, key.curve)
  const hash = algo === CertificateAlgo.ECDSA_SHA256 ? 'sha256' : algo === CertificateAlgo.ECDSA_SHA384 ? 'sha384' : undefined
  return hash !== undefined && signature !== undefined && ecdsaVerify(key.curve, hash, key, signed, signature)
}

/** Signature under a CA certificate (55766 appendix B): SHA-256 with 2048 bits, SHA-384 with 4096. */
export function caSignatureHolds(key: RsaPublicKey, signed: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== key.bits / 8) return false
  return rsaPssVerify(key.bits === 2048 ? 'sha256' : 'sha384', key.modulus, key.exponent, signed, reversedBytes(signature))
}
