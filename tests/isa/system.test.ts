// The system side of the core, instruction by instruction: gates, interrupts, privilege, IRET, task switches, system calls, debug
// facilities. AMD64 APM vol. 2 (24593) and vol. 3 (24594) are the oracle; sections stand with the code under test.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import {
  ABSENT,
  CODE,
  CODE16,
  CODE32,
  CODE64,
  CONFORMING32,
  DATA16,
  DATA32,
  GATE,
  GDT,
  HANDLERS,
  IDT,
  IST1,
  LDT,
  LDT_SELECTOR,
  STACK0,
  STACK3,
  SystemMachine,
  TSS,
  TSS2,
  TSS2_SELECTOR,
  TSS_SELECTOR,
  USER_CODE32,
  USER_CODE64,
  USER_DATA32,
} from './system-machine.js'

const machine = await SystemMachine.make()

const handler = (vector: number): number => HANDLERS + vector * 16
const RFLAGS_IF = 0x200

test('flags: the lazy form holds every combination of the arithmetic flags', () => {
  const m = machine.real()
  for (let n = 0; n < 64; n++) {
    const bit = (k: number): number => (n >> k) & 1
    const flags = bit(0) | (bit(1) << 2) | (bit(2) << 4) | (bit(3) << 6) | (bit(4) << 7) | (bit(5) << 11)
    m.flags = flags
    assert.equal(m.flags, flags | 2)
  }
})

test('flags: bits that do not exist stay zero, masked bits stay', () => {
  const m = machine.real()
  m.k.set_flags(m.s, ~0n & 0xffffffffffffffffn, 0xffffffffn & ~0x20100n)
  assert.equal(m.flags, 0x3f7fd7 & ~0x30100)
  m.k.set_flags(m.s, 0n, 1n)
  assert.equal(m.flags, 0x3f7fd6 & ~0x30100)
})

test('real mode: INT pushes flags, CS, IP and clears IF; IRET restores', () => {
  const m = machine.real()
  m.flags = RFLAGS_IF | 1
  m.w16(0x21 * 4, 0x1234)
  m.w16(0x21 * 4 + 2, 0x100)
  m.run(1, 0xcd, 0x21)
  assert.equal(m.pc, 0x1234)
  assert.equal(m.selector(S.CS), 0x100)
  assert.equal(m.get(S.CS_BASE), 0x1000n)
  assert.equal(m.flags, 3)
  assert.deepEqual([m.r16(0xeffa), m.r16(0xeffc), m.r16(0xeffe)], [CODE + 2, 0, RFLAGS_IF | 3])
  m.write(0x1000 + 0x1234, 0xcf)
  m.run(1)
  assert.equal(m.pc, CODE + 2)
  assert.equal(m.selector(S.CS), 0)
  assert.equal(m.flags, RFLAGS_IF | 3)
  assert.equal(m.get(S.RSP), 0xf000n)
})

test('real mode: segment loads set base only; far JMP, CALL and RETF', () => {
  const m = machine.real()
  m.set(S.RAX, 0x2000)
  m.run(1, 0x8e, 0xd8) // mov ds, ax
  assert.equal(m.get(S.DS_BASE), 0x20000n)
  m.run(1, 0x9a, 0x10, 0x00, 0x00, 0x09) // call 0900:0010
  assert.equal(m.pc, 0x10)
  assert.equal(m.get(S.CS_BASE), 0x9000n)
  assert.equal(m.r16(0xeffc), CODE + 7)
  m.write(0x9010, 0xca, 2, 0) // retf 2
  m.run(1)
  assert.equal(m.pc, CODE + 7)
  assert.equal(m.get(S.RSP), 0xf002n)
})

test('protected mode: INT from level 3 to level 0 changes stacks; IRET goes back and drops nothing it may keep', () => {
  const m = machine.protected32(3)
  m.gate(0x80, 0xf, 3, CODE32, 'protected')
  m.flags = RFLAGS_IF | 0x3000
  m.run(1, 0xcd, 0x80)
  assert.equal(m.pc, handler(0x80))
  assert.equal(m.u32(S.CPL), 0)
  assert.equal(m.selector(S.CS), CODE32)
  assert.equal(m.selector(S.SS), DATA32)
  assert.equal(m.get(S.RSP), BigInt(STACK0 - 20))
  assert.deepEqual(
    [0, 4, 8, 12, 16].map((n) => m.r32(STACK0 - 20 + n)),
    [CODE + 2, USER_CODE32, RFLAGS_IF | 0x3002, STACK3, USER_DATA32],
  )
  assert.equal(m.flags & RFLAGS_IF, RFLAGS_IF) // trap gate
  m.segment(S.DS, DATA32, 0xc93, 0xffffffff, 0)
  m.run(1, 0xcf)
  assert.equal(m.pc, CODE + 2)
  assert.equal(m.u32(S.CPL), 3)
  assert.equal(m.get(S.RSP), BigInt(STACK3))
  assert.equal(m.selector(S.DS), 0)
  assert.equal(m.selector(S.ES), USER_DATA32)
  assert.equal(m.flags, RFLAGS_IF | 0x3002)
})

