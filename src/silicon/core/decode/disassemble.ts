/**
 * Text of a decoded instruction in Intel's syntax, as binutils writes it, from the opcode table alone: mnemonic, operands by their notation (row.ts),
 * prefixes that have a meaning. For people: traces, tests and `cbit disasm`.
 */

import type { CodeSize } from './decoder.js'
import { BASE_RIP, type Instruction, SEGMENT_NONE } from './instruction.js'
import { operandBytes } from './operand-size.js'
import { type Operand, PREFIX_66 } from './table.js'

const segments = ['es', 'cs', 'ss', 'ds', 'fs', 'gs']
const DS = 3
const low = ['al', 'cl', 'dl', 'bl', 'ah', 'ch', 'dh', 'bh']
const words = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di']
const pointers: Readonly<Record<number, string>> = {
  1: 'BYTE PTR ',
  2: 'WORD PTR ',
  4: 'DWORD PTR ',
  8: 'QWORD PTR ',
  10: 'TBYTE PTR ',
  16: 'XMMWORD PTR ',
  32: 'YMMWORD PTR ',
}

const hex = (value: bigint, bytes: number): string => `0x${BigInt.asUintN(bytes * 8, value).toString(16)}`
const signed = (value: number): string => (value < 0 ? `-0x${(-value).toString(16)}` : `+0x${value.toString(16)}`)

/** Name of general register `n` as an operand of `bytes`. */
export function registerName(n: number, bytes: number, hasRex: boolean): string {
  if (n >= 8) return `r${n}${bytes === 8 ? '' : bytes === 4 ? 'd' : bytes === 2 ? 'w' : 'b'}`
  if (bytes === 1) return hasRex && n >= 4 ? `${words[n]!}l` : low[n]!
  return (bytes === 8 ? 'r' : bytes === 4 ? 'e' : '') + words[n]!
}

class Text {
  constructor(
    private readonly i: Instruction,
    private readonly size: CodeSize,
    private readonly address: bigint,
  ) {}

  whole(): string {
    const operands = this.operands().join(',')
    const head = [...this.prefixes(), this.mnemonic()].join(' ')
    return (operands === '' ? head : `${head} ${operands}`) + this.remark()
  }

  private mnemonic(): string {
    const { i } = this
    const { mnemonic, options } = i.row.row
    // 90 without REX.B exchanges nothing (APM vol. 3, NOP).
    if (mnemonic === 'XCHG' && i.row.registerInOpcode && i.rm === 0 && !i.operandSizePrefix) return 'nop'
    const by = options.namesBy === 'address' ? i.addressSize : i.operandSize
    const name = options.names?.[by === 8 ? 2 : by === 4 ? 1 : 0] ?? mnemonic
    return name.toLowerCase()
  }

  private prefixes(): string[] {
    const { i } = this
    const { options } = i.row.row
    const found: string[] = []
    if (i.lock) found.push('lock')
    if (options.rep && i.repeat === 0xf2) found.push('repnz')
    else if (options.rep && i.repeat === 0xf3) found.push(options.rep === 'rep' ? 'rep' : 'repz')
    if (i.operandSizePrefix && i.row.prefix !== PREFIX_66 && !i.row.vex && !this.showsSize())
      found.push(this.size === 2 ? 'data32' : 'data16')
    return found
  }

  /** The mnemonic or an operand says which operand size the instruction has. */
  private showsSize(): boolean {
    const { row, operands } = this.i.row
    if (row.options.names && row.options.namesBy === undefined) return true
    return operands.some((operand) => operand.size !== '' && !'IJA'.includes(operand.class))
  }

  private operands(): string[] {
    const { i } = this
    if (this.mnemonic() === 'nop' && i.row.registerInOpcode) return []
    let immediates = 0
    return i.row.operands.map((operand) => this.operand(operand, operand.class === 'I' ? immediates++ : 0))
  }

