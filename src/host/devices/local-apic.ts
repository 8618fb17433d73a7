/**
 * A local APIC (AMD64 APM vol. 2, chapter 16), xAPIC and x2APIC. It holds what waits for its vCPU; the hypervisor takes
 * it: `pendingVector` then `acknowledge` for interrupts, `takeNmi`, `takeInit`, `takeSipi` for the rest.
 *
 * APIC_BASE moves between three modes (16.3.1, 16.9):  disabled ⇄ xAPIC → x2APIC → disabled.  All other moves are #GP.
 */
import * as A from '../../spec/pc/local-apic.js'
import { has, highest, put } from './apic-vectors.js'
import type { LocalApicConnections } from './local-apic-connections.js'
import { addresses, x2LogicalId, type ApicMessage } from './apic-message.js'
import type { Halves } from './halves.js'
import { LOCAL_APIC_BASE, PCI_MMIO_BASE } from '../../spec/pc/memory-map.js'
import { LocalApicTimer } from './local-apic-timer.js'
import { adoptState, copyState, doesNotFit, within } from './state.js'

const LVT_TIMER = 0
const LVT_LINT0 = 3
const LVT_LINT1 = 4
const LVT_ERROR = 5
/** Bits that a write may carry and does not change: delivery status, and the remote IRR of LINT0 and LINT1 (24593, section 16.4). */
const LVT_READ_ONLY = [0x1000, 0x1000, 0x1000, 0x5000, 0x5000, 0x1000] as const
/** Writable bits of the LVT entries: timer, thermal, performance, LINT0, LINT1, error. */
const LVT_WRITABLE = [0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff] as const

const initialState = () => ({
  base: A.APIC_BASE_ENABLE,
  page: LOCAL_APIC_BASE,
  tpr: 0,
  ldr: 0,
  dfr: 0xffff_ffff,
  svr: 0xff,
  esr: 0,
  errors: 0,
  icrLow: 0,
  icrHigh: 0,
  lvt: new Uint32Array(6).fill(A.LVT_MASKED),
  isr: new Uint32Array(8),
  tmr: new Uint32Array(8),
  irr: new Uint32Array(8),
  legacyLevel: false,
  nmi: false,
  init: false,
  sipi: -1,
})

export class LocalApic {
  // connections
  private readonly timer: LocalApicTimer
  // state
  private state = initialState()

  constructor(
    // configuration
    readonly id: number,
    tscKHz: number,
    // connections
    private readonly to: LocalApicConnections,
  ) {
    this.timer = new LocalApicTimer(`apic${id}`, tscKHz, to.scheduler, () => this.localInterrupt(LVT_TIMER))
    if (id === 0) this.state.base |= A.APIC_BASE_BSP
  }

  // ---- what the vCPU's keeper asks -------------------------------------------------------------------------------

  get enabled(): boolean {
    return (this.state.base & A.APIC_BASE_ENABLE) !== 0
  }

  get x2apic(): boolean {
    return (this.state.base & A.APIC_BASE_EXTD) !== 0
  }

  /** Where its registers lie in xAPIC mode. */
  get page(): number {
    return this.state.page
  }

  private get softwareEnabled(): boolean {
    return this.enabled && (this.state.svr & A.SVR_ENABLE) !== 0
  }

  /** The vector to deliver now if the vCPU takes interrupts, -1 if none. Respects TPR and interrupts in service. */
  pendingVector(): number {
    if (this.takesLegacy()) return this.to.legacy.peek()
    const vector = this.highestRequest()
    return vector >>> 4 > this.processorPriority() >>> 4 && vector >= 0 ? vector : -1
  }

  /** The highest requested vector whatever TPR says, -1 if none: what a lower TPR would let in. */
  highestRequest(): number {
    return this.softwareEnabled ? highest(this.state.irr) : -1
  }

  /** The vCPU takes the interrupt: returns its vector (an 8259 decides only now), or -1 where nothing is pending any more. */
  acknowledge(): number {
    if (this.takesLegacy()) return this.to.legacy.acknowledge()
    const vector = this.pendingVector()
    if (vector < 0) return -1
    put(this.state.irr, vector, false)
    put(this.state.isr, vector, true)
    return vector
  }

