// What translated code calls for accesses that its soft TLB does not have, or that are misaligned.

import { CODE_CACHE_WORDS } from '../../fabric-layout'
import {
  ACCESS_LOAD, ACCESS_LOAD16, ACCESS_LOAD32, ACCESS_LOAD_FOR_WRITE, ACCESS_PUSH, ACCESS_STORE, ACCESS_STORE16, ALIGNED, ANY_ADDRESS, BY_MXCSR, STORE_FAULT,
  STORE_STALE, WHAT_KIND, WHAT_SIZE, WHAT_SIZE_MASK,
} from '../ir/access-kinds'
import { CODE_STALE } from '../ir/ops'
import { LOAD_BUFFER, MXCSR, RSP, VT1 } from '../state/layout'
import { faulted, GP, raise_error } from './fault'
import { load_for_write, read_hit, slow_load, slow_store } from './memory'
import { memory16, put16 } from './vector-operand'
import { memory_vector, put_vector, vex_misaligned } from './vector-vex-operand'

/** MXCSR.MM */
const MISALIGNED_MASK: u32 = 1 << 17

/**
 * The access that `what` says (ir/access-kinds.ts), at `la`. Loads answer with the linear-memory address of the operand, or 0 where the instruction cannot be completed
 * here: a fault is pending, or the region has lost a block. Stores answer with STORE_*.
 */
export function access(s: usize, la: u64, what: u32, value: u64): u32 {
  const size = (what >> WHAT_SIZE) & WHAT_SIZE_MASK
  switch (what >> WHAT_KIND) {
    case ACCESS_LOAD:
      return unless_troubled(s, readable(s, la, 1 << size))
    case ACCESS_LOAD_FOR_WRITE:
      store<u64>(s, load_for_write(s, la, 1 << size), LOAD_BUFFER)
      return unless_troubled(s, s + LOAD_BUFFER)
    case ACCESS_STORE:
      slow_store(s, la, 1 << size, value)
      return stored(s)
    case ACCESS_PUSH:
      return push(s, la, value)
    case ACCESS_LOAD16:
      return unless_troubled(s, refused(s, la, size) ? 0 : memory16(s, la))
    case ACCESS_STORE16:
      if (!refused(s, la, size)) put16(s, la, s + VT1)
      return stored(s)
    case ACCESS_LOAD32:
      return unless_troubled(s, size == ALIGNED && vex_misaligned(s, la, 32) ? 0 : memory_vector(s, la, 32))
    default:
      if (size != ALIGNED || !vex_misaligned(s, la, 32)) put_vector(s, la, s + VT1, 32)
      return stored(s)
  }
}

/** Whether a block of some region has been dropped since the region was entered. */
// @ts-ignore: decorator
@inline
function is_stale(): bool {
  return load<u32>(CODE_CACHE_WORDS, CODE_STALE) != 0
}

// @ts-ignore: decorator
@inline
function unless_troubled(s: usize, p: usize): u32 {
  return faulted(s) || is_stale() ? 0 : <u32>p
}

// @ts-ignore: decorator
@inline
function stored(s: usize): u32 {
  if (faulted(s)) return STORE_FAULT
  return is_stale() ? STORE_STALE : 0
}

/** Address of the `n` bytes at `la`, or of a copy where they lie in no one place. */
function readable(s: usize, la: u64, n: u32): usize {
  const v = slow_load(s, la, n)
  const hit = read_hit(s, la, n)
  if (hit) return hit
  store<u64>(s, v, LOAD_BUFFER)
  return s + LOAD_BUFFER
}

function push(s: usize, la: u64, value: u64): u32 {
  slow_store(s, la, 8, value)
  const r = stored(s)
  if (r == STORE_STALE) store<u64>(s, la, RSP)
  return r
}

/** True, with #GP(0) pending, where a vector of 16 bytes may not stand at `la`. */
function refused(s: usize, la: u64, rule: u32): bool {
  if (!(la & 15) || rule == ANY_ADDRESS) return false
  if (rule == BY_MXCSR && load<u32>(s, MXCSR) & MISALIGNED_MASK) return false
  raise_error(s, GP, 0)
  return true
}
