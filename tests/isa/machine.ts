/**
 * One bare core on a memory controller, with page tables, descriptor tables and handlers laid out by hand, so that a piece of code can be run at CPL 3
 * (64-bit or compatibility mode) and its end, always an exception, be read from the frame on the stack of CPL 0. Every handler is one HLT.
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Core } from '../../src/silicon/core/core.js'
import { CoreKernel, type TranslationLimits } from '../../src/silicon/core/core-kernel.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { createLinearMemory, MemoryController } from '../../src/silicon/memory/index.js'
import {
  CODE,
  CODE_BYTES,
  DATA,
  DATA_BYTES,
  FX_ST,
  FX_XMM,
  isSegmented,
  LOCAL_CODE16,
  LOCAL_CODE32,
  LOCAL_DATA,
  LOCAL_EXPAND_DOWN,
  LOCAL_READ_ONLY,
  LOCAL_STACK16,
  LOCAL_STACK32,
  localSegments,
  localSelector,
  READ_ONLY,
  UPPER_BYTES,
  WINDOW,
  WINDOW_BYTES,
  type Case,
  type Outcome,
} from './state.js'

const MIB = 0x100000
const DRAM_BYTES = 16 * MIB
export const PAGE = 0x1000

// System physical addresses.
const PML4 = 0x1000
const LOW_PDPT = 0x2000
const LOW_PD = 0x3000
const LOW_PT = 0x4000
const HIGH_PDPT = 0x5000
const HIGH_PD = 0x6000
const GDT = 0x8000
const TSS = 0x9000
const IDT = 0xa000
const LDT = 0x7000
const HANDLERS = 0xb000
const STACK_TOP = 0xe000
/** Where the linear addresses of state.ts stand in DRAM. */
const CODE_SPA = 0x200000
export const DATA_SPA = 0x210000
const READ_ONLY_SPA = 0x218000

/** The first 2 MiB of DRAM stand here for the supervisor. */
const SUPERVISOR = 0xffffffff80000000n

const PRESENT = 1n
const WRITABLE = 2n
const USER = 4n
const LARGE = 0x80n
const NO_EXECUTE = 1n << 63n

const CR0_LONG = 0x80050033n
const CR4_LONG = 0x50ef0n & ~0x10n
const EFER_LONG = 0xd01n

const CODE64_USER = 0x33
const CODE32_USER = 0x23
const DATA_USER = 0x2b
const HANDLER_BYTES = 16

export const kernelFolder = (): string => process.env['CBIT_KERNELS'] ?? join(import.meta.dirname, '../../build/kernel')

interface Segment {
  readonly selector: number
  readonly attributes: number
  readonly limit: number
}

const userData: Segment = { selector: DATA_USER, attributes: 0xcf3, limit: 0xffffffff }

/** Descriptor of 8 bytes from attributes in VMCB form. */
function descriptor(base: number, limit: number, attributes: number): bigint {
  const scaled = attributes & 0x800 ? limit >>> 12 : limit
  const low = (scaled & 0xffff) + (base & 0xffff) * 0x10000
  const high = ((base >>> 16) & 0xff) | ((attributes & 0xff) << 8) | (scaled & 0xf0000) | ((attributes & 0xf00) << 12) | (base & 0xff000000)
  return BigInt(low >>> 0) | (BigInt(high >>> 0) << 32n)
}

export class Machine {
  readonly kernel: CoreKernel
  readonly core: Core
  readonly memory: MemoryController
  readonly s: number
  private readonly view: DataView

