// Segment registers and descriptors: the tables, the checks and the loads (APM vol. 2, 24593, chapter 4).

import {
  CPL, CR0, CR4, CS, DS, EFER, EFLAGS, ES, GDTR, LDTR, MODE, MODE_CODE64, MODE_CODE_MASK, MODE_STACK32, RSP, SEG_ATTRIBUTES, SEG_BASE,
  SEG_LIMIT, SEG_SELECTOR, SEG_TABLE_BASE, SEGMENT_STRIDE, SEGMENTS, SS,
} from '../state/layout'
import { CR0_PE, CR4_LA57, EFER_LMA } from '../../../spec/x86/control-registers'
import { FLAG_VM } from '../../../spec/x86/flags'
import { R_FAULT, R_NEXT } from '../ir/results'
import { faulted, GP, NP, raise_error, SS_FAULT } from './fault'
import { load16, load32, load64, store16, store32, store64, sys_load64, sys_store32 } from './memory'
import { update_mode } from './mode'

// Attributes in VMCB form.
export const ATTR_TYPE: u32 = 0xf
export const ATTR_S: u32 = 0x10
export const ATTR_P: u32 = 0x80
export const ATTR_L: u32 = 0x200
export const ATTR_D: u32 = 0x400
export const ATTR_G: u32 = 0x800
/** Of the type field of code and data descriptors. */
export const TYPE_ACCESSED: u32 = 1
/** Writable data or readable code. */
export const TYPE_RW: u32 = 2
/** Expand-down data or conforming code. */
export const TYPE_EC: u32 = 4
export const TYPE_CODE: u32 = 8

// ---- mode of the core

// @ts-ignore: decorator
@inline
export function is_protected(s: usize): bool {
  return (load<u64>(s, CR0) & CR0_PE) != 0
}
// @ts-ignore: decorator
@inline
export function is_vm86(s: usize): bool {
  return (load<u32>(s, EFLAGS) & FLAG_VM) != 0
}
/** Protected mode and not virtual-8086. */
export function has_descriptors(s: usize): bool {
  return is_protected(s) && !is_vm86(s)
}
/** Long mode: 64-bit or compatibility. */
// @ts-ignore: decorator
@inline
export function is_long(s: usize): bool {
  return (load<u64>(s, EFER) & EFER_LMA) != 0
}
// @ts-ignore: decorator
@inline
export function is_code64(s: usize): bool {
  return (load<u32>(s, MODE) & MODE_CODE_MASK) == MODE_CODE64
}
/** Canonical form of 48 or 57 bits (APM vol. 2, section 5.3.1). */
export function canonical(s: usize, la: u64): bool {
  const spare: u64 = load<u64>(s, CR4) & CR4_LA57 ? 7 : 16
  return <u64>(<i64>(la << spare) >> spare) == la
}
/**
 * What registers that hold linear addresses must be: bases of segments and tables, targets of system calls, addresses to invalidate. The
 * processor's own width decides there, with CR4.LA57 clear as well.
 */
export function canonical_register(la: u64): bool {
  return <u64>(<i64>(la << 7) >> 7) == la
}

// ---- the registers

