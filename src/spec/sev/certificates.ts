// Certificates in their binary forms. Document 55766, appendix B (AMD's signing keys: ARK, ASK) and appendix C (platform and
// owner keys). Numbers are little-endian. Layouts and the passage between bytes and values; signatures are verified elsewhere.

import { concatBytes, isZero, reversedBytes, zeroPadded } from '../../lib/bytes.js'
import { bytes, layout, u16, u32, u8 } from '../../lib/layout.js'

/** 55766 table C-1, USAGE. */
export const CertificateUsage = { ARK: 0x0000, ASK: 0x0013, INVALID: 0x1000, OCA: 0x1001, PEK: 0x1002, PDH: 0x1003, CEK: 0x1004 } as const
export type CertificateUsageName = keyof typeof CertificateUsage

/** 55766 table C-1, ALGO. Bit 8: SHA-384 in place of SHA-256. */
export const CertificateAlgo = {
  INVALID: 0x000,
  RSA_SHA256: 0x001,
  ECDSA_SHA256: 0x002,
  ECDH_SHA256: 0x003,
  RSA_SHA384: 0x101,
  ECDSA_SHA384: 0x102,
  ECDH_SHA384: 0x103,
} as const

const usageNames = new Map<number, CertificateUsageName>(
  Object.entries(CertificateUsage).map(([name, code]) => [code, name as CertificateUsageName]),
)

export function usageName(usage: number): string {
  return usageNames.get(usage) ?? `usage 0x${usage.toString(16)}`
}

/** 55766 table C-2. */
export const EcCurve = { P256: 1, P384: 2 } as const

/** 55766 table C-1. */
export const SevCertificateLayout = layout('SEV_CERT', 0x824, {
  version: u32(0x000),
  apiMajor: u8(0x004),
  apiMinor: u8(0x005),
  reserved_6: u16(0x006),
  publicKeyUsage: u32(0x008),
  publicKeyAlgo: u32(0x00c),
  publicKey: bytes(0x010, 0x404),
  sig1Usage: u32(0x414),
  sig1Algo: u32(0x418),
  sig1: bytes(0x41c, 0x200),
  sig2Usage: u32(0x61c),
  sig2Algo: u32(0x620),
  sig2: bytes(0x624, 0x200),
})
export const SEV_CERTIFICATE_BYTES = 0x824
/** VERSION to PUBKEY: what both signatures cover. */
export const SEV_CERTIFICATE_SIGNED_BYTES = 0x414
export const CERTIFICATE_VERSION = 1

/** 55766 tables C-4 and C-5: ECDSA and ECDH public keys. */
export const EcPublicKeyLayout = layout('EC_PUBKEY', 0x404, {
  curve: u32(0x00),
  qx: bytes(0x04, 72),
  qy: bytes(0x4c, 72),
  reserved_94: bytes(0x94, 0x370),
})

/** 55766 table C-3. MODULUS_SIZE is in bits. */
export const RsaPublicKeyLayout = layout('RSA_PUBKEY', 0x404, {
  modulusBits: u32(0x00),
  exponent: bytes(0x04, 512),
  modulus: bytes(0x204, 512),
})

/** 55766 table C-7. */
export const EcdsaSignatureLayout = layout('ECDSA_SIG', 0x200, { r: bytes(0x00, 72), s: bytes(0x48, 72), reserved_90: bytes(0x90, 0x170) })

/** 55766 table B-1, up to the fields whose length the certificate states: PUBEXP, MODULUS and SIGNATURE follow. */
export const CaCertificateHeader = layout('AMD_CERT', 0x40, {
  version: u32(0x00),
  keyId: bytes(0x04, 16),
  certifyingId: bytes(0x14, 16),
  keyUsage: u32(0x24),
  reserved_28: bytes(0x28, 16),
  exponentBits: u32(0x38),
  modulusBits: u32(0x3c),
})

export const SIGNATURE_BYTES = 0x200

