// The interpreter: one switch over IR records, which becomes one br_table. Guest state stays in the state area; `s` is its base.
// `execute` is long because it is a dispatch table: each case is a line or a call, and every case ends in `continue` (next record at
// `ip`) or `break` (PC and BUDGET are exact, back to the dispatcher).

import {
  BLOCK_FIRST_RECORD,
  OP_ADC16,
  OP_ADC32,
  OP_ADC64,
  OP_ADC8,
  OP_ADCI16,
  OP_ADCI32,
  OP_ADCI64,
  OP_ADCI8,
  OP_ADD16,
  OP_ADD32,
  OP_ADD64,
  OP_ADD8,
  OP_ADDI16,
  OP_ADDI32,
  OP_ADDI64,
  OP_ADDI8,
  OP_ADD_CARRY,
  OP_ADDIN32,
  OP_ADDIN64,
  OP_ADDN32,
  OP_ADDN64,
  OP_AND16,
  OP_AND32,
  OP_AND64,
  OP_AND8,
  OP_ANDI16,
  OP_ANDI32,
  OP_ANDI64,
  OP_ANDI8,
  OP_ANDIN32,
  OP_ANDIN64,
  OP_ANDN32,
  OP_ANDN64,
  OP_BIT,
  OP_BMI,
  OP_BSWAP32,
  OP_BSWAP64,
  OP_CALL,
  OP_CALLI,
  OP_CANONICAL,
  OP_CMOV16,
  OP_CMOV32,
  OP_CMOV64,
  OP_CMP16,
  OP_CMP32,
  OP_CMP64,
  OP_CMP8,
  OP_CMPI16,
  OP_CMPI32,
  OP_CMPI64,
  OP_CMPI8,
  OP_CMPIJ_AE_32,
  OP_CMPIJ_AE_64,
  OP_CMPIJ_AE_8,
  OP_CMPIJ_A_32,
  OP_CMPIJ_A_64,
  OP_CMPIJ_A_8,
  OP_CMPIJ_BE_32,
  OP_CMPIJ_BE_64,
  OP_CMPIJ_BE_8,
  OP_CMPIJ_B_32,
  OP_CMPIJ_B_64,
  OP_CMPIJ_B_8,
  OP_CMPIJ_E_32,
  OP_CMPIJ_E_64,
  OP_CMPIJ_E_8,
  OP_CMPIJ_GE_32,
  OP_CMPIJ_GE_64,
  OP_CMPIJ_GE_8,
  OP_CMPIJ_G_32,
  OP_CMPIJ_G_64,
  OP_CMPIJ_G_8,
  OP_CMPIJ_LE_32,
  OP_CMPIJ_LE_64,
  OP_CMPIJ_LE_8,
  OP_CMPIJ_L_32,
  OP_CMPIJ_L_64,
  OP_CMPIJ_L_8,
  OP_CMPIJ_NE_32,
  OP_CMPIJ_NE_64,
  OP_CMPIJ_NE_8,
  OP_CMPJ_AE_32,
  OP_CMPJ_AE_64,
  OP_CMPJ_AE_8,
  OP_CMPJ_A_32,
  OP_CMPJ_A_64,
  OP_CMPJ_A_8,
  OP_CMPJ_BE_32,
  OP_CMPJ_BE_64,
  OP_CMPJ_BE_8,
  OP_CMPJ_B_32,
  OP_CMPJ_B_64,
  OP_CMPJ_B_8,
  OP_CMPJ_E_32,
  OP_CMPJ_E_64,
  OP_CMPJ_E_8,
  OP_CMPJ_GE_32,
  OP_CMPJ_GE_64,
  OP_CMPJ_GE_8,
  OP_CMPJ_G_32,
  OP_CMPJ_G_64,
  OP_CMPJ_G_8,
  OP_CMPJ_LE_32,
  OP_CMPJ_LE_64,
  OP_CMPJ_LE_8,
  OP_CMPJ_L_32,
  OP_CMPJ_L_64,
  OP_CMPJ_L_8,
  OP_CMPJ_NE_32,
  OP_CMPJ_NE_64,
  OP_CMPJ_NE_8,
  OP_DEC16,
  OP_DEC32,
  OP_DEC64,
  OP_DEC8,
  OP_DIVIDE,
  OP_FLAG,
  OP_HLP,
  OP_IMUL16,
  OP_IMUL32,
  OP_IMUL64,
  OP_INC16,
  OP_INC32,
  OP_INC64,
  OP_INC8,
  OP_JA,
  OP_JAE,
  OP_JB,
  OP_JBE,
  OP_JE,
  OP_JG,
  OP_JGE,
  OP_JL,
  OP_JLE,
  OP_JMP,
  OP_JMPI,
  OP_JNE,
  OP_JNO,
  OP_JNP,
  OP_JNS,
  OP_JNZ_SLOT,
  OP_JO,
  OP_JP,
  OP_JS,
  OP_JZ_SLOT,
  OP_LDW16,
  OP_LDW32,
  OP_LDW64,
  OP_LDW8,
  OP_LD_P16_BD,
  OP_LD_P16_BIS,
  OP_LD_P8_BD,
  OP_LD_P8_BIS,
  OP_LD_S16_32_BD,
  OP_LD_S16_32_BIS,
  OP_LD_S16_64_BD,
  OP_LD_S16_64_BIS,
  OP_LD_S32_64_BD,
  OP_LD_S32_64_BIS,
  OP_LD_S8_16_BD,
  OP_LD_S8_16_BIS,
  OP_LD_S8_32_BD,
  OP_LD_S8_32_BIS,
  OP_LD_S8_64_BD,
  OP_LD_S8_64_BIS,
  OP_LD_Z16_BD,
  OP_LD_Z16_BIS,
  OP_LD_Z32_BD,
  OP_LD_Z32_BIS,
  OP_LD_Z64_BD,
  OP_LD_Z64_BIS,
  OP_LD_Z8_BD,
  OP_LD_Z8_BIS,
  OP_LEA32_BD,
  OP_LEA32_BIS,
  OP_LEA_BD,
  OP_LEA_BIS,
  OP_MOV16,
  OP_MOV32,
  OP_MOV64,
  OP_MOV8,
  OP_MOVI16,
  OP_MOVI32,
  OP_MOVI64,
  OP_MOVI64S,
  OP_MOVI8,
  OP_MULTIPLY,
  OP_MULTIPLY_APART,
  OP_NEG16,
  OP_NEG32,
  OP_NEG64,
  OP_NEG8,
  OP_NEXT,
  OP_NOT16,
  OP_NOT32,
  OP_NOT64,
  OP_NOT8,
  OP_OR16,
  OP_OR32,
  OP_OR64,
  OP_OR8,
  OP_ORI16,
  OP_ORI32,
  OP_ORI64,
  OP_ORI8,
  OP_ORIN32,
  OP_ORIN64,
  OP_ORN32,
  OP_ORN64,
  OP_POP64,
  OP_PUSH64,
  OP_PUSHI64,
  OP_RAISE,
  OP_RET,
  OP_ROTATE,
  OP_SAR16,
  OP_SAR32,
  OP_SAR64,
  OP_SAR8,
  OP_SARI16,
  OP_SARI32,
  OP_SARI64,
  OP_SARI8,
  OP_SARIN32,
  OP_SARIN64,
  OP_SBB16,
  OP_SBB32,
  OP_SBB64,
  OP_SBB8,
  OP_SBBI16,
  OP_SBBI32,
  OP_SBBI64,
  OP_SBBI8,
  OP_SCAN,
  OP_SEGMENT,
  OP_SETA,
  OP_SETAE,
  OP_SETB,
  OP_SETBE,
  OP_SETE,
  OP_SETG,
  OP_SETGE,
  OP_SETL,
  OP_SETLE,
  OP_SETNE,
  OP_SETNO,
  OP_SETNP,
  OP_SETNS,
  OP_SETO,
  OP_SETP,
  OP_SETS,
  OP_SHIFT_DOUBLE,
  OP_SHL16,
  OP_SHL32,
  OP_SHL64,
  OP_SHL8,
  OP_SHLI16,
  OP_SHLI32,
  OP_SHLI64,
  OP_SHLI8,
  OP_SHLIN32,
  OP_SHLIN64,
  OP_SHR16,
  OP_SHR32,
  OP_SHR64,
  OP_SHR8,
  OP_SHRI16,
  OP_SHRI32,
  OP_SHRI64,
  OP_SHRI8,
  OP_SHRIN32,
  OP_SHRIN64,
  OP_SIGN,
  OP_ST16_BD,
  OP_ST16_BIS,
  OP_ST32_BD,
  OP_ST32_BIS,
  OP_ST64_BD,
  OP_ST64_BIS,
  OP_ST8_BD,
  OP_ST8_BIS,
  OP_STI16,
  OP_STI32,
  OP_STI64,
  OP_STI8,
  OP_SUB16,
  OP_SUB32,
  OP_SUB64,
  OP_SUB8,
  OP_SUBI16,
  OP_SUBI32,
  OP_SUBI64,
  OP_SUBI8,
  OP_SUBIN32,
  OP_SUBIN64,
  OP_SUBN32,
  OP_SUBN64,
  OP_SX16_32,
  OP_SX16_64,
  OP_SX32_64,
  OP_SX8_16,
  OP_SX8_32,
  OP_SX8_64,
  OP_TEST16,
  OP_TEST32,
  OP_TEST64,
  OP_TEST8,
  OP_TESTI16,
  OP_TESTI32,
  OP_TESTI64,
  OP_TESTI8,
  OP_TESTIJ_E_32,
  OP_TESTIJ_E_64,
  OP_TESTIJ_E_8,
  OP_TESTIJ_NE_32,
  OP_TESTIJ_NE_64,
  OP_TESTIJ_NE_8,
  OP_TESTIJ_NS_32,
  OP_TESTIJ_NS_64,
  OP_TESTIJ_NS_8,
  OP_TESTIJ_S_32,
  OP_TESTIJ_S_64,
  OP_TESTIJ_S_8,
  OP_TESTJ_E_32,
  OP_TESTJ_E_64,
  OP_TESTJ_E_8,
  OP_TESTJ_NE_32,
  OP_TESTJ_NE_64,
  OP_TESTJ_NE_8,
  OP_TESTJ_NS_32,
  OP_TESTJ_NS_64,
  OP_TESTJ_NS_8,
  OP_TESTJ_S_32,
  OP_TESTJ_S_64,
  OP_TESTJ_S_8,
  OP_VEC,
  OP_VLD_BD,
  OP_VMOV,
  OP_PROFILE,
  OP_REGION,
  OP_VST_BD,
  OP_X87,
  OP_XCHG16,
  OP_XCHG32,
  OP_XCHG64,
  OP_XCHG8,
  OP_XOR16,
  OP_XOR32,
  OP_XOR64,
  OP_XOR8,
  OP_XORI16,
  OP_XORI32,
  OP_XORI64,
  OP_XORI8,
  OP_XORIN32,
  OP_XORIN64,
  OP_XORN32,
  OP_XORN64,
  OP_ZX16,
  OP_ZX8,
  OP_ZX8_16,
} from '../ir/ops'
import { BUDGET, BUDGET_START, EXIT_NONE, EXIT_REASON, ICOUNT, XMM, XMM_STRIDE } from '../state/layout'
import { R_EXIT, R_LAST, R_NEXT } from '../ir/results'
import { load_bd, load_bis, load_for_write_back, stop_at, store_bd, store_bis, store_immediate } from './access'
import {
  alu_adc,
  alu_add,
  alu_and,
  alu_cmp,
  alu_or,
  alu_sbb,
  alu_sub,
  alu_test,
  alu_xor,
  compare,
  condition,
  condition_of,
  put,
  reg,
  shift_by_register_sar,
  shift_by_register_shl,
  shift_by_register_shr,
  shift_sar,
  shift_shl,
  shift_shr,
  test_and,
  unary_dec,
  unary_inc,
  unary_neg,
  unary_not,
} from './alu'
import {
  after_call,
  branch,
  call_direct,
  call_indirect_target,
  check_canonical,
  jump_indirect,
  pop_value,
  push_value,
  raise_now,
  return_near,
  segment_address,
  slot_is_zero,
  transfer,
  vector_load,
  vector_store,
} from './records'
import { add_carry, bmi, multiply_apart } from './bmi'
import { next_block } from './dispatch'
import { helper } from './helper'
import { bit_operation, divide, flag_operation, multiply_one, multiply_two, rotate, scan, shift_double, sign_of_accumulator } from './integer'
import { mmu_sync } from './mmu'
import { exchange, scaled } from './records'
import { enter_region, leave_hot } from './translated'
import { vector } from './vector'
import { x87 } from './x87'

