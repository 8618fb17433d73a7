/**
 * A split virtqueue from the device's side (virtio 1.2, 2.7). Rings and descriptors are the guest's and hostile: each is copied once
 * and judged; what does not obey the rules breaks the queue (`broken`), and the driver must reset the device.
 *
 *   not ready ──queue_enable──▶ ready ──bad ring──▶ broken ──device reset──▶ not ready
 */
import * as V from '../../../spec/virtio/split-ring.js'
import type { GuestMemory } from '../guest-memory.js'
import { numberOf } from '../halves.js'
import { adoptState, copyState, doesNotFit, within, type Stateful } from '../state.js'

/** Descriptors in an indirect table. A driver uses at most the queue's size; a table of 2^28 entries is an attack on our time. */
const INDIRECT_MAX = 1024

interface Segment {
  readonly gpa: number
  readonly length: number
}

/** One request: the bytes that the driver gave, copied, and the places that it left for the answer. */
export interface Chain {
  readonly head: number
  readonly readable: Uint8Array
  readonly writable: readonly Segment[]
  readonly writableBytes: number
}

const initialState = (sizeMax: number) => ({
  size: sizeMax,
  enabled: false,
  broken: false,
  /** Descriptor table, driver (available) and device (used) areas: lo, hi each. */
  addresses: new Uint32Array(6),
  lastAvailable: 0,
  used: 0,
  vector: 0xffff,
})

export class Virtqueue implements Stateful {
  // state
  private state: ReturnType<typeof initialState>

  constructor(
    // configuration
    readonly sizeMax: number,
    /** Bytes that a driver may give in one request: they are copied, so this bounds our memory. */
    private readonly readableBytesMax: number,
    // connections
    private readonly memory: GuestMemory,
    private readonly isLive: () => boolean,
    private readonly interrupt: () => void,
    private readonly broke: () => void,
  ) {
    this.state = initialState(sizeMax)
  }

  // ---- what the transport sets -----------------------------------------------------------------------------------

  reset(): void {
    this.state = initialState(this.sizeMax)
  }

  get size(): number {
    return this.state.size
  }

  /** Powers of two up to the maximum, before the queue is enabled; the rest is ignored. */
  set size(value: number) {
    if (!this.state.enabled && value > 0 && value <= this.sizeMax && (value & (value - 1)) === 0) this.state.size = value
  }

  get enabled(): boolean {
    return this.state.enabled
  }

  enable(): void {
    this.state.enabled = true
  }

  get vector(): number {
    return this.state.vector
  }

  set vector(value: number) {
    this.state.vector = value
  }

  /** Word 0..5 of the three addresses. */
  address(word: number): number {
    return this.state.addresses[word]
  }

  setAddress(word: number, value: number): void {
    if (!this.state.enabled) this.state.addresses[word] = value
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    const state = adoptState(this.state, value, where)
    if (!within(state.size, 1, this.sizeMax) || !within(state.lastAvailable, 0, 0xffff) || !within(state.used, 0, 0xffff)) doesNotFit(where)
    this.state = state
  }

  // ---- what the device does --------------------------------------------------------------------------------------

  /** The next request, undefined where there is none (or the queue cannot be used). */
  pop(): Chain | undefined {
    const { state } = this
    if (!state.enabled || state.broken || !this.isLive()) return undefined
    const available = this.read16(this.areaAt(1) + V.AVAIL_IDX)
    if (available === undefined) return this.fail()
    const waiting = (available - state.lastAvailable) & 0xffff
    if (waiting === 0) return undefined
    if (waiting > state.size) return this.fail()
    const head = this.read16(this.areaAt(1) + V.AVAIL_RING + 2 * (state.lastAvailable % state.size))
    if (head === undefined || head >= state.size) return this.fail()
    const chain = this.walk(head)
    if (!chain) return this.fail()
    state.lastAvailable = (state.lastAvailable + 1) & 0xffff
    return chain
  }

