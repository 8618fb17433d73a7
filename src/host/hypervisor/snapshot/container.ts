import { ascii, equalBytes } from '../../../lib/bytes.js'
import { sha256Aside } from '../../../lib/crypto.js'
import { PACKET_BYTES_MAX, PacketHeader } from '../../../spec/sev/command-buffers.js'
import { StateError } from '../../devices/state.js'
import { CLEAR_BYTES_MAX, type PageBatch } from '../guest-pages.js'
import { PAGE_BYTES } from '../physical-memory.js'
import { MACHINE_STATE_BYTES_MAX } from '../state/machine-state.js'
import { BlockDigest, DIGEST_BLOCK_BYTES, digestOfBlocks } from './block-digest.js'
import { encodeFacts, FACTS_BYTES_MAX, parseFacts, type SnapshotFacts } from './facts.js'

/*
 * A snapshot (docs/snapshot.md):
 *
 *   magic "CBITSNAP" | u16 version | u16 0 | u32 length | facts (plain data)
 *   records: u32 type | u32 length | u32 number of the record | u32 first page | body
 *     1 STATE   the machine's state, once and first
 *     2 SEALED  packet header, then at most 16 KiB of pages as SEND_UPDATE_DATA gave them
 *     3 CLEAR   at most 64 KiB of pages as they are
 *     4 END     u32 sealed pages | u32 clear pages | digest of everything before it (block-digest.ts)
 *
 * All little-endian. Records are numbered from 0, pages ascend. The digest finds every flipped bit, and a record that is missing, doubled or elsewhere; it
 * has no key, for the host that writes the file has none that the guest's owner trusts: whoever writes another file writes another digest.
 */
const MAGIC = ascii('CBITSNAP')
export const SNAPSHOT_VERSION = 2
const HEAD_BYTES = 16
const DIGEST_BYTES = 32
const STATE = 1
const SEALED = 2
const CLEAR = 3
const END = 4
const END_BYTES = 8 + DIGEST_BYTES
const BODY_BYTES_MAX: Readonly<Record<number, number>> = {
  [STATE]: MACHINE_STATE_BYTES_MAX,
  [SEALED]: PacketHeader.bytes + PACKET_BYTES_MAX,
  [CLEAR]: CLEAR_BYTES_MAX,
  [END]: END_BYTES,
}

export interface PageCounts {
  readonly sealed: number
  readonly clear: number
}

/** Takes bytes; resolves or returns when it can take more. The bytes are its own only until then. */
export type Sink = (bytes: Uint8Array) => Promise<void>

/** What is written at a time is what is hashed at a time. */
const BLOCK_BYTES = DIGEST_BLOCK_BYTES

export class SnapshotWriter {
  // connections
  readonly #sink: Sink
  // state
  /** Of the blocks before this one. */
  readonly #digests: Promise<Uint8Array>[] = []
  #block = new Uint8Array(BLOCK_BYTES)
  #other = new Uint8Array(BLOCK_BYTES)
  #fill = 0
  #writing: Promise<void> = Promise.resolve()
  #records = 0
  #sealed = 0
  #clear = 0

  constructor(sink: Sink) {
    this.#sink = sink
  }

  async begin(facts: SnapshotFacts, state: Uint8Array): Promise<void> {
    const encoded = encodeFacts(facts)
    const head = new Uint8Array(HEAD_BYTES)
    head.set(MAGIC)
    const view = new DataView(head.buffer)
    view.setUint16(8, SNAPSHOT_VERSION, true)
    view.setUint32(12, encoded.length, true)
    await this.#append(head)
    await this.#append(encoded)
    await this.#head(STATE, state.length, 0)
    await this.#append(state)
  }

  async pages({ gpa, data, header }: PageBatch): Promise<void> {
    await this.#head(header ? SEALED : CLEAR, (header?.length ?? 0) + data.length, gpa / PAGE_BYTES)
    if (header) await this.#append(header)
    await this.#append(data)
    if (header) this.#sealed += data.length / PAGE_BYTES
    else this.#clear += data.length / PAGE_BYTES
  }

