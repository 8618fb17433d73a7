// Operands of VEC records: where registers stand, and memory sources and destinations with their alignment rule
// (AMD64 APM vol. 1, section 4.3.2
// "Memory operands"; vol. 4, exception tables): aligned moves raise #GP(0) for a misaligned address, operands of other instructions only while MXCSR.MM = 0.

import { MXCSR, T0, VT0, XMM } from '../state/layout'
import { GP, rec_a, rec_b, rec_d, raise_error } from './fault'
import { load16, load32, load64, load8, load_bytes, read_hit, store16, store32, store64, store8, store_bytes, write_hit } from './memory'

/** Value of the record's `a` that means memory. */
export const MEMORY: u32 = 0xff
/** MXCSR.MM: misaligned operands are allowed. */
const MISALIGNED_MASK: u32 = 1 << 17

// @ts-ignore: decorator
@inline
export function xmm(s: usize, index: u32): usize {
  return s + XMM + (index << 5)
}
/** Address of the XMM register that ModRM.reg names. */
// @ts-ignore: decorator
@inline
export function xmm_d(s: usize, rec: usize): usize {
  return xmm(s, rec_d(rec))
}
/** Address of the XMM register that ModRM.rm names. */
// @ts-ignore: decorator
@inline
export function xmm_a(s: usize, rec: usize): usize {
  return xmm(s, rec_a(rec))
}
// @ts-ignore: decorator
@inline
export function in_memory(rec: usize): bool {
  return rec_a(rec) == MEMORY
}
// @ts-ignore: decorator
@inline
export function address(s: usize): u64 {
  return load<u64>(s, T0)
}

/** True, with #GP(0) pending, where the address of an aligned move is misaligned. */
// @ts-ignore: decorator
@inline
export function misaligned(s: usize, la: u64): bool {
  if (!(la & 15)) return false
  raise_error(s, GP, 0)
  return true
}

/** Linear-memory address of the 16 bytes at `la`, or 0 with a fault pending. */
// @ts-ignore: decorator
@inline
export function memory16(s: usize, la: u64): usize {
  const hit = read_hit(s, la, 16)
  return hit ? hit : memory16_slow(s, la)
}

function memory16_slow(s: usize, la: u64): usize {
  return load_bytes(s, la, s + VT0, 16) ? s + VT0 : 0
}

function memory16_aligned(s: usize): usize {
  const la = address(s)
  if (la & 15 && !(load<u32>(s, MXCSR) & MISALIGNED_MASK)) {
    raise_error(s, GP, 0)
    return 0
  }
  return memory16(s, la)
}

/** Address of a 16-byte source, register or aligned memory; 0 with a fault pending. */
// @ts-ignore: decorator
@inline
export function source16(s: usize, rec: usize): usize {
  return in_memory(rec) ? memory16_aligned(s) : xmm_a(s, rec)
}

/** The same without the alignment rule. */
// @ts-ignore: decorator
@inline
export function source16_unaligned(s: usize, rec: usize): usize {
  return in_memory(rec) ? memory16(s, address(s)) : xmm_a(s, rec)
}

/** Writes 16 bytes to memory; a fault is left pending. */
// @ts-ignore: decorator
@inline
export function put16(s: usize, la: u64, from: usize): void {
  const hit = write_hit(s, la, 16)
  if (hit) v128.store(hit, v128.load(from))
  else store_bytes(s, la, from, 16)
}

/** Low 64, 32 or 16 bits of the source: XMM register or memory. A fault is left pending. */
export function source64(s: usize, rec: usize): u64 {
  return in_memory(rec) ? load64(s, address(s)) : load<u64>(xmm_a(s, rec))
}
export function source32(s: usize, rec: usize): u64 {
  return in_memory(rec) ? load32(s, address(s)) : load<u32>(xmm_a(s, rec))
}
export function source_word(s: usize, rec: usize): u64 {
  return in_memory(rec) ? load16(s, address(s)) : load<u16>(xmm_a(s, rec))
}

/** General register or memory source of `n` bytes; with n = 1 a register offset may be that of AH. A fault is left pending. */
export function general_source(s: usize, rec: usize, n: u32): u64 {
  const la = address(s)
  const register = s + rec_a(rec)
  if (n == 8) return in_memory(rec) ? load64(s, la) : load<u64>(register)
  if (n == 4) return in_memory(rec) ? load32(s, la) : load<u32>(register)
  if (n == 2) return in_memory(rec) ? load16(s, la) : load<u16>(register)
  return in_memory(rec) ? load8(s, la) : load<u8>(register)
}

/** Writes `n` bytes to memory, or the zero-extended value to the general register. A fault is left pending. */
export function general_result(s: usize, rec: usize, n: u32, value: u64): void {
  if (!in_memory(rec)) {
    store<u64>(s + rec_a(rec), value)
    return
  }
  const la = address(s)
  if (n == 8) store64(s, la, value)
  else if (n == 4) store32(s, la, value)
  else if (n == 2) store16(s, la, value)
  else store8(s, la, value)
}

/** Bytes of an operand of 32 bits, or 64 with REX.W. */
// @ts-ignore: decorator
@inline
export function size_y(rec: usize): u32 {
  return rec_b(rec) == 8 ? 8 : 4
}
