// PCLMULQDQ (AMD64 APM vol. 4): product of two polynomials over GF(2).

/**
 * Low 64 bits of the carry-less product. Operands are thinned to every fourth bit, so that in an ordinary product at most sixteen ones meet
 * in a column and carries die in the three empty bits above it (sixteen meet only in the column whose carry leaves the word).
 */
function low_product(x: u64, y: u64): u64 {
  const m0: u64 = 0x1111111111111111
  const m1: u64 = 0x2222222222222222
  const m2: u64 = 0x4444444444444444
  const m3: u64 = 0x8888888888888888
  const x0 = x & m0, x1 = x & m1, x2 = x & m2, x3 = x & m3
  const y0 = y & m0, y1 = y & m1, y2 = y & m2, y3 = y & m3
  const z0 = (x0 * y0) ^ (x1 * y3) ^ (x2 * y2) ^ (x3 * y1)
  const z1 = (x0 * y1) ^ (x1 * y0) ^ (x2 * y3) ^ (x3 * y2)
  const z2 = (x0 * y2) ^ (x1 * y1) ^ (x2 * y0) ^ (x3 * y3)
  const z3 = (x0 * y3) ^ (x1 * y2) ^ (x2 * y1) ^ (x3 * y0)
  return (z0 & m0) | (z1 & m1) | (z2 & m2) | (z3 & m3)
}

/** The 64 bits in opposite order. */
function reversed(x: u64): u64 {
  x = ((x >> 1) & 0x5555555555555555) | ((x & 0x5555555555555555) << 1)
  x = ((x >> 2) & 0x3333333333333333) | ((x & 0x3333333333333333) << 2)
  x = ((x >> 4) & 0x0f0f0f0f0f0f0f0f) | ((x & 0x0f0f0f0f0f0f0f0f) << 4)
  return bswap<u64>(x)
}

/** imm bit 0 chooses the quadword of a, bit 4 that of b. */
export function carryless_multiply(a: v128, b: v128, imm: u32): v128 {
  const x = <u64>(imm & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0))
  const y = <u64>(imm & 16 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0))
  const low = low_product(x, y)
  const high = reversed(low_product(reversed(x), reversed(y))) >> 1
  return i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high)
}
