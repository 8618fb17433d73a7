/** QEMU firmware configuration device (QEMU docs/specs/fw_cfg). */

export const FW_CFG_SIGNATURE = 0x0000
export const FW_CFG_ID = 0x0001
export const FW_CFG_RAM_BYTES = 0x0003
export const FW_CFG_CPUS = 0x0005
export const FW_CFG_CPUS_MAX = 0x000f
export const FW_CFG_DIRECTORY = 0x0019
export const FW_CFG_FILE_FIRST = 0x0020

/** Features in FW_CFG_ID: traditional interface and DMA. */
export const FW_CFG_ID_VALUE = 3

export const FW_CFG_DMA_ERROR = 1
export const FW_CFG_DMA_READ = 2
export const FW_CFG_DMA_SKIP = 4
export const FW_CFG_DMA_SELECT = 8
export const FW_CFG_DMA_WRITE = 16

/** Directory entry: size u32 BE, select u16 BE, reserved u16, name 56 bytes with its NUL. */
export const FW_CFG_ENTRY_BYTES = 64
export const FW_CFG_NAME_BYTES = 56
