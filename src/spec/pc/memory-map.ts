/** Guest physical memory map of the board. A guest has at most 3 GiB below the hole; more RAM continues at 4 GiB. */

/** Low RAM ends here at the latest; what lies between this and 4 GiB belongs to devices. */
export const LOW_RAM_END_MAX = 0xc000_0000
/** 32-bit PCI memory window (BARs). */
export const PCI_MMIO_BASE = 0xc000_0000
export const PCI_MMIO_BYTES = 0x2000_0000
/** PCI Express enhanced configuration (MMCONFIG), segment 0, buses 0..255: 1 MiB a bus. */
export const ECAM_BASE = 0xe000_0000
export const ECAM_BYTES = 0x1000_0000
export const ECAM_BUS_FIRST = 0
export const ECAM_BUS_LAST = 255
export const IOAPIC_BASE = 0xfec0_0000
export const IOAPIC_BYTES = 0x1000
export const LOCAL_APIC_BASE = 0xfee0_0000
export const LOCAL_APIC_BYTES = 0x1000
/** Stores of devices into [FEE00000, FEF00000) are message-signalled interrupts. */
export const MSI_BASE = 0xfee0_0000
export const MSI_BYTES = 0x10_0000
export const HIGH_RAM_BASE = 0x1_0000_0000
/** Conventional memory ends at 640 KiB; VGA and option ROM space up to 1 MiB is no RAM. */
export const CONVENTIONAL_RAM_END = 0xa_0000
export const EXTENDED_RAM_BASE = 0x10_0000

/** PCI I/O window for BARs (none of our devices asks for I/O space). */
export const PCI_IO_BASE = 0xc000
export const PCI_IO_BYTES = 0x4000
