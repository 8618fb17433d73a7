/** The 64 Ki ports. An access that lies in one claim goes to it whole; one that straddles claims falls into bytes. */
import { byteRegisters, type PortDevice } from '../devices/wire.js'

const PORTS = 0x1_0000

interface Claim {
  readonly base: number
  readonly device: PortDevice
}

export class PortSpace {
  private readonly claims: Claim[] = []
  /** Index into claims + 1, 0 = empty. */
  private readonly map = new Uint8Array(PORTS)

  /** Gives `count` ports from `base` to `device`. Each port has one owner. */
  claim(base: number, count: number, device: PortDevice): void {
    this.claims.push({ base, device })
    if (this.claims.length > 255) throw new Error('assert: more port claims than the map can name')
    for (let port = base; port < base + count; port++) {
      if (this.map[port] !== 0) throw new Error(`assert: port 0x${port.toString(16)} is claimed twice`)
      this.map[port] = this.claims.length
    }
  }

  claimBytes(base: number, count: number, read: (offset: number) => number, write: (offset: number, value: number) => void): void {
    this.claim(base, count, byteRegisters(read, write))
  }

  read(port: number, size: number): number {
    const owner = this.map[port & 0xffff]
    if (this.spans(port, size, owner)) {
      if (owner === 0) return size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1
      const { base, device } = this.claims[owner - 1]
      return device.readPort(port - base, size) >>> 0
    }
    let value = 0
    for (let i = 0; i < size; i++) value |= (this.read((port + i) & 0xffff, 1) & 0xff) << (8 * i)
    return value >>> 0
  }

  write(port: number, size: number, value: number): void {
    const owner = this.map[port & 0xffff]
    if (this.spans(port, size, owner)) {
      if (owner === 0) return
      const { base, device } = this.claims[owner - 1]
      device.writePort(port - base, size, value)
    } else for (let i = 0; i < size; i++) this.write((port + i) & 0xffff, 1, (value >>> (8 * i)) & 0xff)
  }

  private spans(port: number, size: number, owner: number): boolean {
    if (port + size > PORTS) return false
    for (let i = 1; i < size; i++) if (this.map[port + i] !== owner) return false
    return true
  }
}
