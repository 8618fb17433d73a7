// Bits of DR6 and DR7 (AMD APM vol. 2, 24593, sections 13.1.1.3 and 13.1.1.4). Plain constants, both compilers.
export const DR6_BD = 0x2000
export const DR6_BS = 0x4000
export const DR6_BT = 0x8000
/** B0 to B3, BD, BS, BT. */
export const DR6_WRITABLE = 0xe00f
/** Bits that read as one. */
export const DR6_FIXED = 0xffff0ff0
export const DR7_GD = 0x2000
/** L0 to G3, LE, GE, GD, R/W and LEN fields. */
export const DR7_WRITABLE = 0xffff23ff
export const DR7_FIXED = 0x400
