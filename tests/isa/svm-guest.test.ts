// Guest code under VMRUN on the whole core kernel: what the VMCB says after exits in the midst of blocks, of event deliveries and of page walks.

import { deepEqual, equal, throws } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Core, CoreLost } from '../../src/silicon/core/core.js'
import { CoreKernel } from '../../src/silicon/core/core-kernel.js'
import { opcodeTable } from '../../src/silicon/core/decode/opcodes.js'
import { FABRIC_BASE, FABRIC_DRAM_FRAMES, FABRIC_EPOCH, DRAM_BASE } from '../../src/silicon/fabric-layout.js'
import * as V from '../../src/spec/svm/vmcb.js'
import * as X from '../../src/spec/svm/exit-codes.js'

const wasm = readFileSync(new URL('../../build/kernel/core.wasm', import.meta.url))
const table = opcodeTable()

const FRAMES = 0x1000
const VMCB = 0x10000
const CODE = 0x20000
const STACK = 0x31000
const IDT = 0x40000
const GDT = 0x41000
const HANDLERS = 0x42000
const TABLES = 0x100000
const NESTED = 0x800000
const VMMCALL = [0x0f, 0x01, 0xd9]

/** A 64-bit guest at CPL 0 whose first 4 MiB are mapped onto themselves twice, in 4 KiB pages. */
class Guest {
  readonly memory = new WebAssembly.Memory({ initial: (DRAM_BASE + FRAMES * 0x1000) / 0x10000 })
  readonly view = new DataView(this.memory.buffer)
  readonly core: Core
  readonly keys = new Map<number, number>()
  /** Frames that were asked for to be overwritten, which costs them what they held. */
  readonly filled: number[] = []

  constructor(code: readonly number[], sev = false) {
    const frame = (frame: number, key: number): number => {
      this.keys.set(frame, key)
      return frame >>> 0 < FRAMES ? DRAM_BASE + frame * 0x1000 : 0
    }
    const frame_to_fill = (number: number, key: number): number => {
      const at = frame(number, key)
      if (at !== 0) new Uint8Array(this.memory.buffer, at, 0x1000).fill(0xee)
      this.filled.push(number)
      return at
    }
    this.view.setUint32(FABRIC_BASE + FABRIC_DRAM_FRAMES, FRAMES, true)
    this.view.setUint32(FABRIC_BASE + FABRIC_EPOCH, 1, true)
    const platform = { entropy32: () => 0, tscHost: () => 0 }
    const kernel = new CoreKernel(wasm, this.memory, { frame, frame_to_fill }, platform, table)
    kernel.exports.code_cache_reset(1)
    this.core = new Core(kernel, { index: 0, tscPerInstruction: 1, onWbinvd: () => undefined })
    this.core.wrmsr(0xc0000080, { lo: 0x1000, hi: 0 })
    this.bytes(CODE, code)
    this.#tables()
    this.#control(sev)
  }

  bytes = (pa: number, bytes: readonly number[]): void => bytes.forEach((byte, n) => this.view.setUint8(DRAM_BASE + pa + n, byte))
  peek = (pa: number): bigint => this.view.getBigUint64(DRAM_BASE + pa, true)
  poke = (pa: number, v: bigint): void => this.view.setBigUint64(DRAM_BASE + pa, v, true)
  vmcb = (at: number): bigint => this.peek(VMCB + at)
  /** Entry of the last level for `pa` in the guest's or the nested tables. */
  pte = (pa: number, base = TABLES): number => base + 0x3000 + (pa >> 12) * 8

