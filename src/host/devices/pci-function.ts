/**
 * Configuration space of one PCI function (PCI Local Bus 3.0, chapter 6): 256 bytes, a mask of what may be written, memory BARs
 * that size themselves through the mask, a list of capabilities. What stands behind a BAR is a `BarDevice`.
 */
import * as P from '../../spec/pc/pci.js'
import { adoptState, copyState, type Stateful } from './state.js'

export interface BarDevice {
  /** `size` is 1, 2 or 4, and offset + size stays inside the BAR. */
  readBar(offset: number, size: number): number
  writeBar(offset: number, size: number, value: number): void
}

export interface PciIdentity {
  readonly vendor: number
  readonly device: number
  readonly revision: number
  /** Class, subclass, interface: 24 bits. */
  readonly class: number
  readonly subsystemVendor: number
  readonly subsystem: number
  readonly multifunction?: boolean
}

interface Bar {
  readonly index: number
  readonly bytes: number
  readonly device: BarDevice
}

export class PciFunction implements Stateful {
  // configuration
  private readonly writable = new Uint8Array(256)
  readonly bars: Bar[] = []
  private lastCapability = 0
  private nextCapability = 0x40
  // connections
  private readonly listeners: { offset: number; length: number; written: () => void }[] = []
  private readonly readers: { offset: number; length: number; read: () => void }[] = []
  // state
  private config = new Uint8Array(256)

  constructor(identity: PciIdentity) {
    this.set(P.PCI_VENDOR_ID, 2, identity.vendor)
    this.set(P.PCI_DEVICE_ID, 2, identity.device)
    this.set(P.PCI_REVISION, 1, identity.revision)
    this.set(P.PCI_CLASS, 3, identity.class)
    this.set(P.PCI_HEADER_TYPE, 1, identity.multifunction ? 0x80 : 0)
    this.set(P.PCI_SUBSYSTEM_VENDOR_ID, 2, identity.subsystemVendor)
    this.set(P.PCI_SUBSYSTEM_ID, 2, identity.subsystem)
    this.allow(P.PCI_COMMAND, 2, P.PCI_COMMAND_IO | P.PCI_COMMAND_MEMORY | P.PCI_COMMAND_MASTER | P.PCI_COMMAND_INTX_DISABLE)
    this.allow(P.PCI_INTERRUPT_LINE, 1, 0xff)
  }

  // ---- putting it together ---------------------------------------------------------------------------------------

  /** A 32-bit, non-prefetchable memory BAR; `bytes` is a power of two from 16 up. */
  addBar(index: number, bytes: number, device: BarDevice): void {
    this.bars.push({ index, bytes, device })
    this.allow(P.PCI_BAR0 + 4 * index, 4, -bytes)
  }

  /** Appends a capability and returns its offset; `body` stands behind the id and the link. */
  addCapability(id: number, body: Uint8Array): number {
    const at = this.nextCapability
    this.config[at] = id
    this.config.set(body, at + 2)
    this.config[this.lastCapability === 0 ? P.PCI_CAPABILITIES : this.lastCapability + 1] = at
    this.config[P.PCI_STATUS] |= P.PCI_STATUS_CAPABILITIES
    this.lastCapability = at
    this.nextCapability = (at + 2 + body.length + 3) & ~3
    return at
  }

  set(offset: number, size: number, value: number): void {
    for (let i = 0; i < size; i++) this.config[offset + i] = value >>> (8 * i)
  }

  get(offset: number, size: number): number {
    let value = 0
    for (let i = 0; i < size; i++) value |= this.config[offset + i] << (8 * i)
    return value >>> 0
  }

  /** Bits that the guest may write. */
  allow(offset: number, size: number, mask: number): void {
    for (let i = 0; i < size; i++) this.writable[offset + i] |= mask >>> (8 * i)
  }

  onWrite(offset: number, length: number, written: () => void): void {
    this.listeners.push({ offset, length, written })
  }

  /** `read` may bring the bytes up to date before they are read. */
  onRead(offset: number, length: number, read: () => void): void {
    this.readers.push({ offset, length, read })
  }

  // ---- accesses --------------------------------------------------------------------------------------------------

  /** Beyond 256 bytes there is no extended capability: zeros. */
  readConfig(offset: number, size: number): number {
    if (offset + size > 256) return 0
    for (const reader of this.readers) if (offset < reader.offset + reader.length && reader.offset < offset + size) reader.read()
    return this.get(offset, size)
  }

  writeConfig(offset: number, size: number, value: number): void {
    if (offset + size > 256) return
    for (let i = 0; i < size; i++) {
      const mask = this.writable[offset + i]
      this.config[offset + i] = (this.config[offset + i] & ~mask) | ((value >>> (8 * i)) & mask)
    }
    for (const listener of this.listeners)
      if (offset < listener.offset + listener.length && listener.offset < offset + size) listener.written()
  }

  get mastersBus(): boolean {
    return (this.config[P.PCI_COMMAND] & P.PCI_COMMAND_MASTER) !== 0
  }

  get intxDisabled(): boolean {
    return (this.get(P.PCI_COMMAND, 2) & P.PCI_COMMAND_INTX_DISABLE) !== 0
  }

  barBase(bar: Bar): number {
    return (this.get(P.PCI_BAR0 + 4 * bar.index, 4) & -16) >>> 0
  }

  /** The BAR that decodes all of [address, address + size), where memory decoding is on. */
  decode(address: number, size: number): { device: BarDevice; offset: number } | undefined {
    if (!(this.config[P.PCI_COMMAND] & P.PCI_COMMAND_MEMORY)) return undefined
    for (const bar of this.bars) {
      const offset = address - this.barBase(bar)
      if (offset >= 0 && offset + size <= bar.bytes) return { device: bar.device, offset }
    }
    return undefined
  }

  save(): unknown {
    return copyState(this.config)
  }

  restore(value: unknown, where: string): void {
    this.config = adoptState(this.config, value, where)
  }
}
