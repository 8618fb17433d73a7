/**
 * Saving and restoring the `// state` group of a device. A state is plain data of a fixed shape: numbers, booleans,
 * strings, typed arrays, arrays and records of those. Its initial value is its own description: a saved state fits
 * where it has the same shape, so a snapshot from elsewhere can neither add a field nor grow an array.
 */

/** What a whole board saves: one entry a device. Can be structured-cloned. */
export type Saved = { readonly [part: string]: unknown }

export interface Stateful {
  save(): unknown
  /** Throws an Error that begins with `where` if `value` does not fit; then the device is as before. */
  restore(value: unknown, where: string): void
}

type Bytes = Uint8Array | Uint16Array | Uint32Array | Float64Array

function isTyped(value: unknown): value is Bytes {
  return value instanceof Uint8Array || value instanceof Uint16Array || value instanceof Uint32Array || value instanceof Float64Array
}

export function copyState<T>(value: T): T {
  if (isTyped(value)) return value.slice() as T
  if (Array.isArray(value)) return value.map((item: unknown) => copyState(item)) as T
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copyState<unknown>(item)])) as T
  }
  return value
}

/** A copy of `value` in the shape of `template`. */
export function adoptState<T>(template: T, value: unknown, where: string): T {
  if (isTyped(template)) {
    if (isTyped(value) && value.constructor === template.constructor && value.length === template.length) return value.slice() as T
  } else if (Array.isArray(template)) {
    if (Array.isArray(value) && value.length === template.length) {
      return template.map((item: unknown, i) => adoptState(item, value[i], `${where}[${i}]`)) as T
    }
  } else if (typeof template === 'object' && template !== null) {
    if (typeof value === 'object' && value !== null && !isTyped(value)) {
      const given = value as Record<string, unknown>
      return Object.fromEntries(
        Object.entries(template).map(([key, item]) => [key, adoptState<unknown>(item, given[key], `${where}.${key}`)]),
      ) as T
    }
  } else if (typeof value === typeof template && !Number.isNaN(value)) {
    return value as T
  }
  throw new Error(`${where}: the saved state does not fit this machine`)
}
