import { ecb } from '@noble/ciphers/aes.js'
import * as node from 'node:crypto'
import { assert } from './assert.js'
import { concatBytes, u32le } from './bytes.js'

/** The only gateway to the platform's cryptography. All but `ecdsaSign`, `rsaGenerate` and `platformRandom` is a function of its arguments. */

/** AES-128 over whole 16-byte blocks without chaining or padding (FIPS 197, SP 800-38A ECB); the key is set up once. */
export interface BlockCipher128 {
  encrypt(blocks: Uint8Array): Uint8Array
  decrypt(blocks: Uint8Array): Uint8Array
}

export const AES_BLOCK_BYTES = 16
export const AES128_KEY_BYTES = 16

/** The platform's AES (AES-NI through Node). One cipher object per direction serves any number of calls: ECB keeps no state between blocks. */
export function aes128(key: Uint8Array): BlockCipher128 {
  assert(key.length === AES128_KEY_BYTES, 'AES-128 takes a 16-byte key')
  const encryptor = node.createCipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  const decryptor = node.createDecipheriv('aes-128-ecb', key, null).setAutoPadding(false)
  return {
    encrypt: (blocks) => encryptor.update(wholeBlocks(blocks)),
    decrypt: (blocks) => decryptor.update(wholeBlocks(blocks)),
  }
}

/** The same in plain TypeScript, for platforms without Node's crypto and as a check on it. */
export function aes128Pure(key: Uint8Array): BlockCipher128 {
  assert(key.length === AES128_KEY_BYTES, 'AES-128 takes a 16-byte key')
  const held = key.slice()
  return {
    encrypt: (blocks) => ecb(held, { disablePadding: true }).encrypt(wholeBlocks(blocks)),
    decrypt: (blocks) => ecb(held, { disablePadding: true }).decrypt(wholeBlocks(blocks)),
  }
}

function wholeBlocks(blocks: Uint8Array): Uint8Array {
  assert(blocks.length % AES_BLOCK_BYTES === 0, 'AES works on whole blocks')
  return blocks
}

/** AES-128-CTR (SP 800-38A), big-endian 128-bit counter from `iv`. Its own inverse. */
export function aes128Ctr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array {
  return node.createCipheriv('aes-128-ctr', key, iv).update(data)
}

const GCM_TAG_BYTES = 16

/** AES-256-GCM (SP 800-38D): ciphertext and 16-byte tag. An IV must not be used twice with one key. */
export function aes256GcmSeal(
  key: Uint8Array,
  iv: Uint8Array,
  plaintext: Uint8Array,
  aad: Uint8Array,
): { ciphertext: Uint8Array; tag: Uint8Array } {
  const cipher = node.createCipheriv('aes-256-gcm', key, iv).setAAD(aad)
  const ciphertext = concatBytes(cipher.update(plaintext), cipher.final())
  return { ciphertext, tag: plainBytes(cipher.getAuthTag()) }
}

/** The plaintext, or undefined where key, IV, ciphertext, tag or `aad` is not what was sealed. */
export function aes256GcmOpen(
  key: Uint8Array,
  iv: Uint8Array,
  sealed: { readonly ciphertext: Uint8Array; readonly tag: Uint8Array },
  aad: Uint8Array,
): Uint8Array | undefined {
  assert(sealed.tag.length === GCM_TAG_BYTES, 'a shortened tag is not accepted')
  const decipher = node.createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(sealed.tag)
  try {
    return concatBytes(decipher.update(sealed.ciphertext), decipher.final())
  } catch {
    return undefined
  }
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha256', parts)
}

export function sha384(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha384', parts)
}

function digest(algorithm: 'sha256' | 'sha384', parts: readonly Uint8Array[]): Uint8Array {
  const hash = node.createHash(algorithm)
  for (const part of parts) hash.update(part)
  return plainBytes(hash.digest())
}

/** SHA-256 of `content` as it is now, on another thread: `content` may change as soon as this has returned. */
export async function sha256Aside(content: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await node.webcrypto.subtle.digest('SHA-256', content))
}

export interface StreamingHash {
  update(part: Uint8Array): void
  /** The digest of everything so far; the stream goes on. */
  digest(): Uint8Array
}

export function sha256Stream(): StreamingHash {
  const hash = node.createHash('sha256')
  return {
    update: (part) => void hash.update(part),
    digest: () => plainBytes(hash.copy().digest()),
  }
}

export function hmacSha384(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = node.createHmac('sha384', key)
  for (const part of parts) mac.update(part)
  return plainBytes(mac.digest())
}

export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const mac = node.createHmac('sha256', key)
  for (const part of parts) mac.update(part)
  return plainBytes(mac.digest())
}

/** Comparison whose time does not depend on the bytes; different lengths are unequal. */
export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && node.timingSafeEqual(a, b)
}

/**
 * Key derivation in counter mode with HMAC-SHA-256 (SP 800-108), counter and length as 32-bit little-endian words:
 * HMAC(key, i || label || 00 || context || L), the form of document 55766 section 2.2.
 */
export function kdfCounter(key: Uint8Array, label: Uint8Array, context: Uint8Array, bits: number): Uint8Array {
  assert(bits > 0 && bits % 8 === 0, 'the KDF yields whole bytes')
  const blocks: Uint8Array[] = []
  for (let i = 1; blocks.length * 256 < bits; i++) {
    blocks.push(hmacSha256(key, u32le(i), label, Uint8Array.of(0), context, u32le(bits)))
  }
  return concatBytes(...blocks).slice(0, bits / 8)
}

