import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toHex } from '../../lib/bytes.js'
import { Assembler } from './assembler.js'

const assembled = (build: (a: Assembler) => Assembler): string => toHex(build(new Assembler(0x1000)).assemble())

// Expected bytes: read back by GNU objdump 2.40 (-M intel).
test('encodings', () => {
  assert.equal(
    assembled((a) => a.moveImmediate('r9', 0x1122334455667788n)),
    '49b98877665544332211',
  )
  assert.equal(
    assembled((a) => a.move('rbx', 'r12')),
    '4c89e3',
  )
  assert.equal(
    assembled((a) => a.load('rax', 'r12', 16)),
    '498b842410000000',
  )
  assert.equal(
    assembled((a) => a.load32('r8', 'rbx')),
    '448b8300000000',
  )
  assert.equal(
    assembled((a) => a.store('rsp', 8, 'rdi')),
    '4889bc2408000000',
  )
  assert.equal(
    assembled((a) => a.addImmediate('r15', -1).andImmediate('rax', 1).compareImmediate('rcx', 7)),
    '4981c7ffffffff' + '4881e001000000' + '4881f907000000',
  )
  assert.equal(
    assembled((a) => a.add('rax', 'rbx').xor('r8', 'r8').shiftRight('r10', 3)),
    '4801d8' + '4d31c0' + '49c1ea03',
  )
  assert.equal(
    assembled((a) => a.loadIdt('rsi').interruptReturn()),
    '0f019e00000000' + '48cf',
  )
})

test('labels resolve in both directions', () => {
  const code = assembled((a) => a.label('top').jump('end').jumpIfZero('top').jumpIfNotZero('end').label('end').halt())
  assert.equal(code, 'e90c000000' + '0f84f5ffffff' + '0f8500000000' + 'f4')
})

test('a label that is missing or placed twice is our mistake', () => {
  assert.throws(() => new Assembler(0).jump('nowhere').assemble(), /nowhere/)
  assert.throws(() => new Assembler(0).label('a').label('a'), /once/)
})
