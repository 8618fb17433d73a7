// The MMU and AMD-V of the core kernel alone, compiled with stand-ins: a fabric that maps every frame onto itself and writes down what it was
// asked for, and an exception.ts that notes events instead of delivering them.

import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CORE_STATE_BASE, FABRIC_BASE, FABRIC_DRAM_FRAMES, FABRIC_EPOCH, DRAM_BASE } from '../../src/silicon/fabric-layout.js'
import {
  CR0,
  CR3,
  CR4,
  CTX,
  EFER,
  EFLAGS,
  FAULT,
  FAULT_ADDRESS,
  FAULT_ERROR,
  SPACE,
  TEST_AREA,
  TLB_ENTRIES,
  TLB_EXEC,
  TLB_EXEC_ENTRIES,
  TLB_READ,
  TLB_WRITE,
} from '../../src/silicon/core/state/layout.js'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

const ENTRY = `
export * from '../../src/silicon/core/kernel/mmu'
export * from '../../src/silicon/core/kernel/svm'
export { update_mode } from '../../src/silicon/core/kernel/mode'
export { get_flags, set_flags } from '../../src/silicon/core/kernel/flags'
`

const EXCEPTION = `
import { TEST_AREA } from '../state/layout'
export function deliver_event(s: usize, vector: u32, kind: u32, has_error: bool, error: u32, next_pc: u64): u32 {
  store<u32>(s + TEST_AREA, load<u32>(s + TEST_AREA) + 1)
  store<u32>(s + TEST_AREA, vector, 4)
  store<u32>(s + TEST_AREA, kind, 8)
  store<u32>(s + TEST_AREA, has_error ? 1 : 0, 12)
  store<u32>(s + TEST_AREA, error, 16)
  store<u64>(s + TEST_AREA, next_pc, 24)
  return 2
}
`

export const DRAM_BYTES = 0x1000000
const FRAMES = DRAM_BYTES / 0x1000
const DRAM = DRAM_BASE

interface Functions {
  mmu_fill(s: number, la: bigint, access: number): number
  mmu_reset(s: number): void
  mmu_sync(s: number): void
  mmu_select(s: number): void
  mmu_flush_all(s: number): void
  mmu_new_space(s: number): void
  mmu_flush_page(s: number, la: bigint): void
  mmu_flush_pcid(s: number, pcid: number): void
  mmu_flush_asid(s: number, asid: number): void
  mmu_flush_everything(s: number): void
  mmu_pkru_changed(s: number): void
  mmu_set_cr3(s: number, value: bigint): number
  update_mode(s: number): void
  get_flags(s: number): bigint
  set_flags(s: number, value: bigint, mask: bigint): void
  vmrun_enter(s: number, pa: bigint): number
  svm_leave(s: number): number
  svm_events(s: number): number
  svm_check(s: number, rec: number, code: number, info1: bigint, info2: bigint): number
  svm_msr(s: number, rec: number, msr: number, write: number): number
  svm_io(
    s: number,
    rec: number,
    port: number,
    size: number,
    input: number,
    string: number,
    rep: number,
    seg: number,
    addressSize: number,
  ): number
  svm_exception(s: number, vector: number, hasError: number, error: number, address: bigint): number
  svm_shutdown(s: number): number
  svm_physical_interrupt(s: number): number
  svm_helper(s: number, rec: number, id: number): number
  svm_vmload(s: number, pa: bigint): number
  svm_vmsave(s: number, pa: bigint): number
}

async function compile(): Promise<WebAssembly.Module> {
  const { default: asc } = await import('assemblyscript/asc')
  let binary: Uint8Array | undefined
  let messages = ''
  const sources: Readonly<Record<string, string>> = { 'tests/isa/entry.ts': ENTRY, 'src/silicon/core/kernel/exception.ts': EXCEPTION }
  const note = { write: (text: string | Uint8Array) => void (messages += String(text)) }
  const options = ['--runtime', 'stub', '--importMemory', '--noAssert', '-O1', '--enable', 'simd', '--memoryBase', '4096']
  const { error } = await asc.main(['tests/isa/entry.ts', '--outFile', 'out.wasm', ...options], {
    stdout: note,
    stderr: note,
    readFile: (name: string, base: string) =>
      sources[name] ?? (existsSync(join(root, base, name)) ? readFileSync(join(root, base, name), 'utf8') : null),
    writeFile: (name: string, contents: string | Uint8Array) => void (name.endsWith('.wasm') && (binary = contents as Uint8Array)),
    listFiles: () => [],
  })
  if (error || !binary) throw new Error(`the MMU does not compile: ${messages}`)
  return new WebAssembly.Module(binary as Uint8Array<ArrayBuffer>)
}

export interface FabricCall {
  readonly frame: number
  readonly key: number
}

export const S = CORE_STATE_BASE

/** Access modes of CTX: supervisor, user, supervisor with AC, user with alignment checks. */
export type Mode = 0 | 1 | 2 | 3

const once = compile()

/** One core with 16 MiB of DRAM, long mode off, paging off. */
export class Machine {
  static async make(): Promise<Machine> {
    return new Machine(await once)
  }

  readonly memory = new WebAssembly.Memory({ initial: (DRAM_BASE + DRAM_BYTES) / 0x10000 })
  readonly view = new DataView(this.memory.buffer)
  readonly k: Functions
  calls: FabricCall[] = []

