import { assert } from '../../lib/assert.js'
import { FABRIC_BASE, FABRIC_DRAM_BASE, FABRIC_DRAM_FRAMES, FRAME_BYTES, LLC_BASE } from '../fabric-layout.js'

/** The one linear memory: the chip's own area, the last-level cache, then the board's DRAM (fabric-layout.ts). */
export interface LinearMemory {
  readonly memory: WebAssembly.Memory
  readonly llcBytes: number
  readonly dramBase: number
  readonly dramBytes: number
  /** The DRAM part, for the board's modules. What the chip reads of the board is exactly this. */
  readonly dram: Uint8Array
}

export const LLC_BYTES_DEFAULT = 0x1000_0000
export const LLC_BYTES_MIN = 0x10_0000
/** The slot table has room for this much. */
export const LLC_BYTES_MAX = 0x2000_0000
/** 3 GiB of guest and a quarter for the host; with the largest default cache the sum stays under 4 GiB. */
export const DRAM_BYTES_MAX = 0xd000_0000
const WASM_PAGE_BYTES = 0x1_0000
const WASM_PAGES_MAX = 0x1_0000

/** Decides the layout; throws RangeError for sizes that do not fit. Memory is committed by the operating system as it is touched. */
export function createLinearMemory(dramBytes: number, llcBytes: number = LLC_BYTES_DEFAULT): LinearMemory {
  checkSize('DRAM', dramBytes, FRAME_BYTES, DRAM_BYTES_MAX)
  checkSize('last-level cache', llcBytes, LLC_BYTES_MIN, LLC_BYTES_MAX)
  const dramBase = LLC_BASE + llcBytes
  const pages = Math.ceil((dramBase + dramBytes) / WASM_PAGE_BYTES)
  if (pages > WASM_PAGES_MAX) throw new RangeError('DRAM and last-level cache together exceed 4 GiB')

  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const words = new Uint32Array(memory.buffer, FABRIC_BASE, 0x40)
  words[FABRIC_DRAM_BASE / 4] = dramBase
  words[FABRIC_DRAM_FRAMES / 4] = dramBytes / FRAME_BYTES
  assert(memory.buffer.byteLength === pages * WASM_PAGE_BYTES, 'the memory has the size asked for')
  return { memory, llcBytes, dramBase, dramBytes, dram: new Uint8Array(memory.buffer, dramBase, dramBytes) }
}

function checkSize(what: string, bytes: number, min: number, max: number): void {
  if (!Number.isInteger(bytes) || bytes < min || bytes > max || bytes % FRAME_BYTES !== 0) {
    throw new RangeError(`${what} of ${bytes} bytes: it must be whole 4 KiB frames, from ${min} to ${max} bytes`)
  }
}
