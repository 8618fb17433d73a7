/**
 * The vector instructions that are computed in line, each as the WebAssembly code of its result: words of a stack machine.
 *
 *   a b              the destination's old value and the source; for shifts by an immediate, a is the register
 *   xmm0             the implicit operand
 *   x =x             scratch, and popping into it
 *   zero             sixteen bytes of zero
 *   bytes:N words:N dwords:N qwords:N   N in every lane
 *   i32:N i64:N      a constant
 *   shuffle8:… shuffle16:… shuffle32:… shuffle64:…   lanes out of the two vectors on the stack
 *   OP OP:LANE       an instruction by its name
 *
 * A form that depends on the immediate is a function of it. Counts of x86 shifts beyond the lane give zero or copies of the sign, those of WebAssembly
 * are taken modulo the lane. The meaning of each instruction stands in kernel/vector-integer.ts, and a test compares the two.
 */

import * as V from '../ir/vector-ids.js'

export type VectorForm = string | ((immediate: number) => string)

const lanes = (count: number, lane: (n: number) => number): string => Array.from({ length: count }, (_, n) => lane(n)).join()
/** Field n of two bits. */
const pair = (order: number, n: number): number => (order >> (2 * n)) & 3

const COUNT = 'b i64x2.extract_lane:0'
/** Shift by the low quadword of b: `width` bits in a lane. */
const byRegister = (code: string, width: number): string => `a ${COUNT} i32.wrap_i64 ${code} zero ${COUNT} i64:${width} i64.lt_u select`
const arithmeticByRegister = (code: string, width: number): string =>
  `a ${COUNT} i32.wrap_i64 i32:${width - 1} ${COUNT} i64:${width} i64.lt_u select ${code}`
const byImmediate = (code: string, width: number): VectorForm => {
  const limited = (n: number): number => Math.min(n, width - 1)
  return (n) => (code.endsWith('shr_s') ? `a i32:${limited(n)} ${code}` : n < width ? `a i32:${n} ${code}` : 'zero')
}

const highProducts = (sign: string): string =>
  `a b i32x4.extmul_low_i16x8_${sign} a b i32x4.extmul_high_i16x8_${sign} shuffle16:1,3,5,7,9,11,13,15`
const evenDwords = (x: string): string => `${x} ${x} shuffle32:0,2,0,2`
const evens16 = 'a b shuffle16:0,2,4,6,8,10,12,14'
const odds16 = 'a b shuffle16:1,3,5,7,9,11,13,15'
const evens32 = 'a b shuffle32:0,2,4,6'
const odds32 = 'a b shuffle32:1,3,5,7'
/** a negated where b is negative, cleared where b is zero. */
const signed = (lane: string, bits: number): string =>
  `b i32:${bits - 1} ${lane}.shr_s =x a x v128.xor x ${lane}.sub b zero ${lane}.eq v128.andnot`

function alignRight(n: number): string {
  if (n >= 32) return 'zero'
  if (n > 16) return `a zero shuffle8:${lanes(16, (i) => Math.min(i + n - 16, 16))}`
  return `b a shuffle8:${lanes(16, (i) => i + n)}`
}

const blend =
  (bits: number, count: number): VectorForm =>
  (immediate) =>
    `a b shuffle${bits}:${lanes(count, (n) => ((immediate >> n) & 1 ? count + n : n))}`

