import { GetIdBuffer, INIT_FLAG_SEV_ES, InitBuffer, PlatformStatusBuffer } from '../../../spec/sev/command-buffers.js'
import { SEV_API_MAJOR, SEV_API_MINOR } from '../../../spec/sev/mailbox.js'
import { PlatformState, type PlatformStateName } from '../../../spec/sev/states.js'
import { SevStatus } from '../../../spec/sev/status.js'
import { type Command, platformCommand } from '../command.js'
import { region } from '../regions.js'

/** Build number of this firmware; with the API version it enters every launch measurement. */
export const FIRMWARE_BUILD = 1

const ANY: readonly PlatformStateName[] = ['UNINIT', 'INIT', 'WORKING']

/** 55766 chapter 5, INIT: takes the platform from UNINIT to INIT; every ASID is marked invalid until WBINVD and DF_FLUSH. */
const init = platformCommand('INIT', InitBuffer, ['UNINIT'], ({ firmware, buffer }) => {
  if ((buffer.flags & ~INIT_FLAG_SEV_ES) !== 0) return SevStatus.INVALID_PARAM
  if ((buffer.flags & INIT_FLAG_SEV_ES) !== 0) return SevStatus.UNSUPPORTED

  firmware.asids.reset()
  firmware.state = 'INIT'
  return SevStatus.SUCCESS
})

/** 55766 chapter 5, SHUTDOWN: deletes all platform and guest state from volatile storage. */
const shutdown = platformCommand('SHUTDOWN', undefined, ANY, ({ firmware }) => {
  firmware.shutdown()
  return SevStatus.SUCCESS
})

/** 55766 chapter 5, PLATFORM_RESET: deletes the persistent state. Flash is erased, as a flash part does it, to ones. */
const platformReset = platformCommand('PLATFORM_RESET', undefined, ['UNINIT'], ({ firmware }) => {
  firmware.flash.write(0, new Uint8Array(firmware.flash.bytes).fill(0xff))
  return SevStatus.SUCCESS
})

/** 55766 chapter 5, PLATFORM_STATUS. The platform owns itself (OWNER 0) and SEV-ES is not initialised (CONFIG 0). */
const platformStatus = platformCommand('PLATFORM_STATUS', PlatformStatusBuffer, ANY, ({ firmware, reply }) => {
  reply({
    apiMajor: SEV_API_MAJOR,
    apiMinor: SEV_API_MINOR,
    state: PlatformState[firmware.state],
    owner: 0,
    config: new Uint8Array(3),
    build: FIRMWARE_BUILD,
    guestCount: firmware.guests.size,
  })
  return SevStatus.SUCCESS
})

/** 55766 chapter 5, GET_ID: the chip's unique identity. A short buffer is answered with the length needed. */
const getId = platformCommand('GET_ID', GetIdBuffer, ANY, ({ firmware, buffer, reply }) => {
  const id = firmware.fuses.chipId
  if (buffer.idLength < id.length) {
    reply({ idLength: id.length })
    return SevStatus.INVALID_LENGTH
  }
  const target = region(firmware.fabric, buffer.idPaddr, id.length)
  if (!target) return SevStatus.INVALID_ADDRESS

  firmware.fabric.write(target.spa, id, 0)
  reply({ idLength: id.length })
  return SevStatus.SUCCESS
})

/** 55766 chapter 6, DF_FLUSH: empties the write buffers of the data fabric after guests were deactivated. */
const dfFlush = platformCommand('DF_FLUSH', undefined, ['INIT', 'WORKING'], ({ firmware }) => firmware.asids.flush())

/** 55766 chapter 5, NOP. */
const nop = platformCommand('NOP', undefined, ANY, () => SevStatus.SUCCESS)

export const platformCommands: readonly Command[] = [init, shutdown, platformReset, platformStatus, getId, dfFlush, nop]
