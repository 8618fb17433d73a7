/** What a virtio device is to its transport: type, features, queues, configuration bytes. */
import type { Stateful } from '../state.js'
import type { Virtqueue } from './virtqueue.js'

export interface VirtioDevice extends Stateful {
  /** Device type (virtio 1.2, chapter 5). */
  readonly type: number
  /** PCI class, subclass and interface. */
  readonly pciClass: number
  /** Device-specific feature bits, 0..23. */
  readonly features: number
  readonly queues: readonly { readonly sizeMax: number; readonly readableBytesMax: number }[]
  readonly config: Uint8Array
  /** Queues in the order of `queues`; called once. */
  connect(queues: readonly Virtqueue[]): void
  /** The driver says that queue `index` has something. */
  notify(index: number): void
  reset(): void
}
