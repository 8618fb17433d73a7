import { equalBytes } from '../../../lib/bytes.js'
import { CertificateAlgo, PlatformCertificatesLayout, SEV_CERTIFICATE_BYTES } from '../../../spec/sev/certificates.js'
import { PdhCertExportBuffer, PekCertImportBuffer, PekCsrBuffer } from '../../../spec/sev/command-buffers.js'
import { SEV_API_MAJOR, SEV_API_MINOR } from '../../../spec/sev/mailbox.js'
import { SevStatus } from '../../../spec/sev/status.js'
import { unsignedCertificate } from '../certificates/issue.js'
import { certificateFor, signedBy } from '../certificates/verify.js'
import { type Command, platformCommand } from '../command.js'
import { selfOwnedIdentity, withNewPdh, withOwner } from '../identity.js'
import { hostBytes, region } from '../regions.js'

/** 55766 chapter 5, PEK_GEN: the platform owns itself again, with all its keys new. */
const pekGen = platformCommand('PEK_GEN', undefined, ['INIT'], ({ firmware }) => {
  firmware.adopt(selfOwnedIdentity(firmware.cek, (bytes) => firmware.random(bytes)))
  return SevStatus.SUCCESS
})

/** 55766 chapter 5, PEK_CSR: the PEK without signatures, for an owner to sign. */
const pekCsr = platformCommand('PEK_CSR', PekCsrBuffer, ['INIT'], ({ firmware, buffer, reply }) => {
  if (buffer.csrLength < SEV_CERTIFICATE_BYTES) {
    reply({ csrLength: SEV_CERTIFICATE_BYTES })
    return SevStatus.INVALID_LENGTH
  }
  const target = region(firmware.fabric, buffer.csrPaddr, SEV_CERTIFICATE_BYTES)
  if (!target) return SevStatus.INVALID_ADDRESS

  firmware.fabric.write(target.spa, unsignedCertificate('PEK', firmware.identity.pek), 0)
  reply({ csrLength: SEV_CERTIFICATE_BYTES })
  return SevStatus.SUCCESS
})

/**
 * 55766 chapter 5, PEK_CERT_IMPORT: an owner takes a platform that owns itself. His certificate must be signed by itself, and his signature must
 * stand on this platform's current PEK, exactly as PEK_CSR gave it out.
 */
const pekCertImport = platformCommand('PEK_CERT_IMPORT', PekCertImportBuffer, ['INIT'], ({ firmware, buffer }) => {
  if (!firmware.identity.oca) return SevStatus.ALREADY_OWNED
  if (buffer.pekCertLength !== SEV_CERTIFICATE_BYTES || buffer.ocaCertLength !== SEV_CERTIFICATE_BYTES) return SevStatus.INVALID_LENGTH
  const pekBytes = hostBytes(firmware.fabric, buffer.pekCertPaddr, SEV_CERTIFICATE_BYTES)
  const ocaBytes = hostBytes(firmware.fabric, buffer.ocaCertPaddr, SEV_CERTIFICATE_BYTES)
  if (!pekBytes || !ocaBytes) return SevStatus.INVALID_ADDRESS
  const [pek, oca] = [certificateFor('PEK', pekBytes), certificateFor('OCA', ocaBytes)]
  if (!pek || !oca || pek.signatures.length !== 1 || oca.signatures.length !== 1) return SevStatus.INVALID_CERTIFICATE
  if (oca.algo === CertificateAlgo.ECDH_SHA256 || oca.algo === CertificateAlgo.ECDH_SHA384) return SevStatus.INVALID_CERTIFICATE
  if (pek.apiMajor !== SEV_API_MAJOR || pek.apiMinor !== SEV_API_MINOR) return SevStatus.INVALID_CERTIFICATE
  const request = certificateFor('PEK', unsignedCertificate('PEK', firmware.identity.pek))
  if (!request || !equalBytes(request.signed, pek.signed)) return SevStatus.INVALID_CERTIFICATE
  if (!signedBy(oca, oca) || !signedBy(oca, pek)) return SevStatus.BAD_SIGNATURE

  // An owner may have signed in either place: his signature goes into the first, the second is the chip's.
  firmware.adopt(withOwner(firmware.identity, pek.signatures[0]!, ocaBytes, firmware.cek, (bytes) => firmware.random(bytes)))
  return SevStatus.SUCCESS
})

/** 55766 chapter 5, PDH_GEN: a new Diffie-Hellman key. Sessions made for the old one no longer open. */
const pdhGen = platformCommand('PDH_GEN', undefined, ['INIT', 'WORKING'], ({ firmware }) => {
  firmware.adopt(withNewPdh(firmware.identity, (bytes) => firmware.random(bytes)))
  return SevStatus.SUCCESS
})

/**
 * 55766 chapter 5, PDH_CERT_EXPORT: the PDH certificate, and PEK, OCA and CEK behind one another. A real chip exports its CEK unsigned and AMD's
 * key service hands out the signed one; ours carries the vendor's signature in its fuses and exports that.
 */
const pdhCertExport = platformCommand('PDH_CERT_EXPORT', PdhCertExportBuffer, ['INIT', 'WORKING'], ({ firmware, buffer, reply }) => {
  if (buffer.pdhCertLength < SEV_CERTIFICATE_BYTES || buffer.certsLength < PlatformCertificatesLayout.bytes) {
    reply({ pdhCertLength: SEV_CERTIFICATE_BYTES, certsLength: PlatformCertificatesLayout.bytes })
    return SevStatus.INVALID_LENGTH
  }
  const pdhTarget = region(firmware.fabric, buffer.pdhCertPaddr, SEV_CERTIFICATE_BYTES)
  const certsTarget = region(firmware.fabric, buffer.certsPaddr, PlatformCertificatesLayout.bytes)
  if (!pdhTarget || !certsTarget) return SevStatus.INVALID_ADDRESS

  const { pdhCertificate, pekCertificate: pek, ocaCertificate: oca } = firmware.identity
  const cek = firmware.fuses.certificates.cek ?? unsignedCertificate('CEK', firmware.cek)
  firmware.fabric.write(pdhTarget.spa, pdhCertificate, 0)
  firmware.fabric.write(certsTarget.spa, PlatformCertificatesLayout.encode({ pek, oca, cek }), 0)
  reply({ pdhCertLength: SEV_CERTIFICATE_BYTES, certsLength: PlatformCertificatesLayout.bytes })
  return SevStatus.SUCCESS
})

export const ownershipCommands: readonly Command[] = [pekGen, pekCsr, pekCertImport, pdhGen, pdhCertExport]
