/** What a board must supply to the chip. Interfaces only. */

/**
 * The DRAM modules of the board. The bytes are what the memory bus carries: ciphertext wherever a key was in use.
 * The array is created by the chip's socket (it stands behind the chip's own memory in one address space) and
 * handed to the board, which may dump and alter it at will through `Dram` of `board/`.
 */
export interface DramModule {
  readonly bytes: Uint8Array
  /** The chip asks to be told before the board's owner reads (or, `alters`, overwrites) DRAM from outside, so that it can write back. */
  onProbe(listener: (spa: number, length: number, alters: boolean) => void): void
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
