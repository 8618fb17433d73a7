/**
 * Saving and restoring the `// state` group of a device. A state is plain data of a fixed shape: numbers, booleans,
 * strings, typed arrays, arrays and records of those. Its initial value is its own description: a saved state fits
 * where it has the same shape, so a snapshot from elsewhere can neither add a field nor grow an array. Numbers are whole, but for times, whose
 * fields are called …Ns. What else a device takes for granted of its numbers, its `restore` checks.
 */

/** What a whole board saves: one entry a device. Can be structured-cloned. */
export type Saved = { readonly [part: string]: unknown }

export interface Stateful {
  save(): unknown
  /** Throws a StateError that begins with `where` if `value` does not fit; then the device is as before. */
  restore(value: unknown, where: string): void
}

/** Saved state that somebody has damaged, or that was made on another machine. */
export class StateError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'StateError'
  }
}

/** For a device that finds values in its state which it never has. */
export function doesNotFit(where: string): never {
  throw new StateError(`${where}: the saved state does not fit this machine`)
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

/** Beyond these even sums and products of a few numbers would not be finite, or times no longer exact. */
const NUMBER_MAX = 2 ** 64
const TIME_MAX = 2 ** 53

function isSound(value: number, where: string): boolean {
  return where.endsWith('Ns') ? Math.abs(value) <= TIME_MAX : Number.isInteger(value) && Math.abs(value) <= NUMBER_MAX
}

/** For checks of numbers that index something. */
export function within(value: number, first: number, last: number): boolean {
  return value >= first && value <= last
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
  } else if (typeof value === 'number' ? typeof template === 'number' && isSound(value, where) : typeof value === typeof template) {
    return value as T
  }
  return doesNotFit(where)
}
