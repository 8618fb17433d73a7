// The dispatcher of the system instructions, and those that are a few lines each (APM vol. 3, 24594, chapters 3 and 4).

import {
  CPL, CR4, DS, EFLAGS, FS_BASE, GDTR, GS_BASE, HALTED, IDTR, MSR_HWCR, MSR_TSC_AUX, PC, RAX, RCX, RSP, SCRATCH, SHADOW, T2,
} from '../state/layout'
import * as h from '../ir/helper-ids'
import { CR4_FSGSBASE } from '../../../spec/x86/control-registers'
import { FLAG_AC, FLAG_CF, FLAG_IF, FLAG_IOPL, FLAG_OF, FLAG_RF, FLAG_VM, FLAGS_ARITHMETIC } from '../../../spec/x86/flags'
import { HWCR_MON_MWAIT_USER } from '../../../spec/x86/msr'
import {
  VMEXIT_EXCEPTION, VMEXIT_HLT, VMEXIT_ICEBP, VMEXIT_INVD, VMEXIT_MONITOR, VMEXIT_MWAIT, VMEXIT_PAUSE, VMEXIT_POPF, VMEXIT_PUSHF, VMEXIT_SWINT,
  VMEXIT_WBINVD,
} from '../../../spec/svm/exit-codes'
import { R_EXIT, R_FAULT, R_JUMP, R_NEXT } from '../ir/results'
import { linear } from './address'
import { clts, invlpg, invpcid, lmsw, mov_from_cr, mov_to_cr, rdpkru, smsw, wrpkru, xsetbv } from './control'
import { cpuid } from './cpuid'
import { debug_merge, mov_from_dr, mov_to_dr } from './debug'
import { deliver_event, EVENT_EXCEPTION, EVENT_SOFTWARE } from './exception'
import { BP, DB, faulted, GP, next_pc, OF, raise, raise_error, rec_a, rec_b, rec_c, rec_imm2, this_pc, UD } from './fault'
import { get_flags, set_flags } from './flags'
import { load8, store_bytes } from './memory'
import { rdmsr, wrmsr } from './msr'
import { port_single, port_string, port_width } from './port'
import { canonical, is_vm86, moved_sp, push, stack_read } from './segment'
import { svm_check } from './svm'
import { swapgs, syscall, sysenter, sysexit, sysret } from './syscall'
import {
  arpl, lar, lldt, load_pointer, load_table, lsl, ltr, mov_from_segment, mov_to_segment, pop_segment, push_segment, sldt, store_table, str, verify,
} from './tables'
import { far_direct, far_indirect, far_return, interrupt_return, writable_flags } from './transfer'
import { rdpmc, rdtsc, rdtscp } from './tsc'

/** A random word of the board's entropy. */
// @ts-ignore: decorator
@external('platform', 'entropy32')
declare function entropy32(): u32

// ---- software interrupts

/** INT n; in virtual-8086 mode it needs IOPL 3. */
function int_n(s: usize, rec: usize): u32 {
  const outcome = svm_check(s, rec, VMEXIT_SWINT, rec_imm2(rec) & 0xff, 0)
  if (outcome != R_NEXT) return outcome
  if (is_vm86(s) && (load<u32>(s, EFLAGS) & FLAG_IOPL) != FLAG_IOPL) return raise_error(s, GP, 0)
  return deliver_from(s, rec, rec_imm2(rec) & 0xff, EVENT_SOFTWARE)
}

/** INT3 and INTO are exceptions, and intercepted as such with RIP at the instruction and nRIP behind it. */
function trap(s: usize, rec: usize, vector: u32): u32 {
  const next = next_pc(s, rec)
  if (svm_check(s, rec, VMEXIT_EXCEPTION + vector, 0, 0) == R_EXIT) return R_EXIT
  store<u64>(s, this_pc(s, rec), PC)
  return deliver_event(s, vector, EVENT_EXCEPTION, false, 0, next)
}

function into(s: usize, rec: usize): u32 {
  return get_flags(s) & FLAG_OF ? trap(s, rec, OF) : R_NEXT
}

/** INT1 (ICEBP) raises #DB without touching DR6. */
function int1(s: usize, rec: usize): u32 {
  const outcome = svm_check(s, rec, VMEXIT_ICEBP, 0, 0)
  if (outcome != R_NEXT) return outcome
  debug_merge(s)
  return trap(s, rec, DB)
}