  /** True where a halted vCPU with interrupts enabled would wake. */
  hasWork(): boolean {
    return this.state.nmi || this.state.init || this.state.sipi >= 0 || this.pendingVector() >= 0
  }

  get nmiPending(): boolean {
    return this.state.nmi
  }

  takeNmi(): boolean {
    const taken = this.state.nmi
    this.state.nmi = false
    return taken
  }

  /** True once after an INIT arrived; the APIC itself has been reset by it. */
  takeInit(): boolean {
    const taken = this.state.init
    this.state.init = false
    return taken
  }

  /** The vector of a startup message (start at vector << 12), -1 if none. One that comes when nobody waits for it is to be dropped. */
  takeSipi(): number {
    const vector = this.state.sipi
    this.state.sipi = -1
    return vector
  }

  get tpr(): number {
    return this.state.tpr
  }

  set tpr(value: number) {
    this.state.tpr = value & 0xff
  }

  get cr8(): number {
    return this.state.tpr >>> 4
  }

  set cr8(value: number) {
    this.state.tpr = (value & 15) << 4
  }

  /** What this vCPU's TSC read at guest time 0 (tscKHz says how it goes on): to be told when the guest writes its TSC. */
  setTscAtZero(ticks: number): void {
    this.timer.setTscAtZero(ticks)
  }

  /** Raises an NMI from outside. */
  raiseNmi(): void {
    this.state.nmi = true
    this.to.wake()
  }

  /** What PC firmware leaves on the boot processor: 8259 through LINT0, NMI on LINT1 ("virtual wire", MP specification 3.6.2.2). */
  enterVirtualWireMode(): void {
    this.state.svr = A.SVR_ENABLE | 0xff
    this.state.lvt[LVT_LINT0] = A.DELIVERY_EXTINT << 8
    this.state.lvt[LVT_LINT1] = A.DELIVERY_NMI << 8
  }

  // ---- messages and wires ----------------------------------------------------------------------------------------

  isAddressedBy(message: ApicMessage): boolean {
    const { ldr, dfr } = this.state
    return this.enabled && addresses(message, { id: this.id, x2apic: this.x2apic, logicalId: ldr >>> 24, model: dfr >>> 28 })
  }

  accept(message: ApicMessage): void {
    if (!this.enabled) return
    switch (message.delivery) {
      case A.DELIVERY_FIXED:
      case A.DELIVERY_LOWEST:
        this.request(message.vector, message.levelTriggered)
        break
      case A.DELIVERY_NMI:
        this.raiseNmi()
        break
      case A.DELIVERY_INIT:
        this.reset(this.state.base)
        this.state.init = true
        this.to.wake()
        break
      case A.DELIVERY_STARTUP:
        this.state.sipi = message.vector
        this.to.wake()
        break
      default:
        // SMI: the board has no system management mode. ExtINT: the 8259 pair is wired to LINT0 only.
        break
    }
  }

  /** The 8259 pair's INTR wire. */
  setLegacyLevel(level: boolean): void {
    const rising = level && !this.state.legacyLevel
    this.state.legacyLevel = level
    if (!rising) return
    const lvt = this.state.lvt[LVT_LINT0]
    if (!this.enabled || ((lvt >>> 8) & 7) === A.DELIVERY_EXTINT) this.to.wake()
    else this.localInterrupt(LVT_LINT0)
  }

  private takesLegacy(): boolean {
    if (!this.to.legacy.pending) return false
    if (!this.enabled) return this.id === 0
    const lvt = this.state.lvt[LVT_LINT0]
    return (lvt & A.LVT_MASKED) === 0 && ((lvt >>> 8) & 7) === A.DELIVERY_EXTINT
  }

  private localInterrupt(entry: number): void {
    const lvt = this.state.lvt[entry]
    if ((lvt & A.LVT_MASKED) !== 0 || !this.enabled) return
    const delivery = entry === LVT_TIMER || entry === LVT_ERROR ? A.DELIVERY_FIXED : (lvt >>> 8) & 7
    if (delivery === A.DELIVERY_FIXED) this.request(lvt & 0xff, false)
    else if (delivery === A.DELIVERY_NMI) this.raiseNmi()
  }

