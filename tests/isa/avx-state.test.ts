// When AVX may be used, what becomes of the upper halves of YMM registers, and the XSAVE component that holds them (AMD64 APM vol. 2, 24593, section 11.5;
// vol. 4, section 1.1 and the exception tables of its instructions).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { SystemMachine } from './system-machine.js'

const machine = await SystemMachine.make()
const AREA = 0x9100
const OSXSAVE = 0x40000
const UD = 6
const NM = 7
const GP = 13
const PF = 14

const VXORPS_XMM1 = [0xc5, 0xf0, 0x57, 0xc9]
const VPADDD_YMM1 = [0xc5, 0xf5, 0xfe, 0xc9]
const PXOR_XMM1 = [0x66, 0x0f, 0xef, 0xc9]
const ANDN_EAX = [0xc4, 0xe2, 0x78, 0xf2, 0xc0]
const VZEROUPPER = [0xc5, 0xf8, 0x77]
const VZEROALL = [0xc5, 0xfc, 0x77]
const XSETBV = [0x0f, 0x01, 0xd1]

const low = (n: number, part = 0): number => S.XMM + n * S.XMM_STRIDE + 8 * part
const high = (n: number, part = 0): number => low(n, part) + 16

function enable(m: SystemMachine, xcr0 = 7): SystemMachine {
  m.set(S.CR4, 0x620 | OSXSAVE)
  m.set(S.XCR0, xcr0)
  for (let n = 0; n < 16; n++) {
    for (const part of [0, 1]) {
      m.set(low(n, part), 0x1000 + 2 * n + part)
      m.set(high(n, part), 0x2000 + 2 * n + part)
    }
  }
  m.settle()
  m.set(S.RBX, AREA)
  m.set(S.RAX, 0xffffffff)
  m.set(S.RDX, 0xffffffff)
  return m
}

const highs = (m: SystemMachine): bigint[] => Array.from({ length: 32 }, (_, i) => m.get(high(i >> 1, i & 1)))
const filled = Array.from({ length: 32 }, (_, i) => BigInt(0x2000 + i))

test('AVX is #UD unless CR4.OSXSAVE is set and XCR0 has both XMM and YMM; BMI and SSE do not ask', () => {
  for (const code of [VXORPS_XMM1, VPADDD_YMM1, VZEROUPPER]) {
    for (const xcr0 of [1, 3]) enable(machine.long64(3), xcr0).fault(UD, ...code)
    const off = enable(machine.long64(3))
    off.set(S.CR4, 0x620)
    off.settle()
    off.fault(UD, ...code)
    const on = enable(machine.long64(3))
    assert.equal(on.run(1, ...code), S.EXIT_BUDGET)
    assert.equal(on.pc, 0x8000 + code.length)
  }
  const off = enable(machine.long64(3), 1)
  off.run(2, ...ANDN_EAX, ...PXOR_XMM1)
  assert.equal(off.pc, 0x8000 + ANDN_EAX.length + PXOR_XMM1.length)
})

test('CR0.TS makes AVX #NM, after #UD; CR0.EM does not matter to it', () => {
  const ts = enable(machine.long64(3))
  ts.set(S.CR0, 0x80000039)
  ts.settle()
  ts.fault(NM, ...VPADDD_YMM1)
  const both = enable(machine.long64(3), 3)
  both.set(S.CR0, 0x80000039)
  both.settle()
  both.fault(UD, ...VPADDD_YMM1)
  const em = enable(machine.long64(3))
  em.set(S.CR0, 0x80000035)
  em.settle()
  em.run(1, ...VPADDD_YMM1)
  assert.equal(em.pc, 0x8000 + VPADDD_YMM1.length)
})

test('real mode has no VEX, protected mode has', () => {
  for (const code of [VXORPS_XMM1, ANDN_EAX]) {
    const real = machine.real()
    real.set(S.CR4, 0x600 | OSXSAVE)
    real.set(S.XCR0, 7)
    real.w32(UD * 4, 0xa000 + UD * 16)
    real.settle()
    real.fault(UD, ...code)
    const protectedMode = enable(machine.protected32(3))
    protectedMode.run(1, ...code)
    assert.equal(protectedMode.pc, 0x8000 + code.length)
  }
})

