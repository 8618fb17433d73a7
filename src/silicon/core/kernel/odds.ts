// Integer instructions that are one helper call each: compare-and-exchange, MOVBE, BCD arithmetic, BOUND, bit strings.
// APM vol. 3, each instruction's page. Memory operands: linear address in T0.

import { FLAG_AUX, RAX, RBX, RCX, RDX, SCRATCH, T0 } from '../state/layout'
import {
  H_AAA,
  H_AAM,
  H_AAS,
  H_BIT_MEMORY,
  H_BOUND,
  H_CMPXCHG,
  H_CMPXCHG_WIDE,
  H_DAA,
  H_DAS,
  H_MOVBE_LOAD,
  H_MOVBE_STORE,
  H_XADD,
} from '../ir/helper-ids'
import { R_FAULT, R_NEXT } from '../ir/results'
import { linear } from './address'
import { carry_overflow } from './alu'
import { add_flags, string_compare_flags } from './compare'
import { BR, DE, faulted, GP, raise, raise_error, rec_a, rec_b, rec_c, rec_d, rec_imm2, rec_imm16 } from './fault'
import { get_flags, set_flags } from './flags'
import { get_sized, put_sized, size_bits, size_mask } from './integer'
import { load16, load32, load64, load8, load_bytes, load_for_write, probe_write, store16, store32, store64, store8 } from './memory'

const CF: u64 = 1
const PF: u64 = 4
const AF: u64 = 0x10
const ZF: u64 = 0x40
const SF: u64 = 0x80
const OF: u64 = 0x800
const ARITHMETIC: u64 = 0x8d5
const IN_MEMORY: u32 = 0xff

// @ts-ignore: decorator
@inline
function size_number(n: u32): u32 {
  return n == 8 ? 3 : n >> 1
}

function load_sized(s: usize, la: u64, n: u32): u64 {
  return n == 8 ? load64(s, la) : n == 4 ? load32(s, la) : n == 2 ? load16(s, la) : load8(s, la)
}
function store_sized(s: usize, la: u64, n: u32, v: u64): void {
  if (n == 8) store64(s, la, v)
  else if (n == 4) store32(s, la, v)
  else if (n == 2) store16(s, la, v)
  else store8(s, la, v)
}

/** The r/m operand, from memory or register. Check `faulted`. */
function source(s: usize, rec: usize): u64 {
  const n = rec_b(rec)
  return rec_a(rec) == IN_MEMORY ? load_sized(s, load<u64>(s, T0), n) : get_sized(s, rec_a(rec), size_number(n))
}

/** The r/m operand of an instruction that writes it back. */
function target(s: usize, rec: usize): u64 {
  const n = rec_b(rec)
  return rec_a(rec) == IN_MEMORY ? load_for_write(s, load<u64>(s, T0), n) : get_sized(s, rec_a(rec), size_number(n))
}
function write_target(s: usize, rec: usize, v: u64): void {
  const n = rec_b(rec)
  if (rec_a(rec) == IN_MEMORY) store_sized(s, load<u64>(s, T0), n, v)
  else put_sized(s, rec_a(rec), size_number(n), v)
}

/** CMPXCHG: memory is written in either case; registers keep their upper halves where nothing is loaded into them. */
function compare_exchange(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const size = size_number(n)
  const found = target(s, rec)
  if (faulted(s)) return R_FAULT
  const expected = get_sized(s, RAX, size)
  string_compare_flags(s, expected, found, n)
  if (expected == found) {
    write_target(s, rec, get_sized(s, rec_d(rec), size))
  } else {
    if (rec_a(rec) == IN_MEMORY) write_target(s, rec, found)
    put_sized(s, RAX, size, found)
  }
  return R_NEXT
}

function exchange_add(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const size = size_number(n)
  const found = target(s, rec)
  if (faulted(s)) return R_FAULT
  const by = get_sized(s, rec_d(rec), size)
  add_flags(s, found, by, n)
  put_sized(s, rec_d(rec), size, found)
  write_target(s, rec, (found + by) & size_mask(size))
  return R_NEXT
}

/** CMPXCHG8B and CMPXCHG16B (b = 8: REX.W). */
function compare_exchange_wide(s: usize, rec: usize): u32 {
  const half: u32 = rec_b(rec) == 8 ? 8 : 4
  const size = size_number(half)
  const la = load<u64>(s, T0)
  if (half == 8 && la & 15) return raise_error(s, GP, 0)
  if (!probe_write(s, la, half * 2)) return R_FAULT
  const low = load_sized(s, la, half)
  const high = load_sized(s, la + half, half)
  const same = low == get_sized(s, RAX, size) && high == get_sized(s, RDX, size)
  store_sized(s, la, half, same ? get_sized(s, RBX, size) : low)
  store_sized(s, la + half, half, same ? get_sized(s, RCX, size) : high)
  if (!same) {
    put_sized(s, RAX, size, low)
    put_sized(s, RDX, size, high)
  }
  set_flags(s, same ? ZF : 0, ZF)
  return R_NEXT
}

function swap_bytes(v: u64, n: u32): u64 {
  return n == 8 ? bswap<u64>(v) : n == 4 ? bswap<u32>(<u32>v) : bswap<u16>(<u16>v)
}

function move_big_endian(s: usize, rec: usize, id: u32): u32 {
  const n = rec_b(rec)
  if (id == H_MOVBE_LOAD) {
    const v = load_sized(s, load<u64>(s, T0), n)
    if (faulted(s)) return R_FAULT
    put_sized(s, rec_d(rec), size_number(n), swap_bytes(v, n))
    return R_NEXT
  }
  store_sized(s, load<u64>(s, T0), n, swap_bytes(load<u64>(s + rec_d(rec)), n))
  return faulted(s) ? R_FAULT : R_NEXT
}

