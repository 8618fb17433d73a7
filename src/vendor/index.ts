export { emulatedRoot, emulatedVendor } from './emulated-vendor.js'
export { fuseChip } from './fuse-chip.js'
export { encodeFuses, parseFuses } from './fuses-file.js'
export { foundVendor, type Vendor } from './vendor.js'
