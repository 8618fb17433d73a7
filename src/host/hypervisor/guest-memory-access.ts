import type { HostPort } from '../../silicon/doors/host.js'
import type { GuestMemory } from '../devices/guest-memory.js'
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

  constructor(host: HostPort, base: number, bytes: number) {
    this.#host = host
    this.base = base
    this.bytes = bytes
  }

  isRam(gpa: number, length: number): boolean {
    if (!Number.isSafeInteger(gpa) || gpa < 0 || length < 0 || gpa + length > this.bytes) return false
    return gpa + length <= VIDEO_HOLE_BASE || gpa >= VIDEO_HOLE_END
  }

  read(gpa: number, length: number): Uint8Array | undefined {
    return this.isRam(gpa, length) ? this.#host.read(this.base + gpa, length) : undefined
  }

  write(gpa: number, bytes: Uint8Array): boolean {
    if (!this.isRam(gpa, bytes.length)) return false
    this.#host.write(this.base + gpa, bytes)
    return true
  }
}
