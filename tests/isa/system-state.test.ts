// CPUID, MSRs and the images of FXSAVE and the XSAVE family (AMD64 APM vol. 2, 24593, sections 11.4, 11.5, appendix A; vol. 3, appendix E).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import * as id from '../../src/spec/x86/cpuid.js'
import { SystemMachine } from './system-machine.js'

const machine = await SystemMachine.make()
const AREA = 0x9100

function cpuid(m: SystemMachine, leaf: number, subleaf = 0): [number, number, number, number] {
  m.set(S.RAX, leaf)
  m.set(S.RCX, subleaf)
  m.run(1, 0x0f, 0xa2)
  return [S.RAX, S.RBX, S.RCX, S.RDX].map((r) => Number(m.get(r))) as [number, number, number, number]
}

const text = (...words: number[]): string => new TextDecoder().decode(new Uint8Array(new Uint32Array(words).buffer)).replaceAll('\0', '')

test('CPUID: vendor, family, name', () => {
  const m = machine.long64(3)
  const [most, b, c, d] = cpuid(m, 0)
  assert.equal(text(b, d, c), 'AuthenticAMD')
  assert.equal(most, 0xd)
  const [signature] = cpuid(m, 1)
  assert.equal(((signature >> 8) & 15) + ((signature >> 20) & 255), 0x19)
  assert.equal(((signature >> 4) & 15) | ((signature >> 12) & 0xf0), 1)
  const name = [0x80000002, 0x80000003, 0x80000004].flatMap((leaf) => cpuid(m, leaf))
  assert.equal(text(...name), 'cbit EPYC-Milan compatible processor')
})

test('CPUID: OSXSAVE, OSPKE and the APIC id follow the state', () => {
  const m = machine.long64(0)
  assert.equal(cpuid(m, 1)[2] & id.CPUID_1_ECX_OSXSAVE, 0)
  m.set(S.CR4, 0x440620)
  m.set32(S.APIC_ID, 5)
  assert.equal(cpuid(m, 1)[2] & id.CPUID_1_ECX_OSXSAVE, id.CPUID_1_ECX_OSXSAVE)
  assert.equal(cpuid(m, 1)[1] >>> 24, 5)
  assert.equal(cpuid(m, 7)[2] & id.CPUID_7_ECX_OSPKE, id.CPUID_7_ECX_OSPKE)
  assert.equal(cpuid(m, 0xb)[3], 5)
})

test('CPUID: x86-64-v3 is claimed whole, and nothing that is missing; SEV is described', () => {
  const m = machine.long64(0)
  const [, , c1] = cpuid(m, 1)
  const [, b7, c7] = cpuid(m, 7)
  // FMA, MOVBE, AVX, F16C; BMI1, AVX2, BMI2; VAES, VPCLMULQDQ; LZCNT.
  for (const bit of [12, 22, 28, 29]) assert.equal((c1 >>> bit) & 1, 1, `1.ECX bit ${bit}`)
  for (const bit of [3, 5, 8]) assert.equal((b7 >>> bit) & 1, 1, `7.EBX bit ${bit}`)
  for (const bit of [9, 10]) assert.equal((c7 >>> bit) & 1, 1, `7.ECX bit ${bit}`)
  assert.equal((cpuid(m, 0x80000001)[2] >>> 5) & 1, 1)
  for (const bit of [21, 24, 31]) assert.equal((c1 >>> bit) & 1, 0, `1.ECX bit ${bit}`)
  // AVX-512F; GFNI.
  assert.equal((b7 >>> 16) & 1, 0)
  assert.equal((c7 >>> 8) & 1, 0)
  const [a, b, c, d] = cpuid(m, 0x8000001f)
  assert.deepEqual([a & 3, b & 63, (b >> 6) & 63, c, d], [2, 51, 5, 509, 1])
  assert.deepEqual(cpuid(m, 0x40000000), [0, 0, 0, 0])
  assert.deepEqual(cpuid(m, 0x8fffffff), [0, 0, 0, 0])
  assert.equal(cpuid(m, 0x80000000)[0] >= 0x80000021, true)
})

test('CPUID: extended state sizes agree with the components', () => {
  const m = machine.long64(0)
  m.set(S.XCR0, 3)
  const [a, size, most] = cpuid(m, 0xd)
  assert.deepEqual([a, size, most], [0x207, 576, 840])
  assert.deepEqual(cpuid(m, 0xd, 2), [256, 576, 0, 0])
  const [bytes, offset] = cpuid(m, 0xd, 9)
  assert.equal(bytes + offset, most)
  m.set(S.XCR0, 7)
  assert.deepEqual([cpuid(m, 0xd)[1], cpuid(m, 0xd, 1)[1]], [832, 832])
  m.set(S.XCR0, 0x203)
  assert.equal(cpuid(m, 0xd)[1], 840)
  assert.equal(cpuid(m, 0xd, 1)[1], 584)
  m.set(S.XCR0, 0x207)
  assert.deepEqual([cpuid(m, 0xd)[1], cpuid(m, 0xd, 1)[1]], [840, 840])
})

