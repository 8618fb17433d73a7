import { CertificateUsage } from '../../../spec/sev/certificates.js'
import { ATTESTATION_SIGNED_BYTES, AttestationBuffer, AttestationReportLayout } from '../../../spec/sev/command-buffers.js'
import { SevStatus } from '../../../spec/sev/status.js'
import { type Command, guestCommand } from '../command.js'
import { sign } from '../keys.js'
import { region } from '../regions.js'

/**
 * 55766 section 6.8, ATTESTATION: launch digest and policy of a guest, with the asker's nonce, signed by the PEK. A guest that came from
 * another platform has a digest of zero: no digest travels with it.
 */
const attestation = guestCommand('ATTESTATION', AttestationBuffer, ['WORKING'], ['LSECRET', 'RUNNING', 'SUPDATE'], (call, guest) => {
  const { firmware, buffer, reply } = call
  if (buffer.length < AttestationReportLayout.bytes) {
    reply({ length: AttestationReportLayout.bytes })
    return SevStatus.INVALID_LENGTH
  }
  const target = region(firmware.fabric, buffer.paddr, AttestationReportLayout.bytes)
  if (!target) return SevStatus.INVALID_ADDRESS

  const body = { mnonce: buffer.mnonce, launchDigest: guest.launchDigest(), policy: guest.policy, sigUsage: CertificateUsage.PEK }
  const signed = AttestationReportLayout.encode(body).subarray(0, ATTESTATION_SIGNED_BYTES)
  const { algo, field } = sign(firmware.identity.pek, signed)
  const sig1 = field.slice(0, AttestationReportLayout.fields.sig1.bytes)
  firmware.fabric.write(target.spa, AttestationReportLayout.encode({ ...body, sigAlgo: algo, sig1 }), 0)
  reply({ length: AttestationReportLayout.bytes })
  return SevStatus.SUCCESS
})

export const attestationCommands: readonly Command[] = [attestation]
