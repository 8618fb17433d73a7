/** An interrupt or reset wire. Devices drive levels; who listens finds the edges. */
export type Wire = (level: boolean) => void

/** What stands at a range of ports. `offset` is from the range's begin and offset + size stays inside it. */
export interface PortDevice {
  readPort(offset: number, size: number): number
  writePort(offset: number, size: number, value: number): void
}

/** A chip whose registers are single bytes: a wide access is so many byte accesses, lowest first, as on the ISA bus. */
export function byteRegisters(read: (offset: number) => number, write: (offset: number, value: number) => void): PortDevice {
  return {
    readPort(offset, size) {
      let value = 0
      for (let i = 0; i < size; i++) value |= (read(offset + i) & 0xff) << (8 * i)
      return value >>> 0
    },
    writePort(offset, size, value) {
      for (let i = 0; i < size; i++) write(offset + i, (value >>> (8 * i)) & 0xff)
    },
  }
}
