// Tables in linear memory about translated regions. Plain constants, both compilers.

/** Entries of a region before it is offered again, to be made part of a larger one. They are counted roughly. */
export const WIDEN_THRESHOLD = 500_000
/** As many times that of one that has been made larger. */
export const WIDEN_AGAIN = 4
/** Of regions: as they begin, wide, widest. */
export const REGION_SIZES = 3

// ---- table of regions at REGION_TABLE: 16 bytes each: function table index u32 (0 = not to be entered), instructions that one pass may take u32, entries after
// which it is offered to the translator again u32, the core (its state area) that the code is for u32
export const REGION_ENTRY_BYTES = 16
/** Most regions that are compiled as one module. */
export const REGIONS_OF_MODULE = 32
/** At worst each is a module of its own, and takes two to four mappings of memory, of which Linux grants a process 65,530. */
export const REGIONS_MAX = 8192

// ---- members of chains at MEMBERS_TABLE: number of the region u32, address of the next member u32 or 0
export const MEMBER_BYTES = 8

// ---- notes at NOTES_TABLE, by address of the record of an indirect jump: that address u32, then targets from the start of its block i32 (0: none)
export const NOTES_BYTES = 64
/** Targets of one jump. */
export const NOTED_MAX = NOTES_BYTES / 4 - 1
export const NOTES_MAX = 8192
