/** Addresses of QEMU's `pc-testdev`, which bare-metal test kernels expect (QEMU, hw/misc/pc-testdev.c). */

/** Four ports that keep what is written. */
export const PORT_TEST_STORAGE = 0xe0
export const TEST_STORAGE_PORTS = 4
/** One port a line: ISA interrupts 0 to 15, then the other inputs of the I/O APIC. */
export const PORT_TEST_LINES = 0x2000
export const TEST_LINES = 24
/** Memory behind the nested page fault of a device. */
export const TEST_MEMORY_BASE = 0xff00_0000
export const TEST_MEMORY_BYTES = 0x1_0000
