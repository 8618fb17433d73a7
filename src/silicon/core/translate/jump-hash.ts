/** How an indirect jump with many known targets finds its way: by a hash of where they lie in the region. */

/** Targets of an indirect jump that are compared one by one. */
export const CHAIN_MAX = 3
export const HASH_BITS = 5
const factors = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f, 0x165667b1, 0xd3a2646d, 0xfd7046c5, 0xb55a4f09].map((factor) => factor | 0)

/** The factor whose products' upper bits tell `positions` apart best, and which of them share a value. */
export function hashOf(positions: readonly number[]): { readonly factor: number; readonly buckets: readonly (readonly number[])[] } {
  const all = factors.map((factor) => {
    const buckets = Array.from({ length: 1 << HASH_BITS }, (): number[] => [])
    positions.forEach((position, n) => buckets[Math.imul(position, factor) >>> (32 - HASH_BITS)]!.push(n))
    return { factor, buckets, longest: Math.max(...buckets.map(({ length }) => length)) }
  })
  return all.reduce((best, one) => (one.longest < best.longest ? one : best))
}
