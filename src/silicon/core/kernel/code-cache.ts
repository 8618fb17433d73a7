// The cache of IR blocks, keyed by system physical address, encryption key and MODE, shared by all cores of the chip.
//
// A block that is dropped has the first record of each of its instructions overwritten with LEAVE, so that a core in the midst of
// it leaves before its next instruction and a jump linked to it comes back to the dispatcher. Its memory is reused only when
// the whole arena is cleared.

import {
  BLOCK_END,
  BLOCK_FIRST_RECORD,
  BLOCK_FRAME,
  BLOCK_FRAME2,
  BLOCK_HEADER_BYTES,
  BLOCK_KEY,
  BLOCK_LENGTH,
  BLOCK_MODE,
  BLOCK_NEXT_HASH,
  BLOCK_NEXT_IN_FRAME,
  BLOCK_NEXT_IN_FRAME2,
  BLOCK_NO_FRAME,
  BLOCK_OFFSET,
  BLOCK_REGIONS,
  BLOCK_VALID,
  CODE_ARENA_POINTER,
  CODE_BLOCKS_DROPPED,
  CODE_CLEARS,
  CODE_CORES,
  CODE_GENERATION,
  CODE_STALE,
  OP_JNZ_SLOT,
  OP_JO,
  OP_LEAVE,
} from '../ir/ops'
import { REGION_ENTRY_BYTES } from '../ir/region-tables'
import {
  CODE_ARENA_BASE,
  CODE_ARENA_END,
  CODE_CACHE_WORDS,
  CODE_FRAME_HEADS,
  CODE_HASH_BASE,
  CODE_LINES_BASE,
  CORE_STATE_BASE,
  CORE_STATE_STRIDE,
  REGION_TABLE,
  WATCH_BASE,
  WATCH_CODE,
  WATCH_WRITABLE,
} from '../../fabric-layout'
import { JUMP_CACHE, JUMP_CACHE_ENTRIES, JUMP_ENTRY_BYTES, TLB_ENTRIES, TLB_WRITE } from '../state/layout'

const HASH_BUCKETS: u32 = 0x40000
const TLB_BYTES: usize = TLB_ENTRIES * 16
const LINE_SHIFT: u32 = 6
const EVERY_FRAME: u32 = 0xffffffff

function bucket(frame: u32, offset: u32, mode: u32): usize {
  const h = (frame * 0x9e3779b1) ^ (offset * 0x85ebca6b) ^ (mode * 0xc2b2ae35)
  return CODE_HASH_BASE + ((h ^ (h >> 15)) & (HASH_BUCKETS - 1)) * 4
}

/** Called once before the first core runs. */
export function code_cache_reset(cores: u32): void {
  store<u32>(CODE_CACHE_WORDS, CODE_ARENA_BASE, CODE_ARENA_POINTER)
  store<u32>(CODE_CACHE_WORDS, cores, CODE_CORES)
}

/** The block at (frame, offset) under `key` and `mode`, or 0. */
export function code_find(frame: u32, offset: u32, key: u32, mode: u32): usize {
  let block: usize = load<u32>(bucket(frame, offset, mode))
  while (block) {
    if (
      load<u32>(block, BLOCK_FRAME) == frame &&
      load<u32>(block, BLOCK_OFFSET) == offset &&
      load<u32>(block, BLOCK_MODE) == mode &&
      load<u32>(block, BLOCK_KEY) == key
    ) {
      return block
    }
    block = load<u32>(block, BLOCK_NEXT_HASH)
  }
  return 0
}

function mark_lines(frame: u32, from: u32, to: u32): void {
  const at = CODE_LINES_BASE + frame * 8
  let bits = load<u64>(at)
  for (let line = from >> LINE_SHIFT; line <= to >> LINE_SHIFT; line++) bits |= (<u64>1) << line
  store<u64>(at, bits)
}

/** Has the memory controller report changes of `frame`, and takes it out of every write TLB. */
function watch(frame: u32): void {
  const watched: u32 = load<u8>(WATCH_BASE + frame)
  if (watched & WATCH_CODE) return
  store<u8>(WATCH_BASE + frame, WATCH_CODE)
  if (!(watched & WATCH_WRITABLE)) return
  const cores = load<u32>(CODE_CACHE_WORDS, CODE_CORES)
  for (let core: u32 = 0; core < cores; core++) {
    const table: usize = CORE_STATE_BASE + core * CORE_STATE_STRIDE + TLB_WRITE
    for (let entry = table; entry < table + TLB_BYTES; entry += 16) {
      if (load<u32>(entry, 12) == frame) store<u64>(entry, ~(<u64>0))
    }
  }
}

