/** Pages around a core's RIP, as its TLB for instructions has them, and the code on them. Positions are bytes from the start of the page of RIP. */

import { FRAME_BYTES } from '../../fabric-layout.js'
import * as S from '../state/layout.js'

/** Entry of core `s`'s TLB for the page `pages` away from that of its RIP, as a word; -1: it has none that serves. */
function entryAt(words: Int32Array, s: number, pages: number): number {
  const word = (offset: number): number => words[(s + offset) >> 2]! >>> 0
  const low = word(S.PC) + pages * FRAME_BYTES
  const page = (low & -FRAME_BYTES) >>> 0
  const high = (word(S.PC + 4) + Math.floor(low / 0x100000000)) >>> 0
  const upper = high >>> 31
  const salt = upper ? 0 : word(S.SPACE) * S.SPACE_SPREAD
  const slot = (((page >>> 12) ^ salt) & (S.TLB_EXEC_HALF - 1)) + upper * S.TLB_EXEC_HALF
  const entry = S.TLB_EXEC + slot * 16
  const tag = word(entry)
  const mapped = tag === (page | word(S.CTX)) >>> 0 || tag === (page | word(S.GLOBAL_SPACE) | (word(S.CTX) & 1)) >>> 0
  if (!mapped || word(entry + 4) !== high) return -1
  return (s + entry) >> 2
}

/** Frame of that page, or -1. */
export function frameAt(words: Int32Array, s: number, pages: number): number {
  return pageAt(words, s, pages)?.frame ?? -1
}

interface Page {
  /** Where its bytes stand in linear memory. */
  readonly at: number
  readonly frame: number
}

function pageAt(words: Int32Array, s: number, pages: number): Page | undefined {
  const entry = entryAt(words, s, pages)
  if (entry < 0) return undefined
  // The entry has what is to be added to a linear address, whose low half is in the tag.
  return { at: ((words[entry]! & -FRAME_BYTES) + words[entry + 2]!) >>> 0, frame: words[entry + 3]! >>> 0 }
}

/** Where code stands in linear memory, and the frame of its page. */
export interface CodePlace extends Page {
  /** The page behind it, where it runs over into that. */
  readonly second: Page | undefined
}

/** Undefined where a page is not at hand. */
export function codePlace(words: Int32Array, s: number, position: number, length: number): CodePlace | undefined {
  const pages = Math.floor(position / FRAME_BYTES)
  const offset = position & (FRAME_BYTES - 1)
  const crosses = offset + length > FRAME_BYTES
  const page = pageAt(words, s, pages)
  const second = crosses ? pageAt(words, s, pages + 1) : undefined
  return page && (second || !crosses) ? { at: page.at + offset, frame: page.frame, second } : undefined
}

/** The `length` bytes of code at `place`. */
export function codeAt(bytes: Uint8Array, { at, second }: CodePlace, length: number): Uint8Array {
  if (!second) return bytes.subarray(at, at + length)
  const first = FRAME_BYTES - (at % FRAME_BYTES)
  const whole = new Uint8Array(length)
  whole.set(bytes.subarray(at, at + first))
  whole.set(bytes.subarray(second.at, second.at + length - first), first)
  return whole
}
