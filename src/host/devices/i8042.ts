/**
 * Intel 8042 keyboard controller with nothing plugged in. It answers its own commands, so that probing ends at once; a byte for the
 * keyboard or mouse comes back as 0xFE with the timeout flag, as from a controller whose wire is silent.
 */
import { adoptState, copyState, type Stateful } from './state.js'
import type { Wire } from './wire.js'

const STATUS_OUTPUT_FULL = 0x01
const STATUS_SYSTEM = 0x04
const STATUS_COMMAND = 0x08
const STATUS_UNLOCKED = 0x10
const STATUS_MOUSE_DATA = 0x20
const STATUS_TIMEOUT = 0x40

const MODE_KEYBOARD_INTERRUPT = 0x01
const MODE_MOUSE_INTERRUPT = 0x02
const MODE_SYSTEM = 0x04
const MODE_KEYBOARD_DISABLED = 0x10
const MODE_MOUSE_DISABLED = 0x20

const initialState = () => ({
  status: STATUS_SYSTEM | STATUS_UNLOCKED,
  mode: MODE_SYSTEM | MODE_KEYBOARD_DISABLED | MODE_MOUSE_DISABLED,
  /** Command whose data byte is awaited, 0 if none. */
  command: 0,
  data: 0,
  outputPort: 0xcf,
})

export class I8042 implements Stateful {
  // state
  private state = initialState()

  constructor(
    // connections
    private readonly keyboardIrq: Wire,
    private readonly mouseIrq: Wire,
    private readonly reset: () => void,
  ) {}

  readStatus(): number {
    return this.state.status
  }

  readData(): number {
    this.state.status &= ~(STATUS_OUTPUT_FULL | STATUS_MOUSE_DATA | STATUS_TIMEOUT)
    this.drive()
    return this.state.data
  }

  writeCommand(value: number): void {
    const { state } = this
    state.status |= STATUS_COMMAND
    state.command = 0
    if (value >= 0x20 && value < 0x40) return this.answer(value === 0x20 ? state.mode : 0)
    // Pulse output port: bits 3:0 low = pulse; bit 0 is the reset line.
    if (value >= 0xf0) {
      if (!(value & 1)) this.reset()
      return
    }
    switch (value) {
      case 0xa7:
        state.mode |= MODE_MOUSE_DISABLED
        break
      case 0xa8:
        state.mode &= ~MODE_MOUSE_DISABLED
        break
      case 0xa9: // test mouse port: clock line stuck low
      case 0xab: // test keyboard port: the same
        this.answer(0x01)
        break
      case 0xaa:
        this.answer(0x55)
        break
      case 0xad:
        state.mode |= MODE_KEYBOARD_DISABLED
        break
      case 0xae:
        state.mode &= ~MODE_KEYBOARD_DISABLED
        break
      case 0xc0:
        this.answer(0x80)
        break
      case 0xd0:
        this.answer(state.outputPort)
        break
      case 0x60:
      case 0xd1:
      case 0xd2:
      case 0xd3:
      case 0xd4:
        state.command = value
        break
      default:
        break
    }
  }

  writeData(value: number): void {
    const { state } = this
    const { command } = state
    state.status &= ~STATUS_COMMAND
    state.command = 0
    switch (command) {
      case 0x60:
        state.mode = value
        this.drive()
        break
      case 0xd1:
        state.outputPort = value
        if (!(value & 1)) this.reset()
        break
      case 0xd2:
        this.answer(value)
        break
      case 0xd3:
        this.answer(value, STATUS_MOUSE_DATA)
        break
      case 0xd4:
        this.answer(0xfe, STATUS_MOUSE_DATA | STATUS_TIMEOUT)
        break
      default:
        this.answer(0xfe, STATUS_TIMEOUT)
    }
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    this.state = adoptState(this.state, value, where)
  }

  private answer(data: number, flags = 0): void {
    const { state } = this
    state.data = data
    state.status = (state.status & ~(STATUS_MOUSE_DATA | STATUS_TIMEOUT)) | STATUS_OUTPUT_FULL | flags
    this.drive()
  }

  private drive(): void {
    const { status, mode } = this.state
    const full = (status & STATUS_OUTPUT_FULL) !== 0
    const mouse = (status & STATUS_MOUSE_DATA) !== 0
    this.keyboardIrq(full && !mouse && (mode & MODE_KEYBOARD_INTERRUPT) !== 0)
    this.mouseIrq(full && mouse && (mode & MODE_MOUSE_INTERRUPT) !== 0)
  }
}