  private operand(operand: Operand, immediate: number): string {
    const { i } = this
    switch (operand.class) {
      case 'G':
        return this.register(i.reg, operand)
      case 'R':
      case 'Z':
        return this.register(i.rm, operand)
      case 'B':
        return this.register(i.vvvv, operand)
      case 'E':
      case 'M':
        return i.isMemory ? this.memory(operand) : this.register(i.rm, operand)
      case 'W':
      case 'U':
        return i.isMemory ? this.memory(operand) : this.vector(i.rm, operand)
      case 'Q':
      case 'N':
        return i.isMemory ? this.memory(operand) : `mm${i.rm & 7}`
      case 'V':
        return this.vector(i.reg, operand)
      case 'H':
        return this.vector(i.vvvv, operand)
      case 'L':
        return this.vector((i.immediate >> 4) & (this.size === 8 ? 15 : 7), operand)
      case 'P':
        return `mm${i.reg & 7}`
      case 'S':
        return segments[i.reg & 7] ?? '?'
      case 'C':
        return `cr${i.reg}`
      case 'D':
        return `dr${i.reg}`
      case 'I':
        return this.immediate(operand, immediate)
      case 'J':
        return this.target()
      case 'O':
        return this.offset(operand)
      case 'A':
        return `${hex(BigInt(i.immediateHigh), 2)}:${hex(BigInt(i.immediate), i.operandSize)}`
      case 'X':
        return this.pointer(operand, i.segment === SEGMENT_NONE ? DS : i.segment, 6)
      case 'Y':
        return this.pointer(operand, 0, 7)
      case 'ST':
        return `st(${i.rm & 7})`
      case 'fixed':
        return this.fixed(operand)
    }
  }

  private register(n: number, operand: Operand): string {
    return registerName(n, operandBytes(this.i, operand), this.i.hasRex)
  }

  private vector(n: number, operand: Operand): string {
    return `${operandBytes(this.i, operand) === 32 ? 'y' : 'x'}mm${n}`
  }

  private fixed(operand: Operand): string {
    const { text } = operand
    return text === 'rAX' || text === 'eAX' ? this.register(0, operand) : text.toLowerCase()
  }

  private immediate(operand: Operand, n: number): string {
    const { i } = this
    if (n === 1) return hex(BigInt(i.immediateHigh), operandBytes(i, operand))
    if (operand.size === 'v' && i.operandSize === 8) return hex((BigInt(i.immediateHigh) << 32n) | BigInt(i.immediate >>> 0), 8)
    // Is and Iz are sign-extended to the operand size.
    const extended = operand.size === 's' || operand.size === 'z'
    return hex(BigInt(i.immediate), extended ? i.operandSize : operandBytes(i, operand))
  }

  private target(): string {
    const { i, size } = this
    return hex(this.address + BigInt(i.length + i.immediate), i.operandSize === 2 ? 2 : size === 8 ? 8 : 4)
  }

  private pointer(operand: Operand, segment: number, register: number): string {
    const name = registerName(register, this.i.addressSize, false)
    return `${pointers[operandBytes(this.i, operand)]}${segments[segment]!}:[${name}]`
  }

  private offset(operand: Operand): string {
    const { i } = this
    const value = (BigInt(i.immediateHigh >>> 0) << 32n) | BigInt(i.displacement >>> 0)
    return `${pointers[operandBytes(i, operand)]}${segments[i.segment === SEGMENT_NONE ? DS : i.segment]!}:${hex(value, i.addressSize)}`
  }

  private memory(operand: Operand): string {
    const { i } = this
    const pointer = operand.size === '' ? '' : pointers[operandBytes(i, operand)]!
    const parts: string[] = []
    if (i.base === BASE_RIP) parts.push(i.addressSize === 8 ? 'rip' : 'eip')
    else if (i.base >= 0) parts.push(registerName(i.base, i.addressSize, false))
    if (i.index >= 0) parts.push(this.index() + (i.addressSize === 2 ? '' : `*${1 << i.scale}`))
    if (parts.length === 0)
      return `${pointer}${segments[i.segment === SEGMENT_NONE ? DS : i.segment]!}:${hex(BigInt(i.displacement), i.addressSize)}`
    const segment = i.segment === SEGMENT_NONE ? '' : `${segments[i.segment]!}:`
    return `${pointer}${segment}[${parts.join('+')}${i.displacement === 0 ? '' : signed(i.displacement)}]`
  }

  private index(): string {
    const { i } = this
    const { indexed } = i.row.row.options
    if (!indexed) return registerName(i.index, i.addressSize, false)
    return `${indexed === 'x' && i.vectorBytes === 32 ? 'y' : 'x'}mm${i.index}`
  }

  /** Where a RIP-relative operand lies. */
  private remark(): string {
    const { i } = this
    if (!i.isMemory || i.base !== BASE_RIP) return ''
    return `  # ${hex(this.address + BigInt(i.length + i.displacement), i.addressSize)}`
  }
}

/** Text of `i`, decoded for code of `size`, whose first byte has address `address` (offset in its code segment). */
export function disassemble(i: Instruction, size: CodeSize, address: bigint): string {
  return new Text(i, size, address).whole()
}
