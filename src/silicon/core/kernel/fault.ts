// Raising faults, and reading the fields of the IR record that is being executed.

import { FAULT, FAULT_ADDRESS, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_PENDING, PC } from '../state/layout'
import { R_FAULT } from '../ir/results'

export const DE: u32 = 0
export const DB: u32 = 1
export const NMI: u32 = 2
export const BP: u32 = 3
export const OF: u32 = 4
export const BR: u32 = 5
export const UD: u32 = 6
export const NM: u32 = 7
export const DF: u32 = 8
export const TS: u32 = 10
export const NP: u32 = 11
export const SS_FAULT: u32 = 12
export const GP: u32 = 13
export const PF: u32 = 14
export const MF: u32 = 16
export const AC: u32 = 17
export const MC: u32 = 18
export const XF: u32 = 19
export const SX: u32 = 30

/** Leaves exception `vector` without error code pending; the first fault raised stands. Returns R_FAULT. */
export function raise(s: usize, vector: u32): u32 {
  if (!load<u32>(s, FAULT)) store<u32>(s, FAULT_PENDING | vector, FAULT)
  return R_FAULT
}

/** The same with an error code. */
export function raise_error(s: usize, vector: u32, error: u32): u32 {
  if (!load<u32>(s, FAULT)) {
    store<u32>(s, FAULT_PENDING | FAULT_HAS_ERROR | vector, FAULT)
    store<u32>(s, error, FAULT_ERROR)
  }
  return R_FAULT
}

/** #PF at linear address `la`; CR2 is written when the fault is delivered. */
export function raise_page(s: usize, la: u64, error: u32): u32 {
  if (!load<u32>(s, FAULT)) store<u64>(s, la, FAULT_ADDRESS)
  return raise_error(s, PF, error)
}

// @ts-ignore: decorator
@inline
export function faulted(s: usize): bool {
  return load<u32>(s, FAULT) != 0
}

// @ts-ignore: decorator
@inline
export function rec_d(rec: usize): u32 {
  return load<u8>(rec, 2)
}
// @ts-ignore: decorator
@inline
export function rec_a(rec: usize): u32 {
  return load<u8>(rec, 3)
}
// @ts-ignore: decorator
@inline
export function rec_b(rec: usize): u32 {
  return load<u8>(rec, 4)
}
// @ts-ignore: decorator
@inline
export function rec_c(rec: usize): u32 {
  return load<u8>(rec, 5)
}
/** Helper, vector or x87 id. */
// @ts-ignore: decorator
@inline
export function rec_imm16(rec: usize): u32 {
  return load<u16>(rec, 8)
}
/** Instruction length in bytes. */
// @ts-ignore: decorator
@inline
export function rec_len(rec: usize): u32 {
  return load<u16>(rec, 10)
}
// @ts-ignore: decorator
@inline
export function rec_imm2(rec: usize): i32 {
  return load<i32>(rec, 12)
}
/** Number of the instruction that `rec` belongs to within its block. */
export function rec_index(rec: usize): u32 {
  return load<u16>(rec, 6) >> 10
}
/** RIP of the instruction that `rec` belongs to. */
export function this_pc(s: usize, rec: usize): u64 {
  return load<u64>(s, PC) + (load<u16>(rec, 6) & 0x3ff)
}
/** RIP of the instruction after it. HLP, VEC and X87 records only. */
export function next_pc(s: usize, rec: usize): u64 {
  return this_pc(s, rec) + rec_len(rec)
}
