/** The 256-bit sets IRR, ISR and TMR: one bit a vector. */

/** Highest set bit of a 256-bit set, or -1. */
export function highest(bits: Uint32Array): number {
  for (let word = 7; word >= 0; word--) if (bits[word] !== 0) return word * 32 + 31 - Math.clz32(bits[word])
  return -1
}

export function has(bits: Uint32Array, vector: number): boolean {
  return ((bits[vector >>> 5] >>> (vector & 31)) & 1) !== 0
}

export function put(bits: Uint32Array, vector: number, value: boolean): void {
  if (value) bits[vector >>> 5] |= 1 << (vector & 31)
  else bits[vector >>> 5] &= ~(1 << (vector & 31))
}
