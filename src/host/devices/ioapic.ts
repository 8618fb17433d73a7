/** Intel 82093AA I/O APIC, version 0x20 (with EOI register). */
import { messageOfMsi, type ApicMessage } from './apic-message.js'
import { IOAPIC_ID, IOAPIC_PINS, IOAPIC_VERSION } from '../../spec/pc/interrupts.js'
import { adoptState, copyState, type Stateful } from './state.js'

/** Redirection entry, low half: vector 7:0, delivery mode 10:8, logical 11, status 12, polarity 13, remote IRR 14, level 15, mask 16. */
const REMOTE_IRR = 1 << 14
const LEVEL = 1 << 15
const MASKED = 1 << 16
const LOW_WRITABLE = 0x1_afff

const initialState = () => ({
  select: 0,
  id: IOAPIC_ID,
  low: new Uint32Array(IOAPIC_PINS).fill(MASKED),
  high: new Uint32Array(IOAPIC_PINS),
  levels: 0,
})

export class IoApic implements Stateful {
  // state
  private state = initialState()

  constructor(
    // connections
    /** False where no local APIC took the message. */
    private readonly send: (message: ApicMessage) => boolean,
  ) {}

  /** Levels are in logical terms, true = asserted: the polarity bit is kept but changes nothing. */
  input(pin: number, level: boolean): void {
    const bit = 1 << pin
    const rising = level && (this.state.levels & bit) === 0
    this.state.levels = level ? this.state.levels | bit : this.state.levels & ~bit
    if (this.state.low[pin] & LEVEL) this.serveLevel(pin)
    // An edge that meets a masked entry is neither delivered nor kept (data sheet, interrupt mask).
    else if (rising && !(this.state.low[pin] & MASKED)) this.deliver(pin)
  }

  /** End-of-interrupt broadcast of a local APIC, or a write to the EOI register. */
  endOfInterrupt(vector: number): void {
    const { low } = this.state
    for (let pin = 0; pin < IOAPIC_PINS; pin++) {
      if ((low[pin] & (LEVEL | REMOTE_IRR)) !== (LEVEL | REMOTE_IRR) || (low[pin] & 0xff) !== vector) continue
      low[pin] &= ~REMOTE_IRR
      this.serveLevel(pin)
    }
  }

  read(offset: number): number {
    if (offset === 0x00) return this.state.select
    if (offset !== 0x10) return 0
    const { select, id, low, high } = this.state
    if (select === 0 || select === 2) return (id << 24) >>> 0
    if (select === 1) return ((IOAPIC_PINS - 1) << 16) | IOAPIC_VERSION
    const pin = (select - 0x10) >> 1
    if (pin < 0 || pin >= IOAPIC_PINS) return 0xffff_ffff
    return select & 1 ? high[pin] : low[pin]
  }

  write(offset: number, value: number): void {
    if (offset === 0x00) this.state.select = value & 0xff
    else if (offset === 0x10) this.writeSelected(value)
    else if (offset === 0x40) this.endOfInterrupt(value & 0xff)
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    this.state = adoptState(this.state, value, where)
  }

  private writeSelected(value: number): void {
    const { select, low, high } = this.state
    if (select === 0) this.state.id = (value >>> 24) & 15
    const pin = (select - 0x10) >> 1
    if (pin < 0 || pin >= IOAPIC_PINS) return
    if (select & 1) {
      high[pin] = value & 0xff00_0000
      return
    }
    // Turning an entry to edge clears remote IRR: how software without the EOI register ends a level interrupt.
    const kept = value & LEVEL ? low[pin] & REMOTE_IRR : 0
    low[pin] = (value & LOW_WRITABLE) | kept
    if (low[pin] & LEVEL) this.serveLevel(pin)
  }

  private serveLevel(pin: number): void {
    const { low, levels } = this.state
    if (!(levels & (1 << pin)) || low[pin] & (MASKED | REMOTE_IRR)) return
    if (this.deliver(pin)) low[pin] |= REMOTE_IRR
  }

  private deliver(pin: number): boolean {
    const { low, high } = this.state
    // An entry has the fields of an MSI in other places.
    const logical = low[pin] & 0x800 ? 4 : 0
    return this.send(messageOfMsi(((high[pin] >>> 24) << 12) | logical, low[pin] & 0x87ff))
  }
}