function rdmsr(m: SystemMachine, msr: number): bigint {
  m.set(S.RCX, msr)
  m.run(1, 0x0f, 0x32)
  return m.get(S.RAX) | (m.get(S.RDX) << 32n)
}
function prepareWrite(m: SystemMachine, msr: number, value: bigint): void {
  m.set(S.RCX, msr)
  m.set(S.RAX, value & 0xffffffffn)
  m.set(S.RDX, value >> 32n)
}
function wrmsr(m: SystemMachine, msr: number, value: bigint): void {
  prepareWrite(m, msr, value)
  m.run(1, 0x0f, 0x30)
}

test('MSRs: what is written is read back', () => {
  const m = machine.long64(0)
  for (const [msr, value] of [
    [0xc0000081, 0x1234567890abcdefn],
    [0xc0000082, 0xffff800000001234n],
    [0xc0000100, 0x7fffffffffffn],
    [0xc0000102, 0xffffffff80000000n],
    [0xc0000103, 0xabcdn],
    [0x277, 0x0007010600070106n],
    [0x2ff, 0xc06n],
    [0x200, 0xfffff00006n & 0xfffffffff0ffn],
    [0x20f, 0xffff80000800n],
    [0x26f, 0x0606060606060606n],
    [0xc0010117, 0x5000n],
    [0x174, 0x10n],
  ] as const) {
    wrmsr(m, msr, value)
    assert.equal(rdmsr(m, msr), value, msr.toString(16))
  }
  assert.equal(m.get(S.FS_BASE), 0x7fffffffffffn)
})

test('MSRs: illegal values, read-only and unknown registers are #GP(0)', () => {
  for (const [msr, value] of [
    [0xc0000082, 0x0100000000000000n], // not canonical in 57 bits
    [0x277, 2n],
    [0x2ff, 2n],
    [0x2ff, 0x1000n],
    [0xc0000080, 0xd01n | (1n << 14n)], // FFXSR
    [0xc0000080, 0xd01n ^ 0x100n], // LME with paging on
    [0xc0010131, 1n],
    [0x8b, 1n],
    [0x48, 1n],
    [0xda0, 1n],
    [0x1b, 0xfee00c00n], // x2APIC
    [0x12345, 0n],
  ] as const) {
    const m = machine.long64(0)
    prepareWrite(m, msr, value)
    m.fault(13, 0x0f, 0x30)
  }
  const r = machine.long64(0)
  r.set(S.RCX, 0x12345)
  r.fault(13, 0x0f, 0x32)
  const u = machine.long64(3)
  u.set(S.RCX, 0x10)
  u.fault(13, 0x0f, 0x32)
})

test('TSC: counts instructions in virtual time, can be written, TSD guards it', () => {
  const m = machine.long64(0)
  wrmsr(m, 0x10, 0x100000000n)
  m.run(1, 0x0f, 0x31)
  const first = m.get(S.RAX) | (m.get(S.RDX) << 32n)
  m.run(1, 0x0f, 0x31)
  const second = m.get(S.RAX) | (m.get(S.RDX) << 32n)
  assert.equal(first >= 0x100000000n, true)
  assert.equal(second - first, 1n)
  const u = machine.long64(3)
  u.set(S.CR4, 0x624)
  u.fault(13, 0x0f, 0x31)
})

