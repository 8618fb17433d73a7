// The soft MMU: one fill does it all. Guest walk, nested walk, C-bit, residency under the right key, self-modifying-code flag.
// The walks stand in walk.ts and walk-nested.ts, the invalidations in mmu-space.ts.

import {
  CR0, CR3, CR4, CTX, EFER, FAULT, GLOBAL_SPACE, LAST_FRAME, NESTED_PAGING, SPACE, TLB_ENTRIES, TLB_EXEC, TLB_EXEC_HALF, TLB_MISSES,
  SPACE_SPREAD, TLB_READ, TLB_WRITE,
} from '../state/layout'
import { FAULT_NOT_CANONICAL } from '../state/system-layout'
import { MMU_CODE_PAGES, MMU_GIANT_PAGES, MMU_LARGE_PAGES, MMU_PAGE_READ, MMU_PAGE_WRITE, MMU_PDPTE, PAGE_USER } from './svm-state'
import { CR0_PG, CR4_PAE, CR4_PCIDE, CR4_PKE, EFER_LMA } from '../../../spec/x86/control-registers'
import { WATCH_BASE, WATCH_CODE, WATCH_WRITABLE } from '../../fabric-layout'
import { R_NEXT } from '../ir/results'
import { GP, raise_error, raise_page, SS_FAULT } from './fault'
import { mark_bit, mmu_new_space, mmu_select, mmu_sync, watches_data } from './mmu-space'
import { frame_pointer, frame_pointer_to_fill, NO_FRAME, nested_address, nested_error, private_key, PTE_P, guest_frame } from './walk-nested'
import {
  ACCESS_FETCH, ACCESS_IMPLICIT, ACCESS_KIND, ACCESS_PROBE, ACCESS_STACK, ACCESS_WHOLE, ACCESS_WRITE, found_frame, found_global, found_key, found_shift, found_user, page_error,
  pdpte_reserved, translate, WALK_NESTED_FINAL, WALK_NOT_CANONICAL, WALK_OK, WALK_PAGE_FAULT,
} from './walk'
import { svm_npf } from './svm-record'

export {
  mmu_flush_all, mmu_flush_asid, mmu_flush_everything, mmu_flush_page, mmu_flush_pcid, mmu_new_space, mmu_reset, mmu_select, mmu_sync,
} from './mmu-space'

/** What mmu_fill answers where no DRAM does. */
export const MMU_NO_MEMORY: usize = 1

/** Access mode in the low bits of CTX: user with alignment checks. Nothing enters the TLB. */
const MODE_ALIGNED: u32 = 3
const MODE_SUPERVISOR_AC: u32 = 2
const MODE_USER: u32 = 1
const CR3_NO_FLUSH: u64 = (<u64>1) << 63

/**
 * Linear-memory address of the byte at `la`, after every check that `access` asks for; enters the TLB where that is allowed.
 * 0: a fault or a recorded #VMEXIT is pending. MMU_NO_MEMORY: no DRAM answers. Any call may change CTX.
 */
export function mmu_fill(s: usize, la: u64, access: u32): usize {
  const misses = s + TLB_MISSES + <usize>(access & ACCESS_KIND) * 8
  store<u64>(misses, load<u64>(misses) + 1)
  mmu_sync(s)
  const held = entered(s, la, access)
  if (held) return held
  const outcome = translate(s, la, access)
  if (outcome != WALK_OK) return refuse(s, la, access, outcome)

  const frame = found_frame
  if (frame == NO_FRAME) return no_memory(s)
  const page = access & ACCESS_WHOLE ? frame_pointer_to_fill(s, frame, found_key) : frame_pointer(s, frame, found_key)
  if (!page) return no_memory(s)
  store<u32>(s, frame, LAST_FRAME)
  if (!(access & ACCESS_PROBE)) enter(s, la, access, page, frame)
  return page + (<usize>la & 0xfff)
}

function no_memory(s: usize): usize {
  store<u32>(s, 0, LAST_FRAME)
  return MMU_NO_MEMORY
}

