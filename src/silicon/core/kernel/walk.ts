// The walk of the guest's page tables in every paging mode (APM vol. 2, 24593, chapter 5), with permission checks and error codes
// (sections 5.6, 8.4.2) and the C-bit (section 15.34.5).

import { CR0, CR3, CR4, CTX, EFER, NESTED_PAGING, PKRU, SEV_ACTIVE, SPACE } from '../state/layout'
import { MMU_PDPTE, MMU_WALKS, MMU_WALKS_COUNT } from './svm-state'
import {
  CR0_PG, CR0_WP, CR4_LA57, CR4_PAE, CR4_PGE, CR4_PKE, CR4_PSE, CR4_SMAP, CR4_SMEP, EFER_LMA, EFER_NXE,
} from '../../../spec/x86/control-registers'
import {
  guest_frame, nested_error, private_key, PTE_A, PTE_ADDRESS, PTE_D, PTE_G, PTE_HIGH, PTE_NX, PTE_P, PTE_PS, PTE_U, PTE_W, table_mark, table_pointer,
} from './walk-nested'

/** Outcomes of a translation. */
export const WALK_OK: u32 = 0
/** #PF with page_error. */
export const WALK_PAGE_FAULT: u32 = 1
/** Nested page fault on the final address or on a page table; see nested_error and nested_address. */
export const WALK_NESTED_FINAL: u32 = 2
export const WALK_NESTED_TABLE: u32 = 3
/** The address is not canonical. */
export const WALK_NOT_CANONICAL: u32 = 4

// Bits of `access`.
export const ACCESS_WRITE: u32 = 1
export const ACCESS_FETCH: u32 = 2
export const ACCESS_KIND: u32 = 3
export const ACCESS_IMPLICIT: u32 = 4
export const ACCESS_PROBE: u32 = 8
export const ACCESS_STACK: u32 = 16
/** The whole page will be overwritten: its content is not wanted. */
export const ACCESS_WHOLE: u32 = 32

// Bits of a page-fault error code (section 8.4.2).
const PF_PRESENT: u32 = 1
const PF_WRITE: u32 = 2
const PF_USER: u32 = 4
const PF_RESERVED: u32 = 8
const PF_FETCH: u32 = 16
const PF_KEY: u32 = 32

/** Position of the C-bit in guest page-table entries and guest CR3. */
export const C_BIT: u64 = (<u64>1) << 51

// Access mode in the low bits of CTX (mode.ts).
const MODE_USER: u32 = 1
const MODE_SUPERVISOR_AC: u32 = 2

// ---- results of translate(): scratch until the next one
/** Error code of a page fault. */
export let page_error: u32 = 0
/** Frame, or NO_FRAME. */
export let found_frame: u32 = 0
/** Key that it is accessed under. */
export let found_key: u32 = 0
/** Is it a user page? */
export let found_user: bool = false
/** Is it a global page, of every address space (section 5.5.1)? */
export let found_global: bool = false
/** Bytes of the guest page, log2: 12, 21, 22 or 30. 0 without paging. */
export let found_shift: u32 = 0

let entry_address: u64 = 0

/** Where the translation of `la` for `access` leads; nothing but accessed and dirty bits is changed. */
export function translate(s: usize, la: u64, access: u32): u32 {
  const efer = load<u32>(s, EFER)
  const long = (efer & EFER_LMA) != 0
  if (!long) la &= 0xffffffff
  if (!(load<u32>(s, CR0) & CR0_PG)) return translate_flat(s, la, access)
  const cr4 = load<u32>(s, CR4)
  const root = load<u64>(s, CR3)
  if (long) {
    const spare: u64 = cr4 & CR4_LA57 ? 7 : 16
    if (<u64>(<i64>(la << spare) >> spare) != la) return WALK_NOT_CANONICAL
    const reserved = reserved_bits(s, efer)
    if (walk_on(s, la, access, reserved)) return WALK_OK
    return walk64(s, la, access, root & table_mask(s), cr4 & CR4_LA57 ? 5 : 4, reserved)
  }
  if (cr4 & CR4_PAE) return walk_pae(s, la, access, root, reserved_bits(s, efer) | 0x7ff0000000000000)
  return walk32(s, la, access, root, cr4)
}

