// The memory controller's kernel: which frames stand in clear, and under which key.
//
// A frame of DRAM stands either as the modules hold it (`raw`) or, while the chip's cache holds it, in plaintext under one key: in place, because a
// copy would cost memory and time and tell nobody more (docs/decisions/0016-in-place.md). Only the chip sees it there. Whoever asks from outside,
// and whoever asks under another key, gets what the modules would hold. With key 0 what is on the bus is the plaintext: such a frame is always raw.
//
//   FRAME_TABLE entry:  0                                raw, never handed out
//                       held 1 | key 10 | epoch 21       in plaintext under `key`, last handed out in `epoch`
//                            0 | key 10 | epoch 21       raw, last used under `key`; for key 0 `epoch` tells when it was last handed out
//
// Epochs are kept modulo 2^21, and none is zero there: an old one that looks like the present one costs an epoch more, nothing else.
// FABRIC_EPOCH counts up only when a pointer handed out in the present epoch becomes wrong.

import {
  DRAM_BASE,
  FABRIC_BASE,
  FABRIC_CHANGED,
  FABRIC_CHANGED_COUNT,
  FABRIC_CHANGED_MAX,
  FABRIC_DRAM_FRAMES,
  FABRIC_EPOCH,
  FRAME_SHIFT,
  FRAME_TABLE_BASE,
  WATCH_BASE,
  WATCH_CODE,
} from '../../fabric-layout'
import {
  CIPHER_FRAMES_MAX,
  CONTROLLER_BASE,
  CONTROLLER_DECRYPTED,
  CONTROLLER_ENCRYPTED,
  CONTROLLER_LOOKED,
  FRAME_EPOCH_MASK,
  FRAME_HELD,
  FRAME_KEY_SHIFT,
  KEY_SLOTS,
  LOOK_BASE,
  LOOK_FRAMES,
  UNTOUCHED_GROUP,
} from '../engine-layout'
import { decrypt_in_place, decrypt_whitened, encrypt_in_place, encrypt_whitened, whiten_frames } from './cipher'

// The shared constants as this compiler's unsigned words.
const HELD: u32 = FRAME_HELD
const KEY_SHIFT: u32 = FRAME_KEY_SHIFT
const EPOCH_MASK: u32 = FRAME_EPOCH_MASK
const KEYS: u32 = KEY_SLOTS
const CHANGED_MAX: u32 = FABRIC_CHANGED_MAX
const LOOKED_AT: usize = LOOK_BASE
const LOOKED_AT_MAX: u32 = LOOK_FRAMES
const AT_A_TIME: u32 = CIPHER_FRAMES_MAX
const GROUP: u32 = UNTOUCHED_GROUP

/** Prepares the tables of a memory that is all zero. */
export function init(): void {
  store<u32>(FABRIC_BASE, 1, FABRIC_EPOCH)
}

/** See FabricKernel in fabric.ts. */
export function frame(frame: u32, key: u32): usize {
  return take(frame, key, true)
}

/** See FabricKernel in fabric.ts. */
export function frame_to_fill(frame: u32, key: u32): usize {
  return take(frame, key, false)
}

// @ts-ignore: decorator
@inline
function take(frame: u32, key: u32, wanted: bool): usize {
  if (frame >= load<u32>(FABRIC_BASE, FABRIC_DRAM_FRAMES) || key >= KEYS) return 0
  const entry = entry_of(frame)
  const asked = key ? HELD | (key << KEY_SHIFT) : 0
  if ((entry & ~EPOCH_MASK) != asked) turn(frame, entry, key, wanted)
  set_entry(frame, asked | epoch())
  return dram_of(frame)
}

/** Makes of the frame, which stands otherwise, what `key` sees. */
function turn(frame: u32, entry: u32, key: u32, wanted: bool): void {
  if (last_key(entry) != key) changed(frame)
  if (entry & HELD) release(frame, entry, wanted)
  else if (handed_out(entry)) new_epoch()
  if (!key || !wanted) return
  if (entry) decrypt_frames(frame, 1, key)
  else decrypt_untouched(frame, key)
}

function decrypt_frames(first: u32, frames: u32, key: u32): void {
  decrypt_in_place(dram_of(first), first, frames, key)
  count(CONTROLLER_DECRYPTED, frames)
}

/**
 * Decrypts a frame that nobody has ever asked for, and untouched ones behind it in the same group, which will be asked for soon: AES by the call costs
 * as much as AES itself.
 */
function decrypt_untouched(frame: u32, key: u32): void {
  const present = load<u32>(FABRIC_BASE, FABRIC_DRAM_FRAMES)
  const end = min((frame | (GROUP - 1)) + 1, present)
  const earlier = HELD | (key << KEY_SHIFT) | ((epoch() - 1) & EPOCH_MASK)
  let f = frame
  do {
    // Such a frame is all zeros. Written before it is read, so that the operating system finds a place for it at once.
    store<u32>(dram_of(f), 0)
    set_entry(f, earlier)
    f++
  } while (f < end && !entry_of(f))
  decrypt_frames(frame, f - frame, key)
}

