import { concatBytes, u32le } from '../../lib/bytes.js'
import { aes128Ctr, hmacSha256, timingSafeEqual } from '../../lib/crypto.js'
import { PacketHeader } from '../../spec/sev/command-buffers.js'
import type { TransportKeys } from './session.js'

/** Transport-encrypted data with its header (document 55766, sections 6.6, 6.10 and 6.15). `bound` ties a packet to one launch. */

function mac(
  tik: Uint8Array,
  purpose: number,
  flags: number,
  iv: Uint8Array,
  guestLength: number,
  data: Uint8Array,
  bound: Uint8Array,
): Uint8Array {
  const head = concatBytes(Uint8Array.of(purpose), u32le(flags), iv, u32le(guestLength), u32le(data.length))
  return hmacSha256(tik, head, data, bound)
}

const nothing = new Uint8Array(0)

/** Plaintext of the packet, or undefined where its MAC does not hold. */
export function openPacket(
  { tek, tik }: TransportKeys,
  purpose: number,
  header: Uint8Array,
  data: Uint8Array,
  guestLength: number,
  bound: Uint8Array = nothing,
): Uint8Array | undefined {
  const { flags, iv, mac: claimed } = PacketHeader.decode(header)
  if (!timingSafeEqual(mac(tik, purpose, flags, iv, guestLength, data, bound), claimed)) return undefined
  return aes128Ctr(tek, iv, data)
}

/** `iv` must be new for every packet under one key. */
export function sealPacket(
  { tek, tik }: TransportKeys,
  purpose: number,
  iv: Uint8Array,
  plaintext: Uint8Array,
): { header: Uint8Array; data: Uint8Array } {
  const data = aes128Ctr(tek, iv, plaintext)
  return { header: PacketHeader.encode({ flags: 0, iv, mac: mac(tik, purpose, 0, iv, plaintext.length, data, nothing) }), data }
}
