import { asciiBytes, MIB, pageDown, pageUp, PAGE_BYTES, ramEnd, requireRam, wholePages } from '../guest-memory.js'
import { ImageError } from '../image-error.js'
import type { BootPlatform, GuestImage, LaunchPlan, LaunchRegion, MemoryRange } from '../launch-plan.js'
import { buildBootParams } from './boot-params.js'
import { parseBzImage, type BzImage } from './bzimage.js'

/*
 * Start of a 64-bit Linux kernel without firmware (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol"):
 *
 *   0x00000  first page, zeros: Linux looks for the EBDA pointer at 0x40e, for MP tables in the first KiB
 *   0x07000  boot_params           RSI points here
 *   0x08000  GDT                   0x10 code (64-bit), 0x18 data
 *   0x09000  page tables           PML4, PDPT, 4 page directories: the first 4 GiB, one to one, 2 MiB pages
 *   0x20000  command line
 *   0x9f000  last page below the video hole, zeros
 *   0xc0000  to 1 MiB, zeros: option ROMs, BIOS, DMI and MP tables are looked for here
 *   pref_address (16 MiB)          the kernel, entered at +0x200, with init_size bytes of its own behind it
 *   top of RAM or below the kernel the initramfs
 *
 * Under SEV all of it is private. Memory that no LAUNCH_UPDATE_DATA covered reads as noise through an encrypted mapping, so the
 * places that Linux scans are measured zeros. Encryption is wanted in every page-table entry (arch/x86/boot/compressed).
 */
const BOOT_PARAMS = 0x7000
const GDT = 0x8000
const PAGE_TABLES = 0x9000
const COMMAND_LINE = 0x20000
const COMMAND_LINE_SPACE = 0x10000
const LOW_END = 0x9f000
const ROM_BASE = 0xc0000
const ENTRY_OFFSET = 0x200
const BOOT_CS = 0x10
const BOOT_DS = 0x18

const PTE_PRESENT_WRITE = 0x3
const PTE_LARGE = 0x83

export interface LinuxImageOptions {
  readonly kernel: Uint8Array
  readonly initrd?: Uint8Array
  readonly commandLine: string
}

/** Parses now, so that a file that is no kernel is refused before a machine exists. */
export function linuxImage(options: LinuxImageOptions): GuestImage {
  const bzImage = parseBzImage(options.kernel)
  const initrd = options.initrd ?? new Uint8Array(0)
  const commandLine = asciiBytes(options.commandLine + '\0')
  const commandLineMax = Math.min(bzImage.commandLineMax, COMMAND_LINE_SPACE - 1)
  if (commandLine.length > commandLineMax + 1) {
    throw new ImageError('unsupported', `the command line has ${commandLine.length - 1} characters; this kernel takes ${commandLineMax}`)
  }
  return {
    description: `Linux ${bzImage.version.split(' ')[0] ?? ''}`.trim(),
    plan: (platform) => planLinux(bzImage, initrd, commandLine, platform),
  }
}

function planLinux(image: BzImage, initrd: Uint8Array, commandLine: Uint8Array, platform: BootPlatform): LaunchPlan {
  requireRam(platform.memoryMap, image.loadAddress, image.initSize, 'the kernel')
  const initrdBase = placeInitrd(image, initrd.length, platform.memoryMap)
  const bootParams = buildBootParams({
    setupHeader: image.setupHeader,
    memoryMap: platform.memoryMap,
    commandLine: COMMAND_LINE,
    initrd: { base: initrdBase, bytes: initrd.length },
    rsdp: platform.rsdp,
  })

  const regions: LaunchRegion[] = [wholePages('kernel', image.loadAddress, image.kernel)]
  if (initrd.length > 0) regions.push(wholePages('initrd', initrdBase, initrd))
  regions.push(
    wholePages('boot-params', BOOT_PARAMS, bootParams),
    wholePages('command-line', COMMAND_LINE, commandLine),
    wholePages('gdt', GDT, buildGdt()),
    wholePages('page-tables', PAGE_TABLES, buildPageTables(platform.cBit)),
    { name: 'first-page', gpa: 0, bytes: new Uint8Array(PAGE_BYTES) },
    { name: 'last-low-page', gpa: LOW_END, bytes: new Uint8Array(PAGE_BYTES) },
    { name: 'rom-area', gpa: ROM_BASE, bytes: new Uint8Array(MIB - ROM_BASE) },
  )
  return {
    regions,
    entry: {
      mode: 'long',
      rip: image.loadAddress + ENTRY_OFFSET,
      rsp: BOOT_PARAMS,
      rax: 0,
      rbx: 0,
      rsi: BOOT_PARAMS,
      cr3: PAGE_TABLES,
      codeSelector: BOOT_CS,
      dataSelector: BOOT_DS,
      gdt: { base: GDT, limit: 0x1f },
    },
  }
}

/** As high as the kernel allows, else between 1 MiB and the kernel: a small machine has its room there. */
function placeInitrd(image: BzImage, bytes: number, map: readonly MemoryRange[]): number {
  if (bytes === 0) return 0
  const kernelEnd = pageUp(image.loadAddress + image.initSize)
  const top = Math.min(ramEnd(map, image.loadAddress), image.initrdAddressMax + 1)
  const high = pageDown(top - bytes)
  if (high >= kernelEnd) return high
  const low = pageDown(image.loadAddress - bytes)
  if (low >= MIB) return low
  const needs = Math.ceil((kernelEnd + pageUp(bytes)) / MIB) + 1
  throw new ImageError(
    'too-little-memory',
    `needs at least ${needs} MiB of memory: the kernel ends at ${Math.ceil(kernelEnd / MIB)} MiB and the initrd has ${Math.ceil(bytes / MIB)} MiB`,
  )
}

/** Null, unused, 64-bit code, data (APM vol. 2, section 4.8). */
function buildGdt(): Uint8Array {
  const view = new DataView(new ArrayBuffer(0x20))
  view.setUint32(0x10, 0x0000ffff, true)
  view.setUint32(0x14, 0x00af9b00, true)
  view.setUint32(0x18, 0x0000ffff, true)
  view.setUint32(0x1c, 0x00cf9300, true)
  return new Uint8Array(view.buffer)
}

/** PML4, PDPT and four page directories (APM vol. 2, section 5.3), with the C-bit (section 15.34.5) in every entry. */
export function buildPageTables(cBit: number | undefined): Uint8Array {
  const view = new DataView(new ArrayBuffer(6 * PAGE_BYTES))
  const high = cBit === undefined ? 0 : 2 ** (cBit - 32)
  const put = (at: number, low: number) => {
    view.setUint32(at, low, true)
    view.setUint32(at + 4, high, true)
  }
  put(0, (PAGE_TABLES + PAGE_BYTES) | PTE_PRESENT_WRITE)
  for (let g = 0; g < 4; g++) put(PAGE_BYTES + g * 8, (PAGE_TABLES + (2 + g) * PAGE_BYTES) | PTE_PRESENT_WRITE)
  for (let n = 0; n < 4 * 512; n++) put(2 * PAGE_BYTES + n * 8, n * 0x200000 + PTE_LARGE)
  return new Uint8Array(view.buffer)
}
