// TLB contexts: which entries of the soft TLBs belong to the present address space, and every way to make them stop.
//
// A TLB entry carries a 10-bit address-space number. Nothing is searched when a context is flushed: the context gets a new number
// and its old entries never match again. Numbers name, from coarse to fine:
//   nested number   (ASID, SEV, N_CR3) since its last flush: tags guest physical translations
//   generation      the same since its last flush or INVLPG-all: first part of the key of a space
//   space           (generation, PCID, CR3, paging mode, PKRU) since its last CR3 load with flush
//   global          (generation, paging mode): global pages of supervisors, in place of a space (APM vol. 2, 24593, section 5.5.1)
// When a kind of number is used up, all tables are cleared and counting starts again.

import {
  ASID, CR0, CR3, CR4, CTX, DR7, EFER, EPOCH_SEEN, GLOBAL_SPACE, JUMP_CACHE, JUMP_CACHE_ENTRIES, JUMP_ENTRY_BYTES, MMU_AREA, PKRU, SEV_ACTIVE, SPACE, TLB_ENTRIES, TLB_EXEC,
  TLB_EXEC_ENTRIES, TLB_READ, TLB_WRITE,
} from '../state/layout'
import {
  MMU_CODE_PAGES, MMU_CONTEXT, MMU_CONTEXTS, MMU_CONTEXTS_COUNT, MMU_GENERATION, MMU_GIANT_PAGES, MMU_LARGE_PAGES, MMU_NESTED, MMU_NEXT_GENERATION,
  MMU_NEXT_NESTED, MMU_NEXT_SPACE, MMU_SPACES, MMU_SPACES_COUNT, MMU_TABLES, MMU_TABLES_COUNT, MMU_WALKS, MMU_WALKS_COUNT, SVM_N_CR3,
} from './svm-state'
import {
  CR0_PG, CR0_WP, CR4_LA57, CR4_PAE, CR4_PCIDE, CR4_PGE, CR4_PKE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_LMA, EFER_NXE,
} from '../../../spec/x86/control-registers'
import { FABRIC_BASE, FABRIC_CHANGED, FABRIC_CHANGED_COUNT, FABRIC_CHANGED_MAX, FABRIC_EPOCH } from '../../fabric-layout'
import { code_frame_changed } from './code-cache'

const MMU_AREA_BYTES: usize = 0x10000
/** Spaces 0 and 1023 are never given out: tags of all zeros and all ones mean an empty entry. */
const SPACES_END: u32 = 1023
const NESTED_END: u32 = 4096
const GENERATIONS_END: u32 = 1 << 20
const EVERY_FRAME: u32 = 0xffffffff
const BITMAP_BYTES: usize = 4096
const CONTEXT_BYTES: u32 = 32
/** Not a bit of a paging mode. */
const GLOBAL_IN_USE: u32 = 2
const SPACE_BYTES: u32 = 32
const CHANGED_MAX: u32 = FABRIC_CHANGED_MAX

// ---- hashed bit maps

// @ts-ignore: decorator
@inline
function bit_of(number: u64): u32 {
  return (<u32>number ^ <u32>(number >> 15)) & 0x7fff
}

export function mark_bit(map: usize, number: u64): void {
  const bit = bit_of(number)
  const at = map + (bit >> 3)
  store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(bit & 7)))
}

function has_bit(map: usize, number: u64): bool {
  const bit = bit_of(number)
  return ((load<u8>(map + (bit >> 3)) >> (bit & 7)) & 1) != 0
}

// ---- clearing

function clear_tlbs(s: usize): void {
  memory.fill(s + TLB_READ, 0, TLB_ENTRIES * 16)
  memory.fill(s + TLB_WRITE, 0, TLB_ENTRIES * 16)
  memory.fill(s + MMU_LARGE_PAGES, 0, BITMAP_BYTES)
  store<u64>(s, 0, MMU_GIANT_PAGES)
  clear_code(s)
}

