import { assert } from '../../../lib/assert.js'
import { StateError } from '../../devices/state.js'

/*
 * Plain data as bytes: what devices save (`host/devices/state.ts`), with its shape, so that a reader needs to know nothing of the writer's types.
 *
 *   0 false | 1 true | 2 number as f64 | 3 number as u32 | 4 text: u16 length, ASCII | 5…8 array of u8, u16, u32, f64: u32 elements, elements
 *   9 list: u32 items, items | 10 record: u16 fields, each u8 length, name, value
 *
 * All little-endian. There is no other value: no NaN, no infinity, no null. The bytes may come from anybody: a reader never allocates more than
 * they are long, and ends at the first one that does not fit.
 */
const FALSE = 0
const TRUE = 1
const F64 = 2
const U32 = 3
const TEXT = 4
const LIST = 9
const RECORD = 10
const ARRAYS = [
  { tag: 5, kind: Uint8Array },
  { tag: 6, kind: Uint16Array },
  { tag: 7, kind: Uint32Array },
  { tag: 8, kind: Float64Array },
] as const

/** Devices nest five deep. A reader that went as deep as its input says would end at the end of the stack. */
const DEPTH_MAX = 16
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export type PlainArray = Uint8Array | Uint16Array | Uint32Array | Float64Array

// ---- writing -------------------------------------------------------------------------------------------------------

class Writer {
  #bytes = new Uint8Array(0x4000)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  room(bytes: number): number {
    const at = this.#at
    this.#at += bytes
    if (this.#at > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at))
      grown.set(this.#bytes)
      this.#bytes = grown
      this.#view = new DataView(grown.buffer)
    }
    return at
  }

  u8(value: number): void {
    const at = this.room(1)
    this.#view.setUint8(at, value)
  }

  u16(value: number): void {
    const at = this.room(2)
    this.#view.setUint16(at, value, true)
  }

  u32(value: number): void {
    const at = this.room(4)
    this.#view.setUint32(at, value, true)
  }

  f64(value: number): void {
    const at = this.room(8)
    this.#view.setFloat64(at, value, true)
  }

  text(value: string): void {
    const at = this.room(value.length)
    for (let i = 0; i < value.length; i++) this.#view.setUint8(at + i, value.charCodeAt(i))
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }
}

export function encodePlain(value: unknown): Uint8Array {
  const writer = new Writer()
  write(writer, value, 0)
  return writer.done()
}

function write(to: Writer, value: unknown, depth: number): void {
  assert(depth < DEPTH_MAX, 'a state is not that deep')
  if (typeof value === 'boolean') to.u8(value ? TRUE : FALSE)
  else if (typeof value === 'number') writeNumber(to, value)
  else if (typeof value === 'string') {
    assert(value.length <= 0xffff && isAscii(value), 'texts of a state are short and ASCII')
    to.u8(TEXT)
    to.u16(value.length)
    to.text(value)
  } else if (ArrayBuffer.isView(value)) writeArray(to, value as PlainArray)
  else if (Array.isArray(value)) {
    to.u8(LIST)
    to.u32(value.length)
    for (const item of value as unknown[]) write(to, item, depth + 1)
  } else {
    assert(typeof value === 'object' && value !== null, `a state has no ${typeof value}`)
    const fields = Object.entries(value)
    to.u8(RECORD)
    to.u16(fields.length)
    for (const [name, field] of fields) {
      assert(NAME.test(name), `a field of a state is not called '${name}'`)
      to.u8(name.length)
      to.text(name)
      write(to, field, depth + 1)
    }
  }
}

function writeNumber(to: Writer, value: number): void {
  assert(Number.isFinite(value), 'numbers of a state are finite')
  const small = value >>> 0 === value && !Object.is(value, -0)
  to.u8(small ? U32 : F64)
  if (small) to.u32(value)
  else to.f64(value)
}

