/** What the vendor must know of the chip to make and endorse one: the one sanctioned crossing from `vendor/` into the silicon. */
import type { EcPublicKey } from '../../spec/sev/certificates.js'
import { deriveKeyPair, type KeyPair } from './keys.js'

export type { Entropy, Fuses } from '../doors/board.js'

/** The chip's unique identity as GET_ID returns it. */
export const CHIP_ID_BYTES = 64
/** The secret that chip-unique keys are derived from. */
export const CHIP_SECRET_BYTES = 32

/** The chip endorsement key (document 55766, section 2.1.1). How it comes out of the fuses is not published: this is our own definition. */
export function endorsementKey(chipSecret: Uint8Array): KeyPair {
  return deriveKeyPair(chipSecret, 'cbit chip endorsement key')
}

/** What the vendor certifies: it knows the fuses on the day it blows them, and keeps the public half only. */
export function endorsementPublicKey(chipSecret: Uint8Array): EcPublicKey {
  return endorsementKey(chipSecret).publicKey
}