  #tables(): void {
    for (const base of [TABLES, NESTED]) {
      this.poke(base, BigInt(base + 0x1000) | 7n)
      this.poke(base + 0x1000, BigInt(base + 0x2000) | 7n)
      for (let n = 0; n < 8; n++) this.poke(base + 0x2000 + n * 8, BigInt(base + 0x3000 + n * 0x1000) | 7n)
      for (let n = 0; n < 0x1000; n++) this.poke(base + 0x3000 + n * 8, (BigInt(n) << 12n) | 7n)
    }
  }

  #control(sev: boolean): void {
    this.poke(GDT + 8, 0x00af9b000000ffffn)
    const fields: readonly (readonly [number, bigint])[] = [
      [V.VMCB_INTERCEPT_MISC2, 3n],
      [V.VMCB_ASID, 3n],
      [V.VMCB_NP_ENABLE, sev ? 3n : 1n],
      [V.VMCB_N_CR3, BigInt(NESTED)],
      [V.VMCB_V_INTR, BigInt(V.V_INTR_MASKING)],
      [V.VMCB_EFER, 0x1d00n],
      [V.VMCB_CR0, 0x80010031n],
      [V.VMCB_CR4, 0x220n],
      [V.VMCB_CR3, BigInt(TABLES)],
      [V.VMCB_DR6, 0xffff0ff0n],
      [V.VMCB_DR7, 0x400n],
      [V.VMCB_RFLAGS, 0x202n],
      [V.VMCB_RIP, BigInt(CODE)],
      [V.VMCB_RSP, BigInt(STACK)],
      [V.VMCB_G_PAT, 0x0007040600070406n],
      [V.VMCB_CS, 0xffffffff_0a9b_0008n],
      [V.VMCB_SS, 0xffffffff_0c93_0000n],
      [V.VMCB_IDTR, 0xfff_0000_0000n],
      [V.VMCB_IDTR + 8, BigInt(IDT)],
      [V.VMCB_GDTR, 0xf_0000_0000n],
      [V.VMCB_GDTR + 8, BigInt(GDT)],
    ]
    for (const [at, v] of fields) this.poke(VMCB + at, v)
    for (const code of [X.VMEXIT_INTR, X.VMEXIT_SHUTDOWN]) this.intercept(code)
  }

  intercept(code: number): void {
    const at = DRAM_BASE + VMCB + (code >> 5) * 4
    this.view.setUint32(at, (this.view.getUint32(at, true) | (1 << (code & 31))) >>> 0, true)
  }

  /** An interrupt gate whose handler is `code`. */
  handler(vector: number, code: readonly number[]): void {
    const at = HANDLERS + vector * 0x40
    this.bytes(at, code)
    this.poke(IDT + vector * 16, (BigInt(at >> 16) << 48n) | 0x8e00_0000_0000n | 0x8_0000n | BigInt(at & 0xffff))
  }

  run(budget = 1000): string {
    this.core.vmrun(VMCB, budget)
    return this.vmcb(V.VMCB_EXITCODE).toString(16)
  }

  registers(): readonly number[] {
    return [...this.core.gprs].filter((_, n) => n % 2 === 0)
  }
}

test('VMMCALL: registers are shared, RAX and RIP stand in the VMCB', () => {
  // mov eax, 5; mov ecx, 7; add eax, ecx; vmmcall
  const g = new Guest([0xb8, 5, 0, 0, 0, 0xb9, 7, 0, 0, 0, 0x01, 0xc8, ...VMMCALL])
  g.core.gprs[0] = 99
  equal(g.run(), '81')
  deepEqual([g.vmcb(V.VMCB_RAX), g.vmcb(V.VMCB_RIP), g.vmcb(V.VMCB_NRIP)], [12n, BigInt(CODE + 12), BigInt(CODE + 15)])
  deepEqual(g.registers().slice(0, 2), [99, 7])
  equal(g.core.instructionsRetired, 3)
})

test('VMGEXIT of a guest without SEV-ES is VMMCALL', () => {
  for (const prefix of [0xf2, 0xf3]) equal(new Guest([prefix, ...VMMCALL]).run(), '81')
})

