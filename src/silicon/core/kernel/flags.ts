// RFLAGS: the six arithmetic flags stand in lazy form in FLAG_RES and FLAG_AUX (state/layout.ts), the others in EFLAGS.

import { DR7, EFLAGS, EVENT_INTERRUPT, EVENT_SINGLE_STEP, EVENTS, FLAG_AUX, FLAG_RES } from '../state/layout'
import { DEBUG_RESUME } from '../state/system-layout'
import { FLAG_AC, FLAG_FIXED, FLAG_IF, FLAG_RF, FLAG_TF, FLAG_VM, FLAGS_ALL, FLAGS_ARITHMETIC } from '../../../spec/x86/flags'
import { update_context, update_mode } from './mode'

/** RFLAGS as software sees it (APM vol. 2, section 3.1.6). */
export function get_flags(s: usize): u64 {
  const result = load<u64>(s, FLAG_RES)
  const aux = load<u64>(s, FLAG_AUX)
  const carry = aux >> 63
  const overflow = carry ^ ((aux >> 62) & 1)
  const sign = (result >> 63) ^ (aux & 1)
  const even = ~popcnt<u32>((<u32>result ^ <u32>(aux >> 8)) & 0xff) & 1
  const low = carry | (<u64>even << 2) | ((aux & 8) << 1) | (<u64>(result == 0) << 6) | (sign << 7) | (overflow << 11)
  return <u64>load<u32>(s, EFLAGS) | low
}

/** Sets the arithmetic flags; each argument is 0 or 1. */
export function set_arith(s: usize, cf: u64, pf: u64, af: u64, zf: u64, sf: u64, ov: u64): void {
  // A zero result has even parity and a clear sign, a result of one odd parity and a clear sign: the rest is in FLAG_AUX.
  store<u64>(s, zf ^ 1, FLAG_RES)
  store<u64>(s, (cf << 63) | ((cf ^ ov) << 62) | ((zf ^ pf) << 8) | (af << 3) | sf, FLAG_AUX)
}

/** Takes the bits of `mask` from `value`; others stay. Bits that do not exist stay zero. Keeps EVENTS and MODE right. */
export function set_flags(s: usize, value: u64, mask: u64): void {
  const arithmetic = <u64>FLAGS_ARITHMETIC
  const rest = <u64>FLAGS_ALL & ~arithmetic
  if (mask & arithmetic) {
    const bits = (get_flags(s) & ~mask) | (value & mask)
    set_arith(s, bits & 1, (bits >> 2) & 1, (bits >> 4) & 1, (bits >> 6) & 1, (bits >> 7) & 1, (bits >> 11) & 1)
  }
  const was = load<u32>(s, EFLAGS)
  let now = (was & ~<u32>(mask & rest)) | <u32>(value & mask & rest) | FLAG_FIXED
  // RF can be seen by an enabled breakpoint only; otherwise it would have to be cleared after every instruction.
  if (!(load<u64>(s, DR7) & 0xff)) now &= ~<u32>FLAG_RF
  if (mask & value & FLAG_RF) store<u32>(s, 0, DEBUG_RESUME)
  store<u32>(s, now, EFLAGS)
  const changed = was ^ now
  if (changed & FLAG_TF) {
    const events = load<u32>(s, EVENTS)
    store<u32>(s, now & FLAG_TF ? events | EVENT_SINGLE_STEP : events & ~EVENT_SINGLE_STEP, EVENTS)
  }
  if (changed & (FLAG_VM | FLAG_TF)) update_mode(s)
  else if (changed & FLAG_AC) update_context(s)
  if (changed & now & FLAG_IF) store<u32>(s, load<u32>(s, EVENTS) | EVENT_INTERRUPT, EVENTS)
}
