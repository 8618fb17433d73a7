import type { Halves, HostCore, HostPort } from '../../silicon/doors/host.js'
import type { Pc } from '../bus/index.js'
import { CR4_OSXSAVE, CR4_PKE } from '../../spec/x86/control-registers.js'
import { FLAG_IF, FLAG_TF } from '../../spec/x86/flags.js'
import * as V from '../../spec/svm/vmcb.js'
import * as X from '../../spec/svm/exit-codes.js'
import { adoptState, copyState, doesNotFit } from '../devices/state.js'
import type { CpuidView } from './cpuid.js'
import { setIntercept } from './entry-state.js'
import type { ExitReason } from './exit-report.js'
import type { GuestClock } from './guest-clock.js'
import type { VmMemory } from './guest-memory-access.js'
import { GuestRegisters, RAX, RSP } from './guest-registers.js'
import { translate } from './guest-walk.js'
import { MSR_TSC_AUX } from './msr-numbers.js'
import { GuestMsrs, type MsrValue } from './msrs.js'
import type { Paravirtual } from './paravirtual.js'
import { Vmcb } from './vmcb.js'
import { checkXsaveArea, initialXsaveArea, XSAVE_BYTES } from './xsave-area.js'

/** The machine around a vCPU. */
export interface VcpuBoard {
  readonly pc: Pc
  readonly memory: VmMemory
  readonly clock: GuestClock
  readonly paravirtual: Paravirtual
  readonly sev: boolean
  readonly cBit: number
  readonly vcpus: number
  readonly patchLevel: MsrValue
  /** Maps a page of the guest's RAM that has no mapping; false where it has one already. */
  mapPage(gpa: number): boolean
}

export interface VcpuEnd {
  readonly reason: ExitReason
  readonly explanation: string
}

/** What of a vCPU is saved: `host/devices/state.ts` says what such a value may be. */
export interface VcpuState {
  /** The VMCB's state save area, from its first byte on (APM vol. 2, table B-2). */
  readonly saveArea: Uint8Array
  readonly shadow: boolean
  readonly gprs: Uint32Array
  readonly xsave: Uint8Array
  readonly xcr0: Uint32Array
  /** DR0 to DR3. */
  readonly drs: Uint32Array
  readonly tscAux: Uint32Array
  readonly msrs: unknown
  readonly halted: boolean
  readonly event: { readonly pending: boolean; readonly lo: number; readonly error: number }
  readonly nmiMasked: boolean
  /** -1 where no IRET is waited for. */
  readonly iretAt: number
  readonly instructions: number
  readonly exitCounts: Uint32Array
}

/** XSAVE area and VMCB of a vCPU, in host memory. */
export interface VcpuFrames {
  readonly vmcb: number
  readonly xsave: number
}

const BREAKPOINTS = 4
/** The save area of a VMCB as far as anything of it is defined. */
const SAVE_BYTES = 0x300
const EXIT_COUNTERS = 0x480
const VECTOR_DB = 1
const VECTOR_NMI = 2
const VECTOR_BP = 3
const VECTOR_OF = 4
const VECTOR_GP = 13
const VECTOR_PF = 14
const DR6_BS = 0x4000
const SEGMENT_FS = 4

/** One virtual CPU: a VMCB, what of its state lives outside it, and the rules by which events reach it. Exits are handled in `exits.ts`. */
export class Vcpu {
  // configuration
  readonly index: number
  // connections
  readonly core: HostCore
  readonly board: VcpuBoard
  readonly vmcb: Vmcb
  readonly registers: GuestRegisters
  readonly msrs: GuestMsrs
  readonly #host: HostPort
  readonly #xsaveSpa: number
  // state
  halted = false
  end: VcpuEnd | undefined
  instructions = 0
  /** As it was when it came here. */
  before: { readonly instructions: number; readonly exits: ReadonlyMap<number, number> } = { instructions: 0, exits: new Map() }
  readonly exitCounts = new Uint32Array(EXIT_COUNTERS)
  readonly #savedGprs = new Uint32Array(32)
  #savedTscAux: Halves = { lo: 0, hi: 0 }
  #savedXcr0: Halves = { lo: 1, hi: 0 }
  #savedDrs: Halves[] = Array.from({ length: BREAKPOINTS }, () => ({ lo: 0, hi: 0 }))
  /** EVENTINJ for the next entry. */
  #event: { lo: number; error: number } | undefined
  #nmiMasked = false
  /** An IRET that ends an NMI is about to run at this address. */
  #iretAt: number | undefined
  #flushTlb = true

