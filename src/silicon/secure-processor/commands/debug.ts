import { DebugBuffer } from '../../../spec/sev/command-buffers.js'
import { SevPolicy } from '../../../spec/sev/policy.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'
import { type Call, type Command, guestCommand } from '../command.js'
import { GUEST_HAS_MEMORY, type GuestContext } from '../guest-context.js'
import { eachChunk, region } from '../regions.js'
import { rawContent } from '../untrusted.js'

type DebugCall = Call<typeof DebugBuffer.fields>

const BLOCK_BYTES = 16

/** Moves bytes from one key's view to another's, where the guest's policy allows it. */
function debugCopy({ firmware, buffer }: DebugCall, guest: GuestContext, from: 'guest' | 'host'): SevStatusCode {
  if ((guest.policy & SevPolicy.NODBG) !== 0) return SevStatus.POLICY_FAILURE
  if (guest.asid === 0) return SevStatus.INACTIVE
  if (buffer.length === 0 || buffer.length % BLOCK_BYTES !== 0) return SevStatus.INVALID_LENGTH
  if (buffer.srcPaddr.lo % BLOCK_BYTES !== 0 || buffer.dstPaddr.lo % BLOCK_BYTES !== 0) return SevStatus.INVALID_ADDRESS
  const source = region(firmware.fabric, buffer.srcPaddr, buffer.length)
  const target = region(firmware.fabric, buffer.dstPaddr, buffer.length)
  if (!source || !target) return SevStatus.INVALID_ADDRESS

  const [readKey, writeKey] = from === 'guest' ? [guest.asid, 0] : [0, guest.asid]
  eachChunk(firmware.fabric, source, readKey, (content, done) => firmware.fabric.write(target.spa + done, rawContent(content), writeKey))
  return SevStatus.SUCCESS
}

/** 55766 chapter 7, DBG_DECRYPT: guest memory at SRC_PADDR, decrypted, to DST_PADDR. */
const decrypt = guestCommand('DBG_DECRYPT', DebugBuffer, ['WORKING'], GUEST_HAS_MEMORY, (call, guest) => debugCopy(call, guest, 'guest'))

/** 55766 chapter 7, DBG_ENCRYPT: host memory at SRC_PADDR to guest memory at DST_PADDR. */
const encrypt = guestCommand('DBG_ENCRYPT', DebugBuffer, ['WORKING'], GUEST_HAS_MEMORY, (call, guest) => debugCopy(call, guest, 'host'))

export const debugCommands: readonly Command[] = [decrypt, encrypt]
