/** A 64-bit value as two unsigned 32-bit halves. Same shape as the chip's own `Halves`. */
export interface Halves {
  readonly lo: number
  readonly hi: number
}

export const ZERO: Halves = { lo: 0, hi: 0 }
export const ALL_ONES: Halves = { lo: 0xffff_ffff, hi: 0xffff_ffff }

/** The halves of the low `size` bytes of all ones: what an empty bus answers. */
export function allOnes(size: number): Halves {
  if (size === 8) return ALL_ONES
  return { lo: size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1, hi: 0 }
}

export function halvesOf(value: number): Halves {
  return { lo: value >>> 0, hi: Math.floor(value / 2 ** 32) >>> 0 }
}

export function numberOf(lo: number, hi: number): number {
  return hi * 2 ** 32 + lo
}
