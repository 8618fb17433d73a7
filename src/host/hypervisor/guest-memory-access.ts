import type { HostPort } from '../../silicon/doors/host.js'
import type { GuestMemory } from '../devices/guest-memory.js'
import { PageSet } from './page-set.js'
import { PAGE_BYTES } from './physical-memory.js'
import { CONVENTIONAL_RAM_END, EXTENDED_RAM_BASE } from '../../spec/pc/memory-map.js'

/** The legacy ROM space is RAM here (Linux looks for signatures there); the video hole below it is not. */
export const VIDEO_HOLE_BASE = CONVENTIONAL_RAM_END
export const VIDEO_HOLE_END = 0xc0000
export const ROM_SPACE_END = EXTENDED_RAM_BASE

/**
 * A VM's memory as the host and its devices reach it: contiguous frames of the machine, read and written with no key. Where the guest keeps
 * a page private this shows ciphertext, and a write garbles it.
 */
export class VmMemory implements GuestMemory {
  readonly bytes: number
  /** System physical address of guest physical address 0. */
  readonly base: number
  readonly #host: HostPort
  /** Is told of every write of the host and its devices, before anybody can see it. */
  onWrite: ((gpa: number, length: number) => void) | undefined

  constructor(host: HostPort, base: number, bytes: number) {
    this.#host = host
    this.base = base
    this.bytes = bytes
  }

  isRam(gpa: number, length: number): boolean {
    if (!Number.isSafeInteger(gpa) || gpa < 0 || length < 0 || gpa + length > this.bytes) return false
    return gpa + length <= VIDEO_HOLE_BASE || gpa >= VIDEO_HOLE_END
  }

  /** Where it is RAM. */
  get ranges(): readonly { readonly gpa: number; readonly bytes: number }[] {
    return [
      { gpa: 0, bytes: VIDEO_HOLE_BASE },
      { gpa: VIDEO_HOLE_END, bytes: this.bytes - VIDEO_HOLE_END },
    ]
  }

  /** The numbers of all pages that are RAM. */
  pages(): PageSet {
    const pages = new PageSet(this.bytes / PAGE_BYTES)
    for (let page = 0; page < pages.pages; page++) if (this.isRam(page * PAGE_BYTES, PAGE_BYTES)) pages.add(page)
    return pages
  }

  read(gpa: number, length: number): Uint8Array | undefined {
    return this.isRam(gpa, length) ? this.#host.read(this.base + gpa, length) : undefined
  }

  /** As `read`, through a reader that takes whole blocks of 16 bytes only. */
  readBlocks(gpa: number, length: number, read: (spa: number, bytes: number) => Uint8Array): Uint8Array | undefined {
    const from = Math.floor(gpa / 16) * 16
    const to = Math.ceil((gpa + length) / 16) * 16
    return this.isRam(from, to - from) ? read(this.base + from, to - from).slice(gpa - from, gpa - from + length) : undefined
  }

  write(gpa: number, bytes: Uint8Array): boolean {
    if (!this.isRam(gpa, bytes.length)) return false
    this.onWrite?.(gpa, bytes.length)
    this.#host.write(this.base + gpa, bytes)
    return true
  }
}
