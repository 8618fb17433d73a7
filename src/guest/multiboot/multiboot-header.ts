import { ImageError } from '../image-error.js'
import { ImageReader } from '../image-reader.js'
import { isElf, parseElf, type ElfImage } from './elf.js'

// Multiboot Specification 0.6.96, section 3.1: the header lies 4-aligned in the first 8 KiB.
const HEADER_MAGIC = 0x1badb002
const HEADER_WITHIN = 8192
/** Bits 15:0 are requirements: page-aligned modules, memory information, video mode. The last one is taken as a wish, as others do. */
const REQUIREMENTS_KNOWN = 0x7
const FLAG_ADDRESSES = 0x10000
const SPAN_MAX = 0x20000000

export interface MultibootKernel extends ElfImage {
  readonly format: 'ELF32' | 'ELF64' | 'flat'
}

export function isMultiboot(bytes: Uint8Array): boolean {
  return findHeader(new ImageReader(bytes, 'Multiboot kernel')) !== undefined
}

export function parseMultiboot(bytes: Uint8Array): MultibootKernel {
  const reader = new ImageReader(bytes, 'Multiboot kernel')
  const header = findHeader(reader)
  if (header === undefined) throw new ImageError('wrong-format', 'not a Multiboot kernel: no header in the first 8 KiB')
  const flags = reader.u32(header + 4)
  const unknown = flags & 0xffff & ~REQUIREMENTS_KNOWN
  if (unknown !== 0) throw new ImageError('unsupported', `unsupported Multiboot kernel: it requires features 0x${unknown.toString(16)}`)
  if ((flags & FLAG_ADDRESSES) !== 0) return flatKernel(reader, header)
  if (!isElf(bytes)) throw new ImageError('unsupported', 'unsupported Multiboot kernel: neither ELF nor addresses in its header')
  const elf = parseElf(bytes)
  return { ...elf, format: elf.bits === 32 ? 'ELF32' : 'ELF64' }
}

function findHeader(reader: ImageReader): number | undefined {
  const end = Math.min(HEADER_WITHIN, reader.length) - 12
  for (let at = 0; at <= end; at += 4) {
    if (reader.u32(at) !== HEADER_MAGIC) continue
    if (((HEADER_MAGIC + reader.u32(at + 4) + reader.u32(at + 8)) & 0xffffffff) === 0) return at
  }
  return undefined
}

/** Section 3.1.3: the address fields, for images of any other format. */
function flatKernel(reader: ImageReader, header: number): MultibootKernel {
  const headerAddress = reader.u32(header + 12)
  const loadAddress = reader.u32(header + 16)
  const loadEnd = reader.u32(header + 20)
  const bssEnd = reader.u32(header + 24)
  const entry = reader.u32(header + 28)
  const start = header - (headerAddress - loadAddress)
  if (headerAddress < loadAddress || start < 0)
    throw new ImageError('malformed', 'malformed Multiboot kernel: its header lies before its load address')

  const fileBytes = loadEnd === 0 ? reader.length - start : loadEnd - loadAddress
  if (fileBytes < 0) throw new ImageError('malformed', 'malformed Multiboot kernel: it ends before its load address')
  const content = reader.slice(start, fileBytes)
  const span = Math.max(bssEnd - loadAddress, fileBytes)
  if (span > SPAN_MAX) throw new ImageError('unsupported', `unsupported Multiboot kernel: it takes ${Math.ceil(span / 0x100000)} MiB`)
  if (entry < loadAddress || entry >= loadAddress + span)
    throw new ImageError('malformed', 'malformed Multiboot kernel: its entry point lies outside it')
  const bytes = new Uint8Array(span)
  bytes.set(content)
  return { format: 'flat', bits: 32, entry, base: loadAddress, bytes }
}
