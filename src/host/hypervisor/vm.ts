import { createPc, type Pc, type PcOptions } from '../bus/index.js'
import type { OwnerSession, Packet } from '../sev-driver/index.js'
import * as V from '../../spec/svm/vmcb.js'
import type { EntryState, GuestImage, LaunchRegion } from './boot-image.js'
import { writeControls, writeEntryState } from './entry-state.js'
import { registerReport, type ExitReason, type ExitReport, type RegisterReport } from './exit-report.js'
import type { ExitTimes } from './exit-times.js'
import { handleExit } from './exits.js'
import { GuestClock } from './guest-clock.js'
import type { GuestSampler } from './guest-sampler.js'
import { VIDEO_HOLE_BASE, VIDEO_HOLE_END, VmMemory } from './guest-memory-access.js'
import type { HostClock, HostLoop, Sleep } from './host-loop.js'
import type { HostMachine } from './host-machine.js'
import { launchMeasured, planLaunch, writeRegions, type Measurement } from './launch.js'
import { Lifecycle, type VmState } from './lifecycle.js'
import { MEMORY_BYTES_MAX, MEMORY_BYTES_MIN, secretAreaBase } from './memory-map.js'
import { MSR_UCODE_LEVEL } from './msr-numbers.js'
import { NestedTables } from './nested-tables.js'
import { Paravirtual } from './paravirtual.js'
import { HostResourceError, LARGE_PAGE_BYTES, PAGE_BYTES } from './physical-memory.js'
import { Vcpu, XSAVE_BYTES } from './vcpu.js'

export interface VmOptions {
  readonly memoryBytes: number
  readonly sev: 'none' | 'sev'
  /** SEV guest policy (55766, "Guest policy"). */
  readonly policy?: number
  /** What the guest's owner has made for this platform (55766 section 6.2). */
  readonly ownerSession?: OwnerSession
  /** The launch stops after LAUNCH_MEASURE until `admit`, so that the owner may judge the measurement and give a secret. */
  readonly awaitsOwner?: boolean
  readonly image: GuestImage
  /** `virtual`: time follows the count of instructions and leaps over idle times; a run repeats exactly. `real`: it follows the board's clock. */
  readonly time: 'virtual' | 'real'
  readonly clock: HostClock
  readonly loop: HostLoop
  readonly onSerialOutput: (byte: number) => void
  readonly debugOutput?: (byte: number) => void
  readonly virtio?: PcOptions['virtio']
  /** QEMU's pc-testdev, for bare-metal test kernels. */
  readonly testDevice?: boolean
  readonly fwCfgFiles?: PcOptions['fwCfgFiles']
  /** Rate of the guest's TSC; must be the rate of the chip's. */
  readonly tscKHz?: number
  /** What the chip adds to its TSC for each instruction in virtual time. */
  readonly tscTicksPerInstruction?: number
  /** Which of the chip's cores runs this VM. */
  readonly coreIndex?: number
  /** Watches the run for somebody who wants to know where time goes. */
  readonly observers?: { readonly times?: ExitTimes; readonly sampler?: GuestSampler }
}

export interface VmStatistics {
  readonly instructions: number
  readonly guestTimeNs: number
  /** By exit code. */
  readonly exits: ReadonlyMap<number, number>
}

const TSC_KHZ = 2_000_000
const TICKS_PER_INSTRUCTION = 2
/** One VMRUN runs at most this many instructions, and one slice about as many before the process's other work has its turn. */
const INSTRUCTIONS_MAX = 2_000_000
const INSTRUCTIONS_MIN = 20_000
/** What an exit counts for in a slice of virtual time. */
const EXIT_COST = 2_000
const SLICE_MS = 10