  constructor(index: number, host: HostPort, core: HostCore, board: VcpuBoard, frames: VcpuFrames) {
    this.index = index
    this.core = core
    this.board = board
    this.#host = host
    this.#xsaveSpa = frames.xsave
    this.vmcb = new Vmcb(host, frames.vmcb)
    this.registers = new GuestRegisters(core, this.vmcb)
    const peripherals = {
      apic: board.pc.apics[index]!,
      paravirtual: board.paravirtual,
      writeTsc: (lo: number, hi: number) => this.#writeTsc(lo, hi),
      flushTlb: () => this.requestTlbFlush(),
    }
    this.msrs = new GuestMsrs(this.vmcb, peripherals, board.memory.bytes, board.patchLevel)
    host.write(frames.xsave, initialXsaveArea())
  }

  get apic() {
    return this.board.pc.apics[this.index]!
  }

  get cpuidView(): CpuidView {
    const { board, apic } = this
    return {
      apicId: this.index,
      vcpus: board.vcpus,
      osxsave: (this.vmcb.u32(V.VMCB_CR4) & CR4_OSXSAVE) !== 0,
      ospke: (this.vmcb.u32(V.VMCB_CR4) & CR4_PKE) !== 0,
      apicEnabled: apic.enabled,
      sev: board.sev,
      cBit: board.cBit,
      tscKHz: board.clock.tscKHz,
    }
  }

  // ---- the core it shares ----------------------------------------------------------------------------------------