  private request(vector: number, levelTriggered: boolean): void {
    if (!this.softwareEnabled) return
    if (vector < 16) return this.error(A.ESR_RECEIVE_ILLEGAL)
    put(this.state.irr, vector, true)
    put(this.state.tmr, vector, levelTriggered)
    this.to.wake()
  }

  private error(bit: number): void {
    this.state.errors |= bit
    const lvt = this.state.lvt[LVT_ERROR]
    // An error about the error vector itself is recorded, not delivered.
    if ((lvt & 0xff) >= 16) this.localInterrupt(LVT_ERROR)
  }

  private processorPriority(): number {
    const service = Math.max(0, highest(this.state.isr))
    return this.state.tpr >>> 4 >= service >>> 4 ? this.state.tpr : service & 0xf0
  }

  private reset(base: number): void {
    this.state = { ...initialState(), base, page: this.state.page, legacyLevel: this.state.legacyLevel }
    this.timer.reset()
  }

  // ---- registers -------------------------------------------------------------------------------------------------

  /** A load from the xAPIC page. In x2APIC mode and when disabled the page is empty. */
  readMmio(offset: number): number {
    if (!this.enabled || this.x2apic) return 0xffff_ffff
    if (offset & 15) return 0
    switch (offset) {
      case A.APIC_ID:
        return (this.id << 24) >>> 0
      case A.APIC_LDR:
        return this.state.ldr >>> 0
      case A.APIC_DFR:
        return this.state.dfr >>> 0
      case A.APIC_APR:
        return this.processorPriority()
      case A.APIC_RRR:
        return 0
      case A.APIC_ICR_LOW:
        return this.state.icrLow >>> 0
      case A.APIC_ICR_HIGH:
        return this.state.icrHigh >>> 0
      default:
        return this.readRegister(offset) ?? this.illegalRegister()
    }
  }

  writeMmio(offset: number, value: number): void {
    if (!this.enabled || this.x2apic || offset & 15) return
    switch (offset) {
      case A.APIC_ID:
        // The id is the vCPU's index; that Linux and others write it back unchanged is all that happens in practice.
        break
      case A.APIC_LDR:
        this.state.ldr = (value & 0xff00_0000) >>> 0
        break
      case A.APIC_DFR:
        this.state.dfr = (value | 0x0fff_ffff) >>> 0
        break
      case A.APIC_ICR_LOW:
        this.writeIcr(value, this.state.icrHigh)
        break
      case A.APIC_ICR_HIGH:
        this.state.icrHigh = (value & 0xff00_0000) >>> 0
        break
      case A.APIC_ESR:
        this.state.esr = this.state.errors
        this.state.errors = 0
        break
      default:
        if (!this.writeRegister(offset, value >>> 0)) this.illegalRegister()
    }
  }

  handlesMsr(msr: number): boolean {
    return msr === A.MSR_APIC_BASE || msr === A.MSR_TSC_DEADLINE || (msr >= A.MSR_X2APIC_FIRST && msr <= A.MSR_X2APIC_LAST)
  }

  /** RDMSR; undefined is #GP. */
  readMsr(msr: number): Halves | undefined {
    if (msr === A.MSR_APIC_BASE) return { lo: (this.state.page | this.state.base) >>> 0, hi: 0 }
    this.to.scheduler.advance()
    if (msr === A.MSR_TSC_DEADLINE) return this.timer.readDeadline()
    if (!this.x2apic) return undefined
    const offset = (msr - A.MSR_X2APIC_FIRST) * 16
    if (offset === A.APIC_ID) return { lo: this.id, hi: 0 }
    if (offset === A.APIC_LDR) return { lo: x2LogicalId(this.id), hi: 0 }
    if (offset === A.APIC_ICR_LOW) return { lo: this.state.icrLow >>> 0, hi: this.state.icrHigh >>> 0 }
    const value = this.readRegister(offset)
    return value === undefined ? undefined : { lo: value, hi: 0 }
  }