function deliver_from(s: usize, rec: usize, vector: u32, kind: u32): u32 {
  const next = next_pc(s, rec)
  store<u64>(s, this_pc(s, rec), PC)
  return deliver_event(s, vector, kind, false, 0, next)
}

// ---- flags

/** CLI, STI: level at most IOPL; VME and PVI do not exist. */
function may_change_if(s: usize): bool {
  const iopl = (load<u32>(s, EFLAGS) & FLAG_IOPL) >> 12
  return load<u32>(s, CPL) <= iopl
}

function cli(s: usize): u32 {
  if (!may_change_if(s)) return raise_error(s, GP, 0)
  set_flags(s, 0, FLAG_IF)
  return R_NEXT
}

/** Interrupts are held off for one more instruction if they were. */
function sti(s: usize): u32 {
  if (!may_change_if(s)) return raise_error(s, GP, 0)
  if (!(load<u32>(s, EFLAGS) & FLAG_IF)) store<u32>(s, 1, SHADOW)
  set_flags(s, FLAG_IF, FLAG_IF)
  return R_NEXT
}

function vm86_refuses(s: usize): bool {
  return is_vm86(s) && (load<u32>(s, EFLAGS) & FLAG_IOPL) != FLAG_IOPL
}

/** The intercepts of PUSHF and POPF come before every exception. */
function pushf(s: usize, rec: usize): u32 {
  const outcome = svm_check(s, rec, VMEXIT_PUSHF, 0, 0)
  if (outcome != R_NEXT) return outcome
  if (vm86_refuses(s)) return raise_error(s, GP, 0)
  return push(s, get_flags(s) & ~<u64>(FLAG_VM | FLAG_RF), rec_b(rec))
}

function popf(s: usize, rec: usize): u32 {
  const outcome = svm_check(s, rec, VMEXIT_POPF, 0, 0)
  if (outcome != R_NEXT) return outcome
  if (vm86_refuses(s)) return raise_error(s, GP, 0)
  const size = rec_b(rec)
  const value = stack_read(s, load<u64>(s, RSP), size)
  if (faulted(s)) return R_FAULT
  store<u64>(s, moved_sp(s, size), RSP)
  set_flags(s, value, writable_flags(s, size, load<u32>(s, CPL)))
  return R_NEXT
}

/** CLAC, STAC: #UD above level 0. */
function change_ac(s: usize, value: u64): u32 {
  if (load<u32>(s, CPL)) return raise(s, UD)
  set_flags(s, value, FLAG_AC)
  return R_NEXT
}

// ---- waiting

/** CPL 0, then the intercept, for instructions without operands. */
function check_privileged(s: usize, rec: usize, exit: u32): u32 {
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  return svm_check(s, rec, exit, 0, 0)
}

function hlt(s: usize, rec: usize): u32 {
  const outcome = check_privileged(s, rec, VMEXIT_HLT)
  if (outcome != R_NEXT) return outcome
  store<u32>(s, 1, HALTED)
  store<u64>(s, next_pc(s, rec), PC)
  return R_JUMP
}

/** Linear address that rAX names, in DS or the segment of an override. */
function address_in_rax(s: usize, rec: usize, write: bool): u64 {
  const width = rec_c(rec) >> 4
  const offset: u64 = width == 8 ? load<u64>(s, RAX) : width == 4 ? load<u32>(s, RAX) : load<u16>(s, RAX)
  const named = load<u32>(s, T2)
  return linear(s, named == 0xff ? DS : named, offset, 1, write)
}

/** MONITOR is for level 0 unless HWCR says otherwise; MONITORX for all. No line is watched: the wait that follows ends at once, as it may. */
function monitor(s: usize, rec: usize, privileged: bool): u32 {
  if (privileged && wait_refused(s)) return raise(s, UD)
  const outcome = svm_check(s, rec, VMEXIT_MONITOR, 0, 0)
  if (outcome != R_NEXT) return outcome
  if (load<u32>(s, RCX)) return raise_error(s, GP, 0)
  const la = address_in_rax(s, rec, false)
  if (!faulted(s)) load8(s, la)
  return faulted(s) ? R_FAULT : R_NEXT
}

/** ECX bit 0: interrupts end the wait even when masked; bit 1 (MWAITX): a timer in EBX does. */
function mwait(s: usize, rec: usize, privileged: bool): u32 {
  if (privileged && wait_refused(s)) return raise(s, UD)
  const outcome = svm_check(s, rec, VMEXIT_MWAIT, 0, 0)
  if (outcome != R_NEXT) return outcome
  const legal: u32 = privileged ? 1 : 3
  return load<u32>(s, RCX) & ~legal ? raise_error(s, GP, 0) : R_NEXT
}

