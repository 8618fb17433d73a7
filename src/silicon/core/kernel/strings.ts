// MOVS, STOS, LODS, CMPS and SCAS with their REP forms. A long REP works page by page on linear memory, and leaves now and then so
// that the run loop can look at its budget: the registers always show what has been done. APM vol. 3, each instruction's page.

import { BUDGET, EFLAGS, ES, FAULT, PC, RAX, RCX, RDI, RSI, STEP_ARMED } from '../state/layout'
import { H_CMPS, H_LODS, H_MOVS, H_SCAS, H_STOS } from '../ir/helper-ids'
import { R_FAULT, R_JUMP, R_NEXT } from '../ir/results'
import { linear } from './address'
import { condition } from './alu'
import { faulted, rec_b, rec_c, rec_d, rec_imm16, this_pc } from './fault'
import { get_sized, put_sized } from './integer'
import { page_to_fill, read_hit, slow_load, slow_store, write_hit } from './memory'
import { string_compare_flags } from './compare'

const REP: u32 = 2
const REPNE: u32 = 4
const DIRECTION: u32 = 0x400
const PAGE: u64 = 0x1000
/** Bytes that one stay in a REP may move before the run loop gets its say. */
const BURST_MAX: u64 = 0x10000
const COND_E: u32 = 4

// @ts-ignore: decorator
@inline
function address_mask(c: u32): u64 {
  const n = c >> 4
  return n == 8 ? ~(<u64>0) : n == 4 ? 0xffffffff : 0xffff
}

/** Moves RSI, RDI or RCX by `by` within the address size; 32-bit address sizes clear the upper half. */
// @ts-ignore: decorator
@inline
function advance(s: usize, slot: u32, by: u64, c: u32): void {
  const n = c >> 4
  const v = load<u64>(s + slot) + by
  if (n == 8) store<u64>(s + slot, v)
  else if (n == 4) store<u64>(s + slot, v & 0xffffffff)
  else store<u16>(s + slot, <u16>v)
}

function read_element(s: usize, la: u64, n: u32): u64 {
  const p = read_hit(s, la, n)
  if (!p) return slow_load(s, la, n)
  return n == 8 ? load<u64>(p) : n == 4 ? load<u32>(p) : n == 2 ? load<u16>(p) : load<u8>(p)
}

function write_element(s: usize, la: u64, n: u32, v: u64): void {
  const p = write_hit(s, la, n)
  if (!p) {
    slow_store(s, la, n, v)
    return
  }
  if (n == 8) store<u64>(p, v)
  else if (n == 4) store<u32>(p, <u32>v)
  else if (n == 2) store<u16>(p, <u16>v)
  else store<u8>(p, <u8>v)
}

/** One iteration. False with a fault pending and nothing changed. */
function step(s: usize, rec: usize, id: u32): bool {
  const n = rec_b(rec)
  const c = rec_c(rec)
  const mask = address_mask(c)
  const by: u64 = load<u32>(s, EFLAGS) & DIRECTION ? 0 - <u64>n : n
  const source = id == H_MOVS || id == H_LODS || id == H_CMPS
  const target = id != H_LODS
  let from: u64 = 0
  let to: u64 = 0
  if (source) from = linear(s, rec_d(rec), load<u64>(s, RSI) & mask, n, false)
  if (target && !faulted(s)) to = linear(s, ES, load<u64>(s, RDI) & mask, n, id == H_MOVS || id == H_STOS)
  if (faulted(s)) return false
  // CMPS reads at rDI first: of two faults that one is seen.
  const compares = id == H_CMPS || id == H_SCAS
  const other: u64 = compares ? read_element(s, to, n) : 0
  if (faulted(s)) return false
  const v: u64 = source ? read_element(s, from, n) : load<u64>(s, RAX)
  if (faulted(s)) return false
  if (id == H_MOVS || id == H_STOS) write_element(s, to, n, v)
  if (faulted(s)) return false
  if (compares) string_compare_flags(s, v, other, n)
  if (id == H_LODS) put_sized(s, RAX, n == 8 ? 3 : n >> 1, v)
  if (source) advance(s, RSI, by, c)
  if (target) advance(s, RDI, by, c)
  return true
}

/** Elements that can be done at one go on linear memory: forward, flat, both pages present, full address size. */
function run_length(s: usize, n: u32, count: u64, from: u64, to: u64, source: bool): u64 {
  let bytes: u64 = PAGE - (to & 0xfff)
  if (source && PAGE - (from & 0xfff) < bytes) bytes = PAGE - (from & 0xfff)
  const elements = bytes / n
  return elements < count ? elements : count
}

