/**
 * The PCI transport of a virtio device (virtio 1.2, 4.1), modern only. BAR 0 holds the four structures, BAR 1 the MSI-X table.
 *
 *   reset ─▶ ACKNOWLEDGE ─▶ DRIVER ─▶ FEATURES_OK (refused unless the features are ours) ─▶ DRIVER_OK ─▶ NEEDS_RESET on a broken queue
 */
import * as D from '../../spec/virtio/device.js'
import * as T from '../../spec/virtio/pci.js'
import { PCI_CAP_VENDOR, PCI_INTERRUPT_PIN, PCI_STATUS, PCI_STATUS_INTERRUPT } from '../../spec/pc/pci.js'
import type { GuestMemory } from '../devices/guest-memory.js'
import { Msix } from '../devices/msix.js'
import { PciFunction, type BarDevice } from '../devices/pci-function.js'
import { adoptState, copyState, type Stateful } from '../devices/state.js'
import type { VirtioDevice } from '../devices/virtio/virtio-device.js'
import { Virtqueue } from '../devices/virtio/virtqueue.js'
import type { Wire } from '../devices/wire.js'

const BAR_BYTES = 0x4000
const COMMON_AT = 0x0000
const ISR_AT = 0x1000
const DEVICE_AT = 0x2000
const NOTIFY_AT = 0x3000
const REGION_BYTES = 0x1000
const NOTIFY_MULTIPLIER = 4
const MSIX_BAR = 1

/** Where the fields of the common structure begin; 64-bit addresses are written as two words. */
const COMMON_FIELDS: readonly number[] = [
  0x00, 0x04, 0x08, 0x0c, 0x10, 0x12, 0x14, 0x15, 0x16, 0x18, 0x1a, 0x1c, 0x1e, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34,
]

const initialState = () => ({
  deviceFeatureSelect: 0,
  driverFeatureSelect: 0,
  driverFeatures: new Uint32Array(2),
  status: 0,
  queueSelect: 0,
  configVector: T.NO_VECTOR,
  isr: 0,
})

export class VirtioPci implements BarDevice, Stateful {
  readonly pci: PciFunction
  // configuration
  private readonly offered: readonly [number, number]
  // connections
  private readonly queues: readonly Virtqueue[]
  private readonly msix: Msix
  private readonly windowAt: number
  // state
  private state = initialState()

  constructor(
    private readonly device: VirtioDevice,
    memory: GuestMemory,
    private readonly intx: Wire,
    msi: (address: number, data: number) => void,
  ) {
    this.offered = [
      (device.features | (1 << D.FEATURE_INDIRECT_DESC)) >>> 0,
      (1 << (D.FEATURE_VERSION_1 - 32)) | (1 << (D.FEATURE_ACCESS_PLATFORM - 32)),
    ]
    this.pci = new PciFunction({
      vendor: D.VIRTIO_PCI_VENDOR,
      device: D.VIRTIO_PCI_DEVICE_BASE + device.type,
      revision: 1,
      class: device.pciClass,
      subsystemVendor: D.VIRTIO_PCI_VENDOR,
      subsystem: 0x1100,
    })
    this.pci.set(PCI_INTERRUPT_PIN, 1, 1)
    this.pci.addBar(0, BAR_BYTES, this)
    this.windowAt = this.addCapabilities()
    this.msix = new Msix(device.queues.length + 1, MSIX_BAR, this.pci, msi, () => this.drive())
    this.pci.onWrite(0x04, 2, () => this.drive())
    // A bus that device memory is not reached over is no bus: without bus mastering the rings cannot be read (PCI 3.0, 6.2.2).
    const live = (): boolean =>
      this.pci.mastersBus && (this.state.status & (D.STATUS_DRIVER_OK | D.STATUS_NEEDS_RESET)) === D.STATUS_DRIVER_OK
    this.queues = device.queues.map(
      ({ sizeMax, readableBytesMax }, index) =>
        new Virtqueue(
          sizeMax,
          readableBytesMax,
          memory,
          live,
          () => this.interrupt(T.ISR_QUEUE, this.queues[index].vector),
          () => this.needReset(),
        ),
    )
    device.connect(this.queues)
  }

  readBar(offset: number, size: number): number {
    if (offset < ISR_AT) return this.readBytes(offset, size, (at) => this.readCommon(at))
    if (offset < DEVICE_AT) return offset === ISR_AT ? this.readIsr() : 0
    if (offset < NOTIFY_AT) return this.readBytes(offset - DEVICE_AT, size, (at) => this.device.config[at] ?? 0)
    return 0
  }