function wait_refused(s: usize): bool {
  return load<u32>(s, CPL) != 0 && !(load<u64>(s, MSR_HWCR) & HWCR_MON_MWAIT_USER)
}

function pause(s: usize, rec: usize): u32 {
  return svm_check(s, rec, VMEXIT_PAUSE, 0, 0)
}

/** INVD, WBINVD, WBNOINVD: caches of this chip are coherent for its cores, so that nothing can be seen to change. */
function cache_control(s: usize, rec: usize, exit: u32): u32 {
  return check_privileged(s, rec, exit)
}

// ---- registers

/** RDRAND, RDSEED: CF says that the number is random; entropy never runs dry here. */
function random(s: usize, rec: usize): u32 {
  const size = rec_b(rec)
  const at = s + rec_a(rec)
  if (size == 2) store<u16>(at, <u16>entropy32())
  else if (size == 4) store<u64>(at, entropy32())
  else store<u64>(at, entropy32() | (<u64>entropy32() << 32))
  set_flags(s, FLAG_CF, FLAGS_ARITHMETIC)
  return R_NEXT
}

function rdpid(s: usize, rec: usize): u32 {
  store<u64>(s + rec_a(rec), load<u32>(s, MSR_TSC_AUX))
  return R_NEXT
}

function read_base(s: usize, rec: usize, slot: u32): u32 {
  if (!(load<u64>(s, CR4) & CR4_FSGSBASE)) return raise(s, UD)
  store<u64>(s + rec_a(rec), rec_b(rec) == 8 ? load<u64>(s + slot) : load<u32>(s + slot))
  return R_NEXT
}

function write_base(s: usize, rec: usize, slot: u32): u32 {
  if (!(load<u64>(s, CR4) & CR4_FSGSBASE)) return raise(s, UD)
  const value: u64 = rec_b(rec) == 8 ? load<u64>(s + rec_a(rec)) : load<u32>(s + rec_a(rec))
  if (!canonical(s, value)) return raise_error(s, GP, 0)
  store<u64>(s + slot, value)
  return R_NEXT
}

/** CLZERO: the 64-byte line at rAX. */
function clzero(s: usize, rec: usize): u32 {
  const la = address_in_rax(s, rec, true) & ~<u64>63
  if (faulted(s)) return R_FAULT
  memory.fill(s + SCRATCH, 0, 64)
  return store_bytes(s, la, s + SCRATCH, 64) ? R_NEXT : R_FAULT
}

// ---- dispatch

