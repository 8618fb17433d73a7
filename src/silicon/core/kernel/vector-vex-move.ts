// VEX forms of the moves, and broadcasts (AMD64 APM vol. 4 under each name).

import * as V from '../ir/vector-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { faulted, rec_d } from './fault'
import { load16, load32, load64, load8 } from './memory'
import { load_half, load_scalar, move, store_scalar } from './vector-move'
import { address, in_memory, xmm_a, xmm_d } from './vector-operand'
import {
  clear_upper, is_wide, memory_vector, put_vector, set_short, set_wide, vector_bytes, vex_misaligned, vex_source, xmm_v,
} from './vector-vex-operand'

function load_vector(s: usize, rec: usize): u32 {
  const wide = is_wide(rec)
  const p = vex_source(s, rec, wide ? 32 : 16)
  if (!p) return R_FAULT
  const d = xmm_d(s, rec)
  if (wide) set_wide(d, v128.load(p), v128.load(p, 16))
  else set_short(d, v128.load(p))
  return R_NEXT
}

function store_vector(s: usize, rec: usize, aligned: bool): u32 {
  const from = xmm_d(s, rec)
  const n = vector_bytes(rec)
  if (!in_memory(rec)) {
    if (n == 32) set_wide(xmm_a(s, rec), v128.load(from), v128.load(from, 16))
    else set_short(xmm_a(s, rec), v128.load(from))
    return R_NEXT
  }
  if (aligned && vex_misaligned(s, address(s), n)) return R_FAULT
  put_vector(s, address(s), from, n)
  return faulted(s) ? R_FAULT : R_NEXT
}

/** VMOVDDUP of 256 bits: the even quadword of each half twice. */
function duplicate(s: usize, rec: usize): u32 {
  const p = vex_source(s, rec, 32)
  if (!p) return R_FAULT
  const upper = i64x2.splat(load<i64>(p, 16))
  set_wide(xmm_d(s, rec), i64x2.splat(load<i64>(p)), upper)
  return R_NEXT
}

/** VPMOVMSKB, VMOVMSKPS, VMOVMSKPD. */
function signs(s: usize, rec: usize, id: i32): u32 {
  const a = xmm_a(s, rec)
  const low = v128.load(a)
  const high = is_wide(rec) ? v128.load(a, 16) : i64x2.splat(0)
  let bits: u32
  if (id == V.V_PMOVMSKB) bits = i8x16.bitmask(low) | (i8x16.bitmask(high) << 16)
  else if (id == V.V_MOVMSKPS) bits = i32x4.bitmask(low) | (i32x4.bitmask(high) << 4)
  else bits = i64x2.bitmask(low) | (i64x2.bitmask(high) << 2)
  store<u64>(s + rec_d(rec), <u64>bits)
  return R_NEXT
}

/** VMOVHLPS: the high quadword of the source below that of VEX.vvvv; VMOVLHPS: its low one above that of VEX.vvvv. */
function halves(s: usize, rec: usize, high: bool): u32 {
  const a = v128.load(xmm_a(s, rec))
  const b = v128.load(xmm_v(s, rec))
  set_short(xmm_d(s, rec), high ? i64x2.shuffle(a, b, 1, 3) : i64x2.shuffle(b, a, 0, 2))
  return R_NEXT
}

export function vex_move(s: usize, rec: usize, id: i32): u32 {
  let r: u32
  switch (id) {
    case V.V_MOVU_LOAD: return load_vector(s, rec)
    case V.V_MOVA_LOAD:
      return in_memory(rec) && vex_misaligned(s, address(s), vector_bytes(rec)) ? R_FAULT : load_vector(s, rec)
    case V.V_MOVU_STORE: return store_vector(s, rec, false)
    case V.V_MOVA_STORE: return store_vector(s, rec, true)
    case V.V_PMOVMSKB:
    case V.V_MOVMSKPS:
    case V.V_MOVMSKPD: return signs(s, rec, id)
    case V.V_MOVHLPS: return halves(s, rec, true)
    case V.V_MOVLHPS: return halves(s, rec, false)
    case V.V_MOVSS_STORE:
    case V.V_MOVSD_STORE:
      r = store_scalar(s, rec, id == V.V_MOVSS_STORE ? 4 : 8, xmm_v(s, rec))
      if (!in_memory(rec)) clear_upper(xmm_a(s, rec))
      return r
    case V.V_MOVQ_STORE:
      r = move(s, rec, id)
      if (!in_memory(rec)) clear_upper(xmm_a(s, rec))
      return r
    case V.V_MOVD_STORE:
    case V.V_MOVL_STORE:
    case V.V_MOVH_STORE:
    case V.V_MASKMOVDQU: return move(s, rec, id)
    case V.V_MOVDDUP:
      if (is_wide(rec)) return duplicate(s, rec)
      r = move(s, rec, id)
      break
    case V.V_MOVSS_LOAD: r = load_scalar(s, rec, 4, xmm_v(s, rec)); break
    case V.V_MOVSD_LOAD: r = load_scalar(s, rec, 8, xmm_v(s, rec)); break
    case V.V_MOVL_LOAD: r = load_half(s, rec, 0, xmm_v(s, rec)); break
    case V.V_MOVH_LOAD: r = load_half(s, rec, 8, xmm_v(s, rec)); break
    default: r = move(s, rec, id); break
  }
  if (r == R_NEXT) clear_upper(xmm_d(s, rec))
  return r
}

/** VBROADCASTxx, VPBROADCASTx. */
export function broadcast(s: usize, rec: usize, id: i32): u32 {
  const memory = in_memory(rec)
  const a = xmm_a(s, rec)
  let value: v128
  if (id == V.V_BROADCAST_128) {
    const p = memory_vector(s, address(s), 16)
    if (!p) return R_FAULT
    value = v128.load(p)
  } else if (id == V.V_BROADCAST_B) value = i8x16.splat(<i8>(memory ? load8(s, address(s)) : <u64>load<u8>(a)))
  else if (id == V.V_BROADCAST_W) value = i16x8.splat(<i16>(memory ? load16(s, address(s)) : <u64>load<u16>(a)))
  else if (id == V.V_BROADCAST_D) value = i32x4.splat(<i32>(memory ? load32(s, address(s)) : <u64>load<u32>(a)))
  else value = i64x2.splat(<i64>(memory ? load64(s, address(s)) : load<u64>(a)))
  if (faulted(s)) return R_FAULT
  if (is_wide(rec)) set_wide(xmm_d(s, rec), value, value)
  else set_short(xmm_d(s, rec), value)
  return R_NEXT
}
