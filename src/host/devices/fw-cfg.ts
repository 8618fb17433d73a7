/** QEMU's fw_cfg: read-only items by key, with a directory of named files, by data port or DMA. */
import * as F from '../../spec/pc/fw-cfg.js'
import type { GuestMemory } from './guest-memory.js'
import { adoptState, copyState, doesNotFit, within, type Stateful } from './state.js'

/** Reading past an item's end gives zeros. A DMA request may ask for this many of them: else a guest could have 4 GiB of zeros copied by one OUT. */
const PADDING_BYTES_MAX = 0x1_0000

const initialState = () => ({ key: 0, offset: 0, dmaHigh: 0 })

function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f)
}

function littleEndian(value: number, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Math.floor(value / 2 ** (8 * i)) & 0xff)
}

function directory(files: readonly (readonly [string, Uint8Array])[]): Uint8Array {
  const bytes = new Uint8Array(4 + files.length * F.FW_CFG_ENTRY_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, files.length)
  files.forEach(([name, content], i) => {
    const at = 4 + i * F.FW_CFG_ENTRY_BYTES
    view.setUint32(at, content.length)
    view.setUint16(at + 4, F.FW_CFG_FILE_FIRST + i)
    bytes.set(ascii(name).subarray(0, F.FW_CFG_NAME_BYTES - 1), at + 8)
  })
  return bytes
}

export class FwCfg implements Stateful {
  // configuration
  private readonly items = new Map<number, Uint8Array>()
  // state
  private state = initialState()

  constructor(
    // configuration
    files: ReadonlyMap<string, Uint8Array>,
    vcpus: number,
    ramBytes: number,
    // connections
    private readonly memory: GuestMemory,
  ) {
    this.items.set(F.FW_CFG_SIGNATURE, ascii('QEMU'))
    this.items.set(F.FW_CFG_ID, littleEndian(F.FW_CFG_ID_VALUE, 4))
    this.items.set(F.FW_CFG_RAM_BYTES, littleEndian(ramBytes, 8))
    this.items.set(F.FW_CFG_CPUS, littleEndian(vcpus, 2))
    this.items.set(F.FW_CFG_CPUS_MAX, littleEndian(vcpus, 2))
    const sorted = [...files].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    this.items.set(F.FW_CFG_DIRECTORY, directory(sorted))
    sorted.forEach(([, content], i) => this.items.set(F.FW_CFG_FILE_FIRST + i, content))
  }

  select(key: number): void {
    this.state.key = key & 0xffff
    this.state.offset = 0
  }

  readByte(): number {
    const item = this.items.get(this.state.key)
    if (!item || this.state.offset >= item.length) return 0
    return item[this.state.offset++]
  }

  /** The DMA register reads as this signature. */
  readDma(offset: number): number {
    return 'QEMU CFG'.charCodeAt(offset & 7)
  }

  /** Big-endian address of the request, high word first; the low word starts it. */
  writeDma(word: 0 | 1, value: number): void {
    if (word === 0) this.state.dmaHigh = value >>> 0
    else {
      const gpa = this.state.dmaHigh * 2 ** 32 + (value >>> 0)
      this.state.dmaHigh = 0
      this.transfer(gpa)
    }
  }

  save(): unknown {
    return copyState(this.state)
  }

  restore(value: unknown, where: string): void {
    const state = adoptState(this.state, value, where)
    if (!within(state.offset, 0, this.items.get(state.key)?.length ?? 0)) doesNotFit(where)
    this.state = state
  }

  /** FWCfgDmaAccess: control u32, length u32, address u64, all big-endian. Done when this returns: control reads 0, or the error bit. */
  private transfer(gpa: number): void {
    const request = this.memory.read(gpa, 16)
    if (!request) return
    const view = new DataView(request.buffer, request.byteOffset)
    const control = view.getUint32(0)
    const length = view.getUint32(4)
    const address = view.getUint32(8) * 2 ** 32 + view.getUint32(12)
    if (control & F.FW_CFG_DMA_SELECT) this.select(control >>> 16)
    const done = this.execute(control, length, address)
    this.memory.write(gpa, Uint8Array.of(0, 0, 0, done ? 0 : F.FW_CFG_DMA_ERROR))
  }

  private execute(control: number, length: number, address: number): boolean {
    const item = this.items.get(this.state.key) ?? new Uint8Array(0)
    const { offset } = this.state
    const available = Math.max(0, Math.min(length, item.length - offset))
    if (control & F.FW_CFG_DMA_READ) {
      const padding = length - available
      if (padding > PADDING_BYTES_MAX) return false
      if (available > 0 && !this.memory.write(address, item.subarray(offset, offset + available))) return false
      if (padding > 0 && !this.memory.write(address + available, new Uint8Array(padding))) return false
    } else if (control & F.FW_CFG_DMA_WRITE) {
      // Every item here is read-only.
      return false
    } else if (!(control & (F.FW_CFG_DMA_SKIP | F.FW_CFG_DMA_SELECT))) return true
    if (control & (F.FW_CFG_DMA_READ | F.FW_CFG_DMA_SKIP)) this.state.offset = offset + available
    return true
  }
}
