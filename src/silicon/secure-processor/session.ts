import { ascii, concatBytes, u32le } from '../../lib/bytes.js'
import { aes128Ctr, hmacSha256, kdfCounter, timingSafeEqual } from '../../lib/crypto.js'
import type { EcPublicKey } from '../../spec/sev/certificates.js'
import { SessionLayout } from '../../spec/sev/command-buffers.js'
import { type KeyPair, sharedSecret } from './keys.js'

/** Keys of the transport between this platform and an owner or another platform. */
export interface TransportKeys {
  readonly tek: Uint8Array
  readonly tik: Uint8Array
}

const KEY_BYTES = 16

/** 55766 section 2.2.2: master secret from Diffie-Hellman, then the keys that wrap the transport keys. */
function wrappingKeys(z: Uint8Array, nonce: Uint8Array): { kek: Uint8Array; kik: Uint8Array } {
  const none = new Uint8Array(0)
  const master = kdfCounter(z, ascii('sev-master-secret'), nonce, 8 * KEY_BYTES)
  return { kek: kdfCounter(master, ascii('sev-kek'), none, 8 * KEY_BYTES), kik: kdfCounter(master, ascii('sev-kik'), none, 8 * KEY_BYTES) }
}

/** The transport keys that the peer has wrapped for us, or undefined where a MAC does not hold. The policy is the peer's, by its MAC. */
export function openSession(pdh: KeyPair, peer: EcPublicKey, session: Uint8Array, policy: number): TransportKeys | undefined {
  const z = sharedSecret(pdh, peer)
  if (!z) return undefined
  const { nonce, wrapTk, wrapIv, wrapMac, policyMac } = SessionLayout.decode(session)
  const { kek, kik } = wrappingKeys(z, nonce)
  if (!timingSafeEqual(hmacSha256(kik, wrapTk), wrapMac)) return undefined
  const keys = aes128Ctr(kek, wrapIv, wrapTk)
  const [tek, tik] = [Uint8Array.from(keys.subarray(0, KEY_BYTES)), Uint8Array.from(keys.subarray(KEY_BYTES))]
  return timingSafeEqual(hmacSha256(tik, u32le(policy)), policyMac) ? { tek, tik } : undefined
}

/** New transport keys, and the session that gives them to the peer; undefined where its key is none of ours. */
export function makeSession(
  pdh: KeyPair,
  peer: EcPublicKey,
  policy: number,
  random: (bytes: number) => Uint8Array,
): { readonly keys: TransportKeys; readonly session: Uint8Array } | undefined {
  const z = sharedSecret(pdh, peer)
  if (!z) return undefined
  const [nonce, wrapIv, tek, tik] = [random(16), random(16), random(KEY_BYTES), random(KEY_BYTES)] as const
  const { kek, kik } = wrappingKeys(z, nonce)
  const wrapTk = Uint8Array.from(aes128Ctr(kek, wrapIv, concatBytes(tek, tik)))
  const macs = { wrapMac: hmacSha256(kik, wrapTk), policyMac: hmacSha256(tik, u32le(policy)) }
  return { keys: { tek, tik }, session: SessionLayout.encode({ nonce, wrapTk, wrapIv, ...macs }) }
}
