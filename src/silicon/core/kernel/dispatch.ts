// Between blocks: pending faults, events, the budget, and the way from RIP to the next block.

import {
  ASID,
  BUDGET,
  CODE_KEY,
  CODE_MODE,
  CTX,
  EVENT_BREAKPOINT,
  EVENT_INJECT,
  EVENT_INTERRUPT,
  EVENT_SINGLE_STEP,
  EVENTS,
  EXIT_BUDGET,
  EXIT_CODE,
  EXIT_HALT,
  EXIT_INFO,
  EXIT_INFO2,
  EXIT_REASON,
  FAULT,
  FAULT_VMEXIT,
  GUEST_MODE,
  HALTED,
  JUMP_BLOCK,
  JUMP_CACHE,
  JUMP_CACHE_ENTRIES,
  JUMP_ENTRY_BYTES,
  JUMP_FUNCTION,
  JUMP_GENERATION,
  JUMP_GUARD,
  JUMP_NUMBER,
  JUMP_REGION,
  JUMP_TAG,
  LAST_FRAME,
  MODE,
  MODE_FLAT,
  MODE_SINGLE,
  PC,
  SEV_ACTIVE,
  SHADOW,
  STEP_ARMED,
} from '../state/layout'
import {
  BLOCK_COUNT,
  BLOCK_FIRST_RECORD,
  BLOCK_FRAME2,
  BLOCK_NO_FRAME,
  BLOCK_VALID,
  CODE_GENERATION,
  LINK_16,
  LINK_NEVER,
  OP_REGION,
} from '../ir/ops'
import { REGION_ENTRY_BYTES } from '../ir/region-tables'
import { R_EXIT, R_JUMP, R_NEXT } from '../ir/results'
import { CODE_CACHE_WORDS, REGION_TABLE } from '../../fabric-layout'
import { beyond_code_limit, in_long_mode, linear_pc } from './address'
import { code_find } from './code-cache'
import { debug_instruction, debug_single_step } from './debug'
import { deliver_fault } from './exception'
import { GP, raise_error, raise, UD } from './fault'
import { exec_entry, global_context, mmu_fill, space_salt } from './mmu'
import { svm_events, svm_leave } from './svm'

const EXECUTE: u32 = 2
const NO_MEMORY: usize = 1
/** Of an entry of the jump cache that says nothing of regions. */
const NO_GENERATION: u32 = 0xffffffff
/** While an instruction runs in an interrupt shadow, SHADOW is 2; the instruction itself may set it to 1 anew. */
const SHADOW_RUNNING: u32 = 2

// @ts-ignore: decorator
@inline
function jump_entry(s: usize, la: u64): usize {
  return s + JUMP_CACHE + ((<usize>la ^ <usize>(la >> 12) ^ space_salt(s, la)) & (JUMP_CACHE_ENTRIES - 1)) * JUMP_ENTRY_BYTES
}

// @ts-ignore: decorator
@inline
function jump_tag(s: usize, mode: u32): u32 {
  return load<u32>(s, CTX) | (mode << 12)
}

/** The same for global pages, which are executable in supervisor mode alone. */
// @ts-ignore: decorator
@inline
function global_jump_tag(s: usize, mode: u32): u32 {
  return global_context(s) | (mode << 12)
}

// @ts-ignore: decorator
@inline
function is_noted(s: usize, entry: usize, la: u64, mode: u32): bool {
  if (load<u64>(entry) != la) return false
  const tag = load<u32>(entry, JUMP_TAG)
  return tag == jump_tag(s, mode) || tag == global_jump_tag(s, mode)
}

/** The block at linear address `la` under `mode` if the jump cache knows it, else 0. */
// @ts-ignore: decorator
@inline
function cached_block(s: usize, la: u64, mode: u32): usize {
  const entry = jump_entry(s, la)
  if (!is_noted(s, entry, la, mode)) return 0
  const block: usize = load<u32>(entry, JUMP_BLOCK)
  return load<u32>(block, BLOCK_VALID) ? block : 0
}

