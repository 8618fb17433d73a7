import { CHIP_ID_BYTES, CHIP_SECRET_BYTES, type Entropy, type Fuses } from '../silicon/secure-processor/endorsement.js'
import { emulatedVendor } from './emulated-vendor.js'
import type { Vendor } from './vendor.js'

/** Blows the fuses of a new chip: an identity and a secret nobody else has, and the vendor's certificates for it. */
export function fuseChip(entropy: Entropy, vendor: Vendor = emulatedVendor()): Fuses {
  const chipId = new Uint8Array(CHIP_ID_BYTES)
  const chipSecret = new Uint8Array(CHIP_SECRET_BYTES)
  entropy.fill(chipId)
  entropy.fill(chipSecret)
  return { chipId, chipSecret, certificates: { ark: vendor.ark, ask: vendor.ask, cek: vendor.endorse(chipSecret) } }
}