// @ts-ignore: decorator
@inline
function table_mask(s: usize): u64 {
  return load<u32>(s, SEV_ACTIVE) ? PTE_ADDRESS & ~C_BIT : PTE_ADDRESS
}

// @ts-ignore: decorator
@inline
function reserved_bits(s: usize, efer: u32): u64 {
  const high = load<u32>(s, SEV_ACTIVE) ? PTE_HIGH & ~C_BIT : PTE_HIGH
  return efer & EFER_NXE ? high : high | PTE_NX
}

/** Paging is off: linear addresses are guest physical; with SEV everything is private. */
function translate_flat(s: usize, la: u64, access: u32): u32 {
  found_user = false
  found_global = false
  found_shift = 0
  return final(s, la, access & ACCESS_KIND, true)
}

/** The last step: guest physical address, kind of access, C-bit. */
function final(s: usize, gpa: u64, kind: u32, isPrivate: bool): u32 {
  found_key = isPrivate || kind == ACCESS_FETCH ? private_key(s) : 0
  found_frame = guest_frame(s, gpa, kind)
  return nested_error ? WALK_NESTED_FINAL : WALK_OK
}

function user_access(s: usize, access: u32): bool {
  return !(access & ACCESS_IMPLICIT) && (load<u32>(s, CTX) & MODE_USER) != 0
}

function page_fault(s: usize, access: u32, bits: u32): u32 {
  const kind = access & ACCESS_KIND
  let error = bits
  if (kind == ACCESS_WRITE) error |= PF_WRITE
  if (user_access(s, access)) error |= PF_USER
  if (kind == ACCESS_FETCH) {
    const cr4 = load<u32>(s, CR4)
    const nx = cr4 & CR4_PAE && load<u32>(s, EFER) & EFER_NXE
    if (nx || cr4 & CR4_SMEP) error |= PF_FETCH
  }
  page_error = error
  return WALK_PAGE_FAULT
}

/** The entry at `gpa`: all ones where no DRAM answers. nested_error tells of a nested fault. */
// @ts-ignore: decorator
@inline
function read_entry(s: usize, gpa: u64): u64 {
  const p = table_pointer(s, gpa)
  return p ? load<u64>(p) : ~(<u64>0)
}

/** Reserved bits that depend on the level and page size (figures 5-17 to 5-27). */
// @ts-ignore: decorator
@inline
function level_reserved(level: u32, entry: u64): u64 {
  if (level >= 4) return 0x180
  if (level == 1 || !(entry & PTE_PS)) return 0
  return level == 3 ? 0x3fffe000 : 0x1fe000
}

// @ts-ignore: decorator
@inline
function walk_entry(s: usize, la: u64): usize {
  return s + MMU_WALKS + (<usize>(la >> 21) & (MMU_WALKS_COUNT - 1)) * 32
}

/**
 * The last level alone, where an earlier walk of the region left its table: true where that succeeds. Whatever fails is walked again from
 * the root, so that no fault comes of an old upper entry.
 */
function walk_on(s: usize, la: u64, access: u32, reserved: u64): bool {
  const held = walk_entry(s, la)
  if (load<u64>(held) != ((la & ~0x1fffff) | load<u32>(s, SPACE))) return false
  const at = load<u64>(held, 8) + (((la >> 12) & 511) << 3)
  const entry = read_entry(s, at)
  if (nested_error || !(entry & PTE_P) || entry & reserved) return false
  const upper = load<u64>(held, 16)
  entry_address = at
  return leaf(s, la, access, entry, entry & upper & (PTE_W | PTE_U), (entry | upper) & PTE_NX, 12, table_mask(s)) == WALK_OK
}

