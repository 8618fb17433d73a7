// From guest physical to system physical addresses (APM vol. 2, 24593, section 15.25), and to linear memory through the fabric.
//
// Two caches, both tagged with the number of the nested context (mmu-space.ts):
//   MMU_NESTED_TLB  guest physical page -> frame: final translations, so that a TLB miss seldom walks the nested tables
//   MMU_TABLES      guest physical page -> host pointer: pages that hold guest page tables; dropped when FABRIC_EPOCH moves
// Memory types are not modelled: all is write-back, and PAT, PCD, PWT and MTRRs have no effect on accesses.

import { ASID, EPOCH_SEEN, NESTED_PAGING, SEV_ACTIVE } from '../state/layout'
import {
  MMU_NESTED, MMU_NESTED_TLB, MMU_NESTED_TLB_COUNT, MMU_TABLES, MMU_TABLES_COUNT, SVM_HOST, SVM_HOST_LA57, SVM_HOST_NXE, SVM_N_CR3,
} from './svm-state'
import { NPF_FETCH, NPF_PRESENT, NPF_RESERVED, NPF_USER, NPF_WRITE } from '../../../spec/svm/exit-codes'
import { FABRIC_BASE, FABRIC_CHANGED_COUNT, FABRIC_EPOCH, FRAMES_MAX, WATCH_BASE, WATCH_CODE } from '../../fabric-layout'
import { code_frame_changed } from './code-cache'
import { mmu_sync } from './mmu-space'

// @ts-ignore: decorator
@external('fabric', 'frame')
declare function fabric_frame(frame: u32, key: u32): usize

// @ts-ignore: decorator
@external('fabric', 'frame_to_fill')
declare function fabric_frame_to_fill(frame: u32, key: u32): usize

/** A frame that no DRAM answers for. */
export const NO_FRAME: u32 = 0xffffffff

// Bits of a page-table entry (section 5.3, 5.4).
export const PTE_P: u64 = 1
export const PTE_W: u64 = 2
export const PTE_U: u64 = 4
export const PTE_A: u64 = 0x20
export const PTE_D: u64 = 0x40
export const PTE_PS: u64 = 0x80
export const PTE_G: u64 = 0x100
export const PTE_NX: u64 = 1 << 63
/** Bits 51:12. */
export const PTE_ADDRESS: u64 = 0x000ffffffffff000
/** Bits 51:48: beyond the physical address width of 48 bits. */
export const PTE_HIGH: u64 = 0x000f000000000000

// Flags of a nested TLB entry.
/** Writing is allowed and the entry's dirty bit is set. */
const NESTED_WRITE: u32 = 1
const NESTED_NX: u32 = 2

/** EXITINFO1 bits 31:0 of the nested page fault that the last failing translation met. */
export let nested_error: u32 = 0
/** Guest physical address of it. */
export let nested_address: u64 = 0

// Result of nested_walk.
let walked_frame: u32 = 0
let walked_flags: u32 = 0

/** Linear-memory address of `frame` as seen under `key`, or 0 where no DRAM answers. Acts at once on what the fabric reports. */
export function frame_pointer(s: usize, frame: u32, key: u32): usize {
  if (frame >= <u32>FRAMES_MAX) return 0
  return synced(s, fabric_frame(frame, key))
}

/** The same for somebody who overwrites all of the frame, come what may. */
export function frame_pointer_to_fill(s: usize, frame: u32, key: u32): usize {
  return frame < <u32>FRAMES_MAX ? synced(s, fabric_frame_to_fill(frame, key)) : 0
}

// @ts-ignore: decorator
@inline
function synced(s: usize, p: usize): usize {
  if (load<u32>(FABRIC_BASE, FABRIC_EPOCH) != load<u32>(s, EPOCH_SEEN) || load<u32>(FABRIC_BASE, FABRIC_CHANGED_COUNT)) mmu_sync(s)
  return p
}

/** Host pointer of the byte at system physical address `spa` with no key, or 0. */
export function system_pointer(s: usize, spa: u64): usize {
  const p = frame_pointer(s, frame_of(spa), 0)
  return p ? p + (<usize>spa & 0xfff) : 0
}

// @ts-ignore: decorator
@inline
export function frame_of(spa: u64): u32 {
  return spa >> 32 ? NO_FRAME : <u32>(spa >> 12)
}

/** The key that guest page tables and instruction fetches are read under (section 15.34.5): always private with SEV. */
// @ts-ignore: decorator
@inline
export function private_key(s: usize): u32 {
  return load<u32>(s, SEV_ACTIVE) ? load<u32>(s, ASID) : 0
}

// @ts-ignore: decorator
@inline
function tag_of(s: usize, gpa: u64): u64 {
  return (gpa & ~0xfff) | load<u32>(s, MMU_NESTED)
}

/** Reserved bits of a nested entry at `level`: no SME, so bit 51 as well (section 15.25.5, 5.3.3, 5.4.1). */
function nested_reserved(s: usize, level: u32, entry: u64): u64 {
  let mask: u64 = PTE_HIGH
  if (!(load<u32>(s, SVM_HOST) & SVM_HOST_NXE)) mask |= PTE_NX
  if (level >= 4) mask |= 0x180
  else if (entry & PTE_PS && level == 3) mask |= 0x3fffe000
  else if (entry & PTE_PS && level == 2) mask |= 0x1fe000
  return mask
}

