import type { MemoryRange } from '../launch-plan.js'

// Offsets in boot_params (Linux Documentation/arch/x86/zero-page.rst).
const ACPI_RSDP_ADDR = 0x070
const E820_ENTRIES = 0x1e8
const SETUP_HEADER = 0x1f1
const VID_MODE = 0x1fa
const TYPE_OF_LOADER = 0x210
const RAMDISK_IMAGE = 0x218
const RAMDISK_SIZE = 0x21c
const CMD_LINE_PTR = 0x228
const SETUP_DATA = 0x250
const E820_TABLE = 0x2d0
const E820_ENTRY_BYTES = 20
const E820_ENTRIES_MAX = 128

/** "Undefined" boot loader. */
const LOADER_UNDEFINED = 0xff
const VID_MODE_NORMAL = 0xffff

export const BOOT_PARAMS_BYTES = 0x1000

export interface BootParams {
  readonly setupHeader: Uint8Array
  readonly memoryMap: readonly MemoryRange[]
  readonly commandLine: number
  readonly initrd: { readonly base: number; readonly bytes: number }
  readonly rsdp: number
}

/** The zero page. screen_info stays zero: there is no display, and Linux falls back to its dummy console. */
export function buildBootParams(params: BootParams): Uint8Array {
  const page = new Uint8Array(BOOT_PARAMS_BYTES)
  const view = new DataView(page.buffer)
  page.set(params.setupHeader.subarray(0, E820_TABLE - SETUP_HEADER), SETUP_HEADER)
  view.setUint16(VID_MODE, VID_MODE_NORMAL, true)
  view.setUint8(TYPE_OF_LOADER, LOADER_UNDEFINED)
  view.setUint32(RAMDISK_IMAGE, params.initrd.base, true)
  view.setUint32(RAMDISK_SIZE, params.initrd.bytes, true)
  view.setUint32(CMD_LINE_PTR, params.commandLine, true)
  view.setUint32(SETUP_DATA, 0, true)
  view.setUint32(SETUP_DATA + 4, 0, true)
  view.setUint32(ACPI_RSDP_ADDR, params.rsdp, true)

  const entries = params.memoryMap.slice(0, E820_ENTRIES_MAX)
  view.setUint8(E820_ENTRIES, entries.length)
  entries.forEach((range, index) => {
    const at = E820_TABLE + index * E820_ENTRY_BYTES
    setU64(view, at, range.base)
    setU64(view, at + 8, range.bytes)
    view.setUint32(at + 16, range.type, true)
  })
  return page
}

function setU64(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true)
  view.setUint32(offset + 4, Math.floor(value / 0x100000000), true)
}
