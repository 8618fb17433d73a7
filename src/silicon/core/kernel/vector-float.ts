// Floating-point arithmetic of SSE to SSE4.1 (AMD64 APM vol. 4 under each name; vol. 1, section 4.7 and 4.10 "SIMD Floating-Point Exceptions").
// Lanes are computed by softfloat into VT1; flags of all lanes go to MXCSR; the result is written when no unmasked exception arose.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { CR4, MXCSR, VT1 } from '../state/layout'
import { faulted, raise, rec_imm2, UD, XF } from './fault'
import { set_arith } from './flags'
import {
  f32_add, f32_compare, f32_compare_quiet, f32_div, f32_max, f32_min, f32_mul, f32_round_to_int, f32_sqrt, f32_sub,
  f64_add, f64_compare, f64_compare_quiet, f64_div, f64_max, f64_min, f64_mul, f64_round_to_int, f64_sqrt, f64_sub,
} from './softfloat'
import { sf_begin, sf_flags } from './softfloat-state'
import { approximate } from './vector-estimate'
import { holds, quick_double, quick_single } from './vector-float-quick'
import { source16, source32, source64, xmm_d } from './vector-operand'

/** CR4.OSXMMEXCPT: unmasked exceptions raise #XF, else #UD. */
const OSXMMEXCPT: u32 = 1 << 10
/** Exceptions found before a result is computed: IE, DE, ZE. */
const BEFORE: u32 = 7

/** Operation number of CMPPS. */
const CMP: u32 = 7
const PACKED_SINGLE: i32 = 0
const SCALAR_SINGLE: i32 = 2

/**
 * Starts an operation. Of the sticky flags only masked ones are carried in (they let softfloat take its quick path), so that what is unmasked
 * in the end arose in this instruction.
 */
// @ts-ignore: decorator
@inline
export function float_begin(s: usize): void {
  const mxcsr = load<u32>(s, MXCSR)
  sf_begin(mxcsr & (~0x3f | (mxcsr >> 7)))
}

/** Takes the flags into MXCSR. True, with #XF or #UD pending, where one of them is unmasked: nothing may be written then. */
// @ts-ignore: decorator
@inline
export function float_faults(s: usize): bool {
  const mxcsr = load<u32>(s, MXCSR)
  if ((sf_flags & ~mxcsr) | (sf_flags & ~(mxcsr >> 7))) return float_flags(s, mxcsr)
  return false
}

function float_flags(s: usize, mxcsr: u32): bool {
  const masks = (mxcsr >> 7) & 0x3f
  // An unmasked exception of the first kind stops the instruction before the second kind can arise.
  const flags = sf_flags & BEFORE & ~masks ? sf_flags & BEFORE : sf_flags
  store<u32>(s, mxcsr | flags, MXCSR)
  if (!(flags & ~masks)) return false
  raise(s, load<u32>(s, CR4) & OSXMMEXCPT ? XF : UD)
  return true
}

/** CMPccPS and its kin: the predicates that signal for every NaN. */
// @ts-ignore: decorator
@inline
function signals(predicate: u32): bool {
  return (((<u32>0x6666 >> (predicate & 15)) & 1) ^ ((predicate >> 4) & 1)) != 0
}
/** Legacy forms have the first eight predicates. */
const LEGACY_PREDICATES: u32 = 7

/** Operation number (id - V_ADDPS) / 4 on one lane. */
function single(op: u32, a: u32, b: u32, imm: u32): u32 {
  switch (op) {
    case 0: return f32_add(a, b)
    case 1: return f32_mul(a, b)
    case 2: return f32_sub(a, b)
    case 3: return f32_min(a, b)
    case 4: return f32_div(a, b)
    case 5: return f32_max(a, b)
    case 6: return f32_sqrt(b)
    case 7: return holds(imm, signals(imm) ? f32_compare(a, b) : f32_compare_quiet(a, b)) ? 0xffffffff : 0
    default: return f32_round_to_int(b, imm)
  }
}
function double(op: u32, a: u64, b: u64, imm: u32): u64 {
  switch (op) {
    case 0: return f64_add(a, b)
    case 1: return f64_mul(a, b)
    case 2: return f64_sub(a, b)
    case 3: return f64_min(a, b)
    case 4: return f64_div(a, b)
    case 5: return f64_max(a, b)
    case 6: return f64_sqrt(b)
    case 7: return holds(imm, signals(imm) ? f64_compare(a, b) : f64_compare_quiet(a, b)) ? ~(<u64>0) : 0
    default: return f64_round_to_int(b, imm)
  }
}

