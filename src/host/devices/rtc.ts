/**
 * MC146818 real-time clock with 128 bytes of CMOS. The time of day is guest time plus an offset, so the clock is never late and
 * never ticks; flags that a guest polls are worked out when it looks, and a timer stands only for enabled interrupts.
 */
import * as R from '../../spec/pc/cmos.js'
import { CMOS_CENTURY } from '../../spec/pc/acpi-pm.js'
import { civilTime, epochSeconds, type CivilTime } from './calendar.js'
import { adoptState, copyState, doesNotFit, within, type Stateful } from './state.js'
import { nextTickNs, type Scheduler, type Timer } from './time.js'
import type { Wire } from './wire.js'

const SECOND_NS = 1e9
/** UIP rises 244 µs before the update. */
const UPDATE_WARNING_NS = 244_000

/** No date that the registers can show is further from 1970. */
const SECONDS_MAX = 2 ** 40

const initialState = () => ({
  index: 0,
  cmos: new Uint8Array(128),
  /** Time since 1970 at guest time 0, in two parts because nanoseconds since 1970 are more than a number holds exactly. */
  offsetSeconds: 0,
  offsetNs: 0,
  /** Last looked for flags at this guest time. */
  lookedNs: 0,
})

export class Rtc implements Stateful {
  // connections
  private readonly update: Timer
  private readonly periodic: Timer
  // state
  private state = initialState()

  constructor(
    // configuration
    wallMsAtStart: number,
    ramBytes: number,
    lowRamEnd: number,
    // connections
    private readonly scheduler: Scheduler,
    private readonly irq: Wire,
  ) {
    this.update = scheduler.timer('rtc-update', () => this.look())
    this.periodic = scheduler.timer('rtc-periodic', () => this.look())
    this.state.offsetSeconds = Math.floor(wallMsAtStart / 1000)
    this.state.offsetNs = Math.floor((wallMsAtStart - this.state.offsetSeconds * 1000) * 1e6)
    this.state.cmos[R.RTC_A] = 0x26
    this.state.cmos[R.RTC_B] = R.RTC_B_24_HOURS
    this.fillMemorySizes(ramBytes, lowRamEnd)
  }

  readIndex(): number {
    return 0xff
  }

  /** Bit 7 of port 70h masks NMI on a PC; our NMIs come through the APICs only. */
  writeIndex(value: number): void {
    this.state.index = value & 0x7f
  }

  readData(): number {
    const { index, cmos } = this.state
    this.look()
    switch (index) {
      case R.RTC_A:
        return cmos[R.RTC_A] | (this.updating() ? R.RTC_A_UPDATE_IN_PROGRESS : 0)
      case R.RTC_C: {
        const flags = cmos[R.RTC_C]
        cmos[R.RTC_C] = 0
        this.irq(false)
        this.schedule()
        return flags
      }
      case R.RTC_D:
        return R.RTC_D_VALID
      default:
        if (this.isTime(index) && !this.isSetting()) this.latchTime()
        return cmos[index]
    }
  }

  writeData(value: number): void {
    const { index, cmos } = this.state
    this.look()
    switch (index) {
      case R.RTC_A:
        cmos[R.RTC_A] = value & 0x7f
        break
      case R.RTC_B:
        this.writeB(value)
        break
      case R.RTC_C:
      case R.RTC_D:
        break
      default:
        if (this.isTime(index) && !this.isSetting()) {
          this.latchTime()
          cmos[index] = value
          this.adoptTime()
        } else cmos[index] = value
    }
    this.schedule()
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    const state = adoptState(this.state, value, where)
    if (!within(state.index, 0, 0x7f) || !within(Math.abs(state.offsetSeconds), 0, SECONDS_MAX) || !within(state.offsetNs, 0, SECOND_NS))
      doesNotFit(where)
    this.state = state
  }

  private isTime(index: number): boolean {
    return index === 0 || index === 2 || index === 4 || (index >= 6 && index <= 9) || index === CMOS_CENTURY
  }

  private isSetting(): boolean {
    return (this.state.cmos[R.RTC_B] & R.RTC_B_SET) !== 0
  }