  /** `translate`: hot code is compiled, as in a whole chip; otherwise all is interpreted. `hotAfter`: executions that make it hot. */
  constructor(translate = false, hotAfter = 1000, limits: Omit<TranslationLimits, 'hotAfter'> = {}) {
    const folder = kernelFolder()
    const linear = createLinearMemory(DRAM_BYTES)
    const entropy = { fill: (into: Uint8Array): void => void into.fill(0x5a) }
    this.memory = new MemoryController({ kernel: readFileSync(join(folder, 'memory.wasm')), linear, entropy })
    const platform = { entropy32: () => 0x12345678, tscHost: () => 0 }
    this.kernel = new CoreKernel(
      readFileSync(join(folder, 'core.wasm')),
      linear.memory,
      this.memory.kernelImports(),
      platform,
      opcodeTable(),
      translate ? { hotAfter, batch: 1, ...limits } : undefined,
    )
    this.kernel.exports.code_cache_reset(1)
    this.core = new Core(this.kernel, { index: 0, tscPerInstruction: 2, onWbinvd: () => undefined })
    this.s = this.core.state
    this.view = this.kernel.view
    this.buildTables()
    this.buildDescriptors()
    this.memory.write(CODE_SPA, new Uint8Array(CODE_BYTES).fill(0xcc))
    this.enterLongMode()
  }

  // ---- state

  u32(offset: number): number {
    return this.view.getUint32(this.s + offset, true)
  }
  setU32(offset: number, value: number): void {
    this.view.setUint32(this.s + offset, value, true)
  }
  u64(offset: number): bigint {
    return this.view.getBigUint64(this.s + offset, true)
  }
  setU64(offset: number, value: bigint): void {
    this.view.setBigUint64(this.s + offset, value, true)
  }

  segment(n: number, { selector, attributes, limit }: Segment, base = 0n): void {
    const at = this.s + S.SEGMENTS + n * S.SEGMENT_STRIDE
    this.view.setUint16(at, selector, true)
    this.view.setUint16(at + S.SEG_ATTRIBUTES, attributes, true)
    this.view.setUint32(at + S.SEG_LIMIT, limit, true)
    if (n <= S.GS) this.setU64(S.SEG_BASE + n * 8, base)
    else this.view.setBigUint64(at + S.SEG_TABLE_BASE, base, true)
  }

  private putU64(spa: number, value: bigint): void {
    const bytes = new Uint8Array(8)
    new DataView(bytes.buffer).setBigUint64(0, value, true)
    this.memory.write(spa, bytes)
  }

  // ---- set-up

  private buildTables(): void {
    const user = PRESENT | WRITABLE | USER
    this.putU64(PML4, BigInt(LOW_PDPT) | user)
    this.putU64(LOW_PDPT, BigInt(LOW_PD) | user)
    this.putU64(LOW_PD + (CODE >>> 21) * 8, BigInt(LOW_PT) | user)
    const map = (linear: number, spa: number, bytes: number, bits: bigint): void => {
      for (let n = 0; n < bytes; n += PAGE) this.mapPage(linear + n, spa + n, bits)
    }
    map(CODE, CODE_SPA, CODE_BYTES, user)
    map(DATA, DATA_SPA, DATA_BYTES, user | NO_EXECUTE)
    map(READ_ONLY, READ_ONLY_SPA, PAGE, PRESENT | USER | NO_EXECUTE)
    this.putU64(PML4 + 511 * 8, BigInt(HIGH_PDPT) | PRESENT | WRITABLE)
    this.putU64(HIGH_PDPT + 510 * 8, BigInt(HIGH_PD) | PRESENT | WRITABLE)
    this.putU64(HIGH_PD, PRESENT | WRITABLE | LARGE)
  }

  /** Points the page at `linear` (of the first 2 MiB from CODE) to `spa`. The caller flushes the TLB where it was mapped before. */
  mapPage(linear: number, spa: number, bits = PRESENT | WRITABLE | USER): void {
    this.putU64(LOW_PT + ((linear >>> 12) & 511) * 8, BigInt(spa) | bits)
  }

