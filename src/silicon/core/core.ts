/** One core thread as host software sees it: `HostCore` of doors/host.ts over the kernel. */

import { assert } from '../../lib/assert.js'
import type { CpuidResult, Halves, HostCore } from '../doors/host.js'
import { CORE_STATE_BASE, CORE_STATE_STRIDE } from '../fabric-layout.js'
import type { CoreKernel } from './core-kernel.js'
import { R_EXIT, R_FAULT } from './ir/results.js'
import * as S from './state/layout.js'

const HIGH = 0x100000000

export interface CoreOptions {
  readonly index: number
  /** Virtual time: the time stamp counter counts instructions, this many ticks each. */
  readonly tscPerInstruction?: number
  /** WBINVD as the rest of the chip hears of it. */
  onWbinvd(core: number): void
}

export interface CoreCounters {
  readonly instructions: number
  readonly tlbMisses: { readonly read: number; readonly write: number; readonly execute: number }
}

/** A fault of an instruction that host software issued through the door: what a kernel would see as an exception. */
export class HostFault extends Error {
  constructor(
    readonly instruction: string,
    readonly vector: number,
  ) {
    super(`${instruction} raised exception ${vector} in host mode`)
  }
}

/** The core has entered shutdown, or runs a guest that never gives it back: on a real machine the board would reset the processor. */
export class CoreLost extends Error {}

export class Core implements HostCore {
  readonly gprs: Uint32Array
  readonly apicId: number
  private readonly s: number
  private readonly onWbinvd: (core: number) => void

  constructor(
    private readonly kernel: CoreKernel,
    private readonly options: CoreOptions,
  ) {
    this.s = CORE_STATE_BASE + options.index * CORE_STATE_STRIDE
    this.apicId = options.index
    this.onWbinvd = (core) => options.onWbinvd(core)
    this.gprs = new Uint32Array(kernel.view.buffer, this.s, 32)
    this.reset()
  }

  /** The state after reset; the time stamp counter's source stays that of the board. */
  private reset(): void {
    const { kernel, options } = this
    kernel.exports.core_reset(this.s, options.index)
    if (options.tscPerInstruction === undefined) return
    kernel.view.setUint32(this.s + S.TSC_VIRTUAL, 1, true)
    kernel.view.setUint32(this.s + S.TSC_PER_INSTRUCTION, options.tscPerInstruction, true)
  }

  /** Base address of this core's state: for tests and the profiler of the same chip. */
  get state(): number {
    return this.s
  }

  get instructionsRetired(): number {
    return this.wide(S.ICOUNT)
  }

  get counters(): CoreCounters {
    const misses = [0, 8, 16].map((offset) => this.wide(S.TLB_MISSES + offset))
    return { instructions: this.instructionsRetired, tlbMisses: { read: misses[0]!, write: misses[1]!, execute: misses[2]! } }
  }

  private wide(offset: number): number {
    return this.u32(offset) + this.u32(offset + 4) * HIGH
  }

  private u32(offset: number): number {
    return this.kernel.view.getUint32(this.s + offset, true)
  }

  cpuid(leaf: number, subleaf: number): CpuidResult {
    const { gprs } = this
    const kept = gprs.slice(0, 8)
    this.kernel.exports.read_cpuid(this.s, leaf, subleaf)
    const result = { eax: gprs[0]!, ecx: gprs[2]!, edx: gprs[4]!, ebx: gprs[6]! }
    gprs.set(kept)
    return result
  }

  /** Throws HostFault where the instruction left an exception pending, and clears it. */
  private refuse(instruction: string): never {
    const vector = this.u32(S.FAULT) & S.FAULT_VECTOR_MASK
    this.kernel.view.setUint32(this.s + S.FAULT, 0, true)
    throw new HostFault(instruction, vector)
  }

  rdmsr(msr: number): Halves {
    const kept = this.gprs.slice(0, 6)
    const ok = this.kernel.exports.read_msr(this.s, msr)
    const value = { lo: this.gprs[0]!, hi: this.gprs[4]! }
    this.gprs.set(kept)
    if (!ok) this.refuse('RDMSR')
    return value
  }