/** Tables of 8-byte entries from `level` down: long mode of 5 and 4 levels, and the lower two of legacy PAE. */
function walk64(s: usize, la: u64, access: u32, table: u64, level: u32, reserved: u64): u32 {
  const mask = table_mask(s)
  const long = level > 2
  let rights: u64 = PTE_W | PTE_U
  let nx: u64 = 0
  for (;;) {
    const shift = 3 + level * 9
    const at = table + (((la >> shift) & 511) << 3)
    const entry = read_entry(s, at)
    if (nested_error) return WALK_NESTED_TABLE
    if (!(entry & PTE_P)) return page_fault(s, access, 0)
    if (entry & (reserved | level_reserved(level, entry))) return page_fault(s, access, PF_PRESENT | PF_RESERVED)
    rights &= entry
    nx |= entry & PTE_NX
    if (level == 1 || (level <= 3 && entry & PTE_PS)) {
      entry_address = at
      return leaf(s, la, access, entry, rights, nx, shift, mask)
    }
    if (!(entry & PTE_A)) table_mark(s, at, entry | PTE_A, 8)
    table = entry & mask
    level--
    if (level == 1 && long) {
      const held = walk_entry(s, la)
      store<u64>(held, (la & ~0x1fffff) | load<u32>(s, SPACE))
      store<u64>(held, table, 8)
      store<u64>(held, rights | nx, 16)
    }
  }
  return WALK_OK
}

// @ts-ignore: decorator
@inline
function is_global(s: usize, entry: u64): bool {
  return (entry & PTE_G) != 0 && (load<u32>(s, CR4) & CR4_PGE) != 0
}

function leaf(s: usize, la: u64, access: u32, entry: u64, rights: u64, nx: u64, shift: u32, mask: u64): u32 {
  const refused = refuse(s, access, rights, nx, <u32>(entry >> 59) & 15)
  if (refused) return page_fault(s, access, refused)
  const marked = entry | PTE_A | ((access & ACCESS_KIND) == ACCESS_WRITE ? PTE_D : 0)
  if (marked != entry) table_mark(s, entry_address, marked, 8)
  const inside = ((<u64>1) << shift) - 1
  found_user = (rights & PTE_U) != 0
  found_global = is_global(s, entry)
  found_shift = shift
  return final(s, (entry & mask & ~inside) | (la & inside), access & ACCESS_KIND, (entry & C_BIT) != 0)
}

/**
 * Error-code bits of the protection violation that `access` to a present page makes, or 0 (sections 5.6.1 to 5.6.7). The key's bit is set
 * whenever the key forbids the access, whatever else does.
 */
function refuse(s: usize, access: u32, rights: u64, nx: u64, key: u32): u32 {
  const forbidden = key_forbids(s, access, rights, key)
  return forbidden ? PF_PRESENT | PF_KEY : refuse_rights(s, access, rights, nx)
}

/** Protection keys: user pages and data accesses in long mode only (section 5.6.7). */
function key_forbids(s: usize, access: u32, rights: u64, key: u32): bool {
  if (!(load<u32>(s, CR4) & CR4_PKE) || !(rights & PTE_U)) return false
  const kind = access & ACCESS_KIND
  if (kind == ACCESS_FETCH || !(load<u32>(s, EFER) & EFER_LMA)) return false
  const bits = (load<u32>(s, PKRU) >> (key * 2)) & 3
  if (bits & 1) return true
  return kind == ACCESS_WRITE && (bits & 2) != 0 && (user_access(s, access) || (load<u32>(s, CR0) & CR0_WP) != 0)
}

function refuse_rights(s: usize, access: u32, rights: u64, nx: u64): u32 {
  const kind = access & ACCESS_KIND
  const userPage = (rights & PTE_U) != 0
  if (kind == ACCESS_FETCH && nx) return PF_PRESENT
  const cr4 = load<u32>(s, CR4)
  const user = user_access(s, access)
  if (user) {
    if (!userPage) return PF_PRESENT
    if (kind == ACCESS_WRITE && !(rights & PTE_W)) return PF_PRESENT
  } else {
    if (userPage && kind == ACCESS_FETCH && cr4 & CR4_SMEP) return PF_PRESENT
    if (userPage && kind != ACCESS_FETCH && cr4 & CR4_SMAP && !smap_open(s, access)) return PF_PRESENT
    if (kind == ACCESS_WRITE && !(rights & PTE_W) && load<u32>(s, CR0) & CR0_WP) return PF_PRESENT
  }
  return 0
}