/** BT, BTS, BTR, BTC m, r: the bit number reaches beyond the operand. imm2 = kind. T0 = linear address, or offset in the segment that a names. */
function bit_string(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  const size = size_number(n)
  const up: u64 = 64 - n * 8
  const number = <i64>(load<u64>(s + rec_d(rec)) << up) >> up
  let la = load<u64>(s, T0) + <u64>((number >> (3 + size)) << size)
  if (rec_a(rec) != IN_MEMORY) {
    la = linear(s, rec_a(rec), la & (rec_c(rec) >> 4 == 2 ? 0xffff : 0xffffffff), n, rec_imm2(rec) != 0)
    if (faulted(s)) return R_FAULT
  }
  const mask = (<u64>1) << (<u64>number & (size_bits(size) - 1))
  const kind = rec_imm2(rec)
  const v = kind ? load_for_write(s, la, n) : load_sized(s, la, n)
  if (faulted(s)) return R_FAULT
  if (kind) store_sized(s, la, n, kind == 1 ? v | mask : kind == 2 ? v & ~mask : v ^ mask)
  if (faulted(s)) return R_FAULT
  const aux = load<u64>(s, FLAG_AUX)
  store<u64>(s, (aux & ~(<u64>0xc000000000000000)) | carry_overflow(v & mask ? 1 : 0, (aux ^ (aux << 1)) >> 63), FLAG_AUX)
  return R_NEXT
}

function bound(s: usize, rec: usize): u32 {
  const n = rec_b(rec)
  if (!load_bytes(s, load<u64>(s, T0), s + SCRATCH, n * 2)) return R_FAULT
  const index: i32 = n == 2 ? <i32>load<i16>(s + rec_d(rec)) : load<i32>(s + rec_d(rec))
  const low: i32 = n == 2 ? <i32>load<i16>(s, SCRATCH) : load<i32>(s, SCRATCH)
  const high: i32 = n == 2 ? <i32>load<i16>(s, SCRATCH + 2) : load<i32>(s, SCRATCH + 4)
  return index < low || index > high ? raise(s, BR) : R_NEXT
}

// ---- BCD arithmetic (not in 64-bit mode)

function parity_sign_zero(al: u32): u64 {
  return (popcnt<u32>(al & 0xff) & 1 ? 0 : PF) | (al & 0x80 ? SF : 0) | (al & 0xff ? 0 : ZF)
}

function decimal_adjust(s: usize, subtract: bool): void {
  const f = get_flags(s)
  const old: u32 = load<u8>(s, RAX)
  const oldCarry = (f & CF) != 0
  let al = old
  let out: u64 = 0
  if ((old & 15) > 9 || f & AF) {
    al = subtract ? al - 6 : al + 6
    out |= AF
    if (oldCarry || (subtract ? old < 6 : old > 0xf9)) out |= CF
  }
  if (old > 0x99 || oldCarry) {
    al = subtract ? al - 0x60 : al + 0x60
    out |= CF
  } else if (!subtract) {
    out &= ~CF
  }
  store<u8>(s, <u8>al, RAX)
  set_flags(s, out | parity_sign_zero(al), ARITHMETIC & ~OF)
}

function ascii_adjust(s: usize, subtract: bool): void {
  const f = get_flags(s)
  const ax: u32 = load<u16>(s, RAX)
  let r = ax
  const adjust = (ax & 15) > 9 || (f & AF) != 0
  if (adjust) r = subtract ? ax - 0x106 : ax + 0x106
  store<u16>(s, <u16>(r & 0xff0f), RAX)
  set_flags(s, (adjust ? CF | AF : 0) | parity_sign_zero(r & 15), ARITHMETIC & ~OF)
}

function ascii_multiply(s: usize, base: u32): u32 {
  if (!base) return raise(s, DE)
  const al: u32 = load<u8>(s, RAX)
  store<u16>(s, <u16>(((al / base) << 8) | (al % base)), RAX)
  set_flags(s, parity_sign_zero(al % base), ARITHMETIC)
  return R_NEXT
}

function ascii_divide(s: usize, base: u32): u32 {
  const al = (<u32>load<u8>(s, RAX) + <u32>load<u8>(s, RAX + 1) * base) & 0xff
  store<u16>(s, <u16>al, RAX)
  set_flags(s, parity_sign_zero(al), ARITHMETIC)
  return R_NEXT
}

export function odds_helper(s: usize, rec: usize): u32 {
  const id = rec_imm16(rec)
  switch (id) {
    case H_CMPXCHG:
      return compare_exchange(s, rec)
    case H_XADD:
      return exchange_add(s, rec)
    case H_CMPXCHG_WIDE:
      return compare_exchange_wide(s, rec)
    case H_MOVBE_LOAD:
    case H_MOVBE_STORE:
      return move_big_endian(s, rec, id)
    case H_BIT_MEMORY:
      return bit_string(s, rec)
    case H_BOUND:
      return bound(s, rec)
    case H_AAA:
    case H_AAS:
      ascii_adjust(s, id == H_AAS)
      return R_NEXT
    case H_DAA:
    case H_DAS:
      decimal_adjust(s, id == H_DAS)
      return R_NEXT
    case H_AAM:
      return ascii_multiply(s, rec_imm2(rec) & 0xff)
    default:
      // H_AAD
      return ascii_divide(s, rec_imm2(rec) & 0xff)
  }
}