/** x87 and SSE state that is different everywhere. */
function fill(m: SystemMachine): void {
  m.set(S.CR4, 0x440620)
  m.set(S.XCR0, 0x203)
  m.view.setUint16(m.s + S.X87_CONTROL, 0x27f, true)
  m.view.setUint16(m.s + S.X87_STATUS, 0x3000, true) // TOP = 6
  m.view.setUint8(m.s + S.X87_TAGS, 0xc0)
  m.view.setUint16(m.s + S.X87_OPCODE, 0x123, true)
  m.set(S.X87_IP, 0x123456789abcn)
  m.set(S.X87_DP, 0xba9876543210n)
  for (let n = 0; n < 8; n++) {
    m.set(S.X87_REGISTERS + n * 16, 0x8000000000000000n | BigInt(n))
    m.view.setUint16(m.s + S.X87_REGISTERS + n * 16 + 8, 0x4000 + n, true)
  }
  for (let n = 0; n < 16; n++) {
    m.set(S.XMM + n * 32, BigInt(n) + 0x100n)
    m.set(S.XMM + n * 32 + 8, BigInt(n) + 0x200n)
  }
  m.set32(S.MXCSR, 0x1fa0)
  m.set32(S.PKRU, 0xc)
  m.settle()
  m.set(S.RBX, AREA)
  m.set(S.RAX, 0xffffffff)
  m.set(S.RDX, 0xffffffff)
}
function clear(m: SystemMachine): void {
  for (let n = 0; n < 16; n++) m.set(S.XMM + n * 32, 0)
  for (let n = 0; n < 8; n++) m.set(S.X87_REGISTERS + n * 16, 0)
  m.set32(S.MXCSR, 0x1f80)
  m.set32(S.PKRU, 0)
  m.view.setUint16(m.s + S.X87_STATUS, 0, true)
  m.set(S.X87_IP, 0)
}
function checkFilled(m: SystemMachine): void {
  for (let n = 0; n < 16; n++) assert.equal(m.get(S.XMM + n * 32), BigInt(n) + 0x100n)
  for (let n = 0; n < 8; n++) assert.equal(m.get(S.X87_REGISTERS + n * 16), 0x8000000000000000n | BigInt(n))
  assert.equal(m.u32(S.MXCSR), 0x1fa0)
  assert.equal(m.view.getUint16(m.s + S.X87_STATUS, true), 0x3000)
}

test('FXSAVE: every field at its place, and FXRSTOR takes it back', () => {
  const m = machine.long64(3)
  fill(m)
  m.w64(AREA + 464, 0x5555n)
  m.run(1, 0x48, 0x0f, 0xae, 0x03)
  assert.deepEqual([m.r16(AREA), m.r16(AREA + 2), m.r16(AREA + 4), m.r16(AREA + 6)], [0x27f, 0x3000, 0xc0, 0x123])
  assert.deepEqual([m.r64(AREA + 8), m.r64(AREA + 16)], [0x123456789abcn, 0xba9876543210n])
  assert.deepEqual([m.r32(AREA + 24), m.r32(AREA + 28)], [0x1fa0, 0x2ffff])
  assert.equal(m.r64(AREA + 32), 0x8000000000000006n) // ST0 is R6
  assert.equal(m.r64(AREA + 40), 0x4006n)
  assert.equal(m.r64(AREA + 64), 0x8000000000000000n) // ST2 is R0
  assert.equal(m.r64(AREA + 160 + 15 * 16 + 8), 0x20fn)
  assert.equal(m.r64(AREA + 464), 0x5555n)
  clear(m)
  m.run(1, 0x48, 0x0f, 0xae, 0x0b)
  checkFilled(m)
  assert.equal(m.get(S.X87_IP), 0x123456789abcn)
})

test('FXRSTOR: reserved MXCSR bits and misalignment are #GP; CR0.TS is #NM', () => {
  const m = machine.long64(3)
  fill(m)
  m.run(1, 0x0f, 0xae, 0x03)
  m.w32(AREA + 24, 0x40000)
  m.fault(13, 0x0f, 0xae, 0x0b)
  const a = machine.long64(3)
  fill(a)
  a.set(S.RBX, AREA + 8)
  a.fault(13, 0x0f, 0xae, 0x03)
  const t = machine.long64(3)
  fill(t)
  t.set(S.CR0, 0x80000039)
  t.settle()
  t.fault(7, 0x0f, 0xae, 0x03)
})

test('XSAVE and XRSTOR: standard image, PKRU at 832, components not asked for stay', () => {
  const m = machine.long64(0)
  fill(m)
  m.w64(AREA + 512, 0n)
  m.run(1, 0x48, 0x0f, 0xae, 0x23)
  assert.deepEqual([m.r64(AREA + 512), m.r64(AREA + 520)], [0x203n, 0n])
  assert.equal(m.r32(AREA + 832), 0xc)
  clear(m)
  m.set(S.RAX, 0x201)
  m.run(1, 0x48, 0x0f, 0xae, 0x2b)
  assert.equal(m.u32(S.PKRU), 0xc)
  assert.equal(m.get(S.XMM), 0n)
  assert.equal(m.u32(S.MXCSR), 0x1f80)
  m.set(S.RAX, 0xffffffff)
  m.run(1, 0x48, 0x0f, 0xae, 0x2b)
  checkFilled(m)
})

