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

/** Frames, aligned, of which those that nobody has asked for yet are decrypted together. */
export const UNTOUCHED_GROUP = 8

/** Variables of the controller. */
export const CONTROLLER_BASE = 0xe0000
/** u32: frames decrypted since reset. */
export const CONTROLLER_DECRYPTED = 0x00
/** u32: frames encrypted since reset. */
export const CONTROLLER_ENCRYPTED = 0x04
/** u32: for how many frames the answer of `look` is good. */
export const CONTROLLER_LOOKED = 0x08

// An entry of FRAME_TABLE_BASE: epoch 21 bits | key 10 bits | held 1 bit (kernel/index.ts).
export const FRAME_EPOCH_MASK = 0x1fffff
export const FRAME_KEY_SHIFT = 21
export const FRAME_HELD = 0x80000000
