// The machine as the CLI drives it, and its composition from the parties' parts: vendor, board, chip, host, guest.

import { createBoard, Dram, realEntropy, seededEntropy, VirtualClock } from '../../board/index.js'
import type { GuestImage } from '../../guest/index.js'
import { createVm, HostMachine, nodeHostLoop, type ExitReport, type Vm } from '../../host/hypervisor/index.js'
import { SevError } from '../../host/sev-driver/index.js'
import { createSoc } from '../../silicon/soc.js'
import { SevPolicy } from '../../spec/sev/policy.js'
import { fuseChip } from '../../vendor/index.js'
import { explained } from './boot-image.js'
import { chipKernels } from './chip-kernels.js'

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
  /** QEMU's pc-testdev, for bare-metal test kernels. */
  readonly testDevice?: boolean | undefined
  /** A byte that the guest sends over its serial port. */
  readonly onConsole: (byte: number) => void
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
  /** Bytes for the guest's serial port; returns how many were taken. The rest is to be offered again. */
  input(bytes: Uint8Array): number
  /** No more input will come. */
  inputEnded(): void
  /** Retired guest instructions so far. */
  instructions(): number
  /** Exits of the guest by their code. */
  exits(): ReadonlyMap<number, number>
  /** Stops the guest and its clock, looks, and lets it go on. */
  frozen<T>(look: () => T): Promise<T>
  /** What the memory bus carries. Throws RangeError outside DRAM. */
  readDram(spa: number, length: number): Uint8Array
  /** The guest's plaintext by the secure processor's DBG_DECRYPT, or why there is none. */
  readGuest(gpa: number, length: number): Uint8Array | { readonly refused: string }
}

/** DRAM beside the guest's: nested tables, VMCB, scratch pages, and alignment. */
const hostBytes = 64 << 20
/** In virtual time the chip counts an instruction as a nanosecond (silicon/soc.ts). */
const instructionsPerVirtualMs = 1_000_000

export function createMachine(options: MachineOptions): Machine {
  const { seed, sev, memoryBytes, image } = options
  const fuses = fuseChip(seed === undefined ? realEntropy() : seededEntropy(seed, 'vendor'))
  const board = createBoard({ fuses, seed })
  const soc = createSoc({ board, kernels: chipKernels(), dramBytes: memoryBytes + hostBytes })
  const dram = new Dram(soc.dramBytes)
  soc.attachDram(dram)
  const host = new HostMachine(soc.host)
  if (board.clock instanceof VirtualClock) {
    board.clock.follow(() => soc.host.cores.reduce((sum, core) => sum + core.instructionsRetired, 0), instructionsPerVirtualMs)
  }
  const vm = explained(options.imageName, () => {
    const created = createVm(host, {
      memoryBytes,
      sev,
      policy: options.debugAllowed ? 0 : SevPolicy.NODBG,
      image,
      time: seed === undefined ? 'real' : 'virtual',
      clock: board.clock,
      loop: nodeHostLoop,
      onSerialOutput: options.onConsole,
      virtio: { entropy: board.entropy },
      testDevice: options.testDevice ?? false,
    })
    created.launch()
    return created
  })
  return {
    description: image.description,
    sev,
    memoryBytes,
    dramBytes: dram.size,
    ramBase: vm.memory.base,
    run: () => vm.run(),
    stop: () => vm.stop('stopped from outside'),
    input: (bytes) => input(vm, bytes, seed !== undefined),
    inputEnded: () => vm.serialInputEnded(),
    instructions: () => vm.statistics().instructions,
    exits: () => vm.statistics().exits,
    frozen: (look) => frozen(vm, look),
    readDram: (spa, length) => dram.dump(spa, length),
    readGuest: (gpa, length) => readGuest(vm, gpa, length),
  }
}

async function frozen<T>(vm: Vm, look: () => T): Promise<T> {
  vm.pause()
  while (vm.state === 'running') await new Promise((resolve) => setImmediate(resolve))
  try {
    return look()
  } finally {
    vm.resume()
  }
}

/** A repeatable run takes all at once, so that what the guest gets depends on the guest alone. */
function input(vm: Vm, bytes: Uint8Array, all: boolean): number {
  const taken = all ? bytes.length : Math.min(bytes.length, vm.pc.serial.freeInput())
  if (taken > 0) vm.serialInput(bytes.subarray(0, taken))
  return taken
}

function readGuest(vm: Vm, gpa: number, length: number): Uint8Array | { readonly refused: string } {
  try {
    return vm.debugRead(gpa, length) ?? { refused: `the guest has no memory at 0x${gpa.toString(16)}` }
  } catch (error) {
    if (!(error instanceof SevError)) throw error
    const reason =
      error.statusName === 'POLICY_FAILURE' ? "the guest's policy forbids debugging (start it with --allow-debug)" : error.message
    return { refused: `the secure processor refuses: ${reason}` }
  }
}
