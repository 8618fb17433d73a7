import type { HostCore } from '../../silicon/doors/host.js'
import { VMCB_RAX, VMCB_RSP } from '../../spec/svm/vmcb.js'
import type { Vmcb } from './vmcb.js'

export const RAX = 0
export const RCX = 1
export const RDX = 2
export const RBX = 3
export const RSP = 4
export const RBP = 5
export const RSI = 6
export const RDI = 7

/** General registers of a guest after #VMEXIT: RAX and RSP stand in the VMCB, the others still in the core (APM vol. 2, section 15.5.1). */
export class GuestRegisters {
  readonly #core: HostCore
  readonly #vmcb: Vmcb

  constructor(core: HostCore, vmcb: Vmcb) {
    this.#core = core
    this.#vmcb = vmcb
  }

  lo(register: number): number {
    if (register === RAX) return this.#vmcb.u32(VMCB_RAX)
    if (register === RSP) return this.#vmcb.u32(VMCB_RSP)
    return this.#core.gprs[2 * register]!
  }

  hi(register: number): number {
    if (register === RAX) return this.#vmcb.u32(VMCB_RAX + 4)
    if (register === RSP) return this.#vmcb.u32(VMCB_RSP + 4)
    return this.#core.gprs[2 * register + 1]!
  }

  /** Exact below 2^53. */
  number(register: number): number {
    return this.hi(register) * 0x100000000 + this.lo(register)
  }

  big(register: number): bigint {
    return (BigInt(this.hi(register)) << 32n) | BigInt(this.lo(register))
  }

  set(register: number, lo: number, hi: number): void {
    if (register === RAX) this.#vmcb.set64(VMCB_RAX, lo, hi)
    else if (register === RSP) this.#vmcb.set64(VMCB_RSP, lo, hi)
    else {
      const gprs = this.#core.gprs
      gprs[2 * register] = lo
      gprs[2 * register + 1] = hi
    }
  }

  setBig(register: number, value: bigint): void {
    this.set(register, Number(value & 0xffffffffn), Number((value >> 32n) & 0xffffffffn))
  }

  /** A write of `size` bytes as instructions do it: 4 bytes clear the upper half, 1 and 2 leave the rest. */
  setSized(register: number, size: number, lo: number, hi: number): void {
    if (size === 8) this.set(register, lo, hi)
    else if (size === 4) this.set(register, lo, 0)
    else {
      const mask = size === 2 ? 0xffff : 0xff
      this.set(register, ((this.lo(register) & ~mask) | (lo & mask)) >>> 0, this.hi(register))
    }
  }
}
