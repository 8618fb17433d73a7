// Integer arithmetic of the interpreter, with lazy flags: every flag-setting operation leaves its sign-extended result in FLAG_RES and
// the carries in FLAG_AUX (state/layout.ts); nothing is computed until a flag is read. APM vol. 3, "General-Purpose Instructions".

import { FLAG_AUX, FLAG_RES } from '../state/layout'

const TOP_CARRIES: u64 = 0xc000000000000000
const CARRY: u64 = 0x8000000000000000

// @ts-ignore: decorator
@inline
export function reg<T>(s: usize, slot: u32): T {
  return load<T>(s + slot)
}

/** Writes operand d: 64-bit results whole, 32-bit results zero-extended, smaller ones in place. */
// @ts-ignore: decorator
@inline
export function put<T>(s: usize, ip: usize, v: T): void {
  if (sizeof<T>() == 4) store<u64>(s + load<u8>(ip, 2), <u64>(<u32>v))
  else store<T>(s + load<u8>(ip, 2), v)
}

// @ts-ignore: decorator
@inline
function sign_extend<T>(v: T): i64 {
  return sizeof<T>() == 8 ? <i64>v : sizeof<T>() == 4 ? <i64>(<i32>v) : sizeof<T>() == 2 ? <i64>(<i16>v) : <i64>(<i8>v)
}

/** The carries out of each bit, shifted so that the operand's top two stand in bits 63 and 62. */
// @ts-ignore: decorator
@inline
function align_carries<T>(carries: T): u64 {
  const c = <u64>carries
  return sizeof<T>() == 8 ? c & (TOP_CARRIES | 8) : (c & 8) | ((c << (64 - sizeof<T>() * 8)) & TOP_CARRIES)
}

// @ts-ignore: decorator
@inline
function flags<T>(s: usize, result: T, carries: T): void {
  store<i64>(s, sign_extend<T>(result), FLAG_RES)
  store<u64>(s, align_carries<T>(carries), FLAG_AUX)
}

// @ts-ignore: decorator
@inline
function logic_flags<T>(s: usize, result: T): void {
  store<i64>(s, sign_extend<T>(result), FLAG_RES)
  store<u64>(s, 0, FLAG_AUX)
}

// @ts-ignore: decorator
@inline
export function carry(s: usize): u64 {
  return load<u64>(s, FLAG_AUX) >> 63
}

