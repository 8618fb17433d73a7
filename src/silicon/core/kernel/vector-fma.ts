// FMA3 (AMD64 APM vol. 4, VFMADDPD and its kin). Ids: order * 32 + operation * 4 + shape; see vector-ids.ts.

import { R_FAULT, R_NEXT } from '../ir/results'
import { VT1 } from '../state/layout'
import { faulted } from './fault'
import { f32_fma, f64_fma } from './softfloat-fma'
import { float_begin, float_faults } from './vector-float'
import { source32, source64, xmm_d } from './vector-operand'
import { clear_upper, vector_bytes, vex_source, xmm_v } from './vector-vex-operand'
import { finish_vector } from './vector-vex-float'

// Operations: MADD, MSUB, NMADD, NMSUB, MADDSUB, MSUBADD.
const ALTERNATING: u32 = 4
const SCALAR: u32 = 2

/** Which operands are x, y and z of x × y + z: the first (destination), second (VEX.vvvv) and third (ModRM.rm). */
const ORDER_132: u32 = 0
const ORDER_213: u32 = 1

// @ts-ignore: decorator
@inline
function negates_product(op: u32): u32 {
  return u32(op == 2 || op == 3)
}
/** MADDSUB subtracts in even lanes, MSUBADD in odd ones. */
// @ts-ignore: decorator
@inline
function negates_addend(op: u32, odd: u32): u32 {
  return op >= ALTERNATING ? u32((op == ALTERNATING) == !odd) : op & 1
}

// @ts-ignore: decorator
@inline
function single(order: u32, op: u32, odd: u32, first: u32, second: u32, third: u32): u32 {
  const p = negates_product(op)
  const a = negates_addend(op, odd)
  if (order == ORDER_132) return f32_fma(first, third, second, p, a)
  if (order == ORDER_213) return f32_fma(second, first, third, p, a)
  return f32_fma(second, third, first, p, a)
}
// @ts-ignore: decorator
@inline
function double(order: u32, op: u32, odd: u32, first: u64, second: u64, third: u64): u64 {
  const p = negates_product(op)
  const a = negates_addend(op, odd)
  if (order == ORDER_132) return f64_fma(first, third, second, p, a)
  if (order == ORDER_213) return f64_fma(second, first, third, p, a)
  return f64_fma(second, third, first, p, a)
}

function scalar(s: usize, rec: usize, order: u32, op: u32, doubles: bool): u32 {
  const third = doubles ? source64(s, rec) : source32(s, rec)
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  const second = xmm_v(s, rec)
  float_begin(s)
  if (doubles) {
    const result = double(order, op, 0, load<u64>(d), load<u64>(second), third)
    if (float_faults(s)) return R_FAULT
    store<u64>(d, result)
  } else {
    const result = single(order, op, 0, load<u32>(d), load<u32>(second), <u32>third)
    if (float_faults(s)) return R_FAULT
    store<u32>(d, result)
  }
  clear_upper(d)
  return R_NEXT
}

export function fused(s: usize, rec: usize, id: u32): u32 {
  const order = id >> 5
  const op = (id >> 2) & 7
  const shape = id & 3
  if (shape >= SCALAR) return scalar(s, rec, order, op, shape != SCALAR)
  const bytes = vector_bytes(rec)
  const p = vex_source(s, rec, bytes)
  if (!p) return R_FAULT
  const d = xmm_d(s, rec)
  const v = xmm_v(s, rec)
  const at = s + VT1
  float_begin(s)
  if (shape) {
    for (let i: u32 = 0; i < bytes; i += 8) {
      store<u64>(at + i, double(order, op, (i >> 3) & 1, load<u64>(d + i), load<u64>(v + i), load<u64>(p + i)))
    }
  } else {
    for (let i: u32 = 0; i < bytes; i += 4) {
      store<u32>(at + i, single(order, op, (i >> 2) & 1, load<u32>(d + i), load<u32>(v + i), load<u32>(p + i)))
    }
  }
  return finish_vector(s, rec, bytes)
}
