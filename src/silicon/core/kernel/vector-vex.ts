// VEX forms: the door, and what works in each half of a register alike (AMD64 APM vol. 4). A form with a legacy twin (id - V_VEX) is computed by the code
// of the twin, with VEX.vvvv for the operand that the legacy form overwrites.

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { MODE, MODE_CODE64, MODE_CODE_MASK, XMM } from '../state/layout'
import { set_arith } from './flags'
import { control } from './vector-control'
import { fused } from './vector-fma'
import { half } from './vector-half'
import { binary } from './vector-integer'
import { insert, insert_ps, lane, widened } from './vector-lane'
import { size_y, xmm, xmm_a, xmm_d } from './vector-operand'
import { bytes_left, bytes_right } from './vector-shuffle'
import { gather, masked_move } from './vector-vex-elements'
import { vex_arithmetic, vex_convert, vex_float } from './vector-vex-float'
import { broadcast, vex_move } from './vector-vex-move'
import { across_halves, lanes_own } from './vector-vex-permute'
import {
  clear_upper, immediate, is_wide, set_short, set_wide, vex_source, xmm_immediate, xmm_v,
} from './vector-vex-operand'

/** What of an immediate the upper half sees: some instructions have bits of its own for it. */
// @ts-ignore: decorator
@inline
function upper_immediate(id: i32, imm: u32): u32 {
  if (id == V.V_BLENDPS) return imm >> 4
  if (id == V.V_BLENDPD || id == V.V_SHUFPD) return imm >> 2
  return id == V.V_MPSADBW ? imm >> 3 : imm
}

/** Twins of the two-operand instructions. */
function lanes(s: usize, rec: usize, id: i32): u32 {
  // The count of a shift has 128 bits, for both halves.
  const counted = id >= V.V_PSLLW && id <= V.V_PSRAD
  const wide = is_wide(rec)
  const p = vex_source(s, rec, wide && !counted ? 32 : 16)
  if (!p) return R_FAULT
  const a = xmm_v(s, rec)
  const d = xmm_d(s, rec)
  const imm = immediate(rec)
  if (!wide) set_short(d, binary(s, id, v128.load(a), v128.load(p), imm))
  else {
    const upper = binary(s, id, v128.load(a, 16), v128.load(counted ? p : p + 16), upper_immediate(id, imm))
    set_wide(d, binary(s, id, v128.load(a), v128.load(p), imm), upper)
  }
  return R_NEXT
}

/** Instructions without a twin that work lane by lane. */
function new_lanes(s: usize, rec: usize, id: i32): u32 {
  const wide = is_wide(rec)
  const p = vex_source(s, rec, wide ? 32 : 16)
  if (!p) return R_FAULT
  const a = xmm_v(s, rec)
  const d = xmm_d(s, rec)
  const mask = xmm_immediate(s, rec)
  const imm = immediate(rec)
  const low = lanes_own(id, v128.load(a), v128.load(p), v128.load(mask), imm)
  if (!wide) set_short(d, low)
  else set_wide(d, low, lanes_own(id, v128.load(a, 16), v128.load(p, 16), v128.load(mask, 16), imm >> 2))
  return R_NEXT
}

// @ts-ignore: decorator
@inline
function shifted(s: usize, id: i32, a: v128, count: u32): v128 {
  if (id == V.V_PSLLDQ) return bytes_left(a, count)
  if (id == V.V_PSRLDQ) return bytes_right(a, count)
  return binary(s, id - V.V_PSLLW_IMM + V.V_PSLLW, a, i64x2.splat(count), 0)
}

/** Shifts by an immediate: VEX.vvvv is the destination. */
function shift(s: usize, rec: usize, id: i32): u32 {
  const a = xmm_a(s, rec)
  const d = xmm_v(s, rec)
  const count = immediate(rec)
  if (!is_wide(rec)) set_short(d, shifted(s, id, v128.load(a), count))
  else {
    const upper = shifted(s, id, v128.load(a, 16), count)
    set_wide(d, shifted(s, id, v128.load(a), count), upper)
  }
  return R_NEXT
}

/** Bytes that PMOVSX and PMOVZX read for 16 of result. */
// @ts-ignore: decorator
@inline
function widening(id: i32): u32 {
  switch (id) {
    case V.V_PMOVSXBQ:
    case V.V_PMOVZXBQ: return 2
    case V.V_PMOVSXBD:
    case V.V_PMOVZXBD:
    case V.V_PMOVSXWQ:
    case V.V_PMOVZXWQ: return 4
    default: return 8
  }
}

/** The n bytes at p in the low bits. */
// @ts-ignore: decorator
@inline
function narrow(p: usize, n: u32): v128 {
  return i64x2.splat(n == 8 ? load<i64>(p) : n == 4 ? <i64>load<u32>(p) : <i64>load<u16>(p))
}

function widen(s: usize, rec: usize, id: i32): u32 {
  const n = widening(id)
  const wide = is_wide(rec)
  const p = vex_source(s, rec, wide ? n * 2 : n)
  if (!p) return R_FAULT
  const d = xmm_d(s, rec)
  const low = widened(id, narrow(p, n))
  if (!wide) set_short(d, low)
  else set_wide(d, low, widened(id, narrow(p + n, n)))
  return R_NEXT
}

