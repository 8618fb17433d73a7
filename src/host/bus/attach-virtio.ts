/** The virtio functions that the options ask for: entropy, console, disks, in this order from PCI device 1. */
import { PCI_SLOT_ISA_BRIDGE, PCI_SLOT_VIRTIO_FIRST } from '../../spec/pc/pci.js'
import type { Stateful } from '../devices/state.js'
import { VirtioBlock } from '../devices/virtio/block-device.js'
import { VirtioConsole } from '../devices/virtio/console-device.js'
import type { VirtioDevice } from '../devices/virtio/virtio-device.js'
import { VirtioRng } from '../devices/virtio/entropy-device.js'
import type { InterruptRouter } from './interrupt-router.js'
import type { ConsoleInput, PcOptions } from './pc.js'
import type { PciBus } from './pci-bus.js'
import { VirtioPci } from './virtio-pci.js'

export interface AttachedVirtio {
  readonly parts: Record<string, Stateful>
  readonly console: ConsoleInput | undefined
}

export function attachVirtio(options: PcOptions, interrupts: InterruptRouter, pci: PciBus): AttachedVirtio {
  const parts: Record<string, Stateful> = {}
  const { entropy, console: terminal, blocks = [] } = options.virtio ?? {}
  let slot = PCI_SLOT_VIRTIO_FIRST
  const attach = (name: string, device: VirtioDevice): void => {
    if (slot >= PCI_SLOT_ISA_BRIDGE) throw new RangeError('more virtio devices than PCI slots')
    const transport = new VirtioPci(device, options.memory, interrupts.pciLine(slot, 0), (address, data) => interrupts.msi(address, data))
    pci.attach(slot++, transport.pci)
    parts[name] = transport
  }

  if (entropy) attach('virtio-rng', new VirtioRng(entropy))
  const port =
    terminal &&
    new VirtioConsole(
      (bytes) => terminal.output(bytes),
      () => terminal.inputSpace?.(),
    )
  if (port) attach('virtio-console', port)
  blocks.forEach((backend, i) => attach(`virtio-block${i}`, new VirtioBlock(backend)))
  return { parts, console: port && { input: (bytes) => port.input(bytes), freeInput: () => port.freeInput() } }
}