test('prefixes that VEX replaces, and registers that it does not name, are #UD', () => {
  for (const prefix of [0x66, 0xf2, 0xf3, 0xf0, 0x40, 0x48]) enable(machine.long64(3)).fault(UD, prefix, ...VXORPS_XMM1)
  // VSQRTPS names no register in VEX.vvvv; VPERMQ has W = 1 and L = 1; VZEROALL no ModRM, VPHMINPOSUW L = 0.
  enable(machine.long64(3)).fault(UD, 0xc5, 0xf0, 0x51, 0xc9)
  enable(machine.long64(3)).fault(UD, 0xc4, 0xe3, 0x7d, 0x00, 0xc9, 0)
  enable(machine.long64(3)).fault(UD, 0xc4, 0xe3, 0xf9, 0x00, 0xc9, 0)
  enable(machine.long64(3)).fault(UD, 0xc4, 0xe2, 0x7d, 0x41, 0xc9)
  // A gather whose mask, index or destination is the same register.
  for (const modrm of [
    [0x04, 0x13], // vpgatherdd xmm0, [rbx+xmm2], xmm1
    [0x0c, 0x13], // … xmm1, [rbx+xmm2], xmm1
    [0x04, 0x0b], // … xmm0, [rbx+xmm1], xmm1
    [0x14, 0x13], // … xmm2, [rbx+xmm2], xmm1
  ] as const) {
    const m = enable(machine.long64(3))
    if (modrm[0] === 0x04 && modrm[1] === 0x13) m.run(1, 0xc4, 0xe2, 0x71, 0x90, ...modrm)
    else m.fault(UD, 0xc4, 0xe2, 0x71, 0x90, ...modrm)
    assert.equal(m.u32(S.FAULT), 0)
  }
})

test('XSETBV: YMM needs XMM; what it permits holds for the next instruction', () => {
  const wrong = enable(machine.long64(0))
  wrong.set(S.RCX, 0)
  wrong.set(S.RDX, 0)
  wrong.set(S.RAX, 5)
  wrong.fault(GP, ...XSETBV)
  const m = enable(machine.long64(0), 1)
  m.set(S.RCX, 0)
  m.set(S.RDX, 0)
  m.set(S.RAX, 7)
  m.run(2, ...XSETBV, ...VPADDD_YMM1)
  assert.equal(m.pc, 0x8000 + 7)
  assert.equal(m.get(S.XCR0), 7n)
  m.set(S.RAX, 3)
  m.run(1, ...XSETBV)
  m.fault(UD, ...VPADDD_YMM1)
  assert.equal(m.get(high(1)), 0x4004n)
})

test('SSE keeps upper halves, VEX.128 clears that of its destination, VZEROUPPER and VZEROALL those that the mode has', () => {
  const m = enable(machine.long64(3))
  m.run(1, ...PXOR_XMM1)
  assert.deepEqual([m.get(low(1)), m.get(high(1)), m.get(high(1, 1))], [0n, 0x2002n, 0x2003n])
  m.run(1, ...VXORPS_XMM1)
  assert.deepEqual([m.get(high(1)), m.get(high(1, 1)), m.get(high(2))], [0n, 0n, 0x2004n])
  m.run(1, ...VZEROUPPER)
  assert.deepEqual(highs(m), Array<bigint>(32).fill(0n))
  assert.equal(m.get(low(15)), 0x101en)
  m.run(1, ...VZEROALL)
  for (let n = 0; n < 16; n++) assert.equal(m.get(low(n)), 0n)
  const p = enable(machine.protected32(3))
  p.run(1, ...VZEROALL)
  assert.deepEqual([p.get(low(7)), p.get(high(7)), p.get(low(8)), p.get(high(8))], [0n, 0n, 0x1010n, 0x2010n])
})

test('XSAVE and XRSTOR: upper halves at 576, PKRU at 832; without XSTATE_BV bit 2 they become zero', () => {
  const m = enable(machine.long64(0), 0x207)
  m.set32(S.PKRU, 0xc)
  m.w64(AREA + 512, 0n)
  m.run(1, 0x48, 0x0f, 0xae, 0x23)
  assert.deepEqual([m.r64(AREA + 512), m.r64(AREA + 520)], [0x207n, 0n])
  assert.deepEqual(
    Array.from({ length: 32 }, (_, i) => m.r64(AREA + 576 + 8 * i)),
    filled,
  )
  assert.equal(m.r32(AREA + 832), 0xc)
  m.run(1, ...VZEROUPPER)
  m.run(1, 0x48, 0x0f, 0xae, 0x2b)
  assert.deepEqual(highs(m), filled)
  m.w64(AREA + 512, 3n)
  m.set(S.RAX, 4)
  m.run(1, 0x48, 0x0f, 0xae, 0x2b)
  assert.deepEqual(highs(m), Array<bigint>(32).fill(0n))
  assert.equal(m.get(low(3)), 0x1006n)
})

