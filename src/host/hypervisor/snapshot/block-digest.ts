import { sha256, sha256Stream, type StreamingHash } from '../../../lib/crypto.js'

/** The digest of a file: SHA-256 of the SHA-256 of each MiB of it, so that several can be computed at a time while the rest is being sealed. */
export const DIGEST_BLOCK_BYTES = 1 << 20

/** Of blocks in order, all of DIGEST_BLOCK_BYTES but the last, which may be shorter and is not empty. */
export function digestOfBlocks(digests: readonly Uint8Array[]): Uint8Array {
  return sha256(...digests)
}

/** The same of bytes that come as they come. */
export class BlockDigest {
  readonly #digests: Uint8Array[] = []
  #block: StreamingHash = sha256Stream()
  #fill = 0

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const n = Math.min(DIGEST_BLOCK_BYTES - this.#fill, bytes.length - at)
      this.#block.update(bytes.subarray(at, at + n))
      this.#fill += n
      at += n
      if (this.#fill < DIGEST_BLOCK_BYTES) continue
      this.#digests.push(this.#block.digest())
      this.#block = sha256Stream()
      this.#fill = 0
    }
  }

  digest(): Uint8Array {
    return digestOfBlocks(this.#fill > 0 ? [...this.#digests, this.#block.digest()] : this.#digests)
  }
}
