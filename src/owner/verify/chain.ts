import { equalBytes } from '../../lib/bytes.js'
import {
  type CaCertificate,
  CertificateUsage,
  type CertificateUsageName,
  isMalformed,
  parseCaCertificate,
  parseSevCertificate,
  type SevCertificate,
  usageName,
} from '../../spec/sev/certificates.js'
import { amdProductOfRoot } from './known-roots.js'
import { caSignatureHolds, signatureHolds } from './signature.js'

/**
 * A platform's chain of trust (55766 appendix A):
 *
 *   ARK ──▶ ARK (itself)      OCA ──▶ OCA (itself)
 *   ARK ──▶ ASK ──▶ CEK ──▶ PEK ◀── OCA
 *                           PEK ──▶ PDH
 */
export const chainNames = ['ark', 'ask', 'cek', 'oca', 'pek', 'pdh'] as const
export type ChainName = (typeof chainNames)[number]
export type ChainFiles = Readonly<Record<ChainName, Uint8Array>>

/** Which root the owner trusts: AMD's published ones, or one that he holds in his hands. */
export type TrustedRoot = 'amd' | { readonly ark: Uint8Array; readonly name: string }

/** One question that was asked, and its answer. `link` reads "signer→signed", or names one certificate. */
export interface ChainCheck {
  readonly link: string
  readonly ok: boolean
  readonly reason: string
}

export interface ChainVerdict {
  readonly ok: boolean
  /** Whose root it is, where it is trusted. */
  readonly root: string | undefined
  readonly checks: readonly ChainCheck[]
  /** The parsed certificates, only where the whole chain holds. */
  readonly chain?: VerifiedChain
}

export interface VerifiedChain {
  readonly oca: SevCertificate
  readonly pek: SevCertificate
  readonly pdh: SevCertificate
  /** The owner has signed with his own OCA key, or the platform owns itself: a certificate cannot tell which. */
  readonly apiMajor: number
  readonly apiMinor: number
}

type Parsed = { [K in 'ark' | 'ask']: CaCertificate } & { [K in 'cek' | 'oca' | 'pek' | 'pdh']: SevCertificate }

const usages: Readonly<Record<ChainName, CertificateUsageName>> = { ark: 'ARK', ask: 'ASK', cek: 'CEK', oca: 'OCA', pek: 'PEK', pdh: 'PDH' }

function parseAll(files: ChainFiles, checks: ChainCheck[]): Parsed | undefined {
  const parsed: Partial<Record<ChainName, CaCertificate | SevCertificate>> = {}
  for (const name of chainNames) {
    const certificate = name === 'ark' || name === 'ask' ? parseCaCertificate(files[name]) : parseSevCertificate(files[name])
    const expected = usages[name]
    if (isMalformed(certificate)) checks.push({ link: expected, ok: false, reason: certificate.malformed })
    else if (certificate.usage !== CertificateUsage[expected]) {
      checks.push({ link: expected, ok: false, reason: `it is a certificate for ${usageName(certificate.usage)}, not for ${expected}` })
    } else parsed[name] = certificate
  }
  return checks.some((check) => !check.ok) ? undefined : (parsed as Parsed)
}

function judge(checks: ChainCheck[], link: string, problem: string | undefined, good: string): void {
  checks.push({ link, ok: problem === undefined, reason: problem ?? good })
}

function caLink(signer: CaCertificate, signed: CaCertificate): string | undefined {
  if (!equalBytes(signed.certifyingId, signer.keyId)) return 'the certificate names another key as its signer'
  return caSignatureHolds(signer.publicKey, signed.signed, signed.signature)
    ? undefined
    : 'the signature is not by this key over these bytes'
}

/** Exactly one of the certificate's signatures is the signer's, with the signer's algorithm, and it holds. */
function sevLink(signer: SevCertificate | CaCertificate, signed: SevCertificate): string | undefined {
  const own = signed.signatures.filter((signature) => signature.usage === signer.usage)
  if (own.length !== 1) return own.length === 0 ? 'there is no signature by this key' : 'there are two signatures by one key'
  const { algo, field } = own[0]!
  if ('algo' in signer && signer.algo !== algo) return "the signature's algorithm is not that of the key"
  return signatureHolds(signer.publicKey, algo, signed.signed, field) ? undefined : 'the signature is not by this key over these bytes'
}

function countSignatures(certificate: SevCertificate, expected: number): string | undefined {
  const count = certificate.signatures.length
  return count === expected ? undefined : `it carries ${count} signatures, not ${expected}`
}

function judgeRoot(ark: CaCertificate, trusted: TrustedRoot): { readonly name?: string; readonly problem?: string } {
  if (trusted !== 'amd')
    return equalBytes(trusted.ark, ark.raw) ? { name: trusted.name } : { problem: 'this is not the root that is to be trusted' }
  const product = amdProductOfRoot(ark.raw)
  return product ? { name: `AMD ${product}` } : { problem: 'this is none of the roots that AMD has published' }
}

/** Never throws for what the files hold. All checks are made, so that every broken link is named. */
export function verifyChain(files: ChainFiles, trusted: TrustedRoot = 'amd'): ChainVerdict {
  const checks: ChainCheck[] = []
  const parsed = parseAll(files, checks)
  if (!parsed) return { ok: false, root: undefined, checks }
  const { ark, ask, cek, oca, pek, pdh } = parsed
  const root = judgeRoot(ark, trusted)
  judge(checks, 'ARK', root.problem, `the root is ${root.name}`)
  const holds = 'signed'
  judge(checks, 'ARK→ARK', caLink(ark, ark), holds)
  judge(checks, 'ARK→ASK', caLink(ark, ask), holds)
  judge(checks, 'ASK→CEK', countSignatures(cek, 1) ?? sevLink(ask, cek), holds)
  judge(checks, 'CEK→PEK', countSignatures(pek, 2) ?? sevLink(cek, pek), holds)
  judge(checks, 'OCA→OCA', countSignatures(oca, 1) ?? sevLink(oca, oca), holds)
  judge(checks, 'OCA→PEK', sevLink(oca, pek), holds)
  judge(checks, 'PEK→PDH', countSignatures(pdh, 1) ?? sevLink(pek, pdh), holds)
  const ok = checks.every((check) => check.ok)
  const chain = { oca, pek, pdh, apiMajor: pek.apiMajor, apiMinor: pek.apiMinor }
  return ok ? { ok, root: root.name, checks, chain } : { ok, root: root.name, checks }
}
