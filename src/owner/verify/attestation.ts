import { equalBytes, toHex, zeroPadded } from '../../lib/bytes.js'
import { CertificateUsage, type SevCertificate, SIGNATURE_BYTES } from '../../spec/sev/certificates.js'
import { ATTESTATION_SIGNED_BYTES, AttestationReportLayout } from '../../spec/sev/command-buffers.js'
import { signatureHolds } from './signature.js'

/** What a report of ATTESTATION says (55766 section 6.8). Means nothing before `verifyAttestation` has said yes. */
export interface AttestationReport {
  readonly raw: Uint8Array
  readonly mnonce: Uint8Array
  readonly launchDigest: Uint8Array
  readonly policy: number
}

export interface AttestationExpectation {
  /** The nonce that was asked with: without it an old report passes for a new one. */
  readonly mnonce: Uint8Array
  readonly launchDigest?: Uint8Array | undefined
  readonly policy?: number | undefined
}

export interface AttestationVerdict {
  readonly ok: boolean
  readonly report: AttestationReport | undefined
  readonly checks: readonly { readonly rule: string; readonly ok: boolean; readonly reason: string }[]
}

/** Signature by a PEK whose chain has been verified, then the owner's expectations, one by one. */
export function verifyAttestation(bytes: Uint8Array, pek: SevCertificate, expected: AttestationExpectation): AttestationVerdict {
  const checks: { rule: string; ok: boolean; reason: string }[] = []
  const judge = (rule: string, ok: boolean, good: string, bad: string): void => void checks.push({ rule, ok, reason: ok ? good : bad })
  if (bytes.length !== AttestationReportLayout.bytes) {
    judge('form', false, '', `a report has ${AttestationReportLayout.bytes} bytes, not ${bytes.length}`)
    return { ok: false, report: undefined, checks }
  }
  const raw = bytes.slice()
  const { mnonce, launchDigest, policy, sigUsage, sigAlgo, reserved_3c, sig1 } = AttestationReportLayout.decode(raw)
  judge('form', reserved_3c === 0 && sigUsage === CertificateUsage.PEK, 'a report signed by a PEK', 'it is no report that a PEK has signed')
  const holds = signatureHolds(pek.publicKey, sigAlgo, raw.subarray(0, ATTESTATION_SIGNED_BYTES), zeroPadded(sig1, SIGNATURE_BYTES))
  judge('signature', holds, "signed by the platform's PEK", "the signature is not by the platform's PEK over these bytes")
  judge(
    'nonce',
    equalBytes(mnonce, expected.mnonce),
    'the nonce is ours',
    `the nonce is ${toHex(mnonce)}, not ours: an old report, or another's`,
  )
  if (expected.launchDigest) {
    const same = equalBytes(launchDigest, expected.launchDigest)
    judge('launch digest', same, 'as expected', `expected ${toHex(expected.launchDigest)}, found ${toHex(launchDigest)}`)
  }
  if (expected.policy !== undefined) {
    judge('policy', policy === expected.policy, 'as expected', `expected 0x${expected.policy.toString(16)}, found 0x${policy.toString(16)}`)
  }
  return { ok: checks.every((check) => check.ok), report: { raw, mnonce, launchDigest, policy }, checks }
}