test('protected mode: INT through a gate of level 0 is #GP with the IDT entry as error code', () => {
  const m = machine.protected32(3)
  m.fault(13, 0xcd, 0x20)
  assert.equal(m.r32(STACK0 - 24), (0x20 << 3) | 2)
  assert.equal(m.r32(STACK0 - 20), CODE)
  assert.equal(m.r32(STACK0 - 12) & 0x10000, m.u32(S.DR7) & 0xff ? 0x10000 : 0x10000) // RF in the image of a fault
})

test('protected mode: an absent segment is #NP with the selector; loads check privilege', () => {
  const m = machine.protected32(0)
  m.set(S.RAX, ABSENT)
  m.fault(11, 0x8e, 0xd8)
  assert.equal(m.r32(STACK0 - 16), ABSENT)
  const u = machine.protected32(3)
  u.set(S.RAX, DATA32)
  u.fault(13, 0x8e, 0xd8)
  assert.equal(u.r32(STACK0 - 24), DATA32)
  const t = machine.protected32(0)
  t.set(S.RAX, USER_DATA32)
  t.fault(13, 0x8e, 0xd0)
  assert.equal(t.r32(STACK0 - 16), USER_DATA32 & 0xfffc)
})

test('protected mode: loading a segment sets its accessed bit; null may be loaded', () => {
  const m = machine.protected32(0)
  m.descriptor(DATA32, 0x00cf92000000ffffn)
  m.set(S.RAX, DATA32)
  m.run(1, 0x8e, 0xc0)
  assert.equal(m.r32(GDT + DATA32 + 4), 0x00cf9300)
  m.set(S.RAX, 3)
  m.run(1, 0x8e, 0xe8)
  assert.equal(m.selector(S.GS), 3)
  assert.equal(m.attributes(S.GS), 0)
})

test('call gate: two parameters are copied to the inner stack, RETF 8 releases both', () => {
  const m = machine.protected32(3)
  // 32-bit call gate, two parameters, DPL 3, to CODE32:9000
  m.descriptor(GATE, (0x0000ec02n << 32n) | (BigInt(CODE32) << 16n) | 0x9000n)
  m.w32(STACK3 - 8, 0x1111)
  m.w32(STACK3 - 4, 0x2222)
  m.set(S.RSP, STACK3 - 8)
  m.run(1, 0x9a, 0, 0, 0, 0, GATE | 3, 0)
  assert.equal(m.pc, 0x9000)
  assert.equal(m.u32(S.CPL), 0)
  assert.deepEqual(
    [0, 4, 8, 12, 16, 20].map((n) => m.r32(STACK0 - 24 + n)),
    [CODE + 7, USER_CODE32, 0x1111, 0x2222, STACK3 - 8, USER_DATA32],
  )
  m.run(1, 0xca, 8, 0)
  assert.equal(m.pc, CODE + 7)
  assert.equal(m.u32(S.CPL), 3)
  assert.equal(m.get(S.RSP), BigInt(STACK3))
})

test('far JMP: conforming code keeps the level, other levels are refused', () => {
  const m = machine.protected32(3)
  m.run(1, 0xea, 0x00, 0x90, 0, 0, CONFORMING32, 0)
  assert.equal(m.pc, 0x9000)
  assert.equal(m.selector(S.CS), CONFORMING32 | 3)
  assert.equal(m.u32(S.CPL), 3)
  const r = machine.protected32(3)
  r.fault(13, 0xea, 0x00, 0x90, 0, 0, CODE32, 0)
  assert.equal(r.r32(STACK0 - 24), CODE32)
})

test('far JMP to 16-bit code: the code and stack sizes follow', () => {
  const m = machine.protected32(0)
  m.run(1, 0xea, 0x00, 0x90, 0, 0, CODE16, 0)
  assert.equal(m.u32(S.MODE) & S.MODE_CODE_MASK, S.MODE_CODE16)
  m.set(S.RAX, DATA16)
  m.run(1, 0x8e, 0xd0)
  assert.equal(m.u32(S.MODE) & S.MODE_STACK32, 0)
  assert.equal(m.u32(S.SHADOW) !== 0, true)
})

