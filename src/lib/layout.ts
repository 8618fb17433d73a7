import type { Word64 } from './word64.js'

/**
 * Published structures as data. `layout` proves at load that the fields tile the structure: a gap, an overlap, a
 * wrong total, or a `reserved_xx` that does not lie at offset 0xxx is our mistake and throws.
 *
 *   const Activate = layout('ACTIVATE', 0x08, { handle: u32(0x00), asid: u32(0x04) })
 */

export type FieldKind = 'u8' | 'u16' | 'u32' | 'u64' | 'bytes'

export interface Field<Kind extends FieldKind = FieldKind> {
  readonly kind: Kind
  readonly offset: number
  readonly bytes: number
}

export type Fields = Readonly<Record<string, Field>>

type ValueOf<F extends Field> = F extends Field<'u64'> ? Word64 : F extends Field<'bytes'> ? Uint8Array : number

export type Values<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> }
export type View<F extends Fields> = { -readonly [K in keyof F]: ValueOf<F[K]> }

export const u8 = (offset: number): Field<'u8'> => ({ kind: 'u8', offset, bytes: 1 })
export const u16 = (offset: number): Field<'u16'> => ({ kind: 'u16', offset, bytes: 2 })
export const u32 = (offset: number): Field<'u32'> => ({ kind: 'u32', offset, bytes: 4 })
export const u64 = (offset: number): Field<'u64'> => ({ kind: 'u64', offset, bytes: 8 })
export const bytes = (offset: number, length: number): Field<'bytes'> => ({ kind: 'bytes', offset, bytes: length })

export interface Layout<F extends Fields = Fields> {
  readonly name: string
  /** Total size in bytes. */
  readonly bytes: number
  readonly fields: F
  /** Live fields over `target` from `at`: numbers, 64-bit words as halves, byte fields as sub-arrays. */
  view(target: Uint8Array, at?: number): View<F>
  /** Values copied out of `source` from `at`; later changes of `source` do not show. */
  decode(source: Uint8Array, at?: number): Values<F>
  /** A new structure; fields not named are zero. */
  encode(values: Partial<Values<F>>): Uint8Array
  /** Name of the first `reserved_…` field that is not all zero, or undefined. */
  reservedViolation(source: Uint8Array): string | undefined
}

export function layout<const F extends Fields>(name: string, total: number, fields: F): Layout<F> {
  proveTiling(name, total, fields)
  const entries = Object.entries(fields)
  const prototype = viewPrototype(entries)
  const view = (target: Uint8Array, at = 0): View<F> => {
    if (at < 0 || at + total > target.length) throw new RangeError(`${name} of ${total} bytes does not fit at ${at} in ${target.length}`)
    return Object.create(prototype, { bytesOfView: { value: target.subarray(at, at + total) } }) as View<F>
  }
  return {
    name,
    bytes: total,
    fields,
    view,
    decode(source, at = 0) {
      if (at < 0 || at + total > source.length) throw new RangeError(`${name} of ${total} bytes does not fit at ${at} in ${source.length}`)
      const copied = source.slice(at, at + total)
      const values: Record<string, number | Word64 | Uint8Array> = {}
      for (const [key, field] of entries) values[key] = readField(copied, field)
      return values as Values<F>
    },
    encode(values) {
      const target = new Uint8Array(total)
      for (const key of Object.keys(values)) {
        const field = fields[key]
        if (field) writeField(target, key, field, values[key] as number | Word64 | Uint8Array)
      }
      return target
    },
    reservedViolation(source) {
      for (const [key, field] of entries) {
        if (!key.startsWith('reserved_')) continue
        for (let i = 0; i < field.bytes; i++) if (source[field.offset + i] !== 0) return key
      }
      return undefined
    },
  }
}

function proveTiling(name: string, total: number, fields: Fields): void {
  let end = 0
  const sorted = Object.entries(fields).sort(([, a], [, b]) => a.offset - b.offset)
  for (const [key, field] of sorted) {
    const at = `0x${field.offset.toString(16)}`
    if (field.offset > end) throw new RangeError(`layout ${name}: gap of ${field.offset - end} bytes before ${key} at ${at}`)
    if (field.offset < end) throw new RangeError(`layout ${name}: ${key} at ${at} overlaps what ends at 0x${end.toString(16)}`)
    const named = /^reserved_([0-9a-f]+)$/.exec(key)
    if (named && parseInt(named[1]!, 16) !== field.offset) throw new RangeError(`layout ${name}: ${key} lies at ${at}`)
    end = field.offset + field.bytes
  }
  if (end !== total) throw new RangeError(`layout ${name}: fields end at 0x${end.toString(16)}, not at 0x${total.toString(16)}`)
}

interface Viewed {
  readonly bytesOfView: Uint8Array
}

function viewPrototype(entries: readonly (readonly [string, Field])[]): object {
  const descriptors: PropertyDescriptorMap = {}
  for (const [key, field] of entries) {
    descriptors[key] = {
      enumerable: true,
      get(this: Viewed) {
        return readField(this.bytesOfView, field)
      },
      set(this: Viewed, value: number | Word64 | Uint8Array) {
        writeField(this.bytesOfView, key, field, value)
      },
    }
  }
  return Object.defineProperties({}, descriptors)
}

function readField(from: Uint8Array, { kind, offset, bytes: length }: Field): number | Word64 | Uint8Array {
  switch (kind) {
    case 'u8':
      return from[offset]!
    case 'u16':
      return from[offset]! | (from[offset + 1]! << 8)
    case 'u32':
      return readU32(from, offset)
    case 'u64':
      return { lo: readU32(from, offset), hi: readU32(from, offset + 4) }
    case 'bytes':
      return from.subarray(offset, offset + length)
  }
}

function writeField(to: Uint8Array, key: string, field: Field, value: number | Word64 | Uint8Array): void {
  const { kind, offset, bytes: length } = field
  if (kind === 'bytes') {
    if (!(value instanceof Uint8Array) || value.length !== length) throw new RangeError(`${key} takes exactly ${length} bytes`)
    to.set(value, offset)
  } else if (kind === 'u64') {
    const word = value as Word64
    writeNumber(to, offset, 4, word.lo)
    writeNumber(to, offset + 4, 4, word.hi)
  } else {
    writeNumber(to, offset, length, value as number)
  }
}

export function readU32(from: Uint8Array, offset: number): number {
  return (from[offset]! | (from[offset + 1]! << 8) | (from[offset + 2]! << 16) | (from[offset + 3]! << 24)) >>> 0
}

function writeNumber(to: Uint8Array, offset: number, length: number, value: number): void {
  for (let i = 0; i < length; i++) to[offset + i] = (value >>> (8 * i)) & 0xff
}
