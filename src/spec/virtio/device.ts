/** virtio 1.2: device status (2.1), feature bits (2.2, 6), device types (5). */

export const STATUS_ACKNOWLEDGE = 1
export const STATUS_DRIVER = 2
export const STATUS_DRIVER_OK = 4
export const STATUS_FEATURES_OK = 8
export const STATUS_NEEDS_RESET = 64
export const STATUS_FAILED = 128

export const FEATURE_INDIRECT_DESC = 28
export const FEATURE_VERSION_1 = 32
/** The device obeys the platform's memory rules: the driver must use its DMA interface (an SEV guest: shared bounce buffers). */
export const FEATURE_ACCESS_PLATFORM = 33

export const VIRTIO_BLOCK = 2
export const VIRTIO_CONSOLE = 3
export const VIRTIO_ENTROPY = 4

export const VIRTIO_PCI_VENDOR = 0x1af4
/** PCI device id of a modern device: this plus the device type. */
export const VIRTIO_PCI_DEVICE_BASE = 0x1040