  private buildDescriptors(): void {
    // The selectors of Linux: kernel code 0x10 and data 0x18, user code 0x23 (32 bits) and 0x33, data 0x2b; TSS 0x40.
    this.putU64(GDT + 0x10, descriptor(0, 0xffffffff, 0xa9b))
    this.putU64(GDT + 0x18, descriptor(0, 0xffffffff, 0xc93))
    this.putU64(GDT + 0x20, descriptor(0, 0xffffffff, 0xcfb))
    this.putU64(GDT + 0x28, descriptor(0, 0xffffffff, 0xcf3))
    this.putU64(GDT + 0x30, descriptor(0, 0xffffffff, 0xafb))
    localSegments.forEach(({ base, limit, attributes }, n) => this.putU64(LDT + n * 8, descriptor(base, limit, attributes)))
    // Every gate uses the first stack of the interrupt stack table, so that handlers of CPL 0 find their frame there too.
    this.putU64(TSS + 0x24, SUPERVISOR + BigInt(STACK_TOP))
    this.putU64(TSS + 4, SUPERVISOR + BigInt(STACK_TOP))
    // The I/O permission map lies beyond the limit: no port is permitted.
    this.memory.write(TSS + 0x66, Uint8Array.of(0x68, 0))
    for (let vector = 0; vector < 256; vector++) {
      const handler = SUPERVISOR + BigInt(HANDLERS + vector * HANDLER_BYTES)
      const type = vector === 3 || vector === 4 ? 0xeen : 0x8en
      this.putU64(
        IDT + vector * 16,
        (handler & 0xffffn) | (0x10n << 16n) | (1n << 32n) | (type << 40n) | (((handler >> 16n) & 0xffffn) << 48n),
      )
      this.putU64(IDT + vector * 16 + 8, (handler >> 32n) & 0xffffffffn)
      this.memory.write(HANDLERS + vector * HANDLER_BYTES, Uint8Array.of(0xf4))
    }
  }

  /** The state after reset, but in 64-bit mode with the tables that stand in memory. */
  enterLongMode(): void {
    this.kernel.exports.core_reset(this.s, 0)
    this.setU32(S.TSC_VIRTUAL, 1)
    this.setU32(S.TSC_PER_INSTRUCTION, 2)
    this.setU64(S.CR0, CR0_LONG)
    this.setU64(S.CR3, BigInt(PML4))
    this.setU64(S.CR4, CR4_LONG)
    this.setU64(S.EFER, EFER_LONG)
    this.setU64(S.XCR0, 7n)
    this.segment(S.GDTR, { selector: 0, attributes: 0, limit: 0x4f }, SUPERVISOR + BigInt(GDT))
    this.segment(S.IDTR, { selector: 0, attributes: 0, limit: 0xfff }, SUPERVISOR + BigInt(IDT))
    this.segment(S.LDTR, { selector: 0x50, attributes: 0x82, limit: localSegments.length * 8 - 1 }, SUPERVISOR + BigInt(LDT))
    this.segment(S.TR, { selector: 0x40, attributes: 0x8b, limit: 0x67 }, SUPERVISOR + BigInt(TSS))
  }

  /** Everything that decides how user code runs, but the general registers. */
  userMode(mode: Case['mode'], fs = 0n, gs = 0n): void {
    if (isSegmented(mode)) this.localSegments(mode === 'segmented32')
    else this.flatSegments(mode === 'long', fs, gs)
    this.setU32(S.CPL, 3)
    for (const clear of [S.FAULT, S.HALTED, S.SHADOW, S.EVENTS, S.STEP_ARMED]) this.setU32(clear, 0)
  }

  private localSegments(big: boolean): void {
    const load = (n: number, index: number): void => {
      const { base, limit, attributes } = localSegments[index]!
      this.segment(n, { selector: localSelector(index), attributes, limit }, BigInt(base))
    }
    load(S.CS, big ? LOCAL_CODE32 : LOCAL_CODE16)
    load(S.SS, big ? LOCAL_STACK32 : LOCAL_STACK16)
    load(S.DS, LOCAL_DATA)
    load(S.ES, LOCAL_DATA)
    load(S.FS, LOCAL_EXPAND_DOWN)
    load(S.GS, LOCAL_READ_ONLY)
  }

