// Numbers of the kernel's x87 operations. Plain constants, both compilers.
// ARITH, COM and INTEGER operations take which of the eight they are from ModRM.reg: 0 add, 1 multiply, 2 compare, 3 compare and pop, 4 subtract, 5 subtract reversed,
// 6 divide, 7 divide reversed; CMOV takes its condition from the low bit of the first byte and ModRM.reg.
export const X87_FWAIT = 1
export const X87_ARITH_M32 = 2
export const X87_ARITH_M64 = 3
export const X87_ARITH_I16 = 4
export const X87_ARITH_I32 = 5
/** ST(0) ← ST(0) op ST(i) */
export const X87_ARITH_ST0 = 6
/** ST(i) ← ST(i) op ST(0), where the encodings of SUB/SUBR and DIV/DIVR stand crosswise */
export const X87_ARITH_STI = 7
export const X87_ARITH_STI_POP = 8
export const X87_FCOM_STI = 9
export const X87_FCOMP_STI = 10
export const X87_FCOMPP = 11
export const X87_FUCOM = 12
export const X87_FUCOMP = 13
export const X87_FUCOMPP = 14
export const X87_FCOMI = 15
export const X87_FCOMIP = 16
export const X87_FUCOMI = 17
export const X87_FUCOMIP = 18
export const X87_FCMOV = 19
export const X87_FLD_M32 = 20
export const X87_FLD_M64 = 21
export const X87_FLD_M80 = 22
export const X87_FLD_STI = 23
export const X87_FILD_16 = 24
export const X87_FILD_32 = 25
export const X87_FILD_64 = 26
export const X87_FBLD = 27
export const X87_FST_M32 = 28
export const X87_FSTP_M32 = 29
export const X87_FST_M64 = 30
export const X87_FSTP_M64 = 31
export const X87_FSTP_M80 = 32
export const X87_FST_STI = 33
export const X87_FSTP_STI = 34
/** D9 D8+i: as FSTP ST(i), but an empty ST(0) raises no stack fault and is not stored. */
export const X87_FSTPNCE = 35
export const X87_FIST_16 = 36
export const X87_FIST_32 = 37
export const X87_FISTP_16 = 38
export const X87_FISTP_32 = 39
export const X87_FISTP_64 = 40
export const X87_FISTTP_16 = 41
export const X87_FISTTP_32 = 42
export const X87_FISTTP_64 = 43
export const X87_FBSTP = 44
export const X87_FXCH = 45
export const X87_FFREE = 46
export const X87_FFREEP = 47
export const X87_FINCSTP = 48
export const X87_FDECSTP = 49
export const X87_FNOP = 50
export const X87_FCHS = 51
export const X87_FABS = 52
export const X87_FTST = 53
export const X87_FXAM = 54
/** Constant by ModRM.rm: 1, log2(10), log2(e), π, log10(2), ln(2), 0. */
export const X87_CONSTANT = 55
export const X87_FSQRT = 56
export const X87_FSCALE = 57
export const X87_FXTRACT = 58
export const X87_FRNDINT = 59
export const X87_FPREM = 60
export const X87_FPREM1 = 61
export const X87_F2XM1 = 62
export const X87_FYL2X = 63
export const X87_FYL2XP1 = 64
export const X87_FPTAN = 65
export const X87_FPATAN = 66
export const X87_FSIN = 67
export const X87_FCOS = 68
export const X87_FSINCOS = 69
// ---- control instructions: they leave FOP, FIP and FDP alone
export const X87_FLDCW = 80
export const X87_FLDENV = 81
export const X87_FRSTOR = 82
// ---- those that do not wait for a pending exception
export const X87_FNSTCW = 90
export const X87_FNSTSW = 91
export const X87_FNSTSW_AX = 92
export const X87_FNSTENV = 93
export const X87_FNSAVE = 94
export const X87_FNCLEX = 95
export const X87_FNINIT = 96
/** FENI, FDISI, FSETPM of the 8087 and 80287: no operation. */
export const X87_FNNOP = 97