  /** Puts `bytes` into the answer from `offset` on; false where the guest's buffers are no RAM or too small. */
  fill(chain: Chain, offset: number, bytes: Uint8Array): boolean {
    let skip = offset
    let done = 0
    for (const segment of chain.writable) {
      if (done === bytes.length) break
      if (skip >= segment.length) {
        skip -= segment.length
        continue
      }
      const part = bytes.subarray(done, done + segment.length - skip)
      if (!this.memory.write(segment.gpa + skip, part)) return false
      done += part.length
      skip = 0
    }
    return done === bytes.length
  }

  /** Gives the request back with `written` bytes of answer. */
  push(chain: Chain, written: number): void {
    const { state } = this
    const element = new DataView(new ArrayBuffer(V.USED_ELEMENT_BYTES))
    element.setUint32(0, chain.head, true)
    element.setUint32(4, written, true)
    const at = this.areaAt(2) + V.USED_RING + V.USED_ELEMENT_BYTES * (state.used % state.size)
    const next = (state.used + 1) & 0xffff
    const done =
      this.memory.write(at, new Uint8Array(element.buffer)) &&
      this.memory.write(this.areaAt(2) + V.USED_IDX, Uint8Array.of(next, next >>> 8))
    if (done) state.used = next
    else this.fail()
  }

  /** Tells the driver, unless it asked not to be told. Once after a batch of `push`. */
  signal(): void {
    const flags = this.read16(this.areaAt(1))
    if (flags !== undefined && !(flags & V.AVAIL_NO_INTERRUPT)) this.interrupt()
  }

  private fail(): undefined {
    this.state.broken = true
    this.broke()
    return undefined
  }

  private areaAt(area: number): number {
    return numberOf(this.state.addresses[2 * area], this.state.addresses[2 * area + 1])
  }

  private read16(gpa: number): number | undefined {
    const bytes = this.memory.read(gpa, 2)
    return bytes && bytes[0] | (bytes[1] << 8)
  }

  /** Follows a chain. At most as many descriptors as the table has: a loop ends there. */
  private walk(head: number): Chain | undefined {
    const segments: { segment: Segment; writes: boolean }[] = []
    let table = this.areaAt(0)
    let entries = this.state.size
    let index = head
    let inside = false
    for (let steps = 0; ; steps++) {
      if (steps >= entries || index >= entries) return undefined
      const raw = this.memory.read(table + V.DESCRIPTOR_BYTES * index, V.DESCRIPTOR_BYTES)
      if (!raw) return undefined
      const view = new DataView(raw.buffer, raw.byteOffset)
      const gpa = numberOf(view.getUint32(0, true), view.getUint32(4, true))
      const length = view.getUint32(8, true)
      const flags = view.getUint16(12, true)
      if (flags & V.DESC_INDIRECT) {
        // A table stands alone, holds whole descriptors and no further table (2.7.5.3).
        if (inside || steps > 0 || flags & V.DESC_NEXT || length === 0 || length % V.DESCRIPTOR_BYTES !== 0) return undefined
        entries = length / V.DESCRIPTOR_BYTES
        if (entries > INDIRECT_MAX) return undefined
        table = gpa
        index = 0
        inside = true
        steps = -1
        continue
      }
      segments.push({ segment: { gpa, length }, writes: (flags & V.DESC_WRITE) !== 0 })
      if (!(flags & V.DESC_NEXT)) return this.gather(head, segments)
      index = view.getUint16(14, true)
    }
  }

  /** Copies what is given; places to write must come after it (2.7.4.2). */
  private gather(head: number, segments: readonly { segment: Segment; writes: boolean }[]): Chain | undefined {
    const given = segments.filter((part) => !part.writes).map((part) => part.segment)
    const writable = segments.filter((part) => part.writes).map((part) => part.segment)
    if (segments.slice(0, given.length).some((part) => part.writes)) return undefined
    const total = given.reduce((sum, segment) => sum + segment.length, 0)
    if (total > this.readableBytesMax) return undefined
    const readable = new Uint8Array(total)
    let at = 0
    for (const segment of given) {
      const bytes = this.memory.read(segment.gpa, segment.length)
      if (!bytes) return undefined
      readable.set(bytes, at)
      at += segment.length
    }
    return { head, readable, writable, writableBytes: writable.reduce((sum, segment) => sum + segment.length, 0) }
  }
}
