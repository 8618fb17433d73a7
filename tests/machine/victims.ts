// The guests that are attacked. Each is public code with something to lose.

import type { Assembler } from '../../src/guest/assembler/assembler.js'
import type { GuestImage } from '../../src/guest/index.js'
import { ascii } from '../../src/lib/bytes.js'
import { IDT_POINTER, places, REPORT_PORT, STEP_PORT, victimImage } from './victim-image.js'

/** What the guests keep in their secret page; they make it themselves, so no image contains it. */
export const SECRET = ascii('attack at dawn: the code is 7421')
/** What they publish. */
export const PUBLIC = ascii('published: nothing to see here..')
/** What the chatterbox does one after the other. */
export const SECRET_BITS = 0xb5c3
export const SECRET_BITS_COUNT = 16
export const GUARD_TRIES = 3
export const GUARD_LOCKED = 0xdead

const MASK = 0x5aa5_c33c_0ff0_9669n
const MSR_APIC_BASE = 0x1b
const MSR_X2APIC_EOI = 0x80b
const MSR_X2APIC_SVR = 0x80f
const MSR_X2APIC_SELF_IPI = 0x83f
const APIC_BASE_X2APIC = 0xfee00d00
const SVR_ENABLED = 0x1ff

const step = (a: Assembler): Assembler => a.moveImmediate('rdx', STEP_PORT).output32()
/** Gives EAX away. */
const report = (a: Assembler): Assembler => a.moveImmediate('rdx', REPORT_PORT).output32()

/** `bytes` to `gpa`, unmasked on the way, so that they stand nowhere in the code; no trace stays in registers. */
function writeMasked(a: Assembler, gpa: number, bytes: Uint8Array): void {
  const words = new BigUint64Array(bytes.slice().buffer)
  a.moveImmediate('rbx', gpa)
  words.forEach((word, n) =>
    a
      .moveImmediate('rax', word ^ MASK)
      .moveImmediate('rcx', MASK)
      .xor('rax', 'rcx')
      .store('rbx', n * 8, 'rax'),
  )
  a.xor('rax', 'rax').xor('rcx', 'rcx')
}

/** Keeps a secret, and publishes 32 bytes of the page at `from` again and again, its pointer in RBX, after each step. */
export function publisher(from: 'public' | 'shared' = 'public'): GuestImage {
  return victimImage({
    name: `publishes its ${from} page`,
    write(a) {
      writeMasked(a, places.secret, SECRET)
      writeMasked(a, places[from], PUBLIC)
      a.label('round')
        .moveImmediate('rbx', places[from])
        .moveImmediate('r12', PUBLIC.length / 4)
      step(a)
      a.label('word').load32('rax', 'rbx')
      report(a)
      a.addImmediate('rbx', 4).addImmediate('r12', -1).jumpIfNotZero('word').jump('round')
    },
  })
}

/** Allows three tries: counts them down in a private page, reports how many are left, and is locked then. */
export const guard: GuestImage = victimImage({
  name: 'counts tries',
  write(a) {
    a.moveImmediate('rbx', places.counter).moveImmediate('rax', GUARD_TRIES).store('rbx', 0, 'rax')
    a.label('try')
    step(a)
    a.load('rax', 'rbx').compareImmediate('rax', 0).jumpIfZero('locked')
    a.addImmediate('rax', -1).store('rbx', 0, 'rax')
    report(a).jump('try')
    a.label('locked').moveImmediate('rax', GUARD_LOCKED)
    report(a).jump('try')
  },
})

/** Counts interrupts in a private page and reports the number. With `rings` it sends itself one in each round. */
export function listener({ rings }: { rings: boolean }): GuestImage {
  return victimImage({
    name: rings ? 'rings itself' : 'waits for interrupts',
    interrupts: true,
    write(a) {
      const writeMsr = (msr: number, value: number): Assembler =>
        a.moveImmediate('rcx', msr).moveImmediate('rax', value).moveImmediate('rdx', 0).writeMsr()
      a.moveImmediate('rsi', IDT_POINTER).loadIdt('rsi').moveImmediate('rbx', places.counter)
      writeMsr(MSR_APIC_BASE, APIC_BASE_X2APIC)
      writeMsr(MSR_X2APIC_SVR, SVR_ENABLED)
      a.setInterrupts()
      a.label('round')
      step(a)
      if (rings) writeMsr(MSR_X2APIC_SELF_IPI, 0x40)
      a.nop().nop().nop().load('rax', 'rbx')
      report(a).jump('round')
      a.label('interrupt').load('r8', 'rbx').addImmediate('r8', 1).store('rbx', 0, 'r8')
      a.move('r13', 'rax').move('r14', 'rcx').move('r15', 'rdx')
      writeMsr(MSR_X2APIC_EOI, 0)
      a.move('rax', 'r13').move('rcx', 'r14').move('rdx', 'r15').interruptReturn()
    },
  })
}

/** Asks CPUID 8000_001F whether its memory is encrypted, and reports EAX. */
export const asker: GuestImage = victimImage({
  name: 'asks for SEV',
  write(a) {
    a.label('round')
    step(a)
    a.moveImmediate('rax', 0x8000001f).moveImmediate('rcx', 0).cpuid()
    report(a).jump('round')
  },
})

/** Reports the low half of its time stamp counter. */
export const watchmaker: GuestImage = victimImage({
  name: 'reads the time',
  write(a) {
    a.label('round')
    step(a)
    a.readTsc()
    report(a).jump('round')
  },
})

/** Works through the bits of a secret: for each it stores the bit in one private page and touches one of two others. */
export const chatterbox: GuestImage = victimImage({
  name: 'works by secret bits',
  write(a) {
    a.moveImmediate('rsi', places.counter).moveImmediate('r8', places.zeroPage).moveImmediate('r9', places.onePage)
    a.moveImmediate('r12', BigInt(SECRET_BITS) ^ MASK)
      .moveImmediate('rcx', MASK)
      .xor('r12', 'rcx')
      .xor('rcx', 'rcx')
    a.label('bit').move('rax', 'r12').andImmediate('rax', 1).store('rsi', 0, 'rax').compareImmediate('rax', 0).jumpIfZero('zero')
    a.store('r9', 0, 'rcx').jump('done')
    a.label('zero').store('r8', 0, 'rcx')
    a.label('done').xor('rax', 'rax')
    step(a)
    a.shiftRight('r12', 1).jump('bit')
  },
})
