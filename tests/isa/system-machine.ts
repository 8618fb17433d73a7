// One core with the whole kernel over 16 MiB of memory that is mapped onto itself, brought into any mode by hand: for tests of the
// system side, which place a few bytes of code, run a few instructions and look at the state.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CoreKernel } from '../../src/silicon/core/core-kernel.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import * as S from '../../src/silicon/core/state/layout.js'
import { CORE_STATE_BASE, CORES_MAX, FABRIC_BASE, FABRIC_DRAM_FRAMES, DRAM_BASE } from '../../src/silicon/fabric-layout.js'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const DRAM_BYTES = 0x1000000

const ENTRY = `
export * from '../../src/silicon/core/kernel/index'
export { get_flags, set_flags, set_arith } from '../../src/silicon/core/kernel/flags'
export { mmu_reset } from '../../src/silicon/core/kernel/mmu'
`

interface Extra {
  get_flags(s: number): bigint
  set_flags(s: number, value: bigint, mask: bigint): void
  set_arith(s: number, cf: bigint, pf: bigint, af: bigint, zf: bigint, sf: bigint, ov: bigint): void
  mmu_reset(s: number): void
  code_clear(): void
}

async function compile(): Promise<Uint8Array> {
  const { default: asc } = await import('assemblyscript/asc')
  let binary: Uint8Array | undefined
  let messages = ''
  const entry = 'tests/isa/entry.ts'
  const note = { write: (text: string | Uint8Array) => void (messages += String(text)) }
  const options = [
    '--runtime',
    'stub',
    '--importMemory',
    '--noAssert',
    '-O1',
    '--enable',
    'simd',
    '--memoryBase',
    '4096',
    '--disableWarning',
    '112',
  ]
  const { error } = await asc.main([entry, '--outFile', 'out.wasm', '--use', 'abort=', ...options], {
    stdout: note,
    stderr: note,
    readFile: (name: string, base: string) =>
      name === entry ? ENTRY : existsSync(join(root, base, name)) ? readFileSync(join(root, base, name), 'utf8') : null,
    writeFile: (name: string, contents: string | Uint8Array) => void (name.endsWith('.wasm') && (binary = contents as Uint8Array)),
    listFiles: () => [],
  })
  if (error || !binary) throw new Error(`the kernel does not compile: ${messages}`)
  return binary
}

const once = compile()

// What stands where.
export const GDT = 0x1000
export const IDT = 0x2000
export const TSS = 0x3000
export const TSS2 = 0x3800
export const LDT = 0x4000
export const CODE = 0x8000
/** Handlers of every vector: 16 bytes each, all HLT. */
export const HANDLERS = 0xa000
const TABLES = 0x10000
export const STACK0 = 0x20000
export const STACK3 = 0x30000
export const IST1 = 0x40000

// Selectors.
export const CODE32 = 0x08
export const DATA32 = 0x10
export const USER_CODE32 = 0x1b
export const USER_DATA32 = 0x23
export const CODE64 = 0x28
export const USER_CODE64 = 0x33
export const TSS_SELECTOR = 0x38
export const CODE16 = 0x48
export const DATA16 = 0x50
export const TSS2_SELECTOR = 0x58
export const GATE = 0x60
export const CONFORMING32 = 0x70
export const LDT_SELECTOR = 0x78
export const ABSENT = 0x88

export type Mode = 'real' | 'protected' | 'long'

export class SystemMachine {
  static async make(): Promise<SystemMachine> {
    return new SystemMachine(await once)
  }

  readonly memory = new WebAssembly.Memory({ initial: (DRAM_BASE + DRAM_BYTES) / 0x10000 })
  readonly view = new DataView(this.memory.buffer)
  readonly kernel: CoreKernel
  readonly s = CORE_STATE_BASE

  get k(): Extra {
    return this.kernel.exports as unknown as Extra
  }

  private constructor(wasm: Uint8Array) {
    this.view.setUint32(FABRIC_BASE + FABRIC_DRAM_FRAMES, DRAM_BYTES / 0x1000, true)
    const frame = (n: number): number => (n >>> 0 < DRAM_BYTES / 0x1000 ? DRAM_BASE + n * 0x1000 : 0)
    let random = 0
    this.kernel = new CoreKernel(
      wasm,
      this.memory,
      { frame, frame_to_fill: frame },
      { entropy32: () => (random += 0x01010101), tscHost: () => 1e6 },
      opcodeTable(),
    )
    this.kernel.exports.code_cache_reset(CORES_MAX)
    this.reset()
  }

