// What a kernel helper returns. Plain constants, both compilers.
export const R_NEXT = 0
export const R_FAULT = 1
export const R_JUMP = 2
export const R_EXIT = 3
/** Of a call that a region made: it has returned to where it was called from. */
export const R_RETURNED = 4
/** No result is larger; addresses of records are. */
export const R_LAST = 4