  writeBar(offset: number, size: number, value: number): void {
    if (offset < ISR_AT) this.writeCommon(offset, size, value)
    else if (offset >= NOTIFY_AT) {
      const index = Math.floor((offset - NOTIFY_AT) / NOTIFY_MULTIPLIER)
      if (index < this.queues.length) this.device.notify(index)
    }
  }

  save(): unknown {
    return copyState({
      transport: this.state,
      msix: this.msix.save(),
      queues: this.queues.map((queue) => queue.save()),
      device: this.device.save(),
    })
  }

  restore(value: unknown, where: string): void {
    const saved = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>
    const queues = Array.isArray(saved['queues']) ? (saved['queues'] as unknown[]) : []
    this.state = adoptState(this.state, saved['transport'], where)
    this.msix.restore(saved['msix'], `${where}.msix`)
    this.queues.forEach((queue, i) => queue.restore(queues[i], `${where}.queues[${i}]`))
    this.device.restore(saved['device'], `${where}.device`)
  }

  // ---- capabilities (4.1.4) --------------------------------------------------------------------------------------

  private addCapabilities(): number {
    const add = (type: number, at: number, length: number, extra: readonly number[] = []): number => {
      const body = new Uint8Array(14 + extra.length)
      const view = new DataView(body.buffer)
      body.set([body.length + 2, type, 0])
      view.setUint32(6, at, true)
      view.setUint32(10, length, true)
      body.set(extra, 14)
      return this.pci.addCapability(PCI_CAP_VENDOR, body)
    }
    add(T.CAP_COMMON, COMMON_AT, T.COMMON_BYTES)
    add(T.CAP_ISR, ISR_AT, 1)
    if (this.device.config.length > 0) add(T.CAP_DEVICE, DEVICE_AT, this.device.config.length)
    add(T.CAP_NOTIFY, NOTIFY_AT, REGION_BYTES, [NOTIFY_MULTIPLIER, 0, 0, 0])
    // The window through which configuration cycles reach BAR 0 (4.1.4.9): bar, offset and length are the driver's to write.
    const at = add(T.CAP_PCI_CFG, 0, 0, [0, 0, 0, 0])
    this.pci.allow(at + 4, 1, 0xff)
    this.pci.allow(at + 8, 4, 0xffff_ffff)
    this.pci.allow(at + 12, 4, 0xffff_ffff)
    this.pci.allow(at + 16, 4, 0xffff_ffff)
    this.pci.onRead(at + 16, 4, () => this.readWindow())
    this.pci.onWrite(at + 16, 4, () => this.writeWindow())
    return at
  }

  /** Offset and length that the driver put into the window, where they name an access inside BAR 0. */
  private window(): { offset: number; size: number } | undefined {
    const offset = this.pci.get(this.windowAt + 8, 4)
    const size = this.pci.get(this.windowAt + 12, 4)
    const fits = this.pci.get(this.windowAt + 4, 1) === 0 && (size === 1 || size === 2 || size === 4)
    return fits && offset % size === 0 && offset + size <= BAR_BYTES ? { offset, size } : undefined
  }

  private readWindow(): void {
    const window = this.window()
    if (window) this.pci.set(this.windowAt + 16, 4, this.readBar(window.offset, window.size))
  }

  private writeWindow(): void {
    const window = this.window()
    if (window) this.writeBar(window.offset, window.size, this.pci.get(this.windowAt + 16, window.size))
  }

  // ---- common configuration (4.1.4.3) ----------------------------------------------------------------------------

  private readBytes(offset: number, size: number, read: (offset: number) => number): number {
    let value = 0
    for (let i = 0; i < size; i++) value |= (read(offset + i) & 0xff) << (8 * i)
    return value >>> 0
  }

  private readCommon(offset: number): number {
    if (offset >= T.COMMON_BYTES) return 0
    const field = COMMON_FIELDS.findLast((begin) => begin <= offset) ?? 0
    return this.commonField(field) >>> (8 * (offset - field))
  }