  /** Everything has reached the sink when this resolves. */
  async end(): Promise<PageCounts> {
    await this.#head(END, END_BYTES, 0)
    const counts = new Uint8Array(8)
    const view = new DataView(counts.buffer)
    view.setUint32(0, this.#sealed, true)
    view.setUint32(4, this.#clear, true)
    await this.#append(counts)
    if (this.#fill > 0) this.#digests.push(sha256Aside(this.#block.subarray(0, this.#fill)))
    await this.#append(digestOfBlocks(await Promise.all(this.#digests)))
    await this.#write()
    await this.#writing
    return { sealed: this.#sealed, clear: this.#clear }
  }

  async #head(type: number, length: number, page: number): Promise<void> {
    const head = new Uint8Array(HEAD_BYTES)
    const view = new DataView(head.buffer)
    view.setUint32(0, type, true)
    view.setUint32(4, length, true)
    view.setUint32(8, this.#records++, true)
    view.setUint32(12, page, true)
    await this.#append(head)
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const n = Math.min(BLOCK_BYTES - this.#fill, bytes.length - at)
      this.#block.set(n === bytes.length ? bytes : bytes.subarray(at, at + n), this.#fill)
      this.#fill += n
      at += n
      if (this.#fill === BLOCK_BYTES) await this.#flush()
    }
  }

  async #flush(): Promise<void> {
    this.#digests.push(sha256Aside(this.#block))
    await this.#write()
  }

  /** One block is filled while the other is written, and hashed. */
  async #write(): Promise<void> {
    const full = this.#block.subarray(0, this.#fill)
    await this.#writing
    this.#writing = this.#sink(full)
    // Who waits for it hears of its failure; until then it is not unheard.
    this.#writing.catch(() => undefined)
    ;[this.#block, this.#other] = [this.#other, this.#block]
    this.#fill = 0
  }
}

/** Gives exactly `length` bytes that are valid until the next call, or undefined where there are fewer left. */
export type Source = (length: number) => Uint8Array | undefined

export interface OpenedSnapshot {
  readonly facts: SnapshotFacts
  readonly state: Uint8Array
  /** Every page; after the last, the digest has been checked. Throws StateError for what is no sound snapshot. */
  pages(): Generator<PageBatch, PageCounts>
}

/** Reads a file of anybody's as far as the machine's state. Nothing of it may be acted upon for good before `pages` has come to its end. */
export function openSnapshot(source: Source): OpenedSnapshot {
  const reader = new RecordReader(source)
  const facts = reader.begin()
  const first = reader.record()
  if (first.type !== STATE || first.page !== 0) throw new StateError("the snapshot does not begin with the machine's state")
  return { facts, state: first.body.slice(), pages: () => readPages(reader) }
}

function* readPages(reader: RecordReader): Generator<PageBatch, PageCounts> {
  let nextPage = 0
  let [sealed, clear] = [0, 0]
  for (;;) {
    const { type, page, body } = reader.record()
    if (type === END) return reader.end(body, { sealed, clear })
    const headerBytes = type === SEALED ? PacketHeader.bytes : 0
    const bytes = body.length - headerBytes
    if (type === STATE || bytes <= 0 || bytes % PAGE_BYTES !== 0) throw new StateError('the snapshot has a record that is not pages')
    if (page < nextPage) throw new StateError('the snapshot has pages twice, or out of order')
    nextPage = page + bytes / PAGE_BYTES
    const gpa = page * PAGE_BYTES
    if (type === SEALED) {
      sealed += bytes / PAGE_BYTES
      yield { gpa, header: body.subarray(0, headerBytes), data: body.subarray(headerBytes) }
    } else {
      clear += bytes / PAGE_BYTES
      yield { gpa, data: body }
    }
  }
}

interface SnapshotRecord {
  readonly type: number
  readonly page: number
  readonly body: Uint8Array
}

class RecordReader {
  readonly #source: Source
  readonly #hash = new BlockDigest()
  #records = 0

  constructor(source: Source) {
    this.#source = source
  }

  begin(): SnapshotFacts {
    const head = this.#take(HEAD_BYTES, 'no snapshot')
    const view = new DataView(head.buffer, head.byteOffset, HEAD_BYTES)
    if (!equalBytes(head.subarray(0, MAGIC.length), MAGIC)) throw new StateError('this is no snapshot')
    const version = view.getUint16(8, true)
    if (version !== SNAPSHOT_VERSION)
      throw new StateError(`the snapshot has version ${version}; this program reads version ${SNAPSHOT_VERSION}`)
    const length = view.getUint32(12, true)
    if (length > FACTS_BYTES_MAX || view.getUint16(10, true) !== 0) throw new StateError("the snapshot's header is not sound")
    return parseFacts(this.#take(length, 'its header'))
  }

  /** The body is valid until the next call. */
  record(): SnapshotRecord {
    const head = this.#take(HEAD_BYTES, 'its end')
    const view = new DataView(head.buffer, head.byteOffset, HEAD_BYTES)
    const [type, length, number, page] = [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [number, number, number, number]
    const max = BODY_BYTES_MAX[type]
    if (max === undefined) throw new StateError(`the snapshot has a record of type ${type}, which this program does not know`)
    if (length > max) throw new StateError('the snapshot has a record that is too long')
    if (number !== this.#records) throw new StateError('the snapshot lacks a record, or has one twice or elsewhere')
    this.#records++
    if (type === END) return { type, page, body: this.#takeEnd(length) }
    return { type, page, body: this.#take(length, 'a record') }
  }

  end(body: Uint8Array, found: PageCounts): PageCounts {
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    if (!equalBytes(body.subarray(8), this.#hash.digest()))
      throw new StateError('the snapshot has been altered or damaged: its digest does not hold')
    if (view.getUint32(0, true) !== found.sealed || view.getUint32(4, true) !== found.clear)
      throw new StateError('the snapshot has other pages than it says')
    if (this.#source(1) !== undefined) throw new StateError('something follows the end of the snapshot')
    return found
  }

  #take(length: number, what: string): Uint8Array {
    const bytes = this.#source(length)
    if (!bytes) throw new StateError(`the snapshot ends before ${what}`)
    this.#hash.update(bytes)
    return bytes
  }

  /** Its digest is not of itself. */
  #takeEnd(length: number): Uint8Array {
    if (length !== END_BYTES) throw new StateError('the snapshot has no sound end')
    const counts = this.#take(8, 'its end').slice()
    const digest = this.#source(DIGEST_BYTES)
    if (!digest) throw new StateError('the snapshot ends before its digest')
    const body = new Uint8Array(END_BYTES)
    body.set(counts)
    body.set(digest, 8)
    return body
  }
}
