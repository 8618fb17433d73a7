/** MSI-X (PCI Local Bus 3.0, 6.8.2): a table of messages and a set of pending bits, in a BAR of their own. */
import { MSIX_ENABLE, MSIX_MASK_ALL, PCI_CAP_MSIX } from '../../spec/pc/pci.js'
import type { BarDevice, PciFunction } from './pci-function.js'
import { adoptState, copyState, type Stateful } from './state.js'

export const MSIX_BAR_BYTES = 0x1000
const PENDING_OFFSET = 0x800
/** Table and pending bits must fit their halves of the BAR. */
export const MSIX_VECTORS_MAX = 64

const MASKED = 1

export class Msix implements BarDevice, Stateful {
  // connections
  private readonly capability: number
  // state
  private state: { table: Uint32Array; pending: Uint32Array }

  constructor(
    // configuration
    private readonly vectors: number,
    barIndex: number,
    // connections
    private readonly pci: PciFunction,
    private readonly send: (address: number, data: number) => void,
    private readonly switched: () => void,
  ) {
    this.state = { table: new Uint32Array(4 * vectors), pending: new Uint32Array(2) }
    for (let v = 0; v < vectors; v++) this.state.table[4 * v + 3] = MASKED
    const body = new Uint8Array(10)
    const view = new DataView(body.buffer)
    view.setUint16(0, vectors - 1, true)
    view.setUint32(2, barIndex, true)
    view.setUint32(6, PENDING_OFFSET | barIndex, true)
    this.capability = pci.addCapability(PCI_CAP_MSIX, body)
    pci.allow(this.capability + 2, 2, MSIX_ENABLE | MSIX_MASK_ALL)
    pci.addBar(barIndex, MSIX_BAR_BYTES, this)
    pci.onWrite(this.capability, 4, () => this.flush())
  }

  get enabled(): boolean {
    return (this.control() & MSIX_ENABLE) !== 0
  }

  /** Vector numbers out of range (the guest chooses them) are no vector. */
  notify(vector: number): void {
    if (vector >= this.vectors) return
    this.state.pending[vector >>> 5] |= 1 << (vector & 31)
    this.deliver(vector)
  }

  readBar(offset: number, size: number): number {
    const words = offset < PENDING_OFFSET ? this.state.table : this.state.pending
    const at = offset < PENDING_OFFSET ? offset : offset - PENDING_OFFSET
    let value = 0
    for (let i = 0; i < size; i++) value |= (((words[(at + i) >>> 2] ?? 0) >>> (8 * ((at + i) & 3))) & 0xff) << (8 * i)
    return value >>> 0
  }

  /** Software writes whole words; smaller writes are undefined, and dropped. */
  writeBar(offset: number, size: number, value: number): void {
    const word = offset >>> 2
    if (size !== 4 || offset & 3 || word >= this.state.table.length) return
    this.state.table[word] = value
    if ((word & 3) === 3) this.deliver(word >>> 2)
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    this.state = adoptState(this.state, value, where)
  }

  private control(): number {
    return this.pci.get(this.capability + 2, 2)
  }

  private deliver(vector: number): void {
    const { table, pending } = this.state
    const bit = 1 << (vector & 31)
    if ((this.control() & (MSIX_ENABLE | MSIX_MASK_ALL)) !== MSIX_ENABLE || !this.pci.mastersBus) return
    if (table[4 * vector + 3] & MASKED || !(pending[vector >>> 5] & bit)) return
    pending[vector >>> 5] &= ~bit
    this.send(table[4 * vector], table[4 * vector + 2])
  }

  private flush(): void {
    for (let vector = 0; vector < this.vectors; vector++) this.deliver(vector)
    this.switched()
  }
}
