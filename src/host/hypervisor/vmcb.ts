import type { HostPort } from '../../silicon/doors/host.js'
import { VMCB_BYTES, VMCB_SAVE } from '../../spec/svm/vmcb.js'

/** Everything the hypervisor looks at lies below this. */
const FETCHED_BYTES = 0x700

/** What of a VMCB in memory has been changed and not yet stored. */
class DirtyRange {
  from = Infinity
  to = 0

  add(offset: number, bytes: number): void {
    if (offset < this.from) this.from = offset
    if (offset + bytes > this.to) this.to = offset + bytes
  }

  clear(): void {
    this.from = Infinity
    this.to = 0
  }
}

/**
 * A VMCB and the hypervisor's copy of it. `fetch` after #VMEXIT and before anything is read, `store` before VMRUN; between the two
 * all work happens on the copy, so an exit costs one read and at most two short writes.
 */
export class Vmcb {
  readonly spa: number
  readonly #host: HostPort
  readonly #bytes = new Uint8Array(FETCHED_BYTES)
  readonly #view = new DataView(this.#bytes.buffer)
  readonly #control = new DirtyRange()
  readonly #save = new DirtyRange()

  constructor(host: HostPort, spa: number) {
    this.spa = spa
    this.#host = host
    host.write(spa, new Uint8Array(VMCB_BYTES))
  }

  fetch(): void {
    this.#host.readInto(this.spa, this.#bytes)
    this.#control.clear()
    this.#save.clear()
  }

  store(): void {
    this.#storeRange(this.#control)
    this.#storeRange(this.#save)
  }

  u8(offset: number): number {
    return this.#view.getUint8(offset)
  }

  u16(offset: number): number {
    return this.#view.getUint16(offset, true)
  }

  u32(offset: number): number {
    return this.#view.getUint32(offset, true)
  }

  /** As a number: exact below 2^53, which every physical address is. */
  number(offset: number): number {
    return this.#view.getUint32(offset + 4, true) * 0x100000000 + this.#view.getUint32(offset, true)
  }

  big(offset: number): bigint {
    return this.#view.getBigUint64(offset, true)
  }

  bytes(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, offset + length)
  }

  setU8(offset: number, value: number): void {
    this.#view.setUint8(offset, value)
    this.#mark(offset, 1)
  }

  setU16(offset: number, value: number): void {
    this.#view.setUint16(offset, value, true)
    this.#mark(offset, 2)
  }

  setU32(offset: number, value: number): void {
    this.#view.setUint32(offset, value, true)
    this.#mark(offset, 4)
  }

  set64(offset: number, lo: number, hi: number): void {
    this.#view.setUint32(offset, lo, true)
    this.#view.setUint32(offset + 4, hi, true)
    this.#mark(offset, 8)
  }

  setNumber(offset: number, value: number): void {
    this.set64(offset, value >>> 0, Math.floor(value / 0x100000000))
  }

  setBytes(offset: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, offset)
    this.#mark(offset, bytes.length)
  }

  #mark(offset: number, bytes: number): void {
    if (offset < VMCB_SAVE) this.#control.add(offset, bytes)
    else this.#save.add(offset, bytes)
  }

  #storeRange(range: DirtyRange): void {
    if (range.to === 0) return
    this.#host.write(this.spa + range.from, this.#bytes.subarray(range.from, range.to))
    range.clear()
  }
}
