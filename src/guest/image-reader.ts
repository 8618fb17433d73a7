import { ImageError } from './image-error.js'

/** Little-endian reads of an untrusted image; every read is bounded and fails as `truncated`. */
export class ImageReader {
  readonly bytes: Uint8Array
  readonly #view: DataView
  readonly #what: string

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#what = what
  }

  get length(): number {
    return this.bytes.length
  }

  u8(offset: number): number {
    this.#check(offset, 1)
    return this.#view.getUint8(offset)
  }

  u16(offset: number): number {
    this.#check(offset, 2)
    return this.#view.getUint16(offset, true)
  }

  u32(offset: number): number {
    this.#check(offset, 4)
    return this.#view.getUint32(offset, true)
  }

  /** A u64 that must be an exact JavaScript integer; anything larger is no address of a machine we run. */
  u64(offset: number): number {
    const value = this.u32(offset) + this.u32(offset + 4) * 0x100000000
    if (!Number.isSafeInteger(value))
      throw new ImageError('malformed', `malformed ${this.#what}: impossible 64-bit value at offset ${offset}`)
    return value
  }

  slice(offset: number, length: number): Uint8Array {
    this.#check(offset, length)
    return this.bytes.subarray(offset, offset + length)
  }

  /** ASCII up to a NUL, at most `max` characters. Unprintable bytes become `?`. */
  text(offset: number, max: number): string {
    let text = ''
    for (let at = offset; at < offset + max && at < this.bytes.length; at++) {
      const byte = this.u8(at)
      if (byte === 0) break
      text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'
    }
    return text
  }

  #check(offset: number, length: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || length < 0 || offset + length > this.bytes.length) {
      throw new ImageError(
        'truncated',
        `truncated: the ${this.#what} ends at byte ${this.bytes.length}, but byte ${offset + length} is needed`,
      )
    }
  }
}
