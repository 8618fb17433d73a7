// Debug registers, breakpoints and single step (APM vol. 2, 24593, section 13.1).

import {
  BUDGET, BUDGET_START, CPL, CR4, DR0, DR6, DR7, EFLAGS, EVENT_INTERRUPT, EVENTS, ICOUNT, RAX, STEP_ARMED,
} from '../state/layout'
import { DEBUG_HELD, DEBUG_HOLD, DEBUG_PENDING, DEBUG_RESUME } from '../state/system-layout'
import { CR4_DE } from '../../../spec/x86/control-registers'
import { DR6_BD, DR6_BS, DR6_FIXED, DR6_WRITABLE, DR7_FIXED, DR7_GD, DR7_WRITABLE } from '../../../spec/x86/debug-registers'
import { FLAG_RF } from '../../../spec/x86/flags'
import { VMEXIT_DR0_READ, VMEXIT_DR0_WRITE } from '../../../spec/svm/exit-codes'
import { R_NEXT } from '../ir/results'
import { DB, GP, raise, raise_error, rec_a, rec_d, UD } from './fault'
import { mmu_select } from './mmu'
import { update_mode } from './mode'
import { is_code64 } from './segment'
import { svm_check } from './svm'

/** In DEBUG_PENDING: the data breakpoint hit an instruction that is not single-stepped. */
const NOT_STEPPED: u32 = 0x80000000

const ON_EXECUTION: u32 = 0
const ON_WRITE: u32 = 1
const ON_PORT: u32 = 2

/** Records the causes of a debug exception: B0 to B3 are replaced, the other bits accumulate; GD is cleared. */
function record(s: usize, bits: u32): void {
  store<u64>(s, (load<u64>(s, DR6) & ~<u64>0xf) | bits, DR6)
  store<u64>(s, load<u64>(s, DR7) & ~<u64>DR7_GD, DR7)
}

// @ts-ignore: decorator
@inline
function enabled(dr7: u32, n: u32): bool {
  return ((dr7 >> (n * 2)) & 3) != 0
}
// @ts-ignore: decorator
@inline
function kind(dr7: u32, n: u32): u32 {
  return (dr7 >> (16 + n * 4)) & 3
}
/** Bytes that breakpoint `n` covers: LEN 00 1, 01 2, 11 4, 10 8. */
function breakpoint_bytes(dr7: u32, n: u32): u32 {
  const length = (dr7 >> (18 + n * 4)) & 3
  return length == 2 ? 8 : length + 1
}

/** Breakpoints of data or I/O that [address, address + size) touches, as bits B0 to B3. */
function touched(s: usize, address: u64, size: u32, port: bool, write: bool): u32 {
  const dr7 = load<u32>(s, DR7)
  let hits: u32 = 0
  for (let n: u32 = 0; n < 4; n++) {
    if (!enabled(dr7, n)) continue
    const on = kind(dr7, n)
    if (on == ON_EXECUTION || port != (on == ON_PORT) || (on == ON_WRITE && !write)) continue
    const bytes = breakpoint_bytes(dr7, n)
    const start = load<u64>(s + DR0 + n * 8) & ~<u64>(bytes - 1)
    if (address < start + bytes && start < address + size) hits |= 1 << n
  }
  return hits
}

/** Holds a trap for the end of the present instruction. */
function hold_trap(s: usize, hits: u32): void {
  if (!hits) return
  const pending = load<u32>(s, DEBUG_PENDING)
  const stepped = load<u32>(s, STEP_ARMED) && !(pending & NOT_STEPPED)
  store<u32>(s, pending | hits | (stepped ? 0 : NOT_STEPPED), DEBUG_PENDING)
  store<u32>(s, 1, STEP_ARMED)
  store<u32>(s, load<u32>(s, EVENTS) | EVENT_INTERRUPT, EVENTS)
}

/** A data access of the running instruction. */
export function debug_data_hit(s: usize, la: u64, size: u32, write: u32): void {
  hold_trap(s, touched(s, la, size, false, write != 0))
}
/** An access to an I/O port, with CR4.DE. */
export function debug_port_hit(s: usize, port: u32, size: u32): void {
  if (load<u64>(s, CR4) & CR4_DE) hold_trap(s, touched(s, port, size, true, true))
}
/** BT, BS and the like from other parts. */
export function debug_trap(s: usize, bits: u32): void {
  hold_trap(s, bits)
}

/** 1 + number of the instruction at PC; the same however often the run loop looks at it before it has run. */
function instruction_number(s: usize): u32 {
  return 1 + load<u32>(s, ICOUNT) + load<u32>(s, BUDGET_START) - load<u32>(s, BUDGET)
}

/** Clears RF once the instruction that it was meant for has run. */
export function debug_end_resume(s: usize): void {
  const flags = load<u32>(s, EFLAGS)
  const resumed = load<u32>(s, DEBUG_RESUME)
  if (flags & FLAG_RF && resumed && resumed != instruction_number(s)) store<u32>(s, flags & ~FLAG_RF, EFLAGS)
}

/**
 * Before the instruction at linear address `la`, when DR7 enables breakpoints: raises #DB as a fault where one matches. RF holds them
 * off for one instruction; a MOV or POP to SS does not (only traps wait for the instruction behind it).
 */
