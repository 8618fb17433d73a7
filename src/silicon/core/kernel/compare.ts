// The flags of a comparison whose operands are values, not register slots.

import { FLAG_AUX, FLAG_RES } from '../state/layout'

/** CMP a, b of `n` bytes. */
export function string_compare_flags(s: usize, a: u64, b: u64, n: u32): void {
  const up: u64 = 64 - n * 8
  const r = a - b
  const borrows = (~a & b) | (~(a ^ b) & r)
  store<i64>(s, <i64>(r << up) >> up, FLAG_RES)
  store<u64>(s, ((borrows << up) & 0xc000000000000000) | (borrows & 8), FLAG_AUX)
}

/** ADD a, b of `n` bytes. */
export function add_flags(s: usize, a: u64, b: u64, n: u32): void {
  const up: u64 = 64 - n * 8
  const r = a + b
  const carries = (a & b) | ((a | b) & ~r)
  store<i64>(s, <i64>(r << up) >> up, FLAG_RES)
  store<u64>(s, ((carries << up) & 0xc000000000000000) | (carries & 8), FLAG_AUX)
}