function refuse_address(s: usize, access: u32): void {
  const first = !load<u32>(s, FAULT)
  raise_error(s, access & ACCESS_STACK ? SS_FAULT : GP, 0)
  const data = (access & ACCESS_KIND) != ACCESS_FETCH && !(access & (ACCESS_IMPLICIT | ACCESS_STACK))
  if (first && data) store<u32>(s, load<u32>(s, FAULT) | FAULT_NOT_CANONICAL, FAULT)
}

/** Leaves the fault or #VMEXIT of a failed translation pending. */
function refuse(s: usize, la: u64, access: u32, outcome: u32): usize {
  if (outcome == WALK_PAGE_FAULT) raise_page(s, load<u32>(s, EFER) & EFER_LMA ? la : la & 0xffffffff, page_error)
  else if (outcome == WALK_NOT_CANONICAL) refuse_address(s, access)
  else svm_npf(s, nested_error, outcome == WALK_NESTED_FINAL, nested_address, (access & ACCESS_KIND) == ACCESS_FETCH)
  return 0
}

// @ts-ignore: decorator
@inline
function set_entry(entry: usize, tag: u64, la: u64, page: usize, frame: u32): void {
  store<u64>(entry, tag)
  store<u32>(entry, <u32>page - (<u32>la & ~0xfff), 8)
  store<u32>(entry, frame, 12)
}

function enter(s: usize, la: u64, access: u32, page: usize, frame: u32): void {
  const mode = access & ACCESS_IMPLICIT ? 0 : load<u32>(s, CTX) & 3
  if (mode == MODE_ALIGNED) return
  if (found_shift > 12) mark_large(s, la)
  const number = <usize>(la >> 12)
  const tag = (la & ~0xfff) | (load<u32>(s, SPACE) | mode)
  const kind = access & ACCESS_KIND
  const everywhere = found_global && !found_user
  if (kind == ACCESS_FETCH) {
    mark_bit(s + MMU_CODE_PAGES, la >> 12)
    const context = everywhere ? (la & ~0xfff) | global_context(s) : tag
    set_entry(exec_entry(s, la), context, la, page, frame)
    return
  }
  if (watches_data(s)) return
  const index = number & (TLB_ENTRIES - 1)
  const nature: u32 = found_user ? PAGE_USER : everywhere ? load<u32>(s, GLOBAL_SPACE) : 0
  const watched: u32 = load<u8>(WATCH_BASE + frame)
  if (kind == ACCESS_WRITE && !(watched & WATCH_CODE)) {
    if (!watched) store<u8>(WATCH_BASE + frame, WATCH_WRITABLE)
    set_entry(s + TLB_WRITE + index * 16, tag, la, page, frame)
    store<u32>(s + MMU_PAGE_WRITE + index * 4, nature)
  }
  // What may be written may be read.
  set_entry(s + TLB_READ + index * 16, tag, la, page, frame)
  store<u32>(s + MMU_PAGE_READ + index * 4, nature)
}

/** Remembers for INVLPG where large pages are: a 4 MiB page has two bits, a 1 GiB page one in its own map. */
function mark_large(s: usize, la: u64): void {
  if (found_shift == 30) {
    store<u64>(s, load<u64>(s, MMU_GIANT_PAGES) | ((<u64>1) << ((la >> 30) & 63)), MMU_GIANT_PAGES)
    return
  }
  mark_bit(s + MMU_LARGE_PAGES, la >> 21)
  if (found_shift == 22) mark_bit(s + MMU_LARGE_PAGES, (la >> 21) ^ 1)
}

/** Programs lie at the same addresses in all spaces, the kernel is everywhere: what the slot of a program's code depends on besides its address. */
// @ts-ignore: decorator
@inline
export function space_salt(s: usize, la: u64): usize {
  return <i64>la < 0 ? 0 : load<u32>(s, SPACE) * SPACE_SPREAD
}

/** Slot of the exec TLB for `la`. */
// @ts-ignore: decorator
@inline
export function exec_entry(s: usize, la: u64): usize {
  const slot = (<usize>(la >> 12) ^ space_salt(s, la)) & (TLB_EXEC_HALF - 1)
  return s + TLB_EXEC + (slot + <usize>(la >> 63) * TLB_EXEC_HALF) * 16
}