/** Forgets where code is: the jump cache, and the exec TLB that could fill it again unnoticed. */
function clear_code(s: usize): void {
  memory.fill(s + TLB_EXEC, 0, TLB_EXEC_ENTRIES * 16)
  memory.fill(s + JUMP_CACHE, 0xff, JUMP_CACHE_ENTRIES * JUMP_ENTRY_BYTES)
  memory.fill(s + MMU_CODE_PAGES, 0, BITMAP_BYTES)
}

/** Starts the MMU of a core anew: every table empty, every number unused. */
export function mmu_reset(s: usize): void {
  restart(s)
  store<u32>(s, load<u32>(FABRIC_BASE, FABRIC_EPOCH), EPOCH_SEEN)
  mmu_select(s)
}

function restart(s: usize): void {
  const pdpte = s + MMU_AREA + 0x20
  const p0 = load<u64>(pdpte)
  const p1 = load<u64>(pdpte, 8)
  const p2 = load<u64>(pdpte, 16)
  const p3 = load<u64>(pdpte, 24)
  memory.fill(s + MMU_AREA, 0, MMU_AREA_BYTES)
  store<u64>(pdpte, p0)
  store<u64>(pdpte, p1, 8)
  store<u64>(pdpte, p2, 16)
  store<u64>(pdpte, p3, 24)
  clear_tlbs(s)
  store<u32>(s, 1, MMU_NEXT_SPACE)
  store<u32>(s, 1, MMU_NEXT_NESTED)
  store<u32>(s, 1, MMU_NEXT_GENERATION)
}

// ---- numbers

// @ts-ignore: decorator
@inline
function take(s: usize, counter: usize): u32 {
  const n = load<u32>(s + counter)
  store<u32>(s + counter, n + 1)
  return n
}

function numbers_left(s: usize): bool {
  return load<u32>(s, MMU_NEXT_NESTED) < NESTED_END - 2 && load<u32>(s, MMU_NEXT_GENERATION) < GENERATIONS_END - 2
}

/** All that decides how a linear address is translated, besides the tables. */
function paging_mode(s: usize): u32 {
  const cr0 = load<u32>(s, CR0)
  const cr4 = load<u32>(s, CR4)
  const efer = load<u32>(s, EFER)
  const bits0 = cr0 & (CR0_PG | CR0_WP)
  const bits4 = cr4 & (CR4_PSE | CR4_PAE | CR4_LA57 | CR4_SMEP | CR4_SMAP | CR4_PKE)
  return bits0 ^ bits4 ^ ((efer & (EFER_LMA | EFER_NXE)) >> 3) ^ (watches_data(s) ? 1 : 0)
}

/** Does DR7 enable a breakpoint on data or I/O in some slot (APM vol. 2, section 13.1.1.4)? */
export function watches_data(s: usize): bool {
  const dr7 = load<u32>(s, DR7)
  if (!(dr7 & 0xff)) return false
  for (let n: u32 = 0; n < 4; n++) {
    if ((dr7 >> (n * 2)) & 3 && (dr7 >> (16 + n * 4)) & 3) return true
  }
  return false
}

