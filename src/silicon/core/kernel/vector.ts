// VEC records: one MMX, SSE, AES, PCLMUL or SHA instruction each. Ids are grouped by form (ir/vector-ids.ts), commonest first.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { rec_imm16, rec_imm2 } from './fault'
import { control } from './vector-control'
import { convert } from './vector-convert'
import { arithmetic, float } from './vector-float'
import { binary } from './vector-integer'
import { lane } from './vector-lane'
import { mmx_own, mmx_twin } from './vector-mmx'
import { move } from './vector-move'
import { source16, source16_unaligned, xmm_a, xmm_d } from './vector-operand'
import { bytes_left, bytes_right } from './vector-shuffle'
import { vex } from './vector-vex'

/** Shifts of the register of ModRM.rm by an immediate. */
function shift(s: usize, rec: usize, id: i32): u32 {
  const at = xmm_a(s, rec)
  const count = <u32>rec_imm2(rec) & 0xff
  const a = v128.load(at)
  if (id == V.V_PSLLDQ) v128.store(at, bytes_left(a, count))
  else if (id == V.V_PSRLDQ) v128.store(at, bytes_right(a, count))
  else v128.store(at, binary(s, id - V.V_PSLLW_IMM + V.V_PSLLW, a, i64x2.splat(count), 0))
  return R_NEXT
}

export function vector(s: usize, rec: usize): u32 {
  const id = <i32>rec_imm16(rec)
  if (id < V.V_BINARY_END) {
    // AMD's SHA instructions take misaligned operands.
    const p = id < V.V_SHA1RNDS4 ? source16(s, rec) : source16_unaligned(s, rec)
    if (!p) return R_FAULT
    const d = xmm_d(s, rec)
    v128.store(d, binary(s, id, v128.load(d), v128.load(p), <u32>rec_imm2(rec) & 0xff))
    return R_NEXT
  }
  if (id < V.V_MOVE_END) return move(s, rec, id)
  if (id < V.V_SHIFT_END) return shift(s, rec, id)
  if (id < V.V_LANE_END) return lane(s, rec, id)
  if (id < V.V_CONTROL_END) return control(s, rec, id)
  if (id < V.V_ARITHMETIC_END) return arithmetic(s, rec, id)
  if (id < V.V_FLOAT_END) return float(s, rec, id)
  if (id < V.V_CONVERT_END) return convert(s, rec, id)
  if (id >= V.V_VEX) return vex(s, rec, id)
  if (id < V.V_MMX_OWN_END) return mmx_own(s, rec, id)
  return mmx_twin(s, rec, id - V.V_MMX)
}
