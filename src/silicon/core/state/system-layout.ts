// State of the system side that has no place of its own in layout.ts: 0xe00..0xfff. Plain constants, both compilers.

/** u32: DR6 bits (B0..B3, BT) of debug traps that await the end of the present instruction; bit 31: it is not single-stepped. */
export const DEBUG_PENDING = 0xe00
/** u32: event being delivered, as VMCB EXITINTINFO bits 31:0 (V 31, EV 11, type 10:8, vector 7:0); 0 = none. */
export const DELIVERING = 0xe08
/** u32 */
export const DELIVERING_ERROR = 0xe0c
/** u32: 1 + number of the instruction (low bits of the retired count) behind a MOV or POP to SS that touched a watched address. */
export const DEBUG_HOLD = 0xe10
/** u32: 1 + number of the instruction that RF holds breakpoints off for; 0 = not yet known. */
export const DEBUG_RESUME = 0xe14
/** u32: the breakpoints that it touched; reported behind the instruction of DEBUG_HOLD. */
export const DEBUG_HELD = 0xe18
/** In FAULT: the #GP of a data access whose address is not canonical; #SS if the instruction went through the stack segment. */
export const FAULT_NOT_CANONICAL = 0x400

// MSRs, u64 each. The eleven fixed-range MTRRs stand at MSR_MTRR_BASE of layout.ts (0x360..0x3b7).
export const MSR_DE_CFG = 0x3b8
export const MSR_LS_CFG = 0x3c0
export const MSR_IC_CFG = 0x3c8
export const MSR_DC_CFG = 0x3d0
export const MSR_TOP_MEM = 0x3d8
export const MSR_TOP_MEM2 = 0x3e0
export const MSR_BU_CFG2 = 0x3e8
export const MSR_MCG_STATUS = 0x3f0
/** Eight pairs of base and mask. */
export const MSR_MTRR_VARIABLE = 0xe40
export const MSR_INT_PENDING = 0xec8
export const MSR_TW_CFG = 0xed0
export const MSR_FP_CFG = 0xed8
