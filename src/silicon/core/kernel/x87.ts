// x87: the entry (docs/core.md, "Helper records"). #NM by CR0 is the lowering's business, but for WAIT; #MF is checked here.

import { R_NEXT } from '../ir/results'
import { CR0 } from '../state/layout'
import * as id from '../ir/x87-ids'
import { MF, NM, raise, rec_imm16 } from './fault'
import { x87_arith_memory, x87_arith_registers, x87_compare, x87_compare_flags, x87_ftst, x87_fxam } from './x87-arith'
import {
  x87_clear_exceptions, x87_init, x87_load_control, x87_load_environment, x87_restore, x87_save, x87_store_control, x87_store_environment, x87_store_status,
  x87_store_status_ax,
} from './x87-image'
import { x87_extract, x87_remainder, x87_round, x87_scale, x87_sqrt } from './x87-math'
import {
  x87_constant, x87_exchange, x87_free, x87_load_decimal, x87_load_extended, x87_load_float, x87_load_int, x87_load_register, x87_move_if, x87_sign,
  x87_store_decimal, x87_store_extended, x87_store_float, x87_store_int, x87_store_register, x87_turn,
} from './x87-move'
import { status, SW_ES, x87_pointers } from './x87-stack'
import { x87_2xm1, x87_atan, x87_sine, x87_tangent, x87_yl2x, x87_yl2xp1 } from './x87-transcendental'

export { x87_full_tags, x87_init } from './x87-image'
export { x87_update_es } from './x87-stack'

/** Executes the X87 record at `rec`. A pending unmasked exception is raised first, except by instructions that do not wait. (With CR0.NE = 0 it is #MF too.) */
export function x87(s: usize, rec: usize): u32 {
  const n: i32 = rec_imm16(rec)
  // WAIT: #NM where CR0.MP and CR0.TS are both set (AMD64 APM vol. 2, section 3.1.1)
  if (n == id.X87_FWAIT && (load<u32>(s, CR0) & 10) == 10) return raise(s, NM)
  if (n < id.X87_FNSTCW && status(s) & SW_ES) return raise(s, MF)
  if (n >= id.X87_FLDCW) return control_instruction(s, rec, n)
  if (n == id.X87_FWAIT) return R_NEXT
  const r = n < id.X87_FLD_M32 ? arithmetic(s, rec, n) : n < id.X87_FCHS ? move(s, rec, n) : mathematics(s, rec, n)
  if (r == R_NEXT) x87_pointers(s, rec)
  return r
}

function control_instruction(s: usize, rec: usize, n: i32): u32 {
  switch (n) {
    case id.X87_FLDCW:
      return x87_load_control(s)
    case id.X87_FLDENV:
      return x87_load_environment(s, rec)
    case id.X87_FRSTOR:
      return x87_restore(s, rec)
    case id.X87_FNSTCW:
      return x87_store_control(s)
    case id.X87_FNSTSW:
      return x87_store_status(s)
    case id.X87_FNSTSW_AX:
      return x87_store_status_ax(s)
    case id.X87_FNSTENV:
      return x87_store_environment(s, rec)
    case id.X87_FNSAVE:
      return x87_save(s, rec)
    case id.X87_FNCLEX:
      return x87_clear_exceptions(s)
    case id.X87_FNINIT:
      return x87_init(s)
    default:
      return R_NEXT
  }
}

function arithmetic(s: usize, rec: usize, n: i32): u32 {
  if (n <= id.X87_ARITH_I32) return x87_arith_memory(s, rec, n)
  if (n <= id.X87_ARITH_STI_POP) return x87_arith_registers(s, rec, n)
  if (n <= id.X87_FUCOMPP) return x87_compare(s, rec, n)
  if (n <= id.X87_FUCOMIP) return x87_compare_flags(s, rec, n)
  return x87_move_if(s, rec)
}

function move(s: usize, rec: usize, n: i32): u32 {
  switch (n) {
    case id.X87_FLD_M32:
    case id.X87_FLD_M64:
      return x87_load_float(s, n)
    case id.X87_FLD_M80:
      return x87_load_extended(s)
    case id.X87_FLD_STI:
      return x87_load_register(s, rec)
    case id.X87_FILD_16:
    case id.X87_FILD_32:
    case id.X87_FILD_64:
      return x87_load_int(s, n)
    case id.X87_FBLD:
      return x87_load_decimal(s)
    case id.X87_FST_M32:
    case id.X87_FSTP_M32:
    case id.X87_FST_M64:
    case id.X87_FSTP_M64:
      return x87_store_float(s, n)
    case id.X87_FSTP_M80:
      return x87_store_extended(s)
    case id.X87_FST_STI:
    case id.X87_FSTP_STI:
    case id.X87_FSTPNCE:
      return x87_store_register(s, rec, n)
    case id.X87_FBSTP:
      return x87_store_decimal(s)
    case id.X87_FXCH:
      return x87_exchange(s, rec)
    case id.X87_FFREE:
      return x87_free(s, rec, false)
    case id.X87_FFREEP:
      return x87_free(s, rec, true)
    case id.X87_FINCSTP:
      return x87_turn(s, 1)
    case id.X87_FDECSTP:
      return x87_turn(s, 7)
    case id.X87_FNOP:
      return R_NEXT
    default:
      return x87_store_int(s, n)
  }
}

function mathematics(s: usize, rec: usize, n: i32): u32 {
  switch (n) {
    case id.X87_FCHS:
      return x87_sign(s, true)
    case id.X87_FABS:
      return x87_sign(s, false)
    case id.X87_FTST:
      return x87_ftst(s)
    case id.X87_FXAM:
      return x87_fxam(s)
    case id.X87_CONSTANT:
      return x87_constant(s, rec)
    case id.X87_FSQRT:
      return x87_sqrt(s)
    case id.X87_FSCALE:
      return x87_scale(s)
    case id.X87_FXTRACT:
      return x87_extract(s)
    case id.X87_FRNDINT:
      return x87_round(s)
    case id.X87_FPREM:
      return x87_remainder(s, false)
    case id.X87_FPREM1:
      return x87_remainder(s, true)
    case id.X87_F2XM1:
      return x87_2xm1(s)
    case id.X87_FYL2X:
      return x87_yl2x(s)
    case id.X87_FYL2XP1:
      return x87_yl2xp1(s)
    case id.X87_FPTAN:
      return x87_tangent(s)
    case id.X87_FPATAN:
      return x87_atan(s)
    default:
      return x87_sine(s, n)
  }
}
