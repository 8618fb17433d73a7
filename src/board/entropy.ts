import { ascii, concatBytes, u32le } from '../lib/bytes.js'
import { aes128Ctr, platformRandom, sha256 } from '../lib/crypto.js'
import type { Entropy } from '../silicon/doors/board.js'

const POOL_BYTES = 4096
const POOLED_BYTES_MAX = 64

/** The platform's random generator. Small requests, of which a guest on its way makes thousands, share a call of it; no byte is given twice or kept. */
export function realEntropy(): Entropy {
  const pool = new Uint8Array(POOL_BYTES)
  let at = POOL_BYTES
  return {
    fill(target) {
      if (target.length > POOLED_BYTES_MAX) return platformRandom(target)
      if (at + target.length > POOL_BYTES) {
        platformRandom(pool)
        at = 0
      }
      target.set(pool.subarray(at, at + target.length))
      pool.fill(0, at, at + target.length)
      at += target.length
    },
  }
}

const CALL_BYTES_MAX = 0x1_0000

export interface SeededEntropy extends Entropy {
  /** Counter blocks used so far: where the sequence stands. */
  drawn: number
}

/**
 * A deterministic generator: AES-128-CTR of zeros under a key made from the seed. Each call takes a counter block of its own, so what
 * a call yields depends on the seed, on how many calls came before it, and on nothing else.
 */
export function seededEntropy(seed: number, purpose = ''): SeededEntropy {
  const material = sha256(ascii(`cbit entropy ${seed} ${purpose}`))
  const key = material.slice(0, 16)
  return {
    drawn: 0,
    fill(target) {
      for (let at = 0; at < target.length; at += CALL_BYTES_MAX) {
        const part = target.subarray(at, at + CALL_BYTES_MAX)
        const iv = concatBytes(material.slice(16, 24), u32le(this.drawn++), new Uint8Array(4))
        part.set(aes128Ctr(key, iv, new Uint8Array(part.length)))
      }
    },
  }
}
