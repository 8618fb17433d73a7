import { asciiBytes, MIB, pageUp, PAGE_BYTES, ramEnd, requireRam, wholePages } from '../guest-memory.js'
import { ImageError } from '../image-error.js'
import type { BootPlatform, GuestImage, LaunchPlan, LaunchRegion, MemoryRange } from '../launch-plan.js'
import { parseMultiboot, type MultibootKernel } from './multiboot-header.js'

// Multiboot Specification 0.6.96, section 3.3: boot information.
const LOADER_MAGIC = 0x2badb002
const INFO_MEMORY = 1 << 0
const INFO_COMMAND_LINE = 1 << 2
const INFO_MODULES = 1 << 3
const INFO_MEMORY_MAP = 1 << 6
const INFO_LOADER_NAME = 1 << 9
const INFO_BYTES = 120
const MODULE_BYTES = 16
const MAP_ENTRY_BYTES = 24
const CODE_SELECTOR = 0x08
const DATA_SELECTOR = 0x10
const MODULES_MAX = 64

export interface MultibootModule {
  readonly bytes: Uint8Array
  readonly commandLine: string
}

export interface MultibootImageOptions {
  readonly kernel: Uint8Array
  /** What the kernel reads as its own name: the first word of its command line. */
  readonly name?: string
  readonly commandLine?: string
  readonly modules?: readonly MultibootModule[]
  /**
   * Says that this kernel sets C-bits itself. In an encrypted guest every access is private until paging is on with PAE, and from then on
   * data is shared wherever a page-table entry lacks the C-bit: a kernel that does not know this reads ciphertext of its own data.
   */
  readonly knowsSev?: boolean
}

export function multibootImage(options: MultibootImageOptions): GuestImage {
  const kernel = parseMultiboot(options.kernel)
  const modules = options.modules ?? []
  if (modules.length > MODULES_MAX)
    throw new ImageError('unsupported', `${modules.length} Multiboot modules: at most ${MODULES_MAX} are passed on`)
  const commandLine = [options.name ?? 'kernel', options.commandLine ?? ''].join(' ').trim()
  return {
    description: `Multiboot ${kernel.format}`,
    plan: (platform) => {
      if (platform.cBit !== undefined && options.knowsSev !== true) {
        throw new ImageError(
          'unsupported',
          'this Multiboot kernel cannot run encrypted: once it turns paging on, data without the C-bit in its page tables is shared. Run it without SEV, or say that it sets C-bits itself',
        )
      }
      return planMultiboot(kernel, commandLine, modules, platform)
    },
  }
}

function planMultiboot(
  kernel: MultibootKernel,
  commandLine: string,
  modules: readonly MultibootModule[],
  platform: BootPlatform,
): LaunchPlan {
  requireRam(platform.memoryMap, kernel.base, kernel.bytes.length, 'the kernel')
  const regions: LaunchRegion[] = [wholePages('kernel', kernel.base, kernel.bytes)]
  let next = Math.max(pageUp(kernel.base + kernel.bytes.length), MIB)
  const placed = modules.map((module, index) => {
    const base = next
    requireRam(platform.memoryMap, base, module.bytes.length, `module ${index}`)
    if (module.bytes.length > 0) regions.push(wholePages(`module-${index}`, base, module.bytes))
    next = pageUp(base + module.bytes.length)
    return { base, end: base + module.bytes.length, commandLine: module.commandLine }
  })

  const infoBase = placeInfo(kernel, next)
  const info = buildInfo(infoBase, commandLine, placed, platform.memoryMap)
  requireRam(platform.memoryMap, infoBase, info.length, 'the boot information')
  regions.push(wholePages('boot-information', infoBase, info))
  return {
    regions,
    entry: {
      mode: 'protected',
      rip: kernel.entry,
      rsp: 0,
      rax: LOADER_MAGIC,
      rbx: infoBase + GDT_BYTES,
      rsi: 0,
      cr3: 0,
      codeSelector: CODE_SELECTOR,
      dataSelector: DATA_SELECTOR,
      gdt: { base: infoBase, limit: GDT_BYTES - 1 },
    },
  }
}