  reset(): void {
    new Uint8Array(this.memory.buffer).fill(0, DRAM_BASE, DRAM_BASE + 0x50000)
    this.kernel.exports.core_reset(this.s, 0)
    this.view.setUint32(this.s + S.TSC_VIRTUAL, 1, true)
    this.view.setUint32(this.s + S.TSC_PER_INSTRUCTION, 1, true)
    this.tables()
  }

  // ---- memory
  write(at: number, ...bytes: number[]): void {
    new Uint8Array(this.memory.buffer).set(bytes, DRAM_BASE + at)
  }
  r16(at: number): number {
    return this.view.getUint16(DRAM_BASE + at, true)
  }
  r32(at: number): number {
    return this.view.getUint32(DRAM_BASE + at, true)
  }
  r64(at: number): bigint {
    return this.view.getBigUint64(DRAM_BASE + at, true)
  }
  w16(at: number, v: number): void {
    this.view.setUint16(DRAM_BASE + at, v, true)
  }
  w32(at: number, v: number): void {
    this.view.setUint32(DRAM_BASE + at, v, true)
  }
  w64(at: number, v: bigint): void {
    this.view.setBigUint64(DRAM_BASE + at, v, true)
  }

  // ---- state
  u32(offset: number): number {
    return this.view.getUint32(this.s + offset, true)
  }
  set32(offset: number, v: number): void {
    this.view.setUint32(this.s + offset, v, true)
  }
  get(offset: number): bigint {
    return this.view.getBigUint64(this.s + offset, true)
  }
  set(offset: number, v: bigint | number): void {
    this.view.setBigUint64(this.s + offset, BigInt(v), true)
  }
  selector(seg: number): number {
    return this.view.getUint16(this.s + S.SEGMENTS + seg * 16, true)
  }
  attributes(seg: number): number {
    return this.view.getUint16(this.s + S.SEGMENTS + seg * 16 + 2, true)
  }
  segment(seg: number, selector: number, attributes: number, limit: number, base: number): void {
    const at = this.s + S.SEGMENTS + seg * 16
    this.view.setUint16(at, selector, true)
    this.view.setUint16(at + 2, attributes, true)
    this.view.setUint32(at + 4, limit, true)
    if (seg < S.LDTR) this.set(S.SEG_BASE + seg * 8, base)
    else this.view.setBigUint64(at + 8, BigInt(base), true)
  }
  get flags(): number {
    return Number(this.k.get_flags(this.s))
  }
  set flags(v: number) {
    this.k.set_flags(this.s, BigInt(v), 0x3f7fd5n)
  }
  get pc(): number {
    return Number(this.get(S.PC))
  }

  // ---- set-up
  descriptor(selector: number, value: bigint, table = GDT): void {
    this.w64(table + (selector & 0xfff8), value)
  }

  private tables(): void {
    for (const [selector, value] of [
      [CODE32, 0x00cf9b000000ffffn],
      [DATA32, 0x00cf93000000ffffn],
      [USER_CODE32, 0x00cffb000000ffffn],
      [USER_DATA32, 0x00cff3000000ffffn],
      [CODE64, 0x00af9b000000ffffn],
      [USER_CODE64, 0x00affb000000ffffn],
      [TSS_SELECTOR, 0x0000890030000fffn],
      [TSS_SELECTOR + 8, 0n],
      [CODE16, 0x00009b000000ffffn],
      [DATA16, 0x000093000000ffffn],
      [TSS2_SELECTOR, 0x00008900380000ffn],
      [CONFORMING32, 0x00cf9f000000ffffn],
      [LDT_SELECTOR, 0x0000820040000fffn],
      [LDT_SELECTOR + 8, 0n],
      [ABSENT, 0x00cf13000000ffffn],
    ] as const) {
      this.descriptor(selector, value)
    }
    this.identityMap()
    new Uint8Array(this.memory.buffer).fill(0xf4, DRAM_BASE + HANDLERS, DRAM_BASE + HANDLERS + 0x1000)
  }

