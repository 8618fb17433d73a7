/**
 * National PC16550D UART (data sheet TL/C/8652). The transmitter is infinitely fast: a byte written is a byte sent, so LSR says "empty"
 * always. The far end is a terminal with hardware flow control: it sends only while the guest shows RTS (or has enabled receive
 * interrupts), so that nothing typed or piped in while the guest boots is lost in a driver's FIFO reset.
 */
import { adoptState, copyState, doesNotFit, within, type Stateful } from './state.js'
import type { Wire } from './wire.js'

const FIFO_BYTES = 16
/** Bytes waiting outside the FIFO. More is refused, so that a pipe faster than the guest does not fill our memory. */
export const UART_INPUT_BYTES_MAX = 4096

const IER_RECEIVE = 1
const IER_TRANSMIT = 2
const IER_LINE_STATUS = 4
const IER_MODEM_STATUS = 8
const IIR_NONE = 1
const IIR_TRANSMIT = 2
const IIR_RECEIVE = 4
const IIR_LINE_STATUS = 6
const IIR_RECEIVE_TIMEOUT = 12
const LCR_DLAB = 0x80
const MCR_DTR = 1
const MCR_RTS = 2
const MCR_OUT1 = 4
const MCR_OUT2 = 8
const MCR_LOOP = 0x10
const LSR_DATA_READY = 1
const LSR_OVERRUN = 2
const LSR_EMPTY = 0x60
const MSR_CTS_DSR_DCD = 0xb0

const initialState = () => ({
  ier: 0,
  fifosEnabled: false,
  trigger: 1,
  lcr: 0,
  mcr: 0,
  msrDelta: 0,
  scratch: 0,
  divisor: 12,
  overrun: false,
  /** The transmitter became empty and nobody has been told. */
  transmitReady: false,
  fifo: new Uint8Array(FIFO_BYTES),
  fifoCount: 0,
  queue: new Uint8Array(UART_INPUT_BYTES_MAX),
  queueFirst: 0,
  queueCount: 0,
  /** The last input was not taken whole. */
  refused: false,
})

export class Uart16550 implements Stateful {
  // state
  private state = initialState()

  constructor(
    // connections
    private readonly irq: Wire,
    private readonly output: (byte: number) => void,
    private readonly space: () => void,
  ) {}

  /** Bytes for the guest; returns how many were taken. If not all, `space` is called once there is room (never from in here). */
  input(bytes: Uint8Array): number {
    const { state } = this
    let taken = 0
    while (taken < bytes.length && this.freeInput() > 0) {
      state.queue[(state.queueFirst + state.queueCount) % UART_INPUT_BYTES_MAX] = bytes[taken++]
      state.queueCount++
    }
    state.refused = false
    this.update()
    state.refused = taken < bytes.length
    return taken
  }

  freeInput(): number {
    return UART_INPUT_BYTES_MAX - this.state.queueCount
  }

  read(offset: number): number {
    const { state } = this
    switch (offset) {
      case 0:
        return state.lcr & LCR_DLAB ? state.divisor & 0xff : this.receive()
      case 1:
        return state.lcr & LCR_DLAB ? state.divisor >>> 8 : state.ier
      case 2:
        return this.identify()
      case 3:
        return state.lcr
      case 4:
        return state.mcr
      case 5:
        return this.lineStatus()
      case 6:
        return this.modemStatus()
      default:
        return state.scratch
    }
  }

  write(offset: number, value: number): void {
    const { state } = this
    switch (offset) {
      case 0:
        if (state.lcr & LCR_DLAB) state.divisor = (state.divisor & 0xff00) | value
        else this.transmit(value)
        break
      case 1:
        if (state.lcr & LCR_DLAB) state.divisor = (state.divisor & 0xff) | (value << 8)
        else this.enableInterrupts(value & 0x0f)
        break
      case 2:
        this.controlFifos(value)
        break
      case 3:
        state.lcr = value
        break
      case 4:
        this.controlModem(value & 0x1f)
        break
      case 7:
        state.scratch = value
        break
      default:
        // LSR and MSR: writing is for factory tests.
        break
    }
    this.update()
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    const state = adoptState(this.state, value, where)
    const { fifoCount, queueFirst, queueCount } = state
    if (
      !within(fifoCount, 0, FIFO_BYTES) ||
      !within(queueFirst, 0, UART_INPUT_BYTES_MAX - 1) ||
      !within(queueCount, 0, UART_INPUT_BYTES_MAX)
    )
      doesNotFit(where)
    this.state = state
  }

  private get loops(): boolean {
    return (this.state.mcr & MCR_LOOP) !== 0
  }

  private get listens(): boolean {
    return !this.loops && ((this.state.mcr & MCR_RTS) !== 0 || (this.state.ier & IER_RECEIVE) !== 0)
  }