  rdtsc(): number {
    return this.kernel.exports.host_tsc(this.s)
  }

  wrmsr(msr: number, value: Halves): void {
    if (!this.kernel.exports.write_msr(this.s, msr, value.lo, value.hi)) this.refuse('WRMSR')
  }

  vmrun(vmcbSpa: number, instructionsMax: number): void {
    const { exports } = this.kernel
    assert(instructionsMax >= 0, 'a budget is not negative')
    exports.fabric_sync(this.s)
    const entered = exports.vmrun_enter(this.s, vmcbSpa >>> 0, Math.floor(vmcbSpa / HIGH))
    if (entered === R_FAULT) this.refuse('VMRUN')
    if (entered === R_EXIT) return
    this.setBudget(instructionsMax)
    const reason = this.kernel.run(this.s)
    if (reason === S.EXIT_VMEXIT) return
    if (reason !== S.EXIT_SHUTDOWN) {
      assert(reason === S.EXIT_BUDGET || reason === S.EXIT_HALT, `a guest leaves through #VMEXIT, not ${reason}`)
      if (exports.physical_interrupt(this.s) === R_EXIT) return
    }
    this.reset()
    throw new CoreLost(
      reason === S.EXIT_SHUTDOWN
        ? 'the guest shut the processor down: VMRUN had no SHUTDOWN intercept'
        : 'the guest keeps the processor: VMRUN had no INTR intercept',
    )
  }

  private setBudget(instructions: number): void {
    const { view } = this.kernel
    for (const offset of [S.BUDGET, S.BUDGET_START]) {
      view.setUint32(this.s + offset, instructions >>> 0, true)
      view.setUint32(this.s + offset + 4, Math.floor(instructions / HIGH), true)
    }
  }

  /** Runs this core in host mode from its present state. Returns EXIT_*. */
  run(instructionsMax: number): number {
    this.setBudget(instructionsMax)
    return this.kernel.run(this.s)
  }

  vmload(vmcbSpa: number): void {
    if (this.kernel.exports.vmload(this.s, vmcbSpa >>> 0, Math.floor(vmcbSpa / HIGH)) === R_FAULT) this.refuse('VMLOAD')
  }

  vmsave(vmcbSpa: number): void {
    if (this.kernel.exports.vmsave(this.s, vmcbSpa >>> 0, Math.floor(vmcbSpa / HIGH)) === R_FAULT) this.refuse('VMSAVE')
  }

  stgi(): void {
    this.kernel.exports.set_gif(this.s, 1)
  }

  clgi(): void {
    this.kernel.exports.set_gif(this.s, 0)
  }

  invlpga(gva: Halves, asid: number): void {
    this.kernel.exports.invlpga(this.s, gva.lo, gva.hi, asid)
  }

  xsave(spa: number): void {
    if (this.kernel.exports.save_extended(this.s, spa >>> 0, Math.floor(spa / HIGH)) !== 0) this.refuse('XSAVE')
  }

  xrstor(spa: number): void {
    if (this.kernel.exports.restore_extended(this.s, spa >>> 0, Math.floor(spa / HIGH)) !== 0) this.refuse('XRSTOR')
  }

  readDr(n: number): Halves {
    return this.halves(this.debugRegister(n))
  }

  writeDr(n: number, value: Halves): void {
    this.put(this.debugRegister(n), value)
  }

  private debugRegister(n: number): number {
    assert(n >= 0 && n <= 3, 'breakpoint addresses are DR0 to DR3')
    return S.DR0 + 8 * n
  }

  xgetbv(): Halves {
    return this.halves(S.XCR0)
  }

  xsetbv(value: Halves): void {
    if (this.kernel.exports.write_xcr0(this.s, value.lo, value.hi) !== 0) this.refuse('XSETBV')
  }

  private halves(offset: number): Halves {
    return { lo: this.u32(offset), hi: this.u32(offset + 4) }
  }

  private put(offset: number, value: Halves): void {
    this.kernel.view.setUint32(this.s + offset, value.lo, true)
    this.kernel.view.setUint32(this.s + offset + 4, value.hi, true)
  }

  wbinvd(): void {
    this.onWbinvd(this.options.index)
  }
}
