// How translated code keeps the last flag-setting operation until somebody asks: a kind, with operands and the sign-extended result.
// kind = FLAG_* | size number << FLAG_KIND_SHIFT; 0 = the flags stand in the state area. Plain constants, both compilers.
export const FLAG_STATE = 0
/** ADD and ADC: a + b (+ carry). */
export const FLAG_ADD = 1
/** SUB, SBB, CMP and NEG: a - b (- carry). */
export const FLAG_SUB = 2
/** AND, OR, XOR and TEST: carries are zero. */
export const FLAG_LOGIC = 3
/** a = FLAG_AUX itself. */
export const FLAG_LOCAL = 4
/** a = the old CF. */
export const FLAG_INC = 5
export const FLAG_DEC = 6
/** a * b of 64 bits, signed. */
export const FLAG_IMUL64 = 7
/** A comparison or test that clears SF, OF and AF: a = CF << 63 | PF; the result is zero for ZF, else one. */
export const FLAG_ORDER = 8
export const FLAG_KIND_SHIFT = 4
/** With its size: the flags are as the code before the region left them, in LAZY_* (state/layout.ts). No operation has this kind. */
export const FLAG_LAZY = 0x3e
