/** virtio 1.2, 2.7: split virtqueues. */

export const DESCRIPTOR_BYTES = 16
export const DESC_NEXT = 1
export const DESC_WRITE = 2
export const DESC_INDIRECT = 4

/** Available ring: flags u16, idx u16, ring[size] u16. */
export const AVAIL_IDX = 2
export const AVAIL_RING = 4
export const AVAIL_NO_INTERRUPT = 1
/** Used ring: flags u16, idx u16, ring[size] of { id u32, len u32 }. */
export const USED_IDX = 2
export const USED_RING = 4
export const USED_ELEMENT_BYTES = 8