test('a nested fault in the midst of a block: RIP, bytes and registers are those of the instruction', () => {
  // mov ecx, 1; mov [0x50000], ecx; mov ecx, 2; vmmcall
  const store = [0x89, 0x0c, 0x25, 0, 0, 5, 0]
  const g = new Guest([0xb9, 1, 0, 0, 0, ...store, 0xb9, 2, 0, 0, 0, ...VMMCALL])
  g.poke(g.pte(0x50000, NESTED), 0n)
  equal(g.run(), '400')
  deepEqual([g.vmcb(V.VMCB_EXITINFO1), g.vmcb(V.VMCB_EXITINFO2)], [0x1_0000_0006n, 0x50000n])
  deepEqual([g.vmcb(V.VMCB_RIP), g.vmcb(V.VMCB_NRIP), g.registers()[1]], [BigInt(CODE + 5), 0n, 1])
  const bytes = Array.from({ length: 8 }, (_, n) => g.view.getUint8(DRAM_BASE + VMCB + V.VMCB_INSTRUCTION_BYTES_COUNT + n))
  deepEqual(bytes, [15, ...store])

  g.poke(g.pte(0x50000, NESTED), 0x51007n)
  equal(g.run(), '81')
  equal(g.peek(0x51000), 1n)
  equal(g.registers()[1], 2)
})

test('instruction bytes of an SEV guest come from its private memory', () => {
  const g = new Guest([0x89, 0x0c, 0x25, 0, 0, 5, 0, ...VMMCALL], true)
  g.poke(g.pte(0x50000, NESTED), 0n)
  equal(g.run(), '400')
  equal(g.keys.get(CODE >> 12), 3)
  equal(g.vmcb(V.VMCB_INSTRUCTION_BYTES_COUNT) & 0xffffffn, 0x0c890fn)
})

test('a nested fault on a fetch', () => {
  // jmp to 0x50000
  const g = new Guest([0xe9, 0xfb, 0xff, 2, 0])
  g.poke(g.pte(0x50000, NESTED), 0x50007n | (1n << 63n))
  g.poke(g.pte(0x51000, NESTED), 0n)
  g.poke(VMCB + V.VMCB_EFER, 0x1d00n)
  g.core.wrmsr(0xc0000080, { lo: 0x1800, hi: 0 })
  equal(g.run(), '400')
  deepEqual([g.vmcb(V.VMCB_EXITINFO1), g.vmcb(V.VMCB_EXITINFO2)], [0x1_0000_0015n, 0x50000n])
  deepEqual([g.vmcb(V.VMCB_RIP), g.vmcb(V.VMCB_INSTRUCTION_BYTES_COUNT) & 0xffn], [0x50000n, 0n])
})

test('a page fault is the guest’s own, or the host’s when intercepted', () => {
  // mov ecx, [0x50000]
  const g = new Guest([0x8b, 0x0c, 0x25, 0, 0, 5, 0])
  g.poke(g.pte(0x50000), 0n)
  g.handler(14, VMMCALL)
  equal(g.run(), '81')
  deepEqual([g.vmcb(V.VMCB_CR2), g.vmcb(V.VMCB_RSP)], [0x50000n, BigInt(STACK - 48)])
  deepEqual([g.peek(STACK - 48), g.peek(STACK - 40)], [0n, BigInt(CODE)])

  const h = new Guest([0x8b, 0x0c, 0x25, 0, 0, 5, 0])
  h.poke(h.pte(0x50000), 0n)
  h.intercept(X.VMEXIT_EXCEPTION + 14)
  equal(h.run(), '4e')
  deepEqual([h.vmcb(V.VMCB_EXITINFO1), h.vmcb(V.VMCB_EXITINFO2), h.vmcb(V.VMCB_CR2)], [0n, 0x50000n, 0n])
  equal(h.vmcb(V.VMCB_RIP), BigInt(CODE))
})

