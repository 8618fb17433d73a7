import { ImageError } from '../image-error.js'
import { ImageReader } from '../image-reader.js'
import { isElf } from '../multiboot/elf.js'
import type { Symbol } from './symbol-table.js'

// System V gABI, chapter 4: section headers and symbol tables of 64-bit files.
const SECTIONS_MAX = 0x10000
const SECTION_SYMTAB = 2
const SECTION_DYNSYM = 11
const SECTION_HEADER_BYTES = 64
const SYMBOL_BYTES = 24
const TYPE_FUNCTION = 2
const NAME_MAX = 200

/** The functions of a 64-bit ELF file: of its symbol table, or of its dynamic symbols where it is stripped. */
export function elfSymbols(bytes: Uint8Array): Symbol[] {
  const reader = new ImageReader(bytes, 'ELF file')
  if (!isElf(bytes) || reader.u8(4) !== 2) throw new ImageError('wrong-format', 'not a 64-bit ELF file')
  const table = reader.u64(40)
  const count = Math.min(reader.u16(60), SECTIONS_MAX)
  const sections = Array.from({ length: count }, (_, i) => {
    const at = table + i * SECTION_HEADER_BYTES
    return { type: reader.u32(at + 4), offset: reader.u64(at + 24), size: reader.u64(at + 32), link: reader.u32(at + 40) }
  })
  for (const type of [SECTION_SYMTAB, SECTION_DYNSYM]) {
    const section = sections.find((one) => one.type === type)
    const strings = section && sections[section.link]
    if (!section || !strings) continue
    const symbols = symbolsIn(reader, section, strings)
    if (symbols.length > 0) return symbols
  }
  throw new ImageError('unsupported', 'the ELF file has no symbols: it has been stripped')
}

function symbolsIn(
  reader: ImageReader,
  { offset, size }: { offset: number; size: number },
  strings: { offset: number; size: number },
): Symbol[] {
  const symbols: Symbol[] = []
  reader.slice(offset, size)
  reader.slice(strings.offset, strings.size)
  for (let at = offset; at + SYMBOL_BYTES <= offset + size; at += SYMBOL_BYTES) {
    const defined = reader.u16(at + 6) !== 0
    if ((reader.u8(at + 4) & 15) !== TYPE_FUNCTION || !defined) continue
    const name = reader.text(strings.offset + reader.u32(at), NAME_MAX)
    const address = BigInt(reader.u32(at + 8)) | (BigInt(reader.u32(at + 12)) << 32n)
    if (name && address !== 0n) symbols.push({ name, address })
  }
  return symbols
}