  /** Four-level tables of 2 MiB user pages for the first 16 MiB. */
  private identityMap(): void {
    this.w64(TABLES, BigInt(TABLES + 0x1000) | 7n)
    this.w64(TABLES + 0x1000, BigInt(TABLES + 0x2000) | 7n)
    for (let n = 0; n < 8; n++) this.w64(TABLES + 0x2000 + n * 8, BigInt(n * 0x200000) | 0x87n)
  }

  /** A gate of the IDT for `vector` to its handler. */
  gate(vector: number, type: number, dpl: number, selector: number, mode: Mode, ist = 0): void {
    const offset = HANDLERS + vector * 16
    const value = BigInt(offset & 0xffff) | (BigInt(selector) << 16n) | (BigInt(ist) << 32n) | (BigInt(0x80 | (dpl << 5) | type) << 40n)
    this.w64(IDT + vector * (mode === 'long' ? 16 : 8), value)
    if (mode === 'long') this.w64(IDT + vector * 16 + 8, 0n)
  }

  private flat(cpl: number, code: number, codeAttributes: number): void {
    const data = cpl === 3 ? USER_DATA32 : DATA32
    const dpl = cpl << 5
    for (const seg of [S.ES, S.SS, S.DS, S.FS, S.GS]) this.segment(seg, data, 0xc93 | dpl, 0xffffffff, 0)
    this.segment(S.CS, code, codeAttributes | dpl, 0xffffffff, 0)
    this.segment(S.TR, TSS_SELECTOR, 0x8b, 0xfff, TSS)
    this.segment(S.GDTR, 0, 0, 0xfff, GDT)
    this.segment(S.IDTR, 0, 0, 0xfff, IDT)
    this.segment(S.LDTR, 0, 0, 0, 0)
    this.set32(S.CPL, cpl)
    this.set(S.RSP, cpl === 3 ? STACK3 : STACK0)
    this.set(S.PC, CODE)
  }

  real(): this {
    this.reset()
    this.segment(S.CS, 0, 0x9b, 0xffff, 0)
    this.segment(S.IDTR, 0, 0, 0x3ff, 0)
    this.set(S.RSP, 0xf000)
    this.set(S.PC, CODE)
    this.set(S.CR0, 0x10)
    this.settle()
    return this
  }

  protected32(cpl: number): this {
    this.reset()
    this.set(S.CR0, 0x11)
    this.flat(cpl, cpl === 3 ? USER_CODE32 : CODE32, 0xc9b)
    this.w32(TSS + 4, STACK0)
    this.w16(TSS + 8, DATA32)
    for (let vector = 0; vector < 48; vector++) this.gate(vector, 0xe, 0, CODE32, 'protected')
    this.settle()
    return this
  }

  long64(cpl: number): this {
    this.reset()
    this.set(S.CR4, 0x620)
    this.set(S.CR3, TABLES)
    this.set(S.EFER, 0xd01)
    this.set(S.CR0, 0x80000031)
    this.flat(cpl, cpl === 3 ? USER_CODE64 : CODE64, 0xa9b)
    this.w64(TSS + 4, BigInt(STACK0))
    this.w64(TSS + 0x24, BigInt(IST1))
    for (let vector = 0; vector < 48; vector++) this.gate(vector, 0xe, 0, CODE64, 'long')
    this.settle()
    return this
  }

  settle(): void {
    this.kernel.exports.update_mode(this.s)
    this.k.mmu_reset(this.s)
  }

  // ---- running
  /** Places code at PC and runs `count` instructions. Returns EXIT_*. */
  run(count: number, ...code: number[]): number {
    if (code.length) {
      this.write(this.pc, ...code)
      this.k.code_clear()
    }
    this.set(S.BUDGET, count)
    this.set(S.BUDGET_START, count)
    return this.kernel.run(this.s)
  }

  /** Runs `code`, whose only or last instruction must raise exception `vector`; PC is then at the handler. */
  fault(vector: number, ...code: number[]): void {
    this.run(1, ...code)
    this.atHandler(vector)
  }

  /** PC stands at the handler of `vector`, or behind its HLT. */
  atHandler(vector: number): void {
    const at = HANDLERS + vector * 16
    assert.ok(this.pc === at || this.pc === at + 1, `exception ${vector} expected, RIP is ${this.pc.toString(16)}`)
    this.set(S.PC, at)
    this.set32(S.HALTED, 0)
  }
}
