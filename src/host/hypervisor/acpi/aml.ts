/**
 * A small writer of ACPI Machine Language (ACPI specification 6.5, chapter 20). Each function returns the bytes of one term; terms
 * nest by concatenation, so a table reads like its ASL.
 */
export type Aml = readonly number[]

const ZERO_OP = 0x00
const ONE_OP = 0x01
const NAME_OP = 0x08
const BYTE_PREFIX = 0x0a
const WORD_PREFIX = 0x0b
const DWORD_PREFIX = 0x0c
const STRING_PREFIX = 0x0d
const SCOPE_OP = 0x10
const BUFFER_OP = 0x11
const PACKAGE_OP = 0x12
const DEVICE_OP = [0x5b, 0x82]
const DUAL_NAME_PREFIX = 0x2e
const MULTI_NAME_PREFIX = 0x2f
const ROOT = 0x5c

export function integer(value: number): Aml {
  if (value === 0) return [ZERO_OP]
  if (value === 1) return [ONE_OP]
  if (value <= 0xff) return [BYTE_PREFIX, value]
  if (value <= 0xffff) return [WORD_PREFIX, ...le(value, 2)]
  return [DWORD_PREFIX, ...le(value, 4)]
}

export function string(text: string): Aml {
  return [STRING_PREFIX, ...Array.from(text, (c) => c.charCodeAt(0) & 0x7f), 0]
}

export function name(path: string, value: Aml): Aml {
  return [NAME_OP, ...nameString(path), ...value]
}

export function scope(path: string, ...terms: Aml[]): Aml {
  return [SCOPE_OP, ...withLength([...nameString(path), ...terms.flat()])]
}

export function device(path: string, ...terms: Aml[]): Aml {
  return [...DEVICE_OP, ...withLength([...nameString(path), ...terms.flat()])]
}

export function amlPackage(...elements: Aml[]): Aml {
  return [PACKAGE_OP, ...withLength([elements.length, ...elements.flat()])]
}

export function buffer(bytes: readonly number[]): Aml {
  return [BUFFER_OP, ...withLength([...integer(bytes.length), ...bytes])]
}

/** A PNP id as EISA packs it (section 19.3.4, EISAID): three letters of five bits, four hex digits, big-endian. */
export function eisaId(id: string): Aml {
  const letter = (i: number) => id.charCodeAt(i) - 0x40
  const packed = (letter(0) << 26) | (letter(1) << 21) | (letter(2) << 16) | parseInt(id.slice(3), 16)
  return [DWORD_PREFIX, (packed >>> 24) & 0xff, (packed >>> 16) & 0xff, (packed >>> 8) & 0xff, packed & 0xff]
}

/** A resource template: descriptors, then the end tag with checksum zero, "not computed" (section 6.4.2.9). */
export function resources(...descriptors: Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0x00])
}

/** I/O port descriptor, 16-bit decode (section 6.4.2.5). */
export function io(base: number, bytes: number): Aml {
  return [0x47, 0x01, ...le(base, 2), ...le(base, 2), 0x01, bytes]
}

/** IRQ descriptor without flags: edge triggered, active high (section 6.4.2.1). */
export function irqNoFlags(irq: number): Aml {
  return [0x22, ...le(1 << irq, 2)]
}

/** 32-bit fixed memory range, writable (section 6.4.3.4). */
export function memory32Fixed(base: number, bytes: number): Aml {
  return [0x86, 0x09, 0x00, 0x01, ...le(base, 4), ...le(bytes, 4)]
}

// Address space descriptors (section 6.4.3.5): produced, positive decode, both ends fixed.
const FIXED_RANGE = 0x0c

export function wordBusNumber(first: number, last: number): Aml {
  return [0x88, 0x0d, 0x00, 0x02, FIXED_RANGE, 0x00, ...[0, first, last, 0, last - first + 1].flatMap((v) => le(v, 2))]
}

export function wordIo(first: number, last: number): Aml {
  return [0x88, 0x0d, 0x00, 0x01, FIXED_RANGE, 0x03, ...[0, first, last, 0, last - first + 1].flatMap((v) => le(v, 2))]
}

export function dwordMemory(base: number, bytes: number): Aml {
  return [0x87, 0x17, 0x00, 0x00, FIXED_RANGE, 0x01, ...[0, base, base + bytes - 1, 0, bytes].flatMap((v) => le(v, 4))]
}

function nameString(path: string): number[] {
  const rooted = path.startsWith('\\')
  const segments = (rooted ? path.slice(1) : path).split('.').filter((segment) => segment !== '')
  const bytes = segments.flatMap((segment) => Array.from(segment.padEnd(4, '_'), (c) => c.charCodeAt(0)))
  const prefix =
    segments.length === 2
      ? [DUAL_NAME_PREFIX]
      : segments.length > 2
        ? [MULTI_NAME_PREFIX, segments.length]
        : segments.length === 0
          ? [0]
          : []
  return [...(rooted ? [ROOT] : []), ...prefix, ...bytes]
}

/** PkgLength (section 20.2.4) counts itself: one byte up to 63, else a lead byte with four bits and one to three more bytes. */
function withLength(content: readonly number[]): number[] {
  if (content.length + 1 <= 0x3f) return [content.length + 1, ...content]
  const extra = content.length + 2 <= 0xfff ? 1 : content.length + 3 <= 0xfffff ? 2 : 3
  const total = content.length + 1 + extra
  const lead = (extra << 6) | (total & 0x0f)
  return [lead, ...le(total >>> 4, extra), ...content]
}

function le(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff)
}