  private updating(): boolean {
    return !this.isSetting() && (this.scheduler.nowNs() + this.state.offsetNs) % SECOND_NS >= SECOND_NS - UPDATE_WARNING_NS
  }

  private writeB(value: number): void {
    const { cmos } = this.state
    const wasSetting = this.isSetting()
    if (!wasSetting && value & R.RTC_B_SET) {
      this.latchTime()
      value &= ~R.RTC_B_UPDATE
    }
    cmos[R.RTC_B] = value
    if (wasSetting && !(value & R.RTC_B_SET)) this.adoptTime()
    this.raise(0)
  }

  // ---- time of day -----------------------------------------------------------------------------------------------

  private encode(value: number): number {
    return this.state.cmos[R.RTC_B] & R.RTC_B_BINARY ? value & 0xff : (((Math.floor(value / 10) % 10) << 4) | (value % 10)) & 0xff
  }

  private decode(value: number): number {
    return this.state.cmos[R.RTC_B] & R.RTC_B_BINARY ? value : (value >>> 4) * 10 + (value & 15)
  }

  private encodeHour(hour: number): number {
    if (this.state.cmos[R.RTC_B] & R.RTC_B_24_HOURS) return this.encode(hour)
    return this.encode(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0)
  }

  private decodeHour(value: number): number {
    if (this.state.cmos[R.RTC_B] & R.RTC_B_24_HOURS) return this.decode(value)
    return (this.decode(value & 0x7f) % 12) + (value & 0x80 ? 12 : 0)
  }

  /** Seconds since 1970 at guest time `ns`. */
  private secondAt(ns: number): number {
    return this.state.offsetSeconds + Math.floor((ns + this.state.offsetNs) / SECOND_NS)
  }

  /** Guest time at which second `second` begins. */
  private timeOf(second: number): number {
    return (second - this.state.offsetSeconds) * SECOND_NS - this.state.offsetNs
  }

  private latchTime(): void {
    const { cmos } = this.state
    const time = civilTime(this.secondAt(this.scheduler.nowNs()))
    cmos[R.RTC_SECONDS] = this.encode(time.second)
    cmos[R.RTC_MINUTES] = this.encode(time.minute)
    cmos[R.RTC_HOURS] = this.encodeHour(time.hour)
    cmos[R.RTC_DAY_OF_WEEK] = this.encode(time.weekday)
    cmos[R.RTC_DAY_OF_MONTH] = this.encode(time.day)
    cmos[R.RTC_MONTH] = this.encode(time.month)
    cmos[R.RTC_YEAR] = this.encode(time.year % 100)
    cmos[CMOS_CENTURY] = this.encode(Math.floor(time.year / 100))
  }

  /** The registers become the time; the fraction of the present second goes on. */
  private adoptTime(): void {
    const { cmos } = this.state
    const now = this.scheduler.nowNs()
    const time: Omit<CivilTime, 'weekday'> = {
      second: this.decode(cmos[R.RTC_SECONDS]),
      minute: this.decode(cmos[R.RTC_MINUTES]),
      hour: this.decodeHour(cmos[R.RTC_HOURS]),
      day: this.decode(cmos[R.RTC_DAY_OF_MONTH]),
      month: this.decode(cmos[R.RTC_MONTH]),
      year: this.decode(cmos[R.RTC_YEAR]) + this.decode(cmos[CMOS_CENTURY]) * 100,
    }
    this.state.offsetSeconds += epochSeconds(time) - this.secondAt(now)
    this.state.lookedNs = now
  }

  // ---- flags and interrupts --------------------------------------------------------------------------------------

  /** Rate select of register A: 3..15 give 8192 Hz to 2 Hz, 1 and 2 are 256 and 128 Hz. Infinity where off. */
  private periodNs(): number {
    const rate = this.state.cmos[R.RTC_A] & 15
    if (rate === 0) return Infinity
    const shift = rate < 3 ? rate + 6 : rate - 1
    return (SECOND_NS * 2 ** shift) / 32_768
  }

