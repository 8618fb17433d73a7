import { ascii, concatBytes, equalBytes, u32le } from '../../lib/bytes.js'
import { aes256GcmOpen, aes256GcmSeal, kdfCounter } from '../../lib/crypto.js'
import { bytes, layout, u32 } from '../../lib/layout.js'

/**
 * The firmware's persistent state outside the chip: on the board's flash, or in memory that the host keeps (INIT_EX). Whoever holds the medium may
 * read and alter it, so it is sealed with AES-256-GCM under a key that only this chip derives. Two slots are written in turn: a write that is
 * cut off leaves the state before it. The form is this project's own; AMD publishes none.
 *
 * What it cannot notice is rollback: an old copy of the whole medium is genuine. A chip without a counter that survives power-off, as ours
 * and as document 55766 describes it, has nothing to compare with. docs/threat-model.md says what a host gains by it.
 */
export interface Medium {
  readonly bytes: number
  read(offset: number, length: number): Uint8Array
  write(offset: number, data: Uint8Array): void
}

const SlotHeader = layout('SEALED', 0x40, {
  magic: bytes(0x00, 8),
  sequence: u32(0x08),
  length: u32(0x0c),
  iv: bytes(0x10, 12),
  reserved_1c: u32(0x1c),
  tag: bytes(0x20, 16),
  reserved_30: bytes(0x30, 16),
})
const MAGIC = ascii('cbitseal')
/** Header bytes that the seal covers: all before the tag. */
const AUTHENTICATED_BYTES = 0x20
const SEAL_LABEL = 'cbit persistent state'

export type Loaded = { readonly kind: 'empty' } | { readonly kind: 'invalid' } | { readonly kind: 'found'; readonly content: Uint8Array }

export class SealedStore {
  private readonly medium: Medium
  private readonly key: Uint8Array
  private readonly random: (bytes: number) => Uint8Array
  /** The slot that holds the newest state, and its number. */
  private current = { slot: 1, sequence: 0 }

  constructor(medium: Medium, chipSecret: Uint8Array, random: (bytes: number) => Uint8Array) {
    this.medium = medium
    this.key = kdfCounter(chipSecret, ascii(SEAL_LABEL), new Uint8Array(0), 256)
    this.random = random
  }

  private get slotBytes(): number {
    return Math.floor(this.medium.bytes / 2)
  }

  /** The newest state that is genuine. Empty: the medium is erased. Invalid: something lies there that this chip has not sealed. */
  load(): Loaded {
    const slots = [0, 1].map((slot) => ({ slot, ...this.open(slot) }))
    const newest = slots.filter(({ content }) => content).sort((a, b) => b.sequence - a.sequence)[0]
    if (newest?.content) {
      this.current = { slot: newest.slot, sequence: newest.sequence }
      return { kind: 'found', content: newest.content }
    }
    return slots.every(({ erased }) => erased) ? { kind: 'empty' } : { kind: 'invalid' }
  }

  save(content: Uint8Array): void {
    const next = { slot: 1 - this.current.slot, sequence: this.current.sequence + 1 }
    // The number makes it new even where a seeded board repeats its entropy after power-on.
    const iv = concatBytes(this.random(8), u32le(next.sequence))
    const fields = { magic: MAGIC, sequence: next.sequence, length: content.length, iv }
    const aad = SlotHeader.encode(fields).subarray(0, AUTHENTICATED_BYTES)
    const { ciphertext, tag } = aes256GcmSeal(this.key, iv, content, aad)
    const sealed = concatBytes(SlotHeader.encode({ ...fields, tag }), ciphertext)
    if (sealed.length > this.slotBytes) throw new RangeError('the medium is too small for the state')
    this.medium.write(next.slot * this.slotBytes, sealed)
    this.current = next
  }

  erase(): void {
    this.medium.write(0, new Uint8Array(this.medium.bytes).fill(0xff))
    this.current = { slot: 1, sequence: 0 }
  }

  private open(slot: number): { erased: boolean; sequence: number; content?: Uint8Array } {
    const at = slot * this.slotBytes
    const raw = this.medium.read(at, SlotHeader.bytes)
    const { magic, sequence, length, iv, tag } = SlotHeader.decode(raw)
    const nothing = { erased: raw.every((byte) => byte === 0xff), sequence: 0 }
    if (!equalBytes(magic, MAGIC) || length > this.slotBytes - SlotHeader.bytes) return nothing
    const ciphertext = this.medium.read(at + SlotHeader.bytes, length)
    const content = aes256GcmOpen(this.key, iv, { ciphertext, tag }, raw.subarray(0, AUTHENTICATED_BYTES))
    return content ? { erased: false, sequence, content } : nothing
  }
}
