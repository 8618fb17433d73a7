/** Intel 8259A interrupt controllers, the PC's pair (data sheet 231468; ELCR from 82371AB/ICH9). */
import type { LegacyInterrupts } from './local-apic-connections.js'
import { adoptState, copyState, doesNotFit, within, type Stateful } from './state.js'
import type { Wire } from './wire.js'

/** Initialisation goes ICW1 → ICW2 → ICW3 → (ICW4) → ready; ICW1 starts it again from anywhere. */
const READY = 0
const WANTS_ICW2 = 1
const WANTS_ICW3 = 2
const WANTS_ICW4 = 3

const initialState = () => ({
  irr: 0,
  imr: 0xff,
  isr: 0,
  levels: 0,
  elcr: 0,
  /** Input that has the lowest number in priority order. */
  first: 0,
  base: 0,
  stage: READY,
  needsIcw4: false,
  readsIsr: false,
  poll: false,
  specialMask: false,
  specialNested: false,
  autoEoi: false,
  rotateOnAutoEoi: false,
})

class Pic8259 {
  // state
  state = initialState()

  constructor(
    // configuration
    private readonly elcrWritable: number,
    /** Inputs driven by another controller: they follow its output and are never latched. */
    private readonly cascade: number,
    // connections
    private readonly changed: () => void,
  ) {}

  input(line: number, level: boolean): void {
    const bit = 1 << line
    const { state } = this
    const rising = level && (state.levels & bit) === 0
    if (level) state.levels |= bit
    else state.levels &= ~bit
    if (this.followsLevel(bit)) state.irr = level ? state.irr | bit : state.irr & ~bit
    else if (rising) state.irr |= bit
    this.changed()
  }

  /** The input to serve, -1 if none is above what is in service. */
  request(): number {
    const { state } = this
    const wanted = this.rank(state.irr & ~state.imr)
    let service = state.isr
    if (state.specialMask) service &= ~state.imr
    if (state.specialNested) service &= ~this.cascade
    return wanted < this.rank(service) ? (wanted + state.first) & 7 : -1
  }

  acknowledge(line: number): void {
    const { state } = this
    const bit = 1 << line
    if (state.autoEoi) {
      if (state.rotateOnAutoEoi) state.first = (line + 1) & 7
    } else state.isr |= bit
    if (!this.followsLevel(bit)) state.irr &= ~bit
    this.changed()
  }

  readCommand(): number {
    const { state } = this
    if (!state.poll) return state.readsIsr ? state.isr : state.irr
    state.poll = false
    const line = this.request()
    if (line < 0) return 0
    this.acknowledge(line)
    return 0x80 | line
  }

  readData(): number {
    return this.state.poll ? this.readCommand() : this.state.imr
  }

  writeCommand(value: number): void {
    if (value & 0x10) this.initialize(value)
    else if (value & 0x08) this.operation3(value)
    else this.operation2(value)
    this.changed()
  }

  writeData(value: number): void {
    const { state } = this
    switch (state.stage) {
      case WANTS_ICW2:
        state.base = value & 0xf8
        state.stage = WANTS_ICW3
        break
      case WANTS_ICW3:
        state.stage = state.needsIcw4 ? WANTS_ICW4 : READY
        break
      case WANTS_ICW4:
        state.specialNested = (value & 0x10) !== 0
        state.autoEoi = (value & 0x02) !== 0
        state.stage = READY
        break
      default:
        state.imr = value
    }
    this.changed()
  }

  writeElcr(value: number): void {
    this.state.elcr = value & this.elcrWritable
    this.changed()
  }

  private followsLevel(bit: number): boolean {
    return ((this.state.elcr | this.cascade) & bit) !== 0
  }

  /** 0 (highest) to 7 for the foremost of `lines`, 8 for none. */
  private rank(lines: number): number {
    for (let rank = 0; rank < 8; rank++) if (lines & (1 << ((rank + this.state.first) & 7))) return rank
    return 8
  }

