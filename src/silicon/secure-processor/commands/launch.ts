import { concatBytes, u32le } from '../../../lib/bytes.js'
import { hmacSha256 } from '../../../lib/crypto.js'
import {
  HandleBuffer,
  LaunchMeasureBuffer,
  LaunchStartBuffer,
  LaunchUpdateDataBuffer,
  Measurement,
} from '../../../spec/sev/command-buffers.js'
import { SEV_API_MAJOR, SEV_API_MINOR } from '../../../spec/sev/mailbox.js'
import { policyApiMajor, policyApiMinor, SEV_POLICY_RESERVED, SevPolicy } from '../../../spec/sev/policy.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'
import { type Command, guestCommand, platformCommand } from '../command.js'
import type { Firmware } from '../firmware.js'
import { GuestContext } from '../guest-context.js'
import { eachChunk, region } from '../regions.js'
import { rawContent } from '../untrusted.js'
import { FIRMWARE_BUILD } from './platform.js'

const VEK_BYTES = 16
const TIK_BYTES = 16
/** Launch updates and debug accesses come in whole AES blocks. */
const BLOCK_BYTES = 16

/** Is this firmware what the owner asks for? Policy bytes 2 and 3 are the lowest API version he accepts. */
function checkPolicy(policy: number): SevStatusCode {
  if ((policy & SEV_POLICY_RESERVED) !== 0) return SevStatus.INVALID_PARAM
  if ((policy & SevPolicy.ES) !== 0) return SevStatus.UNSUPPORTED
  const [major, minor] = [policyApiMajor(policy), policyApiMinor(policy)]
  const recent = SEV_API_MAJOR > major || (SEV_API_MAJOR === major && SEV_API_MINOR >= minor)
  return recent ? SevStatus.SUCCESS : SevStatus.POLICY_FAILURE
}

/** May a new guest with `policy` have the key of the guest named by `handle`? */
function checkKeySharing(firmware: Firmware, handle: number, policy: number): SevStatusCode {
  const sharer = firmware.guests.get(handle)
  if (!sharer) return SevStatus.INVALID_GUEST
  return sharer.policy === policy && (policy & SevPolicy.NOKS) === 0 ? SevStatus.SUCCESS : SevStatus.POLICY_FAILURE
}

/**
 * 55766 section 6.2, LAUNCH_START: a new guest with a new key, or, where HANDLE names a guest, with that guest's. DH_CERT_PADDR 0 means a launch
 * without an owner's session, whose transport keys are zero. With a session the command is refused as UNSUPPORTED.
 */
const launchStart = platformCommand('LAUNCH_START', LaunchStartBuffer, ['INIT', 'WORKING'], ({ firmware, buffer, reply }) => {
  const { handle: sharedHandle, policy, dhCertPaddr } = buffer
  const policyStatus = checkPolicy(policy)
  if (policyStatus !== SevStatus.SUCCESS) return policyStatus
  if (dhCertPaddr.lo !== 0 || dhCertPaddr.hi !== 0) return SevStatus.UNSUPPORTED
  if (sharedHandle !== 0) {
    const sharingStatus = checkKeySharing(firmware, sharedHandle, policy)
    if (sharingStatus !== SevStatus.SUCCESS) return sharingStatus
  }
  const handle = firmware.newHandle()
  if (handle === undefined) return SevStatus.RESOURCE_LIMIT

  const vek = sharedHandle === 0 ? firmware.random(VEK_BYTES) : firmware.guests.get(sharedHandle)!.vek.slice()
  firmware.addGuest(new GuestContext(handle, policy, vek, new Uint8Array(TIK_BYTES)))
  reply({ handle })
  return SevStatus.SUCCESS
})

/**
 * 55766 section 6.3, LAUNCH_UPDATE_DATA: measures plaintext and encrypts it in place under the guest's key. The region is read once,
 * without a key, and what was measured is what is written: the host cannot change it in between.
 */
const launchUpdateData = guestCommand(
  'LAUNCH_UPDATE_DATA',
  LaunchUpdateDataBuffer,
  ['WORKING'],
  ['LUPDATE'],
  ({ firmware, buffer }, guest) => {
    if (guest.asid === 0) return SevStatus.INACTIVE
    if (buffer.length === 0 || buffer.length % BLOCK_BYTES !== 0) return SevStatus.INVALID_LENGTH
    if (buffer.paddr.lo % BLOCK_BYTES !== 0) return SevStatus.INVALID_ADDRESS
    const target = region(firmware.fabric, buffer.paddr, buffer.length)
    if (!target) return SevStatus.INVALID_ADDRESS

    eachChunk(firmware.fabric, target, 0, (content, done) => {
      const plaintext = rawContent(content)
      guest.measure(plaintext)
      firmware.fabric.write(target.spa + done, plaintext, guest.asid)
    })
    return SevStatus.SUCCESS
  },
)

export interface MeasureInputs {
  readonly apiMajor: number
  readonly apiMinor: number
  readonly build: number
  readonly policy: number
  readonly launchDigest: Uint8Array
  readonly mnonce: Uint8Array
  readonly tik: Uint8Array
}

/** 55766 section 6.5: HMAC(TIK, 04 || API_MAJOR || API_MINOR || BUILD || POLICY || LD || MNONCE). */
export function launchMeasure({ apiMajor, apiMinor, build, policy, launchDigest, mnonce, tik }: MeasureInputs): Uint8Array {
  return hmacSha256(tik, concatBytes(Uint8Array.of(0x04, apiMajor, apiMinor, build), u32le(policy), launchDigest, mnonce))
}

/** 55766 section 6.5, LAUNCH_MEASURE. A short buffer is answered with the length needed and changes nothing. */
const launchMeasureCommand = guestCommand(
  'LAUNCH_MEASURE',
  LaunchMeasureBuffer,
  ['WORKING'],
  ['LUPDATE'],
  ({ firmware, buffer, reply }, guest) => {
    if (buffer.measureLength < Measurement.bytes) {
      reply({ measureLength: Measurement.bytes })
      return SevStatus.INVALID_LENGTH
    }
    const target = region(firmware.fabric, buffer.measurePaddr, Measurement.bytes)
    if (!target) return SevStatus.INVALID_ADDRESS

    const mnonce = firmware.random(16)
    const version = { apiMajor: SEV_API_MAJOR, apiMinor: SEV_API_MINOR, build: FIRMWARE_BUILD }
    const measure = launchMeasure({ ...version, policy: guest.policy, launchDigest: guest.launchDigest(), mnonce, tik: guest.tik })
    firmware.fabric.write(target.spa, Measurement.encode({ measure, mnonce }), 0)
    reply({ measureLength: Measurement.bytes })
    guest.move('LAUNCH_MEASURE')
    return SevStatus.SUCCESS
  },
)

/** 55766 section 6.7, LAUNCH_FINISH: the guest may run; its transport keys are forgotten. */
const launchFinish = guestCommand('LAUNCH_FINISH', HandleBuffer, ['WORKING'], ['LSECRET'], (_call, guest) => {
  guest.wipeTransport()
  guest.move('LAUNCH_FINISH')
  return SevStatus.SUCCESS
})

export const launchCommands: readonly Command[] = [launchStart, launchUpdateData, launchMeasureCommand, launchFinish]
