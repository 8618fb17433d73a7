// What a memory operand asks of its segment outside 64-bit mode: the right to read or to write, and room for all of its bytes (APM vol. 2, section 4.12).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as S from '../../src/silicon/core/state/layout.js'
import { CODE32, DATA32, LDT_SELECTOR, SystemMachine } from './system-machine.js'

const machine = await SystemMachine.make()
const GP = 13
const AT = 0x5000

/** Level 0 with DS of `bytes` at AT, of `type`; EBX = `offset`. */
function within(bytes: number, offset: number, type = 0xc93): SystemMachine {
  const m = machine.protected32(0)
  m.segment(S.DS, DATA32, type, bytes - 1, AT)
  m.settle()
  m.set(S.RBX, offset)
  m.set(S.RAX, 0)
  m.set(S.RDX, 0)
  return m
}

/** Instructions on [ebx] and how many bytes they take there. */
const extents: readonly (readonly [name: string, bytes: number, ...code: number[]])[] = [
  ['MOV [ebx], DS', 2, 0x8c, 0x1b],
  ['SLDT [ebx]', 2, 0x0f, 0x00, 0x03],
  ['STR [ebx]', 2, 0x0f, 0x00, 0x0b],
  ['SMSW [ebx]', 2, 0x0f, 0x01, 0x23],
  ['SGDT [ebx]', 6, 0x0f, 0x01, 0x03],
  ['SIDT [ebx]', 6, 0x0f, 0x01, 0x0b],
  ['LGDT [ebx]', 6, 0x0f, 0x01, 0x13],
  ['BOUND eax, [ebx]', 8, 0x62, 0x03],
  ['BOUND ax, [ebx]', 4, 0x66, 0x62, 0x03],
  ['CMPXCHG8B [ebx]', 8, 0x0f, 0xc7, 0x0b],
  ['LFS eax, [ebx]', 6, 0x0f, 0xb4, 0x03],
  ['LFS ax, [ebx]', 4, 0x66, 0x0f, 0xb4, 0x03],
  ['FNSTENV [ebx]', 28, 0xd9, 0x33],
  ['FNSTENV [ebx], 16 bits', 14, 0x66, 0xd9, 0x33],
  ['FLDENV [ebx]', 28, 0xd9, 0x23],
  ['FNSAVE [ebx]', 108, 0xdd, 0x33],
  ['FRSTOR [ebx]', 108, 0xdd, 0x23],
  ['FXSAVE [ebx]', 512, 0x0f, 0xae, 0x03],
]

for (const [name, bytes, ...code] of extents) {
  test(`${name} needs ${bytes} bytes`, () => {
    // FXSAVE asks for an image on a multiple of 16.
    const offset = bytes === 512 ? 16 : 10
    const fits = within(offset + bytes, offset)
    fits.run(1, ...code)
    assert.equal(fits.u32(S.FAULT), 0)
    assert.equal(fits.pc, 0x8000 + code.length, `${name} at the limit`)
    const short = within(offset + bytes - 1, offset)
    const before = short.r64(AT + offset)
    short.fault(GP, ...code)
    assert.equal(short.r64(AT + offset), before, 'nothing has been written')
  })
}

test('a segment that may only be read suits what only reads', () => {
  const READ_ONLY = 0xc91
  const reads: readonly (readonly number[])[] = [
    [0x0f, 0x01, 0x13], // lgdt
    [0x0f, 0x01, 0x1b], // lidt
    [0x0f, 0x01, 0x33], // lmsw
    [0x0f, 0x00, 0x13], // lldt
    [0x0f, 0x00, 0x23], // verr
    [0x0f, 0x01, 0x3b], // invlpg
    [0x0f, 0xae, 0x0b], // fxrstor
    [0x0f, 0xae, 0x13], // ldmxcsr
    [0x0f, 0xae, 0x3b], // clflush
    [0xd9, 0x03], // fld m32
    [0xdf, 0x23], // fbld
    [0xd9, 0x2b], // fldcw
    [0xff, 0x2b], // jmp far
  ]
  for (const code of reads) {
    const m = within(0x1000, 0x100, READ_ONLY)
    m.set(S.CR4, 0x600)
    m.settle()
    if (code[0] === 0xff) {
      m.w32(AT + 0x100, 0x8100)
      m.w16(AT + 0x104, CODE32)
    } else if (code[1] === 0x00) m.w16(AT + 0x100, LDT_SELECTOR)
    else if (code[1] === 0x01) m.w16(AT + 0x100, 1)
    m.run(1, ...code)
    assert.equal(m.pc, code[0] === 0xff ? 0x8100 : 0x8000 + code.length, Buffer.from(code).toString('hex'))
  }
  const writes: readonly (readonly number[])[] = [
    [0x0f, 0x01, 0x03], // sgdt
    [0x8c, 0x1b], // mov [ebx], ds
    [0x0f, 0xae, 0x1b], // stmxcsr
    [0x0f, 0xc7, 0x0b], // cmpxchg8b
    [0xd9, 0x1b], // fstp m32
    [0x0f, 0xb1, 0x0b], // cmpxchg
  ]
  for (const code of writes) {
    const m = within(0x1000, 0x100, READ_ONLY)
    m.set(S.CR4, 0x600)
    m.settle()
    m.fault(GP, ...code)
  }
})

test('MOVBE with 66 in 16-bit code takes 32 bits', () => {
  const m = machine.real()
  m.set(S.RBX, 0x5000)
  m.set(S.RAX, 0)
  m.w32(0x5000, 0x12345678)
  m.run(1, 0x66, 0x0f, 0x38, 0xf0, 0x07)
  assert.equal(m.get(S.RAX), 0x78563412n)
})
