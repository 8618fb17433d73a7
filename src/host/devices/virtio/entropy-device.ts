/** virtio entropy device (virtio 1.2, 5.4). */
import { VIRTIO_ENTROPY } from '../../../spec/virtio/device.js'
import type { VirtioDevice } from './virtio-device.js'
import type { Virtqueue } from './virtqueue.js'

/** Random bytes for one request. A guest may offer gigabytes of buffer; it gets this much and may ask again. */
const BYTES_MAX = 0x1_0000

export class VirtioRng implements VirtioDevice {
  readonly type = VIRTIO_ENTROPY
  readonly pciClass = 0x10_0000
  readonly features = 0
  readonly queues = [{ sizeMax: 64, readableBytesMax: 0 }]
  readonly config = new Uint8Array(0)
  private queue: Virtqueue | undefined

  constructor(
    // connections
    private readonly entropy: { fill(target: Uint8Array): void },
  ) {}

  connect(queues: readonly Virtqueue[]): void {
    this.queue = queues[0]
  }

  notify(): void {
    const { queue } = this
    if (!queue) return
    let served = false
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      const bytes = new Uint8Array(Math.min(chain.writableBytes, BYTES_MAX))
      this.entropy.fill(bytes)
      queue.push(chain, queue.fill(chain, 0, bytes) ? bytes.length : 0)
      served = true
    }
    if (served) queue.signal()
  }

  reset(): void {}

  save(): unknown {
    return {}
  }

  restore(): void {}
}
