import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ascii, fromHex, toHex } from './bytes.js'
import {
  aes128,
  aes128Ctr,
  aes128Pure,
  ecdhShared,
  ecdsaSign,
  ecdsaVerify,
  ecPublicPoint,
  hmacSha256,
  kdfCounter,
  sha256,
  sha256Aside,
  sha256Stream,
} from './crypto.js'

test('AES-128: FIPS 197 appendix C.1 on both implementations', () => {
  const key = fromHex('000102030405060708090a0b0c0d0e0f')
  const plain = fromHex('00112233445566778899aabbccddeeff')
  for (const make of [aes128, aes128Pure]) {
    const cipher = make(key)
    assert.equal(toHex(cipher.encrypt(plain)), '69c4e0d86a7b0430d8cdb78070b4c55a')
    assert.equal(toHex(cipher.decrypt(cipher.encrypt(plain))), toHex(plain))
  }
})

test('AES-128: the pure fallback equals the platform, call after call', () => {
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  fc.assert(
    fc.property(bytes(16), fc.array(bytes(64), { minLength: 1, maxLength: 4 }), (key, inputs) => {
      const [fast, pure] = [aes128(key), aes128Pure(key)]
      for (const input of inputs) {
        assert.equal(toHex(fast.encrypt(input)), toHex(pure.encrypt(input)))
        assert.equal(toHex(fast.decrypt(input)), toHex(pure.decrypt(input)))
      }
    }),
    { numRuns: 50 },
  )
})

test('AES-128-CTR: SP 800-38A F.5.1', () => {
  const key = fromHex('2b7e151628aed2a6abf7158809cf4f3c')
  const iv = fromHex('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff')
  assert.equal(toHex(aes128Ctr(key, iv, fromHex('6bc1bee22e409f96e93d7e117393172a'))), '874d6191b620e3261bef6864990db6ce')
})

test('SHA-256 streams, HMAC (RFC 4231 case 2) and the counter-mode KDF', () => {
  const stream = sha256Stream()
  stream.update(ascii('ab'))
  stream.digest()
  stream.update(ascii('c'))
  assert.equal(toHex(stream.digest()), toHex(sha256(ascii('abc'))))
  const mac = hmacSha256(ascii('Jefe'), ascii('what do ya want '), ascii('for nothing?'))
  assert.equal(toHex(mac), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  const long = kdfCounter(new Uint8Array(32), ascii('label'), ascii('context'), 512)
  assert.equal(long.length, 64)
  assert.notEqual(toHex(long.slice(0, 32)), toHex(long.slice(32)))
})

test('ECDH agrees and ECDSA verifies on both curves', () => {
  for (const curve of ['P-256', 'P-384'] as const) {
    const length = curve === 'P-256' ? 32 : 48
    const [a, b] = [new Uint8Array(length).fill(3), new Uint8Array(length).fill(5)]
    const [pa, pb] = [ecPublicPoint(curve, a)!, ecPublicPoint(curve, b)!]
    assert.equal(toHex(ecdhShared(curve, a, pb)!), toHex(ecdhShared(curve, b, pa)!))
    assert.equal(ecdhShared(curve, a, { x: pb.x, y: pa.y }), undefined)
    const signature = ecdsaSign(curve, 'sha384', a, ascii('data'))
    assert.equal(ecdsaVerify(curve, 'sha384', pa, ascii('data'), signature), true)
    assert.equal(ecdsaVerify(curve, 'sha384', pa, ascii('Data'), signature), false)
    assert.equal(ecdsaVerify(curve, 'sha384', pb, ascii('data'), signature), false)
  }
  assert.equal(ecPublicPoint('P-384', new Uint8Array(48)), undefined)
})

test('SHA-256 on another thread is of what the bytes were', async () => {
  const bytes = new Uint8Array(100_000).fill(3)
  const [was, digest] = [sha256(bytes), sha256Aside(bytes)]
  bytes.fill(4)
  assert.equal(toHex(await digest), toHex(was))
})