/** Lanes in and out. */
function vex_lane(s: usize, rec: usize, id: i32): u32 {
  if (id >= V.V_PMOVSXBW && id <= V.V_PMOVZXDQ) return widen(s, rec, id)
  let r: u32
  switch (id) {
    case V.V_PINSRB: r = insert(s, rec, 1, xmm_v(s, rec)); break
    case V.V_PINSRW: r = insert(s, rec, 2, xmm_v(s, rec)); break
    case V.V_PINSRD: r = insert(s, rec, size_y(rec), xmm_v(s, rec)); break
    case V.V_INSERTPS: r = insert_ps(s, rec, xmm_v(s, rec)); break
    default: return lane(s, rec, id)
  }
  if (r == R_NEXT) clear_upper(xmm_d(s, rec))
  return r
}

/** VPTEST: ZF where no bit is in both, CF where the source has none that the destination lacks. */
function test(s: usize, rec: usize): u32 {
  const wide = is_wide(rec)
  const p = vex_source(s, rec, wide ? 32 : 16)
  if (!p) return R_FAULT
  const d = xmm_d(s, rec)
  let both = v128.and(v128.load(d), v128.load(p))
  let beyond = v128.andnot(v128.load(p), v128.load(d))
  if (wide) {
    both = v128.or(both, v128.and(v128.load(d, 16), v128.load(p, 16)))
    beyond = v128.or(beyond, v128.andnot(v128.load(p, 16), v128.load(d, 16)))
  }
  set_arith(s, u64(!v128.any_true(beyond)), 0, 0, u64(!v128.any_true(both)), 0, 0)
  return R_NEXT
}

/** VTESTPS, VTESTPD: the same of sign bits. */
function test_signs(s: usize, rec: usize, doubles: bool): u32 {
  const wide = is_wide(rec)
  const p = vex_source(s, rec, wide ? 32 : 16)
  if (!p) return R_FAULT
  const d = xmm_d(s, rec)
  let both = v128.and(v128.load(d), v128.load(p))
  let beyond = v128.andnot(v128.load(p), v128.load(d))
  if (wide) {
    both = v128.or(both, v128.and(v128.load(d, 16), v128.load(p, 16)))
    beyond = v128.or(beyond, v128.andnot(v128.load(p, 16), v128.load(d, 16)))
  }
  const none = doubles ? !i64x2.bitmask(both) : !i32x4.bitmask(both)
  const within = doubles ? !i64x2.bitmask(beyond) : !i32x4.bitmask(beyond)
  set_arith(s, u64(within), 0, 0, u64(none), 0, 0)
  return R_NEXT
}

function vex_control(s: usize, rec: usize, id: i32): u32 {
  if (id == V.V_PTEST) return test(s, rec)
  const r = control(s, rec, id)
  if ((id == V.V_PCMPESTRM || id == V.V_PCMPISTRM) && r == R_NEXT) clear_upper(s + XMM)
  return r
}

/** VZEROUPPER, VZEROALL: the registers that the mode has. */
function zero(s: usize, all: bool): u32 {
  const count: u32 = (load<u32>(s, MODE) & MODE_CODE_MASK) == MODE_CODE64 ? 16 : 8
  for (let i: u32 = 0; i < count; i++) {
    if (all) v128.store(xmm(s, i), i64x2.splat(0))
    clear_upper(xmm(s, i))
  }
  return R_NEXT
}

function twin(s: usize, rec: usize, id: i32): u32 {
  if (id < V.V_BINARY_END) return lanes(s, rec, id)
  if (id < V.V_MOVE_END) return vex_move(s, rec, id)
  if (id < V.V_SHIFT_END) return shift(s, rec, id)
  if (id < V.V_LANE_END) return vex_lane(s, rec, id)
  if (id < V.V_CONTROL_END) return vex_control(s, rec, id)
  if (id < V.V_ARITHMETIC_END) return vex_arithmetic(s, rec, id)
  if (id < V.V_FLOAT_END) return vex_float(s, rec, id)
  return vex_convert(s, rec, id)
}

export function vex(s: usize, rec: usize, id: i32): u32 {
  if (id < V.V_AVX) return twin(s, rec, id - V.V_VEX)
  if (id >= V.V_FMA) return fused(s, rec, id - V.V_FMA)
  if (id < V.V_BROADCAST_B) return zero(s, id == V.V_VZEROALL)
  if (id < V.V_BROADCAST_END) return broadcast(s, rec, id)
  if (id < V.V_AVX_LANE_END) return new_lanes(s, rec, id)
  if (id < V.V_AVX_CROSS_END) return across_halves(s, rec, id)
  if (id < V.V_VTEST_END) return test_signs(s, rec, id == V.V_VTESTPD)
  if (id < V.V_MASKED_END) return masked_move(s, rec, id)
  if (id < V.V_GATHER_END) return gather(s, rec, id)
  return half(s, rec, id)
}