test('injected events reach their handler before the first instruction', () => {
  const g = new Guest([0xb9, 1, 0, 0, 0, ...VMMCALL])
  g.handler(0x30, VMMCALL)
  g.poke(VMCB + V.VMCB_EVENTINJ, 0x8000_0030n)
  equal(g.run(), '81')
  deepEqual([g.vmcb(V.VMCB_RIP), g.peek(STACK - 40), g.registers()[1]], [BigInt(HANDLERS + 0x30 * 0x40), BigInt(CODE), 0])
  equal(g.vmcb(V.VMCB_RFLAGS) & 0x200n, 0n)
})

test('a nested fault while an event is delivered reports the event', () => {
  const g = new Guest(VMMCALL)
  g.handler(14, VMMCALL)
  g.poke(g.pte(STACK - 8, NESTED), 0n)
  g.poke(VMCB + V.VMCB_EVENTINJ, 0x7_8000_0b0en)
  equal(g.run(), '400')
  deepEqual([g.vmcb(V.VMCB_EXITINTINFO), g.vmcb(V.VMCB_EXITINFO2)], [0x7_8000_0b0en, BigInt(STACK - 8)])
  deepEqual([g.vmcb(V.VMCB_RIP), g.vmcb(V.VMCB_RSP)], [BigInt(CODE), BigInt(STACK)])
})

test('a virtual interrupt waits for the end of the interrupt shadow', () => {
  const g = new Guest([0x90, 0x90, ...VMMCALL])
  g.handler(0x41, VMMCALL)
  g.poke(VMCB + V.VMCB_INTERRUPT_SHADOW, 1n)
  g.poke(VMCB + V.VMCB_V_INTR, 0x41_0110_0100n | BigInt(V.V_INTR_MASKING))
  equal(g.run(), '81')
  equal(g.peek(STACK - 40), BigInt(CODE + 1))
  equal(g.vmcb(V.VMCB_V_INTR) & 0x100n, 0n)
})

test('STI holds a virtual interrupt off for one instruction; STI and HLT exit together in the shadow', () => {
  // sti; nop; nop
  const g = new Guest([0xfb, 0x90, 0x90, ...VMMCALL])
  g.handler(0x41, VMMCALL)
  g.poke(VMCB + V.VMCB_RFLAGS, 2n)
  g.poke(VMCB + V.VMCB_V_INTR, 0x41_0110_0100n | BigInt(V.V_INTR_MASKING))
  equal(g.run(), '81')
  equal(g.peek(STACK - 40), BigInt(CODE + 2))

  const h = new Guest([0xfb, 0xf4, ...VMMCALL])
  h.intercept(X.VMEXIT_HLT)
  h.poke(VMCB + V.VMCB_RFLAGS, 2n)
  equal(h.run(), '78')
  deepEqual([h.vmcb(V.VMCB_RIP), h.vmcb(V.VMCB_NRIP), h.vmcb(V.VMCB_INTERRUPT_SHADOW)], [BigInt(CODE + 1), BigInt(CODE + 2), 1n])
})

test('software interrupts: intercepts name the vector and the next instruction, injection returns behind it', () => {
  // int 80h; vmmcall
  const g = new Guest([0xcd, 0x80, ...VMMCALL])
  g.handler(0x80, VMMCALL)
  g.intercept(X.VMEXIT_SWINT)
  equal(g.run(), '75')
  deepEqual([g.vmcb(V.VMCB_EXITINFO1), g.vmcb(V.VMCB_RIP), g.vmcb(V.VMCB_NRIP)], [0x80n, BigInt(CODE), BigInt(CODE + 2)])
  g.poke(VMCB + V.VMCB_EVENTINJ, 0x8000_0480n)
  equal(g.run(), '81')
  equal(g.peek(STACK - 40), BigInt(CODE + 2))

  const h = new Guest([0xcc])
  h.intercept(X.VMEXIT_EXCEPTION + 3)
  equal(h.run(), '43')
  deepEqual([h.vmcb(V.VMCB_RIP), h.vmcb(V.VMCB_NRIP)], [BigInt(CODE), BigInt(CODE + 1)])
})

