// BMI1, BMI2 and ADX on registers or operands already loaded (OP_BMI, OP_MULTIPLY_APART, OP_ADD_CARRY). APM vol. 3, each instruction's page.

import { FLAG_AUX, FLAG_RES, RDX } from '../state/layout'
import {
  BMI_ANDN,
  BMI_BEXTR,
  BMI_BLSI,
  BMI_BLSMSK,
  BMI_BLSR,
  BMI_BZHI,
  BMI_PDEP,
  BMI_PEXT,
  BMI_RORX,
  BMI_SARX,
  BMI_SHLX,
  BMI_SHRX,
} from '../ir/bmi-kinds'
import { carry, carry_overflow } from './alu'
import { get_sized, product_high_of, put_sized, size_bits, size_mask } from './integer'

/** PDEP: the low bits of `v` go where `mask` has ones. */
export function deposit(v: u64, mask: u64): u64 {
  let r: u64 = 0
  let m = mask
  let bits = v
  while (m) {
    const lowest = m & (0 - m)
    if (bits & 1) r |= lowest
    bits >>= 1
    m ^= lowest
  }
  return r
}

/** PEXT: the bits of `v` where `mask` has ones, together. */
export function extract(v: u64, mask: u64): u64 {
  let r: u64 = 0
  let to: u64 = 1
  let m = mask
  while (m) {
    const lowest = m & (0 - m)
    if (v & lowest) r |= to
    to <<= 1
    m ^= lowest
  }
  return r
}

/** ZF and SF from the result, CF as given, OF clear; AF and PF are undefined: clear, and that of the result. */
function result_flags(s: usize, size: u32, r: u64, cf: bool): void {
  const up: u64 = 64 - size_bits(size)
  store<i64>(s, <i64>(r << up) >> up, FLAG_RES)
  store<u64>(s, cf ? carry_overflow(1, 0) : 0, FLAG_AUX)
}

function bit_field(v: u64, control: u64, size: u32): u64 {
  const start = control & 0xff
  const length = (control >> 8) & 0xff
  if (start >= size_bits(size)) return 0
  const shifted = v >> start
  return length >= 64 ? shifted : shifted & (((<u64>1) << length) - 1)
}

function bmi_result(kind: u32, size: u32, v: u64, other: u64): u64 {
  const count = other & (size == 3 ? 63 : 31)
  switch (kind) {
    case BMI_ANDN:
      return ~other & v
    case BMI_BEXTR:
      return bit_field(v, other, size)
    case BMI_BZHI:
      return (other & 0xff) < size_bits(size) ? v & (((<u64>1) << (other & 0xff)) - 1) : v
    case BMI_BLSR:
      return v & (v - 1)
    case BMI_BLSMSK:
      return v ^ (v - 1)
    case BMI_BLSI:
      return v & (0 - v)
    case BMI_PDEP:
      return deposit(other, v)
    case BMI_PEXT:
      return extract(other, v)
    case BMI_SHLX:
      return v << count
    case BMI_SHRX:
      return v >> count
    case BMI_SARX:
      return size == 3 ? <u64>(<i64>v >> count) : <u64>(<i64>(<i32>v) >> count)
    default:
      return count ? (v >> count) | (v << (size_bits(size) - count)) : v
  }
}

/** OP_BMI. */
export function bmi(s: usize, ip: usize): void {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const kind = c >> 2
  const v = get_sized(s, load<u8>(ip, 3), size)
  const other: u64 = kind == BMI_RORX ? <u64>load<u32>(ip, 8) : get_sized(s, load<u8>(ip, 4), size)
  const r = bmi_result(kind, size, v, other) & size_mask(size)
  if (kind == BMI_ANDN || kind == BMI_BEXTR) result_flags(s, size, r, false)
  else if (kind == BMI_BZHI) result_flags(s, size, r, (other & 0xff) >= size_bits(size))
  else if (kind == BMI_BLSR || kind == BMI_BLSMSK) result_flags(s, size, r, v == 0)
  else if (kind == BMI_BLSI) result_flags(s, size, r, v != 0)
  put_sized(s, load<u8>(ip, 2), size, r)
}

/** MULX: where both halves go to one register, the high one stays. */
export function multiply_apart(s: usize, ip: usize): void {
  const size: u32 = load<u8>(ip, 5)
  const v = get_sized(s, load<u8>(ip, 3), size)
  const by = get_sized(s, RDX, size)
  const low = v * by
  const high = size == 3 ? product_high_of(v, by) : low >> 32
  put_sized(s, load<u8>(ip, 4), size, low)
  put_sized(s, load<u8>(ip, 2), size, high)
}

/** ADCX and ADOX. */
export function add_carry(s: usize, ip: usize): void {
  const c: u32 = load<u8>(ip, 5)
  const size = c & 3
  const a = get_sized(s, load<u8>(ip, 2), size)
  const v = get_sized(s, load<u8>(ip, 3), size)
  const aux = load<u64>(s, FLAG_AUX)
  const ov = (aux ^ (aux << 1)) >> 63
  const r = (a + v + (c & 4 ? ov : carry(s))) & size_mask(size)
  const out = (((a & v) | ((a | v) & ~r)) >> (size_bits(size) - 1)) & 1
  const kept = aux & ~(<u64>0xc000000000000000)
  store<u64>(s, kept | (c & 4 ? carry_overflow(carry(s), out) : carry_overflow(out, ov)), FLAG_AUX)
  put_sized(s, load<u8>(ip, 2), size, r)
}
