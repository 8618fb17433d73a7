// Integer instructions that are too rare or too large for the interpreter's switch: rotates, double shifts, multiplication and
// division, bit tests and scans, flag moves. APM vol. 3, "General-Purpose Instructions".

import { EFLAGS, FLAG_AUX, FLAG_RES, RAX, RDX, T1 } from '../state/layout'
import { carry, carry_overflow } from './alu'
import { DE, raise } from './fault'
import { get_flags, set_arith, set_flags } from './flags'
import { div_wide, wide_lo } from './softfloat-wide'

const CARRY: u64 = 0x8000000000000000
const CF: u64 = 1

// @ts-ignore: decorator
@inline
export function size_bits(size: u32): u32 {
  return 8 << size
}
// @ts-ignore: decorator
@inline
export function size_mask(size: u32): u64 {
  return size == 3 ? ~(<u64>0) : ((<u64>1) << size_bits(size)) - 1
}
// @ts-ignore: decorator
@inline
export function get_sized(s: usize, slot: u32, size: u32): u64 {
  return load<u64>(s + slot) & size_mask(size)
}
export function put_sized(s: usize, slot: u32, size: u32, v: u64): void {
  if (size == 3) store<u64>(s + slot, v)
  else if (size == 2) store<u64>(s + slot, v & 0xffffffff)
  else if (size == 1) store<u16>(s + slot, <u16>v)
  else store<u8>(s + slot, <u8>v)
}
// @ts-ignore: decorator
@inline
function signed(v: u64, size: u32): i64 {
  const up: u64 = 64 - size_bits(size)
  return <i64>(v << up) >> up
}

/** Sets CF and OF alone; the other lazy flags stay. */
function set_carry_overflow(s: usize, cf: u64, ov: u64): void {
  store<u64>(s, (load<u64>(s, FLAG_AUX) & ~(<u64>0xc000000000000000)) | carry_overflow(cf, ov), FLAG_AUX)
}

// ---- rotates. ROL, ROR, RCL, RCR: only CF and OF change; a masked count of zero changes nothing.

function rotate_plain(v: u64, bits: u32, left: bool, count: u32): u64 {
  const n: u64 = count % bits
  if (!n) return v
  const up = left ? n : bits - n
  return (v << up) | (v >> (bits - up))
}

export function rotate(s: usize, ip: usize): void {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const kind = c >> 2
  const bits = size_bits(size)
  const v = get_sized(s, load<u8>(ip, 3), size)
  const count: u32 = load<u8>(s + load<u8>(ip, 4)) & (size == 3 ? 63 : 31)
  if (!count) {
    put_sized(s, load<u8>(ip, 2), size, v)
    return
  }
  if (kind >= 2) {
    rotate_through_carry(s, ip, v, size, kind, count)
    return
  }
  const r = rotate_plain(v, bits, kind == 0, count) & size_mask(size)
  const top = (r >> (bits - 1)) & 1
  const cf = kind == 0 ? r & 1 : top
  const ov = kind == 0 ? top ^ cf : top ^ ((r >> (bits - 2)) & 1)
  set_carry_overflow(s, cf, ov)
  put_sized(s, load<u8>(ip, 2), size, r)
}

function rotate_through_carry(s: usize, ip: usize, v: u64, size: u32, kind: u32, masked: u32): void {
  const bits = size_bits(size)
  let cf = carry(s)
  let r = v
  const before = cf
  for (let n = masked % (bits + 1); n; n--) {
    if (kind == 2) {
      const out = (r >> (bits - 1)) & 1
      r = ((r << 1) | cf) & size_mask(size)
      cf = out
    } else {
      const out = r & 1
      r = (r >> 1) | (cf << (bits - 1))
      cf = out
    }
  }
  const top = (r >> (bits - 1)) & 1
  const ov = kind == 2 ? top ^ cf : top ^ ((r >> (bits - 2)) & 1)
  if (masked % (bits + 1)) set_carry_overflow(s, cf, ov)
  else set_carry_overflow(s, before, ov)
  put_sized(s, load<u8>(ip, 2), size, r)
}

/** SHLD and SHRD: d = a shifted by the count at T1, filled from b. */
export function shift_double(s: usize, ip: usize): void {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const bits = size_bits(size)
  const a = get_sized(s, load<u8>(ip, 3), size)
  const b = get_sized(s, load<u8>(ip, 4), size)
  let count: u32 = load<u8>(s, T1) & (size == 3 ? 63 : 31)
  if (!count) {
    put_sized(s, load<u8>(ip, 2), size, a)
    return
  }
  // Counts beyond a 16-bit operand are undefined; AMD processors go on with the second operand and then with that again.
  let high = a
  const low = b
  if (count > bits) {
    count -= bits
    high = b
  }
  let r: u64
  let cf: u64
  if (c & 4) {
    r = count == bits ? low : (high >> count) | (low << (bits - count))
    cf = (high >> (count - 1)) & 1
  } else {
    r = count == bits ? low : (high << count) | (low >> (bits - count))
    cf = (high >> (bits - count)) & 1
  }
  r &= size_mask(size)
  const ov = ((r ^ high) >> (bits - 1)) & 1
  store<i64>(s, signed(r, size), FLAG_RES)
  store<u64>(s, carry_overflow(cf, ov), FLAG_AUX)
  put_sized(s, load<u8>(ip, 2), size, r)
}

