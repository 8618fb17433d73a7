// Numbers of model-specific registers (AMD APM vol. 2, 24593, appendix A; family 19h model 01h PPR 55898). Plain constants, both compilers.
export const IA32_TSC = 0x10
export const IA32_APIC_BASE = 0x1b
export const IA32_PATCH_LEVEL = 0x8b
export const IA32_MTRR_CAP = 0xfe
export const IA32_SYSENTER_CS = 0x174
export const IA32_SYSENTER_ESP = 0x175
export const IA32_SYSENTER_EIP = 0x176
export const IA32_MCG_CAP = 0x179
export const IA32_MCG_STATUS = 0x17a
export const IA32_DEBUGCTL = 0x1d9
export const IA32_LAST_BRANCH_FROM = 0x1db
export const IA32_LAST_EXCEPTION_TO = 0x1de
/** Eight pairs of base and mask. */
export const IA32_MTRR_VARIABLE = 0x200
export const IA32_MTRR_VARIABLE_END = 0x210
export const IA32_MTRR_FIX64K = 0x250
export const IA32_MTRR_FIX16K_80000 = 0x258
export const IA32_MTRR_FIX16K_A0000 = 0x259
export const IA32_MTRR_FIX4K = 0x268
export const IA32_MTRR_FIX4K_LAST = 0x26f
export const IA32_PAT = 0x277
export const IA32_MTRR_DEF_TYPE = 0x2ff
/** Machine check banks: control, status, address, miscellaneous. */
export const IA32_MC0_CTL = 0x400
export const IA32_MC_END = 0x480
export const IA32_XSS = 0xda0

export const AMD_EFER = 0xc0000080
export const AMD_STAR = 0xc0000081
export const AMD_LSTAR = 0xc0000082
export const AMD_CSTAR = 0xc0000083
export const AMD_SFMASK = 0xc0000084
export const AMD_FS_BASE = 0xc0000100
export const AMD_GS_BASE = 0xc0000101
export const AMD_KERNEL_GS_BASE = 0xc0000102
export const AMD_TSC_AUX = 0xc0000103
export const AMD_TSC_RATIO = 0xc0000104

export const AMD_SYSCFG = 0xc0010010
export const AMD_HWCR = 0xc0010015
export const AMD_IORR_BASE0 = 0xc0010016
export const AMD_IORR_MASK1 = 0xc0010019
export const AMD_TOP_MEM = 0xc001001a
export const AMD_TOP_MEM2 = 0xc001001d
export const AMD_INT_PENDING = 0xc0010055
export const AMD_VM_CR = 0xc0010114
export const AMD_IGNNE = 0xc0010115
export const AMD_VM_HSAVE_PA = 0xc0010117
export const AMD_SEV_STATUS = 0xc0010131
export const AMD_LS_CFG = 0xc0011020
export const AMD_IC_CFG = 0xc0011021
export const AMD_DC_CFG = 0xc0011022
export const AMD_TW_CFG = 0xc0011023
export const AMD_FP_CFG = 0xc0011028
export const AMD_DE_CFG = 0xc0011029
export const AMD_BU_CFG2 = 0xc001102a

/** VCNT 8, fixed-range registers, write combining. */
export const MTRR_CAP_VALUE = 0x508
/** Microcode patch level of a Milan B1. */
export const PATCH_LEVEL_VALUE = 0xa0011d5
/** SYSCFG bits: fixed-range DRAM enable and modify, variable DRAM, TOM2, TOM2 force write back. */
export const SYSCFG_WRITABLE = 0x7c0000
/** HWCR bits that software may change: user-mode MONITOR, writes to machine check status. TscFreqSel reads as one. */
export const HWCR_MON_MWAIT_USER = 0x400
export const HWCR_MC_STATUS_WRITE = 0x40000
export const HWCR_TSC_FREQ_SEL = 0x1000000
/** APIC_BASE: bootstrap processor, APIC enable. */
export const APIC_BASE_BSP = 0x100
export const APIC_BASE_ENABLE = 0x800
/** VM_CR: DPD, R_INIT, DIS_A20M, LOCK, SVMDIS. */
export const VM_CR_WRITABLE = 0x1f
export const VM_CR_LOCK = 0x8
export const VM_CR_SVMDIS = 0x10
