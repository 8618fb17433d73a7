import { bytes, layout, u32 } from '../../lib/layout.js'
import { type CertificateSignature, SEV_CERTIFICATE_BYTES, withSignature } from '../../spec/sev/certificates.js'
import { certificateFor, signedBy } from './certificates/verify.js'
import { signCertificate, unsignedCertificate } from './certificates/issue.js'
import { type KeyPair, keyPairOf, makeKeyPair, SCALAR_BYTES } from './keys.js'

/**
 * Who the platform is (document 55766, section 2.1 and PCTX): its owner's certificate (OCA), its endorsement key (PEK) signed by owner
 * and chip, and its Diffie-Hellman key (PDH) signed by the PEK. Persistent: INIT finds it again where SHUTDOWN left it.
 */
export interface PlatformIdentity {
  /** Undefined where the platform is owned externally: its owner keeps that key. */
  readonly oca: KeyPair | undefined
  readonly ocaCertificate: Uint8Array
  readonly pek: KeyPair
  readonly pekCertificate: Uint8Array
  readonly pdh: KeyPair
  readonly pdhCertificate: Uint8Array
}

type Random = (bytes: number) => Uint8Array

function makePdh(pek: KeyPair, random: Random): Pick<PlatformIdentity, 'pdh' | 'pdhCertificate'> {
  const pdh = makeKeyPair(random)
  return { pdh, pdhCertificate: signCertificate(unsignedCertificate('PDH', pdh), 1, 'PEK', pek) }
}

/** PEK_GEN, and INIT of a platform without state: the platform owns itself, with all keys new. */
export function selfOwnedIdentity(cek: KeyPair, random: Random): PlatformIdentity {
  const oca = makeKeyPair(random)
  const ocaCertificate = signCertificate(unsignedCertificate('OCA', oca), 1, 'OCA', oca)
  const pek = makeKeyPair(random)
  const ownedPek = signCertificate(unsignedCertificate('PEK', pek), 1, 'OCA', oca)
  return { oca, ocaCertificate, pek, pekCertificate: signCertificate(ownedPek, 2, 'CEK', cek), ...makePdh(pek, random) }
}

/** PDH_GEN. */
export function withNewPdh(identity: PlatformIdentity, random: Random): PlatformIdentity {
  return { ...identity, ...makePdh(identity.pek, random) }
}

/** PEK_CERT_IMPORT: the platform belongs to whoever holds the OCA key that made `ownerSignature` on its PEK; the chip adds its own. */
export function withOwner(
  { pek }: PlatformIdentity,
  ownerSignature: CertificateSignature,
  ocaCertificate: Uint8Array,
  cek: KeyPair,
  random: Random,
): PlatformIdentity {
  const { usage, algo, field } = ownerSignature
  const owned = withSignature(unsignedCertificate('PEK', pek), 1, usage, algo, field)
  return { oca: undefined, ocaCertificate, pek, pekCertificate: signCertificate(owned, 2, 'CEK', cek), ...makePdh(pek, random) }
}

/** What goes into sealed storage. OWNER: 0 self, 1 external. */
const Stored = layout('IDENTITY', 0x190c, {
  owner: u32(0x00),
  reserved_4: bytes(0x04, 12),
  oca: bytes(0x10, SCALAR_BYTES),
  pek: bytes(0x40, SCALAR_BYTES),
  pdh: bytes(0x70, SCALAR_BYTES),
  ocaCertificate: bytes(0xa0, SEV_CERTIFICATE_BYTES),
  pekCertificate: bytes(0x8c4, SEV_CERTIFICATE_BYTES),
  pdhCertificate: bytes(0x10e8, SEV_CERTIFICATE_BYTES),
})

export function encodeIdentity({ oca, pek, pdh, ocaCertificate, pekCertificate, pdhCertificate }: PlatformIdentity): Uint8Array {
  const scalars = { oca: oca?.d ?? new Uint8Array(SCALAR_BYTES), pek: pek.d, pdh: pdh.d }
  return Stored.encode({ owner: oca ? 0 : 1, ...scalars, ocaCertificate, pekCertificate, pdhCertificate })
}

/** Storage authenticates itself, so what does not fit here was written by another firmware: undefined. */
export function parseIdentity(content: Uint8Array): PlatformIdentity | undefined {
  if (content.length !== Stored.bytes) return undefined
  const { owner, ocaCertificate, pekCertificate, pdhCertificate, ...scalars } = Stored.decode(content)
  const [oca, pek, pdh] = [owner === 0 ? keyPairOf(scalars.oca) : undefined, keyPairOf(scalars.pek), keyPairOf(scalars.pdh)]
  if (owner > 1 || (owner === 0 && !oca) || !pek || !pdh) return undefined
  const parsed = {
    oca: certificateFor('OCA', ocaCertificate),
    pek: certificateFor('PEK', pekCertificate),
    pdh: certificateFor('PDH', pdhCertificate),
  }
  if (!parsed.oca || !parsed.pek || !parsed.pdh) return undefined
  if (!signedBy(parsed.oca, parsed.pek) || !signedBy(parsed.pek, parsed.pdh)) return undefined
  return { oca, ocaCertificate, pek, pekCertificate, pdh, pdhCertificate }
}
