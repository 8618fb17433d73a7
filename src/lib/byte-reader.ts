/** Reads what ByteWriter (wasm-encoder.ts) has written. */
export class ByteReader {
  private at = 0

  constructor(private readonly data: Uint8Array) {}

  get done(): boolean {
    return this.at >= this.data.length
  }

  /** Throws RangeError at the end of the data, as all do. */
  byte(): number {
    const value = this.data[this.at++]
    if (value === undefined) throw new RangeError('the data ends too early')
    return value
  }

  /** A view of the next `length` bytes. */
  bytes(length: number): Uint8Array {
    const end = this.at + length
    if (end > this.data.length) throw new RangeError('the data ends too early')
    const view = this.data.subarray(this.at, end)
    this.at = end
    return view
  }

  /** A view of all that is left. */
  rest(): Uint8Array {
    return this.bytes(this.data.length - this.at)
  }

  /** Unsigned LEB128 below 2^32. */
  u32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) {
        if (value > 0xffffffff) break
        return value
      }
    }
    throw new RangeError('a number has more than 32 bits')
  }

  /** Signed LEB128 of 32 bits. */
  s32(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte()
      value |= shift < 28 ? (byte & 0x7f) << shift : (byte & 0x0f) << 28
      if (byte < 0x80) return shift < 28 && byte & 0x40 ? value | (-1 << (shift + 7)) : value
    }
    throw new RangeError('a number has more than 32 bits')
  }

  /** A u32 that is at most `max`. */
  upTo(max: number): number {
    const value = this.u32()
    if (value > max) throw new RangeError(`${value} is more than ${max}`)
    return value
  }
}