export type Curve = 'P-256' | 'P-384'

/** Affine coordinates, big-endian, of the curve's length. */
export interface EcPoint {
  readonly x: Uint8Array
  readonly y: Uint8Array
}

const opensslName = { 'P-256': 'prime256v1', 'P-384': 'secp384r1' } as const
export const curveBytes = { 'P-256': 32, 'P-384': 48 } as const

/** The public point of private scalar `d` (big-endian). Undefined where `d` is no valid scalar. */
export function ecPublicPoint(curve: Curve, d: Uint8Array): EcPoint | undefined {
  try {
    const ecdh = node.createECDH(opensslName[curve])
    ecdh.setPrivateKey(d)
    return splitPoint(curve, ecdh.getPublicKey())
  } catch {
    return undefined
  }
}

/** ECDH: x-coordinate of d·Q. Undefined where Q is not on the curve. */
export function ecdhShared(curve: Curve, d: Uint8Array, peer: EcPoint): Uint8Array | undefined {
  try {
    const ecdh = node.createECDH(opensslName[curve])
    ecdh.setPrivateKey(d)
    return plainBytes(ecdh.computeSecret(joinPoint(curve, peer)))
  } catch {
    return undefined
  }
}

export interface EcdsaSignature {
  readonly r: Uint8Array
  readonly s: Uint8Array
}

/** ECDSA. The nonce is the platform's random one, so two signatures of the same bytes differ. */
export function ecdsaSign(curve: Curve, hash: 'sha256' | 'sha384', d: Uint8Array, data: Uint8Array): EcdsaSignature {
  const point = ecPublicPoint(curve, d)
  assert(point, 'the signing key is a valid scalar')
  const key = node.createPrivateKey({ format: 'jwk', key: { ...jwk(curve, point), d: base64url(d) } })
  const signature = plainBytes(node.sign(hash, data, { key, dsaEncoding: 'ieee-p1363' }))
  return { r: signature.slice(0, curveBytes[curve]), s: signature.slice(curveBytes[curve]) }
}

export function ecdsaVerify(curve: Curve, hash: 'sha256' | 'sha384', q: EcPoint, data: Uint8Array, signature: EcdsaSignature): boolean {
  try {
    const key = node.createPublicKey({ format: 'jwk', key: jwk(curve, q) })
    return node.verify(hash, data, { key, dsaEncoding: 'ieee-p1363' }, concatBytes(signature.r, signature.s))
  } catch {
    return false
  }
}

/** RSA-PSS (RFC 8017) with MGF1 and a salt of the hash's length; modulus and exponent big-endian. */
export function rsaPssVerify(
  hash: 'sha256' | 'sha384',
  modulus: Uint8Array,
  exponent: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    const key = node.createPublicKey({ format: 'jwk', key: { kty: 'RSA', n: base64url(modulus), e: base64url(exponent) } })
    const padding = node.constants.RSA_PKCS1_PSS_PADDING
    return node.verify(hash, data, { key, padding, saltLength: hash === 'sha256' ? 32 : 48 }, signature)
  } catch {
    return false
  }
}

/** A private RSA key as PKCS #8 in DER; its public half as big-endian numbers. */
export interface RsaKey {
  readonly pkcs8: Uint8Array
  readonly modulus: Uint8Array
  readonly exponent: Uint8Array
}

/** Takes seconds for 4096 bits. */
export function rsaGenerate(bits: 2048 | 4096): RsaKey {
  const { privateKey } = node.generateKeyPairSync('rsa', { modulusLength: bits, publicExponent: 0x10001 })
  return rsaImport(plainBytes(privateKey.export({ type: 'pkcs8', format: 'der' })))
}

export function rsaImport(pkcs8: Uint8Array): RsaKey {
  const key = node.createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  const { n, e } = node.createPublicKey(key).export({ format: 'jwk' })
  assert(n && e, 'the key is an RSA key')
  return { pkcs8, modulus: plainBytes(Buffer.from(n, 'base64url')), exponent: plainBytes(Buffer.from(e, 'base64url')) }
}

/** The bare RSA private operation (RFC 8017, RSASP1) on a message of the modulus' length, for rsa-pss.ts. */
export function rsaPrivateOperation({ pkcs8 }: RsaKey, message: Uint8Array): Uint8Array {
  const key = node.createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
  return plainBytes(node.privateEncrypt({ key, padding: node.constants.RSA_NO_PADDING }, message))
}

/** Bytes from the platform's random generator: for boards without a seed only. */
export function platformRandom(target: Uint8Array): void {
  node.randomFillSync(target)
}

function jwk(curve: Curve, point: EcPoint): { kty: 'EC'; crv: Curve; x: string; y: string } {
  return { kty: 'EC', crv: curve, x: base64url(point.x), y: base64url(point.y) }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}

function joinPoint(curve: Curve, { x, y }: EcPoint): Uint8Array {
  assert(x.length === curveBytes[curve] && y.length === curveBytes[curve], 'coordinates have the length of the curve')
  return concatBytes(Uint8Array.of(4), x, y)
}

function splitPoint(curve: Curve, uncompressed: Uint8Array): EcPoint {
  const length = curveBytes[curve]
  return { x: Uint8Array.from(uncompressed.subarray(1, 1 + length)), y: Uint8Array.from(uncompressed.subarray(1 + length)) }
}

function plainBytes(buffer: Uint8Array): Uint8Array {
  return Uint8Array.from(buffer)
}