/** Gives CTX the number of the present space: a new one where `fresh`, or where none fits. */
function enter_space(s: usize, fresh: bool): void {
  if (load<u32>(s, MMU_NEXT_SPACE) >= SPACES_END - 1) {
    restart(s)
    renumber_context(s)
  }
  const cr3 = load<u64>(s, CR3)
  const cr4 = load<u32>(s, CR4)
  const key = (load<u32>(s, MMU_GENERATION) << 12) | (cr4 & CR4_PCIDE ? <u32>cr3 & 0xfff : 0)
  const mode = paging_mode(s)
  const pkru: u32 = cr4 & CR4_PKE ? load<u32>(s, PKRU) : 0
  const entry = s + MMU_SPACES + ((key ^ (key >> 12)) & (MMU_SPACES_COUNT - 1)) * SPACE_BYTES
  const fits = load<u32>(entry) == key && load<u64>(entry, 8) == cr3 && load<u32>(entry, 16) == mode && load<u32>(entry, 20) == pkru
  if (fresh || !fits) {
    store<u32>(entry, key)
    store<u32>(entry, take(s, MMU_NEXT_SPACE), 4)
    store<u64>(entry, cr3, 8)
    store<u32>(entry, mode, 16)
    store<u32>(entry, pkru, 20)
  }
  number_global(s, mode)
  store<u32>(s, load<u32>(entry, 4) * 4, SPACE)
  store<u32>(s, (load<u32>(entry, 4) * 4) | (load<u32>(s, CTX) & 3), CTX)
}

/** Gives GLOBAL_SPACE the number of the running context's global pages, a new one where there is none for `mode`. */
function number_global(s: usize, mode: u32): void {
  const context: usize = load<u32>(s, MMU_CONTEXT)
  const key = mode ^ (load<u32>(s, CR4) & CR4_PGE ? GLOBAL_IN_USE : 0)
  if (!load<u32>(context, 24) || load<u32>(context, 28) != key) {
    store<u32>(context, take(s, MMU_NEXT_SPACE), 24)
    store<u32>(context, key, 28)
  }
  store<u32>(s, load<u32>(context, 24) * 4, GLOBAL_SPACE)
}

function new_numbers(s: usize, entry: usize): void {
  store<u32>(entry, 0, 24)
  store<u32>(entry, take(s, MMU_NEXT_NESTED), 16)
  store<u32>(entry, take(s, MMU_NEXT_GENERATION), 20)
}

/** Finds or makes the entry of the running (ASID, SEV, N_CR3). */
function renumber_context(s: usize): void {
  const asid = load<u32>(s, ASID)
  const sev = load<u32>(s, SEV_ACTIVE)
  const root = load<u64>(s, SVM_N_CR3)
  const entry = s + MMU_CONTEXTS + (asid & (MMU_CONTEXTS_COUNT - 1)) * CONTEXT_BYTES
  if (load<u32>(entry) != asid + 1 || load<u32>(entry, 4) != sev || load<u64>(entry, 8) != root) {
    store<u32>(entry, asid + 1)
    store<u32>(entry, sev, 4)
    store<u64>(entry, root, 8)
    new_numbers(s, entry)
  }
  store<u32>(s, <u32>entry, MMU_CONTEXT)
  store<u32>(s, load<u32>(entry, 16), MMU_NESTED)
  store<u32>(s, load<u32>(entry, 20), MMU_GENERATION)
}

// ---- the door

/** To be called after anything but a flush that decides translations: ASID, N_CR3, CR0, CR4, EFER, DR7, PKRU. */
export function mmu_select(s: usize): void {
  if (!numbers_left(s)) restart(s)
  renumber_context(s)
  enter_space(s, false)
}

/** A new number for the present space alone. */
export function mmu_new_space(s: usize): void {
  enter_space(s, true)
}

/** Every linear translation of the running ASID, global ones and all PCIDs included. */
export function mmu_flush_all(s: usize): void {
  if (!numbers_left(s)) restart(s)
  renumber_context(s)
  const generation = take(s, MMU_NEXT_GENERATION)
  store<u32>(load<u32>(s, MMU_CONTEXT), generation, 20)
  store<u32>(load<u32>(s, MMU_CONTEXT), 0, 24)
  store<u32>(s, generation, MMU_GENERATION)
  enter_space(s, true)
}

/** Every translation of `asid`, nested ones included; the running one is given new numbers. */
export function mmu_flush_asid(s: usize, asid: u32): void {
  const entry = s + MMU_CONTEXTS + (asid & (MMU_CONTEXTS_COUNT - 1)) * CONTEXT_BYTES
  if (load<u32>(entry) == asid + 1) store<u32>(entry, 0)
  mmu_select(s)
}