// @ts-ignore: decorator
@inline
function slot(s: usize, seg: u32): usize {
  return s + SEGMENTS + seg * SEGMENT_STRIDE
}
export function seg_selector(s: usize, seg: u32): u32 {
  return load<u16>(slot(s, seg), SEG_SELECTOR)
}
export function seg_attributes(s: usize, seg: u32): u32 {
  return load<u16>(slot(s, seg), SEG_ATTRIBUTES)
}
export function seg_limit(s: usize, seg: u32): u32 {
  return load<u32>(slot(s, seg), SEG_LIMIT)
}
/** Base of ES … GS from the register file, of LDTR, TR, GDTR and IDTR from their slot. */
export function seg_base(s: usize, seg: u32): u64 {
  return seg < <u32>LDTR ? load<u64>(s + SEG_BASE + seg * 8) : load<u64>(slot(s, seg), SEG_TABLE_BASE)
}
export function set_segment(s: usize, seg: u32, selector: u32, attributes: u32, limit: u32, base: u64): void {
  const at = slot(s, seg)
  store<u16>(at, <u16>selector, SEG_SELECTOR)
  store<u16>(at, <u16>attributes, SEG_ATTRIBUTES)
  store<u32>(at, limit, SEG_LIMIT)
  if (seg < <u32>LDTR) store<u64>(s + SEG_BASE + seg * 8, base)
  else store<u64>(at, base, SEG_TABLE_BASE)
}
/** A data segment register that a null selector was loaded to: unusable; base and limit cleared (CPUID 8000_0021 EAX bit 6). */
export function set_null_segment(s: usize, seg: u32, selector: u32): void {
  set_segment(s, seg, selector, 0, 0, 0)
}
/** Virtual-8086 form: base = selector * 16, limit 64 KiB, DPL 3. */
export function set_vm86_segment(s: usize, seg: u32, selector: u32): void {
  set_segment(s, seg, selector, 0xf3, 0xffff, <u64>selector << 4)
}
/** Real mode changes selector and base; limit and attributes stay (section 4.5.1). */
export function set_real_segment(s: usize, seg: u32, selector: u32): void {
  if (is_vm86(s)) {
    set_vm86_segment(s, seg, selector)
    return
  }
  store<u16>(slot(s, seg), <u16>selector, SEG_SELECTOR)
  store<u64>(s + SEG_BASE + seg * 8, <u64>selector << 4)
}
/** The stack segment that 64-bit mode uses after a change of privilege: null with RPL = CPL. */
export function set_null_stack(s: usize, cpl: u32): void {
  set_segment(s, SS, cpl, cpl << 5, 0, 0)
}

// ---- descriptors

/** The descriptor that was fetched last: scratch inside one instruction. */
export let desc_low: u32 = 0
export let desc_high: u32 = 0
/** Upper eight bytes of a 16-byte descriptor (long mode LDT, TSS, call gate). */
export let desc_upper: u64 = 0
let desc_address: u64 = 0

/** Reads the descriptor of `selector`; false when it lies outside its table (nothing raised) or the read faulted. */
export function find_descriptor(s: usize, selector: u32): bool {
  const table: u32 = selector & 4 ? LDTR : GDTR
  if (selector & 4 && !(seg_attributes(s, LDTR) & ATTR_P)) return false
  if ((selector | 7) > seg_limit(s, table)) return false
  desc_address = seg_base(s, table) + (selector & 0xfff8)
  const value = sys_load64(s, desc_address)
  desc_low = <u32>value
  desc_high = <u32>(value >> 32)
  return !faulted(s)
}

/** The same; outside the table raises `vector` with the selector and `ext` as error code. */
export function fetch_descriptor(s: usize, selector: u32, vector: u32, ext: u32): bool {
  if (find_descriptor(s, selector)) return true
  if (!faulted(s)) raise_error(s, vector, (selector & 0xfffc) | ext)
  return false
}

/** Reads the upper half of a 16-byte system descriptor; its type field must be zero (section 4.8.3). */
export function find_upper(s: usize, selector: u32): bool {
  const table: u32 = selector & 4 ? LDTR : GDTR
  if ((selector | 7) + 8 > seg_limit(s, table)) return false
  desc_upper = sys_load64(s, desc_address + 8)
  return !faulted(s) && ((desc_upper >> 40) & 0x1f) == 0
}
export function fetch_upper(s: usize, selector: u32, vector: u32, ext: u32): bool {
  if (find_upper(s, selector)) return true
  if (!faulted(s)) raise_error(s, vector, (selector & 0xfffc) | ext)
  return false
}

