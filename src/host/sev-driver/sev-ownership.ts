import { PlatformCertificatesLayout, SEV_CERTIFICATE_BYTES } from '../../spec/sev/certificates.js'
import { PdhCertExportBuffer, PekCertImportBuffer, PekCsrBuffer } from '../../spec/sev/command-buffers.js'
import type { SevCalls } from './sev-calls.js'

/** The platform's own certificates, as files carry them. */
export interface PlatformCertificates {
  readonly pdh: Uint8Array
  readonly pek: Uint8Array
  readonly oca: Uint8Array
  readonly cek: Uint8Array
}

/** Who owns the platform and what proves it: PEK, OCA and PDH (55766 chapter 5). */
export class SevOwnership {
  private readonly calls: SevCalls

  constructor(calls: SevCalls) {
    this.calls = calls
  }

  /** The platform owns itself again, with new keys. */
  pekGen(): void {
    this.calls.callPlain('PEK_GEN')
  }

  pdhGen(): void {
    this.calls.callPlain('PDH_GEN')
  }

  /** The PEK without signatures. */
  pekCsr(): Uint8Array {
    const [csr] = this.calls.lay(SEV_CERTIFICATE_BYTES)
    this.calls.call('PEK_CSR', PekCsrBuffer, { csrPaddr: csr!.paddr, csrLength: csr!.length })
    return csr!.read()
  }

  pekCertImport(pekCertificate: Uint8Array, ocaCertificate: Uint8Array): void {
    const [pek, oca] = this.calls.lay(pekCertificate, ocaCertificate)
    const where = { pekCertPaddr: pek!.paddr, pekCertLength: pek!.length, ocaCertPaddr: oca!.paddr, ocaCertLength: oca!.length }
    this.calls.call('PEK_CERT_IMPORT', PekCertImportBuffer, where)
  }

  pdhCertExport(): PlatformCertificates {
    const [pdh, certs] = this.calls.lay(SEV_CERTIFICATE_BYTES, PlatformCertificatesLayout.bytes)
    const where = { pdhCertPaddr: pdh!.paddr, pdhCertLength: pdh!.length, certsPaddr: certs!.paddr, certsLength: certs!.length }
    this.calls.call('PDH_CERT_EXPORT', PdhCertExportBuffer, where)
    return { pdh: pdh!.read(), ...PlatformCertificatesLayout.decode(certs!.read()) }
  }
}
