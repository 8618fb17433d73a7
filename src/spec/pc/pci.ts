/** PCI configuration space, type 0 (PCI Local Bus 3.0, chapter 6), and the functions of the board. */

export const PCI_VENDOR_ID = 0x00
export const PCI_DEVICE_ID = 0x02
export const PCI_COMMAND = 0x04
export const PCI_STATUS = 0x06
export const PCI_REVISION = 0x08
export const PCI_CLASS = 0x09
export const PCI_HEADER_TYPE = 0x0e
export const PCI_BAR0 = 0x10
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c
export const PCI_SUBSYSTEM_ID = 0x2e
export const PCI_CAPABILITIES = 0x34
export const PCI_INTERRUPT_LINE = 0x3c
export const PCI_INTERRUPT_PIN = 0x3d

export const PCI_COMMAND_IO = 1 << 0
export const PCI_COMMAND_MEMORY = 1 << 1
export const PCI_COMMAND_MASTER = 1 << 2
export const PCI_COMMAND_INTX_DISABLE = 1 << 10
export const PCI_STATUS_INTERRUPT = 1 << 3
export const PCI_STATUS_CAPABILITIES = 1 << 4

export const PCI_CAP_VENDOR = 0x09
export const PCI_CAP_MSIX = 0x11

export const MSIX_ENABLE = 1 << 15
export const MSIX_MASK_ALL = 1 << 14

/** Bus 0: host bridge at 00.0, ISA bridge at 1f.0 (where ICH9 has it), virtio functions from 01.0. */
export const PCI_SLOT_HOST_BRIDGE = 0
export const PCI_SLOT_VIRTIO_FIRST = 1
export const PCI_SLOT_ISA_BRIDGE = 31

export const INTEL = 0x8086
/** 82G33/Q35 DRAM controller. */
export const Q35_HOST_BRIDGE = 0x29c0
/** ICH9 LPC bridge. */
export const ICH9_LPC = 0x2918
