import { readU32 } from '../../../lib/layout.js'
import { ActivateBuffer, ActivateExBuffer, CopyBuffer, GuestStatusBuffer, HandleBuffer } from '../../../spec/sev/command-buffers.js'
import { GuestState, type GuestStateName } from '../../../spec/sev/states.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'
import { type Command, guestCommand } from '../command.js'
import type { Firmware } from '../firmware.js'
import { GUEST_HAS_MEMORY, type GuestContext } from '../guest-context.js'
import { eachChunk, hostBytes, overlap, region } from '../regions.js'
import { rawContent } from '../untrusted.js'

/** Every state that a guest context can be in. */
const ANY: readonly GuestStateName[] = ['LUPDATE', 'LSECRET', 'RUNNING', 'SUPDATE', 'RUPDATE', 'SENT']

const BLOCK_BYTES = 16

function bind(firmware: Firmware, guest: GuestContext, asid: number): SevStatusCode {
  if (guest.asid !== 0) return SevStatus.ACTIVE
  const status = firmware.asids.checkFree(asid, guest.encryptsState)
  if (status !== SevStatus.SUCCESS) return status

  firmware.asids.take(asid, guest.handle)
  firmware.fabric.installKey(asid, guest.vek)
  guest.asid = asid
  return SevStatus.SUCCESS
}

/** 55766 chapter 6, ACTIVATE: binds the guest to an ASID and loads its key into the memory controller's slot. A guest that was sent runs no more. */
const activate = guestCommand('ACTIVATE', ActivateBuffer, ['WORKING'], GUEST_HAS_MEMORY, ({ firmware, buffer }, guest) =>
  bind(firmware, guest, buffer.asid),
)

/**
 * 55766 chapter 6, ACTIVATE_EX: ACTIVATE for the core complexes of the listed APIC ids. This chip is one complex with one memory controller,
 * so any list of its cores activates the guest on all of them.
 */
const activateEx = guestCommand('ACTIVATE_EX', ActivateExBuffer, ['WORKING'], GUEST_HAS_MEMORY, ({ firmware, buffer }, guest) => {
  if (buffer.length !== ActivateExBuffer.bytes) return SevStatus.INVALID_LENGTH
  if (buffer.idCount === 0 || buffer.idCount > firmware.cores) return SevStatus.INVALID_PARAM
  const ids = hostBytes(firmware.fabric, buffer.idsPaddr, 4 * buffer.idCount)
  if (!ids) return SevStatus.INVALID_ADDRESS
  for (let i = 0; i < buffer.idCount; i++) if (readU32(ids, 4 * i) >= firmware.cores) return SevStatus.INVALID_PARAM
  return bind(firmware, guest, buffer.asid)
})

/** 55766 chapter 6, COPY: moves memory of the guest to another place, where the same key gives another ciphertext. */
const copy = guestCommand('COPY', CopyBuffer, ['WORKING'], GUEST_HAS_MEMORY, ({ firmware, buffer }, guest) => {
  if (guest.asid === 0) return SevStatus.INACTIVE
  if (buffer.length === 0 || buffer.length % BLOCK_BYTES !== 0) return SevStatus.INVALID_LENGTH
  if (buffer.srcPaddr.lo % BLOCK_BYTES !== 0 || buffer.dstPaddr.lo % BLOCK_BYTES !== 0) return SevStatus.INVALID_ADDRESS
  const source = region(firmware.fabric, buffer.srcPaddr, buffer.length)
  const target = region(firmware.fabric, buffer.dstPaddr, buffer.length)
  if (!source || !target || overlap(source, target)) return SevStatus.INVALID_ADDRESS

  const { fabric } = firmware
  eachChunk(fabric, source, guest.asid, (content, done) => fabric.write(target.spa + done, rawContent(content), guest.asid))
  return SevStatus.SUCCESS
})

/** 55766 chapter 6, DEACTIVATE: takes the key out of the slot. The ASID stays unusable until WBINVD and DF_FLUSH. */
const deactivate = guestCommand('DEACTIVATE', HandleBuffer, ['WORKING'], ANY, ({ firmware }, guest) => {
  if (guest.asid === 0) return SevStatus.INACTIVE

  firmware.fabric.removeKey(guest.asid)
  firmware.asids.release(guest.asid)
  guest.asid = 0
  return SevStatus.SUCCESS
})

/** 55766 chapter 6, DECOMMISSION: deletes an inactive guest's context and keys. With the last guest the platform returns to INIT. */
const decommission = guestCommand('DECOMMISSION', HandleBuffer, ['WORKING'], ANY, ({ firmware }, guest) => {
  if (guest.asid !== 0) return SevStatus.ACTIVE

  firmware.removeGuest(guest)
  return SevStatus.SUCCESS
})

/** 55766 chapter 6, GUEST_STATUS. */
const guestStatus = guestCommand('GUEST_STATUS', GuestStatusBuffer, ['WORKING'], ANY, ({ reply }, guest) => {
  reply({ policy: guest.policy, asid: guest.asid, state: GuestState[guest.state] })
  return SevStatus.SUCCESS
})

export const guestCommands: readonly Command[] = [activate, activateEx, deactivate, decommission, guestStatus, copy]
