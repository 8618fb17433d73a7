// Bits of the control registers, EFER and XCR0 (AMD APM vol. 2, 24593, sections 3.1.1 to 3.1.7, 11.5.2). Plain constants, both compilers.

export const CR0_PE = 0x1
export const CR0_MP = 0x2
export const CR0_EM = 0x4
export const CR0_TS = 0x8
export const CR0_ET = 0x10
export const CR0_NE = 0x20
export const CR0_WP = 0x10000
export const CR0_AM = 0x40000
export const CR0_NW = 0x20000000
export const CR0_CD = 0x40000000
export const CR0_PG = 0x80000000
/** Bits that can be written. Others below bit 32 read as zero (ET as one). */
export const CR0_WRITABLE = 0xe005002f

export const CR4_VME = 0x1
export const CR4_PVI = 0x2
export const CR4_TSD = 0x4
export const CR4_DE = 0x8
export const CR4_PSE = 0x10
export const CR4_PAE = 0x20
export const CR4_MCE = 0x40
export const CR4_PGE = 0x80
export const CR4_PCE = 0x100
export const CR4_OSFXSR = 0x200
export const CR4_OSXMMEXCPT = 0x400
export const CR4_UMIP = 0x800
export const CR4_LA57 = 0x1000
export const CR4_FSGSBASE = 0x10000
export const CR4_PCIDE = 0x20000
export const CR4_OSXSAVE = 0x40000
export const CR4_SMEP = 0x100000
export const CR4_SMAP = 0x200000
export const CR4_PKE = 0x400000

export const EFER_SCE = 0x1
export const EFER_LME = 0x100
export const EFER_LMA = 0x400
export const EFER_NXE = 0x800
export const EFER_SVME = 0x1000
export const EFER_LMSLE = 0x2000
export const EFER_FFXSR = 0x4000
export const EFER_TCE = 0x8000
/** Automatic IBRS. */
export const EFER_AIBRSE = 0x200000

export const XCR0_X87 = 0x1
export const XCR0_SSE = 0x2
/** The upper halves of the YMM registers. */
export const XCR0_YMM = 0x4
export const XCR0_PKRU = 0x200
