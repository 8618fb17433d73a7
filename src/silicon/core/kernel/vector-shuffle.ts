// Shuffles, shifts, blends and other rearrangements of 16 bytes (AMD64 APM vol. 4). Operands and results are values: no state is touched.

/** 0, 1, … 15. */
// @ts-ignore: decorator
@inline
function indices(): v128 {
  return i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
}

/** PSLLDQ: a swizzle with an index above 15 gives zero. */
export function bytes_left(a: v128, n: u32): v128 {
  return n > 15 ? i64x2.splat(0) : i8x16.swizzle(a, i8x16.sub(indices(), i8x16.splat(<i8>n)))
}
/** PSRLDQ */
export function bytes_right(a: v128, n: u32): v128 {
  return n > 15 ? i64x2.splat(0) : i8x16.swizzle(a, i8x16.add(indices(), i8x16.splat(<i8>n)))
}
/** PALIGNR: bytes n..n+15 of b and a taken together, b low. */
export function align_right(a: v128, b: v128, n: u32): v128 {
  if (n > 15) return bytes_right(a, n - 16)
  return n ? v128.or(bytes_right(b, n), bytes_left(a, 16 - n)) : b
}

/** Four dwords selected by two bits each: lane i of the result is lane `order >> 2i` of a. */
export function select_dwords(a: v128, order: u32): v128 {
  // order * 4^(3-i) brings field i to bits 7:6.
  const fields = v128.and(i32x4.shr_u(i32x4.mul(i32x4.splat(order), i32x4(64, 16, 4, 1)), 6), i32x4.splat(3))
  return i8x16.swizzle(a, i32x4.add(i32x4.mul(fields, i32x4.splat(0x04040404)), i32x4.splat(0x03020100)))
}

/** Low four words selected by two bits each, high half kept (PSHUFLW). */
export function select_low_words(a: v128, order: u32): v128 {
  const fields = v128.and(i16x8.shr_u(i16x8.mul(i16x8.splat(<i16>order), i16x8(64, 16, 4, 1, 0, 0, 0, 0)), 6), i16x8.splat(3))
  const low = i16x8.add(i16x8.mul(fields, i16x8.splat(0x0202)), i16x8.splat(0x0100))
  return i8x16.swizzle(a, i8x16.shuffle(low, indices(), 0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31))
}

// @ts-ignore: decorator
@inline
function halves_exchanged(a: v128): v128 {
  return i64x2.shuffle(a, a, 1, 0)
}
/** PSHUFHW */
export function select_high_words(a: v128, order: u32): v128 {
  return halves_exchanged(select_low_words(halves_exchanged(a), order))
}

/** SHUFPS: two dwords of a, then two of b. */
export function shuffle_ps(a: v128, b: v128, order: u32): v128 {
  return i32x4.shuffle(select_dwords(a, order), select_dwords(b, order), 0, 1, 6, 7)
}
/** SHUFPD */
export function shuffle_pd(a: v128, b: v128, order: u32): v128 {
  const low = order & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0)
  const high = order & 2 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0)
  return i64x2.replace_lane(i64x2.splat(low), 1, high)
}

/** PBLENDW: words of b where the bit of `bits` is set. */
export function blend_words(a: v128, b: v128, bits: u32): v128 {
  const lane = i16x8(1, 2, 4, 8, 16, 32, 64, 128)
  return v128.bitselect(b, a, i16x8.eq(v128.and(i16x8.splat(<i16>bits), lane), lane))
}
export function blend_dwords(a: v128, b: v128, bits: u32): v128 {
  const lane = i32x4(1, 2, 4, 8)
  return v128.bitselect(b, a, i32x4.eq(v128.and(i32x4.splat(<i32>bits), lane), lane))
}
export function blend_qwords(a: v128, b: v128, bits: u32): v128 {
  const lane = i64x2(1, 2)
  return v128.bitselect(b, a, i64x2.eq(v128.and(i64x2.splat(<i64>bits), lane), lane))
}

// ---- shifts by the low quadword of `count`: counts above the width give zero, or copies of the sign

// @ts-ignore: decorator
@inline
function limited(count: v128, width: u64): i32 {
  const n = <u64>i64x2.extract_lane(count, 0)
  return <i32>(n < width ? n : width)
}
export function left_words(a: v128, count: v128): v128 {
  const n = limited(count, 16)
  return n < 16 ? i16x8.shl(a, n) : i64x2.splat(0)
}
export function left_dwords(a: v128, count: v128): v128 {
  const n = limited(count, 32)
  return n < 32 ? i32x4.shl(a, n) : i64x2.splat(0)
}
export function left_qwords(a: v128, count: v128): v128 {
  const n = limited(count, 64)
  return n < 64 ? i64x2.shl(a, n) : i64x2.splat(0)
}
export function right_words(a: v128, count: v128): v128 {
  const n = limited(count, 16)
  return n < 16 ? i16x8.shr_u(a, n) : i64x2.splat(0)
}
export function right_dwords(a: v128, count: v128): v128 {
  const n = limited(count, 32)
  return n < 32 ? i32x4.shr_u(a, n) : i64x2.splat(0)
}
export function right_qwords(a: v128, count: v128): v128 {
  const n = limited(count, 64)
  return n < 64 ? i64x2.shr_u(a, n) : i64x2.splat(0)
}
export function arithmetic_words(a: v128, count: v128): v128 {
  return i16x8.shr_s(a, limited(count, 15))
}
export function arithmetic_dwords(a: v128, count: v128): v128 {
  return i32x4.shr_s(a, limited(count, 31))
}