test('virtual-8086 mode: IRET enters it, interrupts push nine doublewords, IOPL guards INT', () => {
  const m = machine.protected32(0)
  m.set(S.RSP, STACK0 - 36)
  for (const [n, v] of [0x100, 0x900, 0x20202 | 0x3000, 0xf000, 0x10, 0x20, 0x30, 0x40, 0x50].entries()) m.w32(STACK0 - 36 + n * 4, v)
  m.run(1, 0xcf)
  assert.equal(m.u32(S.CPL), 3)
  assert.equal(m.pc, 0x100)
  assert.equal(m.get(S.CS_BASE), 0x9000n)
  assert.deepEqual(
    [S.SS, S.ES, S.DS, S.FS, S.GS].map((n) => m.selector(n)),
    [0x10, 0x20, 0x30, 0x40, 0x50],
  )
  m.gate(0x21, 0xe, 3, CODE32, 'protected')
  m.write(0x9100, 0xcd, 0x21)
  m.k.code_clear()
  m.run(1)
  assert.equal(m.pc, handler(0x21))
  assert.equal(m.u32(S.CPL), 0)
  assert.deepEqual(
    [0, 4, 8, 12, 16, 20, 24, 28, 32].map((n) => m.r32(STACK0 - 36 + n)),
    [0x102, 0x900, 0x23202, 0xf000, 0x10, 0x20, 0x30, 0x40, 0x50],
  )
  assert.equal(m.selector(S.DS), 0)
  m.w32(STACK0 - 36, 0x100)
  m.w32(STACK0 - 28, 0x20202)
  m.run(1, 0xcf)
  m.fault(13)
  assert.equal(m.r32(STACK0 - 40), 0)
})

test('long mode: an exception aligns the stack, pushes five values and the error code; IRETQ returns', () => {
  const m = machine.long64(3)
  m.flags = RFLAGS_IF
  m.set(S.RSP, STACK3 - 3)
  m.fault(13, 0xcd, 0x20)
  assert.equal(m.selector(S.SS), 0)
  assert.equal(m.u32(S.CPL), 0)
  assert.deepEqual(
    [0, 8, 16, 24, 32, 40].map((n) => Number(m.r64(STACK0 - 48 + n))),
    [0x102, CODE, USER_CODE64, RFLAGS_IF | 2 | 0x10000, STACK3 - 3, USER_DATA32],
  )
  m.set(S.RSP, STACK0 - 40)
  m.run(1, 0x48, 0xcf)
  assert.equal(m.pc, CODE)
  assert.equal(m.get(S.RSP), BigInt(STACK3 - 3))
  assert.equal(m.u32(S.CPL), 3)
  assert.equal(m.selector(S.SS), USER_DATA32)
})

test('long mode: IST gives the stack at any level', () => {
  const m = machine.long64(0)
  m.gate(3, 0xe, 0, CODE64, 'long', 1)
  m.set(S.RSP, STACK0 - 5)
  m.run(1, 0xcc)
  assert.equal(m.pc, handler(3))
  assert.equal(m.get(S.RSP), BigInt(IST1 - 40))
  assert.equal(Number(m.r64(IST1 - 16)), STACK0 - 5)
  assert.equal(m.selector(S.SS), DATA32)
})

test('long mode: a #GP while #GP is delivered is a double fault, and a third fault shuts down', () => {
  const m = machine.long64(0)
  m.gate(13, 0xe, 0, 0, 'long') // null code selector: #GP while delivering #GP
  m.fault(8, 0xcd, 0x31)
  assert.equal(m.r64(STACK0 - 48), 0n)
  const t = machine.long64(0)
  t.gate(13, 0xe, 0, 0, 'long')
  t.gate(8, 0xe, 0, 0, 'long')
  assert.equal(t.run(1, 0xcd, 0x31), S.EXIT_SHUTDOWN)
})

test('long mode: a page fault sets CR2 and the error code', () => {
  const m = machine.long64(3)
  m.set(S.RAX, 0x1234567)
  m.fault(14, 0x8b, 0x00)
  assert.equal(m.get(S.CR2), 0x1234567n)
  assert.equal(m.r64(STACK0 - 48), 4n)
})

test('long mode: SYSCALL and SYSRET', () => {
  const m = machine.long64(3)
  m.set(S.MSR_STAR, (BigInt(USER_CODE64 - 16) << 48n) | (BigInt(CODE64) << 32n))
  m.set(S.MSR_LSTAR, 0x9000)
  m.set(S.MSR_SFMASK, 0x47700)
  m.flags = 0x40647
  m.run(1, 0x0f, 0x05)
  assert.equal(m.pc, 0x9000)
  assert.equal(Number(m.get(S.RCX)), CODE + 2)
  assert.equal(Number(m.get(S.R8 + 24)), 0x40647)
  assert.equal(m.flags, 0x47 | 0x0)
  assert.equal(m.selector(S.CS), CODE64)
  assert.equal(m.selector(S.SS), CODE64 + 8)
  m.run(1, 0x48, 0x0f, 0x07)
  assert.equal(m.pc, CODE + 2)
  assert.equal(m.u32(S.CPL), 3)
  assert.equal(m.flags, 0x40647)
  assert.equal(m.selector(S.CS), USER_CODE64)
})

test('long mode: SYSENTER is #UD, SWAPGS exchanges and needs level 0', () => {
  const m = machine.long64(0)
  m.fault(6, 0x0f, 0x34)
  const g = machine.long64(0)
  g.set(S.GS_BASE, 1)
  g.set(S.MSR_KERNEL_GS_BASE, 2)
  g.run(1, 0x0f, 0x01, 0xf8)
  assert.deepEqual([g.get(S.GS_BASE), g.get(S.MSR_KERNEL_GS_BASE)], [2n, 1n])
  const u = machine.long64(3)
  u.fault(13, 0x0f, 0x01, 0xf8)
})