export function system_helper(s: usize, rec: usize, id: u32): u32 {
  switch (id) {
    case h.H_PUSH_SEGMENT:
      return push_segment(s, rec)
    case h.H_POP_SEGMENT:
      return pop_segment(s, rec)
    case h.H_LOAD_POINTER:
    case h.H_LOAD_POINTER + 2:
    case h.H_LOAD_POINTER + 3:
    case h.H_LOAD_POINTER + 4:
    case h.H_LOAD_POINTER + 5:
      return load_pointer(s, rec, id - h.H_LOAD_POINTER)
    case h.H_MOV_TO_SEGMENT:
      return mov_to_segment(s, rec)
    case h.H_MOV_FROM_SEGMENT:
      return mov_from_segment(s, rec)
    case h.H_JMP_FAR:
      return far_direct(s, rec, false)
    case h.H_JMP_FAR_MEMORY:
      return far_indirect(s, rec, false)
    case h.H_CALL_FAR:
      return far_direct(s, rec, true)
    case h.H_CALL_FAR_MEMORY:
      return far_indirect(s, rec, true)
    case h.H_RET_FAR:
      return far_return(s, rec)
    case h.H_IRET:
      return interrupt_return(s, rec)
    case h.H_INT:
      return int_n(s, rec)
    case h.H_INT3:
      return trap(s, rec, BP)
    case h.H_INTO:
      return into(s, rec)
    case h.H_INT1:
      return int1(s, rec)
    case h.H_SYSCALL:
      return syscall(s, rec)
    case h.H_SYSRET:
      return sysret(s, rec)
    case h.H_SYSENTER:
      return sysenter(s)
    case h.H_SYSEXIT:
      return sysexit(s)
    case h.H_SWAPGS:
      return swapgs(s)
    case h.H_CLI:
      return cli(s)
    case h.H_STI:
      return sti(s)
    case h.H_PUSHF:
      return pushf(s, rec)
    case h.H_POPF:
      return popf(s, rec)
    case h.H_CLAC:
      return change_ac(s, 0)
    case h.H_STAC:
      return change_ac(s, FLAG_AC)
    case h.H_HLT:
      return hlt(s, rec)
    case h.H_MOV_FROM_CR:
      return mov_from_cr(s, rec)
    case h.H_MOV_TO_CR:
      return mov_to_cr(s, rec)
    case h.H_MOV_FROM_DR:
      return mov_from_dr(s, rec)
    case h.H_MOV_TO_DR:
      return mov_to_dr(s, rec)
    case h.H_CLTS:
      return clts(s, rec)
    case h.H_LMSW:
      return lmsw(s, rec)
    case h.H_SMSW:
      return smsw(s, rec)
    case h.H_LGDT:
      return load_table(s, rec, GDTR)
    case h.H_LIDT:
      return load_table(s, rec, IDTR)
    case h.H_SGDT:
      return store_table(s, rec, GDTR)
    case h.H_SIDT:
      return store_table(s, rec, IDTR)
    case h.H_LLDT:
      return lldt(s, rec)
    case h.H_SLDT:
      return sldt(s, rec)
    case h.H_LTR:
      return ltr(s, rec)
    case h.H_STR:
      return str(s, rec)
    case h.H_LAR:
      return lar(s, rec)
    case h.H_LSL:
      return lsl(s, rec)
    case h.H_VERR:
      return verify(s, rec, false)
    case h.H_VERW:
      return verify(s, rec, true)
    case h.H_ARPL:
      return arpl(s, rec)
    case h.H_INVD:
      return cache_control(s, rec, VMEXIT_INVD)
    case h.H_WBINVD:
      return cache_control(s, rec, VMEXIT_WBINVD)
    case h.H_INVLPG:
      return invlpg(s, rec)
    case h.H_INVPCID:
      return invpcid(s, rec)
    case h.H_RDMSR:
      return rdmsr(s, rec)
    case h.H_WRMSR:
      return wrmsr(s, rec)
    case h.H_RDTSC:
      return rdtsc(s, rec)
    case h.H_RDTSCP:
      return rdtscp(s, rec)
    case h.H_RDPMC:
      return rdpmc(s, rec)
    case h.H_RDPID:
      return rdpid(s, rec)
    case h.H_RDRAND:
      return random(s, rec)
    case h.H_RDFSBASE:
      return read_base(s, rec, FS_BASE)
    case h.H_RDGSBASE:
      return read_base(s, rec, GS_BASE)
    case h.H_WRFSBASE:
      return write_base(s, rec, FS_BASE)
    case h.H_WRGSBASE:
      return write_base(s, rec, GS_BASE)
    case h.H_MONITOR:
      return monitor(s, rec, true)
    case h.H_MWAIT:
      return mwait(s, rec, true)
    case h.H_MONITORX:
      return monitor(s, rec, false)
    case h.H_MWAITX:
      return mwait(s, rec, false)
    case h.H_IN8_IMM:
      return port_single(s, rec, true, 1, true)
    case h.H_IN_IMM:
      return port_single(s, rec, true, port_width(rec), true)
    case h.H_IN8:
      return port_single(s, rec, false, 1, true)
    case h.H_IN:
      return port_single(s, rec, false, port_width(rec), true)
    case h.H_OUT8_IMM:
      return port_single(s, rec, true, 1, false)
    case h.H_OUT_IMM:
      return port_single(s, rec, true, port_width(rec), false)
    case h.H_OUT8:
      return port_single(s, rec, false, 1, false)
    case h.H_OUT:
      return port_single(s, rec, false, port_width(rec), false)
    case h.H_INS8:
      return port_string(s, rec, 1, true)
    case h.H_INS:
      return port_string(s, rec, port_width(rec), true)
    case h.H_OUTS8:
      return port_string(s, rec, 1, false)
    case h.H_OUTS:
      return port_string(s, rec, port_width(rec), false)
    case h.H_CLZERO:
      return clzero(s, rec)
    case h.H_RDPKRU:
      return rdpkru(s)
    case h.H_WRPKRU:
      return wrpkru(s)
    case h.H_XSETBV:
      return xsetbv(s, rec)
    case h.H_CPUID:
      return cpuid(s, rec)
    case h.H_PAUSE:
      return pause(s, rec)
  }
  return raise(s, UD)
}
