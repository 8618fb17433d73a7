import type { Values } from '../../lib/layout.js'
import { PACKET_BYTES_MAX, PACKET_FLAG_COMPRESSED, type PacketBuffer, PacketHeader } from '../../spec/sev/command-buffers.js'
import { SevStatus, type SevStatusCode } from '../../spec/sev/status.js'
import type { Firmware } from './firmware.js'
import type { GuestContext } from './guest-context.js'
import { openPacket, sealPacket } from './packet.js'
import { hostBytes, region } from './regions.js'

/** Packets between guest memory and the host's transport buffers: what LAUNCH_SECRET, SEND_UPDATE_* and RECEIVE_UPDATE_* have in common. */

const BLOCK_BYTES = 16
type Packet = Values<typeof PacketBuffer.fields>

/** What a packet that comes in must be before its MAC is looked at, and where its plaintext goes. */
export function takePacket(firmware: Firmware, buffer: Packet, guest: GuestContext, purpose: number, bound?: Uint8Array): SevStatusCode {
  if (guest.asid === 0) return SevStatus.INACTIVE
  if (buffer.hdrLength !== PacketHeader.bytes) return SevStatus.INVALID_LENGTH
  if (guestLengthIsWrong(buffer.guestLength)) return SevStatus.INVALID_LENGTH
  if (buffer.transLength !== buffer.guestLength) return SevStatus.INVALID_LENGTH
  if (buffer.guestPaddr.lo % BLOCK_BYTES !== 0) return SevStatus.INVALID_ADDRESS
  const header = hostBytes(firmware.fabric, buffer.hdrPaddr, PacketHeader.bytes)
  const data = region(firmware.fabric, buffer.transPaddr, buffer.transLength)
  const target = region(firmware.fabric, buffer.guestPaddr, buffer.guestLength)
  if (!header || !data || !target) return SevStatus.INVALID_ADDRESS
  const flags = PacketHeader.decode(header).flags
  if (flags !== 0) return flags === PACKET_FLAG_COMPRESSED ? SevStatus.UNSUPPORTED : SevStatus.INVALID_PARAM
  const plaintext = firmware.withPacket(data.spa, data.length, 0, (content) =>
    openPacket(guest.transport, purpose, header, content, buffer.guestLength, bound),
  )
  if (!plaintext) return SevStatus.BAD_MEASUREMENT

  firmware.fabric.write(target.spa, plaintext, guest.asid)
  return SevStatus.SUCCESS
}

function guestLengthIsWrong(length: number): boolean {
  return length === 0 || length % BLOCK_BYTES !== 0 || length > PACKET_BYTES_MAX
}

/** Guest memory into a packet. A host that gives too little room is told the lengths needed, and nothing else happens. */
export function givePacket(
  firmware: Firmware,
  buffer: Packet,
  guest: GuestContext,
  purpose: number,
  reply: (lengths: { hdrLength: number; transLength: number }) => void,
): SevStatusCode {
  if (buffer.hdrLength < PacketHeader.bytes || buffer.transLength < buffer.guestLength) {
    reply({ hdrLength: PacketHeader.bytes, transLength: buffer.guestLength })
    return SevStatus.INVALID_LENGTH
  }
  if (guest.asid === 0) return SevStatus.INACTIVE
  if (guestLengthIsWrong(buffer.guestLength)) return SevStatus.INVALID_LENGTH
  if (buffer.guestPaddr.lo % BLOCK_BYTES !== 0) return SevStatus.INVALID_ADDRESS
  const source = region(firmware.fabric, buffer.guestPaddr, buffer.guestLength)
  const headerTarget = region(firmware.fabric, buffer.hdrPaddr, PacketHeader.bytes)
  const target = region(firmware.fabric, buffer.transPaddr, buffer.guestLength)
  if (!source || !headerTarget || !target) return SevStatus.INVALID_ADDRESS

  const iv = firmware.random(16)
  const { header, data } = firmware.withPacket(source.spa, source.length, guest.asid, (plaintext) =>
    sealPacket(guest.transport, purpose, iv, plaintext),
  )
  firmware.fabric.write(headerTarget.spa, header, 0)
  firmware.fabric.write(target.spa, data, 0)
  reply({ hdrLength: PacketHeader.bytes, transLength: data.length })
  return SevStatus.SUCCESS
}
