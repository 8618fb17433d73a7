/** What a device may do to memory. Interface only. Devices reach memory with no key (ASID 0). */
export interface DmaPort {
  /** Copies bytes out of memory as they stand on the bus with no key. Throws RangeError outside DRAM. */
  read(spa: number, length: number): Uint8Array
  write(spa: number, bytes: Uint8Array): void
  contains(spa: number, length: number): boolean
}
