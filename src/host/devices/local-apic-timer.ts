/**
 * The local APIC's timer (AMD64 APM vol. 2, 16.4.1): one-shot, periodic, and TSC deadline. A period that elapses
 * several times before anyone looks is one interrupt: IRR holds one bit a vector anyway.
 */
import { APIC_BUS_HZ, LVT_MASKED, LVT_TIMER_DEADLINE, LVT_TIMER_PERIODIC } from '../../spec/pc/index.js'
import { ZERO, numberOf, type Halves } from './halves.js'
import { PERIOD_NS_MIN, nextTickNs, type Scheduler, type Timer } from './time.js'
import { adoptState, copyState } from './state.js'

const NS_PER_CLOCK = 1e9 / APIC_BUS_HZ

const initialState = () => ({
  initialCount: 0,
  divide: 0,
  startNs: 0,
  running: false,
  deadlineLo: 0,
  deadlineHi: 0,
  tscAtZero: 0,
  lvt: LVT_MASKED,
})

export class LocalApicTimer {
  // connections
  private readonly timer: Timer
  // state
  private state = initialState()

  constructor(
    name: string,
    // configuration
    private readonly tscKHz: number,
    // connections
    private readonly scheduler: Scheduler,
    private readonly expired: () => void,
  ) {
    this.timer = scheduler.timer(name, () => this.fire())
  }

  get initialCount(): number {
    return this.state.initialCount
  }

  get divide(): number {
    return this.state.divide
  }

  /** INIT and power-on. The TSC goes on. */
  reset(): void {
    this.state = { ...initialState(), tscAtZero: this.state.tscAtZero }
    this.timer.cancel()
  }

  setLvt(value: number): void {
    const before = this.mode()
    this.state.lvt = value
    const after = this.mode()
    if (before !== after && (before === LVT_TIMER_DEADLINE || after === LVT_TIMER_DEADLINE)) this.disarm()
    // What is left of the period is what a single shot counts from here on.
    else if (before === LVT_TIMER_PERIODIC && after !== before && this.state.running) this.state.startNs = this.periodBeganNs()
    this.schedule()
  }

  setInitialCount(value: number): void {
    if (this.mode() === LVT_TIMER_DEADLINE) return
    this.state.initialCount = value
    this.state.startNs = this.scheduler.nowNs()
    this.state.running = value !== 0
    this.schedule()
  }

  setDivide(value: number): void {
    const left = this.currentCount()
    this.state.divide = value & 0xb
    // The counter keeps its value and goes on at the new rate.
    this.state.startNs = this.scheduler.nowNs() - (this.state.initialCount - left) * this.clockNs()
    this.schedule()
  }

  currentCount(): number {
    const { initialCount, startNs } = this.state
    // A single shot that has expired stays at zero, also where the mode is changed to periodic.
    if (!this.state.running || this.mode() === LVT_TIMER_DEADLINE) return 0
    const elapsed = Math.max(0, Math.floor((this.scheduler.nowNs() - startNs) / this.clockNs()))
    if (this.mode() === LVT_TIMER_PERIODIC) return initialCount - (elapsed % initialCount)
    return Math.max(0, initialCount - elapsed)
  }

  readDeadline(): Halves {
    return this.mode() === LVT_TIMER_DEADLINE ? { lo: this.state.deadlineLo, hi: this.state.deadlineHi } : ZERO
  }

  writeDeadline(lo: number, hi: number): void {
    if (this.mode() !== LVT_TIMER_DEADLINE) return
    this.state.deadlineLo = lo
    this.state.deadlineHi = hi
    this.schedule()
  }

  /** `ticks` is what the guest's TSC read (or would have read) at guest time 0. */
  setTscAtZero(ticks: number): void {
    this.state.tscAtZero = ticks
    this.schedule()
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    this.state = adoptState(this.state, value, where)
  }

  private mode(): number {
    return (this.state.lvt >>> 17) & 3
  }

  private masked(): boolean {
    return (this.state.lvt & LVT_MASKED) !== 0
  }

  private disarm(): void {
    this.state.initialCount = 0
    this.state.running = false
    this.state.deadlineLo = 0
    this.state.deadlineHi = 0
  }

  /** Divide configuration bits 3,1,0: 000 = by 2 … 110 = by 128, 111 = by 1. */
  private clockNs(): number {
    const code = (this.state.divide & 3) | ((this.state.divide >> 1) & 4)
    return NS_PER_CLOCK * (1 << ((code + 1) & 7))
  }

  private periodBeganNs(): number {
    const { initialCount, startNs } = this.state
    const period = initialCount * this.clockNs()
    return startNs + Math.max(0, Math.floor((this.scheduler.nowNs() - startNs) / period)) * period
  }

  private periodNs(): number {
    return Math.max(PERIOD_NS_MIN, this.state.initialCount * this.clockNs())
  }

  /** A masked period is not worth waking for; a masked single shot is let pass, so that unmasking it later does not fire it. */
  private schedule(): void {
    const { initialCount, startNs, running, deadlineLo, deadlineHi, tscAtZero } = this.state
    const mode = this.mode()
    if (mode === LVT_TIMER_DEADLINE) {
      const deadline = numberOf(deadlineLo, deadlineHi)
      if (deadline === 0) this.timer.cancel()
      else this.timer.arm(((deadline - tscAtZero) * 1e6) / this.tscKHz)
    } else if (mode === LVT_TIMER_PERIODIC) {
      if (!running || this.masked()) this.timer.cancel()
      else this.timer.arm(nextTickNs(startNs, this.periodNs(), this.scheduler.nowNs()))
    } else if (!running || mode > LVT_TIMER_DEADLINE) {
      this.timer.cancel()
    } else {
      this.timer.arm(startNs + initialCount * this.clockNs())
    }
  }

  private fire(): void {
    const mode = this.mode()
    if (mode === LVT_TIMER_DEADLINE) this.disarm()
    if (mode === LVT_TIMER_PERIODIC) this.schedule()
    else this.state.running = false
    if (!this.masked()) this.expired()
  }
}