/** PDH_CERT_EXPORT and SEND_START: PEK, OCA and CEK, one behind the other. */
export const PlatformCertificatesLayout = layout('PLATFORM_CERTS', 3 * SEV_CERTIFICATE_BYTES, {
  pek: bytes(0x0000, SEV_CERTIFICATE_BYTES),
  oca: bytes(0x0824, SEV_CERTIFICATE_BYTES),
  cek: bytes(0x1048, SEV_CERTIFICATE_BYTES),
})

export type CurveName = 'P-256' | 'P-384'
export const coordinateBytes = { 'P-256': 32, 'P-384': 48 } as const

/** Numbers are big-endian, as cryptographic libraries take them. */
export interface EcPublicKey {
  readonly kind: 'ec'
  readonly curve: CurveName
  readonly x: Uint8Array
  readonly y: Uint8Array
}
export interface RsaPublicKey {
  readonly kind: 'rsa'
  readonly bits: 2048 | 4096
  readonly modulus: Uint8Array
  readonly exponent: Uint8Array
}

export interface CertificateSignature {
  readonly usage: number
  readonly algo: number
  /** The field as it stands: what it means depends on the signer's key. */
  readonly field: Uint8Array
}

export interface SevCertificate {
  /** Exactly the bytes that were parsed. */
  readonly raw: Uint8Array
  readonly signed: Uint8Array
  readonly apiMajor: number
  readonly apiMinor: number
  readonly usage: number
  readonly algo: number
  readonly publicKey: EcPublicKey | RsaPublicKey
  /** Those of the two that are present. */
  readonly signatures: readonly CertificateSignature[]
}

export interface CaCertificate {
  readonly raw: Uint8Array
  readonly signed: Uint8Array
  readonly keyId: Uint8Array
  readonly certifyingId: Uint8Array
  readonly usage: number
  readonly publicKey: RsaPublicKey
  readonly signature: Uint8Array
}

/** What is wrong with the bytes, in words. */
export interface Malformed {
  readonly malformed: string
}

export function isMalformed<T extends object>(result: T | Malformed): result is Malformed {
  return 'malformed' in result
}

const malformed = (reason: string): Malformed => ({ malformed: reason })

/** Only the low bytes of a little-endian field may be used. */
function littleEndian(field: Uint8Array, length: number): Uint8Array | undefined {
  return isZero(field.subarray(length)) ? reversedBytes(field.subarray(0, length)) : undefined
}

function parseEcPublicKey(field: Uint8Array): EcPublicKey | Malformed {
  const { curve: code, qx, qy } = EcPublicKeyLayout.decode(field)
  if (code !== EcCurve.P256 && code !== EcCurve.P384) return malformed(`the public key names curve ${code}`)
  const curve = code === EcCurve.P256 ? 'P-256' : 'P-384'
  const x = littleEndian(qx, coordinateBytes[curve])
  const y = littleEndian(qy, coordinateBytes[curve])
  if (!x || !y) return malformed('a coordinate of the public key is longer than its curve')
  if (EcPublicKeyLayout.reservedViolation(field)) return malformed('bytes after the public key are not zero')
  return { kind: 'ec', curve, x, y }
}

function parseRsaPublicKey(field: Uint8Array): RsaPublicKey | Malformed {
  const { modulusBits, exponent, modulus } = RsaPublicKeyLayout.decode(field)
  return rsaKey(modulusBits, exponent, modulus)
}

function rsaKey(bits: number, exponentField: Uint8Array, modulusField: Uint8Array): RsaPublicKey | Malformed {
  if (bits !== 2048 && bits !== 4096) return malformed(`an RSA key of ${bits} bits`)
  const exponent = littleEndian(exponentField, bits / 8)
  const modulus = littleEndian(modulusField, bits / 8)
  if (!exponent || !modulus) return malformed('a number of the RSA key is longer than the key')
  const first = exponent.findIndex((byte) => byte !== 0)
  if (first < 0 || modulus[0]! < 0x80) return malformed(`the RSA key is none of ${bits} bits`)
  return { kind: 'rsa', bits, modulus, exponent: exponent.slice(first) }
}

