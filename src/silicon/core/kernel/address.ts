// From a segment and an offset to a linear address. APM vol. 2, sections 4.6 to 4.12.

import { CR0, CS, CS_BASE, ES_BASE, FS, MODE, MODE_CODE64, MODE_CODE_MASK, SEGMENTS, SEG_ATTRIBUTES, SEG_LIMIT, SS } from '../state/layout'
import { GP, raise_error, SS_FAULT } from './fault'

const ATTRIBUTE_PRESENT: u32 = 1 << 7
const ATTRIBUTE_BIG: u32 = 1 << 10
const TYPE_CODE: u32 = 8
const TYPE_EXPAND_DOWN: u32 = 4
const TYPE_WRITABLE: u32 = 2
const CR0_PE: u64 = 1

// @ts-ignore: decorator
@inline
export function in_long_mode(s: usize): bool {
  return (load<u32>(s, MODE) & MODE_CODE_MASK) == MODE_CODE64
}

export function segment_base(s: usize, segment: u32): u64 {
  return load<u64>(s + ES_BASE + segment * 8)
}

function permitted(attributes: u32, write: bool): bool {
  if (!(attributes & ATTRIBUTE_PRESENT)) return false
  if (attributes & TYPE_CODE) return !write && (attributes & TYPE_WRITABLE) != 0
  return !write || (attributes & TYPE_WRITABLE) != 0
}

function within_limit(attributes: u32, limit: u32, offset: u64, n: u32): bool {
  const last = offset + (n - 1)
  if (attributes & TYPE_CODE || !(attributes & TYPE_EXPAND_DOWN)) return last <= limit
  return offset > limit && last <= (attributes & ATTRIBUTE_BIG ? <u64>0xffffffff : <u64>0xffff)
}

/**
 * Linear address of `n` bytes at `offset` (already cut to the address size) of `segment`. Outside 64-bit mode the segment's type and limit are
 * checked: #GP(0), or #SS(0) for the stack segment, is left pending and 0 returned. Real mode checks limits only: CS may be written there.
 */
export function linear(s: usize, segment: u32, offset: u64, n: u32, write: bool): u64 {
  if (in_long_mode(s)) return segment >= <u32>FS ? offset + segment_base(s, segment) : offset
  const descriptor = s + SEGMENTS + segment * 16
  const attributes: u32 = load<u16>(descriptor, SEG_ATTRIBUTES)
  const typed = (load<u64>(s, CR0) & CR0_PE) != 0
  if ((typed && !permitted(attributes, write)) || !within_limit(attributes, load<u32>(descriptor, SEG_LIMIT), offset, n)) {
    raise_error(s, segment == SS ? SS_FAULT : GP, 0)
    return 0
  }
  return (offset + segment_base(s, segment)) & 0xffffffff
}

/** True where RIP lies beyond the limit of CS (never in 64-bit mode). */
export function beyond_code_limit(s: usize, pc: u64): bool {
  return pc > load<u32>(s + SEGMENTS + CS * 16, SEG_LIMIT)
}

/** Linear address of RIP `pc`. */
// @ts-ignore: decorator
@inline
export function linear_pc(s: usize, pc: u64): u64 {
  return in_long_mode(s) ? pc : (pc + load<u64>(s, CS_BASE)) & 0xffffffff
}
