import { concatBytes, u32le } from '../../lib/bytes.js'
import { aes128Ctr, hmacSha256 } from '../../lib/crypto.js'
import { MacPurpose, PACKET_BYTES_MAX, PacketHeader } from '../../spec/sev/command-buffers.js'
import type { Random, TransportKeys } from '../session/session.js'
import { wholeBlocks } from './secret-table.js'

/** What the host carries to LAUNCH_SECRET. */
export interface SecretPacket {
  readonly header: Uint8Array
  readonly data: Uint8Array
}

/** 55766 section 6.6: encrypted under the TEK, and bound by the TIK to one launch: that which has given `measure`. */
export function packageSecret({ tek, tik }: TransportKeys, measure: Uint8Array, secret: Uint8Array, random: Random): SecretPacket {
  const plaintext = wholeBlocks(secret)
  if (plaintext.length === 0 || plaintext.length > PACKET_BYTES_MAX)
    throw new RangeError(`a secret has 1 to ${PACKET_BYTES_MAX} bytes, not ${secret.length}`)
  const [flags, iv] = [0, random(16)]
  const data = Uint8Array.from(aes128Ctr(tek, iv, plaintext))
  const lengths = concatBytes(u32le(data.length), u32le(data.length))
  const mac = hmacSha256(tik, concatBytes(Uint8Array.of(MacPurpose.LAUNCH_SECRET), u32le(flags), iv, lengths, data, measure))
  return { header: PacketHeader.encode({ flags, iv, mac }), data }
}