/** Instructions below V_BINARY_END: destination = form(destination, source). */
const binary: readonly (readonly [number, VectorForm])[] = [
  [V.V_PXOR, 'a b v128.xor'],
  [V.V_PAND, 'a b v128.and'],
  [V.V_PANDN, 'b a v128.andnot'],
  [V.V_POR, 'a b v128.or'],
  [V.V_PCMPEQB, 'a b i8x16.eq'],
  [V.V_PCMPEQW, 'a b i16x8.eq'],
  [V.V_PCMPEQD, 'a b i32x4.eq'],
  [V.V_PADDD, 'a b i32x4.add'],
  [V.V_PADDQ, 'a b i64x2.add'],
  [V.V_PADDB, 'a b i8x16.add'],
  [V.V_PADDW, 'a b i16x8.add'],
  [V.V_PSUBB, 'a b i8x16.sub'],
  [V.V_PSUBW, 'a b i16x8.sub'],
  [V.V_PSUBD, 'a b i32x4.sub'],
  [V.V_PSUBQ, 'a b i64x2.sub'],
  [V.V_PMINUB, 'a b i8x16.min_u'],
  [V.V_PMAXUB, 'a b i8x16.max_u'],
  [V.V_PSHUFB, 'a b bytes:143 v128.and i8x16.swizzle'],
  [V.V_PUNPCKLBW, 'a b shuffle8:0,16,1,17,2,18,3,19,4,20,5,21,6,22,7,23'],
  [V.V_PUNPCKLWD, 'a b shuffle16:0,8,1,9,2,10,3,11'],
  [V.V_PUNPCKLDQ, 'a b shuffle32:0,4,1,5'],
  [V.V_PUNPCKHBW, 'a b shuffle8:8,24,9,25,10,26,11,27,12,28,13,29,14,30,15,31'],
  [V.V_PUNPCKHWD, 'a b shuffle16:4,12,5,13,6,14,7,15'],
  [V.V_PUNPCKHDQ, 'a b shuffle32:2,6,3,7'],
  [V.V_PSLLW, byRegister('i16x8.shl', 16)],
  [V.V_PSLLD, byRegister('i32x4.shl', 32)],
  [V.V_PSLLQ, byRegister('i64x2.shl', 64)],
  [V.V_PSRLW, byRegister('i16x8.shr_u', 16)],
  [V.V_PSRLD, byRegister('i32x4.shr_u', 32)],
  [V.V_PSRLQ, byRegister('i64x2.shr_u', 64)],
  [V.V_PSRAW, arithmeticByRegister('i16x8.shr_s', 16)],
  [V.V_PSRAD, arithmeticByRegister('i32x4.shr_s', 32)],
  [V.V_PCMPGTB, 'a b i8x16.gt_s'],
  [V.V_PCMPGTW, 'a b i16x8.gt_s'],
  [V.V_PCMPGTD, 'a b i32x4.gt_s'],
  [V.V_PACKSSWB, 'a b i8x16.narrow_i16x8_s'],
  [V.V_PACKUSWB, 'a b i8x16.narrow_i16x8_u'],
  [V.V_PACKSSDW, 'a b i16x8.narrow_i32x4_s'],
  [V.V_PMULLW, 'a b i16x8.mul'],
  [V.V_PMULHW, highProducts('s')],
  [V.V_PMULHUW, highProducts('u')],
  [V.V_PMULUDQ, `${evenDwords('a')} ${evenDwords('b')} i64x2.extmul_low_i32x4_u`],
  [V.V_PMADDWD, 'a b i32x4.dot_i16x8_s'],
  [
    V.V_PMADDUBSW,
    'a words:255 v128.and b i32:8 i16x8.shl i32:8 i16x8.shr_s i16x8.mul a i32:8 i16x8.shr_u b i32:8 i16x8.shr_s i16x8.mul i16x8.add_sat_s',
  ],
  [
    V.V_PSADBW,
    'a b i8x16.sub_sat_u b a i8x16.sub_sat_u v128.or i16x8.extadd_pairwise_i8x16_u i32x4.extadd_pairwise_i16x8_u =x x x i32:32 i64x2.shr_u i64x2.add qwords:0xffffffff v128.and',
  ],
  [V.V_PAVGB, 'a b i8x16.avgr_u'],
  [V.V_PAVGW, 'a b i16x8.avgr_u'],
  [V.V_PMINSW, 'a b i16x8.min_s'],
  [V.V_PMAXSW, 'a b i16x8.max_s'],
  [V.V_PADDSB, 'a b i8x16.add_sat_s'],
  [V.V_PADDSW, 'a b i16x8.add_sat_s'],
  [V.V_PADDUSB, 'a b i8x16.add_sat_u'],
  [V.V_PADDUSW, 'a b i16x8.add_sat_u'],
  [V.V_PSUBSB, 'a b i8x16.sub_sat_s'],
  [V.V_PSUBSW, 'a b i16x8.sub_sat_s'],
  [V.V_PSUBUSB, 'a b i8x16.sub_sat_u'],
  [V.V_PSUBUSW, 'a b i16x8.sub_sat_u'],
  [V.V_PALIGNR, alignRight],
  [V.V_PABSB, 'b i8x16.abs'],
  [V.V_PABSW, 'b i16x8.abs'],
  [V.V_PABSD, 'b i32x4.abs'],
  [V.V_PSIGNB, signed('i8x16', 8)],
  [V.V_PSIGNW, signed('i16x8', 16)],
  [V.V_PSIGND, signed('i32x4', 32)],
  [V.V_PHADDW, `${evens16} ${odds16} i16x8.add`],
  [V.V_PHADDD, `${evens32} ${odds32} i32x4.add`],
  [V.V_PHADDSW, `${evens16} ${odds16} i16x8.add_sat_s`],
  [V.V_PHSUBW, `${evens16} ${odds16} i16x8.sub`],
  [V.V_PHSUBD, `${evens32} ${odds32} i32x4.sub`],
  [V.V_PHSUBSW, `${evens16} ${odds16} i16x8.sub_sat_s`],
  // WebAssembly's rounding product saturates where x86 wraps: -32768 by itself.
  [V.V_PMULHRSW, 'a b i16x8.q15mulr_sat_s a words:32768 i16x8.eq b words:32768 i16x8.eq v128.and v128.xor'],
  [V.V_PUNPCKLQDQ, 'a b shuffle64:0,2'],
  [V.V_PUNPCKHQDQ, 'a b shuffle64:1,3'],
  [V.V_PSHUFD, (order) => `b b shuffle32:${lanes(4, (n) => pair(order, n))}`],
  [V.V_PSHUFLW, (order) => `b b shuffle16:${lanes(8, (n) => (n < 4 ? pair(order, n) : n))}`],
  [V.V_PSHUFHW, (order) => `b b shuffle16:${lanes(8, (n) => (n < 4 ? n : 4 + pair(order, n - 4)))}`],
  [V.V_SHUFPS, (order) => `a b shuffle32:${lanes(4, (n) => (n < 2 ? 0 : 4) + pair(order, n))}`],
  [V.V_SHUFPD, (order) => `a b shuffle64:${order & 1},${2 + ((order >> 1) & 1)}`],
  [V.V_MOVSLDUP, 'b b shuffle32:0,0,2,2'],
  [V.V_MOVSHDUP, 'b b shuffle32:1,1,3,3'],
  [V.V_PMULLD, 'a b i32x4.mul'],
  [V.V_PMULDQ, `${evenDwords('a')} ${evenDwords('b')} i64x2.extmul_low_i32x4_s`],
  [V.V_PMINSB, 'a b i8x16.min_s'],
  [V.V_PMINUW, 'a b i16x8.min_u'],
  [V.V_PMINUD, 'a b i32x4.min_u'],
  [V.V_PMINSD, 'a b i32x4.min_s'],
  [V.V_PMAXSB, 'a b i8x16.max_s'],
  [V.V_PMAXUW, 'a b i16x8.max_u'],
  [V.V_PMAXUD, 'a b i32x4.max_u'],
  [V.V_PMAXSD, 'a b i32x4.max_s'],
  [V.V_PACKUSDW, 'a b i16x8.narrow_i32x4_u'],
  [V.V_PCMPEQQ, 'a b i64x2.eq'],
  [V.V_PCMPGTQ, 'a b i64x2.gt_s'],
  [V.V_PBLENDVB, 'b a xmm0 i32:7 i8x16.shr_s v128.bitselect'],
  [V.V_BLENDVPS, 'b a xmm0 i32:31 i32x4.shr_s v128.bitselect'],
  [V.V_BLENDVPD, 'b a xmm0 i32:63 i64x2.shr_s v128.bitselect'],
  [V.V_PBLENDW, blend(16, 8)],
  [V.V_BLENDPS, blend(32, 4)],
  [V.V_BLENDPD, blend(64, 2)],
]

