/** ACPI fixed hardware: PM1 event and control, PM timer, GPE0 (ACPI 6.5, 4.8.3). */
import * as P from '../../spec/pc/acpi-pm.js'
import { adoptState, copyState, type Stateful } from './state.js'
import type { Scheduler, Timer } from './time.js'
import type { PortDevice, Wire } from './wire.js'

const NS_PER_TICK = 1e9 / P.PM_TIMER_HZ
const EVENTS_EMULATED =
  P.PM1_STS_TIMER | P.PM1_STS_GLOBAL | P.PM1_STS_POWER_BUTTON | P.PM1_STS_SLEEP_BUTTON | P.PM1_STS_RTC | P.PM1_STS_WAKE
/** TMR_STS is set each time bit 31 of the counter changes. */
const HALF_TURN_TICKS = 2 ** 31

const initialState = () => ({ status: 0, enable: 0, control: 0, halfTurns: 0, gpeStatus: new Uint8Array(8), gpeEnable: new Uint8Array(8) })

export class AcpiPm implements Stateful, PortDevice {
  // connections
  private readonly timer: Timer
  // state
  private state = initialState()

  constructor(
    // connections
    private readonly scheduler: Scheduler,
    private readonly sci: Wire,
    private readonly powerOff: () => void,
  ) {
    this.timer = scheduler.timer('pm-timer', () => this.lookAtTimer())
  }

  pressPowerButton(): void {
    this.state.status |= P.PM1_STS_POWER_BUTTON
    this.update()
  }

  /** SMI_CMD, port B2h. */
  command(value: number): void {
    if (value === P.ACPI_ENABLE_VALUE) this.state.control |= P.PM1_CNT_SCI_EN
    if (value === P.ACPI_DISABLE_VALUE) this.state.control &= ~P.PM1_CNT_SCI_EN
    this.update()
  }

  readPort(offset: number, size: number): number {
    let value = 0
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (8 * i)
    return value >>> 0
  }

  /** Registers are words: a byte write leaves the other byte as it is (for status bits: writes zeros there). */
  writePort(offset: number, size: number, value: number): void {
    for (let i = 0; i < size;) {
      const at = offset + i
      const whole = (at & 1) === 0 && i + 1 < size
      this.writeWord(
        at & ~1,
        whole ? (value >>> (8 * i)) & 0xffff : ((value >>> (8 * i)) & 0xff) << (8 * (at & 1)),
        whole ? 0xffff : 0xff << (8 * (at & 1)),
      )
      i += whole ? 2 : 1
    }
    this.update()
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    this.state = adoptState(this.state, value, where)
  }

  private ticks(): number {
    return Math.floor(this.scheduler.nowNs() / NS_PER_TICK + 1e-6)
  }

  private readByte(offset: number): number {
    const port = P.PM_BASE + offset
    if (port < P.PM1A_EVENT + 4) {
      this.lookAtTimer()
      return ((this.state.status | (this.state.enable << 16)) >>> (8 * offset)) & 0xff
    }
    if (port < P.PM1A_CONTROL + 2) return (this.state.control >>> (8 * (port - P.PM1A_CONTROL))) & 0xff
    if (port >= P.PM_TIMER && port < P.PM_TIMER + 4) return Math.floor((this.ticks() % 2 ** 32) / 2 ** (8 * (port - P.PM_TIMER))) & 0xff
    const gpe = port - P.GPE0
    if (gpe >= 0 && gpe < 8) return this.state.gpeStatus[gpe]
    if (gpe >= 8 && gpe < P.GPE0_BYTES) return this.state.gpeEnable[gpe - 8]
    return 0
  }

  private writeWord(offset: number, value: number, mask: number): void {
    const { state } = this
    const port = P.PM_BASE + offset
    if (port === P.PM1A_EVENT) {
      this.lookAtTimer()
      state.status &= ~value
    } else if (port === P.PM1A_EVENT + 2) state.enable = (state.enable & ~mask) | (value & EVENTS_EMULATED)
    else if (port === P.PM1A_CONTROL) this.writeControl((state.control & ~mask) | value)
    else {
      const gpe = port - P.GPE0
      for (const i of [0, 1]) {
        if (!(mask & (0xff << (8 * i)))) continue
        const byte = (value >>> (8 * i)) & 0xff
        if (gpe >= 0 && gpe < 8) state.gpeStatus[gpe + i] &= ~byte
        else if (gpe >= 8 && gpe < P.GPE0_BYTES) state.gpeEnable[gpe - 8 + i] = byte
      }
    }
  }

  private writeControl(value: number): void {
    // SCI_EN belongs to the firmware's SMI handler; SLP_EN always reads zero.
    this.state.control = (value & ~(P.PM1_CNT_SCI_EN | P.PM1_CNT_SLP_EN) & 0xffff) | (this.state.control & P.PM1_CNT_SCI_EN)
    if (value & P.PM1_CNT_SLP_EN && ((value >>> P.PM1_CNT_SLP_TYP_SHIFT) & 7) === P.S5_SLEEP_TYPE) this.powerOff()
  }

  private lookAtTimer(): void {
    const halfTurns = Math.floor(this.ticks() / HALF_TURN_TICKS)
    if (halfTurns !== this.state.halfTurns) this.state.status |= P.PM1_STS_TIMER
    this.state.halfTurns = halfTurns
    this.update()
  }

  private update(): void {
    const { status, enable, control, halfTurns, gpeStatus, gpeEnable } = this.state
    const gpe = gpeStatus.some((byte, i) => (byte & gpeEnable[i]) !== 0)
    this.sci((control & P.PM1_CNT_SCI_EN) !== 0 && ((status & enable) !== 0 || gpe))
    if (enable & ~status & P.PM1_STS_TIMER) this.timer.arm((halfTurns + 1) * HALF_TURN_TICKS * NS_PER_TICK)
    else this.timer.cancel()
  }
}
