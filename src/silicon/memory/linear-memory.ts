import { assert } from '../../lib/assert.js'
import { DRAM_BASE, FABRIC_BASE, FABRIC_DRAM_FRAMES, FRAME_BYTES } from '../fabric-layout.js'

/** The one linear memory: the chip's own area, then the board's DRAM (fabric-layout.ts). */
export interface LinearMemory {
  readonly memory: WebAssembly.Memory
  readonly dramBytes: number
}

/** 3 GiB of guest and a quarter for the host. */
export const DRAM_BYTES_MAX = 0xd000_0000
const WASM_PAGE_BYTES = 0x1_0000

/** Throws RangeError for sizes that do not fit. Memory is committed by the operating system as it is touched. */
export function createLinearMemory(dramBytes: number): LinearMemory {
  if (!Number.isInteger(dramBytes) || dramBytes < FRAME_BYTES || dramBytes > DRAM_BYTES_MAX || dramBytes % FRAME_BYTES !== 0) {
    throw new RangeError(`DRAM of ${dramBytes} bytes: it must be whole 4 KiB frames, from ${FRAME_BYTES} to ${DRAM_BYTES_MAX} bytes`)
  }
  const pages = Math.ceil((DRAM_BASE + dramBytes) / WASM_PAGE_BYTES)
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
  const words = new Uint32Array(memory.buffer, FABRIC_BASE, 0x40)
  words[FABRIC_DRAM_FRAMES / 4] = dramBytes / FRAME_BYTES
  assert(memory.buffer.byteLength === pages * WASM_PAGE_BYTES, 'the memory has the size asked for')
  return { memory, dramBytes }
}