const rsaAlgos: readonly number[] = [CertificateAlgo.RSA_SHA256, CertificateAlgo.RSA_SHA384]
const ecAlgos: readonly number[] = [
  CertificateAlgo.ECDSA_SHA256,
  CertificateAlgo.ECDSA_SHA384,
  CertificateAlgo.ECDH_SHA256,
  CertificateAlgo.ECDH_SHA384,
]

/** Every byte of the 0x824 is judged: one that means nothing must be zero. */
export function parseSevCertificate(input: Uint8Array): SevCertificate | Malformed {
  if (input.length !== SEV_CERTIFICATE_BYTES) return malformed(`it has ${input.length} bytes, not ${SEV_CERTIFICATE_BYTES}`)
  const raw = input.slice()
  const values = SevCertificateLayout.decode(raw)
  if (values.version !== CERTIFICATE_VERSION) return malformed(`its version is ${values.version}, not 1`)
  if (values.reserved_6 !== 0) return malformed('its reserved bytes are not zero')
  if (!usageNames.has(values.publicKeyUsage)) return malformed(`its key has the unknown ${usageName(values.publicKeyUsage)}`)
  const algo = values.publicKeyAlgo
  const parse = rsaAlgos.includes(algo) ? parseRsaPublicKey : ecAlgos.includes(algo) ? parseEcPublicKey : undefined
  if (!parse) return malformed(`its key has the unknown algorithm 0x${algo.toString(16)}`)
  const publicKey = parse(values.publicKey)
  if (isMalformed(publicKey)) return publicKey
  const signatures: CertificateSignature[] = []
  for (const [usage, signatureAlgo, field] of [
    [values.sig1Usage, values.sig1Algo, values.sig1],
    [values.sig2Usage, values.sig2Algo, values.sig2],
  ] as const) {
    const absent = usage === CertificateUsage.INVALID
    if (absent && (signatureAlgo !== 0 || !isZero(field))) return malformed('a signature that is marked as absent is not empty')
    if (!absent) signatures.push({ usage, algo: signatureAlgo, field })
  }
  const { apiMajor, apiMinor, publicKeyUsage: usage } = values
  return { raw, signed: raw.subarray(0, SEV_CERTIFICATE_SIGNED_BYTES), apiMajor, apiMinor, usage, algo, publicKey, signatures }
}

/** Length of the CA certificate that begins at `input`, or undefined where its header states no valid one. */
export function caCertificateBytes(input: Uint8Array): number | undefined {
  if (input.length < CaCertificateHeader.bytes) return undefined
  const { exponentBits, modulusBits } = CaCertificateHeader.decode(input)
  if (![2048, 4096].includes(modulusBits) || exponentBits !== modulusBits) return undefined
  return CaCertificateHeader.bytes + exponentBits / 8 + 2 * (modulusBits / 8)
}

export function parseCaCertificate(input: Uint8Array): CaCertificate | Malformed {
  const length = caCertificateBytes(input)
  if (length === undefined) return malformed('its header states no valid key length')
  if (length !== input.length) return malformed(`it has ${input.length} bytes, not the ${length} of its key length`)
  const raw = input.slice()
  const header = CaCertificateHeader.decode(raw)
  if (header.version !== CERTIFICATE_VERSION) return malformed(`its version is ${header.version}, not 1`)
  if (CaCertificateHeader.reservedViolation(raw)) return malformed('its reserved bytes are not zero')
  const part = header.modulusBits / 8
  const signedBytes = CaCertificateHeader.bytes + 2 * part
  const publicKey = rsaKey(
    header.modulusBits,
    raw.subarray(CaCertificateHeader.bytes, signedBytes - part),
    raw.subarray(signedBytes - part, signedBytes),
  )
  if (isMalformed(publicKey)) return publicKey
  const { keyId, certifyingId, keyUsage: usage } = header
  return { raw, signed: raw.subarray(0, signedBytes), keyId, certifyingId, usage, publicKey, signature: raw.slice(signedBytes) }
}

