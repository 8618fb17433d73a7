import { ImageError } from '../image-error.js'
import { ImageReader } from '../image-reader.js'

// Executable and Linkable Format: System V gABI chapter 4 and 5; AMD64 psABI chapter 4.
const ELF_MAGIC = 0x464c457f
const CLASS_32 = 1
const CLASS_64 = 2
const DATA_LITTLE_ENDIAN = 1
const TYPE_EXECUTABLE = 2
const MACHINE_386 = 3
const MACHINE_X86_64 = 62
const SEGMENT_LOAD = 1
/** A kernel has a handful; the limit keeps a hostile table short. */
const PROGRAM_HEADERS_MAX = 128
/** From the lowest to the highest loaded byte. A header may claim any size: without a limit a 100-byte file would have us allocate gigabytes. */
const SPAN_MAX = 0x20000000

export interface ElfImage {
  readonly bits: 32 | 64
  /** Physical address of the first instruction. */
  readonly entry: number
  /** Physical address of `bytes[0]`. */
  readonly base: number
  /** All segments in place, gaps and bss zero. */
  readonly bytes: Uint8Array
}

interface Segment {
  readonly offset: number
  readonly virtual: number
  readonly physical: number
  readonly fileBytes: number
  readonly memoryBytes: number
}

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new ImageReader(bytes, 'ELF image').u32(0) === ELF_MAGIC
}

export function parseElf(bytes: Uint8Array): ElfImage {
  const reader = new ImageReader(bytes, 'ELF image')
  if (!isElf(bytes)) throw new ImageError('wrong-format', 'not an ELF image')
  const elfClass = reader.u8(4)
  if (elfClass !== CLASS_32 && elfClass !== CLASS_64) throw new ImageError('malformed', `malformed ELF image: class ${elfClass}`)
  if (reader.u8(5) !== DATA_LITTLE_ENDIAN) throw new ImageError('unsupported', 'unsupported ELF image: big-endian')
  if (reader.u16(16) !== TYPE_EXECUTABLE)
    throw new ImageError('unsupported', 'unsupported ELF image: not an executable with fixed addresses')
  const machine = reader.u16(18)
  if (machine !== MACHINE_386 && machine !== MACHINE_X86_64)
    throw new ImageError('unsupported', `unsupported ELF image: machine ${machine} is not x86`)

  const wide = elfClass === CLASS_64
  const segments = readSegments(reader, wide)
  if (segments.length === 0) throw new ImageError('malformed', 'malformed ELF image: nothing to load')
  const base = Math.min(...segments.map((s) => s.physical))
  const end = Math.max(...segments.map((s) => s.physical + s.memoryBytes))
  if (end - base > SPAN_MAX)
    throw new ImageError('unsupported', `unsupported ELF image: its segments span ${Math.ceil((end - base) / 0x100000)} MiB`)
  const placed = new Uint8Array(end - base)
  for (const s of segments) placed.set(reader.slice(s.offset, s.fileBytes), s.physical - base)
  return { bits: wide ? 64 : 32, entry: physicalEntry(entryOf(reader, wide), segments), base, bytes: placed }
}

/** The entry point alone may lie in the upper half of the address space, so keep its low 32 bits only where it is no exact number. */
function entryOf(reader: ImageReader, wide: boolean): number {
  return wide && reader.u32(28) < 0x200000 ? reader.u64(24) : reader.u32(24)
}

function readSegments(reader: ImageReader, wide: boolean): Segment[] {
  const table = wide ? reader.u64(32) : reader.u32(28)
  const entryBytes = reader.u16(wide ? 54 : 42)
  const count = reader.u16(wide ? 56 : 44)
  if (entryBytes < (wide ? 56 : 32)) throw new ImageError('malformed', `malformed ELF image: program headers of ${entryBytes} bytes`)
  if (count > PROGRAM_HEADERS_MAX) throw new ImageError('unsupported', `unsupported ELF image: ${count} program headers`)

  const segments: Segment[] = []
  for (let i = 0; i < count; i++) {
    const at = table + i * entryBytes
    if (reader.u32(at) !== SEGMENT_LOAD) continue
    const segment = wide ? wideSegment(reader, at) : narrowSegment(reader, at)
    if (segment.memoryBytes === 0) continue
    if (segment.fileBytes > segment.memoryBytes)
      throw new ImageError('malformed', 'malformed ELF image: a segment is larger in the file than in memory')
    if (segment.physical + segment.memoryBytes > 0x100000000)
      throw new ImageError('unsupported', 'unsupported ELF image: a segment lies above 4 GiB')
    segments.push(segment)
  }
  return segments
}

function narrowSegment(reader: ImageReader, at: number): Segment {
  return {
    offset: reader.u32(at + 4),
    virtual: reader.u32(at + 8),
    physical: reader.u32(at + 12),
    fileBytes: reader.u32(at + 16),
    memoryBytes: reader.u32(at + 20),
  }
}

/** Virtual addresses of the upper half are no exact numbers: their low 32 bits serve for finding the entry. */
function wideSegment(reader: ImageReader, at: number): Segment {
  return {
    offset: reader.u64(at + 8),
    virtual: reader.u32(at + 20) < 0x200000 ? reader.u64(at + 16) : reader.u32(at + 16),
    physical: reader.u64(at + 24),
    fileBytes: reader.u64(at + 32),
    memoryBytes: reader.u64(at + 40),
  }
}

function physicalEntry(entry: number, segments: readonly Segment[]): number {
  const home = segments.find((s) => entry >= s.virtual && entry < s.virtual + s.memoryBytes)
  const physical = home ? entry - home.virtual + home.physical : entry
  if (physical > 0xffffffff) throw new ImageError('malformed', 'malformed ELF image: its entry point lies outside its segments')
  return physical
}
