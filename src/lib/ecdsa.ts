import { assert } from './assert.js'
import { concatBytes, fromHex, toHex } from './bytes.js'
import { type Curve, curveBytes, type EcdsaSignature, ecPublicPoint, hmacSha256, hmacSha384, sha256, sha384 } from './crypto.js'

/** ECDSA with the nonce of RFC 6979: the same key and message always give the same signature, so that a seeded machine repeats itself. */

/** Group orders (FIPS 186-5, SP 800-186 section 3.2.1). */
const orders = {
  'P-256': BigInt('0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  'P-384': BigInt('0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973'),
} as const

export type EcdsaHash = 'sha256' | 'sha384'

const hashes = {
  sha256: { digest: sha256, hmac: hmacSha256, bytes: 32 },
  sha384: { digest: sha384, hmac: hmacSha384, bytes: 48 },
} as const

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`)
}

function toBytes(value: bigint, length: number): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * length, '0'))
}

/** A private scalar from random bytes: at least 8 more than the curve's length, so that the reduction leaves no bias (FIPS 186-5, A.2.1). */
export function scalarFrom(curve: Curve, random: Uint8Array): Uint8Array {
  assert(random.length >= curveBytes[curve] + 8, 'enough random bytes for an unbiased scalar')
  return toBytes((toNumber(random) % (orders[curve] - 1n)) + 1n, curveBytes[curve])
}

/** RFC 6979 section 3.2: a deterministic stream of nonces from key and digest. */
function* nonces(curve: Curve, hash: EcdsaHash, d: Uint8Array, digest: Uint8Array): Generator<bigint, never> {
  const { hmac, bytes } = hashes[hash]
  const [order, length] = [orders[curve], curveBytes[curve]]
  const seed = concatBytes(d, toBytes(truncated(digest, length) % order, length))
  let key: Uint8Array = new Uint8Array(bytes)
  let value: Uint8Array = new Uint8Array(bytes).fill(1)
  const mix = (...parts: Uint8Array[]): void => {
    key = hmac(key, value, ...parts)
    value = hmac(key, value)
  }
  mix(Uint8Array.of(0), seed)
  mix(Uint8Array.of(1), seed)
  for (;;) {
    let stream: Uint8Array = new Uint8Array(0)
    while (stream.length < length) stream = concatBytes(stream, (value = hmac(key, value)))
    const k = toNumber(stream.slice(0, length))
    if (k > 0n && k < order) yield k
    mix(Uint8Array.of(0))
  }
}

/** The leftmost bits of a digest, as many as the order has. Both orders have whole bytes. */
function truncated(digest: Uint8Array, length: number): bigint {
  return toNumber(digest.slice(0, length))
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n
  for (let [b, e] = [base % modulus, exponent]; e > 0n; e >>= 1n, b = (b * b) % modulus) if (e & 1n) result = (result * b) % modulus
  return result
}

/** FIPS 186-5 section 6.4.1 with the nonce of RFC 6979. */
export function ecdsaSignDeterministic(curve: Curve, hash: EcdsaHash, d: Uint8Array, data: Uint8Array): EcdsaSignature {
  const [order, length] = [orders[curve], curveBytes[curve]]
  const digest = hashes[hash].digest(data)
  const e = truncated(digest, length)
  for (const k of nonces(curve, hash, d, digest)) {
    const point = ecPublicPoint(curve, toBytes(k, length))
    assert(point, 'the nonce is a valid scalar')
    const r = toNumber(point.x) % order
    const s = (power(k, order - 2n, order) * ((e + r * toNumber(d)) % order)) % order
    if (r !== 0n && s !== 0n) return { r: toBytes(r, length), s: toBytes(s, length) }
  }
  throw new Error('the stream of nonces has no end')
}