/**
 * Entry of the jump cache that says which region begins at PC, which a region of 64-bit mode has left for, else 0. Nothing else is looked at: the block, its record
 * and the table of regions are each a line of the host's cache more.
 */
// @ts-ignore: decorator
@inline
export function region_quickly(s: usize): usize {
  const la = load<u64>(s, PC)
  const entry = jump_entry(s, la)
  if (!is_noted(s, entry, la, load<u32>(s, MODE))) return 0
  return load<u32>(entry, JUMP_GENERATION) == load<u32>(CODE_CACHE_WORDS, CODE_GENERATION) ? entry : with_region(s, entry)
}

/** `entry` of the jump cache once it says which region of core `s` begins with its block; 0: none does. A dead block has another record in place of OP_REGION. */
function with_region(s: usize, entry: usize): usize {
  const record: usize = load<u32>(entry, JUMP_BLOCK) + BLOCK_FIRST_RECORD
  if (load<u16>(record) != OP_REGION) return 0
  const region = REGION_TABLE + load<u32>(record, 8) * REGION_ENTRY_BYTES
  const index = load<u32>(region)
  if (!index || load<u32>(region, 12) != <u32>s) return 0
  const number = load<u32>(record, 12)
  const guard = load<u32>(region, 4)
  if (number >> JUMP_GUARD || guard >> (32 - JUMP_GUARD)) return 0
  store<u32>(entry, index, JUMP_FUNCTION)
  store<u32>(entry, number | (guard << JUMP_GUARD), JUMP_NUMBER)
  store<u32>(entry, <u32>region, JUMP_REGION)
  store<u32>(entry, load<u32>(CODE_CACHE_WORDS, CODE_GENERATION), JUMP_GENERATION)
  return entry
}

/** First record of the block at PC when it needs no work; 0 sends the run loop through the dispatcher. The budget must allow a whole block. */
// @ts-ignore: decorator
@inline
export function jump_quickly(s: usize): usize {
  const la = linear_pc(s, load<u64>(s, PC))
  const block = cached_block(s, la, load<u32>(s, MODE))
  return block ? block + BLOCK_FIRST_RECORD : jump_slowly(s, la)
}

export function jump_slowly(s: usize, la: u64): usize {
  const block = known_block(s, la)
  return block ? block + BLOCK_FIRST_RECORD : 0
}

/** The block of 64-bit mode at `la` that the jump cache has forgotten, where the exec TLB and the code cache know it; else 0. */
function known_block(s: usize, la: u64): usize {
  const entry = exec_entry(s, la)
  if (!in_long_mode(s) || !is_mapped(s, entry, la)) return 0
  const mode = load<u32>(s, MODE)
  const block = code_find(load<u32>(entry, 12), <u32>la & 0xfff, code_key(s), mode)
  if (!block || load<u32>(block, BLOCK_FRAME2) != BLOCK_NO_FRAME) return 0
  remember(s, la, block, mode)
  return block
}

/** Enters `block` into the jump cache. What crosses a page depends on a second mapping, which need not be global. */
function remember(s: usize, la: u64, block: usize, mode: u32): void {
  const entry = jump_entry(s, la)
  const whole = load<u32>(block, BLOCK_FRAME2) == BLOCK_NO_FRAME
  const everywhere = whole && load<u64>(exec_entry(s, la)) == ((la & ~0xfff) | global_context(s))
  store<u64>(entry, la)
  store<u32>(entry, everywhere ? global_jump_tag(s, mode) : jump_tag(s, mode), JUMP_TAG)
  store<u32>(entry, <u32>block, JUMP_BLOCK)
  store<u32>(entry, NO_GENERATION, JUMP_GENERATION)
}

/**
 * A direct jump whose link is no address. `from` is the PC of the block it leaves, `link` the address of the link. Targets in the same page are
 * linked for good: the page's mapping is that of the running block.
 */