test('MSR and I/O intercepts by their maps', () => {
  // mov ecx, C0000102h; rdmsr (open); mov ecx, C0000234h; wrmsr (marked); out 80h, al
  const g = new Guest([0xb9, 0x02, 0x01, 0, 0xc0, 0x0f, 0x32, 0xb9, 0x34, 0x02, 0, 0xc0, 0x0f, 0x30, 0xe6, 0x80])
  g.intercept(X.VMEXIT_MSR)
  g.intercept(X.VMEXIT_IOIO)
  g.poke(VMCB + V.VMCB_MSRPM_BASE_PA, 0x50000n)
  g.poke(VMCB + V.VMCB_IOPM_BASE_PA, 0x54000n)
  g.poke(0x50000 + 0x888, 0xffff_ffff_ffffn << 16n)
  g.bytes(0x54000 + 0x10, [1])
  equal(g.run(), '7c')
  deepEqual([g.vmcb(V.VMCB_EXITINFO1), g.vmcb(V.VMCB_RIP)], [1n, BigInt(CODE + 12)])
  g.poke(VMCB + V.VMCB_RIP, g.vmcb(V.VMCB_NRIP))
  equal(g.run(), '7b')
  deepEqual([g.vmcb(V.VMCB_EXITINFO1), g.vmcb(V.VMCB_EXITINFO2)], [0x80_0210n, BigInt(CODE + 16)])
})

test('the budget ends in VMEXIT_INTR between two instructions', () => {
  // loop: inc ecx; jmp loop
  const g = new Guest([0xff, 0xc1, 0xeb, 0xfc])
  equal(g.run(1001), '60')
  equal(g.registers()[1], 501)
  equal(g.vmcb(V.VMCB_RIP), BigInt(CODE + 2))
  equal(g.core.instructionsRetired, 1001)
})

test('a triple fault is VMEXIT_SHUTDOWN', () => {
  const g = new Guest([0x0f, 0x0b])
  equal(g.run(), '7f')
})

test('code that the guest changes under itself runs as changed', () => {
  // mov byte [rip+0], … would overlap: store 9 into the immediate of a later mov, then run it
  const g = new Guest([0xc6, 0x04, 0x25, 0x09, 0x00, 0x02, 0x00, 9, 0xb9, 1, 0, 0, 0, ...VMMCALL])
  equal(g.run(), '81')
  equal(g.registers()[1], 9)
})

test('a guest that the host cannot leave costs it the core, which starts anew', () => {
  const lost = (code: number, bytes: readonly number[]): Guest => {
    const g = new Guest(bytes)
    const at = DRAM_BASE + VMCB + (code >> 5) * 4
    g.view.setUint32(at, (g.view.getUint32(at, true) & ~(1 << (code & 31))) >>> 0, true)
    throws(() => g.run(), CoreLost)
    return g
  }
  // UD2 with no handlers anywhere: triple fault, not intercepted.
  const g = lost(X.VMEXIT_SHUTDOWN, [0x0f, 0x0b])
  deepEqual(g.core.rdmsr(0xc0000080), { lo: 0, hi: 0 })
  g.core.wrmsr(0xc0000080, { lo: 0x1000, hi: 0 })
  g.intercept(X.VMEXIT_SHUTDOWN)
  equal(g.run(), '7f')
  // jmp $ without the INTR intercept.
  lost(X.VMEXIT_INTR, [0xeb, 0xfe])
})

/** mov edi, to; mov ecx, count; mov eax, 0x07070707; rep stosb; vmmcall */
function filling(to: number, count: number): Guest {
  const word = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, n >>> 24]
  const g = new Guest([0xbf, ...word(to), 0xb9, ...word(count), 0xb8, ...word(0x07070707), 0xf3, 0xaa, ...VMMCALL], true)
  g.bytes(0x200000, new Array<number>(0x4000).fill(0x55))
  return g
}

const bytesOf = (g: Guest, value: number): number =>
  new Uint8Array(g.memory.buffer, DRAM_BASE + 0x200000, 0x4000).reduce((sum, byte) => sum + (byte === value ? 1 : 0), 0)