export const binaryForms: ReadonlyMap<number, VectorForm> = new Map(binary)

/** Shifts by an immediate: register = form(register). */
export const shiftForms: ReadonlyMap<number, VectorForm> = new Map<number, VectorForm>([
  [V.V_PSLLW_IMM, byImmediate('i16x8.shl', 16)],
  [V.V_PSLLD_IMM, byImmediate('i32x4.shl', 32)],
  [V.V_PSLLQ_IMM, byImmediate('i64x2.shl', 64)],
  [V.V_PSRLW_IMM, byImmediate('i16x8.shr_u', 16)],
  [V.V_PSRLD_IMM, byImmediate('i32x4.shr_u', 32)],
  [V.V_PSRLQ_IMM, byImmediate('i64x2.shr_u', 64)],
  [V.V_PSRAW_IMM, byImmediate('i16x8.shr_s', 16)],
  [V.V_PSRAD_IMM, byImmediate('i32x4.shr_s', 32)],
  [V.V_PSLLDQ, (n) => `a zero shuffle8:${lanes(16, (i) => (i < n ? 16 : i - n))}`],
  [V.V_PSRLDQ, (n) => `a zero shuffle8:${lanes(16, (i) => Math.min(i + n, 16))}`],
])

/** Moves and widenings between registers: destination = form(destination, source). With memory, the source is what `bytes` says, zero-extended. */
export interface NarrowForm {
  readonly form: VectorForm
  /** Bytes of a source in memory: 2, 4 or 8. */
  readonly bytes: number
  /** Form with the source in memory, where it is another. */
  readonly memory?: VectorForm
}

