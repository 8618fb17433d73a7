/** What a board must supply to the chip. Interfaces only. */

/**
 * The bus between the chip and the board's DRAM modules. What it carries is ciphertext wherever a key was in use, as if the chip
 * cached nothing. The chip's socket makes it and hands it to the board, whose owner may read and drive it at will (`Dram` of `board/`).
 * Both throw RangeError outside the modules.
 */
export interface MemoryBus {
  /** Size of the modules together. */
  readonly dramBytes: number
  readInto(spa: number, target: Uint8Array): void
  write(spa: number, bytes: Uint8Array): void
}

/** Non-volatile storage of the secure processor's persistent state. Untrusted. */
export interface Flash {
  readonly bytes: number
  read(offset: number, length: number): Uint8Array
  write(offset: number, data: Uint8Array): void
}

export interface Clock {
  /** Milliseconds since an arbitrary start, monotonic, with fractions. */
  monotonicMs(): number
  /** Milliseconds since 1970-01-01 UTC. */
  wallMs(): number
  /** True where time follows the count of executed instructions only (reproducible runs). */
  readonly virtual: boolean
}

export interface Entropy {
  /** Fills `target` with random bytes; the same seed gives the same bytes. */
  fill(target: Uint8Array): void
}

/** One-time programmable fuses of the chip, blown by the vendor. */
export interface Fuses {
  /** 64-byte unique chip identity. */
  readonly chipId: Uint8Array
  /** 32-byte secret that every chip-unique key is derived from. Never leaves the secure processor. */
  readonly chipSecret: Uint8Array
  /** Vendor-signed certificates in the legacy format, by name. Empty until the vendor has endorsed the chip. */
  readonly certificates: { readonly ark?: Uint8Array; readonly ask?: Uint8Array; readonly cek?: Uint8Array }
}

export interface Board {
  readonly clock: Clock
  readonly entropy: Entropy
  /** The secure processor's own source; without it `entropy` serves it too. */
  readonly processorEntropy?: Entropy
  readonly fuses: Fuses
  readonly flash: Flash
}