function writeArray(to: Writer, value: PlainArray): void {
  const form = ARRAYS.find(({ kind }) => value instanceof kind)
  assert(form, 'a state has arrays of u8, u16, u32 and f64')
  to.u8(form.tag)
  to.u32(value.length)
  for (const element of value) {
    if (form.tag === 5) to.u8(element)
    else if (form.tag === 6) to.u16(element)
    else if (form.tag === 7) to.u32(element)
    else {
      assert(Number.isFinite(element), 'numbers of a state are finite')
      to.f64(element)
    }
  }
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7e || text.charCodeAt(i) < 0x20) return false
  return true
}

// ---- reading -------------------------------------------------------------------------------------------------------

/** Bytes read from front to end. Every read is checked against what is left; `what` names the thing in messages. */
export class PlainReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #what: string
  #at = 0

  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    this.#what = what
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  fail(reason: string): never {
    throw new StateError(`${this.#what}: ${reason}`)
  }

  /** Moves over `bytes` bytes and says where they begin. */
  take(bytes: number): number {
    if (bytes > this.left) this.fail('it ends too early')
    const at = this.#at
    this.#at += bytes
    return at
  }

  u8(): number {
    return this.#view.getUint8(this.take(1))
  }

  u16(): number {
    return this.#view.getUint16(this.take(2), true)
  }

  u32(): number {
    return this.#view.getUint32(this.take(4), true)
  }

  f64(): number {
    const value = this.#view.getFloat64(this.take(8), true)
    return Number.isFinite(value) ? value : this.fail('a number in it is not finite')
  }

  /** A copy. */
  bytes(length: number): Uint8Array {
    const at = this.take(length)
    return this.#bytes.slice(at, at + length)
  }

  text(length: number): string {
    const text = String.fromCharCode(...this.bytes(length))
    return isAscii(text) ? text : this.fail('a text in it is not ASCII')
  }

  name(): string {
    const name = this.text(this.u8())
    return NAME.test(name) ? name : this.fail('a name in it is none')
  }
}

/** The one value that `bytes` are; throws StateError where they are none, or more. */
export function decodePlain(bytes: Uint8Array, what: string): unknown {
  const reader = new PlainReader(bytes, what)
  const value = read(reader, 0)
  if (reader.left > 0) reader.fail('something follows its end')
  return value
}

function read(from: PlainReader, depth: number): unknown {
  if (depth >= DEPTH_MAX) from.fail('it is nested too deep')
  const tag = from.u8()
  switch (tag) {
    case FALSE:
      return false
    case TRUE:
      return true
    case F64:
      return from.f64()
    case U32:
      return from.u32()
    case TEXT:
      return from.text(from.u16())
    case LIST:
      return readList(from, depth)
    case RECORD:
      return readRecord(from, depth)
    default:
      return readArray(from, tag)
  }
}

function readList(from: PlainReader, depth: number): unknown[] {
  const length = from.u32()
  // Each item takes a byte at least.
  if (length > from.left) from.fail('it ends too early')
  const items: unknown[] = []
  for (let i = 0; i < length; i++) items.push(read(from, depth + 1))
  return items
}

function readRecord(from: PlainReader, depth: number): Record<string, unknown> {
  const count = from.u16()
  const fields: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) {
    const name = from.name()
    if (Object.hasOwn(fields, name)) from.fail(`it has '${name}' twice`)
    fields[name] = read(from, depth + 1)
  }
  return fields
}

function readArray(from: PlainReader, tag: number): PlainArray {
  const form = ARRAYS.find((known) => known.tag === tag)
  if (!form) return from.fail(`it has a value of kind ${tag}, which this version does not know`)
  const length = from.u32()
  if (length * form.kind.BYTES_PER_ELEMENT > from.left) from.fail('it ends too early')
  if (form.tag === 5) return from.bytes(length)
  const array = new form.kind(length)
  for (let i = 0; i < length; i++) array[i] = form.tag === 6 ? from.u16() : form.tag === 7 ? from.u32() : from.f64()
  return array
}