  /** Sets the flags for all that passed since we last looked: each at most once. */
  private look(): void {
    const now = this.scheduler.nowNs()
    const { lookedNs } = this.state
    const period = this.periodNs()
    let flags = 0
    if (period !== Infinity && Math.floor(now / period) > Math.floor(lookedNs / period)) flags |= R.RTC_B_PERIODIC
    const second = this.secondAt(now)
    const before = this.secondAt(lookedNs)
    if (second > before && !this.isSetting()) {
      flags |= R.RTC_B_UPDATE
      if (this.nextAlarm(before) <= second) flags |= R.RTC_B_ALARM
    }
    this.state.lookedNs = Math.max(now, lookedNs)
    if (flags !== 0) this.raise(flags)
    this.schedule()
  }

  private raise(flags: number): void {
    const { cmos } = this.state
    let present = (cmos[R.RTC_C] | flags) & 0x70
    if (present & cmos[R.RTC_B] & 0x70) present |= R.RTC_C_IRQ
    cmos[R.RTC_C] = present
    this.irq((present & R.RTC_C_IRQ) !== 0)
  }

  private schedule(): void {
    const { cmos } = this.state
    const now = this.scheduler.nowNs()
    const enabled = cmos[R.RTC_B]
    const raised = cmos[R.RTC_C]
    const wants = (flag: number): boolean => (enabled & flag) !== 0 && (raised & flag) === 0
    const period = this.periodNs()
    if (wants(R.RTC_B_PERIODIC) && period !== Infinity) this.periodic.arm(nextTickNs(0, period, now))
    else this.periodic.cancel()
    const second = this.secondAt(now)
    if (this.isSetting()) this.update.cancel()
    else if (wants(R.RTC_B_UPDATE)) this.update.arm(this.timeOf(second + 1))
    else if (wants(R.RTC_B_ALARM)) this.update.arm(this.timeOf(this.nextAlarm(second)))
    else this.update.cancel()
  }

  /** The first second after `from` that the alarm registers name (values from 0xc0 up match any), Infinity if none can. */
  private nextAlarm(from: number): number {
    const { cmos } = this.state
    const field = (raw: number, value: number): number => ((raw & 0xc0) === 0xc0 ? -1 : value)
    const wantedSecond = field(cmos[R.RTC_SECONDS_ALARM], this.decode(cmos[R.RTC_SECONDS_ALARM]))
    const wantedMinute = field(cmos[R.RTC_MINUTES_ALARM], this.decode(cmos[R.RTC_MINUTES_ALARM]))
    const wantedHour = field(cmos[R.RTC_HOURS_ALARM], this.decodeHour(cmos[R.RTC_HOURS_ALARM]))
    if (wantedSecond > 59 || wantedMinute > 59 || wantedHour > 23) return Infinity
    const end = from + 86_400
    let at = from + 1
    while (at <= end) {
      const inDay = ((at % 86_400) + 86_400) % 86_400
      if (wantedHour >= 0 && Math.floor(inDay / 3600) !== wantedHour) at += 3600 - (inDay % 3600)
      else if (wantedMinute >= 0 && Math.floor(inDay / 60) % 60 !== wantedMinute) at += 60 - (inDay % 60)
      else if (wantedSecond >= 0 && inDay % 60 !== wantedSecond) at++
      else return at
    }
    return Infinity
  }

  private fillMemorySizes(ramBytes: number, lowRamEnd: number): void {
    const { cmos } = this.state
    const low = Math.min(ramBytes, lowRamEnd)
    const put16 = (at: number, value: number): void => {
      cmos[at] = value & 0xff
      cmos[at + 1] = (value >>> 8) & 0xff
    }
    put16(R.CMOS_BASE_MEMORY, 640)
    const extended = Math.min(0xffff, Math.max(0, Math.floor(low / 1024) - 1024))
    put16(R.CMOS_EXTENDED_MEMORY, extended)
    put16(R.CMOS_EXTENDED_MEMORY_2, extended)
    put16(R.CMOS_MEMORY_ABOVE_16M, Math.min(0xffff, Math.max(0, Math.floor((low - 0x100_0000) / 0x1_0000))))
    const above = Math.floor(Math.max(0, ramBytes - lowRamEnd) / 0x1_0000)
    put16(R.CMOS_MEMORY_ABOVE_4G, above & 0xffff)
    cmos[R.CMOS_MEMORY_ABOVE_4G + 2] = Math.floor(above / 0x1_0000) & 0xff
  }
}
