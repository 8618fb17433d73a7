// What translated code calls for floating-point instructions whose result it cannot answer for (translate/float-guards.ts).

import { MXCSR } from '../state/layout'
import { vector } from './vector'

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