export function follow_link(s: usize, from: u64, link: usize): usize {
  const kind = load<u32>(link)
  if (kind == LINK_16) store<u64>(s, load<u64>(s, PC) & 0xffff, PC)
  if (kind == LINK_16 || kind == LINK_NEVER) return 0
  const mode = load<u32>(s, MODE)
  if (!in_long_mode(s) && !(mode & MODE_FLAT)) return 0
  const pc = load<u64>(s, PC)
  let block = cached_block(s, pc, mode)
  if (!block) block = known_block(s, pc)
  if (!block) return 0
  if ((from ^ pc) >> 12 == 0 && load<u32>(block, BLOCK_FRAME2) == BLOCK_NO_FRAME) store<u32>(link, <u32>block + BLOCK_FIRST_RECORD)
  return block + BLOCK_FIRST_RECORD
}

/** Does `entry` of the exec TLB translate `la` now? */
// @ts-ignore: decorator
@inline
function is_mapped(s: usize, entry: usize, la: u64): bool {
  const tag = load<u64>(entry)
  return tag == ((la & ~0xfff) | load<u32>(s, CTX)) || tag == ((la & ~0xfff) | global_context(s))
}

/** The key that the running guest's code is read under. */
// @ts-ignore: decorator
@inline
function code_key(s: usize): u32 {
  return load<u32>(s, SEV_ACTIVE) ? load<u32>(s, ASID) : 0
}

/** Linear-memory address of the code at `la` with its frame in LAST_FRAME; 0 with a fault pending. */
function code_at(s: usize, la: u64): usize {
  const entry = exec_entry(s, la)
  if (is_mapped(s, entry, la)) {
    store<u32>(s, load<u32>(entry, 12), LAST_FRAME)
    return <usize>(<u32>la) + load<u32>(entry, 8)
  }
  const p = mmu_fill(s, la, EXECUTE)
  if (p != NO_MEMORY) return p
  // Nothing answers: all ones are fetched, and FF FF is no instruction.
  raise(s, UD)
  return 0
}

/** True where the second frame of a block that crosses pages is still mapped behind the first. */
function second_frame_stands(s: usize, la: u64, block: usize): bool {
  return code_at(s, (la & ~0xfff) + 0x1000) != 0 && load<u32>(s, LAST_FRAME) == load<u32>(block, BLOCK_FRAME2)
}

/** The block at `la` under `mode`; 0 with a fault pending, or with EXIT_CODE set where it must be made first. */
function find(s: usize, la: u64, mode: u32): usize {
  const p = code_at(s, la)
  if (!p) return 0
  const frame = load<u32>(s, LAST_FRAME)
  const key = code_key(s)
  const block = code_find(frame, <u32>la & 0xfff, key, mode)
  if (block) {
    if (load<u32>(block, BLOCK_FRAME2) == BLOCK_NO_FRAME || second_frame_stands(s, la, block)) return block
    if (load<u32>(s, FAULT)) return 0
  }
  store<u32>(s, EXIT_CODE, EXIT_REASON)
  store<u32>(s, <u32>p, EXIT_INFO)
  store<u32>(s, frame, EXIT_INFO2)
  store<u32>(s, key, CODE_KEY)
  store<u32>(s, mode, CODE_MODE)
  return 0
}

/** TypeScript asks for the page behind the one it is decoding. 0 with the fault of the fetch pending. */
export function fetch_next_page(s: usize): usize {
  const la = linear_pc(s, load<u64>(s, PC))
  const next = (la & ~0xfff) + 0x1000
  return code_at(s, in_long_mode(s) ? next : next & 0xffffffff)
}

/** What is due before the next instruction. R_NEXT, R_JUMP (look again) or R_EXIT. */
function handle_events(s: usize): u32 {
  if (load<u32>(s, STEP_ARMED)) {
    store<u32>(s, 0, STEP_ARMED)
    debug_single_step(s)
    return R_JUMP
  }
  if (load<u32>(s, EVENTS) & (EVENT_INTERRUPT | EVENT_INJECT)) {
    if (load<u32>(s, GUEST_MODE)) {
      const r = svm_events(s)
      if (r != R_NEXT) return r
    } else {
      store<u32>(s, load<u32>(s, EVENTS) & ~EVENT_INTERRUPT, EVENTS)
    }
  }
  if (load<u32>(s, EVENTS) & EVENT_BREAKPOINT) {
    if (debug_instruction(s, linear_pc(s, load<u64>(s, PC)))) return R_JUMP
  }
  return R_NEXT
}

