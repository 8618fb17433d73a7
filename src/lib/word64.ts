/** 64-bit words as two unsigned 32-bit halves, and their passage to numbers where they are known to be small. */

export interface Word64 {
  readonly lo: number
  readonly hi: number
}

export const ZERO64: Word64 = { lo: 0, hi: 0 }

/** Halves of a non-negative integer below 2^53. */
export function word64(value: number): Word64 {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is not an unsigned 53-bit integer`)
  return { lo: value >>> 0, hi: Math.floor(value / 0x1_0000_0000) }
}

/** The value as a number; above 2^53 a number that is no longer exact but still too large for any address we have. */
export function word64ToNumber(word: Word64): number {
  return word.hi * 0x1_0000_0000 + word.lo
}

export function isZero64({ lo, hi }: Word64): boolean {
  return lo === 0 && hi === 0
}