test('protected mode: SYSENTER and SYSEXIT', () => {
  const m = machine.protected32(3)
  m.set(S.MSR_SYSENTER_CS, CODE32)
  m.set(S.MSR_SYSENTER_ESP, STACK0)
  m.set(S.MSR_SYSENTER_EIP, 0x9000)
  m.flags = RFLAGS_IF
  m.run(1, 0x0f, 0x34)
  assert.deepEqual([m.pc, m.u32(S.CPL), m.flags, Number(m.get(S.RSP))], [0x9000, 0, 2, STACK0])
  m.set(S.RDX, CODE)
  m.set(S.RCX, STACK3)
  m.run(1, 0x0f, 0x35)
  assert.deepEqual([m.pc, m.u32(S.CPL), m.selector(S.CS), m.selector(S.SS)], [CODE, 3, USER_CODE32, USER_DATA32])
})

function prepareTask(m: SystemMachine): void {
  m.w32(TSS2 + 0x20, 0x9000)
  m.w32(TSS2 + 0x24, 2)
  for (let n = 0; n < 8; n++) m.w32(TSS2 + 0x28 + n * 4, 0x100 + n)
  m.w32(TSS2 + 0x38, STACK3)
  for (const [n, v] of [DATA32, CODE32, DATA32, DATA32, 0, 0].entries()) m.w32(TSS2 + 0x48 + n * 4, v)
  m.w32(TSS2 + 0x60, LDT_SELECTOR)
  m.descriptor(TSS_SELECTOR, 0x00008b0030000fffn)
}

test('task switch by CALL and back by IRET: registers, NT, link, busy bits, TS', () => {
  const m = machine.protected32(0)
  prepareTask(m)
  m.set(S.RAX, 0xabcd)
  m.run(1, 0x9a, 0, 0, 0, 0, TSS2_SELECTOR, 0)
  assert.equal(m.pc, 0x9000)
  assert.equal(m.selector(S.TR), TSS2_SELECTOR)
  assert.deepEqual([m.get(S.RAX), m.get(S.RDI), Number(m.get(S.RSP))], [0x100n, 0x107n, STACK3])
  assert.equal(m.flags & 0x4000, 0x4000)
  assert.equal(m.r16(TSS2), TSS_SELECTOR)
  assert.equal(m.get(S.CR0) & 8n, 8n)
  assert.equal(m.selector(S.LDTR), LDT_SELECTOR)
  assert.deepEqual([m.r32(TSS + 0x20), m.r32(TSS + 0x28)], [CODE + 7, 0xabcd])
  assert.equal((m.r32(GDT + TSS2_SELECTOR + 4) >> 8) & 0xf, 0xb)
  m.run(1, 0xcf)
  assert.equal(m.pc, CODE + 7)
  assert.equal(m.get(S.RAX), 0xabcdn)
  assert.equal(m.selector(S.TR), TSS_SELECTOR)
  assert.equal((m.r32(GDT + TSS2_SELECTOR + 4) >> 8) & 0xf, 9)
  assert.equal(m.r32(TSS2 + 0x24) & 0x4000, 0)
  assert.equal(m.flags & 0x4000, 0)
})

test('task switch by JMP clears the old busy bit; a busy task is #GP', () => {
  const m = machine.protected32(0)
  prepareTask(m)
  m.run(1, 0xea, 0, 0, 0, 0, TSS2_SELECTOR, 0)
  assert.equal(m.pc, 0x9000)
  assert.equal((m.r32(GDT + TSS_SELECTOR + 4) >> 8) & 0xf, 9)
  assert.equal(m.flags & 0x4000, 0)
  const b = machine.protected32(0)
  prepareTask(b)
  b.descriptor(TSS2_SELECTOR, 0x00008b00380000ffn)
  b.fault(13, 0xea, 0, 0, 0, 0, TSS2_SELECTOR, 0)
  assert.equal(b.r32(STACK0 - 16), TSS2_SELECTOR)
})

test('task gate: an exception switches tasks and pushes its error code on the new stack', () => {
  const m = machine.protected32(0)
  prepareTask(m)
  m.w64(IDT + 13 * 8, (0x8500n << 32n) | (BigInt(TSS2_SELECTOR) << 16n))
  m.set(S.RAX, TSS_SELECTOR)
  m.run(1, 0x8e, 0xd8)
  assert.equal(m.selector(S.TR), TSS2_SELECTOR)
  assert.equal(m.pc, 0x9002)
  assert.equal(m.get(S.RSP), BigInt(STACK3 - 4))
  assert.equal(m.r32(STACK3 - 4), TSS_SELECTOR)
  assert.equal(m.r32(TSS + 0x20), CODE)
})

