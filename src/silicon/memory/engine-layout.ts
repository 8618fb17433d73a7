// Where the memory controller keeps its own words below FABRIC_BASE. Plain constants: compiled both as TypeScript and as
// AssemblyScript, so it holds nothing but `export const NAME = number`.

/** Key slots of the encryption engine: ASID 0 (no key) to 511. */
export const KEY_SLOTS = 0x200

/**
 * Per key slot 512 bytes: entry n (16 bytes) is what the tweak gains when bit n of the block number (address / 16) is
 * set. Entries 0..7 are block numbers within a frame, 8..27 frame numbers. Entries 0..7 are stored as prefix sums
 * (0 ^ … ^ n): what changes when a count moves from xx01…1 to xx10…0.
 */
export const TWEAK_TABLE_BASE = 0x80000
export const TWEAK_TABLE_STRIDE = 0x200
export const TWEAK_ENTRIES = 28

/** Room for plaintext that is looked at and not kept: LOOK_FRAMES frames. */
export const LOOK_BASE = 0xc0000
export const LOOK_FRAMES = 0x10

/** Frames that AES takes in one call at most: what the platform's cipher allocates for its result is bounded. */
export const CIPHER_FRAMES_MAX = 0x40

/** Variables of the controller. */
export const CONTROLLER_BASE = 0xe0000
/** u32: slots of the last-level cache. */
export const CONTROLLER_SLOTS = 0x00
/** u32: slots that have ever been used; the ones above are free. */
export const CONTROLLER_FRESH = 0x04
/** u32: first of the chain of slots given back, as slot + 1; 0 = none. */
export const CONTROLLER_FREE = 0x08
/** u32: where the second-chance sweep goes on. */
export const CONTROLLER_HAND = 0x0c
/** u32: counts frames handed out. */
export const CONTROLLER_TURN = 0x10
/** u32: frames decrypted into the cache since reset. */
export const CONTROLLER_FILLS = 0x14
/** u32: frames encrypted back into DRAM since reset. */
export const CONTROLLER_WRITEBACKS = 0x18
/** u32: for how many frames the answer of `look` is good. */
export const CONTROLLER_LOOKED = 0x1c

// A slot of SLOT_TABLE_BASE: frame u32 @0 | key u16 @4 | flags u8 @6 | turn u32 @8 | epoch u32 @12.
/** u32: number of the frame held, or SLOT_FREE; of a free slot, the chain goes on in SLOT_TURN. */
export const SLOT_FRAME = 0x00
export const SLOT_KEY = 0x04
export const SLOT_FLAGS = 0x06
/** u32: CONTROLLER_TURN when last handed out. */
export const SLOT_TURN = 0x08
/** u32: FABRIC_EPOCH when last handed out. */
export const SLOT_EPOCH = 0x0c
export const SLOT_BYTES = 0x10

export const FLAG_DIRTY = 0x01
export const FLAG_REFERENCED = 0x02

/** Frames last handed out that eviction leaves alone, so that one instruction can hold all the frames it touches. */
export const PROTECTED_TURNS = 0x40
/** Slots freed by one sweep: a new epoch empties every soft TLB, so it must buy many slots. */
export const EVICTION_BATCH = 0x40
