/**
 * The device that bare-metal test kernels drive themselves with, as QEMU's `pc-testdev` has it: a port that keeps what is written to it,
 * interrupt lines that are levels of ports, and memory that is reached as a device is. No machine has it unless asked for.
 */
import { TEST_LINES, TEST_MEMORY_BYTES } from '../../spec/pc/test-device.js'
import { allOnes, type Halves } from './halves.js'
import { adoptState, copyState, type Stateful } from './state.js'
import { byteRegisters, type PortDevice, type Wire } from './wire.js'

const initialState = () => ({ port: new Uint8Array(4), memory: new Uint8Array(TEST_MEMORY_BYTES) })

export class TestDevice implements Stateful {
  // connections
  private readonly lines: readonly Wire[]
  // state
  private state = initialState()

  constructor(lines: readonly Wire[]) {
    if (lines.length !== TEST_LINES) throw new Error(`assert: the test device has ${TEST_LINES} lines`)
    this.lines = lines
  }

  readonly storage: PortDevice = byteRegisters(
    (offset) => this.state.port[offset] ?? 0xff,
    (offset, value) => (this.state.port[offset] = value),
  )

  /** One port a line; any value but zero raises it, whatever the size of the write. */
  readonly lineLevels: PortDevice = {
    readPort: (_, size) => allOnes(size).lo,
    writePort: (offset, _, value) => this.lines[offset]?.(value !== 0),
  }

  /** `offset + size` may lie beyond the end: those bytes read as ones and vanish. */
  readMemory(offset: number, size: number): Halves {
    const word = (at: number, bytes: number): number => {
      let value = 0
      for (let i = 0; i < bytes; i++) value |= (this.state.memory[at + i] ?? 0xff) << (8 * i)
      return value >>> 0
    }
    return size === 8 ? { lo: word(offset, 4), hi: word(offset + 4, 4) } : { lo: word(offset, size), hi: 0 }
  }

  writeMemory(offset: number, size: number, lo: number, hi: number): void {
    for (let i = 0; i < size; i++) {
      if (offset + i < TEST_MEMORY_BYTES) this.state.memory[offset + i] = (i < 4 ? lo >>> (8 * i) : hi >>> (8 * (i - 4))) & 0xff
    }
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    this.state = adoptState(this.state, value, where)
  }
}