  /** WRMSR; false is #GP. */
  writeMsr(msr: number, lo: number, hi: number): boolean {
    if (msr === A.MSR_APIC_BASE) return this.writeBase(lo >>> 0, hi)
    this.to.scheduler.advance()
    if (msr === A.MSR_TSC_DEADLINE) {
      this.timer.writeDeadline(lo >>> 0, hi >>> 0)
      return true
    }
    if (!this.x2apic) return false
    const offset = (msr - A.MSR_X2APIC_FIRST) * 16
    if (offset === A.APIC_ICR_LOW) {
      if (lo & 0xfff3_2000) return false
      this.writeIcr(lo, hi)
      return true
    }
    if (hi !== 0) return false
    return this.writeX2(offset, lo >>> 0)
  }

  /** Registers whose x2APIC form demands more than the xAPIC's (16.11: reserved bits are #GP). */
  private writeX2(offset: number, value: number): boolean {
    switch (offset) {
      case A.APIC_ESR:
        if (value !== 0) return false
        this.state.esr = this.state.errors
        this.state.errors = 0
        return true
      case A.APIC_EOI:
        return value === 0 && this.writeRegister(offset, value)
      case A.APIC_TPR:
        return value <= 0xff && this.writeRegister(offset, value)
      case A.APIC_SVR:
        return value <= 0x3ff && this.writeRegister(offset, value)
      case A.APIC_TIMER_DIVIDE:
        return (value & ~0xb) === 0 && this.writeRegister(offset, value)
      case A.APIC_SELF_IPI:
        if (value > 0xff) return false
        this.sendSelf(value)
        return true
      default: {
        const entry = (offset - A.APIC_LVT_TIMER) / 16
        if (Number.isInteger(entry) && entry >= 0 && entry < 6 && (value & ~(LVT_WRITABLE[entry] | LVT_READ_ONLY[entry])) !== 0)
          return false
        return this.writeRegister(offset, value)
      }
    }
  }

  /** Registers that both forms share; undefined where there is none to read. */
  private readRegister(offset: number): number | undefined {
    const { state } = this
    if (offset >= A.APIC_ISR && offset < A.APIC_ESR) {
      const bits = offset >= A.APIC_IRR ? state.irr : offset >= A.APIC_TMR ? state.tmr : state.isr
      return bits[(offset >>> 4) & 7]
    }
    if (offset >= A.APIC_LVT_TIMER && offset <= A.APIC_LVT_ERROR) return state.lvt[(offset - A.APIC_LVT_TIMER) >>> 4]
    switch (offset) {
      case A.APIC_VERSION:
        return A.APIC_VERSION_VALUE
      case A.APIC_TPR:
        return state.tpr
      case A.APIC_PPR:
        return this.processorPriority()
      case A.APIC_EOI:
        return this.x2apic ? undefined : 0
      case A.APIC_SVR:
        return state.svr
      case A.APIC_ESR:
        return state.esr
      case A.APIC_TIMER_INITIAL:
        return this.timer.initialCount
      case A.APIC_TIMER_CURRENT:
        return this.timer.currentCount()
      case A.APIC_TIMER_DIVIDE:
        return this.timer.divide
      default:
        return undefined
    }
  }

  /** Registers that both forms share; false where there is none to write. */
  private writeRegister(offset: number, value: number): boolean {
    switch (offset) {
      case A.APIC_TPR:
        this.state.tpr = value & 0xff
        return true
      case A.APIC_EOI:
        this.endOfInterrupt()
        return true
      case A.APIC_SVR:
        this.state.svr = value & 0x3ff
        // A software-disabled APIC has all its LVT entries masked (16.4.7).
        if (!this.softwareEnabled) for (let entry = 0; entry < 6; entry++) this.writeLvt(entry, this.state.lvt[entry])
        return true
      case A.APIC_TIMER_INITIAL:
        this.timer.setInitialCount(value)
        return true
      case A.APIC_TIMER_DIVIDE:
        this.timer.setDivide(value)
        return true
      default:
        if (offset < A.APIC_LVT_TIMER || offset > A.APIC_LVT_ERROR) return false
        this.writeLvt((offset - A.APIC_LVT_TIMER) >>> 4, value)
        return true
    }
  }

