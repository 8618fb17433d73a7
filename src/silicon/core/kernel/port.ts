// I/O ports: IN, OUT, INS, OUTS (APM vol. 3, 24594; permission map of the TSS: vol. 2, section 12.2.4).
// A port access that is not intercepted leaves the run loop with EXIT_PORT in host mode; in guest mode no device answers.

import {
  CPL, DS, EFLAGS, ES, EXIT_INFO, EXIT_PORT, EXIT_REASON, GUEST_MODE, PC, RAX, RCX, RDI, RDX, RSI, T0, T2, TR,
} from '../state/layout'
import { FLAG_DF, FLAG_IOPL } from '../../../spec/x86/flags'
import { R_EXIT, R_FAULT, R_JUMP, R_NEXT } from '../ir/results'
import { linear } from './address'
import { debug_port_hit } from './debug'
import { faulted, GP, next_pc, raise_error, rec_b, rec_c, rec_imm2, this_pc } from './fault'
import { load16, load32, load8, store16, store32, store8, sys_load16 } from './memory'
import { is_protected, is_vm86, seg_base, seg_limit } from './segment'
import { svm_io } from './svm'

const REP: u32 = 2 | 4

/** Section 12.2.4: below IOPL and in virtual-8086 mode every bit of the port in the TSS's map must be clear. */
function port_allowed(s: usize, port: u32, size: u32): bool {
  if (!is_protected(s)) return true
  const iopl = (load<u32>(s, EFLAGS) & FLAG_IOPL) >> 12
  if (!is_vm86(s) && load<u32>(s, CPL) <= iopl) return true
  if (seg_limit(s, TR) < 0x67) return refused(s)
  const at = <u32>sys_load16(s, seg_base(s, TR) + 0x66) + (port >> 3)
  if (faulted(s)) return false
  if (at + 1 > seg_limit(s, TR)) return refused(s)
  const bits = <u32>sys_load16(s, seg_base(s, TR) + at)
  if (faulted(s)) return false
  return (bits >> (port & 7)) & ((1 << size) - 1) ? refused(s) : true
}

function refused(s: usize): bool {
  raise_error(s, GP, 0)
  return false
}

/** Value of the accumulator's low `size` bytes. */
function accumulator(s: usize, size: u32): u32 {
  return size == 1 ? load<u8>(s, RAX) : size == 2 ? load<u16>(s, RAX) : load<u32>(s, RAX)
}

/** Host mode: TypeScript performs the access; for IN it writes the accumulator. */
function leave_for_port(s: usize, rec: usize, port: u32, size: u32, input: bool, value: u32): u32 {
  store<u64>(s, value, T0)
  store<u64>(s, next_pc(s, rec), PC)
  store<u32>(s, port | (size << 16) | (input ? 1 << 24 : 0), EXIT_INFO)
  store<u32>(s, EXIT_PORT, EXIT_REASON)
  return R_EXIT
}

/** IN and OUT. `port` is DX or the immediate byte. */
export function port_single(s: usize, rec: usize, immediate: bool, size: u32, input: bool): u32 {
  const port: u32 = immediate ? rec_imm2(rec) & 0xff : load<u16>(s, RDX)
  if (!port_allowed(s, port, size)) return R_FAULT
  const outcome = svm_io(s, rec, port, size, input, false, false, 0, rec_c(rec) >> 4)
  if (outcome != R_NEXT) return outcome
  debug_port_hit(s, port, size)
  if (!load<u32>(s, GUEST_MODE)) return leave_for_port(s, rec, port, size, input, input ? 0 : accumulator(s, size))
  if (!input) return R_NEXT
  if (size == 1) store<u8>(s, 0xff, RAX)
  else if (size == 2) store<u16>(s, 0xffff, RAX)
  else store<u64>(s, 0xffffffff, RAX)
  return R_NEXT
}

/** Operand width of the word forms: REX.W is ignored. */
export function port_width(rec: usize): u32 {
  return rec_b(rec) == 2 ? 2 : 4
}

function address_mask(bytes: u32): u64 {
  return bytes == 8 ? ~<u64>0 : bytes == 4 ? 0xffffffff : 0xffff
}

/** Writes the low part of an index or count register as its address size has it. */
function put_index(s: usize, slot: u32, value: u64, bytes: u32): void {
  if (bytes == 2) store<u16>(s + slot, <u16>value)
  else store<u64>(s + slot, bytes == 4 ? value & 0xffffffff : value)
}

/** INS and OUTS: one iteration; with REP the instruction is executed again until rCX is zero. */
export function port_string(s: usize, rec: usize, size: u32, input: bool): u32 {
  const bytes = rec_c(rec) >> 4
  const mask = address_mask(bytes)
  const rep = (rec_c(rec) & REP) != 0
  const port: u32 = load<u16>(s, RDX)
  if (!port_allowed(s, port, size)) return R_FAULT
  if (rep && !(load<u64>(s, RCX) & mask)) return R_NEXT
  const named = load<u32>(s, T2)
  const seg: u32 = input ? ES : named == 0xff ? DS : named
  const outcome = svm_io(s, rec, port, size, input, true, rep, seg, bytes)
  if (outcome != R_NEXT) return outcome
  const index: u32 = input ? RDI : RSI
  const la = linear(s, seg, load<u64>(s + index) & mask, size, input)
  if (faulted(s)) return R_FAULT
  // Host software has no use for string I/O, and the door for ports carries one value in one direction.
  if (!load<u32>(s, GUEST_MODE)) return raise_error(s, GP, 0)
  if (!move_element(s, la, size, input)) return R_FAULT

  debug_port_hit(s, port, size)
  const step: u64 = load<u32>(s, EFLAGS) & FLAG_DF ? 0 - <u64>size : size
  put_index(s, index, load<u64>(s + index) + step, bytes)
  if (!rep) return R_NEXT
  put_index(s, RCX, load<u64>(s, RCX) - 1, bytes)
  if (!(load<u64>(s, RCX) & mask)) return R_NEXT
  store<u64>(s, this_pc(s, rec), PC)
  return R_JUMP
}

/** Nothing answers at a guest's port that is not intercepted: reads give ones. */
function move_element(s: usize, la: u64, size: u32, input: bool): bool {
  if (!input) {
    if (size == 1) load8(s, la)
    else if (size == 2) load16(s, la)
    else load32(s, la)
  } else if (size == 1) store8(s, la, 0xff)
  else if (size == 2) store16(s, la, 0xffff)
  else store32(s, la, 0xffffffff)
  return !faulted(s)
}
