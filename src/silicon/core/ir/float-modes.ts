// What translated code wants to know of MXCSR before it takes WebAssembly's arithmetic for x86's. Plain constants, both compilers.

/** Rounding to nearest, PM and PE set: an inexact result leaves no trace. */
export const FLOAT_QUIET = 1
export const FLOAT_TO_NEAREST = 2

/** MXCSR.RC, PM and PE (APM vol. 1, section 4.2.2). */
export const MXCSR_ROUNDING = 0x6000
export const MXCSR_PM = 0x1000
export const MXCSR_PE = 0x20