  private initialize(icw1: number): void {
    const { levels, elcr, base } = this.state
    this.state = { ...initialState(), levels, elcr, base, imr: 0, stage: WANTS_ICW2, needsIcw4: (icw1 & 1) !== 0 }
    // Edges seen before are forgotten; lines that are followed are still up.
    this.state.irr = levels & (elcr | this.cascade)
  }

  /** OCW2: end of interrupt and rotation. */
  private operation2(value: number): void {
    const { state } = this
    const command = value >>> 5
    let line = value & 7
    switch (command) {
      case 0:
      case 4:
        state.rotateOnAutoEoi = command === 4
        break
      case 1:
      case 5: {
        const rank = this.rank(state.isr)
        if (rank === 8) break
        line = (rank + state.first) & 7
        state.isr &= ~(1 << line)
        if (command === 5) state.first = (line + 1) & 7
        break
      }
      case 3:
      case 7:
        state.isr &= ~(1 << line)
        if (command === 7) state.first = (line + 1) & 7
        break
      case 6:
        state.first = (line + 1) & 7
        break
    }
  }

  /** OCW3: poll, register to read, special mask. */
  private operation3(value: number): void {
    const { state } = this
    if (value & 0x04) state.poll = true
    if (value & 0x02) state.readsIsr = (value & 1) !== 0
    if (value & 0x40) state.specialMask = (value & 0x20) !== 0
  }
}

export class PicPair implements LegacyInterrupts, Stateful {
  private readonly master: Pic8259
  private readonly slave: Pic8259
  private settling = false
  private output = false

  constructor(private readonly intr: Wire) {
    // Timer, keyboard, cascade, RTC and coprocessor are always edge triggered.
    this.master = new Pic8259(0xf8, 1 << 2, () => this.settle())
    this.slave = new Pic8259(0xde, 0, () => this.settle())
  }

  /** ISA interrupt 0..15. */
  input(irq: number, level: boolean): void {
    if (irq === 2) return
    if (irq < 8) this.master.input(irq, level)
    else this.slave.input(irq - 8, level)
  }

  get pending(): boolean {
    return this.output
  }

  peek(): number {
    const line = this.master.request()
    if (line < 0) return this.master.state.base + 7
    if (line !== 2) return this.master.state.base + line
    const inner = this.slave.request()
    return this.slave.state.base + (inner < 0 ? 7 : inner)
  }

  /** The INTA cycles. A request that has gone meanwhile ends as the spurious interrupt 7 of its controller. */
  acknowledge(): number {
    const vector = this.peek()
    const line = this.master.request()
    if (line < 0) return vector
    if (line === 2) {
      const inner = this.slave.request()
      if (inner >= 0) this.slave.acknowledge(inner)
    }
    this.master.acknowledge(line)
    return vector
  }

  /** Registers of the chip `which`: offset 0 command, 1 data. */
  read(which: 'master' | 'slave', offset: number): number {
    const chip = this[which]
    return offset === 0 ? chip.readCommand() : chip.readData()
  }

  write(which: 'master' | 'slave', offset: number, value: number): void {
    const chip = this[which]
    if (offset === 0) chip.writeCommand(value)
    else chip.writeData(value)
  }

  readElcr(which: 'master' | 'slave'): number {
    return this[which].state.elcr
  }

  writeElcr(which: 'master' | 'slave', value: number): void {
    this[which].writeElcr(value)
  }

  save(): unknown {
    return copyState({ master: this.master.state, slave: this.slave.state })
  }

  restore(value: unknown, where: string): void {
    const saved = adoptState({ master: this.master.state, slave: this.slave.state }, value, where)
    for (const { first, base } of [saved.master, saved.slave]) if (!within(first, 0, 7) || !within(base, 0, 0xf8)) doesNotFit(where)
    this.master.state = saved.master
    this.slave.state = saved.slave
    this.settle()
  }

  /** Brings the cascade and INTR in line with the requests. */
  private settle(): void {
    if (this.settling) return
    this.settling = true
    this.master.input(2, this.slave.request() >= 0)
    this.settling = false
    const output = this.master.request() >= 0
    if (output === this.output) return
    this.output = output
    this.intr(output)
  }
}
