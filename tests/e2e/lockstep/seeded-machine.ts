// A machine with its chip open: what createChip of the program makes, and the inside of the chip with it.

import { createHash, type Hash } from 'node:crypto'
import { chipKernels } from '../../../src/apps/cli/chip-kernels.js'
import { createBoard, seededEntropy, VirtualClock } from '../../../src/board/index.js'
import type { GuestImage } from '../../../src/guest/index.js'
import { createVm, HostMachine, type Vm, type VmOptions } from '../../../src/host/hypervisor/index.js'
import { createSoc, type Soc, type SocOptions } from '../../../src/silicon/soc.js'
import { SevPolicy } from '../../../src/spec/sev/policy.js'
import { fuseChip } from '../../../src/vendor/index.js'

export interface SeededMachineOptions {
  readonly image: GuestImage
  readonly memoryBytes: number
  readonly seed: number
  readonly translate: NonNullable<SocOptions['translate']>
  readonly loop: VmOptions['loop']
}

export interface SeededMachine {
  readonly soc: Soc
  readonly vm: Vm
  /** What the guest has written to its serial port so far. */
  readonly console: Hash
}

/** DRAM beside the guest's, for the host. */
const HOST_BYTES = 64 << 20
/** In virtual time an instruction takes a nanosecond. */
const INSTRUCTIONS_PER_MS = 1_000_000

/** Two machines of the same options but for `translate` run alike to the bit. */
export function seededMachine({ image, memoryBytes, seed, translate, loop }: SeededMachineOptions): SeededMachine {
  const board = createBoard({ fuses: fuseChip(seededEntropy(seed, 'vendor')), seed })
  const soc = createSoc({ board, kernels: chipKernels(), dramBytes: memoryBytes + HOST_BYTES, translate })
  const { clock } = board
  if (clock instanceof VirtualClock) clock.follow(() => soc.inside.cores[0]!.instructionsRetired, INSTRUCTIONS_PER_MS)
  const console = createHash('sha256')
  const vm = createVm(new HostMachine(soc.host), {
    image,
    memoryBytes,
    sev: 'sev',
    policy: SevPolicy.SEV | SevPolicy.NODBG,
    time: 'virtual',
    clock,
    loop,
    virtio: { entropy: board.entropy },
    onSerialOutput: (byte) => void console.update(Uint8Array.of(byte)),
  })
  vm.launch()
  return { soc, vm, console }
}
