// The memory controller's kernel: who holds which frame in clear, and under which key.
//
// A frame is either in DRAM or resident in one slot of the last-level cache, in plaintext, under one key. Key 0 never
// occupies a slot: with no key, what is on the bus is the plaintext, so a pointer into DRAM itself is handed out.
//
//   FRAME_TABLE entry:  0                          in DRAM, never handed out
//                       n (bit 31 clear)           resident in slot n - 1
//                       1 | key 10 bits | epoch 21 bits   in DRAM, last used under `key`; for key 0 `epoch` tells
//                                                   when a pointer into DRAM was last handed out
//
// FABRIC_EPOCH counts up only when a pointer handed out in the present epoch becomes wrong.

import {
  FABRIC_BASE,
  FABRIC_CHANGED,
  FABRIC_CHANGED_COUNT,
  FABRIC_CHANGED_MAX,
  FABRIC_DRAM_BASE,
  FABRIC_DRAM_FRAMES,
  FABRIC_EPOCH,
  FRAME_SHIFT,
  FRAME_TABLE_BASE,
  LLC_BASE,
  SLOT_TABLE_BASE,
  WATCH_BASE,
} from '../../fabric-layout'
import {
  CIPHER_FRAMES_MAX,
  CONTROLLER_BASE,
  CONTROLLER_FILLS,
  CONTROLLER_FREE,
  CONTROLLER_FRESH,
  CONTROLLER_HAND,
  CONTROLLER_LOOKED,
  CONTROLLER_SLOTS,
  CONTROLLER_TURN,
  CONTROLLER_WRITEBACKS,
  EVICTION_BATCH,
  FLAG_DIRTY,
  FLAG_REFERENCED,
  KEY_SLOTS,
  LOOK_BASE,
  LOOK_FRAMES,
  PROTECTED_TURNS,
  SLOT_BYTES,
  SLOT_EPOCH,
  SLOT_FLAGS,
  SLOT_FRAME,
  SLOT_KEY,
  SLOT_TURN,
} from '../engine-layout'
import { decrypt_frame, decrypt_whitened, encrypt_frame, encrypt_whitened, whiten_frame } from './cipher'

const SLOT_FREE: u32 = 0xffffffff
const IN_DRAM: u32 = 0x80000000
const LAST_KEY_SHIFT: u32 = 21
const EPOCH_MASK: u32 = 0x1fffff

// The shared constants as this compiler's unsigned words.
const KEYS: u32 = KEY_SLOTS
const CHANGED_MAX: u32 = FABRIC_CHANGED_MAX
const BATCH: u32 = EVICTION_BATCH
const PROTECTED: u32 = PROTECTED_TURNS
const FIRST_SLOT: usize = SLOT_TABLE_BASE
const SLOT_SIZE: usize = SLOT_BYTES
const FIRST_DATA: usize = LLC_BASE
const LOOKED_AT: usize = LOOK_BASE
const LOOKED_AT_MAX: u32 = LOOK_FRAMES
const AT_A_TIME: u32 = CIPHER_FRAMES_MAX

/** Prepares the tables of a memory that is all zero. */
export function init(slots: u32): void {
  store<u32>(CONTROLLER_BASE, slots, CONTROLLER_SLOTS)
  store<u32>(FABRIC_BASE, 1, FABRIC_EPOCH)
}

/** See FabricKernel in fabric.ts. */
export function frame(frame: u32, key: u32, write: u32): usize {
  if (frame >= load<u32>(FABRIC_BASE, FABRIC_DRAM_FRAMES) || key >= KEYS) return 0
  const entry = load<u32>(FRAME_TABLE_BASE + frame * 4)
  if (entry && !(entry & IN_DRAM)) {
    const slot = slot_at(entry - 1)
    if (load<u16>(slot, SLOT_KEY) == key) return hand_out(slot, write)
  }
  return key ? make_resident(frame, key, write, true) : take_from_dram(frame, true)
}

/** As `frame` for somebody who overwrites all of it: what it held is neither decrypted nor written back. */
export function frame_to_fill(frame: u32, key: u32): usize {
  if (frame >= load<u32>(FABRIC_BASE, FABRIC_DRAM_FRAMES) || key >= KEYS) return 0
  const slot = slot_of(load<u32>(FRAME_TABLE_BASE + frame * 4))
  if (slot && load<u16>(slot, SLOT_KEY) == key) return hand_out(slot, 1)
  return key ? make_resident(frame, key, 1, false) : take_from_dram(frame, false)
}