/** One virtual machine with one vCPU. Its states are those of `lifecycle.ts`. */
export class Vm {
  // configuration
  readonly options: VmOptions
  // connections
  readonly machine: HostMachine
  readonly memory: VmMemory
  readonly clock: GuestClock
  readonly pc: Pc
  readonly vcpu: Vcpu
  readonly nestedTables: NestedTables
  readonly paravirtual: Paravirtual
  /** What was laid into memory, in measured order. */
  readonly launchRegions: readonly LaunchRegion[]
  readonly asid: number
  readonly #entry: EntryState
  readonly #frames: { vmcb: number; xsave: number }
  // state
  readonly #lifecycle = new Lifecycle()
  #handle: number | undefined
  #measurement: Measurement | undefined
  #debugExitValue: number | undefined
  #serialQueue: Uint8Array[] = []
  #serialEnded = false
  #pauseWanted = false
  #sleep: Sleep | undefined
  #released = false

  /** Plans and allocates; throws `HostResourceError` or the image's own error where that cannot be. */
  constructor(machine: HostMachine, options: VmOptions) {
    checkMemory(options.memoryBytes)
    this.machine = machine
    this.options = options
    const sev = options.sev === 'sev'
    if (sev) machine.readySev()
    const plan = planLaunch(options.image, options.memoryBytes, sev ? machine.cBit : undefined, 1)
    this.launchRegions = plan.regions
    this.#entry = plan.entry

    const core = machine.core(options.coreIndex ?? 0)
    this.clock = new GuestClock(
      core,
      options.tscKHz ?? TSC_KHZ,
      options.time === 'virtual',
      options.tscTicksPerInstruction ?? TICKS_PER_INSTRUCTION,
    )
    this.asid = machine.allocateAsid(sev)
    this.memory = new VmMemory(machine.port, this.#allocateFrames(), options.memoryBytes)
    this.nestedTables = new NestedTables(machine.port, machine.memory)
    this.nestedTables.mapRange(0, this.memory.base, VIDEO_HOLE_BASE)
    this.nestedTables.mapRange(VIDEO_HOLE_END, this.memory.base + VIDEO_HOLE_END, options.memoryBytes - VIDEO_HOLE_END)
    const wallMsAtStart = options.clock.wallMs()
    this.paravirtual = new Paravirtual(this.memory, this.clock, sev, wallMsAtStart)
    this.pc = this.#createBoard(wallMsAtStart)
    this.pc.apics[0]!.enterVirtualWireMode()
    this.#frames = {
      vmcb: machine.memory.allocate(PAGE_BYTES, PAGE_BYTES, 'a VMCB'),
      xsave: machine.memory.allocate(XSAVE_BYTES, PAGE_BYTES, 'an XSAVE area'),
    }
    const patch = core.rdmsr(MSR_UCODE_LEVEL)
    this.vcpu = new Vcpu(
      0,
      machine.port,
      core,
      {
        pc: this.pc,
        memory: this.memory,
        clock: this.clock,
        paravirtual: this.paravirtual,
        sev,
        cBit: machine.cBit,
        vcpus: 1,
        patchLevel: [patch.lo, patch.hi],
        mapPage: (gpa) => this.#mapOnDemand(gpa),
      },
      this.#frames,
    )
  }

