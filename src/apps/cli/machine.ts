// The machine as the CLI drives it, and its composition from the parties' parts: vendor, board, chip, host, guest.

import { createBoard, Dram, realClock, realEntropy, seededEntropy, VirtualClock } from '../../board/index.js'
import type { GuestImage } from '../../guest/index.js'
import { createVm, ExitTimes, GuestSampler, HostMachine, nodeHostLoop } from '../../host/hypervisor/index.js'
import type { ExitReport, SampledProfile, Vm, VmOptions } from '../../host/hypervisor/index.js'
import { type OwnerSession, type Packet, SevError } from '../../host/sev-driver/index.js'
import type { Board } from '../../silicon/doors/board.js'
import { createSoc, type SocCounters } from '../../silicon/soc.js'
import type { TranslationLimits } from '../../silicon/core/core-kernel.js'
import { SevPolicy } from '../../spec/sev/policy.js'
import type { Fuses } from '../../silicon/doors/board.js'
import { fuseChip } from '../../vendor/index.js'
import { explained } from './boot-image.js'
import type { ChipFiles } from './chip-folder.js'
import { chipKernels } from './chip-kernels.js'
import { engineOptimiser } from './optimiser.js'
import type { KeptCodeFolder } from './kept-code/kept-code-folder.js'
import type { LaunchReport } from './control/protocol.js'
import { CliError } from './errors.js'
import { MigrationDesk } from './migration/desk.js'
import type { MachineStatistics } from './observation/statistics.js'
import { SnapshotTaker, type SnapshotRequest, type SnapshotResult } from './snapshot/take.js'

export type SevMode = 'none' | 'sev'

/** The machine around the guest. */
export interface ChipOptions {
  readonly seed: number | undefined
  /** False: interpret all guest code. Default: compile what is hot. */
  readonly translate?: boolean
  /** Translated code of earlier runs; what this one compiles is added to it. */
  readonly keptCode?: Pick<KeptCodeFolder, 'code' | 'save'> | undefined
  /** A chip that exists already; by default each machine has a new one. */
  readonly chip?: ChipFiles | undefined
  /** Time the exits; sample where the guest is, every so many instructions. */
  readonly observe?: { readonly times: boolean; readonly profilePeriod: number | undefined } | undefined
  /** A byte that the guest sends over its serial port. */
  readonly onConsole: (byte: number) => void
}

export interface MachineOptions extends ChipOptions {
  readonly sev: SevMode
  readonly memoryBytes: number
  /** Undefined: the guest comes from elsewhere, and whoever brings it opens `vm` for it. */
  readonly image: GuestImage | undefined
  /** For messages. */
  readonly imageName: string
  /** Whether the guest's policy lets the host ask the secure processor for plaintext. */
  readonly debugAllowed: boolean
  /** QEMU's pc-testdev, for bare-metal test kernels. */
  readonly testDevice?: boolean | undefined
  /** The guest belongs to somebody else: it is launched with his session, and waits after the measurement until `admit`. */
  readonly owner?: { readonly session: OwnerSession; readonly policy: number } | undefined
}