const widen = (...steps: readonly string[]): string => ['b', ...steps].join(' ')

export const narrowForms: ReadonlyMap<number, NarrowForm> = new Map<number, NarrowForm>([
  [V.V_MOVQ_LOAD, { form: 'b zero shuffle64:0,2', bytes: 8, memory: 'b' }],
  [V.V_MOVSS_LOAD, { form: 'a b shuffle32:4,1,2,3', bytes: 4, memory: 'b' }],
  [V.V_MOVSD_LOAD, { form: 'a b shuffle64:2,1', bytes: 8, memory: 'b' }],
  [V.V_MOVL_LOAD, { form: 'a b shuffle64:2,1', bytes: 8 }],
  [V.V_MOVH_LOAD, { form: 'a b shuffle64:0,2', bytes: 8 }],
  [V.V_MOVHLPS, { form: 'b a shuffle64:1,3', bytes: 8 }],
  [V.V_MOVLHPS, { form: 'a b shuffle64:0,2', bytes: 8 }],
  [V.V_MOVDDUP, { form: 'b b shuffle64:0,0', bytes: 8 }],
  [V.V_PMOVSXBW, { form: widen('i16x8.extend_low_i8x16_s'), bytes: 8 }],
  [V.V_PMOVSXBD, { form: widen('i16x8.extend_low_i8x16_s', 'i32x4.extend_low_i16x8_s'), bytes: 4 }],
  [V.V_PMOVSXBQ, { form: widen('i16x8.extend_low_i8x16_s', 'i32x4.extend_low_i16x8_s', 'i64x2.extend_low_i32x4_s'), bytes: 2 }],
  [V.V_PMOVSXWD, { form: widen('i32x4.extend_low_i16x8_s'), bytes: 8 }],
  [V.V_PMOVSXWQ, { form: widen('i32x4.extend_low_i16x8_s', 'i64x2.extend_low_i32x4_s'), bytes: 4 }],
  [V.V_PMOVSXDQ, { form: widen('i64x2.extend_low_i32x4_s'), bytes: 8 }],
  [V.V_PMOVZXBW, { form: widen('i16x8.extend_low_i8x16_u'), bytes: 8 }],
  [V.V_PMOVZXBD, { form: widen('i16x8.extend_low_i8x16_u', 'i32x4.extend_low_i16x8_u'), bytes: 4 }],
  [V.V_PMOVZXBQ, { form: widen('i16x8.extend_low_i8x16_u', 'i32x4.extend_low_i16x8_u', 'i64x2.extend_low_i32x4_u'), bytes: 2 }],
  [V.V_PMOVZXWD, { form: widen('i32x4.extend_low_i16x8_u'), bytes: 8 }],
  [V.V_PMOVZXWQ, { form: widen('i32x4.extend_low_i16x8_u', 'i64x2.extend_low_i32x4_u'), bytes: 4 }],
  [V.V_PMOVZXDQ, { form: widen('i64x2.extend_low_i32x4_u'), bytes: 8 }],
])

/** INSERTPS: imm 7:6 source lane (of registers), 5:4 destination lane, 3:0 lanes to clear. */
export function insertForm(immediate: number, fromMemory: boolean): string {
  const from = fromMemory ? 0 : immediate >> 6
  const to = (immediate >> 4) & 3
  const inserted = `a b shuffle32:${lanes(4, (n) => (n === to ? 4 + from : n))}`
  return immediate & 15 ? `${inserted} zero shuffle32:${lanes(4, (n) => ((immediate >> n) & 1 ? 4 : n))}` : inserted
}