  private flatSegments(long: boolean, fs: bigint, gs: bigint): void {
    this.segment(S.CS, { selector: long ? CODE64_USER : CODE32_USER, attributes: long ? 0xafb : 0xcfb, limit: 0xffffffff })
    this.segment(S.SS, userData)
    this.segment(S.DS, userData)
    this.segment(S.ES, userData)
    this.segment(S.FS, { selector: 0, attributes: 0, limit: 0 }, fs)
    this.segment(S.GS, { selector: 0, attributes: 0, limit: 0 }, gs)
  }

  /** After `load`: the same code at CPL 0. */
  raisePrivilege(): void {
    this.segment(S.CS, { selector: 0x10, attributes: 0xa9b, limit: 0xffffffff })
    this.segment(S.SS, { selector: 0x18, attributes: 0xc93, limit: 0xffffffff })
    this.setU32(S.CPL, 0)
    this.kernel.exports.update_mode(this.s)
  }

  setFlags(rflags: number): void {
    const bit = (n: number): bigint => BigInt((rflags >>> n) & 1)
    const [cf, pf, af, zf, sf, of] = [bit(0), bit(2), bit(4), bit(6), bit(7), bit(11)] as const
    this.setU32(S.EFLAGS, (rflags & ~0x8d5) | 2)
    this.setU64(S.FLAG_RES, zf ^ 1n)
    this.setU64(S.FLAG_AUX, (cf << 63n) | ((cf ^ of) << 62n) | ((zf ^ pf) << 8n) | (af << 3n) | sf)
  }

  private setExtended(fx: Uint8Array): void {
    const from = new DataView(fx.buffer, fx.byteOffset, fx.length)
    const status = from.getUint16(2, true)
    this.view.setUint16(this.s + S.X87_CONTROL, from.getUint16(0, true), true)
    this.view.setUint16(this.s + S.X87_STATUS, status, true)
    this.view.setUint8(this.s + S.X87_TAGS, fx[4]!)
    this.setU32(S.MXCSR, from.getUint32(24, true))
    for (const pointer of [S.X87_OPCODE, S.X87_IP, S.X87_IP + 4, S.X87_DP, S.X87_DP + 4, S.X87_CS, S.X87_DS]) this.setU32(pointer, 0)
    for (let n = 0; n < 8; n++) {
      const physical = ((status >> 11) + n) & 7
      this.bytes(S.X87_REGISTERS + physical * 16, 16).set(fx.subarray(FX_ST + n * 16, FX_ST + n * 16 + 16))
    }
    for (let n = 0; n < 16; n++) this.bytes(S.XMM + n * S.XMM_STRIDE, 16).set(fx.subarray(FX_XMM + n * 16, FX_XMM + n * 16 + 16))
  }

  private getExtended(): Uint8Array {
    const fx = new Uint8Array(512)
    const into = new DataView(fx.buffer)
    const status = this.view.getUint16(this.s + S.X87_STATUS, true)
    into.setUint16(0, this.view.getUint16(this.s + S.X87_CONTROL, true), true)
    into.setUint16(2, status, true)
    fx[4] = this.view.getUint8(this.s + S.X87_TAGS)
    into.setUint32(24, this.u32(S.MXCSR), true)
    for (let n = 0; n < 8; n++) fx.set(this.bytes(S.X87_REGISTERS + (((status >> 11) + n) & 7) * 16, 10), FX_ST + n * 16)
    for (let n = 0; n < 16; n++) fx.set(this.bytes(S.XMM + n * S.XMM_STRIDE, 16), FX_XMM + n * 16)
    return fx
  }

  private setUpper(upper: Uint8Array | undefined): void {
    for (let n = 0; n < 16; n++) {
      const half = this.bytes(S.XMM + n * S.XMM_STRIDE + 16, 16)
      if (upper) half.set(upper.subarray(n * 16, n * 16 + 16))
      else half.fill(0)
    }
  }

