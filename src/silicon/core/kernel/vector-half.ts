// F16C (AMD64 APM vol. 4, VCVTPH2PS and VCVTPS2PH).

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { VT1 } from '../state/layout'
import { faulted } from './fault'
import { probe_write, store64, write_hit } from './memory'
import { f16_to_f32, f32_to_f16 } from './softfloat-half'
import { float_begin, float_faults } from './vector-float'
import { address, in_memory, xmm_a, xmm_d } from './vector-operand'
import { immediate, put_vector, set_short, vector_bytes, vex_source } from './vector-vex-operand'
import { finish_vector } from './vector-vex-float'

function to_single(s: usize, rec: usize): u32 {
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes >> 1)
  if (!p) return R_FAULT
  float_begin(s)
  for (let i: u32 = 0; i < bytes; i += 4) store<u32>(s + VT1 + i, f16_to_f32(load<u16>(p + (i >> 1))))
  return finish_vector(s, rec, bytes)
}

/** Imm bits 1:0 are the rounding mode, or bit 2 takes that of MXCSR. */
function to_half(s: usize, rec: usize): u32 {
  const bytes = vector_bytes(rec)
  const from = xmm_d(s, rec)
  const at = s + VT1
  const imm = immediate(rec)
  // The store is asked for before flags are left in MXCSR.
  if (in_memory(rec) && !write_hit(s, address(s), bytes >> 1) && !probe_write(s, address(s), bytes >> 1)) return R_FAULT

  float_begin(s)
  store<u64>(at, 0, 8)
  for (let i: u32 = 0; i < bytes; i += 4) store<u16>(at + (i >> 1), <u16>f32_to_f16(load<u32>(from + i), imm))
  if (float_faults(s)) return R_FAULT
  if (!in_memory(rec)) {
    set_short(xmm_a(s, rec), v128.load(at))
    return R_NEXT
  }
  if (bytes == 32) put_vector(s, address(s), at, 16)
  else store64(s, address(s), load<u64>(at))
  return faulted(s) ? R_FAULT : R_NEXT
}

export function half(s: usize, rec: usize, id: i32): u32 {
  return id == V.V_VCVTPH2PS ? to_single(s, rec) : to_half(s, rec)
}
