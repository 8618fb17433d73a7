/** A board with a settable clock and RAM of its own, for the tests of this folder. */
import { createPc } from './create-pc.js'
import type { Pc, PcOptions } from './pc.js'

export interface BoardUnderTest {
  readonly pc: Pc
  readonly ram: Uint8Array
  readonly log: string[]
  readonly serial: number[]
  setTimeNs(ns: number): void
  /** Moves to the next deadline, or by `ns` if that comes first, and fires; returns the time reached. */
  run(ns: number): void
  timeNs(): number
}

export function boardUnderTest(options: Partial<PcOptions> = {}): BoardUnderTest {
  let now = 0
  const ram = new Uint8Array(0x10_0000)
  const log: string[] = []
  const serial: number[] = []
  const inside = (gpa: number, length: number): boolean => gpa >= 0 && gpa + length <= ram.length
  const pc = createPc({
    time: { nowNs: () => now },
    // 2024-02-29 23:59:58 UTC
    wallMsAtStart: 1_709_251_198_000,
    vcpus: 2,
    ramBytes: 512 * 2 ** 20,
    memory: {
      read: (gpa, length) => (inside(gpa, length) ? ram.slice(gpa, gpa + length) : undefined),
      write(gpa, bytes) {
        if (!inside(gpa, bytes.length)) return false
        ram.set(bytes, gpa)
        return true
      },
    },
    tscKHz: 1_000_000,
    events: {
      shutdown: () => log.push('shutdown'),
      reset: (cause) => log.push(`reset ${cause}`),
      debugExit: (value) => log.push(`exit ${value}`),
      wake: () => undefined,
    },
    serialOutput: (byte) => serial.push(byte),
    ...options,
  })
  return {
    pc,
    ram,
    log,
    serial,
    timeNs: () => now,
    setTimeNs(ns) {
      now = Math.max(now, ns)
      pc.advance()
    },
    run(ns) {
      const end = now + ns
      while (now < end) {
        now = Math.max(now, Math.min(end, pc.nextDeadlineNs()))
        pc.advance()
      }
    },
  }
}