  /** Takes the core: loads what VMRUN does not (APM vol. 2, sections 15.5.1 and 15.14). */
  loadOnCore(): void {
    this.core.gprs.set(this.#savedGprs)
    this.loadSegments()
    this.core.xrstor(this.#xsaveSpa)
    this.core.xsetbv(this.#savedXcr0)
    this.#savedDrs.forEach((value, n) => this.core.writeDr(n, value))
    this.core.wrmsr(MSR_TSC_AUX, this.#savedTscAux)
  }

  /** VMLOAD: FS, GS, TR, LDTR and the SYSCALL and SYSENTER registers come from the VMCB. */
  loadSegments(): void {
    this.vmcb.store()
    this.core.vmload(this.vmcb.spa)
  }

  /** Gives the core back. */
  saveFromCore(): void {
    this.#savedGprs.set(this.core.gprs.subarray(0, 32))
    this.vmcb.store()
    this.core.vmsave(this.vmcb.spa)
    this.vmcb.fetch()
    this.core.xsave(this.#xsaveSpa)
    this.#savedXcr0 = this.core.xgetbv()
    this.#savedDrs = this.#savedDrs.map((_, n) => this.core.readDr(n))
    this.#savedTscAux = this.core.rdmsr(MSR_TSC_AUX)
  }

  /** LSTAR, which VMRUN leaves in the core. While it has its core. */
  syscallEntry(): bigint {
    this.vmcb.store()
    this.core.vmsave(this.vmcb.spa)
    this.vmcb.fetch()
    return this.vmcb.big(V.VMCB_LSTAR)
  }

  /** EXITCODE of the last exit. */
  get exitCode(): number {
    return this.vmcb.u32(V.VMCB_EXITCODE)
  }

  /** How often each exit has come, by its code. */
  exits(): ReadonlyMap<number, number> {
    return new Map([...this.exitCounts].map((count, code): [number, number] => [code, count]).filter(([, count]) => count > 0))
  }

  // ---- saved and restored ----------------------------------------------------------------------------------------

  /** Between two runs, while it has its core. Of the VMCB's control area nothing is kept but the shadow: all else follows. */
  save(): VcpuState {
    this.saveFromCore()
    return this.#state()
  }

  #state(): VcpuState {
    const wide = (values: readonly Halves[]) => Uint32Array.from(values.flatMap(({ lo, hi }) => [lo, hi]))
    const gprs = this.#savedGprs.slice()
    // RAX and RSP stand in the save area; what the core holds there is the host's.
    for (const register of [RAX, RSP]) gprs.fill(0, 2 * register, 2 * register + 2)
    return copyState({
      saveArea: this.#host.read(this.vmcb.spa + V.VMCB_SAVE, SAVE_BYTES),
      shadow: (this.vmcb.u32(V.VMCB_INTERRUPT_SHADOW) & V.GUEST_INTERRUPT_SHADOW) !== 0,
      gprs,
      xsave: this.#host.read(this.#xsaveSpa, XSAVE_BYTES),
      xcr0: wide([this.#savedXcr0]),
      drs: wide(this.#savedDrs),
      tscAux: wide([this.#savedTscAux]),
      msrs: this.msrs.save(),
      halted: this.halted,
      event: { pending: this.#event !== undefined, lo: this.#event?.lo ?? 0, error: this.#event?.error ?? 0 },
      nmiMasked: this.#nmiMasked,
      iretAt: this.#iretAt ?? -1,
      instructions: this.instructions,
      exitCounts: this.exitCounts,
    })
  }

  /** Takes what `save` gave, on a vCPU that does not have its core. Throws StateError. */
  restore(value: unknown, where: string): void {
    const state = adoptState(this.#state(), value, where)
    checkVcpuState(state, this.core, where)

    this.vmcb.setBytes(V.VMCB_SAVE, state.saveArea)
    this.vmcb.set64(V.VMCB_INTERRUPT_SHADOW, state.shadow ? V.GUEST_INTERRUPT_SHADOW : 0, 0)
    this.vmcb.store()
    this.#savedGprs.set(state.gprs)
    this.#host.write(this.#xsaveSpa, state.xsave)
    const wide = (words: Uint32Array, n: number): Halves => ({ lo: words[2 * n]!, hi: words[2 * n + 1]! })
    this.#savedXcr0 = wide(state.xcr0, 0)
    this.#savedDrs = this.#savedDrs.map((_, n) => wide(state.drs, n))
    this.#savedTscAux = wide(state.tscAux, 0)
    this.msrs.restore(state.msrs, `${where}.msrs`)
    this.halted = state.halted
    this.#event = state.event.pending ? { lo: state.event.lo >>> 0, error: state.event.error >>> 0 } : undefined
    this.#nmiMasked = state.nmiMasked
    this.#iretAt = state.iretAt < 0 ? undefined : state.iretAt
    setIntercept(this.vmcb, X.VMEXIT_IRET, state.nmiMasked && state.iretAt < 0)
    this.instructions = state.instructions
    this.exitCounts.set(state.exitCounts)
    this.before = { instructions: this.instructions, exits: this.exits() }
    this.#flushTlb = true
  }

  // ---- entry and exit --------------------------------------------------------------------------------------------

  /** One VMRUN. The exit is in the VMCB copy afterwards; the caller hands it to `handleExit`. */
  enter(instructionsMax: number): void {
    const single = this.#prepareEvents()
    const [lo, hi] = this.board.clock.offset()
    if (this.vmcb.u32(V.VMCB_TSC_OFFSET) !== lo || this.vmcb.u32(V.VMCB_TSC_OFFSET + 4) !== hi) this.vmcb.set64(V.VMCB_TSC_OFFSET, lo, hi)
    const tlbControl = this.#flushTlb ? V.TLB_CONTROL_FLUSH_GUEST : V.TLB_CONTROL_NOTHING
    if (this.vmcb.u8(V.VMCB_TLB_CONTROL) !== tlbControl) this.vmcb.setU8(V.VMCB_TLB_CONTROL, tlbControl)
    this.#flushTlb = false
    this.vmcb.store()

    const before = this.core.instructionsRetired
    this.core.vmrun(this.vmcb.spa, single ? 1 : instructionsMax)
    this.instructions += this.core.instructionsRetired - before
    this.vmcb.fetch()
    this.#afterExit()
  }

  /** The nested tables changed under the guest. */
  requestTlbFlush(): void {
    this.#flushTlb = true
  }

  #afterExit(): void {
    const code = this.vmcb.u32(V.VMCB_EXITCODE)
    if (code < EXIT_COUNTERS) this.exitCounts[code]!++
    const cr8 = this.vmcb.u8(V.VMCB_V_INTR) & 15
    if (cr8 !== this.apic.cr8) this.apic.cr8 = cr8
    const interrupted = this.vmcb.u32(V.VMCB_EXITINTINFO)
    if ((interrupted & V.EVENT_VALID) !== 0) this.#redeliver(interrupted)
  }

  /** An event whose delivery was cut short is delivered again (section 15.7.2); INT, INT3 and INTO run again by themselves. */
  #redeliver(info: number): void {
    const type = (info & V.EVENT_TYPE_MASK) >>> V.EVENT_TYPE_SHIFT
    const vector = info & V.EVENT_VECTOR_MASK
    if (type === V.EVENT_TYPE_SOFTWARE || (type === V.EVENT_TYPE_EXCEPTION && (vector === VECTOR_BP || vector === VECTOR_OF))) return
    this.#event = { lo: info, error: this.vmcb.u32(V.VMCB_EXITINTINFO + 4) }
  }

  /** True while the delivery of an event was interrupted by the exit at hand. */
  get redelivering(): boolean {
    return (this.vmcb.u32(V.VMCB_EXITINTINFO) & V.EVENT_VALID) !== 0
  }

  // ---- events ----------------------------------------------------------------------------------------------------

  get interruptsEnabled(): boolean {
    return (this.vmcb.u32(V.VMCB_RFLAGS) & FLAG_IF) !== 0
  }

  /** A halted vCPU goes on for an NMI, or for an interrupt that it takes. */
  canWake(): boolean {
    const { apic } = this
    if (apic.nmiPending && !this.#nmiMasked) return true
    return this.#event !== undefined || (this.interruptsEnabled && apic.pendingVector() >= 0)
  }

  /** Chooses what to inject (section 15.20) and which window to wait for. True: run one instruction only. */
  #prepareEvents(): boolean {
    this.#watchIret()
    let injected = this.#event !== undefined
    if (this.#event) {
      this.vmcb.set64(V.VMCB_EVENTINJ, this.#event.lo, this.#event.error)
      this.#event = undefined
    } else if (this.apic.nmiPending && !this.#nmiMasked) {
      this.apic.takeNmi()
      this.#injectNmi()
      injected = true
    }
    this.#prepareInterrupt(injected)
    return this.#iretAt !== undefined
  }

  #prepareInterrupt(injected: boolean): void {
    const { apic, vmcb } = this
    let pending = apic.pendingVector() >= 0
    if (pending && !injected && this.interruptsEnabled && (vmcb.u32(V.VMCB_INTERRUPT_SHADOW) & V.GUEST_INTERRUPT_SHADOW) === 0) {
      const vector = apic.acknowledge()
      if (vector >= 0) vmcb.set64(V.VMCB_EVENTINJ, (V.EVENT_VALID | (V.EVENT_TYPE_INTR << V.EVENT_TYPE_SHIFT) | vector) >>> 0, 0)
      pending = apic.pendingVector() >= 0
    }
    // A window: a virtual interrupt that exits the moment the guest would take it (section 15.21.4).
    const window = pending ? V.V_IRQ | V.V_IGN_TPR | V.V_INTR_PRIO_MASK : 0
    const control = V.V_INTR_MASKING | apic.cr8 | window
    if (vmcb.u32(V.VMCB_V_INTR) !== control) vmcb.setU32(V.VMCB_V_INTR, control)
    setIntercept(vmcb, X.VMEXIT_VINTR, pending)
    setIntercept(vmcb, X.VMEXIT_CR8_WRITE, !pending && apic.cr8 !== 0 && apic.highestRequest() >= 0)
  }

  #injectNmi(): void {
    this.vmcb.set64(V.VMCB_EVENTINJ, (V.EVENT_VALID | (V.EVENT_TYPE_NMI << V.EVENT_TYPE_SHIFT) | VECTOR_NMI) >>> 0, 0)
    this.#nmiMasked = true
    setIntercept(this.vmcb, X.VMEXIT_IRET, true)
  }

  /** The guest is about to leave its NMI handler: NMIs open again one instruction later. */
  noteIret(): void {
    setIntercept(this.vmcb, X.VMEXIT_IRET, false)
    this.#iretAt = this.vmcb.number(V.VMCB_RIP)
  }

  #watchIret(): void {
    if (this.#iretAt === undefined || this.#iretAt === this.vmcb.number(V.VMCB_RIP)) return
    this.#iretAt = undefined
    this.#nmiMasked = false
  }

  queueException(vector: number, error?: number): void {
    const type = V.EVENT_TYPE_EXCEPTION << V.EVENT_TYPE_SHIFT
    const lo = (V.EVENT_VALID | type | vector | (error === undefined ? 0 : V.EVENT_ERROR_VALID)) >>> 0
    this.#event = { lo, error: error ?? 0 }
  }

  queueGeneralProtection(): void {
    this.queueException(VECTOR_GP, 0)
  }

  queuePageFault(linear: bigint, error: number): void {
    this.vmcb.set64(V.VMCB_CR2, Number(linear & 0xffffffffn), Number(linear >> 32n))
    this.queueException(VECTOR_PF, error)
  }

  stop(reason: ExitReason, explanation: string): void {
    this.end ??= { reason, explanation }
  }

  // ---- instructions completed for the guest ----------------------------------------------------------------------

  /** Ends the emulated instruction: RIP moves on, the interrupt shadow ends, a single step traps. */
  completeAt(ripLo: number, ripHi: number): void {
    this.vmcb.set64(V.VMCB_RIP, ripLo, ripHi)
    this.endShadow()
    if ((this.vmcb.u32(V.VMCB_RFLAGS) & FLAG_TF) !== 0) {
      this.vmcb.setU32(V.VMCB_DR6, (this.vmcb.u32(V.VMCB_DR6) | DR6_BS) >>> 0)
      this.queueException(VECTOR_DB)
    }
  }

  /** The chip says where the next instruction begins (section 15.7.1). */
  complete(): void {
    this.completeAt(this.vmcb.u32(V.VMCB_NRIP), this.vmcb.u32(V.VMCB_NRIP + 4))
  }

  completeAfter(bytes: number): void {
    const rip = BigInt.asUintN(64, this.vmcb.big(V.VMCB_RIP) + BigInt(bytes))
    const mask = this.codeSize === 64 ? rip : rip & 0xffffffffn
    this.completeAt(Number(mask & 0xffffffffn), Number(mask >> 32n))
  }

  endShadow(): void {
    if ((this.vmcb.u32(V.VMCB_INTERRUPT_SHADOW) & V.GUEST_INTERRUPT_SHADOW) !== 0) this.vmcb.set64(V.VMCB_INTERRUPT_SHADOW, 0, 0)
  }

  get codeSize(): 16 | 32 | 64 {
    const attributes = this.vmcb.u16(V.VMCB_CS + V.VMCB_SEGMENT_ATTRIBUTES)
    if (this.longMode && (attributes & V.ATTRIBUTE_L) !== 0) return 64
    return (attributes & V.ATTRIBUTE_DB) !== 0 ? 32 : 16
  }

  get longMode(): boolean {
    return (this.vmcb.u32(V.VMCB_EFER) & 0x400) !== 0
  }

  /** Linear address of segment:offset; FS and GS bases live in the core until VMSAVE. */
  linear(segment: number, offset: bigint): bigint {
    const isFsGs = segment >= SEGMENT_FS
    if (this.codeSize === 64 && !isFsGs) return offset
    if (isFsGs) this.core.vmsave(this.vmcb.spa)
    const baseAt = this.vmcb.spa + V.VMCB_ES + segment * 16 + V.VMCB_SEGMENT_BASE
    const raw = this.#host.read(baseAt, 8)
    const base = new DataView(raw.buffer, raw.byteOffset, 8).getBigUint64(0, true)
    return BigInt.asUintN(this.codeSize === 64 ? 64 : 32, base + offset)
  }

  /**
   * The second memory operand of an emulated instruction. An encrypted guest's page tables cannot be read, so such an instruction
   * is refused there with #GP.
   */
  translateOperand(segment: number, offset: bigint, write: boolean): number | undefined {
    if (this.board.sev) {
      this.queueGeneralProtection()
      return undefined
    }
    const linear = this.linear(segment, offset)
    const { vmcb } = this
    const paging = {
      cr0: vmcb.u32(V.VMCB_CR0),
      cr3: vmcb.number(V.VMCB_CR3),
      cr4: vmcb.u32(V.VMCB_CR4),
      efer: vmcb.u32(V.VMCB_EFER),
      user: vmcb.u8(V.VMCB_CPL) === 3,
    }
    const found = translate(this.board.memory, paging, linear, write)
    if ('gpa' in found) return found.gpa
    this.queuePageFault(linear, found.faultError)
    return undefined
  }

  #writeTsc(lo: number, hi: number): void {
    this.board.clock.writeTsc(lo, hi)
    this.apic.setTscAtZero(this.board.clock.tscAtZero)
    this.board.paravirtual.updateClock()
  }
}

/** What VMRUN would not notice and no guest can bring about. The rest of a wrong state ends in VMEXIT_INVALID, which ends the VM. */
function checkVcpuState(state: VcpuState, core: HostCore, where: string): void {
  const supported = core.cpuid(0xd, 0)
  const known = (lo: number, hi: number): boolean => (lo & ~supported.eax) === 0 && (hi & ~supported.edx) === 0
  const [xcr0Lo, xcr0Hi] = state.xcr0 as unknown as [number, number]
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0
  const fits =
    (xcr0Lo & 1) === 1 &&
    // YMM state without SSE state: XSETBV refuses it.
    (xcr0Lo & 6) !== 4 &&
    known(xcr0Lo, xcr0Hi) &&
    checkXsaveArea(state.xsave, known) &&
    state.saveArea[V.VMCB_CPL - V.VMCB_SAVE]! <= 3 &&
    isCount(state.instructions) &&
    (state.iretAt === -1 || isCount(state.iretAt))
  if (!fits) doesNotFit(where)
}