  private commonField(field: number): number {
    const { state } = this
    const queue = this.queues.at(state.queueSelect)
    switch (field) {
      case T.COMMON_DEVICE_FEATURE_SELECT:
        return state.deviceFeatureSelect
      case T.COMMON_DEVICE_FEATURE:
        return this.offered[state.deviceFeatureSelect] ?? 0
      case T.COMMON_DRIVER_FEATURE_SELECT:
        return state.driverFeatureSelect
      case T.COMMON_DRIVER_FEATURE:
        return state.driverFeatures[state.driverFeatureSelect] ?? 0
      case T.COMMON_CONFIG_MSIX_VECTOR:
        return state.configVector
      case T.COMMON_NUM_QUEUES:
        return this.queues.length
      case T.COMMON_DEVICE_STATUS:
        return state.status
      case T.COMMON_CONFIG_GENERATION:
        return 0
      case T.COMMON_QUEUE_SELECT:
        return state.queueSelect
      case T.COMMON_QUEUE_SIZE:
        return queue?.size ?? 0
      case T.COMMON_QUEUE_MSIX_VECTOR:
        return queue?.vector ?? T.NO_VECTOR
      case T.COMMON_QUEUE_ENABLE:
        return queue?.enabled ? 1 : 0
      case T.COMMON_QUEUE_NOTIFY_OFF:
        return queue ? state.queueSelect : 0
      default:
        return queue?.address((field - T.COMMON_QUEUE_DESC) >>> 2) ?? 0
    }
  }

  /** Fields are written whole (4.1.3.1); an access of another width is dropped. */
  private writeCommon(offset: number, size: number, value: number): void {
    const index = COMMON_FIELDS.indexOf(offset)
    if (index < 0) return
    const width = (COMMON_FIELDS[index + 1] ?? T.COMMON_BYTES) - offset
    if (size !== width) return
    const { state } = this
    const queue = this.queues.at(state.queueSelect)
    switch (offset) {
      case T.COMMON_DEVICE_FEATURE_SELECT:
        state.deviceFeatureSelect = value
        break
      case T.COMMON_DRIVER_FEATURE_SELECT:
        state.driverFeatureSelect = value
        break
      case T.COMMON_DRIVER_FEATURE:
        if (state.driverFeatureSelect < 2 && !(state.status & D.STATUS_FEATURES_OK)) state.driverFeatures[state.driverFeatureSelect] = value
        break
      case T.COMMON_CONFIG_MSIX_VECTOR:
        state.configVector = this.vector(value)
        break
      case T.COMMON_DEVICE_STATUS:
        this.writeStatus(value)
        break
      case T.COMMON_QUEUE_SELECT:
        state.queueSelect = value
        break
      case T.COMMON_QUEUE_SIZE:
        if (queue) queue.size = value
        break
      case T.COMMON_QUEUE_MSIX_VECTOR:
        if (queue) queue.vector = this.vector(value)
        break
      case T.COMMON_QUEUE_ENABLE:
        if (value === 1) queue?.enable()
        break
      default:
        if (offset >= T.COMMON_QUEUE_DESC) queue?.setAddress((offset - T.COMMON_QUEUE_DESC) >>> 2, value)
    }
  }

  private vector(value: number): number {
    return value <= this.queues.length ? value : T.NO_VECTOR
  }

  private writeStatus(value: number): void {
    const { state } = this
    if (value === 0) return this.reset()
    // Bits are only ever added, until a reset; NEEDS_RESET is ours.
    let status = state.status | (value & ~D.STATUS_NEEDS_RESET & 0xff)
    if (value & ~state.status & D.STATUS_FEATURES_OK && !this.featuresFit()) status &= ~D.STATUS_FEATURES_OK
    if (!(status & D.STATUS_FEATURES_OK)) status &= ~D.STATUS_DRIVER_OK
    state.status = status
  }

  private featuresFit(): boolean {
    const [low, high] = this.state.driverFeatures
    return (low & ~this.offered[0]) === 0 && (high & ~this.offered[1]) === 0 && (high & (1 << (D.FEATURE_VERSION_1 - 32))) !== 0
  }

  private reset(): void {
    this.state = initialState()
    for (const queue of this.queues) queue.reset()
    this.device.reset()
    this.drive()
  }

  // ---- interrupts ------------------------------------------------------------------------------------------------

  private readIsr(): number {
    const { isr } = this.state
    this.state.isr = 0
    this.drive()
    return isr
  }

  private needReset(): void {
    this.state.status |= D.STATUS_NEEDS_RESET
    this.interrupt(T.ISR_CONFIG, this.state.configVector)
  }

  private interrupt(cause: number, vector: number): void {
    if (this.msix.enabled) this.msix.notify(vector)
    else {
      this.state.isr |= cause
      this.drive()
    }
  }

  private drive(): void {
    const asserted = this.state.isr !== 0
    const status = this.pci.get(PCI_STATUS, 2)
    this.pci.set(PCI_STATUS, 2, asserted ? status | PCI_STATUS_INTERRUPT : status & ~PCI_STATUS_INTERRUPT)
    this.intx(asserted && !this.pci.intxDisabled && !this.msix.enabled)
  }
}
