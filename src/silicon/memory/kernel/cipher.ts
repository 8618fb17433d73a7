// The encryption engine's arithmetic around AES: each 16-byte block is E_K(P ^ T) ^ T. AES itself is imported, for whole
// frames; the tweak T is linear in the block number over GF(2) (docs/decisions/0001-memory-tweak.md).

import { FRAME_SHIFT } from '../../fabric-layout'
import { TWEAK_TABLE_BASE, TWEAK_TABLE_STRIDE } from '../engine-layout'

/** AES-128 in place over the `frames` frames at `at` under the key of slot `key`. */
// @ts-ignore: decorator
@external('engine', 'encrypt')
declare function aes_encrypt(at: usize, frames: u32, key: u32): void

// @ts-ignore: decorator
@external('engine', 'decrypt')
declare function aes_decrypt(at: usize, frames: u32, key: u32): void

const FRAME_BITS_AT: usize = 8 * 16
const BLOCKS: u32 = 256

/** Encrypts `frames` frames from `first`, which stand one behind the other at `at`. */
export function encrypt_in_place(at: usize, first: u32, frames: u32, key: u32): void {
  whiten_frames(at, at, first, frames, key)
  encrypt_whitened(at, first, frames, key)
}

export function decrypt_in_place(at: usize, first: u32, frames: u32, key: u32): void {
  whiten_frames(at, at, first, frames, key)
  decrypt_whitened(at, first, frames, key)
}

/** The first of the three steps, for `frames` frames from `first` that stand one behind the other, as do their results. */
export function whiten_frames(to: usize, from: usize, first: u32, frames: u32, key: u32): void {
  for (let i: u32 = 0; i < frames; i++) {
    const at = <usize>i << FRAME_SHIFT
    whiten(to + at, from + at, frame_tweak(first + i, key), key)
  }
}

/** The other two, in place. */
export function encrypt_whitened(at: usize, first: u32, frames: u32, key: u32): void {
  aes_encrypt(at, frames, key)
  whiten_frames(at, at, first, frames, key)
}

export function decrypt_whitened(at: usize, first: u32, frames: u32, key: u32): void {
  aes_decrypt(at, frames, key)
  whiten_frames(at, at, first, frames, key)
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