/** The boot information lies at 512 KiB, or behind everything where the kernel itself takes that place. */
const INFO_BASE = 0x80000
const INFO_SPACE = 0x10000
const GDT_BYTES = 0x18

function placeInfo(kernel: MultibootKernel, behind: number): number {
  const free = kernel.base + kernel.bytes.length <= INFO_BASE || kernel.base >= INFO_BASE + INFO_SPACE
  return free ? INFO_BASE : behind
}

interface PlacedModule {
  readonly base: number
  readonly end: number
  readonly commandLine: string
}

/** GDT, information structure, module list, memory map, strings. */
function buildInfo(base: number, commandLine: string, modules: readonly PlacedModule[], map: readonly MemoryRange[]): Uint8Array {
  const strings: string[] = [commandLine, 'cbit', ...modules.map((m) => m.commandLine)]
  const modulesAt = GDT_BYTES + INFO_BYTES
  const mapAt = modulesAt + modules.length * MODULE_BYTES
  let at = mapAt + map.length * MAP_ENTRY_BYTES
  const stringAt = strings.map((text) => {
    const here = at
    at += text.length + 1
    return here
  })
  if (at > INFO_SPACE)
    throw new ImageError('unsupported', `the Multiboot command lines take ${at} bytes: at most ${INFO_SPACE} are passed on`)
  const bytes = new Uint8Array(Math.ceil(at / PAGE_BYTES) * PAGE_BYTES)
  const view = new DataView(bytes.buffer)
  writeGdt(view)
  strings.forEach((text, i) => bytes.set(asciiBytes(text), stringAt[i]))
  modules.forEach((module, i) => {
    const to = modulesAt + i * MODULE_BYTES
    view.setUint32(to, module.base, true)
    view.setUint32(to + 4, module.end, true)
    view.setUint32(to + 8, base + (stringAt[2 + i] ?? 0), true)
  })
  writeMap(view, mapAt, map)

  const info = (offset: number, value: number) => view.setUint32(GDT_BYTES + offset, value, true)
  info(0, INFO_MEMORY | INFO_COMMAND_LINE | INFO_MODULES | INFO_MEMORY_MAP | INFO_LOADER_NAME)
  info(4, Math.floor(ramEnd(map, 0) / 1024))
  info(8, Math.floor((ramEnd(map, MIB) - MIB) / 1024))
  info(16, base + (stringAt[0] ?? 0))
  info(20, modules.length)
  info(24, base + modulesAt)
  info(44, map.length * MAP_ENTRY_BYTES)
  info(48, base + mapAt)
  info(64, base + (stringAt[1] ?? 0))
  return bytes
}

/** Section 3.2: 32-bit code and data, base 0, limit 4 GiB. */
function writeGdt(view: DataView): void {
  view.setUint32(0x08, 0x0000ffff, true)
  view.setUint32(0x0c, 0x00cf9b00, true)
  view.setUint32(0x10, 0x0000ffff, true)
  view.setUint32(0x14, 0x00cf9300, true)
}

function writeMap(view: DataView, at: number, map: readonly MemoryRange[]): void {
  map.forEach((range, i) => {
    const to = at + i * MAP_ENTRY_BYTES
    view.setUint32(to, MAP_ENTRY_BYTES - 4, true)
    view.setUint32(to + 4, range.base >>> 0, true)
    view.setUint32(to + 8, Math.floor(range.base / 0x100000000), true)
    view.setUint32(to + 12, range.bytes >>> 0, true)
    view.setUint32(to + 16, Math.floor(range.bytes / 0x100000000), true)
    view.setUint32(to + 20, range.type, true)
  })
}
