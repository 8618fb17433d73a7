/**
 * Intel 8254 programmable interval timer (data sheet 231164). Channel 0 drives IRQ 0, channel 2 the speaker and, through
 * port 61h, every kernel's calibration loop. Counts are computed from guest time; nothing ticks but channel 0's interrupt.
 */
import { adoptState, copyState, doesNotFit, within, type Stateful } from './state.js'
import { PERIOD_NS_MIN, nextTickNs, type Scheduler, type Timer } from './time.js'
import type { Wire } from './wire.js'

export const PIT_HZ = 1_193_182
const NS_PER_TICK = 1e9 / PIT_HZ

/** Start of a count that has not been triggered: it looks as if it had long run out. */
const LONG_AGO_NS = -1e15

const LOW = 1
const HIGH = 2
const WORD = 3

const initialChannel = (gate: boolean) => ({
  mode: 3,
  bcd: false,
  /** 1 low byte, 2 high byte, 3 low then high. */
  access: WORD,
  readsHigh: false,
  writesHigh: false,
  writeLatch: 0,
  count: 0x1_0000,
  loaded: false,
  gate,
  startNs: 0,
  /** Ticks counted when the gate closed; -1 while it is open. */
  heldTicks: -1,
  /** Latched count or -1, and how much of it is unread. */
  latched: -1,
  status: -1,
})

type Channel = ReturnType<typeof initialChannel>

function fromBcd(value: number): number {
  return ((value >>> 12) & 15) * 1000 + ((value >>> 8) & 15) * 100 + ((value >>> 4) & 15) * 10 + (value & 15)
}

function toBcd(value: number): number {
  return (
    ((Math.floor(value / 1000) % 10) << 12) | ((Math.floor(value / 100) % 10) << 8) | ((Math.floor(value / 10) % 10) << 4) | (value % 10)
  )
}

export class Pit8254 implements Stateful {
  // connections
  private readonly timer: Timer
  // state
  private channels = [initialChannel(true), initialChannel(true), initialChannel(false)]

  constructor(
    // connections
    private readonly scheduler: Scheduler,
    private readonly irq: Wire,
  ) {
    this.timer = scheduler.timer('pit', () => this.fire())
  }

  read(offset: number): number {
    if (offset === 3) return 0xff
    const channel = this.channels[offset]
    if (channel.status >= 0) {
      const status = channel.status
      channel.status = -1
      return status
    }
    const count = channel.latched >= 0 ? channel.latched : this.visibleCount(channel)
    const high = channel.access === HIGH || (channel.access === WORD && channel.readsHigh)
    if (channel.access === WORD) channel.readsHigh = !channel.readsHigh
    if (channel.access !== WORD || high) channel.latched = -1
    return (high ? count >>> 8 : count) & 0xff
  }

  write(offset: number, value: number): void {
    if (offset === 3) return this.control(value)
    const channel = this.channels[offset]
    if (channel.access === LOW) this.load(offset, value)
    else if (channel.access === HIGH) this.load(offset, value << 8)
    else if (channel.writesHigh) {
      channel.writesHigh = false
      this.load(offset, channel.writeLatch | (value << 8))
    } else {
      channel.writesHigh = true
      channel.writeLatch = value
      // In mode 0 the first byte stops the count and takes OUT down.
      if (channel.mode === 0) this.stop(offset)
    }
  }

  get gate2(): boolean {
    return this.channels[2].gate
  }

  /** Port 61h bit 0. */
  setGate2(level: boolean): void {
    const channel = this.channels[2]
    if (level === channel.gate) return
    const now = this.scheduler.nowNs()
    const ticks = this.ticks(channel)
    channel.gate = level
    const retriggers = channel.mode !== 0 && channel.mode !== 4
    if (!level) {
      // Modes 1 and 5 only look at the rising edge.
      if (channel.mode !== 1 && channel.mode !== 5) channel.heldTicks = ticks
    } else {
      channel.startNs = retriggers || channel.heldTicks < 0 ? now : now - channel.heldTicks * NS_PER_TICK
      channel.heldTicks = -1
    }
  }

  get out2(): boolean {
    return this.out(this.channels[2])
  }

  save(): unknown {
    return copyState(this.channels)
  }

