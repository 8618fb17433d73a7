// What translated code calls for accesses of up to 8 bytes that its soft TLB does not have.

import { CODE_CACHE_WORDS } from '../../fabric-layout'
import { CODE_STALE } from '../ir/ops'
import { STORE_FAULT, STORE_STALE } from '../ir/results'
import { LOAD_BUFFER, RSP } from '../state/layout'
import { faulted } from './fault'
import { load_for_write, read_hit, slow_load, slow_store } from './memory'

/** Whether a block of some region has been dropped since the region was entered. */
// @ts-ignore: decorator
@inline
function is_stale(): bool {
  return load<u32>(CODE_CACHE_WORDS, CODE_STALE) != 0
}

/** `p`, or 0 where translated code must not go on: a fault is pending or its region has lost a block. */
export function unless_troubled(s: usize, p: usize): usize {
  return faulted(s) || is_stale() ? 0 : p
}

/** STORE_* behind a store. */
export function stored(s: usize): u32 {
  if (faulted(s)) return STORE_FAULT
  return is_stale() ? STORE_STALE : 0
}

/** Address of the `n` bytes at `la`; 0: the instruction cannot be completed here. */
export function readable(s: usize, la: u64, n: u32): usize {
  const v = slow_load(s, la, n)
  const hit = read_hit(s, la, n)
  if (hit) return unless_troubled(s, hit)
  store<u64>(s, v, LOAD_BUFFER)
  return unless_troubled(s, s + LOAD_BUFFER)
}

/** The same for an operand that the instruction will write: all is checked that a store asks for. */
export function readable_for_write(s: usize, la: u64, n: u32): usize {
  store<u64>(s, load_for_write(s, la, n), LOAD_BUFFER)
  return unless_troubled(s, s + LOAD_BUFFER)
}

/** Stores the low `n` bytes of `v`. STORE_*. */
export function store_slowly(s: usize, la: u64, n: u32, v: u64): u32 {
  slow_store(s, la, n, v)
  return stored(s)
}

/** A push of 8 bytes at `la`. Where the region is to be left behind it, RSP has moved. */
export function push_slowly(s: usize, la: u64, v: u64): u32 {
  const r = store_slowly(s, la, 8, v)
  if (r == STORE_STALE) store<u64>(s, la, RSP)
  return r
}
