/** virtio console device with one port (virtio 1.2, 5.3): queue 0 to the guest, queue 1 from it. */
import { VIRTIO_CONSOLE } from '../../../spec/virtio/device.js'
import { adoptState, copyState, doesNotFit, within } from '../state.js'
import type { VirtioDevice } from './virtio-device.js'
import type { Virtqueue } from './virtqueue.js'

/** Input that waits for the guest's buffers; more is refused, so that a pipe cannot fill our memory. */
const INPUT_BYTES_MAX = 4096
/** Output of one request. Linux sends at most a few pages. */
const OUTPUT_BYTES_MAX = 0x1_0000

const initialState = () => ({
  waiting: new Uint8Array(INPUT_BYTES_MAX),
  count: 0,
  /** The last input was not taken whole. */
  refused: false,
})

export class VirtioConsole implements VirtioDevice {
  readonly type = VIRTIO_CONSOLE
  readonly pciClass = 0x07_8000
  readonly features = 0
  readonly queues = [
    { sizeMax: 64, readableBytesMax: 0 },
    { sizeMax: 64, readableBytesMax: OUTPUT_BYTES_MAX },
  ]
  readonly config = new Uint8Array(12)
  private receive: Virtqueue | undefined
  private transmit: Virtqueue | undefined
  // state
  private state = initialState()

  constructor(
    // connections
    private readonly output: (bytes: Uint8Array) => void,
    /** There is room again after `input` refused some. Never called from inside `input`. */
    private readonly space: () => void,
  ) {}

  connect(queues: readonly Virtqueue[]): void {
    this.receive = queues[0]
    this.transmit = queues[1]
  }

  input(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.freeInput())
    this.state.waiting.set(bytes.subarray(0, taken), this.state.count)
    this.state.count += taken
    this.state.refused = false
    this.feed()
    this.state.refused = taken < bytes.length
    return taken
  }

  freeInput(): number {
    return INPUT_BYTES_MAX - this.state.count
  }

  notify(index: number): void {
    if (index === 0) this.feed()
    else if (index === 1) this.drain()
  }

  /** What has been typed stays typed when the driver starts over. */
  reset(): void {}

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    const state = adoptState(this.state, value, where)
    if (!within(state.count, 0, INPUT_BYTES_MAX)) doesNotFit(where)
    this.state = state
  }

  private feed(): void {
    const { state, receive } = this
    if (!receive) return
    let served = false
    while (state.count > 0) {
      const chain = receive.pop()
      if (!chain) break
      const length = Math.min(chain.writableBytes, state.count)
      const filled = receive.fill(chain, 0, state.waiting.subarray(0, length))
      receive.push(chain, filled ? length : 0)
      state.waiting.copyWithin(0, length, state.count)
      state.count -= length
      served = true
    }
    if (served) receive.signal()
    if (!state.refused || this.freeInput() === 0) return
    state.refused = false
    this.space()
  }

  private drain(): void {
    const { transmit } = this
    if (!transmit) return
    let served = false
    for (let chain = transmit.pop(); chain; chain = transmit.pop()) {
      if (chain.readable.length > 0) this.output(chain.readable)
      transmit.push(chain, 0)
      served = true
    }
    if (served) transmit.signal()
  }
}