/**
 * Enters a block whose header (all but the chain fields) and records TypeScript has written at `block`. Its code bytes are
 * [offset, offset + length) of `frame`, running over into `frame2` where that is not BLOCK_NO_FRAME.
 */
export function code_insert(block: usize): void {
  const frame = load<u32>(block, BLOCK_FRAME)
  const frame2 = load<u32>(block, BLOCK_FRAME2)
  const offset = load<u32>(block, BLOCK_OFFSET)
  const end = offset + load<u32>(block, BLOCK_LENGTH)
  const head = bucket(frame, offset, load<u32>(block, BLOCK_MODE))
  store<u32>(block, load<u32>(head), BLOCK_NEXT_HASH)
  store<u32>(head, <u32>block)
  const frameHead = CODE_FRAME_HEADS + frame * 4
  store<u32>(block, load<u32>(frameHead), BLOCK_NEXT_IN_FRAME)
  store<u32>(frameHead, <u32>block)
  watch(frame)
  if (frame2 == BLOCK_NO_FRAME) {
    mark_lines(frame, offset, end - 1)
  } else {
    mark_lines(frame, offset, 0xfff)
    if (frame2 != frame) {
      const head2 = CODE_FRAME_HEADS + frame2 * 4
      store<u32>(block, load<u32>(head2), BLOCK_NEXT_IN_FRAME2)
      store<u32>(head2, <u32>block | 1)
      watch(frame2)
    }
    mark_lines(frame2, 0, end - 0x1001)
  }
  store<u32>(block, 1, BLOCK_VALID)
}

/** Overwrites the first record of every instruction of `block` with LEAVE. */
function neutralise(block: usize): void {
  store<u32>(block, 0, BLOCK_VALID)
  for (let member: usize = load<u32>(block, BLOCK_REGIONS); member; member = load<u32>(member, 4)) {
    store<u32>(REGION_TABLE + load<u32>(member) * REGION_ENTRY_BYTES, 0)
    store<u32>(CODE_CACHE_WORDS, 1, CODE_STALE)
    store<u32>(CODE_CACHE_WORDS, load<u32>(CODE_CACHE_WORDS, CODE_GENERATION) + 1, CODE_GENERATION)
  }
  const end = load<u32>(block, BLOCK_END)
  let instruction: u32 = 0xffff
  for (let record: usize = block + BLOCK_FIRST_RECORD; record < end; record += 16) {
    const op = load<u16>(record)
    const index = load<u16>(record, 6) >> 10
    if (index != instruction) store<u16>(record, OP_LEAVE)
    instruction = index
    if (has_extension(op)) record += 16
  }
}

/** Operations whose record is followed by one of deltas and links. */
function has_extension(op: u32): bool {
  return op >= <u32>OP_JO && op <= <u32>OP_JNZ_SLOT
}

/** Neutralises `block` and takes it out of its hash chain. */
function drop(block: usize): void {
  if (!load<u32>(block, BLOCK_VALID)) return
  neutralise(block)
  store<u32>(CODE_CACHE_WORDS, load<u32>(CODE_CACHE_WORDS, CODE_BLOCKS_DROPPED) + 1, CODE_BLOCKS_DROPPED)
  let link = bucket(load<u32>(block, BLOCK_FRAME), load<u32>(block, BLOCK_OFFSET), load<u32>(block, BLOCK_MODE))
  while (load<u32>(link)) {
    if (<usize>load<u32>(link) == block) {
      store<u32>(link, load<u32>(block, BLOCK_NEXT_HASH))
      return
    }
    link = load<u32>(link) + BLOCK_NEXT_HASH
  }
}

// Chain entries have bit 0 set where `frame` is the block's second frame.
// @ts-ignore: decorator
@inline
function next_in_frame(entry: u32): u32 {
  return entry & 1 ? load<u32>(entry & ~1, BLOCK_NEXT_IN_FRAME2) : load<u32>(entry, BLOCK_NEXT_IN_FRAME)
}

/** True when the bytes that `entry`'s block takes from this frame meet [from, to). */
function covers(entry: u32, from: u32, to: u32): bool {
  const block: usize = entry & ~1
  const offset = load<u32>(block, BLOCK_OFFSET)
  const end = offset + load<u32>(block, BLOCK_LENGTH)
  if (load<u32>(block, BLOCK_FRAME2) == load<u32>(block, BLOCK_FRAME)) return true
  if (entry & 1) return from < end - 0x1000
  return from < end && to > offset
}

