// Operands of VEX forms (AMD64 APM vol. 4, sections 1.1.3 and 1.3). imm2 of the record: the immediate byte, VEX.vvvv in bits 11:8, bit 12 for vectors of
// 256 bits. A result of 128 bits clears the upper half of its register; operands in memory need not be aligned, but for the aligned moves.

import { VT0 } from '../state/layout'
import { GP, raise_error } from './fault'
import { load_bytes, read_hit, store_bytes, write_hit } from './memory'
import { address, in_memory, xmm, xmm_a } from './vector-operand'

// @ts-ignore: decorator
@inline
export function is_wide(rec: usize): bool {
  return (load<u8>(rec, 13) & 0x10) != 0
}
/** Bytes of a vector, 16 or 32. */
// @ts-ignore: decorator
@inline
export function vector_bytes(rec: usize): u32 {
  return is_wide(rec) ? 32 : 16
}
// @ts-ignore: decorator
@inline
export function immediate(rec: usize): u32 {
  return load<u8>(rec, 12)
}
/** Address of the register that VEX.vvvv names. */
// @ts-ignore: decorator
@inline
export function xmm_v(s: usize, rec: usize): usize {
  return xmm(s, load<u8>(rec, 13) & 15)
}
/** Address of the register in bits 7:4 of the immediate. */
// @ts-ignore: decorator
@inline
export function xmm_immediate(s: usize, rec: usize): usize {
  return xmm(s, load<u8>(rec, 12) >> 4)
}

// @ts-ignore: decorator
@inline
export function clear_upper(register: usize): void {
  v128.store(register, i64x2.splat(0), 16)
}
// @ts-ignore: decorator
@inline
export function set_short(register: usize, value: v128): void {
  v128.store(register, value)
  v128.store(register, i64x2.splat(0), 16)
}
// @ts-ignore: decorator
@inline
export function set_wide(register: usize, low: v128, high: v128): void {
  v128.store(register, low)
  v128.store(register, high, 16)
}

/** Linear-memory address of the `n` bytes (at most 32) at `la`, or 0 with a fault pending. */
// @ts-ignore: decorator
@inline
export function memory_vector(s: usize, la: u64, n: u32): usize {
  const hit = read_hit(s, la, n)
  return hit ? hit : memory_vector_slow(s, la, n)
}
function memory_vector_slow(s: usize, la: u64, n: u32): usize {
  return load_bytes(s, la, s + VT0, n) ? s + VT0 : 0
}

/** Address of a source of `n` bytes, register or memory; 0 with a fault pending. */
// @ts-ignore: decorator
@inline
export function vex_source(s: usize, rec: usize, n: u32): usize {
  return in_memory(rec) ? memory_vector(s, address(s), n) : xmm_a(s, rec)
}

/** Writes `n` bytes (16 or 32) to memory; a fault is left pending. */
export function put_vector(s: usize, la: u64, from: usize, n: u32): void {
  const hit = write_hit(s, la, n)
  if (hit) {
    if (n == 32) v128.store(hit, v128.load(from, 16), 16)
    v128.store(hit, v128.load(from))
  } else store_bytes(s, la, from, n)
}

/** True, with #GP(0) pending, where the address of an aligned move is no multiple of its size. */
export function vex_misaligned(s: usize, la: u64, n: u32): bool {
  if (!(la & (n - 1))) return false
  raise_error(s, GP, 0)
  return true
}
