import { assert } from '../../lib/assert.js'
import { registers, type Register } from './registers.js'

/*
 * A small assembler for guests of a page or two in 64-bit mode. One method is one instruction with one encoding (AMD64 APM vol. 3, 24594, the
 * instruction's own page); operands are 64 bits wide unless the name says 32. Jumps take labels and are always rel32.
 */

const REX = 0x40
const REX_W = 0x48
const REX_R = 0x44
const REX_B = 0x41
/** ModRM with a 32-bit displacement, and the SIB byte that says "base only" where the base is RSP or R12 (section 1.4.2). */
const MOD_DISP32 = 0x80
const MOD_REGISTER = 0xc0
const SIB_BASE_ONLY = 0x24

interface Fixup {
  readonly at: number
  readonly label: string
}

export class Assembler {
  // configuration
  /** Linear address of the first byte. */
  readonly origin: number
  // state
  readonly #bytes: number[] = []
  readonly #labels = new Map<string, number>()
  readonly #fixups: Fixup[] = []

  constructor(origin: number) {
    this.origin = origin
  }

  /** The program. Every label that is used must have been placed. */
  assemble(): Uint8Array {
    const code = Uint8Array.from(this.#bytes)
    const view = new DataView(code.buffer)
    for (const { at, label } of this.#fixups) view.setInt32(at, this.addressOf(label) - (this.origin + at + 4), true)
    return code
  }

  addressOf(label: string): number {
    const offset = this.#labels.get(label)
    assert(offset !== undefined, `label ${label} is placed`)
    return this.origin + offset
  }

  label(name: string): this {
    assert(!this.#labels.has(name), `label ${name} is placed once`)
    this.#labels.set(name, this.#bytes.length)
    return this
  }

  align(bytes: number): this {
    while (this.#bytes.length % bytes !== 0) this.nop()
    return this
  }

  bytes(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes)
    return this
  }

  // ---- data movement

  moveImmediate(to: Register, value: number | bigint): this {
    const bits = BigInt.asUintN(64, BigInt(value))
    this.bytes(REX_W | (registers[to] >> 3), 0xb8 | (registers[to] & 7))
    return this.#word(Number(bits & 0xffffffffn)).#word(Number(bits >> 32n))
  }

  move(to: Register, from: Register): this {
    return this.#registerForm(REX_W, 0x89, from, to)
  }

  load(to: Register, base: Register, displacement = 0): this {
    return this.#memoryForm(REX_W, 0x8b, to, base, displacement)
  }

  load32(to: Register, base: Register, displacement = 0): this {
    return this.#memoryForm(REX, 0x8b, to, base, displacement)
  }

  store(base: Register, displacement: number, from: Register): this {
    return this.#memoryForm(REX_W, 0x89, from, base, displacement)
  }

  // ---- arithmetic

  add(to: Register, from: Register): this {
    return this.#registerForm(REX_W, 0x01, from, to)
  }

  xor(to: Register, from: Register): this {
    return this.#registerForm(REX_W, 0x31, from, to)
  }

  addImmediate(to: Register, value: number): this {
    return this.#group1(0, to, value)
  }

  andImmediate(to: Register, value: number): this {
    return this.#group1(4, to, value)
  }

  compareImmediate(left: Register, value: number): this {
    return this.#group1(7, left, value)
  }

  shiftRight(to: Register, count: number): this {
    this.bytes(REX_W | (registers[to] >> 3), 0xc1, MOD_REGISTER | (5 << 3) | (registers[to] & 7), count)
    return this
  }

  // ---- control

  jump(label: string): this {
    return this.bytes(0xe9).#relative(label)
  }

  jumpIfZero(label: string): this {
    return this.bytes(0x0f, 0x84).#relative(label)
  }

  jumpIfNotZero(label: string): this {
    return this.bytes(0x0f, 0x85).#relative(label)
  }

  nop(): this {
    return this.bytes(0x90)
  }

  halt(): this {
    return this.bytes(0xf4)
  }

  interruptReturn(): this {
    return this.bytes(REX_W, 0xcf)
  }

  setInterrupts(): this {
    return this.bytes(0xfb)
  }

  clearInterrupts(): this {
    return this.bytes(0xfa)
  }

  // ---- system

  /** OUT DX, EAX. */
  output32(): this {
    return this.bytes(0xef)
  }

  /** OUT DX, AL. */
  output8(): this {
    return this.bytes(0xee)
  }

  /** IN EAX, DX. */
  input32(): this {
    return this.bytes(0xed)
  }

  cpuid(): this {
    return this.bytes(0x0f, 0xa2)
  }

  readTsc(): this {
    return this.bytes(0x0f, 0x31)
  }

  writeMsr(): this {
    return this.bytes(0x0f, 0x30)
  }

  readMsr(): this {
    return this.bytes(0x0f, 0x32)
  }

  /** A hypercall, where the hypervisor takes it so. */
  vmmcall(): this {
    return this.bytes(0x0f, 0x01, 0xd9)
  }

  /** LIDT [base]: ten bytes, limit and address. */
  loadIdt(base: Register): this {
    const field = registers[base] & 7
    if (registers[base] >> 3) this.bytes(REX_B)
    return this.bytes(0x0f, 0x01, MOD_DISP32 | (3 << 3) | field, ...(field === 4 ? [SIB_BASE_ONLY] : [])).#word(0)
  }

  // ---- encoding

  #registerForm(rex: number, opcode: number, reg: Register, rm: Register): this {
    const prefix = rex | (registers[reg] >> 3 ? REX_R : 0) | (registers[rm] >> 3 ? REX_B : 0)
    return this.bytes(prefix, opcode, MOD_REGISTER | ((registers[reg] & 7) << 3) | (registers[rm] & 7))
  }

  #memoryForm(rex: number, opcode: number, reg: Register, base: Register, displacement: number): this {
    const field = registers[base] & 7
    const prefix = rex | (registers[reg] >> 3 ? REX_R : 0) | (registers[base] >> 3 ? REX_B : 0)
    this.bytes(prefix, opcode, MOD_DISP32 | ((registers[reg] & 7) << 3) | field, ...(field === 4 ? [SIB_BASE_ONLY] : []))
    return this.#word(displacement)
  }

  /** Opcode 81h: ADD /0, AND /4, CMP /7 with a sign-extended 32-bit immediate. */
  #group1(operation: number, to: Register, value: number): this {
    assert(value === (value | 0), 'an immediate has 32 signed bits')
    this.bytes(REX_W | (registers[to] >> 3), 0x81, MOD_REGISTER | (operation << 3) | (registers[to] & 7))
    return this.#word(value)
  }

  #relative(label: string): this {
    this.#fixups.push({ at: this.#bytes.length, label })
    return this.#word(0)
  }

  #word(value: number): this {
    return this.bytes(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff)
  }
}
