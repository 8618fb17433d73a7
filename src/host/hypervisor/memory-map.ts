import { ECAM_BASE, ECAM_BYTES, LOW_RAM_END_MAX } from '../../spec/pc/memory-map.js'
import { MEMORY_ACPI, MEMORY_RAM, MEMORY_RESERVED, type MemoryRange } from './boot-image.js'
import { HostResourceError, LARGE_PAGE_BYTES } from './physical-memory.js'

const MEMORY_BYTES_MIN = 64 * 0x100000
const MEMORY_BYTES_MAX = LOW_RAM_END_MAX
const MIB = 0x100000
/** Room for the ACPI tables at the top of RAM. Linux maps ranges of the ACPI type encrypted under SEV, reserved ranges not always. */
export const ACPI_AREA_BYTES = 0x10000
/**
 * The last part of it is zero at launch: there an owner's secret is put (LAUNCH_SECRET), for the guest to read at a known place, the end of its RAM.
 * A reserved range, which Linux lets /dev/mem map, encrypted, even with CONFIG_IO_STRICT_DEVMEM.
 */
export const SECRET_AREA_BYTES = 0x4000
const EBDA_BASE = 0x9fc00
export const BIOS_BASE = 0xf0000

export function acpiAreaBase(memoryBytes: number): number {
  return memoryBytes - ACPI_AREA_BYTES
}

export function secretAreaBase(memoryBytes: number): number {
  return memoryBytes - SECRET_AREA_BYTES
}

/** The memory map that guests are told: E820 and Multiboot both number the types this way. */
export function memoryMap(memoryBytes: number): MemoryRange[] {
  const acpi = acpiAreaBase(memoryBytes)
  return [
    { base: 0, bytes: EBDA_BASE, type: MEMORY_RAM },
    { base: EBDA_BASE, bytes: 0xa0000 - EBDA_BASE, type: MEMORY_RESERVED },
    { base: BIOS_BASE, bytes: MIB - BIOS_BASE, type: MEMORY_RESERVED },
    { base: MIB, bytes: acpi - MIB, type: MEMORY_RAM },
    { base: acpi, bytes: ACPI_AREA_BYTES - SECRET_AREA_BYTES, type: MEMORY_ACPI },
    { base: secretAreaBase(memoryBytes), bytes: SECRET_AREA_BYTES, type: MEMORY_RESERVED },
    { base: ECAM_BASE, bytes: ECAM_BYTES, type: MEMORY_RESERVED },
  ]
}

export function checkMemoryBytes(bytes: number): void {
  if (!Number.isInteger(bytes) || bytes < MEMORY_BYTES_MIN || bytes > MEMORY_BYTES_MAX || bytes % LARGE_PAGE_BYTES !== 0) {
    throw new HostResourceError(
      `a VM has ${MEMORY_BYTES_MIN / MIB} to ${MEMORY_BYTES_MAX / MIB} MiB of memory in steps of 2 MiB, not ${bytes / MIB} MiB`,
    )
  }
}
