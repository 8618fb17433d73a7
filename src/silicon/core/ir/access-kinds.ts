// What translated code says of an access that its soft TLB does not have, and of the instruction that makes it: one word. Plain constants, both compilers.

/** Offset of the instruction in its block, and its index there. */
export const WHAT_OFFSET_MASK = 0x3ff
export const WHAT_INDEX = 10
export const WHAT_INDEX_MASK = 0x3f
/** Kind of the flags (flag-kinds.ts) that stand in the region's locals; WHAT_FLAGS_MASK: another local says it. */
export const WHAT_FLAGS = 16
export const WHAT_FLAGS_MASK = 0x3f
/** Length of the instruction where the access is a store that completes it, else 0. */
export const WHAT_LENGTH = 22
export const WHAT_LENGTH_MASK = 0xf
/** Number of the size (0: 1 byte … 3: 8 bytes); of vectors, the alignment rule. */
export const WHAT_SIZE = 26
export const WHAT_SIZE_MASK = 3
/** ACCESS_* */
export const WHAT_KIND = 28

export const ACCESS_LOAD = 0
export const ACCESS_STORE = 1
/** A load whose operand the instruction will write. */
export const ACCESS_LOAD_FOR_WRITE = 2
/** A store of 8 bytes by a push: where the region is to be left behind it, RSP has to have moved. */
export const ACCESS_PUSH = 3
/** Vectors; what is stored stands in VT1. */
export const ACCESS_LOAD16 = 4
export const ACCESS_STORE16 = 5
export const ACCESS_LOAD32 = 6
export const ACCESS_STORE32 = 7

// Alignment rules of vectors.
export const ANY_ADDRESS = 0
/** Misaligned addresses are for MXCSR.MM to allow. */
export const BY_MXCSR = 1
export const ALIGNED = 2

// The answer to a store; 0: all is well.
export const STORE_FAULT = 1
/** The store has been made, and some region has lost a block by it. */
export const STORE_STALE = 2
