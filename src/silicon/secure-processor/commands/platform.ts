import {
  GetIdBuffer,
  INIT_FLAG_SEV_ES,
  InitBuffer,
  InitExBuffer,
  NV_BYTES,
  PlatformStatusBuffer,
  TMR_BYTES,
} from '../../../spec/sev/command-buffers.js'
import type { Word64 } from '../../../lib/word64.js'
import { SEV_API_MAJOR, SEV_API_MINOR } from '../../../spec/sev/mailbox.js'
import { PlatformState, type PlatformStateName } from '../../../spec/sev/states.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'
import { type Command, platformCommand } from '../command.js'
import { type Firmware, FIRMWARE_BUILD } from '../firmware.js'
import { region } from '../regions.js'

const ANY: readonly PlatformStateName[] = ['UNINIT', 'INIT', 'WORKING']

interface InitOptions {
  readonly flags: number
  readonly tmrPaddr: Word64
  readonly tmrLength: number
}

/** What INIT and INIT_EX have in common: the memory for SEV-ES world switches is looked at only where SEV-ES is asked for. */
function checkInit(firmware: Firmware, { flags, tmrPaddr, tmrLength }: InitOptions): SevStatusCode {
  if ((flags & ~INIT_FLAG_SEV_ES) !== 0) return SevStatus.INVALID_PARAM
  if ((flags & INIT_FLAG_SEV_ES) === 0) return SevStatus.SUCCESS
  if (tmrLength < TMR_BYTES) return SevStatus.INVALID_LENGTH
  return tmrPaddr.lo % TMR_BYTES === 0 && region(firmware.fabric, tmrPaddr, tmrLength) ? SevStatus.SUCCESS : SevStatus.INVALID_ADDRESS
}

/**
 * 55766 chapter 5, INIT: takes the platform from UNINIT to INIT with the identity that the board's flash holds; every ASID is marked
 * invalid until WBINVD and DF_FLUSH.
 */
const init = platformCommand('INIT', InitBuffer, ['UNINIT'], ({ firmware, buffer }) => {
  const status = checkInit(firmware, buffer)
  if (status !== SevStatus.SUCCESS) return status

  return firmware.initialize(firmware.flash, (buffer.flags & INIT_FLAG_SEV_ES) !== 0)
})

/** 55766 chapter 5, INIT_EX: as INIT, with the sealed state in memory that the host saves and restores. */
const initEx = platformCommand('INIT_EX', InitExBuffer, ['UNINIT'], ({ firmware, buffer }) => {
  if (buffer.length !== InitExBuffer.bytes || buffer.nvLength !== NV_BYTES) return SevStatus.INVALID_LENGTH
  const status = checkInit(firmware, buffer)
  if (status !== SevStatus.SUCCESS) return status
  const nv = region(firmware.fabric, buffer.nvPaddr, NV_BYTES)
  if (!nv) return SevStatus.INVALID_ADDRESS

  const medium = {
    bytes: NV_BYTES,
    read: (offset: number, length: number) => firmware.fabric.read(nv.spa + offset, length, 0),
    write: (offset: number, data: Uint8Array) => firmware.fabric.write(nv.spa + offset, data, 0),
  }
  return firmware.initialize(medium, (buffer.flags & INIT_FLAG_SEV_ES) !== 0)
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

/** 55766 chapter 5, PLATFORM_STATUS. OWNER bit 0: owned externally. CONFIG bit 0: SEV-ES is initialised. Before INIT both are zero. */
const platformStatus = platformCommand('PLATFORM_STATUS', PlatformStatusBuffer, ANY, ({ firmware, reply }) => {
  reply({
    apiMajor: SEV_API_MAJOR,
    apiMinor: SEV_API_MINOR,
    state: PlatformState[firmware.state],
    owner: firmware.state === 'UNINIT' || firmware.identity.oca ? 0 : 1,
    config: Uint8Array.of(firmware.encryptedState ? 1 : 0, 0, 0),
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

export const platformCommands: readonly Command[] = [init, initEx, shutdown, platformReset, platformStatus, getId, dfFlush, nop]