/** 55766 table C-4. */
export function ecPublicKeyField({ curve, x, y }: EcPublicKey): Uint8Array {
  const code = curve === 'P-256' ? EcCurve.P256 : EcCurve.P384
  return EcPublicKeyLayout.encode({ curve: code, qx: zeroPadded(reversedBytes(x), 72), qy: zeroPadded(reversedBytes(y), 72) })
}

export function rsaPublicKeyField({ bits, modulus, exponent }: RsaPublicKey): Uint8Array {
  const field = (value: Uint8Array): Uint8Array => zeroPadded(reversedBytes(value), 512)
  return RsaPublicKeyLayout.encode({ modulusBits: bits, exponent: field(exponent), modulus: field(modulus) })
}

/** R and S, big-endian, to the signature field. */
export function ecdsaSignatureField(r: Uint8Array, s: Uint8Array): Uint8Array {
  return EcdsaSignatureLayout.encode({ r: zeroPadded(reversedBytes(r), 72), s: zeroPadded(reversedBytes(s), 72) })
}

/** R and S of a signature by a key of `curve`, or undefined where bytes beyond them are not zero. */
export function ecdsaSignatureParts(field: Uint8Array, curve: CurveName): { r: Uint8Array; s: Uint8Array } | undefined {
  const values = EcdsaSignatureLayout.decode(field)
  const [r, s] = [littleEndian(values.r, coordinateBytes[curve]), littleEndian(values.s, coordinateBytes[curve])]
  return r && s && isZero(values.reserved_90) ? { r, s } : undefined
}

/** The big-endian signature by an RSA key of `bits`, or undefined where bytes beyond it are not zero. */
export function rsaSignatureNumber(field: Uint8Array, bits: number): Uint8Array | undefined {
  return littleEndian(field, bits / 8)
}

export interface SevCertificateBody {
  readonly apiMajor: number
  readonly apiMinor: number
  readonly usage: CertificateUsageName
  readonly algo: keyof typeof CertificateAlgo
  readonly publicKey: EcPublicKey | RsaPublicKey
}

/** A certificate without signatures. */
export function encodeSevCertificate({ apiMajor, apiMinor, usage, algo, publicKey }: SevCertificateBody): Uint8Array {
  return SevCertificateLayout.encode({
    version: CERTIFICATE_VERSION,
    apiMajor,
    apiMinor,
    publicKeyUsage: CertificateUsage[usage],
    publicKeyAlgo: CertificateAlgo[algo],
    publicKey: publicKey.kind === 'ec' ? ecPublicKeyField(publicKey) : rsaPublicKeyField(publicKey),
    sig1Usage: CertificateUsage.INVALID,
    sig2Usage: CertificateUsage.INVALID,
  })
}

/** The certificate with signature 1 or 2 set. */
export function withSignature(certificate: Uint8Array, slot: 1 | 2, usage: number, algo: number, field: Uint8Array): Uint8Array {
  const signed = certificate.slice()
  const view = SevCertificateLayout.view(signed)
  const padded = zeroPadded(field, SIGNATURE_BYTES)
  if (slot === 1) Object.assign(view, { sig1Usage: usage, sig1Algo: algo, sig1: padded })
  else Object.assign(view, { sig2Usage: usage, sig2Algo: algo, sig2: padded })
  return signed
}

export interface CaCertificateBody {
  readonly keyId: Uint8Array
  readonly certifyingId: Uint8Array
  readonly usage: 'ARK' | 'ASK'
  readonly publicKey: RsaPublicKey
}

/** The part of a CA certificate that its signature covers. */
export function encodeCaCertificateBody({ keyId, certifyingId, usage, publicKey }: CaCertificateBody): Uint8Array {
  const { bits, exponent, modulus } = publicKey
  const header = CaCertificateHeader.encode({
    version: CERTIFICATE_VERSION,
    keyId,
    certifyingId,
    keyUsage: CertificateUsage[usage],
    exponentBits: bits,
    modulusBits: bits,
  })
  return concatBytes(header, zeroPadded(reversedBytes(exponent), bits / 8), reversedBytes(modulus))
}