/** A core, the host or a device has stored `n` bytes at `offset` of a watched frame (all within it). */
export function code_written(frame: u32, offset: u32, n: u32): void {
  const bits = load<u64>(CODE_LINES_BASE + frame * 8)
  let touched: u64 = 0
  for (let line = offset >> LINE_SHIFT; line <= (offset + n - 1) >> LINE_SHIFT; line++) touched |= (<u64>1) << line
  if (bits & touched) drop_range(frame, offset, offset + n)
}

function drop_range(frame: u32, from: u32, to: u32): void {
  let link: usize = CODE_FRAME_HEADS + frame * 4
  let lines: u64 = 0
  let entry = load<u32>(link)
  while (entry) {
    const next = next_in_frame(entry)
    const block: usize = entry & ~1
    if (!load<u32>(block, BLOCK_VALID) || covers(entry, from, to)) {
      drop(block)
      store<u32>(link, next)
    } else {
      lines |= lines_of(entry)
      link = block + (entry & 1 ? BLOCK_NEXT_IN_FRAME2 : BLOCK_NEXT_IN_FRAME)
    }
    entry = next
  }
  store<u64>(CODE_LINES_BASE + frame * 8, lines)
  if (!lines) store<u8>(WATCH_BASE + frame, load<u8>(WATCH_BASE + frame) & ~WATCH_CODE)
}

function lines_of(entry: u32): u64 {
  const block: usize = entry & ~1
  const offset = load<u32>(block, BLOCK_OFFSET)
  const end = offset + load<u32>(block, BLOCK_LENGTH)
  const from: u32 = entry & 1 ? 0 : offset
  const to: u32 = entry & 1 ? end - 0x1000 : end > 0x1000 ? 0x1000 : end
  let bits: u64 = 0
  for (let line = from >> LINE_SHIFT; line <= (to - 1) >> LINE_SHIFT; line++) bits |= (<u64>1) << line
  return bits
}

/** The content of `frame` may have changed behind the cores' back; 0xffffffff: that of any frame. */
export function code_frame_changed(frame: u32): void {
  if (frame == EVERY_FRAME) code_clear()
  else drop_range(frame, 0, 0x1000)
}

/** Drops every block and starts the arena anew. */
export function code_clear(): void {
  const end = load<u32>(CODE_CACHE_WORDS, CODE_ARENA_POINTER)
  let block: usize = CODE_ARENA_BASE
  while (block < end) {
    neutralise(block)
    clear_frame(load<u32>(block, BLOCK_FRAME))
    if (load<u32>(block, BLOCK_FRAME2) != BLOCK_NO_FRAME) clear_frame(load<u32>(block, BLOCK_FRAME2))
    block = load<u32>(block, BLOCK_END)
  }
  memory.fill(CODE_HASH_BASE, 0, HASH_BUCKETS * 4)
  const cores = load<u32>(CODE_CACHE_WORDS, CODE_CORES)
  for (let core: u32 = 0; core < cores; core++) {
    memory.fill(CORE_STATE_BASE + core * CORE_STATE_STRIDE + JUMP_CACHE, 0xff, JUMP_CACHE_ENTRIES * JUMP_ENTRY_BYTES)
  }
  store<u32>(CODE_CACHE_WORDS, CODE_ARENA_BASE, CODE_ARENA_POINTER)
  store<u32>(CODE_CACHE_WORDS, load<u32>(CODE_CACHE_WORDS, CODE_CLEARS) + 1, CODE_CLEARS)
}

function clear_frame(frame: u32): void {
  store<u32>(CODE_FRAME_HEADS + frame * 4, 0)
  store<u64>(CODE_LINES_BASE + frame * 8, 0)
  store<u8>(WATCH_BASE + frame, load<u8>(WATCH_BASE + frame) & ~WATCH_CODE)
}

/** Room for a block of `bytes` in the arena; clears the arena when it is full. Not to be called while a block runs. */
export function code_reserve(bytes: u32): usize {
  let at: usize = load<u32>(CODE_CACHE_WORDS, CODE_ARENA_POINTER)
  if (at + bytes + BLOCK_HEADER_BYTES > <usize>CODE_ARENA_END) {
    code_clear()
    at = CODE_ARENA_BASE
  }
  store<u32>(CODE_CACHE_WORDS, <u32>at + ((bytes + 15) & ~15), CODE_ARENA_POINTER)
  return at
}