/** Writes the lanes gathered in VT1 unless an exception is due. */
function finish(s: usize, d: usize): u32 {
  if (float_faults(s)) return R_FAULT
  v128.store(d, v128.load(s + VT1))
  return R_NEXT
}

/** Operation `op` on the 16 bytes at a and b, singles or doubles, into `at`. */
export function packed_arithmetic(at: usize, op: u32, doubles: bool, a: usize, b: usize, imm: u32): void {
  if (doubles) {
    if (quick_double(at, op, v128.load(a), v128.load(b), imm)) return
    const low = double(op, load<u64>(a), load<u64>(b), imm)
    store<u64>(at, double(op, load<u64>(a, 8), load<u64>(b, 8), imm), 8)
    store<u64>(at, low)
    return
  }
  if (quick_single(at, op, v128.load(a), v128.load(b), imm)) return
  for (let i: u32 = 0; i < 16; i += 4) store<u32>(at + i, single(op, load<u32>(a + i), load<u32>(b + i), imm))
}

// @ts-ignore: decorator
@inline
function legacy_immediate(rec: usize, op: u32): u32 {
  return <u32>rec_imm2(rec) & (op == CMP ? LEGACY_PREDICATES : 0xff)
}

export function arithmetic(s: usize, rec: usize, id: i32): u32 {
  const op = (id - V.V_ADDPS) >> 2
  const shape = (id - V.V_ADDPS) & 3
  const d = xmm_d(s, rec)
  const imm = legacy_immediate(rec, op)
  if (shape >= SCALAR_SINGLE) return arithmetic_scalar(s, rec, op, shape != SCALAR_SINGLE, d, imm)
  const p = source16(s, rec)
  if (!p) return R_FAULT
  float_begin(s)
  packed_arithmetic(s + VT1, op, shape != PACKED_SINGLE, d, p, imm)
  return finish(s, d)
}

/** The scalar forms: `first` is the first operand, of which the upper bits go to the destination as well. */
export function arithmetic_scalar(s: usize, rec: usize, op: u32, doubles: bool, first: usize, imm: u32): u32 {
  const source = doubles ? source64(s, rec) : source32(s, rec)
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  float_begin(s)
  if (doubles) {
    const result = double(op, load<u64>(first), source, imm)
    if (float_faults(s)) return R_FAULT
    v128.store(d, v128.load(first))
    store<u64>(d, result)
  } else {
    const result = single(op, load<u32>(first), <u32>source, imm)
    if (float_faults(s)) return R_FAULT
    v128.store(d, v128.load(first))
    store<u32>(d, result)
  }
  return R_NEXT
}

/** COMISS, UCOMISS and the double forms: ZF PF CF = 111 unordered, 001 less, 100 equal, 000 greater. */
export function compare(s: usize, rec: usize, id: i32): u32 {
  const wide = id == V.V_UCOMISD || id == V.V_COMISD
  const source = wide ? source64(s, rec) : source32(s, rec)
  if (faulted(s)) return R_FAULT
  const d = xmm_d(s, rec)
  float_begin(s)
  let order: i32
  if (id == V.V_UCOMISS) order = f32_compare_quiet(load<u32>(d), <u32>source)
  else if (id == V.V_UCOMISD) order = f64_compare_quiet(load<u64>(d), source)
  else if (id == V.V_COMISS) order = f32_compare(load<u32>(d), <u32>source)
  else order = f64_compare(load<u64>(d), source)
  if (float_faults(s)) return R_FAULT
  set_arith(s, u64(order == 2 || order < 0), u64(order == 2), 0, u64(order == 2 || order == 0), 0, 0)
  return R_NEXT
}

// @ts-ignore: decorator
@inline
function sum_single(a: u32, b: u32, subtract: bool): u32 {
  return subtract ? f32_sub(a, b) : f32_add(a, b)
}
// @ts-ignore: decorator
@inline
function sum_double(a: u64, b: u64, subtract: bool): u64 {
  return subtract ? f64_sub(a, b) : f64_add(a, b)
}