// ---- multiplication

let product_low: u64 = 0
let product_high: u64 = 0

/** 64 × 64 → 128 bits, unsigned, into product_low and product_high. */
function multiply_wide(a: u64, b: u64): void {
  const a0 = a & 0xffffffff
  const a1 = a >> 32
  const b0 = b & 0xffffffff
  const b1 = b >> 32
  const low = a0 * b0
  const middle = a1 * b0 + (low >> 32)
  const cross = a0 * b1 + (middle & 0xffffffff)
  product_low = a * b
  product_high = a1 * b1 + (middle >> 32) + (cross >> 32)
}

export function product_high_of(a: u64, b: u64): u64 {
  multiply_wide(a, b)
  return product_high
}

function multiply_wide_signed(a: i64, b: i64): void {
  multiply_wide(<u64>a, <u64>b)
  if (a < 0) product_high -= <u64>b
  if (b < 0) product_high -= <u64>a
}

/** Flags of a multiplication: CF = OF = "the upper half matters"; SF, ZF, PF and AF are undefined: taken from the low half. */
function multiply_flags(s: usize, low: i64, overflow: bool): void {
  store<i64>(s, low, FLAG_RES)
  store<u64>(s, overflow ? CARRY : 0, FLAG_AUX)
}

/** IMUL d = a * b. */
export function multiply_two(s: usize, ip: usize, size: u32): void {
  const a = signed(get_sized(s, load<u8>(ip, 3), size), size)
  const b = signed(get_sized(s, load<u8>(ip, 4), size), size)
  const r = a * b
  let overflow: bool
  if (size == 3) {
    multiply_wide_signed(a, b)
    overflow = <i64>product_high != r >> 63
  } else {
    overflow = signed(<u64>r & size_mask(size), size) != r
  }
  multiply_flags(s, signed(<u64>r & size_mask(size), size), overflow)
  put_sized(s, load<u8>(ip, 2), size, <u64>r)
}

/** MUL and IMUL of one operand. */
export function multiply_one(s: usize, ip: usize): void {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const isSigned = (c & 4) != 0
  const a = get_sized(s, RAX, size)
  const b = get_sized(s, load<u8>(ip, 3), size)
  let low: u64
  let high: u64
  if (size == 3) {
    if (isSigned) multiply_wide_signed(<i64>a, <i64>b)
    else multiply_wide(a, b)
    low = product_low
    high = product_high
  } else {
    const r: u64 = isSigned ? <u64>(signed(a, size) * signed(b, size)) : a * b
    low = r & size_mask(size)
    high = (r >> size_bits(size)) & size_mask(size)
  }
  const matters = isSigned ? high != (<u64>(signed(low, size) >> 63) & size_mask(size)) : high != 0
  multiply_flags(s, signed(low, size), matters)
  if (size == 0) {
    store<u16>(s, <u16>((high << 8) | low), RAX)
    return
  }
  put_sized(s, RAX, size, low)
  put_sized(s, RDX, size, high)
}

// ---- division

let quotient: u64 = 0
let remainder: u64 = 0

/** 128 / 64 bits, unsigned: by digits of 32 bits where the high part is not zero. False on overflow. */
function divide_wide(high: u64, low: u64, by: u64): bool {
  if (high >= by) return false
  if (!high) {
    quotient = low / by
    remainder = low % by
    return true
  }
  const up = clz<u64>(by)
  quotient = div_wide(up ? (high << up) | (low >> (64 - up)) : high, low << up, by << up)
  remainder = wide_lo >> up
  return true
}

function divide_unsigned(s: usize, size: u32, by: u64): bool {
  if (size == 3) return divide_wide(load<u64>(s, RDX), load<u64>(s, RAX), by)
  const dividend: u64 = size == 0 ? load<u16>(s, RAX) : (get_sized(s, RDX, size) << size_bits(size)) | get_sized(s, RAX, size)
  quotient = dividend / by
  remainder = dividend % by
  return quotient <= size_mask(size)
}

