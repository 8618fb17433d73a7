// Compares the memories of two chips frame by frame, as they stand: in clear where both hold a frame in their cache under one key, else as DRAM has it.

import { FRAME_BYTES, FRAME_TABLE_BASE, LLC_BASE, SLOT_TABLE_BASE } from '../../../src/silicon/fabric-layout.js'
import { SLOT_BYTES, SLOT_KEY } from '../../../src/silicon/memory/engine-layout.js'
import type { Soc } from '../../../src/silicon/soc.js'

export interface FrameDifference {
  /** System physical address of the first byte that differs. */
  readonly spa: number
  readonly interpreted: string
  readonly translated: string
}

const SHOWN_BYTES = 16
const IN_DRAM = 0x80000000

interface Inside {
  readonly bytes: Buffer
  readonly dram: number
  readonly soc: Soc
}

/** Nothing of it changes either machine. */
export function memoryDifference(interpreted: Soc, translated: Soc): FrameDifference | undefined {
  const a = insideOf(interpreted)
  const b = insideOf(translated)
  for (let spa = 0; spa < interpreted.dramBytes.length; spa += FRAME_BYTES) {
    const key = keyOf(a, spa)
    if (key === keyOf(b, spa)) {
      const i = placeOf(a, spa)
      const j = placeOf(b, spa)
      if (a.bytes.compare(b.bytes, j, j + FRAME_BYTES, i, i + FRAME_BYTES) === 0) continue
      return describe(spa, a.bytes.subarray(i, i + FRAME_BYTES), b.bytes.subarray(j, j + FRAME_BYTES))
    }
    const [own, other] = [a, b].map(({ soc }) => Buffer.from(soc.inside.memory.read(spa, FRAME_BYTES))) as [Buffer, Buffer]
    if (own.compare(other) !== 0) return describe(spa, own, other)
  }
  return undefined
}

function insideOf(soc: Soc): Inside {
  const { buffer } = soc.inside.kernel.view
  return { soc, bytes: Buffer.from(buffer as ArrayBuffer), dram: soc.dramBytes.byteOffset }
}

/** Slot of the last-level cache that holds the frame, plus one; 0: none does. */
function slotOf({ bytes }: Inside, spa: number): number {
  const entry = bytes.readUInt32LE(FRAME_TABLE_BASE + (spa / FRAME_BYTES) * 4)
  // The top bit: the frame is in DRAM, and the rest says something else.
  return entry < IN_DRAM ? entry : 0
}

/** Key that the frame stands in clear under, or -1. */
function keyOf(inside: Inside, spa: number): number {
  const slot = slotOf(inside, spa)
  return slot === 0 ? -1 : inside.bytes.readUInt16LE(SLOT_TABLE_BASE + (slot - 1) * SLOT_BYTES + SLOT_KEY)
}

function placeOf(inside: Inside, spa: number): number {
  const slot = slotOf(inside, spa)
  return slot === 0 ? inside.dram + spa : LLC_BASE + (slot - 1) * FRAME_BYTES
}

function describe(frame: number, interpreted: Buffer, translated: Buffer): FrameDifference {
  const at = interpreted.findIndex((byte, n) => byte !== translated[n])
  const shown = (bytes: Buffer): string => bytes.subarray(at, at + SHOWN_BYTES).toString('hex')
  return { spa: frame + at, interpreted: shown(interpreted), translated: shown(translated) }
}
