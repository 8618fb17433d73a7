import { ImageError } from '../image-error.js'
import { ImageReader } from '../image-reader.js'
import type { Symbol } from './symbol-table.js'

/*
 * The kernel's own symbols, which every distribution's vmlinux carries in its read-only data even when it has been stripped (Linux scripts/kallsyms.c,
 * CONFIG_KALLSYMS with CONFIG_KALLSYMS_BASE_RELATIVE). Tables, each aligned to 8 bytes:
 *
 *   offsets        i32 a symbol, with relative_base (u64) behind it; before the others up to Linux 6.3, behind them since
 *   num_syms       u32
 *   names          a symbol: its length in tokens (ULEB128 of up to two bytes), then one byte a token; the first character is the type
 *   markers        u32 for each 256th symbol: where it stands in names
 *   token_table    256 strings
 *   token_index    u16 a token: where it stands in token_table
 *
 * Nothing says where they are. The digits stand for themselves among the tokens, so their ten strings in a row give token_table away, and each table is
 * found from the one behind it.
 */

const TOKENS = 256
const SYMBOLS_A_MARKER = 256
/** Characters of a name are below this in every kernel (KSYM_NAME_LEN). */
const NAME_MAX = 512
const SYMBOLS_MAX = 4_000_000
/** Where the tables of one kernel can lie apart: far more than any has. */
const NAMES_BYTES_MAX = 64 << 20
const KERNEL_LOWEST = 0xffffffff80000000n

export function kallsyms(vmlinux: Uint8Array): Symbol[] {
  const reader = new ImageReader(vmlinux, 'kernel')
  const { table, tokens, end } = findTokens(reader)
  const markers = findMarkers(reader, table)
  const { names, count } = findNames(reader, markers)
  const address = addresses(reader, names, count, end)
  const symbols: Symbol[] = []
  let at = names
  for (let i = 0; i < count; i++) {
    const [length, first] = nameLength(reader, at)
    const text = Array.from(vmlinux.subarray(first, first + length), (token) => tokens[token]!).join('')
    at = first + length
    if (/^[tTwW]/.test(text)) symbols.push({ name: text.slice(1), address: address(i) })
  }
  return symbols
}

const missing = (what: string): ImageError => new ImageError('unsupported', `the kernel's list of symbols is not found (${what})`)

function findTokens(reader: ImageReader): { table: number; tokens: string[]; end: number } {
  const { bytes } = reader
  const digits = Uint8Array.from('0123456789', (digit) => digit.charCodeAt(0))
  for (let at = bytes.indexOf(0x30); at >= 0; at = bytes.indexOf(0x30, at + 1)) {
    if (bytes[at - 1] !== 0 || !digits.every((digit, i) => bytes[at + 2 * i] === digit && bytes[at + 2 * i + 1] === 0)) continue
    // Back over the strings of the tokens before the digit 0.
    let table = at
    for (let token = 0x30; token > 0 && table > 0; token--) for (table -= 1; table > 0 && bytes[table - 1] !== 0; table--);
    const found = table > 0 && table % 8 === 0 ? readTokens(reader, table) : undefined
    if (found) return { table, ...found }
  }
  throw missing('no token table')
}

/** The tokens, and where the token index behind them ends; undefined where there is no index of these strings. */
function readTokens(reader: ImageReader, table: number): { tokens: string[]; end: number } | undefined {
  const tokens: string[] = []
  const starts: number[] = []
  let at = table
  for (let i = 0; i < TOKENS; i++) {
    const token = reader.text(at, NAME_MAX)
    starts.push(at - table)
    tokens.push(token)
    at += token.length + 1
  }
  const index = aligned(at)
  if (index + 2 * TOKENS > reader.length || starts.some((start, i) => reader.u16(index + 2 * i) !== start)) return undefined
  return { tokens, end: index + 2 * TOKENS }
}

/** The nearest array before `end` that begins with 0 and then rises by what 256 names can take. */
function findMarkers(reader: ImageReader, end: number): { at: number; count: number } {
  const plausible = (step: number): boolean => step >= SYMBOLS_A_MARKER * 2 && step <= SYMBOLS_A_MARKER * NAME_MAX
  let last = end - 4
  // Padding, and since Linux 6.2 a table of three bytes a symbol may stand between: the array ends where its values stop rising.
  for (let start = end - 4; start > 8 && end - start < NAMES_BYTES_MAX; start -= 4) {
    const value = reader.u32(start)
    const next = start + 4 <= last ? reader.u32(start + 4) : undefined
    if (next !== undefined && !plausible(next - value)) last = start
    if (value === 0 && start % 8 === 0 && last > start) return { at: start, count: (last - start) / 4 + 1 }
  }
  throw missing('no markers')
}

function nameLength(reader: ImageReader, at: number): [length: number, first: number] {
  const byte = reader.u8(at)
  return byte < 0x80 ? [byte, at + 1] : [(byte & 0x7f) | (reader.u8(at + 1) << 7), at + 2]
}

function findNames(reader: ImageReader, markers: { at: number; count: number }): { names: number; count: number } {
  const lastMarker = reader.u32(markers.at + 4 * (markers.count - 1))
  const highest = markers.at - lastMarker
  for (let names = highest - (highest % 8); names > 8 && highest - names < SYMBOLS_A_MARKER * NAME_MAX; names -= 8) {
    const count = reader.u32(names - 8)
    if (Math.ceil(count / SYMBOLS_A_MARKER) !== markers.count || count > SYMBOLS_MAX) continue
    if (endOfNames(reader, names, count, markers) <= markers.at) return { names, count }
  }
  throw missing('no names')
}

/** Where the names end if they begin at `names`; Infinity where a marker disagrees. */
function endOfNames(reader: ImageReader, names: number, count: number, markers: { at: number }): number {
  let at = names
  for (let i = 0; i < count && at < markers.at; i++) {
    if (i % SYMBOLS_A_MARKER === 0 && reader.u32(markers.at + (4 * i) / SYMBOLS_A_MARKER) !== at - names) return Infinity
    const [length, first] = nameLength(reader, at)
    at = first + length
  }
  return at
}

const aligned = (at: number): number => Math.ceil(at / 8) * 8

/** Symbol number to address. */
function addresses(reader: ImageReader, names: number, count: number, tokenEnd: number): (index: number) => bigint {
  const wide = (at: number): bigint => BigInt(reader.u32(at)) | (BigInt(reader.u32(at + 4)) << 32n)
  const tables = [
    { base: names - 16, offsets: aligned(names - 16 - 4 * count - 7) },
    { base: aligned(tokenEnd + 4 * count), offsets: tokenEnd },
  ]
  const found = tables.find(({ base }) => base > 0 && base + 8 <= reader.length && wide(base) >= KERNEL_LOWEST)
  if (!found) throw missing('no addresses')
  const base = wide(found.base)
  const offset = (index: number): number => reader.u32(found.offsets + 4 * index) | 0
  // CONFIG_KALLSYMS_ABSOLUTE_PERCPU: symbols that do not move are positive and themselves, all others negative and beyond the base.
  const percpu = offset(count - 1) < 0
  return (index) => {
    const value = offset(index)
    if (!percpu) return base + BigInt(value >>> 0)
    return value >= 0 ? BigInt(value) : base - 1n - BigInt(value)
  }
}
