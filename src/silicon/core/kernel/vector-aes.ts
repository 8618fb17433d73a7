// AES instructions (AMD64 APM vol. 4, AESENC … AESKEYGENASSIST; FIPS 197 sections 4 and 5). Columns are the dwords of a register, row 0 in the low byte.

import { CORE_STATIC_BASE } from '../../fabric-layout'

// Tables, computed on first use: a word that says so, S-box, inverse S-box, and what one byte in row 0 adds to its column after
// SubBytes and MixColumns (or their inverses).
const READY: usize = CORE_STATIC_BASE + 0x20000
const S_BOX: usize = READY + 0x100
const S_BOX_INVERSE: usize = READY + 0x200
const ENCRYPT: usize = READY + 0x400
const DECRYPT: usize = READY + 0x800

/** Multiplication by x in GF(2^8), FIPS 197 section 4.2.1. */
function doubled(a: u32): u32 {
  return ((a << 1) ^ (a & 0x80 ? 0x11b : 0)) & 0xff
}

function build_tables(): void {
  // p runs through the powers of the generator 3 and q through their inverses; the affine map of section 5.1.1 follows.
  let p: u32 = 1
  let q: u32 = 1
  do {
    p ^= doubled(p)
    q ^= q << 1
    q ^= q << 2
    q = (q ^ (q << 4)) & 0xff
    if (q & 0x80) q ^= 0x09
    const doubled_q = q | (q << 8)
    enter(p, (q ^ (doubled_q >> 7) ^ (doubled_q >> 6) ^ (doubled_q >> 5) ^ (doubled_q >> 4) ^ 0x63) & 0xff)
  } while (p != 1)
  enter(0, 0x63)
  store<u32>(READY, 1)
}

/** Enters the pair x -> S(x) in all tables: rows 2 1 1 3 of section 5.1.3, rows 14 9 13 11 of section 5.3.3. */
function enter(x: u32, sub: u32): void {
  store<u8>(S_BOX + x, sub)
  store<u8>(S_BOX_INVERSE + sub, x)
  const two = doubled(sub)
  store<u32>(ENCRYPT + x * 4, two | (sub << 8) | (sub << 16) | ((two ^ sub) << 24))
  const x2 = doubled(x)
  const x4 = doubled(x2)
  const x8 = doubled(x4)
  store<u32>(DECRYPT + sub * 4, (x8 ^ x4 ^ x2) | ((x8 ^ x) << 8) | ((x8 ^ x4 ^ x) << 16) | ((x8 ^ x2 ^ x) << 24))
}

// @ts-ignore: decorator
@inline
function prepare(): void {
  if (!load<u32>(READY)) build_tables()
}

/** One column from the rows of four: row r comes from column r of the arguments. */
// @ts-ignore: decorator
@inline
function mixed(table: usize, c0: u32, c1: u32, c2: u32, c3: u32): u32 {
  return (
    load<u32>(table + ((c0 & 0xff) << 2)) ^
    rotl<u32>(load<u32>(table + (((c1 >> 8) & 0xff) << 2)), 8) ^
    rotl<u32>(load<u32>(table + (((c2 >> 16) & 0xff) << 2)), 16) ^
    rotl<u32>(load<u32>(table + ((c3 >> 24) << 2)), 24)
  )
}
// @ts-ignore: decorator
@inline
function replaced(table: usize, c0: u32, c1: u32, c2: u32, c3: u32): u32 {
  return (
    <u32>load<u8>(table + (c0 & 0xff)) |
    (<u32>load<u8>(table + ((c1 >> 8) & 0xff)) << 8) |
    (<u32>load<u8>(table + ((c2 >> 16) & 0xff)) << 16) |
    (<u32>load<u8>(table + (c3 >> 24)) << 24)
  )
}
// @ts-ignore: decorator
@inline
function lane(a: v128, i: u8): u32 {
  return <u32>(i == 0 ? i32x4.extract_lane(a, 0) : i == 1 ? i32x4.extract_lane(a, 1) : i == 2 ? i32x4.extract_lane(a, 2) : i32x4.extract_lane(a, 3))
}
// @ts-ignore: decorator
@inline
function columns(c0: u32, c1: u32, c2: u32, c3: u32): v128 {
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(c0), 1, c1), 2, c2), 3, c3)
}

/** AESENC */
export function aes_encrypt(a: v128, key: v128): v128 {
  prepare()
  const c0 = lane(a, 0), c1 = lane(a, 1), c2 = lane(a, 2), c3 = lane(a, 3)
  const round = columns(
    mixed(ENCRYPT, c0, c1, c2, c3), mixed(ENCRYPT, c1, c2, c3, c0), mixed(ENCRYPT, c2, c3, c0, c1), mixed(ENCRYPT, c3, c0, c1, c2),
  )
  return v128.xor(round, key)
}
/** AESENCLAST */
export function aes_encrypt_last(a: v128, key: v128): v128 {
  prepare()
  const c0 = lane(a, 0), c1 = lane(a, 1), c2 = lane(a, 2), c3 = lane(a, 3)
  const round = columns(
    replaced(S_BOX, c0, c1, c2, c3), replaced(S_BOX, c1, c2, c3, c0), replaced(S_BOX, c2, c3, c0, c1), replaced(S_BOX, c3, c0, c1, c2),
  )
  return v128.xor(round, key)
}
/** AESDEC */
export function aes_decrypt(a: v128, key: v128): v128 {
  prepare()
  const c0 = lane(a, 0), c1 = lane(a, 1), c2 = lane(a, 2), c3 = lane(a, 3)
  const round = columns(
    mixed(DECRYPT, c0, c3, c2, c1), mixed(DECRYPT, c1, c0, c3, c2), mixed(DECRYPT, c2, c1, c0, c3), mixed(DECRYPT, c3, c2, c1, c0),
  )
  return v128.xor(round, key)
}
/** AESDECLAST */
export function aes_decrypt_last(a: v128, key: v128): v128 {
  prepare()
  const c0 = lane(a, 0), c1 = lane(a, 1), c2 = lane(a, 2), c3 = lane(a, 3)
  const round = columns(
    replaced(S_BOX_INVERSE, c0, c3, c2, c1), replaced(S_BOX_INVERSE, c1, c0, c3, c2),
    replaced(S_BOX_INVERSE, c2, c1, c0, c3), replaced(S_BOX_INVERSE, c3, c2, c1, c0),
  )
  return v128.xor(round, key)
}

function inverse_mixed(c: u32): u32 {
  const sub = replaced(S_BOX, c, c, c, c)
  return mixed(DECRYPT, sub, sub, sub, sub)
}
/** AESIMC: InvMixColumns alone, through SubBytes and the table that undoes it. */
export function aes_inverse_mix(b: v128): v128 {
  prepare()
  return columns(inverse_mixed(lane(b, 0)), inverse_mixed(lane(b, 1)), inverse_mixed(lane(b, 2)), inverse_mixed(lane(b, 3)))
}

/** AESKEYGENASSIST: SubWord of dwords 1 and 3, each also rotated and xored with the round constant. */
export function aes_key_assist(b: v128, imm: u32): v128 {
  prepare()
  const c1 = lane(b, 1), c3 = lane(b, 3)
  const x1 = replaced(S_BOX, c1, c1, c1, c1)
  const x3 = replaced(S_BOX, c3, c3, c3, c3)
  return columns(x1, rotr<u32>(x1, 8) ^ imm, x3, rotr<u32>(x3, 8) ^ imm)
}
