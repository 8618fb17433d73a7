import { ImageError } from './image-error.js'
import { MEMORY_RAM, type LaunchRegion, type MemoryRange } from './launch-plan.js'

export const PAGE_BYTES = 0x1000
export const MIB = 0x100000

export function pageUp(value: number): number {
  return Math.ceil(value / PAGE_BYTES) * PAGE_BYTES
}

export function pageDown(value: number): number {
  return Math.floor(value / PAGE_BYTES) * PAGE_BYTES
}

/** What pagedBytes has made. */
const paged = new WeakSet<ArrayBufferLike>()

/** `length` zeros to be filled, with zeros behind them to the end of the page: `wholePages` takes them as they stand instead of copying them. */
export function pagedBytes(length: number): Uint8Array {
  const { buffer } = new Uint8Array(pageUp(length))
  paged.add(buffer)
  return new Uint8Array(buffer, 0, length)
}

/** `bytes` at `gpa`, padded with zeros to whole pages. */
export function wholePages(name: string, gpa: number, bytes: Uint8Array): LaunchRegion {
  const base = pageDown(gpa)
  const { buffer, byteOffset, length } = bytes
  if (base === gpa && byteOffset === 0 && pageUp(length) === buffer.byteLength && paged.has(buffer))
    return { name, gpa, bytes: new Uint8Array(buffer) }
  const end = pageUp(gpa + bytes.length)
  if (base === gpa && end === gpa + bytes.length) return { name, gpa, bytes }
  const padded = new Uint8Array(end - base)
  padded.set(bytes, gpa - base)
  return { name, gpa: base, bytes: padded }
}

/** End of the usable RAM that holds `address`, or `address` where it is not RAM. */
export function ramEnd(map: readonly MemoryRange[], address: number): number {
  const range = map.find((r) => r.type === MEMORY_RAM && address >= r.base && address < r.base + r.bytes)
  return range ? range.base + range.bytes : address
}

export function requireRam(map: readonly MemoryRange[], base: number, bytes: number, what: string): void {
  if (ramEnd(map, base) >= base + bytes && bytes >= 0) return
  const spans = map.reduce((end, r) => (r.type === MEMORY_RAM ? Math.max(end, r.base + r.bytes) : end), 0)
  if (base + bytes <= spans)
    throw new ImageError(
      'unsupported',
      `${what} cannot lie at 0x${base.toString(16)} to 0x${(base + bytes).toString(16)}: a PC has no free memory there`,
    )
  const needs = Math.ceil((base + bytes) / MIB) + 1
  throw new ImageError(
    'too-little-memory',
    `needs at least ${needs} MiB of memory: ${what} takes ${Math.ceil(bytes / 1024)} KiB from address 0x${base.toString(16)}`,
  )
}

/** Latin-1 bytes; characters outside it become `?`. */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    bytes[i] = code < 0x100 ? code : 0x3f
  }
  return bytes
}
