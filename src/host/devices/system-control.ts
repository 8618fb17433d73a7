/** The PC's odd registers: port 61h (speaker, PIT gate), 92h (fast A20 and reset), CF9 (reset control), 80h (POST), B2/B3 (SMI). */
import { adoptState, copyState, type Stateful } from './state.js'
import type { Pit8254 } from './pit8254.js'
import type { Scheduler } from './time.js'

/** Port 61h bit 4 toggled with each DRAM refresh of the AT, about every 15 µs; old delay loops count it. */
const REFRESH_NS = 15_085

const initialState = () => ({ controlB: 0, controlA: 2, reset: 0, post: 0, smiStatus: 0, smiCommand: 0 })

export class SystemControl implements Stateful {
  // state
  private state = initialState()

  constructor(
    // connections
    private readonly scheduler: Scheduler,
    private readonly pit: Pit8254,
    private readonly smi: (command: number) => void,
    private readonly reset: (cause: 'cf9' | 'port-92') => void,
  ) {}

  get postCode(): number {
    return this.state.post
  }

  readControlB(): number {
    const refresh = Math.floor(this.scheduler.nowNs() / REFRESH_NS) & 1
    return (this.state.controlB & 0x0e) | (this.pit.gate2 ? 1 : 0) | (refresh << 4) | (this.pit.out2 ? 0x20 : 0)
  }

  writeControlB(value: number): void {
    this.state.controlB = value & 0x0f
    this.pit.setGate2((value & 1) !== 0)
  }

  /** A20 is always open here; the bit reads as it was written. */
  readControlA(): number {
    return this.state.controlA
  }

  writeControlA(value: number): void {
    const rising = (value & ~this.state.controlA & 1) !== 0
    this.state.controlA = value & 0x03
    if (rising) this.reset('port-92')
  }

  readReset(): number {
    return this.state.reset
  }

  /** The 0→1 edge of bit 2 resets; bits 1 and 3 say how hard, which is all the same to us. */
  writeReset(value: number): void {
    const rising = (value & ~this.state.reset & 4) !== 0
    this.state.reset = value & 0x0a
    if (rising) this.reset('cf9')
  }

  readPost(): number {
    return this.state.post
  }

  writePost(value: number): void {
    this.state.post = value
  }

  readSmi(offset: number): number {
    return offset === 0 ? this.state.smiCommand : this.state.smiStatus
  }

  writeSmi(offset: number, value: number): void {
    if (offset === 0) {
      this.state.smiCommand = value
      this.smi(value)
    } else this.state.smiStatus = value
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    this.state = adoptState(this.state, value, where)
  }
}