  restore(value: unknown, where: string): void {
    const channels = adoptState(this.channels, value, where)
    for (const { mode, access, count } of channels)
      if (!within(mode, 0, 5) || !within(access, LOW, WORD) || !within(count, 1, 0x1_0000)) doesNotFit(where)
    this.channels = channels
  }

  private control(value: number): void {
    const select = value >>> 6
    if (select === 3) return this.readBack(value)
    const channel = this.channels[select]
    const access = (value >>> 4) & 3
    if (access === 0) return this.latch(channel)
    const mode = (value >>> 1) & 7
    channel.access = access
    channel.mode = mode > 5 ? mode - 4 : mode
    channel.bcd = (value & 1) !== 0
    channel.readsHigh = false
    channel.writesHigh = false
    channel.latched = -1
    channel.status = -1
    this.stop(select)
  }

  private readBack(value: number): void {
    for (let i = 0; i < 3; i++) {
      const channel = this.channels[i]
      if (!(value & (2 << i))) continue
      if (!(value & 0x20)) this.latch(channel)
      if (!(value & 0x10) && channel.status < 0) {
        const flags = (this.out(channel) ? 0x80 : 0) | (channel.loaded ? 0 : 0x40)
        channel.status = flags | (channel.access << 4) | (channel.mode << 1) | (channel.bcd ? 1 : 0)
      }
    }
  }

  private latch(channel: Channel): void {
    if (channel.latched < 0) channel.latched = this.visibleCount(channel)
  }

  private stop(index: number): void {
    this.channels[index].loaded = false
    if (index === 0) this.timer.cancel()
  }

  private load(index: number, raw: number): void {
    const channel = this.channels[index]
    const value = channel.bcd ? fromBcd(raw) : raw
    channel.count = value === 0 ? (channel.bcd ? 10_000 : 0x1_0000) : value
    const waitsForEdge = channel.mode === 1 || channel.mode === 5
    channel.startNs = waitsForEdge ? LONG_AGO_NS : this.scheduler.nowNs()
    channel.loaded = true
    channel.heldTicks = channel.gate || waitsForEdge ? -1 : 0
    if (index === 0) this.schedule()
  }

  /** Clock ticks since the count was loaded or triggered. */
  private ticks(channel: Channel): number {
    if (channel.heldTicks >= 0) return channel.heldTicks
    return Math.max(0, Math.floor((this.scheduler.nowNs() - channel.startNs) / NS_PER_TICK + 1e-6))
  }

  private visibleCount(channel: Channel): number {
    const { count, mode } = channel
    const modulus = channel.bcd ? 10_000 : 0x1_0000
    const ticks = channel.loaded ? this.ticks(channel) : 0
    let left: number
    if (mode === 2) left = count - (ticks % count)
    else if (mode === 3) left = count - ((2 * ticks) % count)
    else left = (((count - ticks) % modulus) + modulus) % modulus
    left %= modulus
    return channel.bcd ? toBcd(left) : left
  }

  private out(channel: Channel): boolean {
    const { count, mode } = channel
    if (!channel.loaded) return mode !== 0
    const ticks = this.ticks(channel)
    switch (mode) {
      case 0:
      case 1:
        return ticks >= count
      case 2:
        return !channel.gate || ticks % count !== count - 1
      case 3:
        return !channel.gate || ticks % count < (count + 1) >>> 1
      default:
        return ticks !== count
    }
  }

  /** Channel 0's gate is tied high: modes 1 and 5, which wait for its edge, never raise the interrupt. */
  private schedule(): void {
    const { mode, count, startNs } = this.channels[0]
    if (mode === 2 || mode === 3) {
      const periodNs = Math.max(PERIOD_NS_MIN, count * NS_PER_TICK)
      this.timer.arm(nextTickNs(startNs, periodNs, this.scheduler.nowNs()))
    } else if (mode === 0) this.timer.arm(startNs + count * NS_PER_TICK)
    else if (mode === 4) this.timer.arm(startNs + (count + 1) * NS_PER_TICK)
    else this.timer.cancel()
  }

  private fire(): void {
    const { mode } = this.channels[0]
    if (mode === 2 || mode === 3) this.schedule()
    this.irq(true)
    this.irq(false)
  }
}
