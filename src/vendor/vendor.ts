import { concatBytes, reversedBytes } from '../lib/bytes.js'
import { hmacSha256, hmacSha384, rsaGenerate, type RsaKey, sha256 } from '../lib/crypto.js'
import { rsaPssSign } from '../lib/rsa-pss.js'
import {
  CertificateAlgo,
  CertificateUsage,
  encodeCaCertificateBody,
  encodeSevCertificate,
  type RsaPublicKey,
  SEV_CERTIFICATE_SIGNED_BYTES,
  withSignature,
} from '../spec/sev/certificates.js'
import { SEV_API_MAJOR, SEV_API_MINOR } from '../spec/sev/mailbox.js'
import { endorsementPublicKey } from '../silicon/secure-processor/endorsement.js'

/** Who makes chips: a root (ARK), a signing key under it (ASK), and the endorsement of chips with the latter (document 55766, appendix B). */
export interface Vendor {
  readonly ark: Uint8Array
  readonly ask: Uint8Array
  /** The CEK certificate of the chip with this secret. The same chip always gets the same bytes. */
  endorse(chipSecret: Uint8Array): Uint8Array
}

function bitsOf({ modulus }: RsaKey): 2048 | 4096 {
  return modulus.length === 256 ? 2048 : 4096
}

function publicHalf(key: RsaKey): RsaPublicKey {
  return { kind: 'rsa', bits: bitsOf(key), modulus: key.modulus, exponent: key.exponent }
}

function keyId({ modulus }: RsaKey): Uint8Array {
  return sha256(modulus).slice(0, 16)
}

/** PSS with SHA-256 for 2048 bits and SHA-384 for 4096, little-endian. The salt follows from key and data, so that endorsing repeats. */
function signLittleEndian(key: RsaKey, data: Uint8Array): Uint8Array {
  const signature =
    bitsOf(key) === 2048
      ? rsaPssSign('sha256', key, data, hmacSha256(key.pkcs8, data))
      : rsaPssSign('sha384', key, data, hmacSha384(key.pkcs8, data))
  return reversedBytes(signature)
}

/** A vendor whose root has been published: only its signing key is still needed. */
export function vendorWith(ark: Uint8Array, ask: Uint8Array, askKey: RsaKey): Vendor {
  return {
    ark,
    ask,
    endorse(chipSecret) {
      const body = encodeSevCertificate({
        apiMajor: SEV_API_MAJOR,
        apiMinor: SEV_API_MINOR,
        usage: 'CEK',
        algo: 'ECDSA_SHA256',
        publicKey: endorsementPublicKey(chipSecret),
      })
      const algo = bitsOf(askKey) === 2048 ? CertificateAlgo.RSA_SHA256 : CertificateAlgo.RSA_SHA384
      return withSignature(body, 1, CertificateUsage.ASK, algo, signLittleEndian(askKey, body.subarray(0, SEV_CERTIFICATE_SIGNED_BYTES)))
    },
  }
}

/** The certificates of a new root and of a signing key under it. */
export function certifyRoot(arkKey: RsaKey, askKey: RsaKey): { readonly ark: Uint8Array; readonly ask: Uint8Array } {
  const certifyingId = keyId(arkKey)
  const certify = (key: RsaKey, usage: 'ARK' | 'ASK'): Uint8Array => {
    const body = encodeCaCertificateBody({ keyId: keyId(key), certifyingId, usage, publicKey: publicHalf(key) })
    return concatBytes(body, signLittleEndian(arkKey, body))
  }
  return { ark: certify(arkKey, 'ARK'), ask: certify(askKey, 'ASK') }
}

/** A vendor nobody has heard of, with new keys. 4096 bits take seconds. */
export function foundVendor(bits: 2048 | 4096 = 2048): Vendor {
  const [arkKey, askKey] = [rsaGenerate(bits), rsaGenerate(bits)]
  const { ark, ask } = certifyRoot(arkKey, askKey)
  return vendorWith(ark, ask, askKey)
}
