/**
 * The on-chip fabric: what cores and the secure processor may ask of the memory controller. Interface only.
 *
 * `Fabric` is the face for TypeScript (secure processor, tests). Cores use the same operations as WebAssembly
 * functions (`FabricKernel`), so that a soft-TLB miss costs no JavaScript call.
 */

/** Exports of the memory controller's WebAssembly kernel, imported by the core kernel as module `fabric`. */
export interface FabricKernel {
  /**
   * Makes of frame `frame` what is seen under `key` (an ASID, 0 = no key) and returns the linear-memory address of
   * its first byte, or 0 where no DRAM answers. The address stays right until FABRIC_EPOCH changes, which it does only
   * where the frame is asked for under another key, or its key changes.
   */
  frame(frame: number, key: number): number
  /** The same for somebody who overwrites all of it: what it held need not be decrypted, and may be lost. */
  frame_to_fill(frame: number, key: number): number
}

/** Whose right a request of the secure processor carries: plaintext of an ASID's key, or raw DRAM bytes. */
export type FabricKey = number

export interface Fabric {
  readonly dramBytes: number
  /** Copies `length` bytes at system physical address `spa` as seen under `key` (0 = no key). Throws RangeError outside DRAM. */
  read(spa: number, length: number, key: FabricKey): Uint8Array
  /** As `read`, into memory of the caller's: for whoever reads much. */
  readInto(spa: number, target: Uint8Array, key: FabricKey): void
  /** Writes `bytes` at `spa` under `key`. Throws RangeError outside DRAM. */
  write(spa: number, bytes: Uint8Array, key: FabricKey): void
  /** True when [spa, spa+length) lies in DRAM. */
  contains(spa: number, length: number): boolean
  /** Installs the 16-byte memory encryption key of `asid` in the engine's slot. Write-only. */
  installKey(asid: number, key: Uint8Array): void
  /** Removes the key of `asid`; frames that stand in clear under that key are encrypted first. */
  removeKey(asid: number): void
}