/**
 * Where the content of the frames from `first` stands as seen under `key`, at most `frames` of them (all exist) and at least one: CONTROLLER_LOOKED says
 * how many. Good until the next call. Nothing becomes resident, ceases to be, or is handed out: whoever only reads disturbs no core.
 */
export function look(first: u32, frames: u32, key: u32): usize {
  if (!key) {
    write_back_range(first, frames)
    store<u32>(CONTROLLER_BASE, frames, CONTROLLER_LOOKED)
    return dram_of(first)
  }
  const slot = slot_under(first, key)
  let n: u32 = 1
  if (slot) {
    while (n < frames && slot_under(first + n, key) == slot + <usize>n * SLOT_SIZE) n++
    store<u32>(CONTROLLER_BASE, n, CONTROLLER_LOOKED)
    return data_of(slot)
  }
  while (n < frames && n < LOOKED_AT_MAX && !slot_under(first + n, key)) n++
  // DRAM first, where frames are resident under other keys.
  write_back_range(first, n)
  for (let i: u32 = 0; i < n; i++) whiten_frame(LOOKED_AT + (<usize>i << FRAME_SHIFT), dram_of(first + i), first + i, key)
  decrypt_whitened(LOOKED_AT, first, n, key)
  store<u32>(CONTROLLER_BASE, n, CONTROLLER_LOOKED)
  return LOOKED_AT
}

/** Slot in which the frame is resident under `key`, or 0. */
// @ts-ignore: decorator
@inline
function slot_under(frame: u32, key: u32): usize {
  const slot = slot_of(load<u32>(FRAME_TABLE_BASE + frame * 4))
  return slot && load<u16>(slot, SLOT_KEY) == key ? slot : 0
}

// @ts-ignore: decorator
@inline
function slot_at(index: u32): usize {
  return FIRST_SLOT + <usize>index * SLOT_SIZE
}

// @ts-ignore: decorator
@inline
function index_of(slot: usize): u32 {
  return <u32>((slot - FIRST_SLOT) / SLOT_SIZE)
}

// @ts-ignore: decorator
@inline
function data_of(slot: usize): usize {
  return FIRST_DATA + (index_of(slot) << FRAME_SHIFT)
}

// @ts-ignore: decorator
@inline
function dram_of(frame: u32): usize {
  return load<u32>(FABRIC_BASE, FABRIC_DRAM_BASE) + (frame << FRAME_SHIFT)
}

// @ts-ignore: decorator
@inline
function slot_of(entry: u32): usize {
  return entry == 0 || entry & IN_DRAM ? 0 : slot_at(entry - 1)
}

// @ts-ignore: decorator
@inline
function hand_out(slot: usize, write: u32): usize {
  const turn = load<u32>(CONTROLLER_BASE, CONTROLLER_TURN) + 1
  store<u32>(CONTROLLER_BASE, turn, CONTROLLER_TURN)
  store<u8>(slot, load<u8>(slot, SLOT_FLAGS) | <u8>FLAG_REFERENCED | (write ? <u8>FLAG_DIRTY : 0), SLOT_FLAGS)
  store<u32>(slot, turn, SLOT_TURN)
  store<u32>(slot, load<u32>(FABRIC_BASE, FABRIC_EPOCH), SLOT_EPOCH)
  return data_of(slot)
}

/** Key 0: what stands in DRAM, after a resident plaintext has gone back into it, if anybody wants it. */
function take_from_dram(frame: u32, wanted: bool): usize {
  const entry = load<u32>(FRAME_TABLE_BASE + frame * 4)
  if (last_key(entry) != 0) changed(frame)
  const slot = slot_of(entry)
  if (slot) drop(slot, wanted)
  store<u32>(FRAME_TABLE_BASE + frame * 4, IN_DRAM | (load<u32>(FABRIC_BASE, FABRIC_EPOCH) & EPOCH_MASK))
  return dram_of(frame)
}

