/** Writes a vector form (vector-forms.ts) as code. */

import type { GuestCode } from './guest.js'
import { I8X16_SHUFFLE, simdCodes, V128_CONST } from './simd-ops.js'
import type { VectorForm } from './vector-forms.js'
import * as w from './wasm-ops.js'

/** Locals that the names in a form stand for. */
export interface FormLocals {
  readonly a: number
  readonly b: number
  readonly x: number
  readonly xmm0: number
}

const coreCodes: ReadonlyMap<string, number> = new Map([
  ['i32.wrap_i64', w.I32_WRAP_I64],
  ['i64.lt_u', w.I64_LT_U],
  ['select', w.SELECT],
])

const laneBytes: Readonly<Record<string, number>> = { bytes: 1, words: 2, dwords: 4, qwords: 8 }

export function simd(g: GuestCode, name: string, lane?: number): void {
  const code = simdCodes.get(name)
  if (code === undefined) throw new Error(`translator: no vector instruction ${name}`)
  g.op(w.SIMD)
  g.out.u32(code)
  if (lane !== undefined) g.op(lane)
}

/** A load or store of vectors, with no promise of alignment; `lane` where it has one. */
export function simdMemory(g: GuestCode, name: string, offset: number, lane?: number): void {
  simd(g, name)
  g.out.u32(0)
  g.out.u32(offset)
  if (lane !== undefined) g.op(lane)
}

export function zeroVector(g: GuestCode): void {
  constant(g, new Uint8Array(16))
}

function constant(g: GuestCode, bytes: Uint8Array): void {
  g.op(w.SIMD)
  g.out.u32(V128_CONST)
  g.out.bytes(bytes)
}

/** `value` in every lane of `size` bytes. */
function everyLane(size: number, value: number): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, n) => Math.floor(value / 2 ** (8 * (n % size))) & 0xff)
}

function shuffle(g: GuestCode, bits: number, lanes: readonly number[]): void {
  const size = bits / 8
  g.op(w.SIMD)
  g.out.u32(I8X16_SHUFFLE)
  for (const lane of lanes) for (let n = 0; n < size; n++) g.op(lane * size + n)
}

/** A positive constant of up to 53 bits and zeros behind them. */
function wide(g: GuestCode, value: number): void {
  g.i64Wide(value % 2 ** 32, Math.floor(value / 2 ** 32))
}

/** Pushes the form's value. */
export function pushForm(g: GuestCode, form: VectorForm, immediate: number, locals: FormLocals): void {
  const text = typeof form === 'string' ? form : form(immediate)
  for (const word of text.split(' ')) pushWord(g, word, locals)
}

function pushWord(g: GuestCode, word: string, locals: FormLocals): void {
  const [name, argument] = word.split(':') as [string, string | undefined]
  const size = laneBytes[name]
  const code = coreCodes.get(name)
  if (word in locals) g.get(locals[word as keyof FormLocals])
  else if (word === '=x') g.set(locals.x)
  else if (word === 'zero') zeroVector(g)
  else if (name.startsWith('shuffle')) shuffle(g, Number(name.slice(7)), argument!.split(',').map(Number))
  else if (size !== undefined) constant(g, everyLane(size, Number(argument)))
  else if (name === 'i32') g.i32(Number(argument))
  else if (name === 'i64') wide(g, Number(argument))
  else if (code !== undefined) g.op(code)
  else simd(g, name, argument === undefined ? undefined : Number(argument))
}
