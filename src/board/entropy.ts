import { ascii, concatBytes, u32le } from '../lib/bytes.js'
import { aes128Ctr, platformRandom, sha256 } from '../lib/crypto.js'
import type { Entropy } from '../silicon/doors/board.js'

/** The platform's random generator. */
export function realEntropy(): Entropy {
  return { fill: platformRandom }
}

const CALL_BYTES_MAX = 0x1_0000

/**
 * A deterministic generator: AES-128-CTR of zeros under a key made from the seed. Each call takes a counter block of its own, so what
 * a call yields depends on the seed, on how many calls came before it, and on nothing else.
 */
export function seededEntropy(seed: number, purpose = ''): Entropy {
  const material = sha256(ascii(`cbit entropy ${seed} ${purpose}`))
  const key = material.slice(0, 16)
  let calls = 0
  return {
    fill(target) {
      for (let at = 0; at < target.length; at += CALL_BYTES_MAX) {
        const part = target.subarray(at, at + CALL_BYTES_MAX)
        const iv = concatBytes(material.slice(16, 24), u32le(calls++), new Uint8Array(4))
        part.set(aes128Ctr(key, iv, new Uint8Array(part.length)))
      }
    },
  }
}
