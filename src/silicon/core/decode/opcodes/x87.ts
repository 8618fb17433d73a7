// x87: D8 … DF and WAIT (AMD64 APM vol. 3, appendix A, tables A-17 x87 opcodes; vol. 5). What is not listed raises #UD, as on the real chip;
// the duplicate encodings in DC, DD, DE, DF D0… and D9 D8… are not documented by every manual but execute.

import { type OpcodeRow, row, type RowOptions, x87 } from '../row.js'
import * as id from '../../ir/x87-ids.js'

const X87 = { feature: 'X87' } as const
const environment = { bytes: [14, 28, 28] } as const
const everything = { bytes: [94, 108, 108] } as const

const arithmetic = ['ADD', 'MUL', 'COM', 'COMP', 'SUB', 'SUBR', 'DIV', 'DIVR'] as const

function arithmeticRows(opcode: string, prefix: string, operand: string, semantics: number): OpcodeRow[] {
  return arithmetic.map((name, n) => row(`${opcode} /${n} mem`, prefix + name, operand, x87(semantics), { ...X87, reads: true }))
}

/** `names[n]` is the mnemonic of /n, '' where another row stands. */
function registerRows(opcode: string, names: readonly string[], semantics: number, operands = 'ST,STi'): OpcodeRow[] {
  return names.flatMap((name, n) => (name ? [row(`${opcode} /${n} reg`, name, operands, x87(semantics), X87)] : []))
}

const mem = (opcode: string, n: number, mnemonic: string, operand: string, semantics: number, more: RowOptions = {}): OpcodeRow =>
  row(`${opcode} /${n} mem`, mnemonic, operand, x87(semantics), { ...X87, ...more })
const load = (opcode: string, n: number, mnemonic: string, operand: string, semantics: number, more: RowOptions = {}): OpcodeRow =>
  row(`${opcode} /${n} mem`, mnemonic, operand, x87(semantics), { ...X87, reads: true, ...more })
const reg = (opcode: string, n: number, mnemonic: string, semantics: number, operands = 'STi'): OpcodeRow =>
  row(`${opcode} /${n} reg`, mnemonic, operands, x87(semantics), X87)
const one = (opcode: string, modrm: string, mnemonic: string, semantics: number, operands = ''): OpcodeRow =>
  row(`${opcode} =${modrm}`, mnemonic, operands, x87(semantics), X87)

