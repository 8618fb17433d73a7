// Compares the memories of two chips frame by frame, as they stand: in clear where both hold a frame so under one key, else as DRAM has it.

import { DRAM_BASE, FRAME_BYTES, FRAME_TABLE_BASE } from '../../../src/silicon/fabric-layout.js'
import { FRAME_EPOCH_MASK, FRAME_HELD } from '../../../src/silicon/memory/engine-layout.js'
import type { Soc } from '../../../src/silicon/soc.js'

export interface FrameDifference {
  /** System physical address of the first byte that differs. */
  readonly spa: number
  readonly interpreted: string
  readonly translated: string
}

const SHOWN_BYTES = 16

/** Nothing of it changes either machine. */
export function memoryDifference(interpreted: Soc, translated: Soc): FrameDifference | undefined {
  const [a, b] = [memoryOf(interpreted), memoryOf(translated)]
  for (let spa = 0; spa < interpreted.bus.dramBytes; spa += FRAME_BYTES) {
    const start = DRAM_BASE + spa
    if (standing(a, spa) === standing(b, spa)) {
      if (a.compare(b, start, start + FRAME_BYTES, start, start + FRAME_BYTES) === 0) continue
      return describe(spa, a.subarray(start, start + FRAME_BYTES), b.subarray(start, start + FRAME_BYTES))
    }
    const [own, other] = [interpreted, translated].map((soc) => Buffer.from(soc.inside.memory.read(spa, FRAME_BYTES))) as [Buffer, Buffer]
    if (own.compare(other) !== 0) return describe(spa, own, other)
  }
  return undefined
}

function memoryOf(soc: Soc): Buffer {
  return Buffer.from(soc.inside.kernel.view.buffer as ArrayBuffer)
}

/** Under which key the frame stands in clear; -1: under none. */
function standing(memory: Buffer, spa: number): number {
  const entry = memory.readUInt32LE(FRAME_TABLE_BASE + (spa / FRAME_BYTES) * 4)
  return entry < FRAME_HELD ? -1 : entry & ~FRAME_EPOCH_MASK
}

function describe(frame: number, interpreted: Buffer, translated: Buffer): FrameDifference {
  const at = interpreted.findIndex((byte, n) => byte !== translated[n])
  const shown = (bytes: Buffer): string => bytes.subarray(at, at + SHOWN_BYTES).toString('hex')
  return { spa: frame + at, interpreted: shown(interpreted), translated: shown(translated) }
}