  private getUpper(): Uint8Array {
    const upper = new Uint8Array(UPPER_BYTES)
    for (let n = 0; n < 16; n++) upper.set(this.bytes(S.XMM + n * S.XMM_STRIDE + 16, 16), n * 16)
    return upper
  }

  private bytes(offset: number, length: number): Uint8Array {
    return new Uint8Array(this.view.buffer, this.s + offset, length)
  }

  writeCode(offset: number, code: Uint8Array): void {
    this.memory.write(CODE_SPA + offset, code)
  }
  readCode(offset: number, length: number): Uint8Array {
    return this.memory.read(CODE_SPA + offset, length)
  }
  writeData(linear: number, bytes: Uint8Array): void {
    this.memory.write(DATA_SPA + linear - DATA, bytes)
  }
  readData(linear: number, length: number): Uint8Array {
    return this.memory.read(DATA_SPA + linear - DATA, length)
  }

  // ---- running

  load(c: Case): void {
    this.writeCode(c.offset, c.code)
    this.writeData(DATA, emptyData)
    this.writeData(WINDOW, c.window)
    this.userMode(c.mode, c.fs, c.gs)
    c.gpr.forEach((v, r) => this.setU64(r * 8, v))
    this.setFlags(c.rflags)
    this.setExtended(c.fx)
    this.setUpper(c.upper)
    this.setU64(S.PC, BigInt(isSegmented(c.mode) ? c.offset : CODE + c.offset))
    this.kernel.exports.update_mode(this.s)
  }

  /** The exception that stopped the core, read from the frame. */
  outcome(): Outcome {
    const exit = this.u32(S.EXIT_REASON)
    if (exit !== S.EXIT_HALT) return { ...this.registers(), vector: 0x100 + exit, error: 0, rip: this.u64(S.PC), rflags: 0, cr2: 0n }
    const vector = (Number(this.u64(S.PC) - SUPERVISOR) - HANDLERS - 1) / HANDLER_BYTES
    const frame = Number(this.u64(S.RSP) - SUPERVISOR)
    const stack = new DataView(this.memory.read(frame, STACK_TOP - frame).buffer)
    const hasError = STACK_TOP - frame === 48
    const at = hasError ? 8 : 0
    const result: Outcome = {
      ...this.registers(),
      vector,
      error: hasError ? stack.getUint32(0, true) : 0,
      rip: stack.getBigUint64(at, true),
      rflags: stack.getUint32(at + 16, true),
      cr2: vector === 14 ? this.u64(S.CR2) : 0n,
    }
    result.selectors[1] = stack.getUint16(at + 8, true)
    result.selectors[2] = stack.getUint16(at + 32, true)
    result.gpr[4] = stack.getBigUint64(at + 24, true)
    return result
  }

  private registers(): Pick<Outcome, 'gpr' | 'fs' | 'gs' | 'selectors' | 'fx' | 'upper' | 'window'> {
    return {
      gpr: BigUint64Array.from({ length: 16 }, (_, r) => this.u64(r * 8)),
      fs: this.u64(S.FS_BASE),
      gs: this.u64(S.GS_BASE),
      selectors: Array.from({ length: 6 }, (_, n) => this.view.getUint16(this.s + S.SEGMENTS + n * S.SEGMENT_STRIDE, true)),
      fx: this.getExtended(),
      upper: this.getUpper(),
      window: this.readData(WINDOW, WINDOW_BYTES),
    }
  }

  run(c: Case, instructionsMax = 1000): Outcome {
    this.load(c)
    this.core.run(instructionsMax)
    const outcome = this.outcome()
    this.clearCode()
    return outcome
  }

  clearCode(): void {
    this.writeCode(0, filler)
  }
}

const emptyData = new Uint8Array(DATA_BYTES)
const filler = new Uint8Array(CODE_BYTES).fill(0xcc)
