// What translated code calls for floating-point instructions whose result it cannot answer for (translate/float-guards.ts).

import { FLOAT_QUIET, FLOAT_TO_NEAREST, MXCSR_PE, MXCSR_PM, MXCSR_ROUNDING } from '../ir/float-modes'
import { MXCSR } from '../state/layout'
import { vector } from './vector'

/** Makes every answer of slow_float but a fault differ from zero. */
const DONE: u32 = 4

/** FLOAT_* of MXCSR as it is now. */
function float_mode(s: usize): u32 {
  const mxcsr = load<u32>(s, MXCSR)
  const quiet: u32 = (mxcsr & (MXCSR_ROUNDING | MXCSR_PM | MXCSR_PE)) == (MXCSR_PM | MXCSR_PE) ? FLOAT_QUIET : 0
  return quiet | (mxcsr & MXCSR_ROUNDING ? 0 : FLOAT_TO_NEAREST)
}

/** Executes VEC record `rec`. 0 with a fault pending, else float_mode and DONE. */
export function slow_float(s: usize, rec: usize): u32 {
  return vector(s, rec) ? 0 : float_mode(s) | DONE
}