test('a fault of the new task is delivered in the new task', () => {
  const m = machine.protected32(0)
  prepareTask(m)
  m.w32(TSS2 + 0x54, ABSENT) // DS
  m.run(1, 0xea, 0, 0, 0, 0, TSS2_SELECTOR, 0)
  assert.equal(m.selector(S.TR), TSS2_SELECTOR)
  assert.equal(m.pc, handler(11))
  assert.equal(m.r32(STACK3 - 16), ABSENT)
  assert.equal(m.r32(STACK3 - 12), 0x9000)
})

test('real to long mode by a program: CR4, EFER, CR0, far JMP', () => {
  const m = machine.real()
  m.segment(S.GDTR, 0, 0, 0xfff, GDT)
  m.set(S.RCX, 0xc0000080)
  m.set(S.RBX, 0x10000)
  m.run(
    9,
    0x66,
    0xb8,
    0x20,
    0,
    0,
    0,
    0x0f,
    0x22,
    0xe0, // mov eax, 20h; mov cr4, eax
    0x0f,
    0x22,
    0xdb, // mov cr3, ebx
    0x66,
    0xb8,
    0,
    1,
    0,
    0,
    0x66,
    0x31,
    0xd2,
    0x0f,
    0x30, // mov eax, 100h; xor edx, edx; wrmsr
    0x66,
    0xb8,
    0x11,
    0,
    0,
    0x80,
    0x0f,
    0x22,
    0xc0, // mov eax, 80000011h; mov cr0, eax
    0xea,
    0x00,
    0x90,
    CODE64,
    0, // jmp CODE64:9000
  )
  assert.equal(m.pc, 0x9000)
  assert.equal(m.get(S.EFER), 0x500n)
  assert.equal(m.u32(S.MODE) & S.MODE_CODE_MASK, S.MODE_CODE64)
})

test('CR0, CR4: illegal values are #GP and change nothing', () => {
  const cases: [number, bigint][] = [
    [S.CR0, 0x80000000n], // PG without PE
    [S.CR0, 0x20000031n], // NW without CD
    [S.CR0, 0x100000031n],
    [S.CR4, 0x601n], // VME
    [S.CR4, 0x600n], // PAE cleared in long mode
    [S.CR4, 0x1620n], // LA57 changed in long mode
    [S.CR4, 1n << 32n],
  ]
  for (const [register, value] of cases) {
    const m = machine.long64(0)
    const old = m.get(register)
    m.set(S.RAX, value)
    m.fault(13, 0x0f, 0x22, register === S.CR0 ? 0xc0 : 0xe0)
    assert.equal(m.get(register), old)
  }
})

test('CR8 by REX.R; CR1 and CR5 do not exist; privilege', () => {
  const m = machine.long64(0)
  m.set(S.RAX, 5)
  m.run(1, 0x44, 0x0f, 0x22, 0xc0)
  assert.equal(m.get(S.CR8), 5n)
  m.run(1, 0x44, 0x0f, 0x20, 0xc3)
  assert.equal(m.get(S.RBX), 5n)
  m.fault(6, 0x0f, 0x20, 0xc8)
  const u = machine.long64(3)
  u.fault(13, 0x0f, 0x20, 0xc0)
})

test('POPF: IOPL and IF obey the level; PUSHF hides RF and VM', () => {
  const m = machine.long64(3)
  m.set(S.RSP, STACK3 - 8)
  m.w64(STACK3 - 8, 0x3fffffn)
  m.run(1, 0x9d)
  assert.equal(m.flags & 0x3200, 0)
  assert.equal(m.flags & 0x244cd5, 0x244cd5)
  assert.equal(m.flags & 0x1b0000, 0)
})

test('STI holds interrupts off for one instruction; CLI above IOPL is #GP', () => {
  const m = machine.long64(0)
  m.run(1, 0xfb, 0x90)
  assert.equal(m.u32(S.SHADOW) !== 0, true)
  assert.equal(m.flags & RFLAGS_IF, RFLAGS_IF)
  m.run(1)
  m.run(0)
  assert.equal(m.u32(S.SHADOW), 0)
  const u = machine.long64(3)
  u.fault(13, 0xfa)
})

test('HLT leaves with EXIT_HALT at the next instruction', () => {
  const m = machine.long64(0)
  assert.equal(m.run(5, 0xf4), S.EXIT_HALT)
  assert.equal(m.pc, CODE + 1)
  assert.equal(m.u32(S.HALTED), 1)
})

test('single step: a trap after each instruction with DR6.BS, none after the handler is entered', () => {
  const m = machine.long64(0)
  m.flags = 0x100
  m.run(1, 0x90, 0x90)
  m.run(0)
  assert.equal(m.pc, handler(1))
  assert.equal(Number(m.r64(STACK0 - 40)), CODE + 1)
  assert.equal(m.get(S.DR6), 0xffff4ff0n)
  assert.equal(m.flags & 0x100, 0)
  assert.equal(m.r64(STACK0 - 24) & 0x10100n, 0x100n)
})

