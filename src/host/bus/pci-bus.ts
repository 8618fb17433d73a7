/** PCI bus 0: configuration mechanism 1 (CF8/CFC), ECAM, and the memory window. */
import { PCI_BAR0, PCI_COMMAND, PCI_COMMAND_MASTER, PCI_COMMAND_MEMORY, PCI_INTERRUPT_LINE, PCI_INTERRUPT_PIN } from '../../spec/pc/pci.js'
import { PCI_INTX_ISA, pciIntxWire } from '../../spec/pc/interrupts.js'
import { PCI_MMIO_BASE } from '../../spec/pc/memory-map.js'
import type { BarDevice, PciFunction } from '../devices/pci-function.js'
import { adoptState, copyState, type Stateful } from '../devices/state.js'

const ENABLE = 0x8000_0000

export class PciBus implements Stateful {
  // connections
  private readonly functions = new Map<number, PciFunction>()
  // state
  private state = { address: 0 }

  /** One function a device: function 0. */
  attach(device: number, pci: PciFunction): void {
    this.functions.set(device, pci)
  }

  /** What firmware does before it starts a kernel: BARs placed, decoding on, interrupt lines told. */
  assignResources(): void {
    let next = PCI_MMIO_BASE
    for (const [device, pci] of this.functions) {
      for (const bar of pci.bars) {
        next = Math.ceil(next / bar.bytes) * bar.bytes
        pci.writeConfig(PCI_BAR0 + 4 * bar.index, 4, next)
        next += bar.bytes
      }
      if (pci.bars.length > 0) pci.writeConfig(PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)
      const pin = pci.get(PCI_INTERRUPT_PIN, 1)
      if (pin !== 0) pci.writeConfig(PCI_INTERRUPT_LINE, 1, PCI_INTX_ISA[pciIntxWire(device, pin - 1)])
    }
  }

  /** CF8: only a dword access is the address register. */
  readAddress(): number {
    return this.state.address
  }

  writeAddress(value: number): void {
    this.state.address = (value & 0x80ff_fffc) >>> 0
  }

  readData(offset: number, size: number): number {
    const { address } = this.state
    if (!(address & ENABLE)) return allOnes(size)
    return this.readConfig((address >>> 16) & 0xff, (address >>> 8) & 0xff, (address & 0xfc) + offset, size)
  }

  writeData(offset: number, size: number, value: number): void {
    const { address } = this.state
    if (address & ENABLE) this.writeConfig((address >>> 16) & 0xff, (address >>> 8) & 0xff, (address & 0xfc) + offset, size, value)
  }

  /** ECAM: bus 27:20, device and function 19:12, offset 11:0. */
  readEcam(offset: number, size: number): number {
    return this.readConfig(offset >>> 20, (offset >>> 12) & 0xff, offset & 0xfff, size)
  }

  writeEcam(offset: number, size: number, value: number): void {
    this.writeConfig(offset >>> 20, (offset >>> 12) & 0xff, offset & 0xfff, size, value)
  }

  decode(address: number, size: number): { device: BarDevice; offset: number } | undefined {
    for (const pci of this.functions.values()) {
      const found = pci.decode(address, size)
      if (found) return found
    }
    return undefined
  }

  save(): unknown {
    return copyState({ bus: this.state, functions: [...this.functions.values()].map((pci) => pci.save()) })
  }

  restore(value: unknown, where: string): void {
    const saved = (typeof value === 'object' && value !== null ? value : {}) as { bus?: unknown; functions?: unknown }
    const functions = Array.isArray(saved.functions) ? (saved.functions as unknown[]) : []
    this.state = adoptState(this.state, saved.bus, where)
    ;[...this.functions.values()].forEach((pci, i) => pci.restore(functions[i], `${where}.functions[${i}]`))
  }

  private readConfig(bus: number, deviceFunction: number, offset: number, size: number): number {
    const pci = bus === 0 && (deviceFunction & 7) === 0 ? this.functions.get(deviceFunction >>> 3) : undefined
    return pci ? pci.readConfig(offset, size) : allOnes(size)
  }

  private writeConfig(bus: number, deviceFunction: number, offset: number, size: number, value: number): void {
    if (bus === 0 && (deviceFunction & 7) === 0) this.functions.get(deviceFunction >>> 3)?.writeConfig(offset, size, value)
  }
}

function allOnes(size: number): number {
  return size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1
}
