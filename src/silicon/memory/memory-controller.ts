import { assert } from '../../lib/assert.js'
import type { Entropy, MemoryBus } from '../doors/board.js'
import type { DmaPort } from '../doors/dma.js'
import type { Fabric, FabricKernel, FabricKey } from '../fabric.js'
import { FABRIC_BASE, FABRIC_EPOCH, FRAME_BYTES } from '../fabric-layout.js'
import { EncryptionEngine } from './encryption-engine.js'
import { CONTROLLER_BASE, CONTROLLER_DECRYPTED, CONTROLLER_ENCRYPTED, CONTROLLER_LOOKED, KEY_SLOTS } from './engine-layout.js'
import type { LinearMemory } from './linear-memory.js'

/**
 * The memory controller: the only code that touches DRAM. Its WebAssembly kernel (kernel/index.ts) decides how a frame
 * stands; this class is its face for the secure processor (`Fabric`), for devices (`DmaPort`), for host software and for the board.
 */
export interface MemoryControllerOptions {
  /** Bytes of build/kernel/memory.wasm. */
  readonly kernel: Uint8Array
  readonly linear: LinearMemory
  readonly entropy: Entropy
  readonly aes?: 'platform' | 'pure'
}

interface KernelExports extends FabricKernel {
  init(): void
  look(first: number, frames: number, key: number): number
  changed_range(first: number, frames: number): void
  surrender_key(key: number): void
}

export interface MemoryCounters {
  readonly epoch: number
  /** Frames decrypted to be used. */
  readonly decrypted: number
  /** Frames encrypted, to be used otherwise or to be seen from outside. */
  readonly encrypted: number
}

const exported = ['init', 'frame', 'look', 'frame_to_fill', 'changed_range', 'surrender_key']

/** Instantiates the kernel's module over the linear memory, with the engine's AES as its imports. */
export function loadMemoryKernel(kernel: Uint8Array, memory: WebAssembly.Memory, engine: EncryptionEngine): KernelExports {
  const instance = new WebAssembly.Instance(new WebAssembly.Module(kernel), { env: { memory }, engine: engine.imports })
  for (const name of exported) {
    assert(typeof instance.exports[name] === 'function', `the memory kernel exports ${name}`)
  }
  return instance.exports as unknown as KernelExports
}

export class MemoryController implements Fabric, DmaPort, MemoryBus {
  // configuration
  readonly dramBytes: number
  private readonly dramFrames: number
  // connections
  private readonly engine: EncryptionEngine
  private readonly kernel: KernelExports
  private readonly bytes: Uint8Array
  private readonly words: Uint32Array

  constructor({ kernel, linear, entropy, aes = 'platform' }: MemoryControllerOptions) {
    this.dramBytes = linear.dramBytes
    this.dramFrames = linear.dramBytes / FRAME_BYTES
    this.bytes = new Uint8Array(linear.memory.buffer)
    this.words = new Uint32Array(linear.memory.buffer, 0, 0x100000 / 4)
    const bootSecret = new Uint8Array(16)
    entropy.fill(bootSecret)
    this.engine = new EncryptionEngine({ memory: linear.memory, bootSecret, aes })
    this.kernel = loadMemoryKernel(kernel, linear.memory, this.engine)
    this.kernel.init()
  }

  /** The kernel's functions as the core's kernel imports them (module `fabric`). */
  kernelImports(): FabricKernel {
    return { frame: this.kernel.frame, frame_to_fill: this.kernel.frame_to_fill }
  }

  contains(spa: number, length: number): boolean {
    return Number.isSafeInteger(spa) && Number.isSafeInteger(length) && spa >= 0 && length >= 0 && spa + length <= this.dramBytes
  }

  read(spa: number, length: number, key: FabricKey = 0): Uint8Array {
    const result = new Uint8Array(length)
    this.readInto(spa, result, key)
    return result
  }

  readInto(spa: number, target: Uint8Array, key: FabricKey = 0): void {
    this.check(spa, target.length, key)
    const { length } = target
    for (let done = 0; done < length;) {
      const within = (spa + done) % FRAME_BYTES
      const at =
        (this.kernel.look(Math.floor((spa + done) / FRAME_BYTES), Math.ceil((within + length - done) / FRAME_BYTES), key) >>> 0) + within
      const n = Math.min(this.words[(CONTROLLER_BASE + CONTROLLER_LOOKED) / 4]! * FRAME_BYTES - within, length - done)
      target.set(this.bytes.subarray(at, at + n), done)
      done += n
    }
  }

  write(spa: number, bytes: Uint8Array, key: FabricKey = 0): void {
    const { length } = bytes
    this.check(spa, length, key)
    if (length === 0) return
    for (let done = 0; done < length;) {
      const n = Math.min(FRAME_BYTES - ((spa + done) % FRAME_BYTES), length - done)
      this.bytes.set(n === length ? bytes : bytes.subarray(done, done + n), this.addressToWrite(spa + done, n, key))
      done += n
    }
    const first = Math.floor(spa / FRAME_BYTES)
    this.kernel.changed_range(first, Math.floor((spa + length - 1) / FRAME_BYTES) - first + 1)
  }

  installKey(asid: number, key: Uint8Array): void {
    this.kernel.surrender_key(asid)
    this.engine.install(asid, key)
  }

  removeKey(asid: number): void {
    this.kernel.surrender_key(asid)
    this.engine.remove(asid)
  }

  counters(): MemoryCounters {
    return {
      epoch: this.words[(FABRIC_BASE + FABRIC_EPOCH) / 4]!,
      decrypted: this.words[(CONTROLLER_BASE + CONTROLLER_DECRYPTED) / 4]!,
      encrypted: this.words[(CONTROLLER_BASE + CONTROLLER_ENCRYPTED) / 4]!,
    }
  }

  private check(spa: number, length: number, key: FabricKey): void {
    if (!this.contains(spa, length)) throw new RangeError(`no DRAM at ${spa} for ${length} bytes`)
    assert(Number.isInteger(key) && key >= 0 && key < KEY_SLOTS, `key ${key} exists`)
  }

  /** Where `bytes` bytes at `spa`, all in one frame, stand in linear memory under `key`: good until the next call. */
  private addressToWrite(spa: number, bytes: number, key: FabricKey): number {
    const frame = Math.floor(spa / FRAME_BYTES)
    assert(frame < this.dramFrames, 'the range has been checked')
    const at = bytes === FRAME_BYTES ? this.kernel.frame_to_fill(frame, key) : this.kernel.frame(frame, key)
    return (at >>> 0) + (spa % FRAME_BYTES)
  }
}
