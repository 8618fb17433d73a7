// Software floating point: the door. See softfloat-state.ts for the environment.
// f32 and f64 functions work on raw bit patterns and follow SSE: NaN of the first operand preferred, default NaN negative,
// tininess after rounding, "integer indefinite" on invalid conversions. Where an unmasked exception arises the returned value means nothing.

export { sf_round, sf_flags, sf_masks, sf_daz, sf_ftz, sf_begin, sf_unmasked, SF_IE, SF_DE, SF_ZE, SF_OE, SF_UE, SF_PE } from './softfloat-state'
export {
  f32_add, f32_sub, f32_mul, f32_div, f32_sqrt, f32_compare, f32_compare_quiet, f32_min, f32_max, f32_round_to_int,
} from './softfloat-f32'
export {
  f64_add, f64_sub, f64_mul, f64_div, f64_sqrt, f64_compare, f64_compare_quiet, f64_min, f64_max, f64_round_to_int,
} from './softfloat-f64'
export {
  f32_to_f64, f64_to_f32, f32_to_i32, f32_to_i32_trunc, f32_to_i64, f32_to_i64_trunc, f64_to_i32, f64_to_i32_trunc, f64_to_i64, f64_to_i64_trunc,
  i32_to_f32, i64_to_f32, i32_to_f64, i64_to_f64,
} from './softfloat-convert'
