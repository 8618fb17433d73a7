// Bits of RFLAGS (AMD APM vol. 2, 24593, section 3.1.6). Plain constants, both compilers.
export const FLAG_CF = 0x1
export const FLAG_FIXED = 0x2
export const FLAG_PF = 0x4
export const FLAG_AF = 0x10
export const FLAG_ZF = 0x40
export const FLAG_SF = 0x80
export const FLAG_TF = 0x100
export const FLAG_IF = 0x200
export const FLAG_DF = 0x400
export const FLAG_OF = 0x800
export const FLAG_IOPL = 0x3000
export const FLAG_NT = 0x4000
export const FLAG_RF = 0x10000
export const FLAG_VM = 0x20000
export const FLAG_AC = 0x40000
export const FLAG_VIF = 0x80000
export const FLAG_VIP = 0x100000
export const FLAG_ID = 0x200000
/** CF PF AF ZF SF OF. */
export const FLAGS_ARITHMETIC = 0x8d5
/** All bits that exist. */
export const FLAGS_ALL = 0x3f7fd5