/** Runs until the budget is used up, a #VMEXIT, or something that TypeScript must do. Returns EXIT_REASON. */
export function run(s: usize): u32 {
  mmu_sync(s)
  store<u32>(s, EXIT_NONE, EXIT_REASON)
  execute(s)
  store<u64>(s, load<u64>(s, ICOUNT) + <u64>(load<i64>(s, BUDGET_START) - load<i64>(s, BUDGET)), ICOUNT)
  store<i64>(s, load<i64>(s, BUDGET), BUDGET_START)
  return load<u32>(s, EXIT_REASON)
}

function execute(s: usize): void {
  while (true) {
    let ip = next_block(s)
    if (!ip) return
    while (true) {
      switch (<i32>load<u16>(ip)) {
        case OP_ADD8:
          alu_add<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADD16:
          alu_add<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADD32:
          alu_add<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADD64:
          alu_add<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_OR8:
          alu_or<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_OR16:
          alu_or<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_OR32:
          alu_or<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_OR64:
          alu_or<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADC8:
          alu_adc<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADC16:
          alu_adc<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADC32:
          alu_adc<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADC64:
          alu_adc<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SBB8:
          alu_sbb<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SBB16:
          alu_sbb<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SBB32:
          alu_sbb<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SBB64:
          alu_sbb<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_AND8:
          alu_and<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_AND16:
          alu_and<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_AND32:
          alu_and<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_AND64:
          alu_and<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SUB8:
          alu_sub<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SUB16:
          alu_sub<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SUB32:
          alu_sub<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SUB64:
          alu_sub<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_XOR8:
          alu_xor<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_XOR16:
          alu_xor<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_XOR32:
          alu_xor<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_XOR64:
          alu_xor<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_CMP8:
          alu_cmp<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_CMP16:
          alu_cmp<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_CMP32:
          alu_cmp<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_CMP64:
          alu_cmp<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_TEST8:
          alu_test<u8>(s, ip, reg<u8>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_TEST16:
          alu_test<u16>(s, ip, reg<u16>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_TEST32:
          alu_test<u32>(s, ip, reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_TEST64:
          alu_test<u64>(s, ip, reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADDI8:
          alu_add<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADDI16:
          alu_add<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADDI32:
          alu_add<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADDI64:
          alu_add<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ORI8:
          alu_or<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ORI16:
          alu_or<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ORI32:
          alu_or<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ORI64:
          alu_or<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADCI8:
          alu_adc<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADCI16:
          alu_adc<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADCI32:
          alu_adc<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADCI64:
          alu_adc<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SBBI8:
          alu_sbb<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SBBI16:
          alu_sbb<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SBBI32:
          alu_sbb<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SBBI64:
          alu_sbb<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ANDI8:
          alu_and<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ANDI16:
          alu_and<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ANDI32:
          alu_and<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ANDI64:
          alu_and<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SUBI8:
          alu_sub<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SUBI16:
          alu_sub<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SUBI32:
          alu_sub<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SUBI64:
          alu_sub<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_XORI8:
          alu_xor<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_XORI16:
          alu_xor<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_XORI32:
          alu_xor<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_XORI64:
          alu_xor<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_CMPI8:
          alu_cmp<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_CMPI16:
          alu_cmp<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_CMPI32:
          alu_cmp<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_CMPI64:
          alu_cmp<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_TESTI8:
          alu_test<u8>(s, ip, <u8>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_TESTI16:
          alu_test<u16>(s, ip, <u16>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_TESTI32:
          alu_test<u32>(s, ip, <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_TESTI64:
          alu_test<u64>(s, ip, <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADDN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) + reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADDN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) + reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ORN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) | reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ORN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) | reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ANDN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) & reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ANDN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) & reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SUBN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) - reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_SUBN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) - reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_XORN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) ^ reg<u32>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_XORN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) ^ reg<u64>(s, load<u8>(ip, 4)))
          ip += 16
          continue
        case OP_ADDIN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) + <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ADDIN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) + <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ORIN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) | <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ORIN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) | <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ANDIN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) & <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_ANDIN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) & <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SUBIN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) - <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_SUBIN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) - <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_XORIN32:
          put<u32>(s, ip, reg<u32>(s, load<u8>(ip, 3)) ^ <u32>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_XORIN64:
          put<u64>(s, ip, reg<u64>(s, load<u8>(ip, 3)) ^ <u64>load<i32>(ip, 8))
          ip += 16
          continue
        case OP_INC8:
          unary_inc<u8>(s, ip)
          ip += 16
          continue
        case OP_INC16:
          unary_inc<u16>(s, ip)
          ip += 16
          continue
        case OP_INC32:
          unary_inc<u32>(s, ip)
          ip += 16
          continue
        case OP_INC64:
          unary_inc<u64>(s, ip)
          ip += 16
          continue
        case OP_DEC8:
          unary_dec<u8>(s, ip)
          ip += 16
          continue
        case OP_DEC16:
          unary_dec<u16>(s, ip)
          ip += 16
          continue
        case OP_DEC32:
          unary_dec<u32>(s, ip)
          ip += 16
          continue
        case OP_DEC64:
          unary_dec<u64>(s, ip)
          ip += 16
          continue
        case OP_NEG8:
          unary_neg<u8>(s, ip)
          ip += 16
          continue
        case OP_NEG16:
          unary_neg<u16>(s, ip)
          ip += 16
          continue
        case OP_NEG32:
          unary_neg<u32>(s, ip)
          ip += 16
          continue
        case OP_NEG64:
          unary_neg<u64>(s, ip)
          ip += 16
          continue
        case OP_NOT8:
          unary_not<u8>(s, ip)
          ip += 16
          continue
        case OP_NOT16:
          unary_not<u16>(s, ip)
          ip += 16
          continue
        case OP_NOT32:
          unary_not<u32>(s, ip)
          ip += 16
          continue
        case OP_NOT64:
          unary_not<u64>(s, ip)
          ip += 16
          continue
        case OP_SHLI8:
          shift_shl<u8>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHLI16:
          shift_shl<u16>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHLI32:
          shift_shl<u32>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHLI64:
          shift_shl<u64>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHRI8:
          shift_shr<u8>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHRI16:
          shift_shr<u16>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHRI32:
          shift_shr<u32>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHRI64:
          shift_shr<u64>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SARI8:
          shift_sar<u8>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SARI16:
          shift_sar<u16>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SARI32:
          shift_sar<u32>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SARI64:
          shift_sar<u64>(s, ip, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_SHL8:
          shift_by_register_shl<u8>(s, ip)
          ip += 16
          continue
        case OP_SHL16:
          shift_by_register_shl<u16>(s, ip)
          ip += 16
          continue
        case OP_SHL32:
          shift_by_register_shl<u32>(s, ip)
          ip += 16
          continue
        case OP_SHL64:
          shift_by_register_shl<u64>(s, ip)
          ip += 16
          continue
        case OP_SHR8:
          shift_by_register_shr<u8>(s, ip)
          ip += 16
          continue
        case OP_SHR16:
          shift_by_register_shr<u16>(s, ip)
          ip += 16
          continue
        case OP_SHR32:
          shift_by_register_shr<u32>(s, ip)
          ip += 16
          continue
        case OP_SHR64:
          shift_by_register_shr<u64>(s, ip)
          ip += 16
          continue
        case OP_SAR8:
          shift_by_register_sar<u8>(s, ip)
          ip += 16
          continue
        case OP_SAR16:
          shift_by_register_sar<u16>(s, ip)
          ip += 16
          continue
        case OP_SAR32:
          shift_by_register_sar<u32>(s, ip)
          ip += 16
          continue
        case OP_SAR64:
          shift_by_register_sar<u64>(s, ip)
          ip += 16
          continue
        case OP_SHLIN32:
          put<u32>(s, ip, <u32>(reg<u32>(s, load<u8>(ip, 3)) << load<u32>(ip, 8)))
          ip += 16
          continue
        case OP_SHLIN64:
          put<u64>(s, ip, <u64>(reg<u64>(s, load<u8>(ip, 3)) << <u64>load<u32>(ip, 8)))
          ip += 16
          continue
        case OP_SHRIN32:
          put<u32>(s, ip, <u32>(reg<u32>(s, load<u8>(ip, 3)) >> load<u32>(ip, 8)))
          ip += 16
          continue
        case OP_SHRIN64:
          put<u64>(s, ip, <u64>(reg<u64>(s, load<u8>(ip, 3)) >> <u64>load<u32>(ip, 8)))
          ip += 16
          continue
        case OP_SARIN32:
          put<u32>(s, ip, <u32>(reg<i32>(s, load<u8>(ip, 3)) >> <i32>load<u32>(ip, 8)))
          ip += 16
          continue
        case OP_SARIN64:
          put<u64>(s, ip, <u64>(reg<i64>(s, load<u8>(ip, 3)) >> <i64>load<u32>(ip, 8)))
          ip += 16
          continue
        case OP_ROTATE:
          rotate(s, ip)
          ip += 16
          continue
        case OP_SHIFT_DOUBLE:
          shift_double(s, ip)
          ip += 16
          continue
        case OP_MOV64:
          store<u64>(s + load<u8>(ip, 2), load<u64>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_MOV32:
          store<u64>(s + load<u8>(ip, 2), load<u32>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_MOV16:
          store<u16>(s + load<u8>(ip, 2), load<u16>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_MOV8:
          store<u8>(s + load<u8>(ip, 2), load<u8>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_MOVI64:
          store<u64>(s + load<u8>(ip, 2), load<u64>(ip, 8))
          ip += 16
          continue
        case OP_MOVI64S:
          store<i64>(s + load<u8>(ip, 2), load<i32>(ip, 8))
          ip += 16
          continue
        case OP_MOVI32:
          store<u64>(s + load<u8>(ip, 2), load<u32>(ip, 8))
          ip += 16
          continue
        case OP_MOVI16:
          store<u16>(s + load<u8>(ip, 2), load<u16>(ip, 8))
          ip += 16
          continue
        case OP_MOVI8:
          store<u8>(s + load<u8>(ip, 2), load<u8>(ip, 8))
          ip += 16
          continue
        case OP_ZX8:
          store<u64>(s + load<u8>(ip, 2), load<u8>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_ZX16:
          store<u64>(s + load<u8>(ip, 2), load<u16>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_SX8_32:
          store<u64>(s + load<u8>(ip, 2), <u64>(<u32>load<i8>(s + load<u8>(ip, 3))))
          ip += 16
          continue
        case OP_SX8_64:
          store<i64>(s + load<u8>(ip, 2), load<i8>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_SX16_32:
          store<u64>(s + load<u8>(ip, 2), <u64>(<u32>load<i16>(s + load<u8>(ip, 3))))
          ip += 16
          continue
        case OP_SX16_64:
          store<i64>(s + load<u8>(ip, 2), load<i16>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_SX32_64:
          store<i64>(s + load<u8>(ip, 2), load<i32>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_SX8_16:
          store<u16>(s + load<u8>(ip, 2), <u16>load<i8>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_ZX8_16:
          store<u16>(s + load<u8>(ip, 2), load<u8>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_XCHG8:
          exchange<u8>(s, ip)
          ip += 16
          continue
        case OP_XCHG16:
          exchange<u16>(s, ip)
          ip += 16
          continue
        case OP_XCHG32:
          exchange<u32>(s, ip)
          ip += 16
          continue
        case OP_XCHG64:
          exchange<u64>(s, ip)
          ip += 16
          continue
        case OP_LEA_BD:
          store<u64>(s + load<u8>(ip, 2), load<u64>(s + load<u8>(ip, 3)) + <u64>(<i64>load<i32>(ip, 8)))
          ip += 16
          continue
        case OP_LEA_BIS:
          store<u64>(s + load<u8>(ip, 2), scaled(s, ip))
          ip += 16
          continue
        case OP_LEA32_BD:
          // A sum of loads in 64-bit context is a 64-bit sum in AssemblyScript, so it is cut by hand.
          store<u64>(s + load<u8>(ip, 2), (load<u64>(s + load<u8>(ip, 3)) + load<u32>(ip, 8)) & 0xffffffff)
          ip += 16
          continue
        case OP_LEA32_BIS:
          store<u64>(s + load<u8>(ip, 2), scaled(s, ip) & 0xffffffff)
          ip += 16
          continue
        case OP_SEGMENT:
          ip = segment_address(s, ip)
          if (ip) continue
          break
        case OP_CANONICAL:
          ip = check_canonical(s, ip)
          if (ip) continue
          break
        case OP_LD_Z8_BD:
          ip = load_bd<u8, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_Z8_BIS:
          ip = load_bis<u8, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_Z16_BD:
          ip = load_bd<u16, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_Z16_BIS:
          ip = load_bis<u16, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_Z32_BD:
          ip = load_bd<u32, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_Z32_BIS:
          ip = load_bis<u32, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_Z64_BD:
          ip = load_bd<u64, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_Z64_BIS:
          ip = load_bis<u64, u64>(s, ip)
          if (ip) continue
          break
        case OP_LD_S8_32_BD:
          ip = load_bd<i8, u32>(s, ip)
          if (ip) continue
          break
        case OP_LD_S8_32_BIS:
          ip = load_bis<i8, u32>(s, ip)
          if (ip) continue
          break
        case OP_LD_S8_64_BD:
          ip = load_bd<i8, i64>(s, ip)
          if (ip) continue
          break
        case OP_LD_S8_64_BIS:
          ip = load_bis<i8, i64>(s, ip)
          if (ip) continue
          break
        case OP_LD_S16_32_BD:
          ip = load_bd<i16, u32>(s, ip)
          if (ip) continue
          break
        case OP_LD_S16_32_BIS:
          ip = load_bis<i16, u32>(s, ip)
          if (ip) continue
          break
        case OP_LD_S16_64_BD:
          ip = load_bd<i16, i64>(s, ip)
          if (ip) continue
          break
        case OP_LD_S16_64_BIS:
          ip = load_bis<i16, i64>(s, ip)
          if (ip) continue
          break
        case OP_LD_S32_64_BD:
          ip = load_bd<i32, i64>(s, ip)
          if (ip) continue
          break
        case OP_LD_S32_64_BIS:
          ip = load_bis<i32, i64>(s, ip)
          if (ip) continue
          break
        case OP_LD_P8_BD:
          ip = load_bd<u8, u8>(s, ip)
          if (ip) continue
          break
        case OP_LD_P8_BIS:
          ip = load_bis<u8, u8>(s, ip)
          if (ip) continue
          break
        case OP_LD_P16_BD:
          ip = load_bd<u16, u16>(s, ip)
          if (ip) continue
          break
        case OP_LD_P16_BIS:
          ip = load_bis<u16, u16>(s, ip)
          if (ip) continue
          break
        case OP_LD_S8_16_BD:
          ip = load_bd<i8, u16>(s, ip)
          if (ip) continue
          break
        case OP_LD_S8_16_BIS:
          ip = load_bis<i8, u16>(s, ip)
          if (ip) continue
          break
        case OP_ST8_BD:
          ip = store_bd<u8>(s, ip)
          if (ip) continue
          break
        case OP_ST8_BIS:
          ip = store_bis<u8>(s, ip)
          if (ip) continue
          break
        case OP_ST16_BD:
          ip = store_bd<u16>(s, ip)
          if (ip) continue
          break
        case OP_ST16_BIS:
          ip = store_bis<u16>(s, ip)
          if (ip) continue
          break
        case OP_ST32_BD:
          ip = store_bd<u32>(s, ip)
          if (ip) continue
          break
        case OP_ST32_BIS:
          ip = store_bis<u32>(s, ip)
          if (ip) continue
          break
        case OP_ST64_BD:
          ip = store_bd<u64>(s, ip)
          if (ip) continue
          break
        case OP_ST64_BIS:
          ip = store_bis<u64>(s, ip)
          if (ip) continue
          break
        case OP_STI8:
          ip = store_immediate<u8>(s, ip)
          if (ip) continue
          break
        case OP_STI16:
          ip = store_immediate<u16>(s, ip)
          if (ip) continue
          break
        case OP_STI32:
          ip = store_immediate<u32>(s, ip)
          if (ip) continue
          break
        case OP_STI64:
          ip = store_immediate<u64>(s, ip)
          if (ip) continue
          break
        case OP_LDW8:
          ip = load_for_write_back<u8>(s, ip)
          if (ip) continue
          break
        case OP_LDW16:
          ip = load_for_write_back<u16>(s, ip)
          if (ip) continue
          break
        case OP_LDW32:
          ip = load_for_write_back<u32>(s, ip)
          if (ip) continue
          break
        case OP_LDW64:
          ip = load_for_write_back<u64>(s, ip)
          if (ip) continue
          break
        case OP_PUSH64:
          ip = push_value(s, ip, load<u64>(s + load<u8>(ip, 3)))
          if (ip) continue
          break
        case OP_PUSHI64:
          ip = push_value(s, ip, <u64>(<i64>load<i32>(ip, 8)))
          if (ip) continue
          break
        case OP_POP64:
          ip = pop_value(s, ip)
          if (ip) continue
          break
        case OP_CALL:
          ip = call_direct(s, ip)
          if (ip) continue
          break
        case OP_CALLI:
          ip = call_indirect_target(s, ip)
          if (ip) continue
          break
        case OP_RET:
          ip = return_near(s, ip)
          if (ip) continue
          break
        case OP_JMP:
        case OP_NEXT:
          ip = transfer(s, ip, ip + 8)
          if (ip) continue
          break
        case OP_JMPI:
          ip = jump_indirect(s, ip, load<u64>(s + load<u8>(ip, 3)))
          if (ip) continue
          break
        case OP_JO:
          ip = branch(s, ip, condition(s, 0))
          if (ip) continue
          break
        case OP_JNO:
          ip = branch(s, ip, condition(s, 1))
          if (ip) continue
          break
        case OP_JB:
          ip = branch(s, ip, condition(s, 2))
          if (ip) continue
          break
        case OP_JAE:
          ip = branch(s, ip, condition(s, 3))
          if (ip) continue
          break
        case OP_JE:
          ip = branch(s, ip, condition(s, 4))
          if (ip) continue
          break
        case OP_JNE:
          ip = branch(s, ip, condition(s, 5))
          if (ip) continue
          break
        case OP_JBE:
          ip = branch(s, ip, condition(s, 6))
          if (ip) continue
          break
        case OP_JA:
          ip = branch(s, ip, condition(s, 7))
          if (ip) continue
          break
        case OP_JS:
          ip = branch(s, ip, condition(s, 8))
          if (ip) continue
          break
        case OP_JNS:
          ip = branch(s, ip, condition(s, 9))
          if (ip) continue
          break
        case OP_JP:
          ip = branch(s, ip, condition(s, 10))
          if (ip) continue
          break
        case OP_JNP:
          ip = branch(s, ip, condition(s, 11))
          if (ip) continue
          break
        case OP_JL:
          ip = branch(s, ip, condition(s, 12))
          if (ip) continue
          break
        case OP_JGE:
          ip = branch(s, ip, condition(s, 13))
          if (ip) continue
          break
        case OP_JLE:
          ip = branch(s, ip, condition(s, 14))
          if (ip) continue
          break
        case OP_JG:
          ip = branch(s, ip, condition(s, 15))
          if (ip) continue
          break
        case OP_CMPJ_B_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 2))
          if (ip) continue
          break
        case OP_CMPJ_B_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 2))
          if (ip) continue
          break
        case OP_CMPJ_B_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 2))
          if (ip) continue
          break
        case OP_CMPJ_AE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 3))
          if (ip) continue
          break
        case OP_CMPJ_AE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 3))
          if (ip) continue
          break
        case OP_CMPJ_AE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 3))
          if (ip) continue
          break
        case OP_CMPJ_E_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 4))
          if (ip) continue
          break
        case OP_CMPJ_E_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 4))
          if (ip) continue
          break
        case OP_CMPJ_E_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 4))
          if (ip) continue
          break
        case OP_CMPJ_NE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 5))
          if (ip) continue
          break
        case OP_CMPJ_NE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 5))
          if (ip) continue
          break
        case OP_CMPJ_NE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 5))
          if (ip) continue
          break
        case OP_CMPJ_BE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 6))
          if (ip) continue
          break
        case OP_CMPJ_BE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 6))
          if (ip) continue
          break
        case OP_CMPJ_BE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 6))
          if (ip) continue
          break
        case OP_CMPJ_A_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 7))
          if (ip) continue
          break
        case OP_CMPJ_A_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 7))
          if (ip) continue
          break
        case OP_CMPJ_A_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 7))
          if (ip) continue
          break
        case OP_CMPJ_L_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 12))
          if (ip) continue
          break
        case OP_CMPJ_L_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 12))
          if (ip) continue
          break
        case OP_CMPJ_L_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 12))
          if (ip) continue
          break
        case OP_CMPJ_GE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 13))
          if (ip) continue
          break
        case OP_CMPJ_GE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 13))
          if (ip) continue
          break
        case OP_CMPJ_GE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 13))
          if (ip) continue
          break
        case OP_CMPJ_LE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 14))
          if (ip) continue
          break
        case OP_CMPJ_LE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 14))
          if (ip) continue
          break
        case OP_CMPJ_LE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 14))
          if (ip) continue
          break
        case OP_CMPJ_G_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 15))
          if (ip) continue
          break
        case OP_CMPJ_G_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 15))
          if (ip) continue
          break
        case OP_CMPJ_G_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 15))
          if (ip) continue
          break
        case OP_CMPIJ_B_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 2))
          if (ip) continue
          break
        case OP_CMPIJ_B_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 2))
          if (ip) continue
          break
        case OP_CMPIJ_B_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 2))
          if (ip) continue
          break
        case OP_CMPIJ_AE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 3))
          if (ip) continue
          break
        case OP_CMPIJ_AE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 3))
          if (ip) continue
          break
        case OP_CMPIJ_AE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 3))
          if (ip) continue
          break
        case OP_CMPIJ_E_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 4))
          if (ip) continue
          break
        case OP_CMPIJ_E_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 4))
          if (ip) continue
          break
        case OP_CMPIJ_E_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 4))
          if (ip) continue
          break
        case OP_CMPIJ_NE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 5))
          if (ip) continue
          break
        case OP_CMPIJ_NE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 5))
          if (ip) continue
          break
        case OP_CMPIJ_NE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 5))
          if (ip) continue
          break
        case OP_CMPIJ_BE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 6))
          if (ip) continue
          break
        case OP_CMPIJ_BE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 6))
          if (ip) continue
          break
        case OP_CMPIJ_BE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 6))
          if (ip) continue
          break
        case OP_CMPIJ_A_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 7))
          if (ip) continue
          break
        case OP_CMPIJ_A_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 7))
          if (ip) continue
          break
        case OP_CMPIJ_A_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 7))
          if (ip) continue
          break
        case OP_CMPIJ_L_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 12))
          if (ip) continue
          break
        case OP_CMPIJ_L_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 12))
          if (ip) continue
          break
        case OP_CMPIJ_L_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 12))
          if (ip) continue
          break
        case OP_CMPIJ_GE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 13))
          if (ip) continue
          break
        case OP_CMPIJ_GE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 13))
          if (ip) continue
          break
        case OP_CMPIJ_GE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 13))
          if (ip) continue
          break
        case OP_CMPIJ_LE_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 14))
          if (ip) continue
          break
        case OP_CMPIJ_LE_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 14))
          if (ip) continue
          break
        case OP_CMPIJ_LE_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 14))
          if (ip) continue
          break
        case OP_CMPIJ_G_8:
          ip = branch(s, ip, compare<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 15))
          if (ip) continue
          break
        case OP_CMPIJ_G_32:
          ip = branch(s, ip, compare<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 15))
          if (ip) continue
          break
        case OP_CMPIJ_G_64:
          ip = branch(s, ip, compare<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 15))
          if (ip) continue
          break
        case OP_TESTJ_E_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 4))
          if (ip) continue
          break
        case OP_TESTJ_E_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 4))
          if (ip) continue
          break
        case OP_TESTJ_E_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 4))
          if (ip) continue
          break
        case OP_TESTJ_NE_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 5))
          if (ip) continue
          break
        case OP_TESTJ_NE_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 5))
          if (ip) continue
          break
        case OP_TESTJ_NE_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 5))
          if (ip) continue
          break
        case OP_TESTJ_S_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 8))
          if (ip) continue
          break
        case OP_TESTJ_S_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 8))
          if (ip) continue
          break
        case OP_TESTJ_S_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 8))
          if (ip) continue
          break
        case OP_TESTJ_NS_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), reg<u8>(s, load<u8>(ip, 4)), 9))
          if (ip) continue
          break
        case OP_TESTJ_NS_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), reg<u32>(s, load<u8>(ip, 4)), 9))
          if (ip) continue
          break
        case OP_TESTJ_NS_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), reg<u64>(s, load<u8>(ip, 4)), 9))
          if (ip) continue
          break
        case OP_TESTIJ_E_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 4))
          if (ip) continue
          break
        case OP_TESTIJ_E_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 4))
          if (ip) continue
          break
        case OP_TESTIJ_E_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 4))
          if (ip) continue
          break
        case OP_TESTIJ_NE_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 5))
          if (ip) continue
          break
        case OP_TESTIJ_NE_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 5))
          if (ip) continue
          break
        case OP_TESTIJ_NE_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 5))
          if (ip) continue
          break
        case OP_TESTIJ_S_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 8))
          if (ip) continue
          break
        case OP_TESTIJ_S_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 8))
          if (ip) continue
          break
        case OP_TESTIJ_S_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 8))
          if (ip) continue
          break
        case OP_TESTIJ_NS_8:
          ip = branch(s, ip, test_and<u8>(s, reg<u8>(s, load<u8>(ip, 3)), <u8>load<i32>(ip, 8), 9))
          if (ip) continue
          break
        case OP_TESTIJ_NS_32:
          ip = branch(s, ip, test_and<u32>(s, reg<u32>(s, load<u8>(ip, 3)), <u32>load<i32>(ip, 8), 9))
          if (ip) continue
          break
        case OP_TESTIJ_NS_64:
          ip = branch(s, ip, test_and<u64>(s, reg<u64>(s, load<u8>(ip, 3)), <u64>load<i32>(ip, 8), 9))
          if (ip) continue
          break
        case OP_JZ_SLOT:
          ip = branch(s, ip, slot_is_zero(s, ip))
          if (ip) continue
          break
        case OP_JNZ_SLOT:
          ip = branch(s, ip, !slot_is_zero(s, ip))
          if (ip) continue
          break
        case OP_SETO:
          store<u8>(s + load<u8>(ip, 2), condition(s, 0) ? 1 : 0)
          ip += 16
          continue
        case OP_SETNO:
          store<u8>(s + load<u8>(ip, 2), condition(s, 1) ? 1 : 0)
          ip += 16
          continue
        case OP_SETB:
          store<u8>(s + load<u8>(ip, 2), condition(s, 2) ? 1 : 0)
          ip += 16
          continue
        case OP_SETAE:
          store<u8>(s + load<u8>(ip, 2), condition(s, 3) ? 1 : 0)
          ip += 16
          continue
        case OP_SETE:
          store<u8>(s + load<u8>(ip, 2), condition(s, 4) ? 1 : 0)
          ip += 16
          continue
        case OP_SETNE:
          store<u8>(s + load<u8>(ip, 2), condition(s, 5) ? 1 : 0)
          ip += 16
          continue
        case OP_SETBE:
          store<u8>(s + load<u8>(ip, 2), condition(s, 6) ? 1 : 0)
          ip += 16
          continue
        case OP_SETA:
          store<u8>(s + load<u8>(ip, 2), condition(s, 7) ? 1 : 0)
          ip += 16
          continue
        case OP_SETS:
          store<u8>(s + load<u8>(ip, 2), condition(s, 8) ? 1 : 0)
          ip += 16
          continue
        case OP_SETNS:
          store<u8>(s + load<u8>(ip, 2), condition(s, 9) ? 1 : 0)
          ip += 16
          continue
        case OP_SETP:
          store<u8>(s + load<u8>(ip, 2), condition(s, 10) ? 1 : 0)
          ip += 16
          continue
        case OP_SETNP:
          store<u8>(s + load<u8>(ip, 2), condition(s, 11) ? 1 : 0)
          ip += 16
          continue
        case OP_SETL:
          store<u8>(s + load<u8>(ip, 2), condition(s, 12) ? 1 : 0)
          ip += 16
          continue
        case OP_SETGE:
          store<u8>(s + load<u8>(ip, 2), condition(s, 13) ? 1 : 0)
          ip += 16
          continue
        case OP_SETLE:
          store<u8>(s + load<u8>(ip, 2), condition(s, 14) ? 1 : 0)
          ip += 16
          continue
        case OP_SETG:
          store<u8>(s + load<u8>(ip, 2), condition(s, 15) ? 1 : 0)
          ip += 16
          continue
        case OP_CMOV16:
          if (condition_of(s, load<u8>(ip, 5))) store<u16>(s + load<u8>(ip, 2), load<u16>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_CMOV32:
          store<u64>(s + load<u8>(ip, 2), load<u32>(s + (condition_of(s, load<u8>(ip, 5)) ? load<u8>(ip, 3) : load<u8>(ip, 2))))
          ip += 16
          continue
        case OP_CMOV64:
          if (condition_of(s, load<u8>(ip, 5))) store<u64>(s + load<u8>(ip, 2), load<u64>(s + load<u8>(ip, 3)))
          ip += 16
          continue
        case OP_IMUL16:
          multiply_two(s, ip, 1)
          ip += 16
          continue
        case OP_IMUL32:
          multiply_two(s, ip, 2)
          ip += 16
          continue
        case OP_IMUL64:
          multiply_two(s, ip, 3)
          ip += 16
          continue
        case OP_MULTIPLY:
          multiply_one(s, ip)
          ip += 16
          continue
        case OP_DIVIDE:
          ip = divide(s, ip) == R_NEXT ? ip + 16 : stop_at(s, ip)
          if (ip) continue
          break
        case OP_BIT:
          bit_operation(s, ip)
          ip += 16
          continue
        case OP_SCAN:
          scan(s, ip)
          ip += 16
          continue
        case OP_MULTIPLY_APART:
          multiply_apart(s, ip)
          ip += 16
          continue
        case OP_ADD_CARRY:
          add_carry(s, ip)
          ip += 16
          continue
        case OP_BMI:
          bmi(s, ip)
          ip += 16
          continue
        case OP_BSWAP32:
          store<u64>(s + load<u8>(ip, 2), bswap<u32>(load<u32>(s + load<u8>(ip, 2))))
          ip += 16
          continue
        case OP_BSWAP64:
          store<u64>(s + load<u8>(ip, 2), bswap<u64>(load<u64>(s + load<u8>(ip, 2))))
          ip += 16
          continue
        case OP_SIGN:
          sign_of_accumulator(s, load<u8>(ip, 5))
          ip += 16
          continue
        case OP_FLAG:
          flag_operation(s, load<u32>(ip, 8))
          ip += 16
          continue
        case OP_RAISE:
          ip = raise_now(s, ip)
          break
        case OP_HLP: {
          const r = helper(s, ip)
          if (r == R_NEXT) {
            ip += 16
            continue
          }
          after_call(s, ip, r)
          if (r == R_EXIT) return
          break
        }
        case OP_VEC: {
          const r = vector(s, ip)
          if (r == R_NEXT) {
            ip += 16
            continue
          }
          after_call(s, ip, r)
          if (r == R_EXIT) return
          break
        }
        case OP_X87: {
          const r = x87(s, ip)
          if (r == R_NEXT) {
            ip += 16
            continue
          }
          after_call(s, ip, r)
          if (r == R_EXIT) return
          break
        }
        case OP_VMOV:
          v128.store(s + <usize>load<u8>(ip, 2) * XMM_STRIDE, v128.load(s + <usize>load<u8>(ip, 3) * XMM_STRIDE, XMM), XMM)
          ip += 16
          continue
        case OP_VLD_BD:
          ip = vector_load(s, ip)
          if (ip) continue
          break
        case OP_VST_BD:
          ip = vector_store(s, ip)
          if (ip) continue
          break
        case OP_PROFILE: {
          const left = load<i32>(ip, 8) - 1
          store<i32>(ip, left, 8)
          ip += 16
          if (left) continue
          leave_hot(s, ip - 16 - BLOCK_FIRST_RECORD)
          return
        }
        case OP_REGION:
          ip = enter_region(s, ip)
          if (ip > <usize>R_LAST) continue
          if (ip == R_EXIT) return
          break
        default:
          // LEAVE: the block has been dropped.
          stop_at(s, ip)
          break
      }
      break
    }
  }
}