export function debug_instruction(s: usize, la: u64): bool {
  // What an instruction that did not complete may have left.
  store<u32>(s, 0, DEBUG_PENDING)
  if (load<u32>(s, DEBUG_HOLD)) take_held(s)
  debug_end_resume(s)
  if (load<u32>(s, EFLAGS) & FLAG_RF) {
    store<u32>(s, instruction_number(s), DEBUG_RESUME)
    return false
  }
  const dr7 = load<u32>(s, DR7)
  let hits: u32 = 0
  for (let n: u32 = 0; n < 4; n++) {
    if (enabled(dr7, n) && kind(dr7, n) == ON_EXECUTION && load<u64>(s + DR0 + n * 8) == la) hits |= 1 << n
  }
  if (!hits) return false
  record(s, hits)
  raise(s, DB)
  return true
}

/** After an instruction that was single-stepped or touched a watched address: raises #DB as a trap. */
export function debug_single_step(s: usize): void {
  const pending = load<u32>(s, DEBUG_PENDING)
  store<u32>(s, 0, DEBUG_PENDING)
  record(s, pending & NOT_STEPPED ? pending & ~NOT_STEPPED : pending | DR6_BS)
  raise(s, DB)
}

/** MOV SS and POP SS: no trap before the next instruction has run (APM vol. 3, MOV and POP); data breakpoints wait for its end. */
export function debug_hold(s: usize): void {
  const pending = load<u32>(s, DEBUG_PENDING) & ~NOT_STEPPED
  store<u32>(s, 0, STEP_ARMED)
  store<u32>(s, 0, DEBUG_PENDING)
  store<u32>(s, pending ? instruction_number(s) + 1 : 0, DEBUG_HOLD)
  store<u32>(s, pending, DEBUG_HELD)
}

/** The instruction behind MOV SS is about to run: what was held is a trap of its own now. */
function take_held(s: usize): void {
  if (load<u32>(s, DEBUG_HOLD) == instruction_number(s)) hold_trap(s, load<u32>(s, DEBUG_HELD))
  else store<u32>(s, 0, DEBUG_HOLD)
}

/** INT n, INT3 and INTO are done once their handler is entered: a data breakpoint that they or a MOV SS before them touched traps there. */
export function debug_after_entry(s: usize): void {
  const pending = load<u32>(s, DEBUG_PENDING)
  store<u32>(s, pending ? 1 : 0, STEP_ARMED)
  if (pending) store<u32>(s, pending | NOT_STEPPED, DEBUG_PENDING)
}

/** ICEBP is a debug exception itself: it reports what is held with it. */
export function debug_merge(s: usize): void {
  const pending = load<u32>(s, DEBUG_PENDING) & ~NOT_STEPPED
  if (pending) record(s, pending)
  store<u32>(s, 0, DEBUG_PENDING)
}

// ---- MOV DRn

/** Register that number `n` names: DR4 and DR5 are DR6 and DR7 unless CR4.DE. 0xff: none. */
function register_number(s: usize, n: u32): u32 {
  if (n > 7) return 0xff
  if (n != 4 && n != 5) return n
  return load<u64>(s, CR4) & CR4_DE ? 0xff : n + 2
}

/** #UD, #GP, #DB (general detect) and the intercept. R_NEXT when the access may be made. */
function check_access(s: usize, rec: usize, n: u32, exit: u32): u32 {
  if (n == 0xff) return raise(s, UD)
  if (load<u32>(s, CPL)) return raise_error(s, GP, 0)
  if (load<u64>(s, DR7) & DR7_GD) {
    record(s, <u32>load<u64>(s, DR6) & 0xf | DR6_BD)
    return raise(s, DB)
  }
  return svm_check(s, rec, exit + rec_d(rec), (rec_a(rec) - RAX) >> 3, 0)
}

// @ts-ignore: decorator
@inline
function slot(n: u32): u32 {
  return DR0 + n * 8 - (n >= 6 ? 16 : 0)
}

/** MOV r, DRn. */
export function mov_from_dr(s: usize, rec: usize): u32 {
  const n = register_number(s, rec_d(rec))
  const outcome = check_access(s, rec, n, VMEXIT_DR0_READ)
  if (outcome != R_NEXT) return outcome

  store<u64>(s + rec_a(rec), is_code64(s) ? load<u64>(s + slot(n)) : load<u32>(s + slot(n)))
  return R_NEXT
}

/** MOV DRn, r. */
export function mov_to_dr(s: usize, rec: usize): u32 {
  const n = register_number(s, rec_d(rec))
  const outcome = check_access(s, rec, n, VMEXIT_DR0_WRITE)
  if (outcome != R_NEXT) return outcome
  const value: u64 = is_code64(s) ? load<u64>(s + rec_a(rec)) : load<u32>(s + rec_a(rec))
  if (n >= 6 && value >> 32) return raise_error(s, GP, 0)

  store<u64>(s + slot(n), n == 6 ? (value & DR6_WRITABLE) | DR6_FIXED : n == 7 ? (value & DR7_WRITABLE) | DR7_FIXED : value)
  update_mode(s)
  mmu_select(s)
  return R_NEXT
}