test('XSAVEC: upper halves at 576 and PKRU behind them, as far as XCOMP_BV names them; XSAVEOPT skips what is zero', () => {
  const m = enable(machine.long64(0), 0x207)
  m.set32(S.PKRU, 0x30)
  m.run(1, 0x48, 0x0f, 0xc7, 0x23)
  assert.deepEqual([m.r64(AREA + 512) & ~1n, m.r64(AREA + 520)], [0x206n, 0x8000000000000207n])
  assert.deepEqual([m.r64(AREA + 576), m.r64(AREA + 824), m.r32(AREA + 832)], [0x2000n, 0x201fn, 0x30])
  m.run(1, ...VZEROUPPER)
  m.run(1, 0x48, 0x0f, 0xc7, 0x1b)
  assert.deepEqual(highs(m), filled)
  m.run(1, ...VZEROUPPER)
  m.w64(AREA + 576, 0x7777n)
  m.run(1, 0x48, 0x0f, 0xc7, 0x23)
  assert.deepEqual([m.r64(AREA + 512) & 4n, m.r64(AREA + 520), m.r64(AREA + 576)], [0n, 0x8000000000000207n, 0x7777n])
  m.w64(AREA + 512, 0n)
  m.w64(AREA + 520, 0n)
  m.run(1, 0x48, 0x0f, 0xae, 0x33)
  assert.deepEqual([m.r64(AREA + 512) & 4n, m.r64(AREA + 576)], [0n, 0x7777n])
  // Without YMM in the format, PKRU follows at once.
  m.set(S.RAX, 0x201)
  m.set(S.RDX, 0)
  m.run(1, 0x48, 0x0f, 0xc7, 0x23)
  assert.equal(m.r32(AREA + 576), 0x30)
})

test('a gather that faults keeps what has arrived, and goes on where it stopped', () => {
  const m = enable(machine.long64(3))
  // vpgatherdd xmm0, [rbx+xmm2*4], xmm1: elements 0 and 1 in memory, 2 not asked for, 3 in no page.
  const code = [0xc4, 0xe2, 0x71, 0x90, 0x04, 0x93]
  m.w64(AREA, 0x2222222211111111n)
  m.set(low(0), -1n)
  m.set(low(0, 1), -1n)
  m.set(low(1), 0x8000000080000000n)
  m.set(low(1, 1), 0x8000000000000001n)
  m.set(low(2), 0x0000000100000000n)
  m.set(low(2, 1), 0x1000000000000000n)
  m.fault(PF, ...code)
  assert.equal(m.get(S.CR2), BigInt(AREA + 0x40000000))
  assert.deepEqual([m.get(low(0)), m.get(low(0, 1)) & 0xffffffffn], [0x2222222211111111n, 0xffffffffn])
  assert.deepEqual([m.get(low(1)), m.get(low(1, 1))], [0n, 0x8000000000000000n])

  // The handler returns with the index corrected.
  m.set(low(2, 1), 0n)
  m.write(AREA, 0x33, 0x33, 0x33, 0x33)
  m.set32(S.CPL, 0)
  m.run(1, ...code)
  assert.deepEqual([m.get(low(0)), m.get(low(0, 1))], [0x2222222211111111n, 0x33333333ffffffffn])
  assert.deepEqual([m.get(low(1)), m.get(low(1, 1)), m.get(high(0)), m.get(high(1))], [0n, 0n, 0n, 0n])
})

test('an aligned VEX move of 32 bytes needs 32-byte alignment, other operands none', () => {
  const m = enable(machine.long64(3))
  m.set(S.RBX, AREA + 16)
  m.fault(GP, 0xc5, 0xfc, 0x28, 0x03) // vmovaps ymm0, [rbx]
  const u = enable(machine.long64(3))
  u.set(S.RBX, AREA + 1)
  u.run(1, 0xc5, 0xfc, 0x58, 0x03) // vaddps ymm0, ymm0, [rbx]
  assert.equal(u.pc, 0x8004)
})

test('what the host saves of a core and restores has the upper halves', () => {
  const m = enable(machine.long64(3), 0x207)
  m.set32(S.PKRU, 0x30)
  assert.equal(m.kernel.exports.save_extended(m.s, AREA, 0), 0)
  assert.deepEqual([m.r64(AREA + 512), m.r64(AREA + 576), m.r64(AREA + 824), m.r32(AREA + 832)], [0x207n, 0x2000n, 0x201fn, 0x30])
  m.run(1, ...VZEROALL)
  m.set32(S.PKRU, 0)
  assert.equal(m.kernel.exports.restore_extended(m.s, AREA, 0), 0)
  assert.deepEqual(highs(m), filled)
  assert.equal(m.u32(S.PKRU), 0x30)
  m.w64(AREA + 512, 3n)
  assert.equal(m.kernel.exports.restore_extended(m.s, AREA, 0), 0)
  assert.deepEqual([m.get(high(4)), m.get(low(4)), m.u32(S.PKRU)], [0n, 0x1008n, 0])
})
