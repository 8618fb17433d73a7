// The kernel's side of translated code: how the interpreter enters a region, and what regions call.

import {
  BLOCK_FIRST_RECORD,
  CODE_ENTRIES,
  CODE_STALE,
  CODE_TRANSLATED,
  CODE_UNCOUNTED,
  OP_BMI,
  OP_DIVIDE,
  OP_FLAG,
  OP_HLP,
  OP_MULTIPLY,
  OP_PROFILE,
  OP_REGION,
  OP_ROTATE,
  OP_SCAN,
  OP_SHIFT_DOUBLE,
  OP_VEC,
  OP_VLD_BD,
  OP_VST_BD,
  OP_X87,
  PROFILE_THRESHOLD,
} from '../ir/ops'
import { REGION_ENTRY_BYTES } from '../ir/region-tables'
import {
  FLAG_ADD,
  FLAG_IMUL64,
  FLAG_INC,
  FLAG_KIND_SHIFT,
  FLAG_LAZY,
  FLAG_LOCAL,
  FLAG_LOGIC,
  FLAG_ORDER,
  FLAG_SUB,
} from '../ir/flag-kinds'
import { CODE_CACHE_WORDS, REGION_TABLE } from '../../fabric-layout'
import { BUDGET, CALL_DEPTH, EXIT_HOT, EXIT_INFO, EXIT_REASON, FLAG_AUX, FLAG_RES, JUMP_BLOCK, JUMP_FUNCTION, JUMP_GUARD, JUMP_NUMBER, JUMP_REGION, LAZY_A, LAZY_B, LAZY_KIND, LAZY_R, PC, RUNNING_REGION } from '../state/layout'
import { R_EXIT, R_FAULT, R_JUMP, R_NEXT, R_RETURNED } from '../ir/results'
import { condition_of } from './alu'
import { bmi } from './bmi'
import { helper } from './helper'
import {
  divide,
  flag_operation,
  multiply_one,
  product_high_of,
  rotate,
  scan,
  shift_double,
} from './integer'
import { jump_quickly, region_quickly } from './dispatch'
import { after_call, BUDGET_LOW, vector_load, vector_store } from './records'
import { vector } from './vector'
import { x87 } from './x87'

/** Calls within calls: each takes a frame of the host's stack. */
const CALL_DEPTH_MAX: u32 = 64

/** Leaves the run loop so that TypeScript may translate `block`; PC stands at its first instruction. */
export function leave_hot(s: usize, block: usize): void {
  store<u32>(s, EXIT_HOT, EXIT_REASON)
  store<u32>(s, <u32>block, EXIT_INFO)
}

/**
 * One entry in so many counts for its region: the table of regions is a line of the host's cache that entering one needs for nothing else. A prime, since a loop that
 * enters 2, 4 or 8 regions each time round would have the same one counted each time.
 */
const COUNTED: u32 = 17

/** Counts an entry of the region whose place in the table is `region`, called by that at `caller` or by none: 0. True: it is to be offered to the translator first. */
// @ts-ignore: decorator
@inline
function must_offer(region: usize, caller: usize): bool {
  let left = load<u32>(CODE_CACHE_WORDS, CODE_UNCOUNTED)
  if (!left) {
    if (caller) count_call(caller)
    if (is_due(region)) return true
    store<u64>(CODE_CACHE_WORDS, load<u64>(CODE_CACHE_WORDS, CODE_ENTRIES) + COUNTED, CODE_ENTRIES)
    left = COUNTED
  }
  store<u32>(CODE_CACHE_WORDS, left - 1, CODE_UNCOUNTED)
  return false
}

function is_due(region: usize): bool {
  const left = load<u32>(region, 8)
  store<u32>(region, left > COUNTED ? left - COUNTED : 0, 8)
  return left != 0 && left <= COUNTED
}

/** A call counts like an entry of the region that makes it, which may take the callee in when it is planned anew. That is offered when it is entered next. */
function count_call(caller: usize): void {
  const left = load<u32>(caller, 8)
  if (left > COUNTED) store<u32>(caller, left - COUNTED, 8)
}

/**
 * Runs the region of OP_REGION record `ip`, and those that follow it directly. Returns the record where interpretation goes on, PC being that of its block, or a small
 * number: R_EXIT to leave the run loop, else the dispatcher is to look. Regions return the same, but for R_NEXT.
 */
