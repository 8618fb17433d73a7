/** Port numbers of the board (IBM PC/AT, ICH9 and QEMU conventions). */

export const PORT_DMA1 = 0x00
export const PORT_PIC_MASTER = 0x20
export const PORT_PIC_SLAVE = 0xa0
export const PORT_PIT = 0x40
export const PORT_KEYBOARD_DATA = 0x60
export const PORT_SYSTEM_CONTROL_B = 0x61
export const PORT_KEYBOARD_COMMAND = 0x64
export const PORT_CMOS_INDEX = 0x70
export const PORT_CMOS_DATA = 0x71
export const PORT_POST = 0x80
export const PORT_DMA_PAGE = 0x81
export const PORT_SYSTEM_CONTROL_A = 0x92
export const PORT_SMI_COMMAND = 0xb2
export const PORT_SMI_STATUS = 0xb3
export const PORT_DMA2 = 0xc0
/** QEMU's debug console (output only, reads as 0xe9 where present). */
export const PORT_DEBUG_CONSOLE = 0xe9
/** QEMU's isa-debug-exit: a write of V asks the process to end with 2V+1. */
export const PORT_DEBUG_EXIT = 0xf4
/** Bochs/OVMF debug console. */
export const PORT_FIRMWARE_DEBUG = 0x402
export const PORT_COM1 = 0x3f8
export const PORT_ELCR_MASTER = 0x4d0
export const PORT_ELCR_SLAVE = 0x4d1
export const PORT_FW_CFG_SELECTOR = 0x510
export const PORT_FW_CFG_DATA = 0x511
export const PORT_FW_CFG_DMA = 0x514
export const PORT_PCI_ADDRESS = 0xcf8
export const PORT_RESET_CONTROL = 0xcf9
export const PORT_PCI_DATA = 0xcfc

/** Reset control register CF9: bit 1 system reset, bit 2 reset CPU (the 0→1 edge acts), bit 3 full reset. Good as ACPI RESET_REG. */
export const RESET_CONTROL_VALUE = 0x0e