  private constructor(module: WebAssembly.Module) {
    const frame = (frame: number, key: number): number => {
      this.calls.push({ frame: frame >>> 0, key })
      return frame >>> 0 < FRAMES ? DRAM + frame * 0x1000 : 0
    }
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory }, fabric: { frame, frame_to_fill: frame } })
    this.k = instance.exports as unknown as Functions
    this.view.setUint32(FABRIC_BASE + FABRIC_DRAM_FRAMES, FRAMES, true)
    this.view.setUint32(FABRIC_BASE + FABRIC_EPOCH, 1, true)
    this.set32(EFLAGS, 2)
    this.k.mmu_reset(S)
  }

  get32 = (at: number): number => this.view.getUint32(S + at, true)
  set32 = (at: number, v: number): void => this.view.setUint32(S + at, v, true)
  get64 = (at: number): bigint => this.view.getBigUint64(S + at, true)
  set64 = (at: number, v: bigint): void => this.view.setBigUint64(S + at, v, true)
  /** Physical memory. */
  peek = (pa: number): bigint => this.view.getBigUint64(DRAM + pa, true)
  poke = (pa: number, v: bigint): void => this.view.setBigUint64(DRAM + pa, v, true)
  peek32 = (pa: number): number => this.view.getUint32(DRAM + pa, true)
  poke32 = (pa: number, v: number): void => this.view.setUint32(DRAM + pa, v, true)
  poke8 = (pa: number, v: number): void => this.view.setUint8(DRAM + pa, v)

  bumpEpoch(): void {
    this.view.setUint32(FABRIC_BASE + FABRIC_EPOCH, this.view.getUint32(FABRIC_BASE + FABRIC_EPOCH, true) + 1, true)
  }

  paging(cr0: number, cr3: bigint, cr4: number, efer: number): void {
    this.set64(CR0, BigInt(cr0 >>> 0))
    this.set64(CR3, cr3)
    this.set64(CR4, BigInt(cr4))
    this.set64(EFER, BigInt(efer))
    this.k.mmu_select(S)
  }

  mode(mode: Mode): void {
    this.set32(CTX, this.get32(SPACE) | mode)
  }

  /** Physical address that an access reaches, 'none' without DRAM, or the pending fault (which is cleared). */
  touch(la: bigint, access = 0): number | string {
    const p = this.k.mmu_fill(S, la, access)
    const fault = this.get32(FAULT)
    this.set32(FAULT, 0)
    if (fault & 0x200) return 'exit'
    if (fault) return describe(fault, this.get32(FAULT_ERROR), this.get64(FAULT_ADDRESS))
    return p === 1 ? 'none' : p - DRAM
  }

  /** Physical address that a TLB hit would give, or undefined. */
  hit(la: bigint, table: 'read' | 'write' | 'exec'): number | undefined {
    const entries = table === 'exec' ? TLB_EXEC_ENTRIES : TLB_ENTRIES
    const base = table === 'read' ? TLB_READ : table === 'write' ? TLB_WRITE : TLB_EXEC
    // Slots of code in the lower half depend on the space too.
    const salt = table === 'exec' && la < 1n << 63n ? this.get32(SPACE) * 37 : 0
    const entry = base + ((Number(BigInt.asUintN(31, la >> 12n)) ^ salt) & (entries - 1)) * 16
    if (this.get64(entry) !== ((BigInt.asUintN(64, la) & ~0xfffn) | BigInt(this.get32(CTX)))) return undefined
    return ((this.get32(entry + 8) + Number(la & 0xffffffffn)) >>> 0) - DRAM
  }

  keyOf(frame: number): number | undefined {
    return this.calls.findLast((call) => call.frame === frame)?.key
  }

  event(): { count: number; vector: number; kind: number; hasError: number; error: number; next: bigint } {
    const at = (n: number): number => this.get32(TEST_AREA + n)
    return { count: at(0), vector: at(4), kind: at(8), hasError: at(12), error: at(16), next: this.get64(TEST_AREA + 24) }
  }
}

function describe(fault: number, error: number, address: bigint): string {
  const vector = fault & 0xff
  return vector === 14 ? `#PF ${error.toString(16)} ${BigInt.asUintN(64, address).toString(16)}` : `#${vector}(${error})`
}

/** Long-mode tables from 0x100000 up: maps pages and hands out table frames. */
export class Tables {
  #next: number
  readonly root: number

  constructor(
    readonly m: Machine,
    base: number,
    readonly levels = 4,
    /** Where guest physical 0 stands in system physical memory. */
    readonly offset = 0,
  ) {
    this.root = base
    this.#next = base + 0x1000
  }

  /** Physical address of the entry for `la` at `level`; tables above it are made with `flags`. */
  entry(la: bigint, level = 1, flags = 7n): number {
    let table = this.root
    for (let n = this.levels; n > level; n--) {
      const at = table + Number((la >> BigInt(3 + n * 9)) & 511n) * 8
      if (!(this.m.peek(at + this.offset) & 1n)) {
        this.m.poke(at + this.offset, BigInt(this.#next) | flags)
        this.#next += 0x1000
      }
      table = Number(this.m.peek(at + this.offset) & 0x0000fffffffff000n)
    }
    return table + Number((la >> BigInt(3 + level * 9)) & 511n) * 8
  }

  map(la: bigint, entry: bigint, level = 1, flags = 7n): number {
    const at = this.entry(la, level, flags)
    this.m.poke(at + this.offset, entry)
    return at
  }
}
