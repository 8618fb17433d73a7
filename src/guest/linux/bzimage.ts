import { ImageError } from '../image-error.js'
import { ImageReader } from '../image-reader.js'

// Offsets of the setup header in the file (Linux Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").
const SETUP_SECTS = 0x1f1
const SYSSIZE = 0x1f4
const BOOT_FLAG = 0x1fe
const JUMP_LENGTH = 0x201
const HEADER_MAGIC = 0x202
const VERSION = 0x206
const KERNEL_VERSION = 0x20e
const LOADFLAGS = 0x211
const INITRD_ADDR_MAX = 0x22c
const KERNEL_ALIGNMENT = 0x230
const RELOCATABLE_KERNEL = 0x234
const XLOADFLAGS = 0x236
const CMDLINE_SIZE = 0x238
const PREF_ADDRESS = 0x258
const INIT_SIZE = 0x260

const SECTOR = 512
const LOADED_HIGH = 1
const XLF_KERNEL_64 = 1
/** Boot protocol 2.12 brought xloadflags. */
const VERSION_MIN = 0x020c
/** The kernel image is below this, or the file is not one: Debian's is 8 MiB, a distribution's with everything built in below 64 MiB. */
const INIT_SIZE_MAX = 0x40000000

export interface BzImage {
  /** Boot protocol, e.g. 0x020f. */
  readonly protocol: number
  /** "6.1.0-40-amd64 (debian-kernel@…) #1 SMP …", empty where the image carries none. */
  readonly version: string
  /** The setup header as it goes into boot_params at 0x1f1. */
  readonly setupHeader: Uint8Array
  /** The protected-mode part: loaded at `loadAddress`, entered at `loadAddress + 0x200`. */
  readonly kernel: Uint8Array
  readonly loadAddress: number
  /** Bytes from `loadAddress` that the kernel may use before it reads the memory map. */
  readonly initSize: number
  readonly initrdAddressMax: number
  readonly commandLineMax: number
}

export function parseBzImage(bytes: Uint8Array): BzImage {
  const reader = new ImageReader(bytes, 'Linux kernel')
  checkMagic(reader)
  const protocol = reader.u16(VERSION)
  if (protocol < VERSION_MIN) {
    throw new ImageError(
      'unsupported',
      `unsupported Linux kernel: boot protocol ${protocol >> 8}.${protocol & 0xff} is older than 2.12 (Linux 3.8)`,
    )
  }
  if ((reader.u16(XLOADFLAGS) & XLF_KERNEL_64) === 0)
    throw new ImageError('unsupported', 'unsupported Linux kernel: it is not a 64-bit kernel')
  if ((reader.u8(LOADFLAGS) & LOADED_HIGH) === 0) throw new ImageError('unsupported', 'unsupported Linux kernel: zImage, not bzImage')

  const setupBytes = ((reader.u8(SETUP_SECTS) || 4) + 1) * SECTOR
  const kernel = reader.slice(setupBytes, reader.u32(SYSSIZE) * 16)
  const initSize = reader.u32(INIT_SIZE)
  const loadAddress = reader.u64(PREF_ADDRESS)
  checkPlacement(reader, kernel.length, initSize, loadAddress)
  const headerEnd = HEADER_MAGIC + reader.u8(JUMP_LENGTH)
  const versionAt = reader.u16(KERNEL_VERSION)
  return {
    protocol,
    version: versionAt === 0 ? '' : reader.text(versionAt + 0x200, 256),
    setupHeader: reader.slice(SETUP_SECTS, headerEnd - SETUP_SECTS).slice(),
    kernel,
    loadAddress,
    initSize: Math.max(initSize, kernel.length),
    initrdAddressMax: reader.u32(INITRD_ADDR_MAX),
    commandLineMax: Math.min(reader.u32(CMDLINE_SIZE), 0xffff),
  }
}

function checkMagic(reader: ImageReader): void {
  if (reader.length === 0) throw new ImageError('wrong-format', 'not a Linux kernel: the file is empty')
  if (reader.length < 0x208) throw new ImageError('wrong-format', 'not a Linux kernel: too short for a setup header')
  if (reader.u16(BOOT_FLAG) !== 0xaa55) throw new ImageError('wrong-format', 'not a Linux kernel: no boot flag 0xaa55 at offset 0x1fe')
  if (reader.u32(HEADER_MAGIC) !== 0x53726448) throw new ImageError('wrong-format', 'not a Linux kernel: no "HdrS" at offset 0x202')
}

function checkPlacement(reader: ImageReader, kernelBytes: number, initSize: number, loadAddress: number): void {
  if (kernelBytes < 0x400) throw new ImageError('malformed', 'malformed Linux kernel: its protected-mode part is empty')
  if (initSize > INIT_SIZE_MAX) throw new ImageError('malformed', `malformed Linux kernel: init_size 0x${initSize.toString(16)}`)
  const alignment = reader.u32(KERNEL_ALIGNMENT)
  const aligned = alignment === 0 || loadAddress % alignment === 0
  if (
    loadAddress < 0x100000 ||
    loadAddress > 0xc0000000 ||
    (reader.u8(RELOCATABLE_KERNEL) !== 0 && !aligned) ||
    loadAddress % 0x1000 !== 0
  ) {
    throw new ImageError('malformed', `malformed Linux kernel: it wants to be loaded at 0x${loadAddress.toString(16)}`)
  }
}