/** Part of a REP MOVS or REP STOS in bulk. Returns the elements done, 0 where the slow way must be taken. */
function bulk(s: usize, rec: usize, id: u32, count: u64): u64 {
  const n = rec_b(rec)
  if (load<u32>(s, EFLAGS) & DIRECTION || rec_c(rec) >> 4 == 2) return 0
  const mask = address_mask(rec_c(rec))
  const from = id == H_MOVS ? linear(s, rec_d(rec), load<u64>(s, RSI) & mask, n, false) : 0
  if (faulted(s)) return 0
  const to = linear(s, ES, load<u64>(s, RDI) & mask, n, true)
  if (faulted(s)) return 0
  const elements = run_length(s, n, count, from, to, id == H_MOVS)
  const bytes = <u32>elements * n
  if (!elements) return 0
  // The last element must pass the segment checks too, and a wrap of the address size is left to the slow way.
  if (((load<u64>(s, RDI) & mask) + bytes - 1) & ~mask) return 0
  linear(s, ES, (load<u64>(s, RDI) & mask) + bytes - n, n, true)
  if (id == H_MOVS) linear(s, rec_d(rec), (load<u64>(s, RSI) & mask) + bytes - n, n, false)
  if (faulted(s)) return 0
  let q = write_hit(s, to, bytes)
  if (!q && id == H_STOS && bytes == <u32>PAGE) q = page_to_fill(s, to)
  if (!q) return 0
  if (id == H_MOVS) {
    if (((load<u64>(s, RSI) & mask) + bytes - 1) & ~mask) return 0
    const p = read_hit(s, from, bytes)
    // An overlap that forward copying would smear is left to single steps.
    if (!p || (q > p && q < p + bytes)) return 0
    memory.copy(q, p, bytes)
  } else {
    fill(q, n, load<u64>(s, RAX), <u32>elements)
  }
  return elements
}

function fill(q: usize, n: u32, v: u64, elements: u32): void {
  if (n == 1 || v == 0) {
    memory.fill(q, <u8>v, elements * n)
    return
  }
  for (let i: u32 = 0; i < elements; i++) {
    if (n == 8) store<u64>(q + i * 8, v)
    else if (n == 4) store<u32>(q + i * 4, <u32>v)
    else store<u16>(q + i * 2, <u16>v)
  }
}

/** A string instruction; R_JUMP with PC on itself when there is more to do. */
export function string_operation(s: usize, rec: usize): u32 {
  const id = rec_imm16(rec)
  const c = rec_c(rec)
  if (!(c & (REP | REPNE))) return step(s, rec, id) ? R_NEXT : R_FAULT
  const n = rec_b(rec)
  const mask = address_mask(c)
  const compares = id == H_CMPS || id == H_SCAS
  // Under RFLAGS.TF every iteration traps (APM vol. 2, section 13.1.4).
  const stepped = load<u32>(s, STEP_ARMED) != 0
  let moved: u64 = 0
  while (true) {
    const count = load<u64>(s, RCX) & mask
    if (!count) break
    let done: u64 = !stepped && (id == H_MOVS || id == H_STOS) ? bulk(s, rec, id, count) : 0
    // What bulk() met is raised again by the single step, which stands at the first element.
    if (faulted(s) && !done) clear_fault(s)
    if (done) {
      if (id == H_MOVS) advance(s, RSI, done * n, c)
      advance(s, RDI, done * n, c)
    } else {
      if (!step(s, rec, id)) {
        charge(s, moved)
        return R_FAULT
      }
      done = 1
    }
    advance(s, RCX, 0 - done, c)
    moved += done * n
    if (compares && condition(s, COND_E) != ((c & REP) != 0)) break
    if ((stepped || moved >= BURST_MAX) && load<u64>(s, RCX) & mask) {
      charge(s, moved)
      store<u64>(s, this_pc(s, rec), PC)
      return R_JUMP
    }
  }
  charge(s, moved)
  return R_NEXT
}

/** Long strings take time: eight bytes count as one instruction of the budget, so that a REP cannot hold off interrupts. */
function charge(s: usize, moved: u64): void {
  store<i64>(s, load<i64>(s, BUDGET) - <i64>(moved >> 3), BUDGET)
}

function clear_fault(s: usize): void {
  store<u32>(s, 0, FAULT)
}
