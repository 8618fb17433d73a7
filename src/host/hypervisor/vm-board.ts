import { createPc, type Pc } from '../bus/index.js'
import type { ExitReason } from './exit-report.js'
import type { GuestClock } from './guest-clock.js'
import type { VmMemory } from './guest-memory-access.js'
import type { VmOptions } from './vm-options.js'

/** What the board of a VM tells it. */
export interface BoardEvents {
  end(reason: ExitReason, explanation: string): void
  debugExit(value: number): void
  wake(): void
  serialInputSpace(): void
}

export function createBoard(options: VmOptions, memory: VmMemory, clock: GuestClock, wallMsAtStart: number, events: BoardEvents): Pc {
  return createPc({
    time: clock,
    wallMsAtStart,
    vcpus: 1,
    ramBytes: options.memoryBytes,
    memory,
    tscKHz: clock.tscKHz,
    events: {
      shutdown: () => events.end('shutdown', 'the guest powered off'),
      reset: (cause) => events.end('reset', `the guest asked for a reset (${cause})`),
      debugExit: (value) => {
        events.debugExit(value)
        events.end('debug-exit', `the guest wrote ${value} to the debug exit port`)
      },
      wake: () => events.wake(),
    },
    serialOutput: options.onSerialOutput,
    serialInputSpace: () => events.serialInputSpace(),
    ...(options.debugOutput && { debugOutput: options.debugOutput }),
    ...(options.fwCfgFiles && { fwCfgFiles: options.fwCfgFiles }),
    ...(options.virtio && { virtio: options.virtio }),
    testDevice: options.testDevice ?? false,
  })
}
