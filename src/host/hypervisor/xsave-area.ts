/** A vCPU's XSAVE area in the standard form (APM vol. 4, section XSAVE): legacy area, then XSTATE_BV and XCOMP_BV. */
export const XSAVE_BYTES = 0x1000
const MXCSR_AT = 24
const HEADER_AT = 512
const MXCSR_RESET = 0x1f80
/** Bits of MXCSR that exist: exceptions, DAZ, masks, rounding, FZ, MM. */
const MXCSR_MASK = 0x2ffff

/** XSTATE_BV zero: all components in their initial state; MXCSR is always read from the area (APM vol. 4, section XRSTOR). */
export function initialXsaveArea(): Uint8Array {
  const area = new Uint8Array(XSAVE_BYTES)
  new DataView(area.buffer).setUint32(MXCSR_AT, MXCSR_RESET, true)
  return area
}

/** Would XRSTOR take it? `known` says which components there are. */
export function checkXsaveArea(area: Uint8Array, known: (lo: number, hi: number) => boolean): boolean {
  const view = new DataView(area.buffer, area.byteOffset, area.length)
  const header = (offset: number): number => view.getUint32(HEADER_AT + offset, true)
  if ((view.getUint32(MXCSR_AT, true) & ~MXCSR_MASK) !== 0) return false
  return known(header(0), header(4)) && header(8) === 0 && header(12) === 0 && header(16) === 0 && header(20) === 0
}
