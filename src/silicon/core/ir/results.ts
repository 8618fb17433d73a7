// What a kernel helper returns. Plain constants, both compilers.
export const R_NEXT = 0
export const R_FAULT = 1
export const R_JUMP = 2
export const R_EXIT = 3
/** No result is larger; addresses of records are. */
export const R_LAST = 3
