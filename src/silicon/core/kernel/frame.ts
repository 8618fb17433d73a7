// The two things that gates, interrupts and far calls prepare before they commit: the code segment they go to and the stack they push on.
// Everything here is scratch of one transfer.

import { CPL, CS, PC, RSP, SS, TR } from '../state/layout'
import { faulted, GP, NP, raise_error, SS_FAULT, TS } from './fault'
import { sys_load16, sys_load32, sys_load64, sys_store16, sys_store32, sys_store64 } from './memory'
import {
  ATTR_D, ATTR_L, canonical, check_stack_segment, desc_attributes, desc_base, desc_dpl, desc_is_segment, desc_limit, desc_present,
  desc_set_type, desc_type, fetch_descriptor, is_code64, is_long, limit_ok, seg_attributes, seg_base, seg_limit, seg_selector, set_null_stack,
  set_segment, stack_mask, store_sized, TYPE_ACCESSED, TYPE_CODE, TYPE_EC,
} from './segment'

// ---- the code segment

export let code_selector: u32 = 0
export let code_attributes: u32 = 0
export let code_limit: u32 = 0
export let code_base: u64 = 0

/** Keeps the fetched descriptor as the code segment to go to, with `cpl` as its RPL. */
export function hold_code(selector: u32, cpl: u32): void {
  code_selector = (selector & 0xfffc) | cpl
  code_attributes = desc_attributes() | TYPE_ACCESSED
  code_limit = desc_limit()
  code_base = desc_base()
}

/** Fetches `selector` as a target of a transfer: a present code segment that suits long mode; `wide`: it must be 64-bit code. */
export function fetch_code(s: usize, selector: u32, ext: u32): bool {
  if (!(selector & 0xfffc)) {
    raise_error(s, GP, ext)
    return false
  }
  if (!fetch_descriptor(s, selector, GP, ext)) return false
  if (!desc_is_segment() || !(desc_type() & TYPE_CODE)) return refuse(s, GP, selector, ext)
  if (is_long(s) && (desc_attributes() & (ATTR_L | ATTR_D)) == (ATTR_L | ATTR_D)) return refuse(s, GP, selector, ext)
  return true
}

export function refuse(s: usize, vector: u32, selector: u32, ext: u32): bool {
  raise_error(s, vector, (selector & 0xfffc) | ext)
  return false
}

/** Present, and marked as accessed. */
export function code_present(s: usize, selector: u32, ext: u32): bool {
  return desc_present() ? desc_set_type(s, TYPE_ACCESSED) : refuse(s, NP, selector, ext)
}

/** Privilege that a call gate or an interrupt gate leads to: the DPL of nonconforming code, else the present one. */
export function code_privilege(s: usize): u32 {
  const cpl = load<u32>(s, CPL)
  return desc_type() & TYPE_EC ? cpl : desc_dpl()
}

export function code_is_64(s: usize): bool {
  return is_long(s) && (code_attributes & ATTR_L) != 0
}

/** Raises #GP(ext) when `ip` lies outside the held code segment. */
export function code_holds(s: usize, ip: u64, ext: u32): bool {
  if (code_is_64(s) ? canonical(s, ip) : ip <= <u64>code_limit) return true
  raise_error(s, GP, ext)
  return false
}

/** The caller calls update_mode once all is committed. */
export function commit_code(s: usize, ip: u64): void {
  set_segment(s, CS, code_selector, code_attributes, code_limit, code_base)
  store<u32>(s, code_selector & 3, CPL)
  store<u64>(s, ip, PC)
}

// ---- the stack

let frame_selector: u32 = 0
let frame_attributes: u32 = 0
let frame_limit: u32 = 0
let frame_base: u64 = 0
let frame_mask: u64 = 0
let frame_sp: u64 = 0
let frame_long: bool = false
let frame_inner: bool = false
let frame_error: u32 = 0

