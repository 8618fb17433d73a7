// A file of kept code: a head, an index and a payload for each module. All but the head is sealed with a key of this user's, so that V8 is given back what it gave, and nothing else.

import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { ByteReader } from '../../../lib/byte-reader.js'
import { concatBytes, u32le } from '../../../lib/bytes.js'
import { aes256GcmOpen, aes256GcmSeal } from '../../../lib/crypto.js'
import { ByteWriter } from '../../../lib/wasm-encoder.js'
import type { KeptRegion } from '../../../silicon/core/translate/kept-code.js'
import { readRegions, writeRegions } from '../../../silicon/core/translate/kept-format.js'

/** Head: magic, an identifier that binds the pieces to this file, length of the sealed index u32. Then the index, then the payloads. */
const MAGIC = new TextEncoder().encode('cbitkept')
const ID_BYTES = 16
const HEAD_BYTES = MAGIC.length + ID_BYTES + 4
const IV_BYTES = 12
const TAG_BYTES = 16

const MODULES_MAX = 0x4000
const CONSTANTS_MAX = 0x80000
const INDEX_BYTES_MAX = 128 << 20
const PAYLOAD_BYTES_MAX = 32 << 20

export interface Payload {
  /** WebAssembly. */
  readonly bytes: Uint8Array
  /** What V8 had made of it. */
  readonly code: Uint8Array
}

export interface SegmentModule {
  readonly constants: number
  readonly regions: readonly KeptRegion[]
  /** Bit n: V8 had done its best for region number n. */
  readonly optimised: number
  /** Undefined where the file does not have it any more, or not as it was written. */
  payload(): Payload | undefined
}

export interface Segment {
  readonly modules: readonly SegmentModule[]
  close(): void
}

class Sealing {
  constructor(
    private readonly key: Uint8Array,
    private readonly id: Uint8Array,
  ) {}

  seal(plain: Uint8Array, piece: number): Uint8Array {
    const iv = randomBytes(IV_BYTES)
    const { ciphertext, tag } = aes256GcmSeal(this.key, iv, plain, this.bound(piece))
    return concatBytes(iv, ciphertext, tag)
  }

  /** Throws RangeError where it is not what was sealed. */
  open(sealed: Uint8Array, piece: number): Uint8Array {
    if (sealed.length < IV_BYTES + TAG_BYTES) throw new RangeError('a piece is too short')
    const ciphertext = sealed.subarray(IV_BYTES, -TAG_BYTES)
    const plain = aes256GcmOpen(this.key, sealed.subarray(0, IV_BYTES), { ciphertext, tag: sealed.subarray(-TAG_BYTES) }, this.bound(piece))
    if (!plain) throw new RangeError('a piece is not what was sealed')
    return plain
  }

  /** No piece serves in the place of another. */
  private bound(piece: number): Uint8Array {
    return concatBytes(this.id, u32le(piece))
  }
}

/** Writes `file`, which is there as a whole or not at all. Modules whose payload is gone are left out. Returns how many there are. */
export function writeSegment(file: string, key: Uint8Array, modules: readonly SegmentModule[]): number {
  const id = randomBytes(ID_BYTES)
  const sealing = new Sealing(key, id)
  const index = new ByteWriter(1 << 16)
  const payloads: Uint8Array[] = []
  for (const module of modules) {
    const payload = module.payload()
    if (!payload) continue
    const out = new ByteWriter(payload.bytes.length + payload.code.length + 8)
    out.u32(payload.bytes.length)
    out.bytes(payload.bytes)
    out.bytes(payload.code)
    const sealed = sealing.seal(out.view(), payloads.length + 1)
    payloads.push(sealed)
    index.u32(sealed.length)
    index.u32(module.constants)
    index.u32(module.optimised)
    writeRegions(index, module.regions)
  }
  if (payloads.length === 0) return 0
  const sealedIndex = sealing.seal(index.view(), 0)
  const beside = `${file}.${process.pid}`
  const descriptor = openSync(beside, 'wx', 0o600)
  try {
    try {
      for (const part of [MAGIC, id, u32le(sealedIndex.length), sealedIndex, ...payloads]) writeWhole(descriptor, part)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    renameSync(beside, file)
  } catch (error) {
    rmSync(beside, { force: true })
    throw error
  }
  return payloads.length
}

function writeWhole(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at)
}

/** Reads the index; payloads are read when they are asked for. Throws RangeError where the file is not one that `writeSegment` has written with this key. */
export function openSegment(file: string, key: Uint8Array): Segment {
  const descriptor = openSync(file, 'r')
  try {
    return { modules: readModules(descriptor, key), close: () => closeSync(descriptor) }
  } catch (error) {
    closeSync(descriptor)
    throw error
  }
}

function readModules(descriptor: number, key: Uint8Array): SegmentModule[] {
  const part = (at: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length)
    if (readSync(descriptor, bytes, 0, length, at) !== length) throw new RangeError('the file ends too early')
    return bytes
  }
  const head = part(0, HEAD_BYTES)
  if (!MAGIC.every((byte, n) => head[n] === byte)) throw new RangeError('no file of kept code')
  const sealing = new Sealing(key, head.subarray(MAGIC.length, MAGIC.length + ID_BYTES))
  const indexBytes = new DataView(head.buffer).getUint32(HEAD_BYTES - 4, true)
  if (indexBytes > INDEX_BYTES_MAX) throw new RangeError('the index is too large')
  const index = new ByteReader(sealing.open(part(HEAD_BYTES, indexBytes), 0))
  const modules: SegmentModule[] = []
  let at = HEAD_BYTES + indexBytes
  while (!index.done) {
    if (modules.length === MODULES_MAX) throw new RangeError('too many modules')
    const length = index.upTo(PAYLOAD_BYTES_MAX)
    const constants = index.upTo(CONSTANTS_MAX)
    const optimised = index.u32()
    const regions = readRegions(index, constants)
    const from = at
    const piece = modules.length + 1
    const payload = (): Payload | undefined => {
      try {
        const reader = new ByteReader(sealing.open(part(from, length), piece))
        return { bytes: reader.bytes(reader.u32()), code: reader.rest() }
      } catch {
        // A file that has been damaged or closed, or a disk that fails: the code is compiled anew.
        return undefined
      }
    }
    modules.push({ constants, regions, optimised, payload })
    at += length
  }
  return modules
}
