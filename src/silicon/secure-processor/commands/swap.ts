import { concatBytes, equalBytes, u32le } from '../../../lib/bytes.js'
import { aes256GcmOpen, aes256GcmSeal } from '../../../lib/crypto.js'
import type { Word64 } from '../../../lib/word64.js'
import { SwapFlag, SwapInBuffer, SwapMetadata, SwapOutBuffer } from '../../../spec/sev/command-buffers.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'
import { type Command, guestCommand } from '../command.js'
import type { Firmware } from '../firmware.js'
import { GUEST_HAS_MEMORY, type GuestContext } from '../guest-context.js'
import { overlap, type Region, region } from '../regions.js'

/**
 * 55766 chapter 6, SWAP_OUT and SWAP_IN: a page of the guest leaves memory sealed with AES-256-GCM under a key that only this platform holds,
 * and comes back, at any place. Which of several copies of a page the host brings back is not noticed: that takes SEV-SNP.
 */

const PAGE_BYTES = 0x1000
const LARGE_PAGE_BYTES = 0x20_0000

interface Pages {
  readonly source: Region
  readonly target: Region
  readonly metadata: Region
}

interface SwapBuffer {
  readonly flags: number
  readonly srcPaddr: Word64
  readonly dstPaddr: Word64
  readonly mdataPaddr: Word64
}

function checkFlags(flags: number, allowed: number, guest: GuestContext): SevStatusCode {
  const type = flags & SwapFlag.TYPE_MASK
  if ((flags & ~allowed) !== 0 || (type !== SwapFlag.TYPE_DATA && type !== SwapFlag.TYPE_VMSA)) return SevStatus.INVALID_PARAM
  if (type !== SwapFlag.TYPE_VMSA) return SevStatus.SUCCESS
  if ((flags & SwapFlag.LARGE_PAGE) !== 0) return SevStatus.INVALID_PARAM
  return guest.encryptsState ? SevStatus.SUCCESS : SevStatus.POLICY_FAILURE
}

function findPages(firmware: Firmware, { flags, srcPaddr, dstPaddr, mdataPaddr }: SwapBuffer): Pages | undefined {
  const bytes = (flags & SwapFlag.LARGE_PAGE) !== 0 ? LARGE_PAGE_BYTES : PAGE_BYTES
  if (srcPaddr.lo % bytes !== 0 || dstPaddr.lo % bytes !== 0 || mdataPaddr.lo % SwapMetadata.bytes !== 0) return undefined
  const source = region(firmware.fabric, srcPaddr, bytes)
  const target = region(firmware.fabric, dstPaddr, bytes)
  const metadata = region(firmware.fabric, mdataPaddr, SwapMetadata.bytes)
  if (!source || !target || !metadata || overlap(metadata, source) || overlap(metadata, target)) return undefined
  if ((flags & SwapFlag.IN_PLACE) !== 0 ? source.spa !== target.spa : overlap(source, target)) return undefined
  return { source, target, metadata }
}

/** GCM's IV: the page's number under the key. */
function initialVector(count: Uint8Array): Uint8Array {
  return concatBytes(count, new Uint8Array(4))
}

const swapOut = guestCommand('SWAP_OUT', SwapOutBuffer, ['WORKING'], GUEST_HAS_MEMORY, ({ firmware, buffer }, guest) => {
  if (guest.asid === 0) return SevStatus.INACTIVE
  const status = checkFlags(buffer.flags, SwapFlag.LARGE_PAGE | SwapFlag.TYPE_MASK, guest)
  if (status !== SevStatus.SUCCESS) return status
  const pages = findPages(firmware, buffer)
  if (!pages) return SevStatus.INVALID_ADDRESS

  const { fabric } = firmware
  const { key, count } = guest.offlineSeal((bytes) => firmware.random(bytes))
  const [iv, { softwareData, flags }] = [concatBytes(u32le(count), u32le(Math.floor(count / 0x1_0000_0000))), buffer]
  const plaintext = fabric.read(pages.source.spa, pages.source.length, guest.asid)
  const { ciphertext, tag: authTag } = aes256GcmSeal(key, initialVector(iv), plaintext, concatBytes(softwareData, u32le(flags)))
  fabric.write(pages.target.spa, ciphertext, 0)
  fabric.write(pages.metadata.spa, SwapMetadata.encode({ softwareData, iv, authTag, flags }), 0)
  return SevStatus.SUCCESS
})

const swapIn = guestCommand('SWAP_IN', SwapInBuffer, ['WORKING'], GUEST_HAS_MEMORY, ({ firmware, buffer }, guest) => {
  if (guest.asid === 0) return SevStatus.INACTIVE
  const status = checkFlags(buffer.flags, SwapFlag.LARGE_PAGE | SwapFlag.TYPE_MASK | SwapFlag.IN_PLACE, guest)
  if (status !== SevStatus.SUCCESS) return status
  const pages = findPages(firmware, buffer)
  if (!pages) return SevStatus.INVALID_ADDRESS
  const raw = firmware.fabric.read(pages.metadata.spa, SwapMetadata.bytes, 0)
  const { softwareData, iv, authTag: tag, flags } = SwapMetadata.decode(raw)
  const sameKind =
    flags === (buffer.flags & ~SwapFlag.IN_PLACE) && equalBytes(SwapMetadata.encode({ softwareData, iv, authTag: tag, flags }), raw)
  const key = guest.offlineKey
  if (!sameKind || !key) return SevStatus.BAD_MEASUREMENT
  const ciphertext = firmware.fabric.read(pages.source.spa, pages.source.length, 0)
  const plaintext = aes256GcmOpen(key, initialVector(iv), { ciphertext, tag }, concatBytes(softwareData, u32le(flags)))
  if (!plaintext) return SevStatus.BAD_MEASUREMENT

  firmware.fabric.write(pages.target.spa, plaintext, guest.asid)
  return SevStatus.SUCCESS
})

export const swapCommands: readonly Command[] = [swapOut, swapIn]