/** HADDPS, HSUBPS: neighbours of a, then of the source. */
function horizontal_single(at: usize, a: usize, p: usize, subtract: bool): void {
  store<u32>(at, sum_single(load<u32>(a), load<u32>(a, 4), subtract))
  store<u32>(at, sum_single(load<u32>(a, 8), load<u32>(a, 12), subtract), 4)
  store<u32>(at, sum_single(load<u32>(p), load<u32>(p, 4), subtract), 8)
  store<u32>(at, sum_single(load<u32>(p, 8), load<u32>(p, 12), subtract), 12)
}
function horizontal_double(at: usize, a: usize, p: usize, subtract: bool): void {
  store<u64>(at, sum_double(load<u64>(a), load<u64>(a, 8), subtract))
  store<u64>(at, sum_double(load<u64>(p), load<u64>(p, 8), subtract), 8)
}
/** ADDSUBPS, ADDSUBPD: even lanes subtract, odd ones add. */
function alternating_single(at: usize, a: usize, p: usize): void {
  for (let i: u32 = 0; i < 16; i += 4) store<u32>(at + i, sum_single(load<u32>(a + i), load<u32>(p + i), !(i & 4)))
}
function alternating_double(at: usize, a: usize, p: usize): void {
  store<u64>(at, f64_sub(load<u64>(a), load<u64>(p)))
  store<u64>(at, f64_add(load<u64>(a, 8), load<u64>(p, 8)), 8)
}

/** DPPS: products of the lanes in imm 7:4 (others +0), added pairwise, written to the lanes in imm 3:0 (others +0). Each step in all `bytes`. */
function dot_single(s: usize, a: usize, p: usize, imm: u32, bytes: u32): void {
  const at = s + VT1
  for (let i: u32 = 0; i < bytes; i += 4) {
    store<u32>(at + i, (imm >> (((i >> 2) & 3) + 4)) & 1 ? f32_mul(load<u32>(a + i), load<u32>(p + i)) : 0)
  }
  if (step_faults(s)) return
  for (let i: u32 = 0; i < bytes; i += 8) store<u32>(at + i, f32_add(load<u32>(at + i), load<u32>(at + i, 4)))
  if (step_faults(s)) return
  for (let h: u32 = 0; h < bytes; h += 16) {
    const sum = f32_add(load<u32>(at + h), load<u32>(at + h, 8))
    for (let i: u32 = 0; i < 4; i++) store<u32>(at + h + i * 4, (imm >> i) & 1 ? sum : 0)
  }
}
function dot_double(s: usize, a: usize, p: usize, imm: u32): void {
  const at = s + VT1
  const low = imm & 16 ? f64_mul(load<u64>(a), load<u64>(p)) : 0
  const high = imm & 32 ? f64_mul(load<u64>(a, 8), load<u64>(p, 8)) : 0
  if (step_faults(s)) return
  const sum = f64_add(low, high)
  store<u64>(at, imm & 1 ? sum : 0)
  store<u64>(at, imm & 2 ? sum : 0, 8)
}
/** True where a step has left an unmasked exception: later steps are not taken. What a finished step has flagged stays flagged. */
function step_faults(s: usize): bool {
  const mxcsr = load<u32>(s, MXCSR)
  if (sf_flags & ~(mxcsr >> 7)) return true
  store<u32>(s, mxcsr | sf_flags, MXCSR)
  return false
}

/** HADDPS … DPPD on `bytes` at a and p, half by half, into VT1. */
export function across_lanes(s: usize, id: i32, a: usize, p: usize, imm: u32, bytes: u32): void {
  if (id == V.V_DPPS) return dot_single(s, a, p, imm, bytes)
  if (id == V.V_DPPD) return dot_double(s, a, p, imm)
  for (let h: usize = 0; h < bytes; h += 16) {
    const at = s + VT1 + h
    switch (id) {
      case V.V_HADDPS: horizontal_single(at, a + h, p + h, false); break
      case V.V_HADDPD: horizontal_double(at, a + h, p + h, false); break
      case V.V_HSUBPS: horizontal_single(at, a + h, p + h, true); break
      case V.V_HSUBPD: horizontal_double(at, a + h, p + h, true); break
      case V.V_ADDSUBPS: alternating_single(at, a + h, p + h); break
      default: alternating_double(at, a + h, p + h); break
    }
  }
}

function lanes(s: usize, rec: usize, id: i32): u32 {
  const p = source16(s, rec)
  if (!p) return R_FAULT
  const d = xmm_d(s, rec)
  float_begin(s)
  across_lanes(s, id, d, p, <u32>rec_imm2(rec), 16)
  return finish(s, d)
}

export function float(s: usize, rec: usize, id: i32): u32 {
  if (id <= V.V_COMISD) return compare(s, rec, id)
  if (id < V.V_RCPPS) return lanes(s, rec, id)
  return approximate(s, rec, id)
}
