/** Privileged instructions, and those that tell of the machine, that the host's CPU cannot show to user code. APM vol. 3, chapter 4. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { LDT, LDT_SELECTOR, SystemMachine, TSS_SELECTOR } from './system-machine.js'

const machine = await SystemMachine.make()
const UD = 6
const GP = 13
const PF = 14
const UMIP = 0x800n
const BUFFER = 0x9100
/** Beyond what the tables map. */
const UNMAPPED = 0x4000_0000

const ALONE: readonly (readonly [string, readonly number[]])[] = [
  ['CLTS', [0x0f, 0x06]],
  ['LMSW', [0x0f, 0x01, 0xf0]],
  ['LIDT', [0x0f, 0x01, 0x1b]],
  ['INVD', [0x0f, 0x08]],
  ['WBINVD', [0x0f, 0x09]],
  ['WBNOINVD', [0xf3, 0x0f, 0x09]],
  ['RDPMC', [0x0f, 0x33]],
]

for (const [name, code] of ALONE) {
  test(`${name} is #GP above level 0`, () => {
    const m = machine.long64(3)
    m.set(S.RBX, BUFFER)
    m.fault(GP, ...code)
  })
}

test('CLTS clears CR0.TS alone', () => {
  const m = machine.long64(0)
  m.set(S.CR0, 0x8000003f)
  m.run(1, 0x0f, 0x06)
  assert.equal(m.get(S.CR0), 0x80000037n)
})

test('LMSW writes MP, EM and TS, and may set PE but not clear it', () => {
  const m = machine.long64(0)
  m.set(S.RAX, 0xffff)
  m.run(1, 0x0f, 0x01, 0xf0)
  assert.equal(m.get(S.CR0), 0x8000003fn)
  m.set(S.RAX, 0)
  m.run(1, 0x0f, 0x01, 0xf0)
  assert.equal(m.get(S.CR0), 0x80000031n)
  m.set(S.RBX, UNMAPPED)
  m.set(S.CR0, 0x8000003f)
  m.fault(PF, 0x0f, 0x01, 0x33)
  assert.equal(m.get(S.CR0), 0x8000003fn, 'a fault leaves no trace')
})

test('SMSW stores 16 bits to memory and as many as its operand has to a register', () => {
  const m = machine.long64(0)
  m.set(S.RBX, BUFFER)
  m.w64(BUFFER, 0xffff_ffff_ffff_ffffn)
  m.run(1, 0x48, 0x0f, 0x01, 0x23)
  assert.equal(m.r64(BUFFER), 0xffff_ffff_ffff_0031n)
  m.set(S.RAX, 0x1111_2222_3333_4444n)
  m.run(1, 0x66, 0x0f, 0x01, 0xe0)
  assert.equal(m.get(S.RAX), 0x1111_2222_3333_0031n)
  m.run(1, 0x48, 0x0f, 0x01, 0xe0)
  assert.equal(m.get(S.RAX), 0x80000031n)
})

test('LIDT and SIDT carry ten bytes in 64-bit mode, six elsewhere', () => {
  const m = machine.long64(0)
  m.set(S.RBX, BUFFER)
  m.run(1, 0x0f, 0x01, 0x0b)
  const kept = m.r64(BUFFER + 2)
  m.w16(BUFFER, 0x2ff)
  m.run(1, 0x0f, 0x01, 0x1b)
  assert.equal(m.u32(S.SEGMENTS + S.IDTR * 16 + S.SEG_LIMIT), 0x2ff)
  assert.equal(m.get(S.SEGMENTS + S.IDTR * 16 + S.SEG_TABLE_BASE), kept)

  const p = machine.protected32(0)
  p.set(S.RBX, BUFFER)
  p.w64(BUFFER, 0x5a5a_0102_0304_0123n)
  p.run(1, 0x66, 0x0f, 0x01, 0x1b)
  assert.equal(p.get(S.SEGMENTS + S.IDTR * 16 + S.SEG_TABLE_BASE), 0x02_0304n, 'a 16-bit operand has a base of 24 bits')
})

