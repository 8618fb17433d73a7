import { concatBytes, u32le } from '../../../lib/bytes.js'
import { hmacSha256 } from '../../../lib/crypto.js'
import { isZero64 } from '../../../lib/word64.js'
import { SEV_CERTIFICATE_BYTES } from '../../../spec/sev/certificates.js'
import {
  HandleBuffer,
  LaunchMeasureBuffer,
  LaunchStartBuffer,
  LaunchUpdateDataBuffer,
  MacPurpose,
  Measurement,
  SessionLayout,
  VMSA_BYTES,
} from '../../../spec/sev/command-buffers.js'
import { SEV_API_MAJOR, SEV_API_MINOR } from '../../../spec/sev/mailbox.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'
import { certificateFor } from '../certificates/verify.js'
import { type Call, type Command, guestCommand, platformCommand } from '../command.js'
import { type Firmware, FIRMWARE_BUILD } from '../firmware.js'
import { GuestContext } from '../guest-context.js'
import { checkKeySharing, checkPolicy } from '../policy.js'
import { eachChunk, hostBytes, type Region, region } from '../regions.js'
import { openSession, type TransportKeys } from '../session.js'
import { rawContent } from '../untrusted.js'

const VEK_BYTES = 16
/** Launch updates and debug accesses come in whole AES blocks. */
const BLOCK_BYTES = 16

export interface PeerSession {
  readonly certPaddr: { readonly lo: number; readonly hi: number }
  readonly certLength: number
  readonly sessionPaddr: { readonly lo: number; readonly hi: number }
  readonly sessionLength: number
}

/** The transport keys of a session that the host passes on from an owner or another platform, or why there are none. */
export function receiveSession(firmware: Firmware, policy: number, at: PeerSession): TransportKeys | SevStatusCode {
  if (at.certLength !== SEV_CERTIFICATE_BYTES || at.sessionLength !== SessionLayout.bytes) return SevStatus.INVALID_LENGTH
  const certBytes = hostBytes(firmware.fabric, at.certPaddr, SEV_CERTIFICATE_BYTES)
  const session = hostBytes(firmware.fabric, at.sessionPaddr, SessionLayout.bytes)
  if (!certBytes || !session) return SevStatus.INVALID_ADDRESS
  // The peer's certificate is not verified: whoever made the session is who is heard (55766 section 6.2).
  const peer = certificateFor('PDH', certBytes)?.publicKey
  if (peer?.kind !== 'ec' || peer.curve !== firmware.identity.pdh.publicKey.curve) return SevStatus.INVALID_CERTIFICATE
  return openSession(firmware.identity.pdh, peer, session, policy) ?? SevStatus.BAD_MEASUREMENT
}

/** A key of its own, or that of the guest whose handle is given. */
export function memoryKey(firmware: Firmware, sharedHandle: number): Uint8Array {
  return firmware.guests.get(sharedHandle)?.vek.slice() ?? firmware.random(VEK_BYTES)
}

/**
 * 55766 section 6.2, LAUNCH_START: a new guest with a new key, or, where HANDLE names a guest, with that guest's. DH_CERT_PADDR 0 means a launch
 * without an owner's session, whose transport keys are zero.
 */
const launchStart = platformCommand('LAUNCH_START', LaunchStartBuffer, ['INIT', 'WORKING'], ({ firmware, buffer, reply }) => {
  const { handle: sharedHandle, policy, dhCertPaddr, dhCertLength, sessionPaddr, sessionLength } = buffer
  const policyStatus = checkPolicy(firmware, policy)
  if (policyStatus !== SevStatus.SUCCESS) return policyStatus
  const sharingStatus = checkKeySharing(firmware, sharedHandle, policy)
  if (sharingStatus !== SevStatus.SUCCESS) return sharingStatus
  const at = { certPaddr: dhCertPaddr, certLength: dhCertLength, sessionPaddr, sessionLength }
  const transport = isZero64(dhCertPaddr) ? undefined : receiveSession(firmware, policy, at)
  if (typeof transport === 'number') return transport
  const handle = firmware.newHandle()
  if (handle === undefined) return SevStatus.RESOURCE_LIMIT

  firmware.addGuest(new GuestContext({ handle, policy, vek: memoryKey(firmware, sharedHandle), transport, origin: 'launched' }))
  reply({ handle })
  return SevStatus.SUCCESS
})

/**
 * Measures plaintext and encrypts it in place under the guest's key. The region is read once, without a key, and what was measured is what
 * is written: the host cannot change it in between.
 */
function measureAndEncrypt({ firmware }: Call<typeof LaunchUpdateDataBuffer.fields>, guest: GuestContext, target: Region): void {
  eachChunk(firmware.fabric, target, 0, (content, done) => {
    const plaintext = rawContent(content)
    guest.measure(plaintext)
    firmware.fabric.write(target.spa + done, plaintext, guest.asid)
  })
}

/** 55766 section 6.3, LAUNCH_UPDATE_DATA. */
const launchUpdateData = guestCommand('LAUNCH_UPDATE_DATA', LaunchUpdateDataBuffer, ['WORKING'], ['LUPDATE'], (call, guest) => {
  const { firmware, buffer } = call
  if (guest.asid === 0) return SevStatus.INACTIVE
  if (buffer.length === 0 || buffer.length % BLOCK_BYTES !== 0) return SevStatus.INVALID_LENGTH
  if (buffer.paddr.lo % BLOCK_BYTES !== 0) return SevStatus.INVALID_ADDRESS
  const target = region(firmware.fabric, buffer.paddr, buffer.length)
  if (!target) return SevStatus.INVALID_ADDRESS

  measureAndEncrypt(call, guest, target)
  return SevStatus.SUCCESS
})

/** 55766 section 6.4, LAUNCH_UPDATE_VMSA: the page that holds a vCPU's registers, of guests with SEV-ES only. */
const launchUpdateVmsa = guestCommand('LAUNCH_UPDATE_VMSA', LaunchUpdateDataBuffer, ['WORKING'], ['LUPDATE'], (call, guest) => {
  const { firmware, buffer } = call
  if (!guest.encryptsState) return SevStatus.POLICY_FAILURE
  if (guest.asid === 0) return SevStatus.INACTIVE
  if (buffer.length !== VMSA_BYTES) return SevStatus.INVALID_LENGTH
  if (buffer.paddr.lo % VMSA_BYTES !== 0) return SevStatus.INVALID_ADDRESS
  const target = region(firmware.fabric, buffer.paddr, buffer.length)
  if (!target) return SevStatus.INVALID_ADDRESS

  measureAndEncrypt(call, guest, target)
  return SevStatus.SUCCESS
})

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
  return hmacSha256(
    tik,
    concatBytes(Uint8Array.of(MacPurpose.LAUNCH_MEASURE, apiMajor, apiMinor, build), u32le(policy), launchDigest, mnonce),
  )
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
    const measure = launchMeasure({
      ...version,
      policy: guest.policy,
      launchDigest: guest.launchDigest(),
      mnonce,
      tik: guest.transport.tik,
    })
    guest.measurement.set(measure)
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

export const launchCommands: readonly Command[] = [launchStart, launchUpdateData, launchUpdateVmsa, launchMeasureCommand, launchFinish]