/** CTX of a fetch from a global page. User mode has none: such pages are not entered for it. */
// @ts-ignore: decorator
@inline
export function global_context(s: usize): u32 {
  return load<u32>(s, GLOBAL_SPACE) | (load<u32>(s, CTX) & MODE_USER)
}

/**
 * Host pointer of the byte where the TLB has an entry that serves, or 0: that of an access which crosses pages, or one of a supervisor which was made under another CTX
 * and serves now. The tag of the latter is altered instead of walking again: STAC and CLAC change the mode of every supervisor access, and only with AC set
 * may it go to a user page; a global page is that of every space.
 */
function entered(s: usize, la: u64, access: u32): usize {
  if (access & ~ACCESS_WRITE) return 0
  const ctx = load<u32>(s, CTX)
  const index = <usize>(la >> 12) & (TLB_ENTRIES - 1)
  const write = access & ACCESS_WRITE
  const entry = s + (write ? TLB_WRITE : TLB_READ) + index * 16
  const tag = load<u64>(entry)
  if ((tag ^ la) >> 12) return 0
  if ((<u32>tag & 0xfff) == ctx) {
    store<u32>(s, load<u32>(entry, 12), LAST_FRAME)
    return <usize>(<u32>la + load<u32>(entry, 8))
  }
  if (ctx & 1) return 0
  const nature = load<u32>(s + (write ? MMU_PAGE_WRITE : MMU_PAGE_READ) + index * 4)
  if ((<u32>tag & 0xfff) == (ctx ^ MODE_SUPERVISOR_AC)) {
    if (nature == PAGE_USER && (ctx & 3) != MODE_SUPERVISOR_AC) return 0
  } else if (nature != load<u32>(s, GLOBAL_SPACE) || is_empty(<u32>tag)) return 0
  if (watches_data(s)) return 0
  store<u64>(entry, (la & ~0xfff) | ctx)
  store<u32>(s, load<u32>(entry, 12), LAST_FRAME)
  return <usize>(<u32>la + load<u32>(entry, 8))
}

/** Tags of all zeros and all ones mean an empty entry. */
// @ts-ignore: decorator
@inline
function is_empty(tag: u32): bool {
  return !(tag & 0xffc) || (tag & 0xffc) == 0xffc
}

// ---- CR3

/**
 * MOV to CR3 and task switches (APM vol. 2, sections 5.5.1, 5.5.2): with PCIDs, bit 63 keeps the translations of the new PCID. Legacy PAE
 * loads its four upper entries and raises #GP for reserved bits. Reserved bits of `value` are the caller's to check.
 */
export function mmu_set_cr3(s: usize, value: u64): u32 {
  const pcids = (load<u32>(s, CR4) & CR4_PCIDE) != 0
  const keep = pcids && value >> 63
  const root = pcids ? value & ~CR3_NO_FLUSH : value
  if (!mmu_load_pdptes(s, root)) return raise_error(s, GP, 0)

  store<u64>(s, root, CR3)
  if (keep) mmu_select(s)
  else mmu_new_space(s)
  return R_NEXT
}

/** Loads the entries that legacy PAE paging keeps in the processor (section 5.2.3); true where they are not used or all are legal. */
export function mmu_load_pdptes(s: usize, root: u64): bool {
  const paging = load<u32>(s, CR0) & CR0_PG && load<u32>(s, CR4) & CR4_PAE && !(load<u32>(s, EFER) & EFER_LMA)
  if (!paging || load<u32>(s, NESTED_PAGING)) return true
  const page = frame_pointer(s, guest_frame(s, root & 0xfffff000, 0), private_key(s))
  const table = page ? page + (<usize>root & 0xfe0) : 0
  for (let n: usize = 0; n < 4; n++) {
    const entry = table ? load<u64>(table + n * 8) : ~(<u64>0)
    if (entry & PTE_P && entry & pdpte_reserved(s)) return false
  }
  for (let n: usize = 0; n < 4; n++) store<u64>(s + MMU_PDPTE + n * 8, load<u64>(table + n * 8))
  return true
}

/** WRPKRU, XRSTOR and XSETBV: protection keys decide what user pages allow (section 5.6.7). */
export function mmu_pkru_changed(s: usize): void {
  if (load<u32>(s, CR4) & CR4_PKE) mmu_select(s)
}