export interface Machine {
  /** What the host has of it. */
  readonly vm: Vm
  /** Of its chip. Whoever holds them holds the chip's keys. */
  readonly fuses: Fuses
  /** Its way to another machine. */
  readonly migrations: MigrationDesk
  /** For people: what was loaded. */
  readonly description: string
  readonly sev: SevMode
  readonly memoryBytes: number
  readonly dramBytes: number
  /** System physical address of the guest's physical address 0. */
  readonly ramBase: number
  run(): Promise<ExitReport>
  /** Measured, and waiting for its owner's answer. */
  awaitsOwner(): boolean
  /** What the secure processor measured; undefined without encryption. */
  launchReport(): LaunchReport | undefined
  /** Lets a guest that waits for its owner run, with his secret where he has sent one. Throws CliError where the secret is not for this guest. */
  admit(packet: Packet | undefined): void
  /** Ends the run soon; `run` then resolves with the reason `stopped`. */
  stop(): void
  /** Bytes for the guest's serial port; returns how many were taken. The rest is to be offered again. */
  input(bytes: Uint8Array): number
  /** No more input will come. */
  inputEnded(): void
  /** Retired guest instructions so far. */
  instructions(): number
  statistics(): MachineStatistics
  /** Where the guest has been, if `observe` asked for it. */
  profile(): SampledProfile | undefined
  /** Where the guest's kernel takes system calls; 0 where it has not said. */
  syscallEntry(): bigint
  /** Stops the guest and its clock, looks, and lets it go on. */
  frozen<T>(look: () => T): Promise<T>
  /** Writes the guest, which stands still meanwhile, to `file`. Throws CliError where that cannot be; then it goes on as before. */
  snapshot(file: string, request: SnapshotRequest): Promise<SnapshotResult>
  /** Saves the code that has been compiled, for later runs. */
  keepCode(): void
  /** Resolves when no snapshot is being written. */
  settled(): Promise<void>
  /** What the memory bus carries. Throws RangeError outside DRAM. */
  readDram(spa: number, length: number): Uint8Array
  /** The guest's plaintext by the secure processor's DBG_DECRYPT, or why there is none. */
  readGuest(gpa: number, length: number): Uint8Array | { readonly refused: string }
}

/** DRAM beside the guest's: nested tables, VMCB, scratch pages, and alignment. */
const hostBytes = 64 << 20
/** In virtual time the chip counts an instruction as a nanosecond (silicon/soc.ts). */
const instructionsPerVirtualMs = 1_000_000

const stopwatch = realClock().monotonicMs

/** The parties but the guest: vendor, board, chip and host. */
export interface Chip {
  readonly host: HostMachine
  readonly board: Board
  readonly fuses: Fuses
  readonly dram: Dram
  readonly options: ChipOptions
  readonly observers: Observers
  counters(): SocCounters
}

interface Observers {
  readonly times?: ExitTimes
  readonly sampler?: GuestSampler
}

export function createChip(options: ChipOptions, memoryBytes: number): Chip {
  const { seed } = options
  const fuses = options.chip?.fuses ?? fuseChip(seed === undefined ? realEntropy() : seededEntropy(seed, 'vendor'))
  const board = createBoard({ fuses, seed, flashFile: options.chip?.flashFile })
  const soc = createSoc({
    board,
    kernels: chipKernels(),
    dramBytes: memoryBytes + hostBytes,
    translate: (options.translate ?? true) && translation(options),
    stopwatch,
  })
  const dram = new Dram(soc.bus)
  const host = new HostMachine(soc.host)
  if (board.clock instanceof VirtualClock) {
    board.clock.follow(() => soc.host.cores.reduce((sum, core) => sum + core.instructionsRetired, 0), instructionsPerVirtualMs)
  }
  return { host, board, fuses, dram, options, observers: observersFor(options), counters: () => soc.counters() }
}

function translation({ keptCode }: ChipOptions): TranslationLimits {
  const optimiser = engineOptimiser()
  return { ...(keptCode && { kept: keptCode.code }), ...(optimiser && { optimiser }) }
}

/** What a VM on this chip has, whatever guest it runs. */
export function vmOptionsOf(chip: Chip): Pick<VmOptions, 'time' | 'clock' | 'loop' | 'onSerialOutput' | 'virtio' | 'observers'> {
  const { board, options, observers } = chip
  return {
    time: options.seed === undefined ? 'real' : 'virtual',
    clock: board.clock,
    loop: nodeHostLoop,
    onSerialOutput: options.onConsole,
    virtio: { entropy: board.entropy },
    observers,
  }
}

export function createMachine(options: MachineOptions): Machine {
  const { image, ...others } = options
  const { sev, memoryBytes } = others
  // The chip keeps what it was made with.
  const chip = createChip(others, memoryBytes)
  const vm = explained(options.imageName, () => {
    const created = createVm(chip.host, {
      ...vmOptionsOf(chip),
      memoryBytes,
      sev,
      // A guest without an owner may be sent, to a chip of our vendor's.
      policy: options.owner?.policy ?? SevPolicy.SEV | (options.debugAllowed ? 0 : SevPolicy.NODBG),
      ...(options.owner && { ownerSession: options.owner.session, awaitsOwner: true }),
      ...(image && { image }),
      testDevice: options.testDevice ?? false,
    })
    if (image) launch(created)
    return created
  })
  return machineOf(chip, vm, image?.description ?? options.imageName)
}

