import { adoptState, StateError } from '../devices/state.js'
import type { ConsoleInput } from '../bus/index.js'

/** Input that waits here is saved with the machine; a saved machine does not bring more than this. */
export const SAVED_INPUT_BYTES_MAX = 8 << 20

/** What has been typed for the guest and its serial port has no room for yet. */
export class SerialFeed {
  // connections
  readonly #port: () => ConsoleInput
  // state
  #queue: Uint8Array[] = []
  /** No more input will come. */
  ended = false

  constructor(port: () => ConsoleInput) {
    this.#port = port
  }

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#queue.push(bytes.slice())
    this.feed()
  }

  /** Offers what waits to the port. */
  feed(): void {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!
      const taken = this.#port().input(first)
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken)
        if (taken === 0) return
      } else this.#queue.shift()
    }
  }

  save(): unknown {
    const bytes = this.#queue.reduce((sum, part) => sum + part.length, 0)
    if (bytes > SAVED_INPUT_BYTES_MAX) throw new StateError(`${bytes} bytes of input wait for the guest: more than is saved with a machine`)
    const waiting = new Uint8Array(bytes)
    let at = 0
    for (const part of this.#queue) {
      waiting.set(part, at)
      at += part.length
    }
    return { ended: this.ended, waiting }
  }

  /** The port's own restored state knows whether it has refused what waits here. */
  restore(value: unknown, where: string): void {
    const waiting = (value as { waiting?: unknown } | undefined)?.waiting
    const length = waiting instanceof Uint8Array ? Math.min(waiting.length, SAVED_INPUT_BYTES_MAX) : 0
    const state = adoptState({ ended: false, waiting: new Uint8Array(length) }, value, where)
    this.#queue = length > 0 ? [state.waiting] : []
    this.ended = state.ended
  }
}