  #allocateFrames(): number {
    try {
      return this.machine.allocateGuestFrames(this.options.memoryBytes)
    } catch (error) {
      this.machine.releaseAsid(this.asid, false)
      throw error
    }
  }

  #createBoard(wallMsAtStart: number): Pc {
    const { options } = this
    return createPc({
      time: this.clock,
      wallMsAtStart,
      vcpus: 1,
      ramBytes: options.memoryBytes,
      memory: this.memory,
      tscKHz: this.clock.tscKHz,
      events: {
        shutdown: () => this.#end('shutdown', 'the guest powered off'),
        reset: (cause) => this.#end('reset', `the guest asked for a reset (${cause})`),
        debugExit: (value) => {
          this.#debugExitValue = value
          this.#end('debug-exit', `the guest wrote ${value} to the debug exit port`)
        },
        wake: () => this.#sleep?.wake(),
      },
      serialOutput: options.onSerialOutput,
      serialInputSpace: () => this.#feedSerial(),
      ...(options.debugOutput && { debugOutput: options.debugOutput }),
      ...(options.fwCfgFiles && { fwCfgFiles: options.fwCfgFiles }),
      ...(options.virtio && { virtio: options.virtio }),
      testDevice: options.testDevice ?? false,
    })
  }

  // ---- lifecycle -------------------------------------------------------------------------------------------------

  get state(): VmState {
    return this.#lifecycle.state
  }

  /** What the secure processor measured; only for encrypted guests, after launch. */
  get measurement(): Measurement | undefined {
    return this.#measurement
  }

  /** Handle of the guest in the secure processor. */
  get sevHandle(): number | undefined {
    return this.#handle
  }

  /** Lays the image into memory, encrypts it where asked, and sets the vCPU to its first instruction. `run` does it where it has not been done. */
  launch(): void {
    this.#lifecycle.move('launching')
    try {
      this.#layOut()
    } catch (error) {
      this.#lifecycle.move('stopped')
      throw error
    }
    if (!this.awaitsOwner) this.admit()
  }

  /** Measured, and not yet allowed to run. */
  get awaitsOwner(): boolean {
    return this.state === 'launching' && this.options.awaitsOwner === true && this.#handle !== undefined
  }

  /** LAUNCH_SECRET: the owner's packet into the area where guests look for secrets. SevError where the secure processor refuses it. */
  injectSecret(packet: Packet): void {
    if (!this.awaitsOwner) throw new Error(`a secret goes into a guest that waits for its owner, not into one that is ${this.state}`)
    this.machine.driver.launchSecret(this.#handle!, this.memory.base + secretAreaBase(this.options.memoryBytes), packet)
  }

  /** LAUNCH_FINISH: the guest may run. */
  admit(): void {
    if (this.#handle !== undefined) this.machine.driver.launchFinish(this.#handle)
    this.#lifecycle.move('running')
    this.#sleep?.wake()
  }

  #layOut(): void {
    const { machine, memory, vcpu, options } = this
    const sev = options.sev === 'sev'
    writeRegions(memory, this.launchRegions)
    if (sev) {
      const { handle, measurement } = launchMeasured(
        machine.driver,
        memory,
        this.launchRegions,
        options.policy ?? 0,
        this.asid,
        options.ownerSession,
      )
      this.#handle = handle
      this.#measurement = measurement
    }
    machine.acquire(vcpu)
    writeControls(vcpu.vmcb, { asid: this.asid, sev, iopm: machine.iopm, msrpm: machine.msrpm, nestedRoot: this.nestedTables.rootSpa })
    writeEntryState(vcpu.vmcb, vcpu.registers, this.#entry, sev ? machine.cBit : undefined)
    vcpu.loadSegments()
  }

  /** Runs until the guest ends, and says how. Yields to the process's event loop all the while. */
  async run(): Promise<ExitReport> {
    if (this.state === 'created') this.launch()
    if (this.awaitsOwner) await this.#waitForOwner()
    while (!this.vcpu.end) {
      if (this.#pauseWanted) await this.#stayPaused()
      else if (this.#slice() === 'idle') await this.#idle()
      else await this.options.loop.breathe()
    }
    if (this.state !== 'stopped') this.#lifecycle.move('stopped')
    return this.report()
  }

  /** No guest time passes meanwhile. */
  async #waitForOwner(): Promise<void> {
    const ticks = this.clock.ticks()
    while (this.awaitsOwner && !this.vcpu.end) await this.#wait(undefined)
    this.clock.resumeAt(ticks)
  }

  pause(): void {
    this.#pauseWanted = true
    this.#sleep?.wake()
  }

  resume(): void {
    this.#pauseWanted = false
    this.#sleep?.wake()
  }

  stop(explanation = 'the operator stopped the VM'): void {
    this.#end('stopped', explanation)
    if (this.state === 'created') this.#lifecycle.move('stopped')
  }

  /** Gives everything back to the machine. The guest's memory keeps its bytes until another VM gets the frames. */
  release(): void {
    if (this.#released) return
    if (this.state !== 'stopped') throw new Error(`a VM is released when it has stopped, not while ${this.state}`)
    this.#released = true
    const { machine, options } = this
    machine.disown(this.vcpu)
    if (this.#handle !== undefined) machine.driver.retire(this.#handle)
    machine.releaseAsid(this.asid, options.sev === 'sev')
    this.nestedTables.release()
    machine.freeGuestFrames(this.memory.base, options.memoryBytes)
    machine.memory.free(this.#frames.vmcb, PAGE_BYTES)
    machine.memory.free(this.#frames.xsave, XSAVE_BYTES)
  }

  #end(reason: ExitReason, explanation: string): void {
    this.vcpu.stop(reason, explanation)
    this.#sleep?.wake()
  }

  async #stayPaused(): Promise<void> {
    const ticks = this.clock.ticks()
    this.#lifecycle.move('paused')
    while (this.#pauseWanted && !this.vcpu.end) await this.#wait(undefined)
    if (this.vcpu.end) return
    this.clock.resumeAt(ticks)
    this.#lifecycle.move('running')
  }

  // ---- running ---------------------------------------------------------------------------------------------------

  /** Runs the guest for about 10 ms of the host's time. `idle`: it is halted and nothing is due yet. */
  #slice(): 'busy' | 'idle' {
    const { vcpu, pc, clock, machine, options } = this
    machine.acquire(vcpu)
    let left = clock.virtual ? INSTRUCTIONS_MAX : Infinity
    const untilMs = clock.virtual ? Infinity : options.clock.monotonicMs() + SLICE_MS
    while (!vcpu.end && !this.#pauseWanted && left > 0) {
      pc.advance()
      if (vcpu.end) break
      left -= EXIT_COST
      if (vcpu.halted && !this.#wakeUp()) {
        if (vcpu.end) break
        if (!clock.virtual || pc.nextDeadlineNs() === Infinity) return 'idle'
        clock.jumpTo(pc.nextDeadlineNs())
        continue
      }
      left -= this.#enter()
      if (!clock.virtual && options.clock.monotonicMs() >= untilMs) break
    }
    return 'busy'
  }

  /** One VMRUN and its exit. Returns the instructions it took. */
  #enter(): number {
    const { vcpu, clock, pc } = this
    const { times, sampler } = this.options.observers ?? {}
    const cap = clock.virtual
      ? INSTRUCTIONS_MAX
      : Math.min(INSTRUCTIONS_MAX, Math.max(INSTRUCTIONS_MIN, clock.instructionsPerNs * SLICE_MS * 1e6))
    const budget = Math.min(Math.floor(cap), clock.instructionsUntil(pc.nextDeadlineNs()), sampler?.instructionsLeft ?? Infinity)
    const before = vcpu.instructions
    const beforeNs = clock.virtual ? 0 : clock.nowNs()
    times?.entering()
    vcpu.enter(budget)
    times?.left()
    const taken = vcpu.instructions - before
    sampler?.ran(taken, vcpu.vmcb)
    const code = vcpu.vmcb.u32(V.VMCB_EXITCODE)
    if (!clock.virtual) clock.observe(taken, clock.nowNs() - beforeNs)
    handleExit(vcpu)
    times?.handled(code)
    if (vcpu.apic.takeInit()) vcpu.stop('reset', 'the processor was sent INIT')
    return taken
  }

  /** True where the halted vCPU goes on now. */
  #wakeUp(): boolean {
    const { vcpu } = this
    if (vcpu.canWake()) {
      vcpu.halted = false
      return true
    }
    if (!vcpu.interruptsEnabled) vcpu.stop('halted-for-ever', 'the guest halted with interrupts off: nothing can wake it')
    else if (this.#serialEnded && this.pc.nextDeadlineNs() === Infinity)
      vcpu.stop('halted-for-ever', 'the guest waits for input that will not come')
    return false
  }

  /** Real time, or virtual time with nothing due: waits for the next deadline or for input. */
  async #idle(): Promise<void> {
    const deadline = this.pc.nextDeadlineNs()
    if (deadline === Infinity) return this.#wait(undefined)
    const ms = (deadline - this.clock.nowNs()) / 1e6
    // Timers of the process are no finer than a millisecond.
    if (ms < 0.5) return this.options.loop.breathe()
    return this.#wait(ms)
  }

  async #wait(ms: number | undefined): Promise<void> {
    const times = this.options.observers?.times
    times?.sleeping()
    this.#sleep = this.options.loop.sleep(ms)
    await this.#sleep.done
    this.#sleep = undefined
    times?.woke()
  }

  // ---- console ---------------------------------------------------------------------------------------------------

  /** Bytes for the guest's serial port; they wait here until it has room. */
  serialInput(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#serialQueue.push(bytes.slice())
    this.#feedSerial()
    this.#sleep?.wake()
  }

  /** No more input will come: a guest that waits for nothing else has halted for ever. */
  serialInputEnded(): void {
    this.#serialEnded = true
    this.#sleep?.wake()
  }

  #feedSerial(): void {
    while (this.#serialQueue.length > 0) {
      const first = this.#serialQueue[0]!
      const taken = this.pc.serial.input(first)
      if (taken < first.length) {
        this.#serialQueue[0] = first.subarray(taken)
        if (taken === 0) return
      } else this.#serialQueue.shift()
    }
  }

  // ---- what the provider can see ---------------------------------------------------------------------------------

  /** Guest memory as the host reads it, with no key: ciphertext where the guest keeps it private. Undefined where it has no RAM. */
  readGuestPhysical(gpa: number, length: number): Uint8Array | undefined {
    return this.memory.read(gpa, length)
  }

  /** Guest memory as the guest sees its private pages. Through DBG_DECRYPT, so the secure processor refuses (SevError) unless the policy allows debugging. */
  debugRead(gpa: number, length: number): Uint8Array | undefined {
    if (this.#handle === undefined) return this.memory.read(gpa, length)
    const from = Math.floor(gpa / 16) * 16
    const to = Math.ceil((gpa + length) / 16) * 16
    if (!this.memory.isRam(from, to - from)) return undefined
    return this.machine.driver.dbgDecrypt(this.#handle, this.memory.base + from, to - from).slice(gpa - from, gpa - from + length)
  }

  /** Maps one guest page to another frame: what a malicious provider may do at any time. */
  mapPage(gpa: number, spa: number): void {
    this.nestedTables.mapPage(gpa, spa)
    this.vcpu.requestTlbFlush()
  }

  #mapOnDemand(gpa: number): boolean {
    if (this.nestedTables.translate(gpa) !== undefined) return false
    this.mapPage(gpa, this.memory.base + gpa)
    return true
  }

  /** LSTAR: where the guest's kernel takes system calls; 0 where it has not said yet. Tells where a kernel of known symbols has been moved to. */
  syscallEntry(): bigint {
    const { vcpu, machine } = this
    if (this.#released) return 0n
    machine.acquire(vcpu)
    vcpu.vmcb.store()
    vcpu.core.vmsave(vcpu.vmcb.spa)
    vcpu.vmcb.fetch()
    return vcpu.vmcb.big(V.VMCB_LSTAR)
  }

  registers(): RegisterReport {
    const { vcpu } = this
    if (!this.#released) this.machine.acquire(vcpu)
    return registerReport(vcpu)
  }

  statistics(): VmStatistics {
    const exits = new Map<number, number>()
    this.vcpu.exitCounts.forEach((count, code) => {
      if (count > 0) exits.set(code, count)
    })
    return { instructions: this.vcpu.instructions, guestTimeNs: this.clock.nowNs(), exits }
  }

  report(): ExitReport {
    const end = this.vcpu.end ?? { reason: 'stopped', explanation: 'the VM is still running' }
    return {
      ...end,
      ...(this.#debugExitValue !== undefined && end.reason === 'debug-exit' && { value: this.#debugExitValue }),
      registers: this.registers(),
      instructions: this.vcpu.instructions,
      guestTimeNs: this.clock.nowNs(),
    }
  }
}

function checkMemory(bytes: number): void {
  if (!Number.isInteger(bytes) || bytes < MEMORY_BYTES_MIN || bytes > MEMORY_BYTES_MAX || bytes % LARGE_PAGE_BYTES !== 0) {
    throw new HostResourceError(
      `a VM has ${MEMORY_BYTES_MIN / 0x100000} to ${MEMORY_BYTES_MAX / 0x100000} MiB of memory in steps of 2 MiB, not ${bytes / 0x100000} MiB`,
    )
  }
}

export function createVm(machine: HostMachine, options: VmOptions): Vm {
  return new Vm(machine, options)
}
