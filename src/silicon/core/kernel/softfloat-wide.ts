// 128-bit integer steps under the floating-point operations. Second results are left in globals that the caller reads at once.

/** Low word of the last mul_wide, sub_wide, shift_right_jam; remainder of the last div_wide. */
export let wide_lo: u64 = 0

/** High 64 bits of a × b; low 64 bits in wide_lo. */
export function mul_wide(a: u64, b: u64): u64 {
  const al = a & 0xffffffff
  const ah = a >> 32
  const bl = b & 0xffffffff
  const bh = b >> 32
  const ll = al * bl
  const lh = al * bh
  const hl = ah * bl
  const mid = (ll >> 32) + (lh & 0xffffffff) + (hl & 0xffffffff)
  wide_lo = (ll & 0xffffffff) | (mid << 32)
  return ah * bh + (lh >> 32) + (hl >> 32) + (mid >> 32)
}

/** High 64 bits of a × b alone. */
export function mul_high(a: u64, b: u64): u64 {
  const al = a & 0xffffffff
  const ah = a >> 32
  const bl = b & 0xffffffff
  const bh = b >> 32
  const lh = al * bh
  const hl = ah * bl
  const mid = ((al * bl) >> 32) + (lh & 0xffffffff) + (hl & 0xffffffff)
  return ah * bh + (lh >> 32) + (hl >> 32) + (mid >> 32)
}

/**
 * hi:lo ÷ d for d with bit 63 set and hi < d; the remainder is left in wide_lo.
 * Two steps of schoolbook division in base 2^32: the trial digit is at most 2 too large.
 */
export function div_wide(hi: u64, lo: u64, d: u64): u64 {
  const q1 = div_digit(hi, lo >> 32, d)
  const q0 = div_digit(wide_lo, lo & 0xffffffff, d)
  return (q1 << 32) | q0
}

/** One digit: (rem × 2^32 + next) ÷ d, new remainder in wide_lo. */
function div_digit(rem: u64, next: u64, d: u64): u64 {
  const dh = d >> 32
  const dl = d & 0xffffffff
  let q = rem / dh
  let r = rem - q * dh
  while (q > 0xffffffff || q * dl > ((r << 32) | next)) {
    q--
    r += dh
    if (r > 0xffffffff) break
  }
  wide_lo = ((rem << 32) | next) - q * d
  return q
}

/** hi:lo >> n, bits shifted out or'ed into bit 0 of the low word, which is left in wide_lo. Any n. */
export function shift_right_jam(hi: u64, lo: u64, n: u32): u64 {
  if (n == 0) {
    wide_lo = lo
    return hi
  }
  if (n < 64) {
    const out = lo << (64 - n)
    wide_lo = (hi << (64 - n)) | (lo >> n) | u64(out != 0)
    return hi >> n
  }
  if (n == 64) {
    wide_lo = hi | u64(lo != 0)
    return 0
  }
  if (n < 128) {
    const lost = (hi << (128 - n)) | lo
    wide_lo = (hi >> (n - 64)) | u64(lost != 0)
    return 0
  }
  wide_lo = u64((hi | lo) != 0)
  return 0
}

/** Floor of the square root of hi:lo, for hi ≥ 2^62; the remainder's low word in wide_lo and its bit 64 in root_carry. */
export let root_carry: bool = false
export function sqrt_wide(hi: u64, lo: u64): u64 {
  // an estimate from above, good to about 50 bits, then one Newton step, which keeps it from above
  const estimate = sqrt<f64>(<f64>hi) * 4294967296.0 * (1.0 + 1.0 / 1125899906842624.0)
  let r: u64 = estimate >= 18446744073709549568.0 ? u64.MAX_VALUE : <u64>estimate
  if (r < 0x8000000000000000) r = 0x8000000000000000
  if (hi < r) {
    const q = div_wide(hi, lo, r)
    r = (r >> 1) + (q >> 1) + (r & q & 1)
    if (r < u64.MAX_VALUE) r++
  }
  let over: bool
  do {
    const h = mul_wide(r, r)
    const l = wide_lo
    over = h > hi || (h == hi && l > lo)
    if (over) r--
    else {
      wide_lo = lo - l
      root_carry = hi - h - u64(lo < l) != 0
    }
  } while (over)
  return r
}
