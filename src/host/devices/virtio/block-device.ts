/** virtio block device (virtio 1.2, 5.2) over a `BlockBackend`. */
import * as B from '../../../spec/virtio/block.js'
import { VIRTIO_BLOCK } from '../../../spec/virtio/device.js'
import { numberOf } from '../halves.js'
import type { BlockBackend } from './block-backend.js'
import type { VirtioDevice } from './virtio-device.js'
import type { Chain, Virtqueue } from './virtqueue.js'

/** What the driver is told, and what a request may have in all: header, segments, and one byte. A larger one would only cost us memory. */
const SEGMENTS_MAX = 126
const SEGMENT_BYTES_MAX = 0x1_0000
const DATA_BYTES_MAX = SEGMENTS_MAX * SEGMENT_BYTES_MAX

function describe(backend: BlockBackend): Uint8Array {
  const view = new DataView(new ArrayBuffer(B.BLOCK_CFG_BYTES))
  view.setUint32(B.BLOCK_CFG_CAPACITY, backend.sectors, true)
  view.setUint32(B.BLOCK_CFG_CAPACITY + 4, Math.floor(backend.sectors / 2 ** 32), true)
  view.setUint32(B.BLOCK_CFG_SIZE_MAX, SEGMENT_BYTES_MAX, true)
  view.setUint32(B.BLOCK_CFG_SEG_MAX, SEGMENTS_MAX, true)
  view.setUint32(B.BLOCK_CFG_BLK_SIZE, B.SECTOR_BYTES, true)
  return new Uint8Array(view.buffer)
}

export class VirtioBlock implements VirtioDevice {
  readonly type = VIRTIO_BLOCK
  readonly pciClass = 0x01_8000
  readonly features: number
  readonly queues = [{ sizeMax: 128, readableBytesMax: B.BLOCK_HEADER_BYTES + DATA_BYTES_MAX }]
  readonly config: Uint8Array
  private queue: Virtqueue | undefined

  constructor(
    // connections
    private readonly backend: BlockBackend,
  ) {
    this.config = describe(backend)
    const readOnly = backend.readOnly ? 1 << B.BLOCK_READ_ONLY : 0
    this.features = (1 << B.BLOCK_SIZE_MAX) | (1 << B.BLOCK_SEG_MAX) | (1 << B.BLOCK_BLK_SIZE) | (1 << B.BLOCK_FLUSH) | readOnly
  }

  connect(queues: readonly Virtqueue[]): void {
    this.queue = queues[0]
  }

  notify(): void {
    const { queue } = this
    if (!queue) return
    let served = false
    for (let chain = queue.pop(); chain; chain = queue.pop()) {
      queue.push(chain, this.serve(queue, chain))
      served = true
    }
    if (served) queue.signal()
  }

  reset(): void {}

  save(): unknown {
    return {}
  }

  restore(): void {}

  /** Executes a request and returns how many bytes of answer were written; the last byte is the status. */
  private serve(queue: Virtqueue, chain: Chain): number {
    const statusAt = chain.writableBytes - 1
    if (statusAt < 0) return 0
    const answer = this.execute(chain)
    const data = typeof answer === 'number' ? undefined : answer.subarray(0, statusAt)
    let status = typeof answer === 'number' ? answer : B.BLOCK_OK
    if (data && !queue.fill(chain, 0, data)) status = B.BLOCK_IO_ERROR
    if (!queue.fill(chain, statusAt, Uint8Array.of(status))) return 0
    return (status === B.BLOCK_OK ? (data?.length ?? 0) : 0) + 1
  }

  /** A status, or the data of a request that succeeded. */
  private execute(chain: Chain): number | Uint8Array {
    if (chain.readable.length < B.BLOCK_HEADER_BYTES) return B.BLOCK_IO_ERROR
    const view = new DataView(chain.readable.buffer, chain.readable.byteOffset)
    const sector = numberOf(view.getUint32(8, true), view.getUint32(12, true))
    const given = chain.readable.subarray(B.BLOCK_HEADER_BYTES)
    switch (view.getUint32(0, true)) {
      case B.BLOCK_IN: {
        const bytes = chain.writableBytes - 1
        if (!this.inside(sector, bytes)) return B.BLOCK_IO_ERROR
        return this.backend.read(sector, bytes / B.SECTOR_BYTES) ?? B.BLOCK_IO_ERROR
      }
      case B.BLOCK_OUT:
        if (this.backend.readOnly || !this.inside(sector, given.length)) return B.BLOCK_IO_ERROR
        return this.backend.write(sector, given) ? B.BLOCK_OK : B.BLOCK_IO_ERROR
      case B.BLOCK_FLUSH_REQUEST:
        return this.backend.flush() ? B.BLOCK_OK : B.BLOCK_IO_ERROR
      case B.BLOCK_GET_ID: {
        const id = new Uint8Array(B.BLOCK_ID_BYTES)
        for (let i = 0; i < Math.min(this.backend.id.length, id.length); i++) id[i] = this.backend.id.charCodeAt(i) & 0x7f
        return id
      }
      default:
        return B.BLOCK_UNSUPPORTED
    }
  }

  private inside(sector: number, bytes: number): boolean {
    return bytes % B.SECTOR_BYTES === 0 && bytes <= DATA_BYTES_MAX && sector + bytes / B.SECTOR_BYTES <= this.backend.sectors
  }
}