test('REP STOS asks for whole pages that it overwrites without what they held, and for no others', () => {
  for (const [to, count, filled] of [
    [0x200000, 0x1000, [0x200]],
    [0x200000, 0xfff, []],
    [0x200001, 0x1000, []],
    [0x200800, 0x2000, [0x201]],
    [0x201000, 0x2001, [0x201, 0x202]],
  ] as const) {
    const g = filling(to, count)
    equal(g.run(10_000), '81')
    deepEqual(g.filled, filled, `${count} bytes at ${to}`)
    deepEqual([bytesOf(g, 7), bytesOf(g, 0x55)], [count, 0x4000 - count])
    deepEqual(g.registers()[1], 0)
  }
})

test('REP STOS leaves a page alone that it may not write', () => {
  const absent = filling(0x200000, 0x2000)
  absent.poke(absent.pte(0x201000, NESTED), 0n)
  equal(absent.run(10_000), '400')
  deepEqual([absent.filled, absent.registers()[1], bytesOf(absent, 0x55)], [[0x200], 0x1000, 0x3000])
  absent.poke(absent.pte(0x201000, NESTED), 0x201007n)
  equal(absent.run(10_000), '81')
  deepEqual([absent.filled, bytesOf(absent, 7)], [[0x200, 0x201], 0x2000])

  const guarded = filling(0x200000, 0x1000)
  guarded.poke(guarded.pte(0x200000), 0x200005n)
  guarded.handler(14, VMMCALL)
  equal(guarded.run(10_000), '81')
  deepEqual([guarded.filled, guarded.registers()[1], bytesOf(guarded, 0x55)], [[], 0x1000, 0x4000])

  const watched = filling(0x200000, 0x1000)
  // A data breakpoint on the last byte: every store is looked at by itself.
  watched.poke(VMCB + V.VMCB_DR7, 0x10401n)
  equal(watched.run(10_000), '81')
  deepEqual([watched.filled, bytesOf(watched, 7)], [[], 0x1000])
})

/** call `to` at `at` bytes from the start of the code. */
const callOf = (to: number, at: number): number[] => [0xe8, ...[0, 8, 16, 24].map((shift) => ((to - CODE - at - 5) >> shift) & 0xff)]
const INC_EDX_RET = [0xff, 0xc2, 0xc3]

test('REP STOS over a page of cached code drops the code', () => {
  // xor edx, edx; call 0x200000; mov edi, 0x200000; mov ecx, 0x1000; mov eax, 0xc3c3c3c3; rep stosb; call 0x200000; vmmcall
  const fill = [0xbf, 0, 0, 0x20, 0, 0xb9, 0, 0x10, 0, 0, 0xb8, 0xc3, 0xc3, 0xc3, 0xc3, 0xf3, 0xaa]
  const g = new Guest([0x31, 0xd2, ...callOf(0x200000, 2), ...fill, ...callOf(0x200000, 7 + fill.length), ...VMMCALL], true)
  g.bytes(0x200000, INC_EDX_RET)
  equal(g.run(10_000), '81')
  deepEqual([g.filled, g.registers()[2]], [[0x200], 1])
})

test('a page that stands in the write TLB leaves it when code is cached of it', () => {
  // xor edx, edx; mov [0x200010], dl; call 0x200000; mov byte [0x200000], 0xc3; call 0x200000; vmmcall
  const touch = [0x88, 0x14, 0x25, 0x10, 0, 0x20, 0]
  const change = [0xc6, 0x04, 0x25, 0, 0, 0x20, 0, 0xc3]
  const g = new Guest([0x31, 0xd2, ...touch, ...callOf(0x200000, 9), ...change, ...callOf(0x200000, 22), ...VMMCALL], true)
  g.bytes(0x200000, INC_EDX_RET)
  equal(g.run(10_000), '81')
  equal(g.registers()[2], 1)
})