/** RFLAGS.AC opens user pages to explicit supervisor accesses. */
// @ts-ignore: decorator
@inline
function smap_open(s: usize, access: u32): bool {
  return !(access & ACCESS_IMPLICIT) && (load<u32>(s, CTX) & 3) == MODE_SUPERVISOR_AC
}

/**
 * Legacy PAE (section 5.2.3). The four upper entries are those loaded with CR3; a nested guest's are read when needed
 * (section 15.25.10).
 */
function walk_pae(s: usize, la: u64, access: u32, root: u64, reserved: u64): u32 {
  const index = <usize>(la >> 30) & 3
  let upper: u64 = 0
  if (load<u32>(s, NESTED_PAGING)) {
    upper = read_entry(s, (root & 0xffffffe0) + (index << 3))
    if (nested_error) return WALK_NESTED_TABLE
  } else {
    upper = load<u64>(s + MMU_PDPTE + (index << 3))
  }
  if (!(upper & PTE_P)) return page_fault(s, access, 0)
  if (upper & pdpte_reserved(s)) return page_fault(s, access, PF_PRESENT | PF_RESERVED)
  return walk64(s, la, access, upper & table_mask(s), 2, reserved)
}

/** Bits 63:52, 51:48 (C-bit aside), 8:5 and 2:1 of a legacy page-directory-pointer entry (figure 5-10). */
export function pdpte_reserved(s: usize): u64 {
  return 0xfff00000000001e6 | (load<u32>(s, SEV_ACTIVE) ? PTE_HIGH & ~C_BIT : PTE_HIGH)
}

/** Two levels of 4-byte entries (section 5.2.2). No C-bit here: with SEV everything is private (section 15.34.5). */
function walk32(s: usize, la: u64, access: u32, root: u64, cr4: u32): u32 {
  const at = (root & 0xfffff000) + ((la >> 22) << 2)
  const p = table_pointer(s, at)
  if (nested_error) return WALK_NESTED_TABLE
  const upper: u64 = p ? load<u32>(p) : 0xffffffff
  if (!(upper & PTE_P)) return page_fault(s, access, 0)
  if (upper & PTE_PS && cr4 & CR4_PSE) {
    if (upper & 0x200000) return page_fault(s, access, PF_PRESENT | PF_RESERVED)
    // Bits 20:13 are address bits 39:32 (section 5.2.2, page-size extensions).
    const base = (upper & 0xffc00000) | ((upper & 0x1fe000) << 19)
    return leaf32(s, la, access, at, upper, upper, base | (la & 0x3fffff), 22)
  }
  if (!(upper & PTE_A)) table_mark(s, at, upper | PTE_A, 4)
  const at2 = (upper & 0xfffff000) + (((la >> 12) & 1023) << 2)
  const p2 = table_pointer(s, at2)
  if (nested_error) return WALK_NESTED_TABLE
  const entry: u64 = p2 ? load<u32>(p2) : 0xffffffff
  if (!(entry & PTE_P)) return page_fault(s, access, 0)
  return leaf32(s, la, access, at2, entry, entry & upper, (entry & 0xfffff000) | (la & 0xfff), 12)
}

function leaf32(s: usize, la: u64, access: u32, at: u64, entry: u64, rights: u64, gpa: u64, shift: u32): u32 {
  const refused = refuse(s, access, rights, 0, 0)
  if (refused) return page_fault(s, access, refused)
  const marked = entry | PTE_A | ((access & ACCESS_KIND) == ACCESS_WRITE ? PTE_D : 0)
  if (marked != entry) table_mark(s, at, marked, 4)
  found_user = (rights & PTE_U) != 0
  found_global = is_global(s, entry)
  found_shift = shift
  return final(s, gpa, access & ACCESS_KIND, true)
}
