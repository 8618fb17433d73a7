// Arithmetic and comparison (AMD64 APM vol. 5: FADD, FSUB, FSUBR, FMUL, FDIV, FDIVR and their I and P forms, FCOM, FUCOM, FCOMI, FUCOMI, FTST, FXAM).

import { R_FAULT, R_NEXT } from '../ir/results'
import {
  X87_ARITH_I16, X87_ARITH_I32, X87_ARITH_M32, X87_ARITH_M64, X87_ARITH_ST0, X87_ARITH_STI_POP, X87_FCOMI, X87_FCOMIP, X87_FCOM_STI, X87_FCOMP_STI, X87_FCOMPP,
  X87_FUCOMIP, X87_FUCOMP, X87_FUCOMPP,
} from '../ir/x87-ids'
import { T0 } from '../state/layout'
import { faulted, rec_d, rec_imm2 } from './fault'
import { set_arith } from './flags'
import { load16, load32, load64 } from './memory'
import { f80_add, f80_b, f80_b_f32, f80_b_f64, f80_b_int, f80_compare, f80_div, f80_mul, f80_swap } from './softfloat-f80'
import {
  commit_flags, finish_into, load_a, load_b, pop, set_codes, st_empty, st_se, st_sig, stack_fault, status, stopped, SW_C0, SW_C1, SW_C2, SW_C3, underflow_into, x87_begin,
} from './x87-stack'

const CODES: u32 = SW_C0 | SW_C2 | SW_C3

/** z = A op B by ModRM.reg. */
function compute(op: u32): void {
  if (op == 0) f80_add(0)
  else if (op == 1) f80_mul()
  else if (op == 4) f80_add(1)
  else if (op == 5) {
    f80_swap()
    f80_add(1)
  } else if (op == 6) f80_div()
  else {
    f80_swap()
    f80_div()
  }
}

/** Compares A and B into C3, C2, C0, which are set even where an unmasked exception keeps the operands on the stack. */
function compare_codes(s: usize, signal: bool, pops: u32): u32 {
  const order = f80_compare(signal)
  commit_flags(s)
  set_codes(s, order == 2 ? CODES : order == 0 ? SW_C3 : order < 0 ? SW_C0 : 0, CODES)
  if (stopped()) return R_NEXT
  for (let i: u32 = 0; i < pops; i++) pop(s)
  return R_NEXT
}

function underflow_codes(s: usize, pops: u32): u32 {
  const masked = stack_fault(s, false)
  set_codes(s, CODES, CODES)
  if (!masked) return R_NEXT
  for (let i: u32 = 0; i < pops; i++) pop(s)
  return R_NEXT
}

/** Forms with a memory operand: ST(0) op memory. */
export function x87_arith_memory(s: usize, rec: usize, id: i32): u32 {
  const op = (<u32>rec_imm2(rec) >> 3) & 7
  const la = load<u64>(s, T0)
  const v = id == X87_ARITH_M64 ? load64(s, la) : id == X87_ARITH_I16 ? load16(s, la) : load32(s, la)
  if (faulted(s)) return R_FAULT

  const compares = op == 2 || op == 3
  if (st_empty(s, 0)) return compares ? underflow_codes(s, op & 1) : underflow_into(s, 0, false)
  x87_begin(s)
  load_a(s, 0)
  if (id == X87_ARITH_M32) f80_b_f32(<u32>v)
  else if (id == X87_ARITH_M64) f80_b_f64(v)
  else if (id == X87_ARITH_I32) f80_b_int(<i64>(<i32>v))
  else f80_b_int(<i64>(<i16>v))
  if (compares) return compare_codes(s, true, op & 1)
  compute(op)
  return finish_into(s, 0, false)
}

/** Forms with two registers. In DC and DE the destination is ST(i) and the reversed forms stand crosswise. */
export function x87_arith_registers(s: usize, rec: usize, id: i32): u32 {
  const i = rec_d(rec) & 7
  const op = (<u32>rec_imm2(rec) >> 3) & 7
  const to = id == X87_ARITH_ST0 ? 0 : i
  const pops = id == X87_ARITH_STI_POP
  if (st_empty(s, 0) || st_empty(s, i)) return underflow_into(s, to, pops)
  x87_begin(s)
  load_a(s, 0)
  load_b(s, i)
  // with ST(i) as destination, /4 computes ST(0) - ST(i) and /5 ST(i) - ST(0): in terms of A = ST(0) the same as in D8
  compute(op)
  return finish_into(s, to, pops)
}

export function x87_compare(s: usize, rec: usize, id: i32): u32 {
  const both = id == X87_FCOMPP || id == X87_FUCOMPP
  const i = both ? 1 : rec_d(rec) & 7
  const pops: u32 = both ? 2 : u32(id == X87_FCOMP_STI || id == X87_FUCOMP)
  if (st_empty(s, 0) || st_empty(s, i)) return underflow_codes(s, pops)
  x87_begin(s)
  load_a(s, 0)
  load_b(s, i)
  return compare_codes(s, id == X87_FCOM_STI || id == X87_FCOMP_STI || id == X87_FCOMPP, pops)
}

/** FCOMI and relatives: ZF, PF, CF; the other arithmetic flags become zero. C1 is left alone but by a stack fault. */
export function x87_compare_flags(s: usize, rec: usize, id: i32): u32 {
  const i = rec_d(rec) & 7
  const pops = id == X87_FCOMIP || id == X87_FUCOMIP
  let order = 2
  let goes_on: bool
  if (st_empty(s, 0) || st_empty(s, i)) goes_on = stack_fault(s, false)
  else {
    x87_begin(s)
    load_a(s, 0)
    load_b(s, i)
    order = f80_compare(id == X87_FCOMI || id == X87_FCOMIP)
    const c1 = status(s) & SW_C1
    commit_flags(s)
    set_codes(s, c1, SW_C1)
    goes_on = !stopped()
  }
  set_arith(s, u64(order == 2 || order < 0), u64(order == 2), 0, u64(order == 2 || order == 0), 0, 0)
  if (pops && goes_on) pop(s)
  return R_NEXT
}

export function x87_ftst(s: usize): u32 {
  if (st_empty(s, 0)) return underflow_codes(s, 0)
  x87_begin(s)
  load_a(s, 0)
  f80_b(0, 0)
  return compare_codes(s, true, 0)
}

/** FXAM: class of ST(0) in C3 C2 C0, its sign in C1. */
export function x87_fxam(s: usize): u32 {
  const se = st_se(s, 0)
  const sig = st_sig(s, 0)
  const e = se & 0x7fff
  let c: u32
  if (st_empty(s, 0)) c = SW_C3 | SW_C0
  else if (!e) c = sig ? SW_C3 | SW_C2 : SW_C3
  else if (<i64>sig >= 0) c = 0
  else if (e != 0x7fff) c = SW_C2
  else c = sig == 0x8000000000000000 ? SW_C2 | SW_C0 : SW_C0
  set_codes(s, c | (se & 0x8000 ? SW_C1 : 0), CODES | SW_C1)
  return R_NEXT
}