test('single step: RET, CALL and JMP to code that is cached already trap at their targets', () => {
  for (const code of [[0xc3], [0xff, 0xd0], [0xff, 0xe0]]) {
    const m = machine.long64(0)
    const target = CODE + 0x100
    m.write(CODE, ...code)
    m.write(target, 0x90, 0x90, 0x90, 0xf4)
    m.k.code_clear()
    m.set(S.PC, target)
    m.run(3)
    m.flags = 0x100
    m.set(S.PC, CODE)
    m.set(S.RAX, target)
    m.set(S.RSP, STACK0 - 0x100)
    m.w64(STACK0 - 0x100, BigInt(target))
    m.run(1000)
    assert.equal(m.pc, handler(1) + 1, `${code}`)
    // RIP of the frame that the trap has pushed.
    assert.equal(Number(m.r64(Number(m.get(S.RSP)))), target, `${code}`)
  }
})

test('POPF that sets TF: the trap follows the next instruction', () => {
  const m = machine.long64(0)
  m.set(S.RSP, STACK0 - 8)
  m.w64(STACK0 - 8, 0x102n)
  m.run(2, 0x9d, 0x90, 0x90)
  m.run(0)
  assert.equal(m.pc, handler(1))
  assert.equal(Number(m.r64(STACK0 - 40)), CODE + 2)
})

test('INT under TF is followed by no trap; SYSCALL that masks TF neither', () => {
  const m = machine.long64(0)
  m.flags = 0x100
  m.run(1, 0xcd, 0x20)
  m.run(0)
  assert.equal(m.pc, handler(0x20))
  const c = machine.long64(3)
  c.set(S.MSR_STAR, BigInt(CODE64) << 32n)
  c.set(S.MSR_LSTAR, 0x9000)
  c.set(S.MSR_SFMASK, 0x100)
  c.flags = 0x100
  c.run(1, 0x0f, 0x05)
  c.run(0)
  assert.equal(c.pc, 0x9000)
})

test('instruction breakpoint: a fault before the instruction, held off by RF', () => {
  const m = machine.long64(0)
  m.set(S.DR0, CODE + 1)
  m.set(S.RAX, 0x401)
  m.run(1, 0x0f, 0x23, 0xf8) // mov dr7, rax
  m.set(S.PC, CODE)
  m.run(2, 0x90, 0x90)
  m.atHandler(1)
  assert.equal(Number(m.r64(STACK0 - 40)), CODE + 1)
  assert.equal(m.get(S.DR6), 0xffff0ff1n)
  assert.equal(m.r64(STACK0 - 24) & 0x10000n, 0n)
  m.w64(STACK0 - 24, 0x10002n)
  m.run(2, 0x48, 0xcf)
  assert.equal(m.pc, CODE + 2)
})

test('data breakpoint: a trap after the store, with the store done', () => {
  const m = machine.long64(0)
  m.set(S.DR0 + 8, 0x9100)
  m.set(S.RAX, 0x00d00404)
  m.run(1, 0x0f, 0x23, 0xf8)
  m.set(S.RBX, 0x9102)
  m.run(3, 0xc6, 0x03, 0x55, 0x90, 0x90)
  m.run(0)
  assert.equal(m.pc >= handler(1), true)
  assert.equal(Number(m.r64(STACK0 - 40)), CODE + 3 + 3)
  assert.equal(m.get(S.DR6), 0xffff0ff2n)
  assert.equal(m.r16(0x9102) & 0xff, 0x55)
})

test('DR4 and DR5 alias DR6 and DR7 unless CR4.DE; GD traps accesses', () => {
  const m = machine.long64(0)
  m.run(1, 0x0f, 0x21, 0xe0)
  assert.equal(m.get(S.RAX), 0xffff0ff0n)
  m.set(S.CR4, 0x628)
  m.fault(6, 0x0f, 0x21, 0xe0)
  const g = machine.long64(0)
  g.set(S.DR7, 0x2400)
  g.fault(1, 0x0f, 0x21, 0xc0)
  assert.equal(g.get(S.DR6), 0xffff2ff0n)
  assert.equal(g.get(S.DR7), 0x400n)
})

test('ports: IOPL, then the bit map of the TSS; host mode leaves with EXIT_PORT', () => {
  const m = machine.protected32(3)
  m.w16(TSS + 0x66, 0xffff)
  m.set(S.RDX, 0x3f8)
  m.set(S.RAX, 0x41)
  m.fault(13, 0xee)
  const u = machine.protected32(3)
  u.w16(TSS + 0x66, 0x68)
  for (let n = 0; n < 0x90; n++) u.write(TSS + 0x68 + n, 0xff)
  u.write(TSS + 0x68 + 0x7f, 0xfe)
  u.set(S.RDX, 0x3f8)
  u.set(S.RAX, 0x41)
  assert.equal(u.run(1, 0xee), S.EXIT_PORT)
  assert.equal(u.u32(S.EXIT_INFO), 0x103f8)
  assert.equal(u.get(S.T0), 0x41n)
  assert.equal(u.pc, CODE + 1)
  u.fault(13, 0xef)
})

