// The owner of a guest, as its provider meets him: with bytes to carry and no key to see.

import { ascii } from '../../src/lib/bytes.js'
import { expectedMeasure, launchDigest, makeLaunchSession, packageSecret } from '../../src/owner/index.js'
import { isMalformed, parseSevCertificate } from '../../src/spec/sev/certificates.js'

export const OWNERS_SECRET = ascii('disk key of its owner, 32 bytes.')

export interface Owner {
  /** For LAUNCH_START. */
  readonly session: { readonly godh: Uint8Array; readonly blob: Uint8Array }
  readonly policy: number
  /** Is this what LAUNCH_MEASURE says of `content`, in order, on firmware of this version? */
  accepts(
    version: { readonly apiMajor: number; readonly apiMinor: number; readonly build: number },
    content: readonly Uint8Array[],
    reported: { readonly measure: Uint8Array; readonly mnonce: Uint8Array },
  ): boolean
  /** His secret, for the launch that was measured so. */
  secretFor(measure: Uint8Array): { readonly header: Uint8Array; readonly data: Uint8Array }
}

/** An owner who sends a guest to the platform whose PDH certificate this is. */
export function ownerFor(pdhCertificate: Uint8Array, policy: number): Owner {
  const pdh = parseSevCertificate(pdhCertificate)
  if (isMalformed(pdh) || pdh.publicKey.kind !== 'ec') throw new Error('a platform shows its PDH')
  let next = 1
  const random = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, () => (next = (next * 73 + 41) & 0xff))
  const { godh, blob, tik, tek } = makeLaunchSession({ pdh: pdh.publicKey, apiMajor: pdh.apiMajor, apiMinor: pdh.apiMinor }, policy, random)
  return {
    session: { godh, blob },
    policy,
    accepts: (version, content, { measure, mnonce }) =>
      Buffer.from(
        expectedMeasure({ ...version, policy }, launchDigest(content.map((bytes) => ({ name: 'content', bytes }))), mnonce, tik),
      ).equals(measure),
    secretFor: (measure) => packageSecret({ tik, tek }, measure, OWNERS_SECRET, random),
  }
}
