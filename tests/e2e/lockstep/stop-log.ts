// The places where the translated machine was looked at, in order, with its state at each.

import { COPY_WORDS, copyState } from './compared-state.js'

// Kinds of stops.
/** VMRUN has loaded the guest. */
export const ENTERED = 0
/** A region is about to be entered. */
export const BEFORE = 1
/** A region has been left. */
export const AFTER = 2
/** The run loop has been left: #VMEXIT, or the end of VMRUN's budget. */
export const LEFT = 3

const KIND = 0
const COUNT = 1
const DETAIL = 3
const HEADER_WORDS = 4
const STOP_WORDS = HEADER_WORDS + COPY_WORDS
const CHUNK_STOPS = 512
const HIGH = 0x100000000

export class StopLog {
  /** Why the translated machine ran no further. */
  failure: Error | undefined
  private readonly chunks: Int32Array[] = []
  private length = 0
  private at = -1
  /** VMCBs as #VMEXIT left them, by the number of the stop. */
  private readonly vmcbs = new Map<number, Uint8Array>()

  /** Notes a stop after `count` instructions. `detail`: the budget of ENTERED, whether a fault is pending for AFTER, EXIT_* for LEFT. */
  note(kind: number, count: number, detail: number, words: Int32Array, s: number): void {
    const n = this.length++
    let chunk = this.chunks[Math.floor(n / CHUNK_STOPS)]
    if (!chunk) this.chunks.push((chunk = new Int32Array(CHUNK_STOPS * STOP_WORDS)))
    const base = (n % CHUNK_STOPS) * STOP_WORDS
    chunk[base + KIND] = kind
    chunk[base + COUNT] = count % HIGH
    chunk[base + COUNT + 1] = Math.floor(count / HIGH)
    chunk[base + DETAIL] = detail
    copyState(words, s, chunk, base + HEADER_WORDS)
  }

  noteVmcb(vmcb: Uint8Array): void {
    this.vmcbs.set(this.length - 1, vmcb)
  }

  /** Goes on to the next stop; false where there is none. */
  next(): boolean {
    if (this.at + 1 >= this.length) return false
    this.at++
    return true
  }

  /** All has been read: room for what follows. */
  clear(): void {
    this.length = 0
    this.at = -1
    this.vmcbs.clear()
  }

  get read(): boolean {
    return this.at + 1 === this.length
  }

  private get chunk(): Int32Array {
    return this.chunks[Math.floor(this.at / CHUNK_STOPS)]!
  }

  private get base(): number {
    return (this.at % CHUNK_STOPS) * STOP_WORDS
  }

  get kind(): number {
    return this.chunk[this.base + KIND]!
  }

  get count(): number {
    return (this.chunk[this.base + COUNT]! >>> 0) + this.chunk[this.base + COUNT + 1]! * HIGH
  }

  get detail(): number {
    return this.chunk[this.base + DETAIL]!
  }

  get vmcb(): Uint8Array | undefined {
    return this.vmcbs.get(this.at)
  }

  /** The state's copy: `state[stateAt …]`. */
  get state(): Int32Array {
    return this.chunk
  }

  get stateAt(): number {
    return this.base + HEADER_WORDS
  }
}