test('SLDT and STR name the selectors; memory takes 16 bits', () => {
  const m = machine.long64(0)
  m.segment(S.LDTR, LDT_SELECTOR, 0x82, 0xfff, LDT)
  m.set(S.RAX, 0xffff_ffff_ffff_ffffn)
  m.run(1, 0x0f, 0x00, 0xc0)
  assert.equal(m.get(S.RAX), BigInt(LDT_SELECTOR))
  m.run(1, 0x0f, 0x00, 0xc8)
  assert.equal(m.get(S.RAX), BigInt(TSS_SELECTOR))
  m.set(S.RBX, BUFFER)
  m.w64(BUFFER, 0x1122_3344_5566_7788n)
  m.run(1, 0x48, 0x0f, 0x00, 0x0b)
  assert.equal(m.r64(BUFFER), 0x1122_3344_5566_0000n | BigInt(TSS_SELECTOR))
})

test('SLDT, STR and their kin obey CR4.UMIP at level 3, and do not exist in real mode', () => {
  for (const code of [
    [0x0f, 0x00, 0xc0],
    [0x0f, 0x00, 0xc8],
    [0x0f, 0x01, 0xe0],
    [0x0f, 0x01, 0x0b],
  ]) {
    const m = machine.long64(3)
    m.set(S.RBX, BUFFER)
    m.run(1, ...code)
    m.set(S.PC, 0x1000)
    m.set(S.CR4, m.get(S.CR4) | UMIP)
    m.settle()
    m.fault(GP, ...code)
  }
  const r = machine.real()
  r.w32(UD * 4, 0x2000)
  r.write(0x2000, 0xf4)
  r.run(1, 0x0f, 0x00, 0xc8)
  assert.equal(r.pc, 0x2001)
})

test('cache instructions change nothing at level 0', () => {
  const m = machine.long64(0)
  m.w32(BUFFER, 0x12345678)
  m.run(3, 0x0f, 0x08, 0x0f, 0x09, 0xf3, 0x0f, 0x09)
  assert.equal(m.r32(BUFFER), 0x12345678)
})

test('RDPMC knows no counter', () => {
  const m = machine.long64(0)
  m.set(S.RCX, 0x40000000)
  m.fault(GP, 0x0f, 0x33)
})

test('MONITOR and MWAIT: level 0, ECX, and a wait that ends at once', () => {
  const m = machine.long64(0)
  m.set(S.RAX, BUFFER)
  m.run(2, 0x0f, 0x01, 0xc8, 0x0f, 0x01, 0xc9)
  assert.equal(m.u32(S.HALTED), 0)
  m.set(S.RCX, 4)
  m.fault(GP, 0x0f, 0x01, 0xc8)
  m.set(S.RCX, 0)
  m.set(S.RAX, UNMAPPED)
  m.fault(PF, 0x0f, 0x01, 0xc8)
  machine.long64(3).fault(UD, 0x0f, 0x01, 0xc8)
  machine.long64(3).fault(UD, 0x0f, 0x01, 0xc9)
  const user = machine.long64(3)
  user.set(S.RAX, BUFFER)
  user.run(2, 0x0f, 0x01, 0xfa, 0x0f, 0x01, 0xfb)
  assert.equal(user.u32(S.HALTED), 0)
})

test('RDSEED and RDRAND set CF and clear the other arithmetic flags', () => {
  const m = machine.long64(3)
  m.flags = 0x8d7
  m.run(1, 0x48, 0x0f, 0xc7, 0xf8)
  assert.equal(m.flags & 0x8d5, 1)
  const first = m.get(S.RAX)
  m.run(1, 0x48, 0x0f, 0xc7, 0xf8)
  assert.notEqual(m.get(S.RAX), first)
})