export function enter_region(s: usize, ip: usize): usize {
  let region: usize = REGION_TABLE + load<u32>(ip, 8) * REGION_ENTRY_BYTES
  let index = load<u32>(region)
  if (!index) {
    // The region is gone: the block is interpreted, until it is hot again.
    store<u16>(ip, OP_PROFILE)
    store<u32>(ip, PROFILE_THRESHOLD, 8)
    return ip + 16
  }
  // The code is another core's.
  if (load<u32>(region, 12) != <u32>s) return ip + 16
  const before = load<i64>(s, BUDGET)
  let number = load<u32>(ip, 12)
  let at = ip
  let next: usize = 0
  let guard = load<u32>(region, 4)
  store<u32>(s, 0, CALL_DEPTH)
  while (true) {
    if (load<i64>(s, BUDGET) < <i64>guard) {
      // The budget does not allow a pass.
      next = at + 16
      break
    }
    if (must_offer(region, 0)) {
      leave_hot(s, at - BLOCK_FIRST_RECORD)
      next = R_EXIT
      break
    }
    store<u32>(CODE_CACHE_WORDS, 0, CODE_STALE)
    store<u32>(s, <u32>region, RUNNING_REGION)
    const r = call_indirect<u32>(index, number)
    if (r != R_NEXT) {
      next = r
      break
    }
    // A string instruction may have used up more than a pass was allowed.
    if (load<i64>(s, BUDGET) < BUDGET_LOW) {
      next = R_JUMP
      break
    }
    let entry = region_quickly(s)
    if (!entry) {
      next = jump_quickly(s)
      if (!next || load<u16>(next) != OP_REGION) break
      // The jump cache had forgotten it.
      entry = region_quickly(s)
      if (!entry) break
    }
    index = load<u32>(entry, JUMP_FUNCTION)
    number = load<u32>(entry, JUMP_NUMBER)
    guard = number >> JUMP_GUARD
    number &= (1 << JUMP_GUARD) - 1
    region = load<u32>(entry, JUMP_REGION)
    at = load<u32>(entry, JUMP_BLOCK) + BLOCK_FIRST_RECORD
  }
  materialize_lazy(s)
  const ran = before - load<i64>(s, BUDGET)
  store<u64>(CODE_CACHE_WORDS, load<u64>(CODE_CACHE_WORDS, CODE_TRANSLATED) + <u64>ran, CODE_TRANSLATED)
  return next
}

/**
 * A call that a region makes: goes on at PC until PC is `back`. R_RETURNED when it is; else the region ends at once with the answer, as PC, budget
 * and all other state are those of some later place. Whether the stack is what it was does not matter: the code behind the call depends on RIP alone.
 */
export function call_region(s: usize, back: u64): u32 {
  const depth = load<u32>(s, CALL_DEPTH)
  if (depth >= CALL_DEPTH_MAX) return R_NEXT
  store<u32>(s, depth + 1, CALL_DEPTH)
  const caller = load<u32>(s, RUNNING_REGION)
  const r = run_until(s, back, caller)
  store<u32>(s, caller, RUNNING_REGION)
  store<u32>(s, depth, CALL_DEPTH)
  return r
}

// @ts-ignore: decorator
@inline
function run_until(s: usize, back: u64, caller: usize): u32 {
  while (true) {
    const budget = load<i64>(s, BUDGET)
    if (budget < BUDGET_LOW) return R_JUMP
    let entry = region_quickly(s)
    if (!entry) {
      // Whoever is outside of all regions looks again.
      const ip = jump_quickly(s)
      if (!ip || load<u16>(ip) != OP_REGION) return R_NEXT
      entry = region_quickly(s)
      if (!entry) return R_NEXT
    }
    const number = load<u32>(entry, JUMP_NUMBER)
    if (budget < <i64>(number >> JUMP_GUARD)) return R_NEXT
    const region = load<u32>(entry, JUMP_REGION)
    if (must_offer(region, caller)) {
      leave_hot(s, load<u32>(entry, JUMP_BLOCK))
      return R_EXIT
    }
    store<u32>(s, region, RUNNING_REGION)
    const r = call_indirect<u32>(load<u32>(entry, JUMP_FUNCTION), number & ((1 << JUMP_GUARD) - 1))
    if (r != R_NEXT) return r
    // A region that waits for its call may have lost a block.
    if (load<u32>(CODE_CACHE_WORDS, CODE_STALE)) return R_JUMP
    if (load<u64>(s, PC) == back) return R_RETURNED
  }
}

