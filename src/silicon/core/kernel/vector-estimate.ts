// RCPPS, RCPSS, RSQRTPS, RSQRTSS (AMD64 APM vol. 4): estimates with a relative error of at most 1.5 * 2^-12 and no exceptions. The manual leaves the
// digits to the model. Here: twelve fraction bits of the operand count, the middle of what they stand for is computed and rounded to twelve bits.
// Denormal operands count as zero, denormal results become zero, whatever MXCSR says.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { VT1 } from '../state/layout'
import { faulted } from './fault'
import { source16, source32, xmm_d } from './vector-operand'

const INFINITY: u32 = 0x7f800000
const QUIET: u32 = 0x00400000
const DEFAULT_NAN: u32 = 0xffc00000

/** Middle of the values that share the upper twelve fraction bits of a. */
// @ts-ignore: decorator
@inline
function middle(a: u32): f32 {
  return reinterpret<f32>((a & 0xfffff800) | 0x400)
}
// @ts-ignore: decorator
@inline
function rounded(value: f32): u32 {
  const bits = reinterpret<u32>(value)
  return (bits & INFINITY) == 0 ? bits & 0x80000000 : (bits + 0x400) & 0xfffff800
}

function reciprocal(a: u32): u32 {
  const sign = a & 0x80000000
  const magnitude = a & 0x7fffffff
  if (magnitude > INFINITY) return a | QUIET
  if (magnitude == INFINITY) return sign
  if (magnitude < 0x00800000) return sign | INFINITY
  return rounded(<f32>1 / middle(a))
}

function reciprocal_root(a: u32): u32 {
  const magnitude = a & 0x7fffffff
  if (magnitude > INFINITY) return a | QUIET
  if (magnitude < 0x00800000) return (a & 0x80000000) | INFINITY
  if (a != magnitude) return DEFAULT_NAN
  if (a == INFINITY) return 0
  return rounded(<f32>1 / sqrt<f32>(middle(a)))
}

/** One estimate: of the reciprocal, or of that of the square root. */
export function estimate(a: u32, root: bool): u32 {
  return root ? reciprocal_root(a) : reciprocal(a)
}

/** RCPSS, RSQRTSS: the rest of the register comes from `first`. */
export function approximate_scalar(s: usize, rec: usize, root: bool, first: usize): u32 {
  const a = <u32>source32(s, rec)
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  v128.store(d, v128.load(first))
  store<u32>(d, estimate(a, root))
  return R_NEXT
}

export function approximate(s: usize, rec: usize, id: i32): u32 {
  const root = id == V.V_RSQRTPS || id == V.V_RSQRTSS
  const d = xmm_d(s, rec)
  if (id == V.V_RCPSS || id == V.V_RSQRTSS) return approximate_scalar(s, rec, root, d)
  const p = source16(s, rec)
  if (!p) return R_FAULT
  for (let i: u32 = 0; i < 16; i += 4) {
    store<u32>(s + VT1 + i, estimate(load<u32>(p + i), root))
  }
  v128.store(d, v128.load(s + VT1))
  return R_NEXT
}
