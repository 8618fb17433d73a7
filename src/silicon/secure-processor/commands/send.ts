import type { Values } from '../../../lib/layout.js'
import { PlatformCertificatesLayout, SEV_CERTIFICATE_BYTES, type SevCertificate } from '../../../spec/sev/certificates.js'
import { HandleBuffer, MacPurpose, PacketBuffer, SendStartBuffer, SessionLayout, VMSA_BYTES } from '../../../spec/sev/command-buffers.js'
import { SevPolicy } from '../../../spec/sev/policy.js'
import { SevStatus, type SevStatusCode } from '../../../spec/sev/status.js'
import { certificateFor, checkEndorsement, parsePlatformChain, signedBy } from '../certificates/verify.js'
import { type Command, guestCommand } from '../command.js'
import type { Firmware } from '../firmware.js'
import { givePacket } from '../packets.js'
import { recentEnough } from '../policy.js'
import { hostBytes, region } from '../regions.js'
import { makeSession } from '../session.js'

/** ASK and ARK of 4096 bits: nothing longer is read. */
const AMD_CERTIFICATES_BYTES_MAX = 2 * 0x640

/** Is the receiver one that the guest's policy admits (55766 section 6.9)? */
function checkReceiver(
  firmware: Firmware,
  policy: number,
  buffer: Values<typeof SendStartBuffer.fields>,
  pdh: SevCertificate,
): SevStatusCode {
  if ((policy & (SevPolicy.SEV | SevPolicy.DOMAIN)) === 0) return SevStatus.SUCCESS
  if (buffer.platCertsLength !== PlatformCertificatesLayout.bytes) return SevStatus.INVALID_LENGTH
  const chainBytes = hostBytes(firmware.fabric, buffer.platCertsPaddr, PlatformCertificatesLayout.bytes)
  if (!chainBytes) return SevStatus.INVALID_ADDRESS
  const chain = parsePlatformChain(chainBytes)
  if (!chain) return SevStatus.INVALID_CERTIFICATE
  if (!signedBy(chain.pek, pdh)) return SevStatus.BAD_SIGNATURE
  if ((policy & SevPolicy.DOMAIN) !== 0) {
    // The domain is whoever holds the key of this platform's own owner certificate.
    const owner = certificateFor('OCA', firmware.identity.ocaCertificate)
    if (!owner || !signedBy(owner, chain.pek)) return SevStatus.BAD_SIGNATURE
  }
  if ((policy & SevPolicy.SEV) === 0) return SevStatus.SUCCESS
  if (buffer.amdCertsLength === 0 || buffer.amdCertsLength > AMD_CERTIFICATES_BYTES_MAX) return SevStatus.INVALID_LENGTH
  const amdCertificates = hostBytes(firmware.fabric, buffer.amdCertsPaddr, buffer.amdCertsLength)
  if (!amdCertificates) return SevStatus.INVALID_ADDRESS
  const endorsed = checkEndorsement(amdCertificates, chain.cek, firmware.fuses.certificates.ark)
  if (endorsed !== SevStatus.SUCCESS) return endorsed
  if (!signedBy(chain.cek, chain.pek)) return SevStatus.BAD_SIGNATURE
  return recentEnough(policy, chain.pek.apiMajor, chain.pek.apiMinor) ? SevStatus.SUCCESS : SevStatus.POLICY_FAILURE
}

/**
 * 55766 section 6.9, SEND_START: judges the receiver by its certificates and wraps new transport keys for it. SESSION_LENGTH too short is
 * answered with the length needed.
 */
const sendStart = guestCommand('SEND_START', SendStartBuffer, ['WORKING'], ['RUNNING'], ({ firmware, buffer, reply }, guest) => {
  if (buffer.sessionLength < SessionLayout.bytes) {
    reply({ sessionLength: SessionLayout.bytes })
    return SevStatus.INVALID_LENGTH
  }
  if ((guest.policy & SevPolicy.NOSEND) !== 0) return SevStatus.POLICY_FAILURE
  if (buffer.pdhCertLength !== SEV_CERTIFICATE_BYTES) return SevStatus.INVALID_LENGTH
  const pdhBytes = hostBytes(firmware.fabric, buffer.pdhCertPaddr, SEV_CERTIFICATE_BYTES)
  const target = region(firmware.fabric, buffer.sessionPaddr, SessionLayout.bytes)
  if (!pdhBytes || !target) return SevStatus.INVALID_ADDRESS
  const pdh = certificateFor('PDH', pdhBytes)
  if (pdh?.publicKey.kind !== 'ec') return SevStatus.INVALID_CERTIFICATE
  const status = checkReceiver(firmware, guest.policy, buffer, pdh)
  if (status !== SevStatus.SUCCESS) return status
  const made = makeSession(firmware.identity.pdh, pdh.publicKey, guest.policy, (bytes) => firmware.random(bytes))
  if (!made) return SevStatus.INVALID_CERTIFICATE

  guest.transport = made.keys
  firmware.fabric.write(target.spa, made.session, 0)
  reply({ policy: guest.policy, sessionLength: SessionLayout.bytes })
  guest.move('SEND_START')
  return SevStatus.SUCCESS
})

/** 55766 section 6.10, SEND_UPDATE_DATA: guest memory, encrypted for the receiver. */
const sendUpdateData = guestCommand('SEND_UPDATE_DATA', PacketBuffer, ['WORKING'], ['SUPDATE'], ({ firmware, buffer, reply }, guest) =>
  givePacket(firmware, buffer, guest, MacPurpose.DATA, reply),
)

/** 55766 section 6.11, SEND_UPDATE_VMSA: a register page of a guest with SEV-ES. */
const sendUpdateVmsa = guestCommand('SEND_UPDATE_VMSA', PacketBuffer, ['WORKING'], ['SUPDATE'], ({ firmware, buffer, reply }, guest) => {
  if (!guest.encryptsState) return SevStatus.POLICY_FAILURE
  if (buffer.guestLength !== 0 && buffer.guestLength !== VMSA_BYTES) return SevStatus.INVALID_LENGTH
  return givePacket(firmware, buffer, guest, MacPurpose.VMSA, reply)
})

/** 55766 section 6.12, SEND_FINISH: the guest lives elsewhere now; here it never runs again. */
const sendFinish = guestCommand('SEND_FINISH', HandleBuffer, ['WORKING'], ['SUPDATE'], (_call, guest) => {
  guest.wipeTransport()
  guest.move('SEND_FINISH')
  return SevStatus.SUCCESS
})

/** 55766 section 6.13, SEND_CANCEL: the guest stays. */
const sendCancel = guestCommand('SEND_CANCEL', HandleBuffer, ['WORKING'], ['SUPDATE'], (_call, guest) => {
  guest.wipeTransport()
  guest.move('SEND_CANCEL')
  return SevStatus.SUCCESS
})

export const sendCommands: readonly Command[] = [sendStart, sendUpdateData, sendUpdateVmsa, sendFinish, sendCancel]