function make_resident(frame: u32, key: u32, write: u32, wanted: bool): usize {
  const entry = load<u32>(FRAME_TABLE_BASE + frame * 4)
  if (last_key(entry) != key) changed(frame)
  const resident = slot_of(entry)
  if (resident) drop(resident, wanted)
  else if (entry && last_key(entry) == 0 && (entry & EPOCH_MASK) == (load<u32>(FABRIC_BASE, FABRIC_EPOCH) & EPOCH_MASK)) new_epoch()

  const slot = free_slot()
  store<u32>(slot, frame, SLOT_FRAME)
  store<u16>(slot, <u16>key, SLOT_KEY)
  store<u8>(slot, 0, SLOT_FLAGS)
  store<u32>(FRAME_TABLE_BASE + frame * 4, index_of(slot) + 1)
  if (wanted) {
    decrypt_frame(data_of(slot), dram_of(frame), frame, key)
    count(CONTROLLER_FILLS)
  }
  return hand_out(slot, write)
}

/** Key under which the frame was last used: of a resident one the slot's, else what the entry remembers. */
function last_key(entry: u32): u32 {
  const slot = slot_of(entry)
  return slot ? <u32>load<u16>(slot, SLOT_KEY) : (entry & ~IN_DRAM) >> LAST_KEY_SHIFT
}

function count(word: u32): void {
  store<u32>(CONTROLLER_BASE + word, load<u32>(CONTROLLER_BASE + word) + 1)
}

function new_epoch(): void {
  store<u32>(FABRIC_BASE, load<u32>(FABRIC_BASE, FABRIC_EPOCH) + 1, FABRIC_EPOCH)
}

/** Reports a watched frame whose content, as some core last saw it, may have changed. */
function changed(frame: u32): void {
  if (!(load<u8>(WATCH_BASE + frame) & 1)) return
  const n = load<u32>(FABRIC_BASE, FABRIC_CHANGED_COUNT)
  if (n < CHANGED_MAX) store<u32>(FABRIC_BASE + FABRIC_CHANGED + n * 4, frame)
  if (n <= CHANGED_MAX) store<u32>(FABRIC_BASE, n + 1, FABRIC_CHANGED_COUNT)
}

function write_back(slot: usize): void {
  if (!(load<u8>(slot, SLOT_FLAGS) & FLAG_DIRTY)) return
  const frame = load<u32>(slot, SLOT_FRAME)
  encrypt_frame(dram_of(frame), data_of(slot), frame, load<u16>(slot, SLOT_KEY))
  written_back(slot)
}

/** DRAM has what the slot has, and as long as nobody holds a pointer into it (none of an earlier epoch is used any more), nothing can change that. */
function written_back(slot: usize): void {
  count(CONTROLLER_WRITEBACKS)
  if (load<u32>(slot, SLOT_EPOCH) == load<u32>(FABRIC_BASE, FABRIC_EPOCH)) return
  store<u8>(slot, load<u8>(slot, SLOT_FLAGS) & ~(<u8>FLAG_DIRTY), SLOT_FLAGS)
}

/** Frees a slot, having written it back where its content is wanted. */
function drop(slot: usize, wanted: bool): void {
  if (wanted) write_back(slot)
  if (load<u32>(slot, SLOT_EPOCH) == load<u32>(FABRIC_BASE, FABRIC_EPOCH)) new_epoch()
  // With key != 0 in the entry, its epoch field says nothing and stays zero.
  const key: u32 = load<u16>(slot, SLOT_KEY)
  store<u32>(FRAME_TABLE_BASE + load<u32>(slot, SLOT_FRAME) * 4, IN_DRAM | (key << LAST_KEY_SHIFT))
  store<u32>(slot, SLOT_FREE, SLOT_FRAME)
  store<u8>(slot, 0, SLOT_FLAGS)
  store<u32>(slot, load<u32>(CONTROLLER_BASE, CONTROLLER_FREE), SLOT_TURN)
  store<u32>(CONTROLLER_BASE, index_of(slot) + 1, CONTROLLER_FREE)
}

function free_slot(): usize {
  const fresh = load<u32>(CONTROLLER_BASE, CONTROLLER_FRESH)
  if (!load<u32>(CONTROLLER_BASE, CONTROLLER_FREE)) {
    if (fresh < load<u32>(CONTROLLER_BASE, CONTROLLER_SLOTS)) {
      store<u32>(CONTROLLER_BASE, fresh + 1, CONTROLLER_FRESH)
      return slot_at(fresh)
    }
    evict()
  }
  const slot = slot_at(load<u32>(CONTROLLER_BASE, CONTROLLER_FREE) - 1)
  store<u32>(CONTROLLER_BASE, load<u32>(slot, SLOT_TURN), CONTROLLER_FREE)
  return slot
}