test('LAR, LSL, VERR, VERW and ARPL', () => {
  const m = machine.protected32(3)
  m.set(S.RCX, USER_DATA32)
  m.run(2, 0x0f, 0x02, 0xc1, 0x0f, 0x03, 0xd9)
  assert.equal(m.get(S.RAX), 0xcff300n)
  assert.equal(m.get(S.RBX), 0xffffffffn)
  assert.equal(m.flags & 0x40, 0x40)
  m.set(S.RCX, DATA32)
  m.set(S.RAX, 7)
  m.run(1, 0x0f, 0x02, 0xc1)
  assert.equal(m.flags & 0x40, 0)
  assert.equal(m.get(S.RAX), 7n)
  m.set(S.RCX, USER_CODE32)
  m.run(1, 0x0f, 0x00, 0xe1)
  assert.equal(m.flags & 0x40, 0x40)
  m.run(1, 0x0f, 0x00, 0xe9)
  assert.equal(m.flags & 0x40, 0)
  m.set(S.RAX, 0x10)
  m.set(S.RCX, 0x13)
  m.run(1, 0x63, 0xc8)
  assert.equal(m.get(S.RAX), 0x13n)
  assert.equal(m.flags & 0x40, 0x40)
})

test('LTR and LLDT in long mode take 16-byte descriptors', () => {
  const m = machine.long64(0)
  m.descriptor(TSS_SELECTOR + 8, 0xffff8000n)
  m.set(S.RAX, TSS_SELECTOR)
  m.run(1, 0x0f, 0x00, 0xd8)
  assert.equal(m.get(S.SEGMENTS + S.TR * 16 + 8), 0xffff800000003000n)
  assert.equal((m.r32(GDT + TSS_SELECTOR + 4) >> 8) & 0xf, 0xb)
  m.set(S.RAX, LDT_SELECTOR)
  m.run(1, 0x0f, 0x00, 0xd0)
  assert.equal(m.get(S.SEGMENTS + S.LDTR * 16 + 8), BigInt(LDT))
  m.set(S.PC, CODE)
  m.set(S.RAX, TSS_SELECTOR)
  m.fault(13, 0x0f, 0x00, 0xd8)
})

test('LGDT, SGDT, UMIP', () => {
  const m = machine.long64(0)
  m.set(S.RBX, 0x9100)
  m.run(1, 0x0f, 0x01, 0x03)
  assert.deepEqual([m.r16(0x9100), m.r64(0x9102)], [0xfff, BigInt(GDT)])
  m.w16(0x9100, 0x7ff)
  m.run(1, 0x0f, 0x01, 0x13)
  assert.equal(m.u32(S.SEGMENTS + S.GDTR * 16 + 4), 0x7ff)
  const u = machine.long64(3)
  u.set(S.CR4, 0xe20)
  u.set(S.RBX, 0x9100)
  u.fault(13, 0x0f, 0x01, 0x03)
})

test('MOV SS holds off the single-step trap for one instruction, and no instruction breakpoint', () => {
  const m = machine.long64(0)
  m.set(S.RAX, DATA32)
  m.flags = 0x100
  m.run(2, 0x8e, 0xd0, 0x90, 0x90)
  m.atHandler(1)
  assert.equal(Number(m.r64(STACK0 - 40)), CODE + 3)
  const b = machine.long64(0)
  b.set(S.RAX, DATA32)
  b.set(S.DR0, CODE + 2)
  b.set(S.DR7, 0x401)
  b.settle()
  b.run(2, 0x8e, 0xd0, 0x90, 0x90)
  b.atHandler(1)
  assert.equal(Number(b.r64(STACK0 - 40)), CODE + 2)
})

/** MOV SS from a watched word, then `code`. */
function watchedStackLoad(...code: number[]): typeof machine {
  const m = machine.long64(0)
  m.set(S.RBX, 0x9000)
  m.w16(0x9000, DATA32)
  m.set(S.DR0, 0x9000)
  m.set(S.DR7, 0x00030401 | 0x000c0000)
  m.settle()
  m.run(2, 0x8e, 0x13, ...code)
  return m
}

test('a data breakpoint that MOV SS touched traps behind the next instruction, also where that enters a handler', () => {
  const plain = watchedStackLoad(0x90, 0x90)
  plain.atHandler(1)
  assert.equal(Number(plain.r64(STACK0 - 40)), CODE + 3)
  assert.equal(Number(plain.get(S.DR6)) & 0x400f, 1)

  const three = watchedStackLoad(0xcc)
  three.atHandler(1)
  assert.equal(Number(three.r64(STACK0 - 88)), handler(3))
  assert.equal(Number(three.r64(STACK0 - 40)), CODE + 3)

  const ice = watchedStackLoad(0xf1)
  ice.atHandler(1)
  assert.equal(Number(ice.r64(STACK0 - 40)), CODE + 3)
  assert.equal(Number(ice.get(S.DR6)) & 0x400f, 1)
  assert.equal(ice.get(S.RSP), BigInt(STACK0 - 40))
})

