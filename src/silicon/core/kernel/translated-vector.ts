// What translated code calls for memory operands of 16 and 32 bytes that its soft TLB does not have, or that are misaligned, and for floating-point instructions
// whose result it cannot answer for (translate/float-guards.ts).

import { MXCSR, VT1 } from '../state/layout'
import { GP, raise_error } from './fault'
import { stored, unless_troubled } from './translated-access'
import { vector } from './vector'
import { memory16, put16 } from './vector-operand'
import { memory_vector, put_vector, vex_misaligned } from './vector-vex-operand'

// Alignment rules, as translate/vector-access.ts has them.
const ANY_ADDRESS: u32 = 0
const BY_MXCSR: u32 = 1
const ALIGNED: u32 = 2
/** MXCSR.MM */
const MISALIGNED_MASK: u32 = 1 << 17

/** True, with #GP(0) pending, where `la` may not be used. */
function refused(s: usize, la: u64, rule: u32): bool {
  if (!(la & 15) || rule == ANY_ADDRESS) return false
  if (rule == BY_MXCSR && load<u32>(s, MXCSR) & MISALIGNED_MASK) return false
  raise_error(s, GP, 0)
  return true
}

/** Address of the 16 bytes at `la`; 0: the instruction cannot be completed here. */
export function slow_load16(s: usize, la: u64, rule: u32): usize {
  return refused(s, la, rule) ? 0 : unless_troubled(s, memory16(s, la))
}

/** Stores the 16 bytes of VT1 at `la`. STORE_*. */
export function slow_store16(s: usize, la: u64, rule: u32): u32 {
  if (!refused(s, la, rule)) put16(s, la, s + VT1)
  return stored(s)
}

/** Address of the 32 bytes at `la`; 0: the instruction cannot be completed here. */
export function slow_load32(s: usize, la: u64, rule: u32): usize {
  return rule == ALIGNED && vex_misaligned(s, la, 32) ? 0 : unless_troubled(s, memory_vector(s, la, 32))
}

/** Stores the 32 bytes of VT1 at `la`. STORE_*. */
export function slow_store32(s: usize, la: u64, rule: u32): u32 {
  if (rule != ALIGNED || !vex_misaligned(s, la, 32)) put_vector(s, la, s + VT1, 32)
  return stored(s)
}

// What translated code wants to know of MXCSR, as translate/float-guards.ts has it.
const QUIET: u32 = 1
const TO_NEAREST: u32 = 2
/** Makes every answer of slow_float but a fault differ from zero. */
const DONE: u32 = 4
/** MXCSR.RC, PM and PE. */
const ROUNDING: u32 = 0x6000
const PM: u32 = 0x1000
const PE: u32 = 0x20

export function float_mode(s: usize): u32 {
  const mxcsr = load<u32>(s, MXCSR)
  const quiet: u32 = (mxcsr & (ROUNDING | PM | PE)) == (PM | PE) ? QUIET : 0
  return quiet | (mxcsr & ROUNDING ? 0 : TO_NEAREST)
}

/** Executes VEC record `rec`. 0 with a fault pending, else float_mode and DONE. */
export function slow_float(s: usize, rec: usize): u32 {
  return vector(s, rec) ? 0 : float_mode(s) | DONE
}
