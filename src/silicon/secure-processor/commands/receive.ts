import { HandleBuffer, MacPurpose, PacketBuffer, ReceiveStartBuffer, VMSA_BYTES } from '../../../spec/sev/command-buffers.js'
import { SevStatus } from '../../../spec/sev/status.js'
import { type Command, guestCommand, platformCommand } from '../command.js'
import { GuestContext } from '../guest-context.js'
import { takePacket } from '../packets.js'
import { checkKeySharing, checkPolicy } from '../policy.js'
import { memoryKey, receiveSession } from './launch.js'

/** 55766 section 6.14, RECEIVE_START: a new guest that arrives from another platform, whose session carries its policy's MAC. */
const receiveStart = platformCommand('RECEIVE_START', ReceiveStartBuffer, ['INIT', 'WORKING'], ({ firmware, buffer, reply }) => {
  const { handle: sharedHandle, policy, pdhCertPaddr, pdhCertLength, sessionPaddr, sessionLength } = buffer
  const policyStatus = checkPolicy(firmware, policy)
  if (policyStatus !== SevStatus.SUCCESS) return policyStatus
  const sharingStatus = checkKeySharing(firmware, sharedHandle, policy)
  if (sharingStatus !== SevStatus.SUCCESS) return sharingStatus
  const transport = receiveSession(firmware, policy, { certPaddr: pdhCertPaddr, certLength: pdhCertLength, sessionPaddr, sessionLength })
  if (typeof transport === 'number') return transport
  const handle = firmware.newHandle()
  if (handle === undefined) return SevStatus.RESOURCE_LIMIT

  firmware.addGuest(new GuestContext({ handle, policy, vek: memoryKey(firmware, sharedHandle), transport, origin: 'received' }))
  reply({ handle })
  return SevStatus.SUCCESS
})

/** 55766 section 6.15, RECEIVE_UPDATE_DATA. */
const receiveUpdateData = guestCommand('RECEIVE_UPDATE_DATA', PacketBuffer, ['WORKING'], ['RUPDATE'], ({ firmware, buffer }, guest) =>
  takePacket(firmware, buffer, guest, MacPurpose.DATA),
)

/** 55766 section 6.16, RECEIVE_UPDATE_VMSA. */
const receiveUpdateVmsa = guestCommand('RECEIVE_UPDATE_VMSA', PacketBuffer, ['WORKING'], ['RUPDATE'], ({ firmware, buffer }, guest) => {
  if (!guest.encryptsState) return SevStatus.POLICY_FAILURE
  if (buffer.guestLength !== VMSA_BYTES) return SevStatus.INVALID_LENGTH
  return takePacket(firmware, buffer, guest, MacPurpose.VMSA)
})

/** 55766 section 6.17, RECEIVE_FINISH: the guest may run here. */
const receiveFinish = guestCommand('RECEIVE_FINISH', HandleBuffer, ['WORKING'], ['RUPDATE'], (_call, guest) => {
  guest.wipeTransport()
  guest.move('RECEIVE_FINISH')
  return SevStatus.SUCCESS
})

export const receiveCommands: readonly Command[] = [receiveStart, receiveUpdateData, receiveUpdateVmsa, receiveFinish]
