import { word64ToNumber, type Word64 } from '../../lib/word64.js'
import type { Fabric } from '../fabric.js'
import { type Untrusted, untrusted } from './untrusted.js'

/** Regions of system memory that a command names. Addresses come from the host: nothing is believed before `region` has answered. */
export interface Region {
  readonly spa: number
  readonly length: number
}

/** Bytes moved at a time: what a command allocates does not grow with the length it was asked for. */
const CHUNK_BYTES = 0x1_0000

/** The region as numbers, or undefined where it is not all DRAM. */
export function region(fabric: Fabric, paddr: Word64, length: number): Region | undefined {
  const spa = word64ToNumber(paddr)
  return fabric.contains(spa, length) ? { spa, length } : undefined
}

/** A copy of what the host put at `paddr`, or undefined where that is not all DRAM. The caller has bounded `length`. */
export function hostBytes(fabric: Fabric, paddr: Word64, length: number): Uint8Array | undefined {
  const at = region(fabric, paddr, length)
  return at && fabric.read(at.spa, at.length, 0)
}

export function overlap(a: Region, b: Region): boolean {
  return a.spa < b.spa + b.length && b.spa < a.spa + a.length
}

/** Reads `from` under `key`, a chunk at a time; each byte is read once. The content is good until `visit` returns. */
export function eachChunk(fabric: Fabric, from: Region, key: number, visit: (content: Untrusted<Uint8Array>, done: number) => void): void {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, from.length))
  for (let done = 0; done < from.length; done += CHUNK_BYTES) {
    const chunk = buffer.subarray(0, Math.min(CHUNK_BYTES, from.length - done))
    fabric.readInto(from.spa + done, chunk, key)
    visit(untrusted(chunk), done)
  }
}
