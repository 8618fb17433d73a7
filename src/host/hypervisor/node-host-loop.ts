/** The event loop of Node.js. The only file here that knows where it runs. */
import type { HostLoop, Sleep } from './host-loop.js'

interface NodeTimers {
  setImmediate(callback: () => void): unknown
  setTimeout(callback: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

const timers = globalThis as unknown as NodeTimers
/** The longest delay that a timer takes. It also keeps the process alive while a VM waits for input. */
const DELAY_MS_MAX = 0x7fffffff

/** Nobody ever wakes who waits here. */
const pillow = new Int32Array(new SharedArrayBuffer(4))

export const nodeHostLoop: HostLoop = {
  breathe: () => new Promise((resolve) => timers.setImmediate(resolve)),
  nap: (ms) => void Atomics.wait(pillow, 0, 0, ms),
  sleep(ms: number | undefined): Sleep {
    let wake = () => {}
    const done = new Promise<void>((resolve) => {
      const timer = timers.setTimeout(resolve, ms === undefined ? DELAY_MS_MAX : Math.min(DELAY_MS_MAX, Math.max(0, ms)))
      wake = () => {
        timers.clearTimeout(timer)
        resolve()
      }
    })
    return { done, wake: () => wake() }
  },
}