/** Fields of the fetched descriptor. */
export function desc_attributes(): u32 {
  return ((desc_high >> 8) & 0xff) | ((desc_high >> 12) & 0xf00)
}
export function desc_limit(): u32 {
  const limit = (desc_low & 0xffff) | (desc_high & 0xf0000)
  return desc_high & 0x800000 ? (limit << 12) | 0xfff : limit
}
export function desc_base(): u64 {
  return (desc_low >> 16) | ((desc_high & 0xff) << 16) | (desc_high & 0xff000000)
}
export function desc_dpl(): u32 {
  return (desc_high >> 13) & 3
}
export function desc_type(): u32 {
  return (desc_high >> 8) & 0xf
}
/** S bit: code or data. */
export function desc_is_segment(): bool {
  return (desc_high & 0x1000) != 0
}
export function desc_present(): bool {
  return (desc_high & 0x8000) != 0
}
/** Sets bits of the type field in the table (accessed, busy). False on a fault. */
export function desc_set_type(s: usize, bits: u32): bool {
  if ((desc_type() & bits) == bits) return true
  desc_high |= bits << 8
  sys_store32(s, desc_address + 4, desc_high)
  return !faulted(s)
}
/** Sets or clears the busy bit of the TSS descriptor `selector`. */
export function set_busy(s: usize, selector: u32, busy: bool): bool {
  if (!find_descriptor(s, selector)) return false
  const high = busy ? desc_high | 0x200 : desc_high & ~0x200
  sys_store32(s, desc_address + 4, high)
  return !faulted(s)
}
/** Loads segment register `seg` from the fetched descriptor, accessed bit set. */
export function set_from_descriptor(s: usize, seg: u32, selector: u32): void {
  set_segment(s, seg, selector, desc_attributes() | TYPE_ACCESSED, desc_limit(), desc_base())
}

// ---- data and stack segment loads (section 4.7, 4.8; error codes section 8.2)

/** Is the fetched descriptor one that a data segment register may hold at this privilege? */
function data_allowed(cpl: u32, rpl: u32): bool {
  if (!desc_is_segment()) return false
  const type = desc_type()
  if ((type & (TYPE_CODE | TYPE_RW)) == TYPE_CODE) return false
  if ((type & (TYPE_CODE | TYPE_EC)) == (TYPE_CODE | TYPE_EC)) return true
  return desc_dpl() >= cpl && desc_dpl() >= rpl
}

function load_data_segment(s: usize, seg: u32, selector: u32): u32 {
  if (!(selector & 0xfffc)) {
    set_null_segment(s, seg, selector)
    return R_NEXT
  }
  if (!fetch_descriptor(s, selector, GP, 0)) return R_FAULT
  if (!data_allowed(load<u32>(s, CPL), selector & 3)) return raise_error(s, GP, selector & 0xfffc)
  if (!desc_present()) return raise_error(s, NP, selector & 0xfffc)
  if (!desc_set_type(s, TYPE_ACCESSED)) return R_FAULT

  set_from_descriptor(s, seg, selector)
  return R_NEXT
}

/** Checks that the descriptor of `selector` (fetched here) can be a stack at privilege `cpl`; `vector` names the failure. */
export function check_stack_segment(s: usize, selector: u32, cpl: u32, vector: u32, ext: u32): bool {
  const error = (selector & 0xfffc) | ext
  if (!fetch_descriptor(s, selector, vector, ext)) return false
  const writable = desc_is_segment() && (desc_type() & (TYPE_CODE | TYPE_RW)) == TYPE_RW
  if (!writable || desc_dpl() != cpl || (selector & 3) != cpl) {
    raise_error(s, vector, error)
    return false
  }
  if (!desc_present()) {
    raise_error(s, SS_FAULT, error)
    return false
  }
  return desc_set_type(s, TYPE_ACCESSED)
}

function load_stack_segment(s: usize, selector: u32): u32 {
  const cpl = load<u32>(s, CPL)
  if (!(selector & 0xfffc)) {
    if (!is_code64(s) || cpl == 3 || (selector & 3) != cpl) return raise_error(s, GP, 0)
    set_null_stack(s, cpl)
    return R_NEXT
  }
  if (!check_stack_segment(s, selector, cpl, GP, 0)) return R_FAULT

  set_from_descriptor(s, SS, selector)
  return R_NEXT
}

