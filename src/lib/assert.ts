/**
 * For what this project itself must have got right: a false condition is our mistake and ends the program. What the other
 * side got wrong (guest, host, network) is answered with a status, a fault or an error value, never with `assert`.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

export class AssertionError extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`)
    this.name = 'AssertionError'
  }
}

/** For the end of an exhaustive `switch`. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable case ${String(value)}`)
}