/**
 * Second chance: the sweep takes the referenced mark off a slot the first time it passes and the slot itself the
 * second time. All slots are in use when it is called and at most PROTECTED_TURNS are protected, so two rounds always free some.
 */
function evict(): void {
  const slots = load<u32>(CONTROLLER_BASE, CONTROLLER_SLOTS)
  const turn = load<u32>(CONTROLLER_BASE, CONTROLLER_TURN)
  let hand = load<u32>(CONTROLLER_BASE, CONTROLLER_HAND)
  let freed: u32 = 0
  for (let step: u32 = 0; freed < BATCH && step < slots * 2; step++) {
    const slot = slot_at(hand)
    hand = hand + 1 == slots ? 0 : hand + 1
    if (load<u32>(slot, SLOT_FRAME) == SLOT_FREE || turn - load<u32>(slot, SLOT_TURN) < PROTECTED) continue
    const flags = load<u8>(slot, SLOT_FLAGS)
    if (flags & FLAG_REFERENCED) {
      store<u8>(slot, flags & ~(<u8>FLAG_REFERENCED), SLOT_FLAGS)
    } else {
      drop(slot, true)
      freed++
    }
  }
  store<u32>(CONTROLLER_BASE, hand, CONTROLLER_HAND)
}

/** Brings DRAM up to date for `frames` frames from `first`; they stay resident. */
export function write_back_range(first: u32, frames: u32): void {
  const end = first + frames
  for (let f = first; f < end;) {
    const key = key_to_write_back(f)
    let n: u32 = 1
    while (key && f + n < end && n < AT_A_TIME && key_to_write_back(f + n) == key) n++
    if (key) write_back_run(f, n, key)
    f += n
  }
}

/** Key of a frame whose plaintext is newer than DRAM may be, else 0. */
function key_to_write_back(frame: u32): u32 {
  const slot = slot_of(load<u32>(FRAME_TABLE_BASE + frame * 4))
  return slot && load<u8>(slot, SLOT_FLAGS) & FLAG_DIRTY ? load<u16>(slot, SLOT_KEY) : 0
}

/** Wherever their slots are, in DRAM frames stand one behind the other: AES takes them together. */
function write_back_run(first: u32, frames: u32, key: u32): void {
  for (let f = first; f < first + frames; f++) {
    const slot = slot_of(load<u32>(FRAME_TABLE_BASE + f * 4))
    whiten_frame(dram_of(f), data_of(slot), f, key)
    written_back(slot)
  }
  encrypt_whitened(dram_of(first), first, frames, key)
}

/** Writes back and drops `frames` frames from `first`, whose DRAM bytes are about to be altered, and reports them. */
export function surrender_range(first: u32, frames: u32): void {
  for (let f = first; f < first + frames; f++) {
    const slot = slot_of(load<u32>(FRAME_TABLE_BASE + f * 4))
    if (slot) drop(slot, true)
    changed(f)
  }
}

/** Reports frames that host software, a device or firmware has written. */
export function changed_range(first: u32, frames: u32): void {
  for (let f = first; f < first + frames; f++) changed(f)
}

/** Writes back and drops every frame resident under `key`, whose key is about to change. */
export function surrender_key(key: u32): void {
  const fresh = load<u32>(CONTROLLER_BASE, CONTROLLER_FRESH)
  for (let i: u32 = 0; i < fresh; i++) {
    const slot = slot_at(i)
    if (load<u32>(slot, SLOT_FRAME) != SLOT_FREE && load<u16>(slot, SLOT_KEY) == key) drop(slot, true)
  }
  // Frames evicted earlier will read differently too.
  store<u32>(FABRIC_BASE, CHANGED_MAX + 1, FABRIC_CHANGED_COUNT)
}

/** Writes back and drops everything. */
export function flush(): void {
  const fresh = load<u32>(CONTROLLER_BASE, CONTROLLER_FRESH)
  for (let i: u32 = 0; i < fresh; i++) {
    const slot = slot_at(i)
    if (load<u32>(slot, SLOT_FRAME) != SLOT_FREE) drop(slot, true)
  }
}
