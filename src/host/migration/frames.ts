import { concatBytes } from '../../lib/bytes.js'
import { aes256GcmSeal, timingSafeEqual } from '../../lib/crypto.js'
import { bytes, layout, u32, u8 } from '../../lib/layout.js'
import { type Pipe, PipeBroken, ProtocolError } from './pipe.js'

/*
 * The stream of one direction: header, tag, payload, tag; header, tag, … Each tag (GMAC: AES-256-GCM over no plaintext, SP 800-38D section 3) covers
 * the part before it under the connection's key, with direction and number of the part as IV. So a frame altered, left out, repeated, moved, turned
 * around or brought from another connection is refused, whatever the pipe promises, and its length is believed only when it is genuine.
 * The payload's privacy is the pipe's.
 */
const FrameHeader = layout('FRAME', 0x0c, { length: u32(0x00), type: u8(0x04), reserved_5: bytes(0x05, 3), sequence: u32(0x08) })
const FRAME_TAG_BYTES = 16
const HEAD_BYTES = FrameHeader.bytes + FRAME_TAG_BYTES
export const FRAME_OVERHEAD_BYTES = HEAD_BYTES + FRAME_TAG_BYTES
/** The largest payload: a whole machine state fits with room. A peer could otherwise make us gather bytes without end. */
export const PAYLOAD_BYTES_MAX = 0x40_0000
/** Each number is an IV: after the last there is no more. */
const PARTS_MAX = 0xffff_fffe

export type Direction = 'to-target' | 'to-source'
export interface Frame {
  readonly type: number
  readonly payload: Uint8Array
}

const nothing = new Uint8Array(0)

/** Tags of one direction, in order. */
class Sealer {
  readonly #key: Uint8Array
  readonly #iv = new DataView(new ArrayBuffer(12))
  #part = 0

  constructor(key: Uint8Array, direction: Direction) {
    this.#key = key
    this.#iv.setUint32(0, direction === 'to-target' ? 1 : 2, true)
  }

  /** Frames so far. */
  get sequence(): number {
    return this.#part >>> 1
  }

  /** The tag of the next part: headers and payloads take turns. */
  next(covered: Uint8Array): Uint8Array {
    if (this.#part >= PARTS_MAX) throw new ProtocolError('the connection has carried all the frames that it can')
    this.#iv.setUint32(4, this.#part++, true)
    return aes256GcmSeal(this.#key, new Uint8Array(this.#iv.buffer), nothing, covered).tag
  }
}

export class FrameWriter {
  readonly #sealer: Sealer

  constructor(key: Uint8Array, direction: Direction) {
    this.#sealer = new Sealer(key, direction)
  }

  encode({ type, payload }: Frame): Uint8Array {
    if (payload.length > PAYLOAD_BYTES_MAX) throw new RangeError(`a frame of ${payload.length} bytes is too large`)
    const header = FrameHeader.encode({ length: payload.length, type, sequence: this.#sealer.sequence })
    return concatBytes(header, this.#sealer.next(header), payload, this.#sealer.next(payload))
  }
}

/** Takes bytes as they come and gives out whole frames that are genuine and in order. Throws ProtocolError at the first that is not. */
export class FrameReader {
  readonly #sealer: Sealer
  #held: Uint8Array[] = []
  #heldBytes = 0
  #header: { readonly length: number; readonly type: number } | undefined

  constructor(key: Uint8Array, direction: Direction) {
    this.#sealer = new Sealer(key, direction)
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
  }

  /** The next frame, or undefined while not all of it is here. */
  next(): Frame | undefined {
    this.#header ??= this.#takeHeader()
    if (!this.#header) return undefined
    const { length, type } = this.#header
    const part = this.#take(length)
    if (!part) return undefined
    this.#header = undefined
    return { type, payload: part }
  }

  #takeHeader(): { readonly length: number; readonly type: number } | undefined {
    const expected = this.#sealer.sequence
    const part = this.#take(FrameHeader.bytes)
    if (!part) return undefined
    const { length, type, sequence } = FrameHeader.decode(part)
    if (sequence !== expected || FrameHeader.reservedViolation(part) !== undefined || length > PAYLOAD_BYTES_MAX)
      throw new ProtocolError('a frame that no peer sends')
    return { length, type }
  }

  /** The next part, `length` bytes long, where it is here with its tag. */
  #take(length: number): Uint8Array | undefined {
    const end = length + FRAME_TAG_BYTES
    if (this.#heldBytes < end) return undefined
    const all = this.#held.length === 1 ? this.#held[0]! : concatBytes(...this.#held)
    const part = all.slice(0, length)
    if (!timingSafeEqual(this.#sealer.next(part), all.slice(length, end)))
      throw new ProtocolError('a frame was altered on the way, or is not the next one')
    this.#held = all.length > end ? [all.subarray(end)] : []
    this.#heldBytes = all.length - end
    return part
  }
}

/** Both directions of a connection, as one end has them. */
export class FrameChannel {
  readonly #pipe: Pipe
  readonly #writer: FrameWriter
  readonly #reader: FrameReader
  #sent = 0

  constructor(pipe: Pipe, end: 'source' | 'target') {
    this.#pipe = pipe
    const [out, back]: readonly Direction[] = end === 'source' ? ['to-target', 'to-source'] : ['to-source', 'to-target']
    this.#writer = new FrameWriter(pipe.key, out!)
    this.#reader = new FrameReader(pipe.key, back!)
  }

  get bytesSent(): number {
    return this.#sent
  }

  async send(type: number, payload: Uint8Array = nothing): Promise<void> {
    const whole = this.#writer.encode({ type, payload })
    this.#sent += whole.length
    await this.#pipe.send(whole)
  }

  async receive(): Promise<Frame> {
    for (;;) {
      const frame = this.#reader.next()
      if (frame) return frame
      const chunk = await this.#pipe.receive()
      if (!chunk) throw new PipeBroken('the peer has closed the connection')
      this.#reader.push(chunk)
    }
  }

  close(): void {
    this.#pipe.close()
  }
}
