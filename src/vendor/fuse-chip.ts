import { CHIP_ID_BYTES, CHIP_SECRET_BYTES, type Entropy, type Fuses } from '../silicon/secure-processor/endorsement.js'

/** Blows the fuses of a new chip: an identity and a secret nobody else has. It carries no certificates: the vendor does not endorse chips yet. */
export function fuseChip(entropy: Entropy): Fuses {
  const chipId = new Uint8Array(CHIP_ID_BYTES)
  const chipSecret = new Uint8Array(CHIP_SECRET_BYTES)
  entropy.fill(chipId)
  entropy.fill(chipSecret)
  return { chipId, chipSecret, certificates: {} }
}