function divide_signed(s: usize, size: u32, divisor: u64): bool {
  const by = signed(divisor, size)
  let high: u64
  let low: u64
  if (size == 3) {
    high = load<u64>(s, RDX)
    low = load<u64>(s, RAX)
  } else {
    low = <u64>(size == 0 ? <i64>load<i16>(s, RAX) : signed((get_sized(s, RDX, size) << size_bits(size)) | get_sized(s, RAX, size), size + 1))
    high = <u64>(<i64>low >> 63)
  }
  const negative = <i64>high < 0
  if (negative) {
    low = 0 - low
    high = ~high + (low == 0 ? 1 : 0)
  }
  if (!divide_wide(high, low, by < 0 ? <u64>(0 - by) : <u64>by)) return false
  const opposite = negative != by < 0
  const limit = (<u64>1) << (size_bits(size) - 1)
  if (quotient > (opposite ? limit : limit - 1)) return false
  if (opposite) quotient = 0 - quotient
  if (negative) remainder = 0 - remainder
  return true
}

/** DIV and IDIV. R_FAULT with #DE pending on a zero divisor or an overflow; the flags are undefined and stay. */
export function divide(s: usize, ip: usize): u32 {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const by = get_sized(s, load<u8>(ip, 3), size)
  if (!by) return raise(s, DE)
  const fits = c & 4 ? divide_signed(s, size, by) : divide_unsigned(s, size, by)
  if (!fits) return raise(s, DE)
  if (size == 0) {
    store<u16>(s, <u16>(((remainder & 0xff) << 8) | (quotient & 0xff)), RAX)
    return 0
  }
  put_sized(s, RAX, size, quotient)
  put_sized(s, RDX, size, remainder)
  return 0
}

// ---- bits

/** BT, BTS, BTR, BTC on a register or an operand already loaded: CF; OF, which is undefined, is cleared. */
export function bit_operation(s: usize, ip: usize): void {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const kind = (c >> 2) & 3
  const slot: u32 = load<u8>(ip, 2)
  const bit = load<u64>(s + load<u8>(ip, 4)) & (size_bits(size) - 1)
  const v = get_sized(s, slot, size)
  const mask = (<u64>1) << bit
  set_carry_overflow(s, (v >> bit) & 1, 0)
  if (kind == 0) return
  put_sized(s, slot, size, kind == 1 ? v | mask : kind == 2 ? v & ~mask : v ^ mask)
}

/** ZF and PF from the result, CF as given, the others clear. */
function scan_flags(s: usize, r: u64, cf: bool): void {
  store<u64>(s, r, FLAG_RES)
  store<u64>(s, cf ? carry_overflow(1, 0) : 0, FLAG_AUX)
}

/**
 * BSF, BSR, TZCNT, LZCNT, POPCNT. BSF and BSR of zero leave the destination, as AMD documents. POPCNT, BSF and BSR clear all flags but ZF, which says that the
 * source is zero; TZCNT and LZCNT have ZF, SF and PF from the result and CF where the source is zero. What of this is undefined, translate/bit-code.ts has alike.
 */
export function scan(s: usize, ip: usize): void {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const kind = c >> 2
  const slot: u32 = load<u8>(ip, 2)
  const v = get_sized(s, load<u8>(ip, 3), size)
  const bits: u64 = size_bits(size)
  if (kind < 2) {
    set_arith(s, 0, 0, 0, u64(!v), 0, 0)
    if (v) put_sized(s, slot, size, kind == 0 ? ctz<u64>(v) : 63 - clz<u64>(v))
    return
  }
  if (kind == 4) {
    set_arith(s, 0, 0, 0, u64(!v), 0, 0)
    put_sized(s, slot, size, popcnt<u64>(v))
    return
  }
  const r = !v ? bits : kind == 2 ? ctz<u64>(v) : clz<u64>(v) - (64 - bits)
  scan_flags(s, r, v == 0)
  put_sized(s, slot, size, r)
}

/** CLC, STC, CMC, CLD, STD, LAHF, SAHF. */
export function flag_operation(s: usize, what: u32): void {
  if (what == 0) set_flags(s, 0, CF)
  else if (what == 1) set_flags(s, CF, CF)
  else if (what == 2) set_flags(s, carry(s) ^ 1, CF)
  else if (what == 3) store<u32>(s, load<u32>(s, EFLAGS) & ~0x400, EFLAGS)
  else if (what == 4) store<u32>(s, load<u32>(s, EFLAGS) | 0x400, EFLAGS)
  else if (what == 5) store<u8>(s, <u8>get_flags(s), RAX + 1)
  else set_flags(s, load<u8>(s, RAX + 1), 0xd5)
}

/** CWD, CDQ, CQO. */
export function sign_of_accumulator(s: usize, size: u32): void {
  const v = size == 3 ? load<i64>(s, RAX) : size == 2 ? <i64>load<i32>(s, RAX) : <i64>load<i16>(s, RAX)
  put_sized(s, RDX, size, <u64>(v >> 63))
}
