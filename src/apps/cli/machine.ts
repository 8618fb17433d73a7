// The machine as the CLI drives it, and its composition from the parties' parts.

import type { GuestImage } from '../../guest/index.js'
import type { ExitReport } from '../../host/hypervisor/exit-report.js'

export type SevMode = 'none' | 'sev'

export interface MachineOptions {
  readonly sev: SevMode
  readonly memoryBytes: number
  readonly image: GuestImage
  /** For messages. */
  readonly imageName: string
  readonly seed: number | undefined
  /** Whether the guest's policy lets the host ask the secure processor for plaintext. */
  readonly debugAllowed: boolean
  /** Bytes that the guest sends over its serial port. */
  readonly onConsole: (bytes: Uint8Array) => void
  /** The serial port takes input again after it had refused some. */
  readonly onInputSpace: () => void
}

export interface Machine {
  /** For people: what was loaded. */
  readonly description: string
  readonly sev: SevMode
  readonly memoryBytes: number
  readonly dramBytes: number
  /** System physical address of the guest's physical address 0. */
  readonly ramBase: number
  run(): Promise<ExitReport>
  /** Ends the run soon; `run` then resolves with the reason `stopped`. */
  stop(): void
  /** Bytes for the guest's serial port; returns how many were taken. */
  input(bytes: Uint8Array): number
  /** Retired guest instructions so far. */
  instructions(): number
  /** What the memory bus carries. Throws RangeError outside DRAM. */
  readDram(spa: number, length: number): Uint8Array
  /** The guest's plaintext by the secure processor's DBG_DECRYPT, or the status by which it refuses. */
  readGuest(gpa: number, length: number): Uint8Array | { readonly refused: string }
}

export function createMachine(_options: MachineOptions): Machine {
  throw new Error('the chip is not joined to the program yet')
}
