// Where things stand in the one linear memory that the chip's parts share. Plain constants: this file is
// compiled both as TypeScript and as AssemblyScript, so it holds nothing but `export const NAME = number`.
//
// The linear memory is the inside of the chip (core state, cached code) followed by the content of the board's DRAM, of which
// the memory controller keeps frames in clear where they stand. Nobody outside the chip is handed any of it.

/** First byte free for static data of the two kernels (core: 4 KiB up; memory controller: 512 KiB up). */
export const CORE_STATIC_BASE = 0x1000
export const MEMORY_STATIC_BASE = 0x80000

/** Words shared by the memory controller and the cores (see FABRIC_* below). */
export const FABRIC_BASE = 0xf0000

/** Core states: one 2 MiB area per core thread. */
export const CORE_STATE_BASE = 0x100000
export const CORE_STATE_STRIDE = 0x200000
export const CORES_MAX = 8

/** Hash table of cached code blocks (u32 heads), owned by the cores. 1 MiB. */
export const CODE_HASH_BASE = 0x1100000
/** Per frame: u32, first cached block decoded from it. Owned by the cores. 4 MiB. */
export const CODE_FRAME_HEADS = 0x1200000
/** Words of the code cache: allocation pointer and counters. Owned by the cores. */
export const CODE_CACHE_WORDS = 0x1600000
/** Table of translated regions (ir/region-tables.ts). Owned by the cores. */
export const REGION_TABLE = 0x1610000
/** Where indirect jumps have gone (ir/region-tables.ts). Owned by the cores. 512 KiB. */
export const NOTES_TABLE = 0x1650000
/** Chains of the regions that blocks belong to (ir/region-tables.ts). Owned by the cores. */
export const MEMBERS_TABLE = 0x16d0000
export const MEMBERS_END = 0x1800000
/** Arena of cached IR blocks, owned by the cores. */
export const CODE_ARENA_BASE = 0x1800000
export const CODE_ARENA_END = 0x7600000
/** What the code of regions reads where it runs (translate/standing-regions.ts): u32 each. Owned by the cores. */
export const CONSTANTS_TABLE = 0x7600000
export const CONSTANTS_END = 0x7800000

/** Per frame: u32, how it stands (memory/kernel/index.ts). Owned by the memory controller. 4 MiB. */
export const FRAME_TABLE_BASE = 0x7800000
/** Per frame: u8, WATCH_* bits. */
export const WATCH_BASE = 0x7e00000
/** A core has cached code of the frame and wants to be told when its content may change. */
export const WATCH_CODE = 1
/** The frame may stand in a core's write TLB. */
export const WATCH_WRITABLE = 2
/** Per frame: u64, one bit per 64-byte line that cached code was decoded from. Owned by the cores. */
export const CODE_LINES_BASE = 0x7f00000
/** DRAM byte 0. */
export const DRAM_BASE = 0x8800000

export const FRAME_SHIFT = 12
export const FRAME_BYTES = 0x1000
/** Frames that the tables above have room for: 4 GiB of DRAM. */
export const FRAMES_MAX = 0x100000

// Words at FABRIC_BASE + offset.
/** u32: counts up whenever a host pointer that `frame()` returned earlier may have become wrong. */
export const FABRIC_EPOCH = 0x00
/** u32: number of entries in FABRIC_CHANGED; above FABRIC_CHANGED_MAX it means "any frame may have changed". */
export const FABRIC_CHANGED_COUNT = 0x04
/** u32: frames of DRAM present. */
export const FABRIC_DRAM_FRAMES = 0x08
/** u32[]: numbers of watched frames whose content may have changed since the cores last drained the list. */
export const FABRIC_CHANGED = 0x100
export const FABRIC_CHANGED_MAX = 0x400
