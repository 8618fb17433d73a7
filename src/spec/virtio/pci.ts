/** virtio 1.2, 4.1: the PCI transport. Offsets in the common configuration structure (4.1.4.3). */

export const CAP_COMMON = 1
export const CAP_NOTIFY = 2
export const CAP_ISR = 3
export const CAP_DEVICE = 4
export const CAP_PCI_CFG = 5

export const COMMON_DEVICE_FEATURE_SELECT = 0x00
export const COMMON_DEVICE_FEATURE = 0x04
export const COMMON_DRIVER_FEATURE_SELECT = 0x08
export const COMMON_DRIVER_FEATURE = 0x0c
export const COMMON_CONFIG_MSIX_VECTOR = 0x10
export const COMMON_NUM_QUEUES = 0x12
export const COMMON_DEVICE_STATUS = 0x14
export const COMMON_CONFIG_GENERATION = 0x15
export const COMMON_QUEUE_SELECT = 0x16
export const COMMON_QUEUE_SIZE = 0x18
export const COMMON_QUEUE_MSIX_VECTOR = 0x1a
export const COMMON_QUEUE_ENABLE = 0x1c
export const COMMON_QUEUE_NOTIFY_OFF = 0x1e
export const COMMON_QUEUE_DESC = 0x20
export const COMMON_QUEUE_DRIVER = 0x28
export const COMMON_QUEUE_DEVICE = 0x30
export const COMMON_BYTES = 0x38

export const NO_VECTOR = 0xffff
export const ISR_QUEUE = 1
export const ISR_CONFIG = 2