/**
 * Where the content of the frames from `first` stands as seen under `key`, at most `frames` of them (all exist) and at least one: CONTROLLER_LOOKED says
 * how many. Good until the next call. Nothing is turned or handed out: whoever only reads disturbs no core.
 */
export function look(first: u32, frames: u32, key: u32): usize {
  const under = holder(first)
  let n: u32 = 1
  if (under == key) {
    while (n < frames && holder(first + n) == key) n++
    store<u32>(CONTROLLER_BASE, n, CONTROLLER_LOOKED)
    return dram_of(first)
  }
  while (n < frames && n < LOOKED_AT_MAX && holder(first + n) == under) n++
  let from = dram_of(first)
  if (under) {
    // As the modules would hold them.
    whiten_frames(LOOKED_AT, from, first, n, under)
    encrypt_whitened(LOOKED_AT, first, n, under)
    count(CONTROLLER_ENCRYPTED, n)
    from = LOOKED_AT
  }
  if (key) {
    whiten_frames(LOOKED_AT, from, first, n, key)
    decrypt_whitened(LOOKED_AT, first, n, key)
  }
  store<u32>(CONTROLLER_BASE, n, CONTROLLER_LOOKED)
  return LOOKED_AT
}

// @ts-ignore: decorator
@inline
function dram_of(frame: u32): usize {
  return <usize>DRAM_BASE + (<usize>frame << FRAME_SHIFT)
}

// @ts-ignore: decorator
@inline
function entry_of(frame: u32): u32 {
  return load<u32>(FRAME_TABLE_BASE + frame * 4)
}

// @ts-ignore: decorator
@inline
function set_entry(frame: u32, entry: u32): void {
  store<u32>(FRAME_TABLE_BASE + frame * 4, entry)
}

// @ts-ignore: decorator
@inline
function epoch(): u32 {
  return load<u32>(FABRIC_BASE, FABRIC_EPOCH) & EPOCH_MASK
}

/** Key under which the frame was last used. */
// @ts-ignore: decorator
@inline
function last_key(entry: u32): u32 {
  return (entry & ~HELD) >> KEY_SHIFT
}

/** Key under which the frame stands in plaintext; 0: it is raw. */
// @ts-ignore: decorator
@inline
function holder(frame: u32): u32 {
  const entry = entry_of(frame)
  return entry & HELD ? last_key(entry) : 0
}

/** Whether a core may hold a pointer to the frame: of a raw one under a key nobody does. */
// @ts-ignore: decorator
@inline
function handed_out(entry: u32): bool {
  return entry != 0 && (entry & HELD || !last_key(entry)) && (entry & EPOCH_MASK) == epoch()
}

/** Makes a frame in plaintext raw: encrypted where its content is wanted. */
function release(frame: u32, entry: u32, wanted: bool): void {
  const key = last_key(entry)
  if (wanted) {
    encrypt_in_place(dram_of(frame), frame, 1, key)
    count(CONTROLLER_ENCRYPTED, 1)
  }
  released(frame, entry)
}

function released(frame: u32, entry: u32): void {
  if (handed_out(entry)) new_epoch()
  set_entry(frame, last_key(entry) << KEY_SHIFT)
}

function count(word: u32, frames: u32): void {
  store<u32>(CONTROLLER_BASE + word, load<u32>(CONTROLLER_BASE + word) + frames)
}

/** None whose kept bits are all zero: the entry of a raw frame that was handed out in it would say that it never was. */
function new_epoch(): void {
  const next = load<u32>(FABRIC_BASE, FABRIC_EPOCH) + 1
  store<u32>(FABRIC_BASE, next & EPOCH_MASK ? next : next + 1, FABRIC_EPOCH)
}

/** Reports a watched frame whose content, as some core last saw it, may have changed. */
function changed(frame: u32): void {
  if (!(load<u8>(WATCH_BASE + frame) & WATCH_CODE)) return
  const n = load<u32>(FABRIC_BASE, FABRIC_CHANGED_COUNT)
  if (n < CHANGED_MAX) store<u32>(FABRIC_BASE + FABRIC_CHANGED + n * 4, frame)
  if (n <= CHANGED_MAX) store<u32>(FABRIC_BASE, n + 1, FABRIC_CHANGED_COUNT)
}

/** Reports frames that host software, a device, firmware or whoever holds the board has written. */
export function changed_range(first: u32, frames: u32): void {
  for (let f = first; f < first + frames; f++) changed(f)
}

/** Makes raw every frame that stands in plaintext under `key`, which is about to change. */
export function surrender_key(key: u32): void {
  const end = load<u32>(FABRIC_BASE, FABRIC_DRAM_FRAMES)
  for (let f: u32 = 0; f < end;) {
    // Frames that stand one behind the other AES takes together.
    let n: u32 = 0
    for (; f + n < end && n < AT_A_TIME && holder(f + n) == key; n++) released(f + n, entry_of(f + n))
    if (n) {
      encrypt_in_place(dram_of(f), f, n, key)
      count(CONTROLLER_ENCRYPTED, n)
      f += n
    } else f++
  }
  // Frames that were raw will read differently too.
  store<u32>(FABRIC_BASE, CHANGED_MAX + 1, FABRIC_CHANGED_COUNT)
}
