// The encryption engine's arithmetic around AES: each 16-byte block is E_K(P ^ T) ^ T. AES itself is imported, a frame at
// a time; the tweak T is linear in the block number over GF(2) (docs/decisions/0001-memory-tweak.md).

import { TWEAK_TABLE_BASE, TWEAK_TABLE_STRIDE } from '../engine-layout'

/** AES-128 in place over the 4096 bytes at `at` under the key of slot `key`. */
// @ts-ignore: decorator
@external('engine', 'encrypt')
declare function aes_encrypt(at: usize, key: u32): void

// @ts-ignore: decorator
@external('engine', 'decrypt')
declare function aes_decrypt(at: usize, key: u32): void

const FRAME_BITS_AT: usize = 8 * 16
const BLOCKS: u32 = 256

export function encrypt_frame(to: usize, from: usize, frame: u32, key: u32): void {
  const tweak = frame_tweak(frame, key)
  whiten(to, from, tweak, key)
  aes_encrypt(to, key)
  whiten(to, to, tweak, key)
}

export function decrypt_frame(to: usize, from: usize, frame: u32, key: u32): void {
  const tweak = frame_tweak(frame, key)
  whiten(to, from, tweak, key)
  aes_decrypt(to, key)
  whiten(to, to, tweak, key)
}

// @ts-ignore: decorator
@inline
function table_of(key: u32): usize {
  return <usize>(TWEAK_TABLE_BASE + key * TWEAK_TABLE_STRIDE)
}

/** Tweak of the frame's first block. */
function frame_tweak(frame: u32, key: u32): v128 {
  let entry: usize = table_of(key) + FRAME_BITS_AT
  let tweak = i64x2.splat(0)
  for (let bits = frame; bits; bits >>= 1) {
    if (bits & 1) tweak = v128.xor(tweak, v128.load(entry))
    entry += 16
  }
  return tweak
}

/** Copies a frame and adds to each block its tweak. Block n + 1 differs from n by the prefix sum at its trailing zeros. */
function whiten(to: usize, from: usize, first: v128, key: u32): void {
  const table = table_of(key)
  let tweak = first
  v128.store(to, v128.xor(v128.load(from), tweak))
  for (let n: u32 = 1; n < BLOCKS; n++) {
    tweak = v128.xor(tweak, v128.load(table + ctz(n) * 16))
    v128.store(to + n * 16, v128.xor(v128.load(from + n * 16), tweak))
  }
}

