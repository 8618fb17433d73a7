// What one who reads the memory bus can say about a page from its bytes alone.

export const PAGE_BYTES = 4096

/** `zero`: never written, or cleared in clear. `readable`: has structure. `random`: ciphertext, or data compressed well. */
export type PageLook = 'zero' | 'readable' | 'random'

export const looks: readonly PageLook[] = ['zero', 'readable', 'random']

/**
 * For 4096 uniformly random bytes, the sum of squared byte counts is 4096 + 4096·4095/256 = 69616, with a standard
 * deviation of about 360. A page is called random within six of them; text, code and tables lie far above.
 */
const squaresMax = 69616 + 6 * 360

const counts = new Uint32Array(256)

export function lookOf(page: Uint8Array): PageLook {
  counts.fill(0)
  for (let i = 0; i < page.length; i++) counts[page[i]!]!++
  if (counts[0] === page.length) return 'zero'
  let squares = 0
  for (let value = 0; value < 256; value++) squares += counts[value]! * counts[value]!
  return squares <= squaresMax ? 'random' : 'readable'
}

export interface MemoryMap {
  readonly address: number
  /** One element per page: index into `looks`. */
  readonly pages: Uint8Array
}

const chunkBytes = 1 << 20

/** Looks at every page of [address, address + length). `read` gives whole pages. */
export function mapMemory(read: (address: number, length: number) => Uint8Array, address: number, length: number): MemoryMap {
  const pages = new Uint8Array(Math.floor(length / PAGE_BYTES))
  for (let at = 0; at < pages.length * PAGE_BYTES; at += chunkBytes) {
    const chunk = read(address + at, Math.min(chunkBytes, pages.length * PAGE_BYTES - at))
    for (let offset = 0; offset < chunk.length; offset += PAGE_BYTES) {
      pages[(at + offset) / PAGE_BYTES] = looks.indexOf(lookOf(chunk.subarray(offset, offset + PAGE_BYTES)))
    }
  }
  return { address, pages }
}

export function countLooks(map: MemoryMap): Record<PageLook, number> {
  const result: Record<PageLook, number> = { zero: 0, readable: 0, random: 0 }
  for (const page of map.pages) result[looks[page]!]++
  return result
}
