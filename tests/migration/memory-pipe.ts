// A connection within the process, which can be cut at any byte, watched, and altered on the way.

import { type Pipe, PipeBroken } from '../../src/host/migration/index.js'

export type Way = 'to-target' | 'to-source'

export interface PipeOptions {
  /** The connection breaks when so many bytes have passed, in both directions together: those arrive, nothing after them. */
  readonly cutAfter?: number
  /** Sees every chunk, which is a frame, and gives what arrives in its place; 'cut' behind or among that ends the connection there. */
  readonly passing?: (way: Way, frame: Uint8Array) => readonly (Uint8Array | 'cut')[]
}

export interface PipePair {
  readonly source: Pipe
  readonly target: Pipe
  /** Bytes that have passed. */
  passed(): number
  cut(): void
}

class Lane {
  readonly #waiting: Uint8Array[] = []
  #wake: (() => void) | undefined
  ended = false

  push(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#waiting.push(bytes)
    this.#wake?.()
  }

  end(): void {
    this.ended = true
    this.#wake?.()
  }

  async pull(): Promise<Uint8Array | undefined> {
    for (;;) {
      const first = this.#waiting.shift()
      if (first) return first
      if (this.ended) return undefined
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}

let connections = 0

export function pipePair({ cutAfter = Infinity, passing = (_way, bytes) => [bytes] }: PipeOptions = {}): PipePair {
  const lanes: Record<Way, Lane> = { 'to-target': new Lane(), 'to-source': new Lane() }
  const key = new Uint8Array(32).fill(++connections)
  let passed = 0
  let broken = false
  const cut = (): void => {
    broken = true
    for (const lane of Object.values(lanes)) lane.end()
  }
  const end = (out: Way, back: Way): Pipe => ({
    key,
    async send(bytes) {
      if (broken || lanes[out].ended) throw new PipeBroken('the connection was cut')
      for (const part of passing(out, bytes)) {
        if (part === 'cut') return cut()
        const room = Math.max(0, cutAfter - passed)
        lanes[out].push(part.slice(0, room))
        passed += Math.min(part.length, room)
        if (passed >= cutAfter) cut()
      }
      await new Promise((resolve) => setImmediate(resolve))
    },
    async receive() {
      const chunk = await lanes[back].pull()
      if (!chunk && broken) throw new PipeBroken('the connection was cut')
      return chunk
    },
    close() {
      for (const lane of Object.values(lanes)) lane.end()
    },
  })
  return { source: end('to-target', 'to-source'), target: end('to-source', 'to-target'), passed: () => passed, cut }
}