function deliver_pending(s: usize): u32 {
  store<u32>(s, 0, STEP_ARMED)
  if (load<u32>(s, SHADOW) == SHADOW_RUNNING) store<u32>(s, 1, SHADOW)
  if (load<u32>(s, FAULT) & FAULT_VMEXIT) return svm_leave(s)
  const r = deliver_fault(s)
  store<u32>(s, 0, SHADOW)
  return r
}

/** After an instruction that ran in an interrupt shadow. */
function end_shadow(s: usize): void {
  if (load<u32>(s, SHADOW) != SHADOW_RUNNING) return
  store<u32>(s, 0, SHADOW)
  store<u32>(s, load<u32>(s, EVENTS) | EVENT_INTERRUPT, EVENTS)
}

function leave_with(s: usize, reason: u32): usize {
  store<u32>(s, reason, EXIT_REASON)
  return 0
}

/** MODE of the block to run next: one instruction at a time under single step, in an interrupt shadow and near breakpoints. */
function block_mode(s: usize): u32 {
  let mode = load<u32>(s, MODE)
  if (load<u32>(s, EVENTS) & EVENT_SINGLE_STEP) {
    store<u32>(s, 1, STEP_ARMED)
    mode |= MODE_SINGLE
  }
  if (load<u32>(s, EVENTS) & EVENT_BREAKPOINT) mode |= MODE_SINGLE
  if (load<u32>(s, SHADOW)) {
    store<u32>(s, SHADOW_RUNNING, SHADOW)
    mode |= MODE_SINGLE
  }
  return mode
}

/** TypeScript makes the block first: its instruction is still to be stepped and still in the interrupt shadow. */
function not_begun(s: usize): void {
  store<u32>(s, 0, STEP_ARMED)
  if (load<u32>(s, SHADOW)) store<u32>(s, 1, SHADOW)
}

/** The first record to execute, or 0 with EXIT_REASON set. PC and BUDGET are exact. */
export function next_block(s: usize): usize {
  while (true) {
    if (load<u32>(s, FAULT)) {
      if (deliver_pending(s) == R_EXIT) return 0
      continue
    }
    if (load<u32>(s, SHADOW)) end_shadow(s)
    if (load<u32>(s, EVENTS)) {
      const r = handle_events(s)
      if (r == R_EXIT) return 0
      if (r != R_NEXT) continue
    }
    if (load<u32>(s, HALTED)) return leave_with(s, EXIT_HALT)
    const budget = load<i64>(s, BUDGET)
    if (budget <= 0) return leave_with(s, EXIT_BUDGET)
    const pc = load<u64>(s, PC)
    if (!in_long_mode(s)) {
      store<u64>(s, pc & 0xffffffff, PC)
      if (!(load<u32>(s, MODE) & MODE_FLAT) && beyond_code_limit(s, pc & 0xffffffff)) {
        raise_error(s, GP, 0)
        continue
      }
    }
    const block = choose(s, linear_pc(s, load<u64>(s, PC)), budget)
    if (block) return block + BLOCK_FIRST_RECORD
    if (!load<u32>(s, FAULT)) {
      not_begun(s)
      return 0
    }
  }
}

function choose(s: usize, la: u64, budget: i64): usize {
  const mode = block_mode(s)
  const block = block_under(s, la, mode)
  if (!block || mode & MODE_SINGLE || <i64>load<u32>(block, BLOCK_COUNT) <= budget) return block
  return block_under(s, la, mode | MODE_SINGLE)
}

function block_under(s: usize, la: u64, mode: u32): usize {
  const known = cached_block(s, la, mode)
  if (known) return known
  const block = find(s, la, mode)
  if (block) remember(s, la, block, mode)
  return block
}
