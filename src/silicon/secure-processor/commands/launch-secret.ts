import { MacPurpose, PacketBuffer } from '../../../spec/sev/command-buffers.js'
import { type Command, guestCommand } from '../command.js'
import { takePacket } from '../packets.js'

/** 55766 section 6.6, LAUNCH_SECRET: the owner's answer to the measurement, and valid for no other. */
const launchSecret = guestCommand('LAUNCH_SECRET', PacketBuffer, ['WORKING'], ['LSECRET'], ({ firmware, buffer }, guest) =>
  takePacket(firmware, buffer, guest, MacPurpose.LAUNCH_SECRET, guest.measurement),
)

export const secretCommands: readonly Command[] = [launchSecret]
