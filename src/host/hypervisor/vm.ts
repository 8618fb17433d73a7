import { assert } from '../../lib/assert.js'
import type { Pc } from '../bus/index.js'
import type { Packet } from '../sev-driver/index.js'
import type { EntryState, LaunchRegion } from './boot-image.js'
import { DirtyLog } from './dirty-log.js'
import { writeControls, writeEntryState } from './entry-state.js'
import { registerReport, type ExitReason, type ExitReport, type RegisterReport } from './exit-report.js'
import { handleExit } from './exits.js'
import { GuestClock } from './guest-clock.js'
import { VmMemory } from './guest-memory-access.js'
import type { Sleep } from './host-loop.js'
import type { HostMachine } from './host-machine.js'
import { launchMeasured, planLaunch, writeRegions, type Measurement } from './launch.js'
import { Lifecycle, type VmState } from './lifecycle.js'
import { checkMemoryBytes, secretAreaBase } from './memory-map.js'
import { MSR_UCODE_LEVEL } from './msr-numbers.js'
import { NestedTables } from './nested-tables.js'
import { Paravirtual } from './paravirtual.js'
import { PAGE_BYTES } from './physical-memory.js'
import { SerialFeed } from './serial-feed.js'
import { restoreParts, saveParts, type VmParts } from './state/vm-parts.js'
import { Vcpu } from './vcpu.js'
import { createBoard, type BoardEvents } from './vm-board.js'
import type { TransferSession, VmOptions, VmStatistics } from './vm-options.js'
import { XSAVE_BYTES } from './xsave-area.js'

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
  readonly options: Omit<VmOptions, 'image'>
  // connections
  readonly machine: HostMachine
  readonly memory: VmMemory
  readonly clock: GuestClock
  readonly pc: Pc
  readonly vcpu: Vcpu
  readonly nestedTables: NestedTables
  readonly dirtyLog: DirtyLog
  readonly paravirtual: Paravirtual
  readonly asid: number
  readonly #entry: EntryState | undefined
  readonly #frames: { vmcb: number; xsave: number }
  // state
  /** What is to be laid into memory, in measured order; nothing once it is there. */
  #launchRegions: readonly LaunchRegion[]
  readonly #lifecycle = new Lifecycle()
  #handle: number | undefined
  #measurement: Measurement | undefined
  #debugExitValue: number | undefined
  readonly #serial = new SerialFeed(() => this.pc.serial)
  /** Who has asked for a pause and not yet for its end. */
  #pauses = 0
  #pauseWaiters: (() => void)[] = []
  #pausedAtTicks = 0
  #sleep: Sleep | undefined
  #arriving = false
  #stateTaken = false
  #released = false

  /** Plans and allocates; throws `HostResourceError` or the image's own error where that cannot be. */
  constructor(machine: HostMachine, { image, ...options }: VmOptions) {
    checkMemoryBytes(options.memoryBytes)
    this.machine = machine
    this.options = options
    const sev = options.sev === 'sev'
    if (sev) machine.readySev()
    const plan = image && planLaunch(image, options.memoryBytes, sev ? machine.cBit : undefined, 1)
    this.#launchRegions = plan?.regions ?? []
    this.#entry = plan?.entry
    const core = machine.core(options.coreIndex ?? 0)
    const { tscKHz = TSC_KHZ, tscTicksPerInstruction = TICKS_PER_INSTRUCTION } = options
    this.clock = new GuestClock(core, tscKHz, options.time === 'virtual', tscTicksPerInstruction)
    this.asid = machine.allocateAsid(sev)
    this.memory = new VmMemory(machine.port, this.#allocateFrames(), options.memoryBytes)
    this.nestedTables = new NestedTables(machine.port, machine.memory)
    for (const { gpa, bytes } of this.memory.ranges) this.nestedTables.mapRange(gpa, this.memory.base + gpa, bytes)
    this.dirtyLog = new DirtyLog(this.nestedTables, this.memory, () => this.vcpu.requestTlbFlush())
    const wallMsAtStart = options.clock.wallMs()
    this.paravirtual = new Paravirtual(this.memory, this.clock, sev, wallMsAtStart)
    this.pc = createBoard(options, this.memory, this.clock, wallMsAtStart, this.#boardEvents())
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

  #boardEvents(): BoardEvents {
    return {
      end: (reason, explanation) => this.#end(reason, explanation),
      debugExit: (value) => (this.#debugExitValue = value),
      wake: () => this.#sleep?.wake(),
      serialInputSpace: () => this.#serial.feed(),
    }
  }

  // ---- lifecycle -------------------------------------------------------------------------------------------------

  get state(): VmState {
    return this.#lifecycle.state
  }

  /** What the secure processor measured; only for encrypted guests, after launch. */
  get measurement(): Measurement | undefined {
    return this.#measurement
  }

  /** Its memory is encrypted under a key of its own. */
  get encrypted(): boolean {
    return this.options.sev === 'sev'
  }

  /** Handle of the guest in the secure processor. */
  get sevHandle(): number | undefined {
    return this.#handle
  }

  /** Lays the image into memory, encrypts it where asked, and sets the vCPU to its first instruction. `run` does it where it has not been done. */
  launch(): void {
    const entry = this.#entry
    if (!entry) throw new Error('a VM without an image is not launched: its guest arrives from elsewhere')
    this.#lifecycle.move('launching')
    this.#orStop(() => this.#layOut(entry))
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

  #layOut(entry: EntryState): void {
    const { machine, memory, vcpu, options } = this
    writeRegions(memory, this.#launchRegions)
    if (this.encrypted) {
      const { handle, measurement } = launchMeasured(
        machine.driver,
        memory,
        this.#launchRegions,
        options.policy ?? 0,
        this.asid,
        options.ownerSession,
      )
      this.#handle = handle
      this.#measurement = measurement
    }
    this.#launchRegions = []
    machine.acquire(vcpu)
    this.#writeControls()
    writeEntryState(vcpu.vmcb, vcpu.registers, entry, this.encrypted ? machine.cBit : undefined)
    vcpu.loadSegments()
  }

  #writeControls(): void {
    const { iopm, msrpm } = this.machine
    writeControls(this.vcpu.vmcb, { asid: this.asid, sev: this.encrypted, iopm, msrpm, nestedRoot: this.nestedTables.rootSpa })
  }

  /** Runs until the guest ends, and says how. Yields to the process's event loop all the while. */
  async run(): Promise<ExitReport> {
    if (this.state === 'created') this.launch()
    if (this.awaitsOwner) await this.#waitForOwner()
    if (this.#arriving) throw new Error('a guest that has not arrived cannot run')
    while (!this.vcpu.end) {
      if (this.#pauses > 0) await this.#stayPaused()
      else if (this.#slice() === 'idle') await this.#idle()
      else await this.options.loop.breathe()
    }
    if (this.state !== 'stopped') this.#lifecycle.move('stopped')
    this.#tellPauseWaiters()
    return this.report()
  }

  /** No guest time passes meanwhile. */
  async #waitForOwner(): Promise<void> {
    const ticks = this.clock.ticks()
    while (this.awaitsOwner && !this.vcpu.end) await this.#wait(undefined)
    this.clock.resumeAt(ticks)
  }

  /** Each `pause` needs its `resume`: the guest stands still as long as anybody wants it to. */
  pause(): void {
    this.#pauses++
    this.#sleep?.wake()
  }

  resume(): void {
    assert(this.#pauses > 0, 'a VM is resumed as often as it was paused')
    this.#pauses--
    this.#sleep?.wake()
  }

  /** Pauses; resolves when the guest stands still, or has ended meanwhile (false; then there is nothing to resume). */
  async paused(): Promise<boolean> {
    this.pause()
    while (!this.vcpu.end && this.state !== 'paused' && this.state !== 'stopped') {
      await new Promise<void>((resolve) => this.#pauseWaiters.push(resolve))
    }
    if (this.state === 'paused' && !this.vcpu.end) return true
    this.resume()
    return false
  }

  #tellPauseWaiters(): void {
    for (const resolve of this.#pauseWaiters.splice(0)) resolve()
  }

  stop(explanation = 'the operator stopped the VM'): void {
    this.#end('stopped', explanation)
    if (this.state === 'created' || this.#arriving) this.#lifecycle.move('stopped')
  }

  // ---- leaving and arriving --------------------------------------------------------------------------------------

  /** All of a machine that stands still but its memory (`state/machine-state.ts`). It goes on from there, here or elsewhere. */
  saveState(): Uint8Array {
    assert(this.state === 'paused', 'the state of a machine is saved while it stands still')
    this.machine.acquire(this.vcpu)
    this.clock.resumeAt(this.#pausedAtTicks)
    return saveParts(this.#parts)
  }

  get #parts(): VmParts {
    return { ...this, serial: this.#serial }
  }

  /**
   * Opens a VM that was made without an image for a guest that comes from elsewhere; for an encrypted one by RECEIVE_START, which throws SevError where
   * the secure processor refuses the session. Its memory follows by whatever way, at last `completeArrival`.
   */
  beginArrival(session?: TransferSession): void {
    assert(!this.#entry && (session !== undefined) === this.encrypted, 'an encrypted guest arrives by a session, and only that')
    if (session) {
      const { driver } = this.machine
      this.#handle = driver.transfer.receiveStart(session.policy, session.senderPdh, session.session)
      driver.activate(this.#handle, this.asid)
    }
    this.#lifecycle.move('launching')
    this.#arriving = true
    this.#writeControls()
  }

  /** The guest's memory is here: the machine takes the state, and does not run yet. StateError where it does not; then the VM has stopped. */
  takeState(state: Uint8Array): void {
    assert(this.#arriving, 'a guest arrives that has begun to')
    this.#orStop(() => restoreParts(this.#parts, state))
    this.#stateTaken = true
  }

  /** The guest is ours: RECEIVE_FINISH, after `takeState` where it has not been done. SevError where the secure processor refuses; then the VM has stopped. */
  completeArrival(state?: Uint8Array): void {
    if (state) this.takeState(state)
    assert(this.#arriving && this.#stateTaken, 'memory and state are here')
    this.#orStop(() => this.#handle !== undefined && this.machine.driver.transfer.receiveFinish(this.#handle))
    this.#arriving = false
    this.#lifecycle.move('running')
  }

  #orStop(act: () => unknown): void {
    try {
      act()
    } catch (error) {
      this.#lifecycle.move('stopped')
      throw error
    }
  }

  /** The guest lives elsewhere now. */
  depart(): void {
    this.#end('moved', 'the guest moved to another machine')
  }

  /** Gives everything back to the machine. The guest's memory keeps its bytes until another VM gets the frames. */
  release(): void {
    if (this.#released) return
    if (this.state !== 'stopped') throw new Error(`a VM is released when it has stopped, not while ${this.state}`)
    this.#released = true
    const { machine, options } = this
    machine.disown(this.vcpu)
    if (this.#handle !== undefined) machine.driver.retire(this.#handle)
    machine.releaseAsid(this.asid, this.encrypted)
    this.nestedTables.release()
    machine.freeGuestFrames(this.memory.base, options.memoryBytes)
    machine.memory.free(this.#frames.vmcb, PAGE_BYTES)
    machine.memory.free(this.#frames.xsave, XSAVE_BYTES)
  }

  #end(reason: ExitReason, explanation: string): void {
    this.vcpu.stop(reason, explanation)
    this.#tellPauseWaiters()
    this.#sleep?.wake()
  }

  async #stayPaused(): Promise<void> {
    this.#pausedAtTicks = this.clock.ticks()
    this.#lifecycle.move('paused')
    this.#tellPauseWaiters()
    while (this.#pauses > 0 && !this.vcpu.end) await this.#wait(undefined)
    if (this.vcpu.end) return
    this.clock.resumeAt(this.#pausedAtTicks)
    this.#lifecycle.move('running')
  }

  // ---- running ---------------------------------------------------------------------------------------------------

  /** Runs the guest for about 10 ms of the host's time. `idle`: it is halted and nothing is due yet. */
  #slice(): 'busy' | 'idle' {
    const { vcpu, pc, clock, machine, options } = this
    machine.acquire(vcpu)
    let left = clock.virtual ? INSTRUCTIONS_MAX : Infinity
    const untilMs = clock.virtual ? Infinity : options.clock.monotonicMs() + SLICE_MS
    while (!vcpu.end && this.#pauses === 0 && left > 0) {
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
    times?.left(vcpu.exitCode)
    const taken = vcpu.instructions - before
    sampler?.ran(taken, vcpu.vmcb)
    if (!clock.virtual) clock.observe(taken, clock.nowNs() - beforeNs)
    handleExit(vcpu)
    times?.handled()
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
    else if (this.#serial.ended && this.pc.nextDeadlineNs() === Infinity)
      vcpu.stop('halted-for-ever', 'the guest waits for input that will not come')
    return false
  }

  /** Real time, or virtual time with nothing due: waits for the next deadline or for input. */
  async #idle(): Promise<void> {
    const deadline = this.pc.nextDeadlineNs()
    if (deadline === Infinity) return this.#wait(undefined)
    const ms = (deadline - this.clock.nowNs()) / 1e6
    // Timers of the process are no finer than a millisecond, and what is left of one is no reason to spin.
    if (ms >= 1) return this.#wait(ms)
    if (ms > 0) this.options.loop.nap(ms)
    return this.options.loop.breathe()
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
    this.#serial.push(bytes)
    this.#sleep?.wake()
  }

  /** No more input will come: a guest that waits for nothing else has halted for ever. */
  serialInputEnded(): void {
    this.#serial.ended = true
    this.#sleep?.wake()
  }

  // ---- what the provider can see ---------------------------------------------------------------------------------

  /** Guest memory as the host reads it, with no key: ciphertext where the guest keeps it private. Undefined where it has no RAM. */
  readGuestPhysical(gpa: number, length: number): Uint8Array | undefined {
    return this.memory.read(gpa, length)
  }

  /** Guest memory as the guest sees its private pages. Through DBG_DECRYPT, so the secure processor refuses (SevError) unless the policy allows debugging. */
  debugRead(gpa: number, length: number): Uint8Array | undefined {
    const handle = this.#handle
    if (handle === undefined) return this.memory.read(gpa, length)
    return this.memory.readBlocks(gpa, length, (spa, bytes) => this.machine.driver.dbgDecrypt(handle, spa, bytes))
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
    if (this.#released) return 0n
    this.machine.acquire(this.vcpu)
    return this.vcpu.syscallEntry()
  }

  registers(): RegisterReport {
    const { vcpu } = this
    if (!this.#released) this.machine.acquire(vcpu)
    return registerReport(vcpu)
  }

  statistics(): VmStatistics {
    const { vcpu, clock } = this
    return { instructions: vcpu.instructions, guestTimeNs: clock.nowNs(), exits: vcpu.exits(), before: vcpu.before }
  }

  report(): ExitReport {
    const end = this.vcpu.end ?? { reason: 'stopped', explanation: 'the VM is still running' }
    const value = end.reason === 'debug-exit' ? this.#debugExitValue : undefined
    const { instructions, guestTimeNs } = this.statistics()
    return { ...end, ...(value !== undefined && { value }), registers: this.registers(), instructions, guestTimeNs }
  }
}

export function createVm(machine: HostMachine, options: VmOptions): Vm {
  return new Vm(machine, options)
}
