/**
 * A guest's memory as devices reach it: guest physical addresses, no encryption key. The hypervisor supplies it over
 * the chip's DMA door. Nothing throws: an address that is no RAM is the guest's mistake, and the device goes on.
 */
export interface GuestMemory {
  /** A private copy of the bytes, or undefined where any of them is no RAM. */
  read(gpa: number, length: number): Uint8Array | undefined
  /** False, and nothing written, where any of the bytes is no RAM. */
  write(gpa: number, bytes: Uint8Array): boolean
}