  private writeLvt(entry: number, value: number): void {
    const masked = this.softwareEnabled ? 0 : A.LVT_MASKED
    this.state.lvt[entry] = (value & LVT_WRITABLE[entry]) | masked
    if (entry === LVT_TIMER) this.timer.setLvt(this.state.lvt[entry])
    // A wire that is up meets the entry that has just been opened.
    if (entry === LVT_LINT0 && this.takesLegacy()) this.to.wake()
  }

  private endOfInterrupt(): void {
    const vector = highest(this.state.isr)
    if (vector < 0) return
    put(this.state.isr, vector, false)
    if (has(this.state.tmr, vector)) this.to.endOfInterrupt(vector)
    if (this.pendingVector() >= 0) this.to.wake()
  }

  private writeIcr(low: number, high: number): void {
    this.state.icrLow = (low & 0x000c_cfff) >>> 0
    this.state.icrHigh = high >>> 0
    const delivery = (low >>> 8) & 7
    const level = (low & 0x4000) !== 0
    const levelTriggered = (low & 0x8000) !== 0
    // INIT level de-assert only set arbitration ids of the old serial bus.
    if (delivery === A.DELIVERY_INIT && levelTriggered && !level) return
    const vector = low & 0xff
    if (vector < 16 && delivery <= A.DELIVERY_LOWEST) return this.error(A.ESR_SEND_ILLEGAL)
    const destination = this.x2apic ? high >>> 0 : high >>> 24
    // An IPI of fixed type is edge triggered whatever bit 15 says.
    this.to.send(
      { destination, logical: (low & 0x800) !== 0, delivery, vector, levelTriggered: false, wide: this.x2apic },
      (low >>> 18) & 3,
      this,
    )
  }

  private sendSelf(vector: number): void {
    if (vector < 16) this.error(A.ESR_SEND_ILLEGAL)
    else this.request(vector, false)
  }

  private illegalRegister(): number {
    this.error(A.ESR_ILLEGAL_REGISTER)
    return 0
  }

  private writeBase(lo: number, hi: number): boolean {
    const bits = A.APIC_BASE_ENABLE | A.APIC_BASE_EXTD
    const from = this.state.base & bits
    const to = lo & bits
    const page = (lo & ~0xfff) >>> 0
    // The page can be moved inside the hole that devices have; where RAM is, RAM would answer (16.3.1).
    if (hi !== 0 || (lo & 0xfff & ~(bits | A.APIC_BASE_BSP)) !== 0 || page < PCI_MMIO_BASE) return false
    if (to === A.APIC_BASE_EXTD || (to === bits && from === 0) || (from === bits && to === A.APIC_BASE_ENABLE)) return false

    if (to === 0 && from !== 0) this.reset(0)
    this.state.base = to | (lo & A.APIC_BASE_BSP)
    this.state.page = page
    if (to === bits && from !== bits) {
      this.state.ldr = 0
      this.state.icrHigh = 0
    }
    return true
  }

  /** Lowest priority wins a lowest-priority message. */
  arbitrationPriority(): number {
    return this.processorPriority()
  }

  get accepts(): boolean {
    return this.softwareEnabled
  }

  save(): unknown {
    return copyState({ registers: this.state, timer: this.timer.save() })
  }

  restore(value: unknown, where: string): void {
    const saved = (typeof value === 'object' && value !== null ? value : {}) as { registers?: unknown; timer?: unknown }
    const state = adoptState(this.state, saved.registers, where)
    if (
      !within(state.tpr, 0, 0xff) ||
      !within(state.sipi, -1, 0xff) ||
      !within(state.page, PCI_MMIO_BASE, 0xffff_f000) ||
      state.page & 0xfff
    )
      doesNotFit(where)
    this.state = state
    this.timer.restore(saved.timer, `${where}.timer`)
  }
}