/** Executes one record that regions do not translate. R_*; on anything but R_NEXT, PC and BUDGET are exact. PC must be that of the block. */
export function execute_record(s: usize, ip: usize): u32 {
  let r: u32 = R_NEXT
  switch (<i32>load<u16>(ip)) {
    case OP_HLP:
      r = helper(s, ip)
      break
    case OP_VEC:
      r = vector(s, ip)
      break
    case OP_X87:
      r = x87(s, ip)
      break
    case OP_DIVIDE:
      r = divide(s, ip)
      break
    case OP_VLD_BD:
      return vector_load(s, ip) ? R_NEXT : R_FAULT
    case OP_VST_BD:
      return vector_store(s, ip) ? R_NEXT : R_FAULT
    default:
      return simple_record(s, ip)
  }
  if (r != R_NEXT) after_call(s, ip, r)
  return r
}

/** Records that cannot fault. */
function simple_record(s: usize, ip: usize): u32 {
  const op: u32 = load<u16>(ip)
  switch (op) {
    case OP_ROTATE:
      rotate(s, ip)
      break
    case OP_SHIFT_DOUBLE:
      shift_double(s, ip)
      break
    case OP_MULTIPLY:
      multiply_one(s, ip)
      break
    case OP_SCAN:
      scan(s, ip)
      break
    case OP_BMI:
      bmi(s, ip)
      break
    case OP_FLAG:
      flag_operation(s, load<u32>(ip, 8))
      break
    default:
      // The translator asks for no other record: a block that met one would be its own mistake.
      unreachable()
  }
  return R_NEXT
}

// ---- flags that a region keeps in parts: kind, operands and sign-extended result

/** Carries of an operation of `size` bytes as FLAG_AUX holds them. */
function carries(size: u32, c: u64): u64 {
  return (c & 8) | ((c << (64 - size * 8)) & 0xc000000000000000)
}

function aux_of(kind: u32, a: u64, b: u64, r: u64): u64 {
  const size: u32 = 1 << (kind >> FLAG_KIND_SHIFT)
  const what = kind & ((1 << FLAG_KIND_SHIFT) - 1)
  if (what == FLAG_ADD) return carries(size, (a & b) | ((a | b) & ~r))
  if (what == FLAG_SUB) return carries(size, (~a & b) | (~(a ^ b) & r))
  if (what == FLAG_LOGIC) return 0
  if (what == FLAG_LOCAL) return a
  // CF in both carries, so that OF is clear; bit 8 where PF is not that of the result's low byte.
  if (what == FLAG_ORDER) return (<u64>(<i64>a >> 1) & 0xc000000000000000) | (((a ^ u64(!r)) & 1) << 8)
  if (what == FLAG_IMUL64) {
    const high = product_high_of(a, b) - (<i64>a < 0 ? b : 0) - (<i64>b < 0 ? a : 0)
    return high == <u64>(<i64>r >> 63) ? 0 : 0x8000000000000000
  }
  // INC and DEC: a = old CF; the carries follow from the result alone.
  const fresh = what == FLAG_INC ? carries(size, (r - 1) & ~r) : carries(size, ~(r + 1) & r)
  const overflow = (fresh ^ (fresh << 1)) & 0x8000000000000000
  const kept = a << 63
  return kept | ((kept ^ overflow) >> 1) | (fresh & 8)
}

/** Brings flags in parts into the state area. `kind` is not zero. */
export function materialize(s: usize, kind: u32, a: u64, b: u64, r: u64): void {
  if (kind == FLAG_LAZY) {
    materialize_lazy(s)
    return
  }
  store<u32>(s, 0, LAZY_KIND)
  store<u64>(s, r, FLAG_RES)
  store<u64>(s, aux_of(kind, a, b, r), FLAG_AUX)
}

/** Brings the flags that a region has left in parts into the state area, unless they stand there. */
function materialize_lazy(s: usize): void {
  const kind = load<u32>(s, LAZY_KIND)
  if (kind) materialize(s, kind, load<u64>(s, LAZY_A), load<u64>(s, LAZY_B), load<u64>(s, LAZY_R))
}

/** Condition `code` on flags in parts; kind 0: those in the state area. */
export function condition_on(s: usize, kind: u32, a: u64, b: u64, r: u64, code: u32): u32 {
  if (kind) materialize(s, kind, a, b, r)
  return condition_of(s, code) ? 1 : 0
}

/** CF of flags in parts. */
export function carry_on(s: usize, kind: u32, a: u64, b: u64, r: u64): u64 {
  if (kind && kind != FLAG_LAZY) return aux_of(kind, a, b, r) >> 63
  if (kind) materialize_lazy(s)
  return load<u64>(s, FLAG_AUX) >> 63
}
