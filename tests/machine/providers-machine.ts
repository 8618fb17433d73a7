// A machine as its provider holds it: what stands behind these doors is made here, so that whoever uses them need not be able to see it.

import { chipKernels } from '../../src/apps/cli/chip-kernels.js'
import { createBoard, Dram, seededEntropy } from '../../src/board/index.js'
import type { Clock, Flash } from '../../src/silicon/doors/board.js'
import type { DmaPort } from '../../src/silicon/doors/dma.js'
import type { HostPort } from '../../src/silicon/doors/host.js'
import { createSoc } from '../../src/silicon/soc.js'
import { fuseChip } from '../../src/vendor/index.js'

export interface ProvidersMachine {
  /** Instructions and MMIO of host software. */
  readonly host: HostPort
  /** What a device on the bus may do. */
  readonly dma: DmaPort
  /** The modules on the board, under a probe. */
  readonly dram: Dram
  readonly clock: Clock
  /** Where the secure processor's state lies, under the same probe. */
  readonly flash: Flash
}

const MIB = 0x100000
/** Two guests of the smallest size and the hypervisor. */
const DRAM_BYTES = 192 * MIB

export function providersMachine(seed: number): ProvidersMachine {
  const board = createBoard({ fuses: fuseChip(seededEntropy(seed, 'vendor')), seed })
  const soc = createSoc({ board, kernels: chipKernels(), dramBytes: DRAM_BYTES })
  const dram = new Dram(soc.bus)
  return { host: soc.host, dma: soc.dma, dram, clock: board.clock, flash: board.flash }
}
