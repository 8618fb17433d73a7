import { assert } from '../../lib/assert.js'
import { ascii, u32le } from '../../lib/bytes.js'
import { aes128, aes128Pure, type BlockCipher128, hmacSha256 } from '../../lib/crypto.js'
import { FRAME_BYTES } from '../fabric-layout.js'
import { KEY_SLOTS, TWEAK_ENTRIES, TWEAK_TABLE_BASE, TWEAK_TABLE_STRIDE } from './engine-layout.js'

/**
 * The AES-128 engine between cache and DRAM: a table of key slots, written by the secure processor and read by nobody.
 * Every slot always holds some key: one made from entropy at reset until another is installed, and again after it is removed.
 */
export interface EngineOptions {
  readonly memory: WebAssembly.Memory
  /** 16 random bytes, drawn once at reset. */
  readonly bootSecret: Uint8Array
  /** `platform` is Node's AES; `pure` is the same in TypeScript. */
  readonly aes?: 'platform' | 'pure'
}

const TWEAK_LABEL = ascii('cbit memory tweak')
const BOOT_KEY_LABEL = ascii('cbit boot key')
const BLOCK_BYTES = 16
/** Tweak entries of block numbers within a frame: kept as prefix sums (engine-layout.ts). */
const BLOCK_BITS = 8

export class EncryptionEngine {
  // configuration
  private readonly bytes: Uint8Array
  private readonly bootSecret: Uint8Array
  private readonly makeCipher: (key: Uint8Array) => BlockCipher128
  // state
  private readonly keys: Uint8Array[] = []
  /** Set up when first used: most slots keep their boot key and are never asked. */
  private readonly ciphers: (BlockCipher128 | undefined)[] = []

  constructor({ memory, bootSecret, aes = 'platform' }: EngineOptions) {
    assert(bootSecret.length === BLOCK_BYTES, 'the boot secret has 16 bytes')
    this.bytes = new Uint8Array(memory.buffer)
    this.bootSecret = bootSecret.slice()
    this.makeCipher = aes === 'pure' ? aes128Pure : aes128
    for (let asid = 1; asid < KEY_SLOTS; asid++) this.remove(asid)
  }

  install(asid: number, key: Uint8Array): void {
    assert(asid > 0 && asid < KEY_SLOTS, `key slot ${asid} exists`)
    assert(key.length === BLOCK_BYTES, 'AES-128 takes a 16-byte key')
    this.keys[asid] = key.slice()
    this.ciphers[asid] = undefined
    this.bytes.set(tweakTable(key), TWEAK_TABLE_BASE + asid * TWEAK_TABLE_STRIDE)
  }

  /** Puts the slot's boot key back. */
  remove(asid: number): void {
    this.install(asid, hmacSha256(this.bootSecret, BOOT_KEY_LABEL, u32le(asid)).slice(0, BLOCK_BYTES))
  }

  /** AES over whole frames in place, as the kernel imports it. */
  readonly imports = {
    encrypt: (at: number, frames: number, key: number): void => this.apply(at, frames, key, 'encrypt'),
    decrypt: (at: number, frames: number, key: number): void => this.apply(at, frames, key, 'decrypt'),
  }

  private apply(at: number, frames: number, key: number, direction: 'encrypt' | 'decrypt'): void {
    const start = at >>> 0
    const cipher = (this.ciphers[key] ??= this.makeCipher(this.keys[key]!))
    this.bytes.set(cipher[direction](this.bytes.subarray(start, start + frames * FRAME_BYTES)), start)
  }
}

/** The tweak contributions of one key: K2 · x^n in GF(2^128) for block-number bit n, where K2 is derived from the key. */
function tweakTable(key: Uint8Array): Uint8Array {
  const table = new Uint8Array(TWEAK_ENTRIES * BLOCK_BYTES)
  let power: Uint8Array = hmacSha256(key, TWEAK_LABEL).slice(0, BLOCK_BYTES)
  const sum = new Uint8Array(BLOCK_BYTES)
  for (let n = 0; n < TWEAK_ENTRIES; n++) {
    for (let i = 0; i < BLOCK_BYTES; i++) sum[i] = sum[i]! ^ power[i]!
    table.set(n < BLOCK_BITS ? sum : power, n * BLOCK_BYTES)
    power = double(power)
  }
  return table
}

/** Multiplication by x modulo x^128 + x^7 + x^2 + x + 1, least significant byte first (as in IEEE 1619). */
function double(element: Uint8Array): Uint8Array {
  const doubled = new Uint8Array(BLOCK_BYTES)
  let carry = 0
  for (let i = 0; i < BLOCK_BYTES; i++) {
    const byte = element[i]!
    doubled[i] = ((byte << 1) | carry) & 0xff
    carry = byte >> 7
  }
  if (carry) doubled[0]! ^= 0x87
  return doubled
}