// @ts-ignore: decorator
@inline
export function alu_add<T>(s: usize, ip: usize, b: T): void {
  const a = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a + b)
  flags<T>(s, r, <T>((a & b) | ((a | b) & ~r)))
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function alu_adc<T>(s: usize, ip: usize, b: T): void {
  const a = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a + b + <T>carry(s))
  flags<T>(s, r, <T>((a & b) | ((a | b) & ~r)))
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function alu_sub<T>(s: usize, ip: usize, b: T): void {
  const a = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a - b)
  flags<T>(s, r, <T>((~a & b) | (~(a ^ b) & r)))
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function alu_sbb<T>(s: usize, ip: usize, b: T): void {
  const a = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a - b - <T>carry(s))
  flags<T>(s, r, <T>((~a & b) | (~(a ^ b) & r)))
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function alu_cmp<T>(s: usize, ip: usize, b: T): void {
  const a = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a - b)
  flags<T>(s, r, <T>((~a & b) | (~(a ^ b) & r)))
}
// @ts-ignore: decorator
@inline
export function alu_and<T>(s: usize, ip: usize, b: T): void {
  const r = <T>(reg<T>(s, load<u8>(ip, 3)) & b)
  logic_flags<T>(s, r)
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function alu_or<T>(s: usize, ip: usize, b: T): void {
  const r = <T>(reg<T>(s, load<u8>(ip, 3)) | b)
  logic_flags<T>(s, r)
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function alu_xor<T>(s: usize, ip: usize, b: T): void {
  const r = <T>(reg<T>(s, load<u8>(ip, 3)) ^ b)
  logic_flags<T>(s, r)
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function alu_test<T>(s: usize, ip: usize, b: T): void {
  logic_flags<T>(s, <T>(reg<T>(s, load<u8>(ip, 3)) & b))
}

/** CF stays: bits 63 and 62 are rebuilt from the old CF and the new OF. */
// @ts-ignore: decorator
@inline
function keep_carry(old: u64, fresh: u64): u64 {
  const overflow = (fresh ^ (fresh << 1)) & CARRY
  const kept = old & CARRY
  return kept | ((kept ^ overflow) >> 1) | (fresh & 8)
}

// @ts-ignore: decorator
@inline
export function unary_inc<T>(s: usize, ip: usize): void {
  const a = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a + 1)
  store<i64>(s, sign_extend<T>(r), FLAG_RES)
  store<u64>(s, keep_carry(load<u64>(s, FLAG_AUX), align_carries<T>(<T>(a & ~r))), FLAG_AUX)
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function unary_dec<T>(s: usize, ip: usize): void {
  const a = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a - 1)
  store<i64>(s, sign_extend<T>(r), FLAG_RES)
  store<u64>(s, keep_carry(load<u64>(s, FLAG_AUX), align_carries<T>(<T>(~a & r))), FLAG_AUX)
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function unary_neg<T>(s: usize, ip: usize): void {
  const b = reg<T>(s, load<u8>(ip, 3))
  const r = <T>(0 - b)
  flags<T>(s, r, <T>(b | r))
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function unary_not<T>(s: usize, ip: usize): void {
  put<T>(s, ip, <T>~reg<T>(s, load<u8>(ip, 3)))
}

/** FLAG_AUX of given CF and OF, AF clear. */
// @ts-ignore: decorator
@inline
export function carry_overflow(cf: u64, ov: u64): u64 {
  return (cf << 63) | ((cf ^ ov) << 62)
}

// @ts-ignore: decorator
@inline
export function shift_shl<T>(s: usize, ip: usize, count: u32): void {
  const bits: u32 = sizeof<T>() * 8
  const a = <u64>reg<T>(s, load<u8>(ip, 3))
  // Counts reach 31 for 8- and 16-bit operands: widened, so bits beyond the operand fall away.
  const r = <T>(a << count)
  const cf: u64 = count > bits ? 0 : (a >> (bits - count)) & 1
  const top = (<u64>r >> (bits - 1)) & 1
  store<i64>(s, sign_extend<T>(r), FLAG_RES)
  store<u64>(s, carry_overflow(cf, cf ^ top), FLAG_AUX)
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function shift_shr<T>(s: usize, ip: usize, count: u32): void {
  const bits: u32 = sizeof<T>() * 8
  const a = <u64>reg<T>(s, load<u8>(ip, 3))
  const r = <T>(a >> count)
  const cf = (a >> (count - 1)) & 1
  const ov = count == 1 ? (a >> (bits - 1)) & 1 : 0
  store<i64>(s, sign_extend<T>(r), FLAG_RES)
  store<u64>(s, carry_overflow(cf, ov), FLAG_AUX)
  put<T>(s, ip, r)
}
// @ts-ignore: decorator
@inline
export function shift_sar<T>(s: usize, ip: usize, count: u32): void {
  const a = sign_extend<T>(reg<T>(s, load<u8>(ip, 3)))
  const r = <T>(a >> count)
  const cf = <u64>(a >> (count - 1)) & 1
  store<i64>(s, sign_extend<T>(r), FLAG_RES)
  store<u64>(s, carry_overflow(cf, 0), FLAG_AUX)
  put<T>(s, ip, r)
}

/** A masked count of zero leaves the flags, and for 32 bits still clears the upper half. */
// @ts-ignore: decorator
@inline
function masked_count<T>(s: usize, ip: usize): u32 {
  return load<u8>(s + load<u8>(ip, 4)) & (sizeof<T>() == 8 ? 63 : 31)
}
// @ts-ignore: decorator
@inline
export function shift_by_register_shl<T>(s: usize, ip: usize): void {
  const count = masked_count<T>(s, ip)
  if (count) shift_shl<T>(s, ip, count)
  else put<T>(s, ip, reg<T>(s, load<u8>(ip, 3)))
}
// @ts-ignore: decorator
@inline
export function shift_by_register_shr<T>(s: usize, ip: usize): void {
  const count = masked_count<T>(s, ip)
  if (count) shift_shr<T>(s, ip, count)
  else put<T>(s, ip, reg<T>(s, load<u8>(ip, 3)))
}
// @ts-ignore: decorator
@inline
export function shift_by_register_sar<T>(s: usize, ip: usize): void {
  const count = masked_count<T>(s, ip)
  if (count) shift_sar<T>(s, ip, count)
  else put<T>(s, ip, reg<T>(s, load<u8>(ip, 3)))
}

/** x86 condition `tttn` on the lazy flags. `code` is a constant at every call, so one line of this remains. */
// @ts-ignore: decorator
@inline
export function condition(s: usize, code: u32): bool {
  const aux = load<u64>(s, FLAG_AUX)
  const res = load<i64>(s, FLAG_RES)
  const which = code >> 1
  let r: bool
  if (which == 0) r = ((aux ^ (aux << 1)) & CARRY) != 0
  else if (which == 1) r = <i64>aux < 0
  else if (which == 2) r = res == 0
  else if (which == 3) r = <i64>aux < 0 || res == 0
  else if (which == 4) r = (((<u64>res >> 63) ^ aux) & 1) != 0
  else if (which == 5) r = (popcnt<u32>((<u32>res ^ (<u32>aux >> 8)) & 0xff) & 1) == 0
  else if (which == 6) r = (((<u64>res ^ (aux << 63) ^ aux ^ (aux << 1)) & CARRY) != 0)
  else r = (((<u64>res ^ (aux << 63) ^ aux ^ (aux << 1)) & CARRY) != 0) || res == 0
  return code & 1 ? !r : r
}

/** The same for a code known only at run time. */
export function condition_of(s: usize, code: u32): bool {
  let r: bool
  switch (code >> 1) {
    case 0:
      r = condition(s, 0)
      break
    case 1:
      r = condition(s, 2)
      break
    case 2:
      r = condition(s, 4)
      break
    case 3:
      r = condition(s, 6)
      break
    case 4:
      r = condition(s, 8)
      break
    case 5:
      r = condition(s, 10)
      break
    case 6:
      r = condition(s, 12)
      break
    default:
      r = condition(s, 14)
  }
  return code & 1 ? !r : r
}

// @ts-ignore: decorator
@inline
function less<T>(a: T, b: T): bool {
  return sizeof<T>() == 8 ? <i64>a < <i64>b : sizeof<T>() == 4 ? <i32>a < <i32>b : <i32>(<i8>a) < <i32>(<i8>b)
}

/** CMP a, b: sets the flags and answers condition `code` from the operands themselves. */
// @ts-ignore: decorator
@inline
export function compare<T>(s: usize, a: T, b: T, code: u32): bool {
  const r = <T>(a - b)
  flags<T>(s, r, <T>((~a & b) | (~(a ^ b) & r)))
  if (code == 2) return a < b
  if (code == 3) return a >= b
  if (code == 4) return a == b
  if (code == 5) return a != b
  if (code == 6) return a <= b
  if (code == 7) return a > b
  if (code == 12) return less<T>(a, b)
  if (code == 13) return !less<T>(a, b)
  if (code == 14) return !less<T>(b, a)
  return less<T>(b, a)
}

/** TEST a, b: sets the flags and answers E, NE, S or NS. */
// @ts-ignore: decorator
@inline
export function test_and<T>(s: usize, a: T, b: T, code: u32): bool {
  const r = <T>(a & b)
  logic_flags<T>(s, r)
  if (code == 4) return r == 0
  if (code == 5) return r != 0
  if (code == 8) return sign_extend<T>(r) < 0
  return sign_extend<T>(r) >= 0
}
