import { ActivateBuffer, GuestStatusBuffer, HandleBuffer } from '../../../spec/sev/command-buffers.js'
import { GuestState, type GuestStateName } from '../../../spec/sev/states.js'
import { SevStatus } from '../../../spec/sev/status.js'
import { type Command, guestCommand } from '../command.js'

/** Every state that a guest context can be in. */
const ANY: readonly GuestStateName[] = ['LUPDATE', 'LSECRET', 'RUNNING', 'SUPDATE', 'RUPDATE', 'SENT']

/** 55766 chapter 6, ACTIVATE: binds the guest to an ASID and loads its key into the memory controller's slot. */
const activate = guestCommand('ACTIVATE', ActivateBuffer, ['WORKING'], ANY, ({ firmware, buffer }, guest) => {
  if (guest.asid !== 0) return SevStatus.ACTIVE
  const status = firmware.asids.checkFree(buffer.asid)
  if (status !== SevStatus.SUCCESS) return status

  firmware.asids.take(buffer.asid, guest.handle)
  firmware.fabric.installKey(buffer.asid, guest.vek)
  guest.asid = buffer.asid
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

export const guestCommands: readonly Command[] = [activate, deactivate, decommission, guestStatus]
