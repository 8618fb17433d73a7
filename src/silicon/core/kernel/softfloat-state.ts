// The environment of one floating-point operation. SSE sets it from MXCSR, x87 from its control word; the operations
// read it and leave the exceptions that arose in `sf_flags`. (AMD64 APM vol. 1, sections 4.2.2 MXCSR and 6.2.3/6.2.4 x87 control and status.)

export const SF_IE: u32 = 1
export const SF_DE: u32 = 2
export const SF_ZE: u32 = 4
export const SF_OE: u32 = 8
export const SF_UE: u32 = 16
export const SF_PE: u32 = 32

export const SF_NEAREST: u32 = 0
export const SF_DOWN: u32 = 1
export const SF_UP: u32 = 2
export const SF_ZERO: u32 = 3

/** Rounding mode: SF_NEAREST, SF_DOWN, SF_UP, SF_ZERO. */
export let sf_round: u32 = 0
/** Exception flags, accumulated. Start them with the flags of MXCSR: with PE already set the fast paths apply. */
export let sf_flags: u32 = 0
/** Exception masks, same bit order, 1 = masked. */
export let sf_masks: u32 = 0x3f
/** SSE only: denormal operands are taken as zero. */
export let sf_daz: bool = false
/** SSE only: with underflow masked, tiny results become zero. */
export let sf_ftz: bool = false
/** Set by every rounding: the magnitude of the result was rounded up (x87 C1). */
export let sf_rounded_up: bool = false

/** Takes rounding, masks, DAZ, FTZ and the sticky flags from an MXCSR value. */
export function sf_begin(mxcsr: u32): void {
  sf_flags = mxcsr & 0x3f
  sf_masks = (mxcsr >> 7) & 0x3f
  sf_round = (mxcsr >> 13) & 3
  sf_daz = (mxcsr & 0x40) != 0
  sf_ftz = (mxcsr & 0x8000) != 0
}

/** The flags in `sf_flags` that are not masked: not zero means that an exception must be raised and no result written. */
export function sf_unmasked(): u32 {
  return sf_flags & ~sf_masks
}
