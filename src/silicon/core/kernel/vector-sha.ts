// SHA instructions (AMD64 APM vol. 4, SHA1RNDS4 … SHA256MSG2; functions and constants of FIPS 180-4 sections 4.1 and 4.2).

// @ts-ignore: decorator
@inline
function lane0(a: v128): u32 {
  return i32x4.extract_lane(a, 0)
}
// @ts-ignore: decorator
@inline
function lane1(a: v128): u32 {
  return i32x4.extract_lane(a, 1)
}
// @ts-ignore: decorator
@inline
function lane2(a: v128): u32 {
  return i32x4.extract_lane(a, 2)
}
// @ts-ignore: decorator
@inline
function lane3(a: v128): u32 {
  return i32x4.extract_lane(a, 3)
}
// @ts-ignore: decorator
@inline
function lanes(l0: u32, l1: u32, l2: u32, l3: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(l0), 1, l1), 2, l2), 3, l3)
}
// @ts-ignore: decorator
@inline
function rotated(a: v128, n: i32): v128 {
  return v128.or(i32x4.shl(a, n), i32x4.shr_u(a, 32 - n))
}

/** FIPS 180-4, section 4.1.1: Ch, Parity, Maj, Parity. */
// @ts-ignore: decorator
@inline
function sha1_function(kind: u32, b: u32, c: u32, d: u32): u32 {
  if (kind == 0) return (b & c) ^ (~b & d)
  if (kind == 2) return (b & c) ^ (b & d) ^ (c & d)
  return b ^ c ^ d
}

/** Four rounds; a = D C B A from lane 0 up, b = W3 W2 W1 W0 where W0 has E added already. */
export function sha1_rounds4(state: v128, words: v128, imm: u32): v128 {
  const kind = imm & 3
  const constant: u32 = kind == 0 ? 0x5a827999 : kind == 1 ? 0x6ed9eba1 : kind == 2 ? 0x8f1bbcdc : 0xca62c1d6
  let a = lane3(state)
  let b = lane2(state)
  let c = lane1(state)
  let d = lane0(state)
  let e: u32 = 0
  for (let i = 0; i < 4; i++) {
    const w = i == 0 ? lane3(words) : i == 1 ? lane2(words) : i == 2 ? lane1(words) : lane0(words)
    const next = sha1_function(kind, b, c, d) + rotl<u32>(a, 5) + w + e + constant
    e = d
    d = c
    c = rotl<u32>(b, 30)
    b = a
    a = next
  }
  return lanes(d, c, b, a)
}

export function sha1_next_e(a: v128, b: v128): v128 {
  return i32x4.replace_lane(b, 3, lane3(b) + rotl<u32>(lane3(a), 30))
}

export function sha1_message1(a: v128, b: v128): v128 {
  return v128.xor(a, i64x2.shuffle(b, a, 1, 2))
}

export function sha1_message2(a: v128, b: v128): v128 {
  const w16 = rotl<u32>(lane3(a) ^ lane2(b), 1)
  const w17 = rotl<u32>(lane2(a) ^ lane1(b), 1)
  const w18 = rotl<u32>(lane1(a) ^ lane0(b), 1)
  const w19 = rotl<u32>(lane0(a) ^ w16, 1)
  return lanes(w19, w18, w17, w16)
}

/** Two rounds; cdgh = H G D C and abef = F E B A from lane 0 up, words + constants in the low lanes of wk. */
export function sha256_rounds2(cdgh: v128, abef: v128, wk: v128): v128 {
  let a = lane3(abef), b = lane2(abef), c = lane3(cdgh), d = lane2(cdgh)
  let e = lane1(abef), f = lane0(abef), g = lane1(cdgh), h = lane0(cdgh)
  for (let i = 0; i < 2; i++) {
    const t =
      h + ((e & f) ^ (~e & g)) + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + (i == 0 ? lane0(wk) : lane1(wk))
    const u = ((a & b) ^ (a & c) ^ (b & c)) + (rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22))
    h = g
    g = f
    f = e
    e = d + t
    d = c
    c = b
    b = a
    a = t + u
  }
  return lanes(f, e, b, a)
}

/** sigma0 of section 4.1.2 on four words. */
export function sha256_message1(a: v128, b: v128): v128 {
  const next = i32x4.shuffle(a, b, 1, 2, 3, 4)
  const sigma = v128.xor(v128.xor(rotated(next, 25), rotated(next, 14)), i32x4.shr_u(next, 3))
  return i32x4.add(a, sigma)
}

// @ts-ignore: decorator
@inline
function sigma1(w: u32): u32 {
  return rotr<u32>(w, 17) ^ rotr<u32>(w, 19) ^ (w >> 10)
}
export function sha256_message2(a: v128, b: v128): v128 {
  const w16 = lane0(a) + sigma1(lane2(b))
  const w17 = lane1(a) + sigma1(lane3(b))
  const w18 = lane2(a) + sigma1(w16)
  const w19 = lane3(a) + sigma1(w17)
  return lanes(w16, w17, w18, w19)
}