test('XSAVEC: compacted image, only what is in use; XRSTOR gives the rest its initial state', () => {
  const m = machine.long64(0)
  fill(m)
  clear(m)
  for (let n = 0; n < 16; n++) m.set(S.XMM + n * 32 + 8, 0)
  m.w64(AREA + 160, 0x7777n)
  m.run(1, 0x48, 0x0f, 0xc7, 0x23)
  assert.deepEqual([m.r64(AREA + 512), m.r64(AREA + 520)], [1n, 0x8000000000000203n])
  assert.equal(m.r64(AREA + 160), 0x7777n)
  m.set32(S.PKRU, 0x30)
  m.run(1, 0x48, 0x0f, 0xc7, 0x23)
  assert.equal(m.r32(AREA + 576), 0x30)
  m.set32(S.PKRU, 0)
  m.set(S.XMM, 9)
  m.run(1, 0x48, 0x0f, 0xae, 0x2b)
  assert.equal(m.u32(S.PKRU), 0x30)
  assert.equal(m.get(S.XMM), 0n)
})

test('XRSTOR: an illegal header is #GP; XRSTORS wants a compacted image', () => {
  for (const [at, value] of [
    [512, 4n], // a component that is not enabled
    [520, 1n],
    [528, 1n],
    [520, 0x8000000000000004n],
  ] as const) {
    const m = machine.long64(0)
    fill(m)
    m.run(1, 0x48, 0x0f, 0xae, 0x23)
    m.w64(AREA + at, value)
    m.fault(13, 0x48, 0x0f, 0xae, 0x2b)
  }
  const s = machine.long64(0)
  fill(s)
  s.run(1, 0x48, 0x0f, 0xae, 0x23)
  s.fault(13, 0x48, 0x0f, 0xc7, 0x1b)
})

test('XSETBV, XGETBV, RDPKRU, WRPKRU', () => {
  const m = machine.long64(0)
  m.set(S.CR4, 0x440620)
  m.settle()
  m.set(S.RAX, 0x203)
  m.set(S.RDX, 0)
  m.run(1, 0x0f, 0x01, 0xd1)
  assert.equal(m.get(S.XCR0), 0x203n)
  m.run(1, 0x0f, 0x01, 0xd0)
  assert.equal(m.get(S.RAX), 0x203n)
  m.set(S.RAX, 0x50)
  m.run(2, 0x0f, 0x01, 0xef, 0x0f, 0x01, 0xee)
  assert.equal(m.u32(S.PKRU), 0x50)
  m.set(S.RAX, 0xe7) // AVX-512
  m.fault(13, 0x0f, 0x01, 0xd1)
  const u = machine.long64(0)
  u.fault(6, 0x0f, 0x01, 0xd0)
})

test('RDRAND, RDPID, FS and GS bases', () => {
  const m = machine.long64(3)
  m.set(S.CR4, 0x10620)
  m.set(S.MSR_TSC_AUX, 0x1234)
  m.settle()
  m.run(1, 0x48, 0x0f, 0xc7, 0xf0)
  assert.equal(m.flags & 0x8d5, 1)
  m.run(1, 0xf3, 0x0f, 0xc7, 0xf8)
  assert.equal(m.get(S.RAX), 0x1234n)
  m.set(S.RBX, 0x1122334455n)
  m.run(2, 0xf3, 0x48, 0x0f, 0xae, 0xd3, 0xf3, 0x48, 0x0f, 0xae, 0xc8)
  assert.equal(m.get(S.FS_BASE), 0x1122334455n)
  m.set(S.CR4, 0x620)
  m.fault(6, 0xf3, 0x48, 0x0f, 0xae, 0xd3)
})

test('CLZERO clears the line, CLAC and STAC need level 0', () => {
  const m = machine.long64(0)
  m.w64(0x9140, 1n)
  m.w64(0x9178, 1n)
  m.w64(0x9180, 1n)
  m.set(S.RAX, 0x9151)
  m.run(1, 0x0f, 0x01, 0xfc)
  assert.deepEqual([m.r64(0x9140), m.r64(0x9178), m.r64(0x9180)], [0n, 0n, 1n])
  m.run(1, 0x0f, 0x01, 0xcb)
  assert.equal(m.flags & 0x40000, 0x40000)
  const u = machine.long64(3)
  u.fault(6, 0x0f, 0x01, 0xca)
})

test('RDRAND and RDSEED take 66 for 16 bits; F2 before them, and F3 before RDRAND, is #UD', () => {
  const m = machine.long64(3)
  m.set(S.RAX, 0x1122334455667788n)
  m.run(1, 0x66, 0x0f, 0xc7, 0xf0)
  assert.equal(m.get(S.RAX) >> 16n, 0x112233445566n)
  for (const code of [
    [0xf2, 0x0f, 0xc7, 0xf0],
    [0xf3, 0x0f, 0xc7, 0xf0],
    [0xf2, 0x0f, 0xc7, 0xf8],
    [0x66, 0xf2, 0x0f, 0xc7, 0xf0],
  ])
    machine.long64(3).fault(6, ...code)
})