/** The present stack. `wide`: the pushes are made as 64-bit mode makes them. */
export function frame_here(s: usize, wide: bool, ext: u32): void {
  frame_selector = seg_selector(s, SS)
  frame_attributes = seg_attributes(s, SS)
  frame_limit = seg_limit(s, SS)
  frame_base = seg_base(s, SS)
  frame_long = wide || is_code64(s)
  frame_mask = frame_long ? ~<u64>0 : stack_mask(s)
  frame_sp = load<u64>(s, RSP)
  frame_inner = false
  frame_error = ext
}

/** The stack of level `cpl` from a 16-bit or 32-bit TSS (APM vol. 2, section 12.2.2). False with #TS, #SS or #PF pending. */
export function frame_from_tss(s: usize, cpl: u32, ext: u32): bool {
  const wide = (seg_attributes(s, TR) & 8) != 0
  const at: u32 = wide ? 4 + cpl * 8 : 2 + cpl * 4
  if (at + (wide ? 5 : 3) > seg_limit(s, TR)) return refuse(s, TS, seg_selector(s, TR), ext)
  const base = seg_base(s, TR) + at
  const sp = wide ? sys_load32(s, base) : sys_load16(s, base)
  const selector = <u32>sys_load16(s, base + (wide ? 4 : 2))
  if (faulted(s)) return false
  if (!(selector & 0xfffc)) {
    raise_error(s, TS, ext)
    return false
  }
  if (!check_stack_segment(s, selector, cpl, TS, ext)) return false
  frame_selector = selector
  frame_attributes = desc_attributes() | TYPE_ACCESSED
  frame_limit = desc_limit()
  frame_base = desc_base()
  frame_mask = frame_attributes & ATTR_D ? 0xffffffff : 0xffff
  frame_sp = sp
  frame_long = false
  frame_inner = true
  frame_error = (selector & 0xfffc) | ext
  return true
}

/** The stack at `offset` of the 64-bit TSS (RSP0 … IST7; APM vol. 2, section 12.2.5). `inner`: privilege changes. */
export function frame_from_tss64(s: usize, offset: u32, inner: bool, ext: u32): bool {
  if (offset + 7 > seg_limit(s, TR)) return refuse(s, TS, seg_selector(s, TR), ext)
  const sp = sys_load64(s, seg_base(s, TR) + offset)
  if (faulted(s)) return false
  frame_here(s, true, ext)
  frame_sp = sp
  frame_inner = inner
  if (canonical(s, sp)) return true
  raise_error(s, SS_FAULT, ext)
  return false
}

/** Interrupt frames of long mode start at a multiple of 16. */
export function frame_align(): void {
  frame_sp &= ~<u64>15
}

export function frame_push(s: usize, value: u64, size: u32): bool {
  const sp = (frame_sp - size) & frame_mask
  const la = frame_long ? sp : (frame_base + sp) & 0xffffffff
  const within = frame_long ? canonical(s, sp) && canonical(s, sp + size - 1) : limit_ok(frame_attributes, frame_limit, <u32>sp, size)
  if (!within) {
    raise_error(s, SS_FAULT, frame_error)
    return false
  }
  if (!frame_inner) store_sized(s, la, value, size)
  else if (size == 8) sys_store64(s, la, value)
  else if (size == 4) sys_store32(s, la, value)
  else sys_store16(s, la, value)
  frame_sp = sp
  return !faulted(s)
}

/** Moves rSP, and SS where the frame stands on another level's stack. */
export function commit_frame(s: usize, cpl: u32): void {
  const keep: u64 = frame_mask == 0xffff && !frame_inner ? load<u64>(s, RSP) & ~frame_mask : 0
  store<u64>(s, keep | (frame_sp & frame_mask), RSP)
  if (!frame_inner) return
  if (frame_long) set_null_stack(s, cpl)
  else set_segment(s, SS, frame_selector, frame_attributes, frame_limit, frame_base)
}