test('real mode: CS may be written, limits hold', () => {
  const m = machine.real()
  m.set(S.RBX, 0x9100)
  m.run(1, 0x2e, 0xc6, 0x07, 0x55)
  assert.equal(m.r16(0x9100) & 0xff, 0x55)
  m.set(S.RBX, 0xffff)
  m.w16(13 * 4, 0x7000)
  m.w16(13 * 4 + 2, 0)
  m.write(0x7000, 0xf4)
  m.run(1, 0x8b, 0x07) // two bytes at ffff
  assert.equal(m.pc, 0x7001)
})

test('long mode: IRET to level 3 makes an inner GS null and leaves its base', () => {
  const m = machine.long64(0)
  m.segment(S.GS, DATA32, 0xc93, 0xffffffff, 0x123456)
  for (const [n, value] of [CODE + 0x100, USER_CODE64, 2, STACK3, USER_DATA32].entries()) m.w64(STACK0 + n * 8, BigInt(value))
  m.run(1, 0x48, 0xcf)
  assert.equal(m.u32(S.CPL), 3)
  assert.equal(m.selector(S.GS), 0)
  assert.equal(m.get(S.GS_BASE), 0x123456n)
  m.write(0x123456, 0x5a)
  m.run(1, 0x65, 0x8a, 0x04, 0x25, 0, 0, 0, 0) // mov al, gs:[0]
  assert.equal(m.get(S.RAX) & 0xffn, 0x5an)
})

test('SYSRET that sets TF traps before the first instruction of the program', () => {
  const m = machine.long64(0)
  m.set(S.MSR_STAR, BigInt(USER_CODE64 - 16) << 48n)
  m.set(S.RCX, CODE + 0x100)
  m.set(S.R8 + 24, 0x102)
  m.write(CODE + 0x100, 0x90)
  m.run(2, 0x48, 0x0f, 0x07)
  m.atHandler(1)
  assert.equal(m.r64(STACK0 - 40), BigInt(CODE + 0x100))
  assert.equal(m.r64(STACK0 - 24), 0x102n)
  assert.equal(Number(m.get(S.DR6)) & 0x4000, 0x4000)
})

test('registers that hold addresses take 57 bits with four-level paging, and no more', () => {
  const wide = 0xff00_0000_0000_0000n
  const m = machine.long64(0)
  m.w16(0x5000, 0xfff)
  m.w64(0x5002, wide)
  m.set(S.RBX, 0x5000)
  m.run(1, 0x0f, 0x01, 0x13) // lgdt [rbx]
  assert.equal(m.get(S.SEGMENTS + S.GDTR * 16 + 8), wide)
  m.segment(S.GDTR, 0, 0, 0xfff, GDT)
  m.set(S.RCX, 0xc0000082n)
  m.set(S.RAX, 0)
  m.set(S.RDX, wide >> 32n)
  m.run(1, 0x0f, 0x30) // wrmsr LSTAR
  assert.equal(m.get(S.MSR_LSTAR), wide)
  m.set(S.RDX, 0x0102_0000n)
  m.fault(13, 0x0f, 0x30)
})

test('an address that is not canonical is #SS through the stack segment and #GP elsewhere', () => {
  const wild = 0x0080_0000_0000_0000n
  const raises = (vector: number, register: number, ...code: number[]): void => {
    const m = machine.long64(3)
    m.set(register, wild)
    m.fault(vector, ...code)
    assert.equal(m.r64(STACK0 - 48), 0n)
    assert.equal(Number(m.r64(STACK0 - 40)), CODE)
  }
  raises(12, S.RSP, 0x48, 0x8b, 0x04, 0x24) // mov rax, [rsp]
  raises(12, S.RSP, 0x50) // push rax
  raises(12, S.RSP, 0xc3) // ret
  raises(12, S.RSP, 0xff, 0x33) // push [rbx]
  raises(12, S.RBP, 0x48, 0x8b, 0x45, 0x08) // mov rax, [rbp+8]
  raises(12, S.RBP, 0x0f, 0xb6, 0x44, 0x1d, 0x00) // movzx eax, byte [rbp+rbx]
  raises(12, S.RBP, 0x66, 0x0f, 0x38, 0x00, 0x45, 0x00) // pshufb xmm0, [rbp]
  raises(12, S.RBP, 0x2e, 0x80, 0x45, 0x00, 0x01) // add byte cs:[rbp], 1
  raises(13, S.RAX, 0x48, 0x8b, 0x00) // mov rax, [rax]
  raises(13, S.RAX, 0xff, 0x30) // push [rax]
  raises(12, S.RBP, 0x48, 0x8b, 0x04, 0x2c) // mov rax, [rsp+rbp]: the base decides
  raises(13, S.R8 + 32, 0x49, 0x8b, 0x04, 0x24) // mov rax, [r12]
  raises(13, S.R8 + 40, 0x49, 0x8b, 0x45, 0x00) // mov rax, [r13]
  raises(13, S.RSP, 0x64, 0x8b, 0x04, 0x24) // mov eax, fs:[rsp]
  raises(13, S.RSI, 0xac) // lodsb
})
