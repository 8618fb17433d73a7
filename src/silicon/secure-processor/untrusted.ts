/** Bytes that came out of memory which host software can write. They were copied once; only a parser here turns them into values. */

import type { Fields, Layout, Values } from '../../lib/layout.js'

declare const brand: unique symbol

export type Untrusted<T> = { readonly [brand]: T }

export function untrusted<T>(value: T): Untrusted<T> {
  return value as unknown as Untrusted<T>
}

/** The values of a command buffer, or undefined where a reserved field is not zero. Sizes have been checked by whoever copied. */
export function parseBuffer<F extends Fields>(layout: Layout<F>, copied: Untrusted<Uint8Array>): Values<F> | undefined {
  const bytes = copied as unknown as Uint8Array
  return layout.reservedViolation(bytes) === undefined ? layout.decode(bytes) : undefined
}

/** Data whose content is not judged but measured or moved: what a launch update encrypts. */
export function rawContent(copied: Untrusted<Uint8Array>): Uint8Array {
  return copied as unknown as Uint8Array
}
