import { assert } from './assert.js'
import { concatBytes } from './bytes.js'
import { type RsaKey, rsaPrivateOperation, sha256, sha384 } from './crypto.js'

/** RSASSA-PSS (RFC 8017 section 8.1.1) with a salt of the caller's choice, so that signing can be a function of its arguments. */

const hashes = { sha256: { digest: sha256, bytes: 32 }, sha384: { digest: sha384, bytes: 48 } } as const

/** MGF1 (RFC 8017 appendix B.2.1). */
function mask(hash: keyof typeof hashes, seed: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = []
  for (let i = 0; blocks.length * hashes[hash].bytes < length; i++) {
    blocks.push(hashes[hash].digest(seed, Uint8Array.of(i >>> 24, (i >>> 16) & 0xff, (i >>> 8) & 0xff, i & 0xff)))
  }
  return concatBytes(...blocks).slice(0, length)
}

/** Big-endian signature. The salt has the length of the hash. */
export function rsaPssSign(hash: keyof typeof hashes, key: RsaKey, data: Uint8Array, salt: Uint8Array): Uint8Array {
  const { digest, bytes } = hashes[hash]
  assert(salt.length === bytes, 'the salt has the length of the hash')
  assert(key.modulus.length % 128 === 0, 'the modulus has whole bytes, its top bit set')
  const h = digest(new Uint8Array(8), digest(data), salt)
  const db = concatBytes(new Uint8Array(key.modulus.length - 2 * bytes - 2), Uint8Array.of(1), salt)
  const masked = mask(hash, h, db.length).map((byte, i) => byte ^ db[i]!)
  masked[0]! &= 0x7f
  return rsaPrivateOperation(key, concatBytes(masked, h, Uint8Array.of(0xbc)))
}
