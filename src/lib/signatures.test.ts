import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ascii, fromHex, toHex } from './bytes.js'
import { aes256GcmOpen, aes256GcmSeal, ecdsaVerify, ecPublicPoint, rsaGenerate, rsaPssVerify } from './crypto.js'
import { ecdsaSignDeterministic, scalarFrom } from './ecdsa.js'
import { rsaPssSign } from './rsa-pss.js'

test('ECDSA nonces: RFC 6979 appendix A.2.5 and A.2.6, message "sample"', () => {
  const p256 = fromHex('c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721')
  const first = ecdsaSignDeterministic('P-256', 'sha256', p256, ascii('sample'))
  assert.equal(toHex(first.r), 'efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716')
  assert.equal(toHex(first.s), 'f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8')
  const p384 = fromHex('6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5')
  const second = ecdsaSignDeterministic('P-384', 'sha384', p384, ascii('sample'))
  assert.equal(toHex(second.r), '94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46')
  assert.equal(toHex(second.s), '99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8')
})

test('deterministic signatures verify on either curve with either hash', () => {
  for (const curve of ['P-256', 'P-384'] as const) {
    const d = scalarFrom(curve, new Uint8Array(64).fill(0xfe))
    for (const hash of ['sha256', 'sha384'] as const) {
      const signature = ecdsaSignDeterministic(curve, hash, d, ascii('data'))
      assert.equal(ecdsaVerify(curve, hash, ecPublicPoint(curve, d)!, ascii('data'), signature), true)
      assert.equal(ecdsaVerify(curve, hash, ecPublicPoint(curve, d)!, ascii('date'), signature), false)
    }
  }
})

test('RSA-PSS with a chosen salt verifies with the platform', () => {
  const key = rsaGenerate(2048)
  for (const [hash, length] of [
    ['sha256', 32],
    ['sha384', 48],
  ] as const) {
    const signature = rsaPssSign(hash, key, ascii('data'), new Uint8Array(length).fill(7))
    assert.equal(rsaPssVerify(hash, key.modulus, key.exponent, ascii('data'), signature), true)
    assert.equal(rsaPssVerify(hash, key.modulus, key.exponent, ascii('date'), signature), false)
  }
})

test('AES-256-GCM opens what it sealed and nothing else', () => {
  const [key, iv, aad] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2), ascii('header')]
  const sealed = aes256GcmSeal(key, iv, ascii('plain'), aad)
  assert.deepEqual(aes256GcmOpen(key, iv, sealed, aad), ascii('plain'))
  assert.equal(aes256GcmOpen(key, iv, sealed, ascii('Header')), undefined)
  assert.equal(aes256GcmOpen(key, iv, { ...sealed, ciphertext: ascii('other') }, aad), undefined)
})
