/** virtio 1.2, 5.2: block device. */

export const BLOCK_SIZE_MAX = 1
export const BLOCK_SEG_MAX = 2
export const BLOCK_READ_ONLY = 5
export const BLOCK_BLK_SIZE = 6
export const BLOCK_FLUSH = 9

/** Configuration: capacity u64 in sectors, size_max u32, seg_max u32, geometry, blk_size u32. */
export const BLOCK_CFG_CAPACITY = 0
export const BLOCK_CFG_SIZE_MAX = 8
export const BLOCK_CFG_SEG_MAX = 12
export const BLOCK_CFG_BLK_SIZE = 20
export const BLOCK_CFG_BYTES = 24

export const SECTOR_BYTES = 512
/** Request: type u32, reserved u32, sector u64, data, status u8. */
export const BLOCK_HEADER_BYTES = 16
export const BLOCK_IN = 0
export const BLOCK_OUT = 1
export const BLOCK_FLUSH_REQUEST = 4
export const BLOCK_GET_ID = 8
export const BLOCK_ID_BYTES = 20

export const BLOCK_OK = 0
export const BLOCK_IO_ERROR = 1
export const BLOCK_UNSUPPORTED = 2