/** MOV, POP and LxS to ES, SS, DS, FS or GS. */
export function load_segment(s: usize, seg: u32, selector: u32): u32 {
  if (!has_descriptors(s)) set_real_segment(s, seg, selector)
  else if ((seg == SS ? load_stack_segment(s, selector) : load_data_segment(s, seg, selector)) != R_NEXT) return R_FAULT
  if (seg <= <u32>DS) update_mode(s)
  return R_NEXT
}

/**
 * On a return to an outer level: registers that hold a segment of the inner level become null (APM vol. 3, RET and IRET). Nothing is loaded
 * then, so that FS and GS keep the bases that 64-bit software gave them.
 */
export function drop_inner_segments(s: usize, cpl: u32): void {
  for (let seg: u32 = ES; seg <= 5; seg++) {
    if (seg == CS || seg == SS) continue
    const attributes = seg_attributes(s, seg)
    const conforming = (attributes & (TYPE_CODE | TYPE_EC)) == (TYPE_CODE | TYPE_EC)
    if (((attributes >> 5) & 3) < cpl && !conforming) set_segment(s, seg, 0, 0, 0, seg_base(s, seg))
  }
}

// ---- the stack

/** True when [offset, offset + size) lies within a segment of these attributes (section 4.12). */
export function limit_ok(attributes: u32, limit: u32, offset: u32, size: u32): bool {
  const last = <u64>offset + size - 1
  if ((attributes & (ATTR_S | TYPE_CODE | TYPE_EC)) == (ATTR_S | TYPE_EC)) {
    return offset > limit && last <= (attributes & ATTR_D ? <u64>0xffffffff : <u64>0xffff)
  }
  return last <= <u64>limit
}

/** Bits of rSP that the stack width uses. */
export function stack_mask(s: usize): u64 {
  const mode = load<u32>(s, MODE)
  if ((mode & MODE_CODE_MASK) == MODE_CODE64) return ~<u64>0
  return mode & MODE_STACK32 ? 0xffffffff : 0xffff
}

/** rSP moved by `delta`, as the stack width has it: bits above it stay. */
export function moved_sp(s: usize, delta: i64): u64 {
  const mask = stack_mask(s)
  const sp = load<u64>(s, RSP)
  // A 32-bit ESP is written as any 32-bit register is: the upper half becomes zero.
  const keep: u64 = mask == 0xffff ? sp & ~mask : 0
  return keep | ((sp + delta) & mask)
}

/** Linear address of `size` bytes at offset `sp` of the present stack; raises #SS(0) where they may not be touched. */
export function stack_address(s: usize, sp: u64, size: u32): u64 {
  const offset = sp & stack_mask(s)
  if (is_code64(s)) {
    if (!canonical(s, offset) || !canonical(s, offset + size - 1)) raise_error(s, SS_FAULT, 0)
    return offset
  }
  if (!limit_ok(seg_attributes(s, SS), seg_limit(s, SS), <u32>offset, size)) raise_error(s, SS_FAULT, 0)
  return (seg_base(s, SS) + offset) & 0xffffffff
}

/** The value of `size` bytes (2, 4, 8) at offset `sp` of the present stack. */
export function stack_read(s: usize, sp: u64, size: u32): u64 {
  const la = stack_address(s, sp, size)
  if (faulted(s)) return 0
  return load_sized(s, la, size)
}

/** Pushes `value`; rSP moves only if nothing faulted. */
export function push(s: usize, value: u64, size: u32): u32 {
  const sp = moved_sp(s, -<i64>size)
  const la = stack_address(s, sp, size)
  if (faulted(s)) return R_FAULT
  store_sized(s, la, value, size)
  if (faulted(s)) return R_FAULT
  store<u64>(s, sp, RSP)
  return R_NEXT
}

export function load_sized(s: usize, la: u64, size: u32): u64 {
  return size == 8 ? load64(s, la) : size == 4 ? load32(s, la) : load16(s, la)
}
export function store_sized(s: usize, la: u64, value: u64, size: u32): void {
  if (size == 8) store64(s, la, value)
  else if (size == 4) store32(s, la, value)
  else store16(s, la, value)
}
