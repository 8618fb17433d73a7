/** The virtio functions that the options ask for. */
import type { Stateful } from '../devices/state.js'
import type { InterruptRouter } from './interrupt-router.js'
import type { ConsoleInput, PcOptions } from './pc.js'
import type { PciBus } from './pci-bus.js'

export interface AttachedVirtio {
  readonly parts: Record<string, Stateful>
  readonly console: ConsoleInput | undefined
}

export function attachVirtio(options: PcOptions, _interrupts: InterruptRouter, _pci: PciBus): AttachedVirtio {
  if (options.virtio) throw new Error('virtio is not on this board')
  return { parts: {}, console: undefined }
}