function nested_fault(gpa: u64, kind: u32, bits: u32): bool {
  nested_address = gpa
  nested_error = NPF_USER | bits | (kind == 1 ? NPF_WRITE : 0) | (kind == 2 ? NPF_FETCH : 0)
  return false
}

/**
 * Walks the nested tables. Every nested access counts as a user access (section 15.25.5). `kind`: 0 read, 1 write, 2 fetch.
 * Leaves frame and rights in walked_*; false with nested_error set.
 */
function nested_walk(s: usize, gpa: u64, kind: u32): bool {
  let level: u32 = load<u32>(s, SVM_HOST) & SVM_HOST_LA57 ? 5 : 4
  let table = load<u64>(s, SVM_N_CR3) & PTE_ADDRESS
  let rights: u64 = PTE_W | PTE_U
  let nx: u64 = 0
  for (;;) {
    const shift = 3 + level * 9
    const at = table + (((gpa >> shift) & 511) << 3)
    const p = system_pointer(s, at)
    const entry = p ? load<u64>(p) : ~(<u64>0)
    if (!(entry & PTE_P)) return nested_fault(gpa, kind, 0)
    if (entry & nested_reserved(s, level, entry)) return nested_fault(gpa, kind, NPF_PRESENT | NPF_RESERVED)
    rights &= entry
    nx |= entry & PTE_NX
    if (level > 1 && !(level <= 3 && entry & PTE_PS)) {
      if (!(entry & PTE_A)) nested_mark(s, at, entry | PTE_A)
      table = entry & PTE_ADDRESS
      level--
      continue
    }
    if (!(rights & PTE_U) || (kind == 1 && !(rights & PTE_W)) || (kind == 2 && nx)) return nested_fault(gpa, kind, NPF_PRESENT)
    const marked = entry | PTE_A | (kind == 1 ? PTE_D : 0)
    if (marked != entry) nested_mark(s, at, marked)
    const inside = ((<u64>1) << shift) - 1
    walked_frame = frame_of(((entry & PTE_ADDRESS & ~inside) | (gpa & inside)) & ~0xfff)
    walked_flags = (rights & PTE_W && marked & PTE_D ? NESTED_WRITE : 0) | (nx ? NESTED_NX : 0)
    return true
  }
}

function nested_mark(s: usize, at: u64, entry: u64): void {
  const p = system_pointer(s, at)
  if (!p) return
  store<u64>(p, entry)
  if (load<u8>(WATCH_BASE + frame_of(at)) & WATCH_CODE) code_frame_changed(frame_of(at))
}

/**
 * Frame behind guest physical address `gpa` (system physical where no nested paging is on), NO_FRAME where there is no DRAM.
 * After a nested fault nested_error is non-zero.
 */
export function guest_frame(s: usize, gpa: u64, kind: u32): u32 {
  nested_error = 0
  if (!load<u32>(s, NESTED_PAGING)) return frame_of(gpa)
  const entry = s + MMU_NESTED_TLB + (<usize>(gpa >> 12) & (MMU_NESTED_TLB_COUNT - 1)) * 16
  if (load<u64>(entry) == tag_of(s, gpa)) {
    const flags = load<u32>(entry, 12)
    if (kind == 0 || (kind == 1 && flags & NESTED_WRITE) || (kind == 2 && !(flags & NESTED_NX))) return load<u32>(entry, 8)
  }
  if (!nested_walk(s, gpa, kind)) return NO_FRAME
  store<u64>(entry, tag_of(s, gpa))
  store<u32>(entry, walked_frame, 8)
  store<u32>(entry, walked_flags, 12)
  return walked_frame
}

/**
 * Host pointer of the guest page-table entry at `gpa`, 0 where no DRAM answers or a nested fault was met (nested_error).
 * Guest tables are reached with write permission in the nested tables (section 15.25.6: table accesses count as writes).
 */
export function table_pointer(s: usize, gpa: u64): usize {
  const cached = s + MMU_TABLES + (<usize>(gpa >> 12) & (MMU_TABLES_COUNT - 1)) * 16
  if (load<u64>(cached) == tag_of(s, gpa)) {
    nested_error = 0
    return <usize>(load<u32>(cached, 8) + (<u32>gpa & 0xfff))
  }
  const frame = guest_frame(s, gpa, 1)
  if (nested_error) return 0
  const p = frame_pointer(s, frame, private_key(s))
  if (!p) return 0
  store<u64>(cached, tag_of(s, gpa))
  store<u32>(cached, <u32>p, 8)
  store<u32>(cached, frame, 12)
  return p + (<usize>gpa & 0xfff)
}

/** Writes a guest page-table entry of `bytes` 4 or 8 that table_pointer has just returned: accessed and dirty bits. */
export function table_mark(s: usize, gpa: u64, entry: u64, bytes: u32): void {
  const cached = s + MMU_TABLES + (<usize>(gpa >> 12) & (MMU_TABLES_COUNT - 1)) * 16
  const frame = load<u32>(cached, 12)
  const p = frame_pointer(s, frame, private_key(s))
  if (!p) return
  if (bytes == 4) store<u32>(p + (<usize>gpa & 0xfff), <u32>entry)
  else store<u64>(p + (<usize>gpa & 0xfff), entry)
  if (load<u8>(WATCH_BASE + frame) & WATCH_CODE) code_frame_changed(frame)
}
