/** Vector instructions of WebAssembly by name (Core Specification, section 5.4.9): the numbers that follow the prefix 0xfd. */

const runs: readonly (readonly [first: number, prefix: string, names: string])[] = [
  [
    0x00,
    'v128.',
    'load load8x8_s load8x8_u load16x4_s load16x4_u load32x2_s load32x2_u load8_splat load16_splat load32_splat load64_splat store',
  ],
  [0x0e, 'i8x16.', 'swizzle splat'],
  [0x10, '', 'i16x8.splat i32x4.splat i64x2.splat f32x4.splat f64x2.splat'],
  [0x15, '', 'i8x16.extract_lane_s i8x16.extract_lane_u i8x16.replace_lane i16x8.extract_lane_s i16x8.extract_lane_u i16x8.replace_lane'],
  [0x1b, '', 'i32x4.extract_lane i32x4.replace_lane i64x2.extract_lane i64x2.replace_lane'],
  [0x1f, '', 'f32x4.extract_lane f32x4.replace_lane f64x2.extract_lane f64x2.replace_lane'],
  [0x23, 'i8x16.', 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'],
  [0x2d, 'i16x8.', 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'],
  [0x37, 'i32x4.', 'eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u'],
  [0x41, 'f32x4.', 'eq ne lt gt le ge'],
  [0x47, 'f64x2.', 'eq ne lt gt le ge'],
  [0x4d, 'v128.', 'not and andnot or xor bitselect any_true'],
  [
    0x54,
    'v128.',
    'load8_lane load16_lane load32_lane load64_lane store8_lane store16_lane store32_lane store64_lane load32_zero load64_zero',
  ],
  [0x5e, '', 'f32x4.demote_f64x2_zero f64x2.promote_low_f32x4'],
  [0x60, 'i8x16.', 'abs neg popcnt all_true bitmask narrow_i16x8_s narrow_i16x8_u'],
  [0x67, 'f32x4.', 'ceil floor trunc nearest'],
  [0x6b, 'i8x16.', 'shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u'],
  [0x74, 'f64x2.', 'ceil floor'],
  [0x76, 'i8x16.', 'min_s min_u max_s max_u'],
  [0x7a, '', 'f64x2.trunc i8x16.avgr_u i16x8.extadd_pairwise_i8x16_s i16x8.extadd_pairwise_i8x16_u'],
  [0x7e, 'i32x4.', 'extadd_pairwise_i16x8_s extadd_pairwise_i16x8_u'],
  [0x80, 'i16x8.', 'abs neg q15mulr_sat_s all_true bitmask narrow_i32x4_s narrow_i32x4_u'],
  [0x87, 'i16x8.', 'extend_low_i8x16_s extend_high_i8x16_s extend_low_i8x16_u extend_high_i8x16_u'],
  [0x8b, 'i16x8.', 'shl shr_s shr_u add add_sat_s add_sat_u sub sub_sat_s sub_sat_u'],
  [0x94, '', 'f64x2.nearest i16x8.mul i16x8.min_s i16x8.min_u i16x8.max_s i16x8.max_u'],
  [0x9b, 'i16x8.', 'avgr_u'],
  [0xa0, 'i32x4.', 'abs neg'],
  [0xa3, 'i32x4.', 'all_true bitmask'],
  [0xa7, 'i32x4.', 'extend_low_i16x8_s extend_high_i16x8_s extend_low_i16x8_u extend_high_i16x8_u shl shr_s shr_u add'],
  [0xb1, 'i32x4.', 'sub'],
  [0xb5, 'i32x4.', 'mul min_s min_u max_s max_u dot_i16x8_s'],
  [0xbc, 'i32x4.', 'extmul_low_i16x8_s extmul_high_i16x8_s extmul_low_i16x8_u extmul_high_i16x8_u'],
  [0xc0, 'i64x2.', 'abs neg'],
  [0xc3, 'i64x2.', 'all_true bitmask'],
  [0xc7, 'i64x2.', 'extend_low_i32x4_s extend_high_i32x4_s extend_low_i32x4_u extend_high_i32x4_u shl shr_s shr_u add'],
  [0xd1, 'i64x2.', 'sub'],
  [0xd5, 'i64x2.', 'mul eq ne lt_s gt_s le_s ge_s'],
  [0xdc, 'i64x2.', 'extmul_low_i32x4_s extmul_high_i32x4_s extmul_low_i32x4_u extmul_high_i32x4_u'],
  [0xe0, 'f32x4.', 'abs neg'],
  [0xe3, 'f32x4.', 'sqrt add sub mul div min max pmin pmax'],
  [0xec, 'f64x2.', 'abs neg'],
  [0xef, 'f64x2.', 'sqrt add sub mul div min max pmin pmax'],
  [0xf8, 'i32x4.', 'trunc_sat_f32x4_s trunc_sat_f32x4_u'],
  [0xfa, 'f32x4.', 'convert_i32x4_s convert_i32x4_u'],
  [0xfc, 'i32x4.', 'trunc_sat_f64x2_s_zero trunc_sat_f64x2_u_zero'],
  [0xfe, 'f64x2.', 'convert_low_i32x4_s convert_low_i32x4_u'],
  // Not in every engine (fused-multiply-add.ts).
  [0x107, 'f64x2.', 'relaxed_madd relaxed_nmadd'],
]

export const simdCodes: ReadonlyMap<string, number> = new Map(
  runs.flatMap(([first, prefix, names]) => names.split(' ').map((name, n): [string, number] => [prefix + name, first + n])),
)

export const V128_CONST = 0x0c
export const I8X16_SHUFFLE = 0x0d