  private receive(): number {
    const { state } = this
    if (state.fifoCount === 0) return 0
    const byte = state.fifo[0]
    state.fifo.copyWithin(0, 1, state.fifoCount)
    state.fifoCount--
    this.update()
    return byte
  }

  private transmit(value: number): void {
    const { state } = this
    if (this.loops) this.arrive(value)
    else this.output(value)
    state.transmitReady = true
  }

  private arrive(byte: number): void {
    const { state } = this
    const room = state.fifosEnabled ? FIFO_BYTES : 1
    if (state.fifoCount < room) state.fifo[state.fifoCount++] = byte
    else state.overrun = true
  }

  private enableInterrupts(value: number): void {
    const { state } = this
    // Switching the transmit interrupt on while the transmitter is empty raises it at once; drivers rely on that to start sending.
    if (value & ~state.ier & IER_TRANSMIT) state.transmitReady = true
    state.ier = value
  }

  private controlFifos(value: number): void {
    const { state } = this
    const enabled = (value & 1) !== 0
    if (enabled !== state.fifosEnabled || (enabled && value & 2)) this.clearFifo()
    state.fifosEnabled = enabled
    state.trigger = enabled ? [1, 4, 8, 14][(value >>> 6) & 3] : 1
  }

  /** What a driver clears away while it probes, the far end sends again: nothing typed early is lost. */
  private clearFifo(): void {
    const { state } = this
    const again = this.loops ? 0 : Math.min(state.fifoCount, this.freeInput())
    for (let i = again - 1; i >= 0; i--) {
      state.queueFirst = (state.queueFirst + UART_INPUT_BYTES_MAX - 1) % UART_INPUT_BYTES_MAX
      state.queue[state.queueFirst] = state.fifo[i]
    }
    state.queueCount += again
    state.fifoCount = 0
  }

  private controlModem(value: number): void {
    const before = this.modemLines()
    this.state.mcr = value
    const after = this.modemLines()
    // Deltas: CTS, DSR, trailing edge of RI, DCD.
    const changed = before ^ after
    this.state.msrDelta |= ((changed >>> 4) & 0b1011) | (before & ~after & 0x40 ? 4 : 0)
  }

  /** MSR bits 7:4. Looped back they are the outputs: RTS→CTS, DTR→DSR, OUT1→RI, OUT2→DCD. Else a terminal that is always there. */
  private modemLines(): number {
    const { mcr } = this.state
    if (!this.loops) return MSR_CTS_DSR_DCD
    return (mcr & MCR_RTS ? 0x10 : 0) | (mcr & MCR_DTR ? 0x20 : 0) | (mcr & MCR_OUT1 ? 0x40 : 0) | (mcr & MCR_OUT2 ? 0x80 : 0)
  }

  private modemStatus(): number {
    const value = this.modemLines() | this.state.msrDelta
    this.state.msrDelta = 0
    this.update()
    return value
  }

  private lineStatus(): number {
    const { state } = this
    const value = LSR_EMPTY | (state.fifoCount > 0 ? LSR_DATA_READY : 0) | (state.overrun ? LSR_OVERRUN : 0)
    if (state.overrun) {
      state.overrun = false
      this.update()
    }
    return value
  }

  /** The foremost interrupt, without the FIFO bits. */
  private interrupt(): number {
    const { state } = this
    if (state.ier & IER_LINE_STATUS && state.overrun) return IIR_LINE_STATUS
    if (state.ier & IER_RECEIVE && state.fifoCount > 0) return state.fifoCount >= state.trigger ? IIR_RECEIVE : IIR_RECEIVE_TIMEOUT
    if (state.ier & IER_TRANSMIT && state.transmitReady) return IIR_TRANSMIT
    if (state.ier & IER_MODEM_STATUS && state.msrDelta !== 0) return 0
    return IIR_NONE
  }

  private identify(): number {
    const interrupt = this.interrupt()
    if (interrupt === IIR_TRANSMIT) {
      this.state.transmitReady = false
      this.update()
    }
    return interrupt | (this.state.fifosEnabled ? 0xc0 : 0)
  }

  /** Takes what has been typed as far as the FIFO has room, and drives the wire: the PC gates it with OUT2. */
  private update(): void {
    const { state } = this
    const room = state.fifosEnabled ? FIFO_BYTES : 1
    while (this.listens && state.queueCount > 0 && state.fifoCount < room) {
      state.fifo[state.fifoCount++] = state.queue[state.queueFirst]
      state.queueFirst = (state.queueFirst + 1) % UART_INPUT_BYTES_MAX
      state.queueCount--
    }
    this.irq((state.mcr & MCR_OUT2) !== 0 && !this.loops && this.interrupt() !== IIR_NONE)
    if (!state.refused || state.queueCount === UART_INPUT_BYTES_MAX) return
    state.refused = false
    this.space()
  }
}