/** The machine's face for the rest of the program. */
export function machineOf(chip: Chip, vm: Vm, description: string): Machine {
  const { host, dram, options, observers } = chip
  const taker = new SnapshotTaker(chip, vm, description)
  return {
    vm,
    fuses: chip.fuses,
    migrations: new MigrationDesk(vm),
    description,
    sev: vm.encrypted ? 'sev' : 'none',
    memoryBytes: vm.memory.bytes,
    dramBytes: dram.size,
    ramBase: vm.memory.base,
    run: () => vm.run(),
    awaitsOwner: () => vm.awaitsOwner,
    launchReport: () => launchReport(host, vm),
    admit: (packet) => admit(vm, packet),
    stop: () => vm.stop('stopped from outside'),
    input: (bytes) => input(vm, bytes, options.seed !== undefined),
    inputEnded: () => vm.serialInputEnded(),
    instructions: () => vm.statistics().instructions,
    statistics: () => ({
      vm: vm.statistics(),
      chip: chip.counters(),
      times: options.observe?.times ? observers.times?.totals() : undefined,
    }),
    profile: () => observers.sampler?.profile(),
    syscallEntry: () => vm.syscallEntry(),
    frozen: (look) => frozen(vm, look),
    snapshot: (file, request) => taker.take(file, request),
    keepCode: () => void options.keptCode?.save(),
    settled: () => taker.settled,
    readDram: (spa, length) => dram.dump(spa, length),
    readGuest: (gpa, length) => readGuest(vm, gpa, length),
  }
}

/** Samples weigh the time they stand for, but a seeded run's profile repeats with it and counts instructions. */
function observersFor({ observe, seed }: ChipOptions): Observers {
  if (!observe) return {}
  const weighed = observe.profilePeriod !== undefined && seed === undefined
  const times = observe.times || weighed ? new ExitTimes(stopwatch) : undefined
  return {
    ...(times && { times }),
    ...(observe.profilePeriod !== undefined && {
      sampler: new GuestSampler(observe.profilePeriod, weighed ? () => times!.guestMs : undefined),
    }),
  }
}

function launch(vm: Vm): void {
  try {
    vm.launch()
  } catch (error) {
    if (!(error instanceof SevError) || error.command !== 'LAUNCH_START') throw error
    const advice = "the owner makes one with 'cbit owner session' from the certificates of this chip ('cbit chip export')"
    throw new CliError(`the chip refuses the owner's session: ${error.statusName}; it was made for another chip or policy`, advice)
  }
}

function launchReport(host: HostMachine, vm: Vm): LaunchReport | undefined {
  if (!vm.measurement || vm.sevHandle === undefined) return undefined
  const { apiMajor, apiMinor, build } = host.driver.platformStatus()
  const { policy } = host.driver.guestStatus(vm.sevHandle)
  const { measure, mnonce } = vm.measurement
  return { measurement: Buffer.concat([measure, mnonce]).toString('base64'), apiMajor, apiMinor, build, policy }
}

function admit(vm: Vm, packet: Packet | undefined): void {
  if (!vm.awaitsOwner) throw new CliError('this VM does not wait for its owner')
  try {
    if (packet) vm.injectSecret(packet)
  } catch (error) {
    if (error instanceof SevError)
      throw new CliError(`the secure processor refuses the secret (${error.statusName}): it was not made for this launch`)
    if (error instanceof RangeError) throw new CliError('this is no secret packet')
    throw error
  }
  vm.admit()
}

async function frozen<T>(vm: Vm, look: () => T): Promise<T> {
  const stands = vm.state === 'running' || vm.state === 'paused' ? await vm.paused() : false
  try {
    return look()
  } finally {
    if (stands) vm.resume()
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
