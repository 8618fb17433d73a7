/**
 * What the vendor must know of the chip to make and endorse one: the one sanctioned crossing from `vendor/` into the silicon. Endorsement
 * certificates are not made yet; until they are, a chip's identity and secret are all that is fused.
 */
export type { Entropy, Fuses } from '../doors/board.js'

/** The chip's unique identity as GET_ID returns it. */
export const CHIP_ID_BYTES = 64
/** The secret that chip-unique keys will be derived from. */
export const CHIP_SECRET_BYTES = 32