export const x87Rows: readonly OpcodeRow[] = [
  // no feature X87: WAIT has its own condition for #NM (CR0.MP and CR0.TS), which its helper checks
  row('9B', 'FWAIT', '', x87(id.X87_FWAIT)),

  // D8
  ...arithmeticRows('D8', 'F', 'Md', id.X87_ARITH_M32),
  ...registerRows('D8', ['FADD', 'FMUL', '', '', 'FSUB', 'FSUBR', 'FDIV', 'FDIVR'], id.X87_ARITH_ST0),
  reg('D8', 2, 'FCOM', id.X87_FCOM_STI),
  reg('D8', 3, 'FCOMP', id.X87_FCOMP_STI),

  // D9
  load('D9', 0, 'FLD', 'Md', id.X87_FLD_M32),
  mem('D9', 2, 'FST', 'Md', id.X87_FST_M32),
  mem('D9', 3, 'FSTP', 'Md', id.X87_FSTP_M32),
  load('D9', 4, 'FLDENV', 'M', id.X87_FLDENV, environment),
  load('D9', 5, 'FLDCW', 'Mw', id.X87_FLDCW),
  mem('D9', 6, 'FNSTENV', 'M', id.X87_FNSTENV, environment),
  mem('D9', 7, 'FNSTCW', 'Mw', id.X87_FNSTCW),
  reg('D9', 0, 'FLD', id.X87_FLD_STI),
  reg('D9', 1, 'FXCH', id.X87_FXCH),
  one('D9', 'D0', 'FNOP', id.X87_FNOP),
  reg('D9', 3, 'FSTPNCE', id.X87_FSTPNCE),
  one('D9', 'E0', 'FCHS', id.X87_FCHS),
  one('D9', 'E1', 'FABS', id.X87_FABS),
  one('D9', 'E4', 'FTST', id.X87_FTST),
  one('D9', 'E5', 'FXAM', id.X87_FXAM),
  one('D9', 'E8', 'FLD1', id.X87_CONSTANT),
  one('D9', 'E9', 'FLDL2T', id.X87_CONSTANT),
  one('D9', 'EA', 'FLDL2E', id.X87_CONSTANT),
  one('D9', 'EB', 'FLDPI', id.X87_CONSTANT),
  one('D9', 'EC', 'FLDLG2', id.X87_CONSTANT),
  one('D9', 'ED', 'FLDLN2', id.X87_CONSTANT),
  one('D9', 'EE', 'FLDZ', id.X87_CONSTANT),
  one('D9', 'F0', 'F2XM1', id.X87_F2XM1),
  one('D9', 'F1', 'FYL2X', id.X87_FYL2X),
  one('D9', 'F2', 'FPTAN', id.X87_FPTAN),
  one('D9', 'F3', 'FPATAN', id.X87_FPATAN),
  one('D9', 'F4', 'FXTRACT', id.X87_FXTRACT),
  one('D9', 'F5', 'FPREM1', id.X87_FPREM1),
  one('D9', 'F6', 'FDECSTP', id.X87_FDECSTP),
  one('D9', 'F7', 'FINCSTP', id.X87_FINCSTP),
  one('D9', 'F8', 'FPREM', id.X87_FPREM),
  one('D9', 'F9', 'FYL2XP1', id.X87_FYL2XP1),
  one('D9', 'FA', 'FSQRT', id.X87_FSQRT),
  one('D9', 'FB', 'FSINCOS', id.X87_FSINCOS),
  one('D9', 'FC', 'FRNDINT', id.X87_FRNDINT),
  one('D9', 'FD', 'FSCALE', id.X87_FSCALE),
  one('D9', 'FE', 'FSIN', id.X87_FSIN),
  one('D9', 'FF', 'FCOS', id.X87_FCOS),

  // DA
  ...arithmeticRows('DA', 'FI', 'Md', id.X87_ARITH_I32),
  ...registerRows('DA', ['FCMOVB', 'FCMOVE', 'FCMOVBE', 'FCMOVU'], id.X87_FCMOV),
  one('DA', 'E9', 'FUCOMPP', id.X87_FUCOMPP),

  // DB
  load('DB', 0, 'FILD', 'Md', id.X87_FILD_32),
  mem('DB', 1, 'FISTTP', 'Md', id.X87_FISTTP_32),
  mem('DB', 2, 'FIST', 'Md', id.X87_FIST_32),
  mem('DB', 3, 'FISTP', 'Md', id.X87_FISTP_32),
  load('DB', 5, 'FLD', 'Mt', id.X87_FLD_M80),
  mem('DB', 7, 'FSTP', 'Mt', id.X87_FSTP_M80),
  ...registerRows('DB', ['FCMOVNB', 'FCMOVNE', 'FCMOVNBE', 'FCMOVNU'], id.X87_FCMOV),
  one('DB', 'E0', 'FNENI', id.X87_FNNOP),
  one('DB', 'E1', 'FNDISI', id.X87_FNNOP),
  one('DB', 'E2', 'FNCLEX', id.X87_FNCLEX),
  one('DB', 'E3', 'FNINIT', id.X87_FNINIT),
  one('DB', 'E4', 'FNSETPM', id.X87_FNNOP),
  reg('DB', 5, 'FUCOMI', id.X87_FUCOMI, 'ST,STi'),
  reg('DB', 6, 'FCOMI', id.X87_FCOMI, 'ST,STi'),

  // DC
  ...arithmeticRows('DC', 'F', 'Mq', id.X87_ARITH_M64),
  ...registerRows('DC', ['FADD', 'FMUL', '', '', 'FSUBR', 'FSUB', 'FDIVR', 'FDIV'], id.X87_ARITH_STI, 'STi,ST'),
  reg('DC', 2, 'FCOM', id.X87_FCOM_STI),
  reg('DC', 3, 'FCOMP', id.X87_FCOMP_STI),

  // DD
  load('DD', 0, 'FLD', 'Mq', id.X87_FLD_M64),
  mem('DD', 1, 'FISTTP', 'Mq', id.X87_FISTTP_64),
  mem('DD', 2, 'FST', 'Mq', id.X87_FST_M64),
  mem('DD', 3, 'FSTP', 'Mq', id.X87_FSTP_M64),
  load('DD', 4, 'FRSTOR', 'M', id.X87_FRSTOR, everything),
  mem('DD', 6, 'FNSAVE', 'M', id.X87_FNSAVE, everything),
  mem('DD', 7, 'FNSTSW', 'Mw', id.X87_FNSTSW),
  reg('DD', 0, 'FFREE', id.X87_FFREE),
  reg('DD', 1, 'FXCH', id.X87_FXCH),
  reg('DD', 2, 'FST', id.X87_FST_STI),
  reg('DD', 3, 'FSTP', id.X87_FSTP_STI),
  reg('DD', 4, 'FUCOM', id.X87_FUCOM),
  reg('DD', 5, 'FUCOMP', id.X87_FUCOMP),

  // DE
  ...arithmeticRows('DE', 'FI', 'Mw', id.X87_ARITH_I16),
  ...registerRows('DE', ['FADDP', 'FMULP', '', '', 'FSUBRP', 'FSUBP', 'FDIVRP', 'FDIVP'], id.X87_ARITH_STI_POP, 'STi,ST'),
  reg('DE', 2, 'FCOMP', id.X87_FCOMP_STI),
  one('DE', 'D9', 'FCOMPP', id.X87_FCOMPP),

  // DF
  load('DF', 0, 'FILD', 'Mw', id.X87_FILD_16),
  mem('DF', 1, 'FISTTP', 'Mw', id.X87_FISTTP_16),
  mem('DF', 2, 'FIST', 'Mw', id.X87_FIST_16),
  mem('DF', 3, 'FISTP', 'Mw', id.X87_FISTP_16),
  load('DF', 4, 'FBLD', 'Mt', id.X87_FBLD),
  load('DF', 5, 'FILD', 'Mq', id.X87_FILD_64),
  mem('DF', 6, 'FBSTP', 'Mt', id.X87_FBSTP),
  mem('DF', 7, 'FISTP', 'Mq', id.X87_FISTP_64),
  reg('DF', 0, 'FFREEP', id.X87_FFREEP),
  reg('DF', 1, 'FXCH', id.X87_FXCH),
  reg('DF', 2, 'FSTP', id.X87_FSTP_STI),
  reg('DF', 3, 'FSTP', id.X87_FSTP_STI),
  one('DF', 'E0', 'FNSTSW', id.X87_FNSTSW_AX, 'AX'),
  reg('DF', 5, 'FUCOMIP', id.X87_FUCOMIP, 'ST,STi'),
  reg('DF', 6, 'FCOMIP', id.X87_FCOMIP, 'ST,STi'),
]