/** Every translation of every ASID. */
export function mmu_flush_everything(s: usize): void {
  memory.fill(s + MMU_CONTEXTS, 0, MMU_CONTEXTS_COUNT * CONTEXT_BYTES)
  mmu_select(s)
}

/** Every translation of `pcid`. */
export function mmu_flush_pcid(s: usize, pcid: u32): void {
  const key = (load<u32>(s, MMU_GENERATION) << 12) | pcid
  const entry = s + MMU_SPACES + ((key ^ (key >> 12)) & (MMU_SPACES_COUNT - 1)) * SPACE_BYTES
  if (load<u32>(entry) == key) store<u32>(entry, 0)
  enter_space(s, false)
}

/**
 * INVLPG: data entries stand in a slot that depends on the page alone, so that one slot of each table holds the page for whatever
 * space; of code, all is dropped where the page may hold some. Regions that a large page has been seen in are dropped as a whole, and so are all partial walks (section 5.5.2).
 */
export function mmu_flush_page(s: usize, la: u64): void {
  memory.fill(s + MMU_WALKS, 0, MMU_WALKS_COUNT * 32)
  if ((load<u64>(s, MMU_GIANT_PAGES) >> ((la >> 30) & 63)) & 1) {
    mmu_flush_all(s)
    return
  }
  if (has_bit(s + MMU_LARGE_PAGES, la >> 21)) {
    flush_region(s, la)
    return
  }
  const page = <usize>(la >> 12)
  store<u64>(s + TLB_READ + (page & (TLB_ENTRIES - 1)) * 16, 0)
  store<u64>(s + TLB_WRITE + (page & (TLB_ENTRIES - 1)) * 16, 0)
  if (has_bit(s + MMU_CODE_PAGES, la >> 12)) clear_code(s)
}

/** Both 2 MiB halves of the 4 MiB around `la`: legacy 4 MiB pages are marked as two regions. */
function flush_region(s: usize, la: u64): void {
  const first = <usize>(la >> 12) & (TLB_ENTRIES - 1) & ~1023
  memory.fill(s + TLB_READ + first * 16, 0, 1024 * 16)
  memory.fill(s + TLB_WRITE + first * 16, 0, 1024 * 16)
  clear_code(s)
}

// ---- the fabric's news

/** Acts upon what the memory controller has reported: pointers that became wrong, watched frames that changed. */
export function mmu_sync(s: usize): void {
  if (!load<u32>(s, MMU_NEXT_SPACE)) mmu_reset(s)
  if (load<u32>(FABRIC_BASE, FABRIC_CHANGED_COUNT)) drain_changed()
  const epoch = load<u32>(FABRIC_BASE, FABRIC_EPOCH)
  if (epoch == load<u32>(s, EPOCH_SEEN)) return
  store<u32>(s, epoch, EPOCH_SEEN)
  memory.fill(s + MMU_TABLES, 0, MMU_TABLES_COUNT * 16)
  memory.fill(s + MMU_SPACES, 0, MMU_SPACES_COUNT * SPACE_BYTES)
  for (let n: u32 = 0; n < <u32>MMU_CONTEXTS_COUNT; n++) store<u32>(s + MMU_CONTEXTS + n * CONTEXT_BYTES, 0, 24)
  enter_space(s, true)
}

function drain_changed(): void {
  const n = load<u32>(FABRIC_BASE, FABRIC_CHANGED_COUNT)
  store<u32>(FABRIC_BASE, 0, FABRIC_CHANGED_COUNT)
  if (n > CHANGED_MAX) {
    code_frame_changed(EVERY_FRAME)
    return
  }
  for (let i: u32 = 0; i < n; i++) code_frame_changed(load<u32>(FABRIC_BASE + FABRIC_CHANGED + i * 4))
}
