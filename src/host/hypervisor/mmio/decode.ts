/**
 * Decoder of the instructions that drivers use on device registers (APM vol. 3, chapter 1 and appendix A). It sees only the bytes that the
 * chip puts into the VMCB; the address of the operand it takes from the nested page fault, so it works for encrypted guests as well.
 */
export type Source =
  | { readonly kind: 'register'; readonly index: number; readonly high: boolean }
  | { readonly kind: 'immediate'; readonly lo: number; readonly hi: number }

export type AluOperation = 'add' | 'or' | 'adc' | 'sbb' | 'and' | 'sub' | 'xor' | 'cmp' | 'test'
export type BitOperation = 'bt' | 'bts' | 'btr' | 'btc'

export type MmioOperation =
  | { readonly kind: 'store'; readonly from: Source; readonly swap: boolean }
  | {
      readonly kind: 'load'
      readonly to: number
      readonly high: boolean
      readonly resultSize: number
      readonly signed: boolean
      readonly swap: boolean
    }
  | { readonly kind: 'alu'; readonly operation: AluOperation; readonly operand: Source; readonly toRegister: boolean }
  | { readonly kind: 'unary'; readonly operation: 'not' | 'neg' | 'inc' | 'dec' }
  | { readonly kind: 'bit'; readonly operation: BitOperation; readonly operand: Source }
  | { readonly kind: 'exchange' | 'exchange-add' | 'compare-exchange'; readonly register: Extract<Source, { kind: 'register' }> }
  | { readonly kind: 'move-string' | 'store-string' | 'load-string'; readonly repeat: boolean }
  /** CMPS and SCAS: `repeat` goes on while the comparison was `whileEqual`. */
  | { readonly kind: 'compare-string' | 'scan-string'; readonly repeat: boolean; readonly whileEqual: boolean }

export interface MmioInstruction {
  readonly length: number
  /** Bytes of the memory access. */
  readonly size: 1 | 2 | 4 | 8
  readonly addressSize: 2 | 4 | 8
  /** Segment override: ES CS SS DS FS GS = 0..5. */
  readonly segment: number | undefined
  readonly operation: MmioOperation
}

export type CodeSize = 16 | 32 | 64

const ALU: readonly AluOperation[] = ['add', 'or', 'adc', 'sbb', 'and', 'sub', 'xor', 'cmp']
const BITS: readonly BitOperation[] = ['bt', 'bts', 'btr', 'btc']
const SEGMENT_PREFIX = new Map([
  [0x26, 0],
  [0x2e, 1],
  [0x36, 2],
  [0x3e, 3],
  [0x64, 4],
  [0x65, 5],
])

/** Thrown inside only: the instruction ends beyond the bytes given. */
class OutOfBytes extends Error {}

class Decoder {
  at = 0
  rex = 0
  operand16 = false
  addressOverride = false
  repeat = false
  whileEqual = false
  segment: number | undefined = undefined
  reg = 0

  constructor(
    readonly bytes: Uint8Array,
    readonly code: CodeSize,
  ) {}

  u8(): number {
    if (this.at >= this.bytes.length) throw new OutOfBytes()
    return this.bytes[this.at++]!
  }

  s8(): number {
    return (this.u8() << 24) >> 24
  }

  immediate(bytes: number): number {
    let value = 0
    for (let i = 0; i < bytes; i++) value |= this.u8() << (8 * i)
    return bytes === 1 ? (value << 24) >> 24 : bytes === 2 ? (value << 16) >> 16 : value
  }

  /** Prefixes in any order; REX only right before the opcode. Returns the first opcode byte. */
  prefixes(): number {
    for (;;) {
      const byte = this.u8()
      if (byte === 0x66) this.operand16 = true
      else if (byte === 0x67) this.addressOverride = true
      else if (byte === 0xf2 || byte === 0xf3) {
        this.repeat = true
        this.whileEqual = byte === 0xf3
      } else if (SEGMENT_PREFIX.has(byte)) this.segment = SEGMENT_PREFIX.get(byte)
      else if (byte !== 0xf0) {
        if (this.code !== 64 || (byte & 0xf0) !== 0x40) return byte
        this.rex = byte
        return this.u8()
      }
    }
  }

  get operandSize(): 2 | 4 | 8 {
    if ((this.rex & 8) !== 0) return 8
    return this.operand16 === (this.code !== 16) ? 2 : 4
  }

  get addressSize(): 2 | 4 | 8 {
    if (this.code === 64) return this.addressOverride ? 4 : 8
    return this.addressOverride === (this.code === 32) ? 2 : 4
  }

  /** ModRM with SIB and displacement stepped over; undefined where the operand is a register. */
  memoryModRm(): { reg: number } | undefined {
    const modRm = this.u8()
    const mod = modRm >> 6
    const rm = modRm & 7
    if (mod === 3) return undefined
    this.reg = ((modRm >> 3) & 7) | ((this.rex & 4) << 1)
    if (this.addressSize === 2) this.at += mod === 1 ? 1 : mod === 2 || rm === 6 ? 2 : 0
    else {
      const base = rm === 4 ? this.u8() & 7 : rm
      this.at += mod === 1 ? 1 : mod === 2 || (mod === 0 && base === 5) ? 4 : 0
    }
    if (this.at > this.bytes.length) throw new OutOfBytes()
    return { reg: this.reg }
  }

  /** Byte registers 4 to 7 are AH, CH, DH and BH unless there is a REX prefix. */
  register(size: number): Extract<Source, { kind: 'register' }> {
    const high = size === 1 && this.rex === 0 && this.reg >= 4
    return { kind: 'register', index: high ? this.reg - 4 : this.reg, high }
  }

  constant(value: number): Source {
    return { kind: 'immediate', lo: value >>> 0, hi: value < 0 ? 0xffffffff : 0 }
  }

  done(size: number, operation: MmioOperation): MmioInstruction {
    return { length: this.at, size: size as 1 | 2 | 4 | 8, addressSize: this.addressSize, segment: this.segment, operation }
  }
}

/** Undefined where the bytes are too few or the instruction is none that is emulated. */
export function decodeMmio(bytes: Uint8Array, code: CodeSize): MmioInstruction | undefined {
  const decoder = new Decoder(bytes.length > 15 ? bytes.subarray(0, 15) : bytes, code)
  try {
    const opcode = decoder.prefixes()
    return opcode === 0x0f ? twoByte(decoder, decoder.u8()) : oneByte(decoder, opcode)
  } catch (error) {
    if (error instanceof OutOfBytes) return undefined
    throw error
  }
}

function stringInstruction(d: Decoder, opcode: number, size: number): MmioInstruction | undefined {
  switch (opcode) {
    case 0xa4:
    case 0xa5:
      return d.done(size, { kind: 'move-string', repeat: d.repeat })
    case 0xa6:
    case 0xa7:
      return d.done(size, { kind: 'compare-string', repeat: d.repeat, whileEqual: d.whileEqual })
    case 0xae:
    case 0xaf:
      return d.done(size, { kind: 'scan-string', repeat: d.repeat, whileEqual: d.whileEqual })
    case 0xaa:
    case 0xab:
      return d.done(size, { kind: 'store-string', repeat: d.repeat })
    case 0xac:
    case 0xad:
      return d.done(size, { kind: 'load-string', repeat: d.repeat })
    default:
      return undefined
  }
}

function oneByte(d: Decoder, opcode: number): MmioInstruction | undefined {
  const size = (opcode & 1) === 0 ? 1 : d.operandSize
  if (opcode < 0x40 && (opcode & 7) < 4) {
    if (!d.memoryModRm()) return undefined
    return d.done(size, { kind: 'alu', operation: ALU[opcode >> 3]!, operand: d.register(size), toRegister: (opcode & 2) !== 0 })
  }
  switch (opcode) {
    case 0x63:
      if (d.code !== 64 || !d.memoryModRm()) return undefined
      return d.done(4, { kind: 'load', to: d.reg, high: false, resultSize: d.operandSize, signed: true, swap: false })
    case 0x80:
    case 0x81:
    case 0x83:
      return aluImmediate(d, opcode, size)
    case 0x84:
    case 0x85:
      if (!d.memoryModRm()) return undefined
      return d.done(size, { kind: 'alu', operation: 'test', operand: d.register(size), toRegister: false })
    case 0x86:
    case 0x87:
      if (!d.memoryModRm()) return undefined
      return d.done(size, { kind: 'exchange', register: d.register(size) })
    case 0x88:
    case 0x89:
      if (!d.memoryModRm()) return undefined
      return d.done(size, { kind: 'store', from: d.register(size), swap: false })
    case 0x8a:
    case 0x8b:
      return load(d, size, size, false)
    case 0xa0:
    case 0xa1:
      d.at += d.addressSize
      return d.at > d.bytes.length
        ? undefined
        : d.done(size, { kind: 'load', to: 0, high: false, resultSize: size, signed: false, swap: false })
    case 0xa2:
    case 0xa3:
      d.at += d.addressSize
      return d.at > d.bytes.length
        ? undefined
        : d.done(size, { kind: 'store', from: { kind: 'register', index: 0, high: false }, swap: false })
    case 0xc6:
    case 0xc7:
      if (!d.memoryModRm() || (d.reg & 7) !== 0) return undefined
      return d.done(size, { kind: 'store', from: d.constant(d.immediate(Math.min(size, 4))), swap: false })
    case 0xf6:
    case 0xf7:
      return groupThree(d, size)
    case 0xfe:
    case 0xff:
      if (!d.memoryModRm() || (d.reg & 7) > 1) return undefined
      return d.done(size, { kind: 'unary', operation: (d.reg & 7) === 0 ? 'inc' : 'dec' })
    default:
      return stringInstruction(d, opcode, size)
  }
}

function aluImmediate(d: Decoder, opcode: number, size: number): MmioInstruction | undefined {
  if (!d.memoryModRm()) return undefined
  const operand = d.constant(d.immediate(opcode === 0x83 ? 1 : Math.min(size, 4)))
  return d.done(size, { kind: 'alu', operation: ALU[d.reg & 7]!, operand, toRegister: false })
}

function groupThree(d: Decoder, size: number): MmioInstruction | undefined {
  if (!d.memoryModRm()) return undefined
  switch (d.reg & 7) {
    case 0:
    case 1:
      return d.done(size, { kind: 'alu', operation: 'test', operand: d.constant(d.immediate(Math.min(size, 4))), toRegister: false })
    case 2:
      return d.done(size, { kind: 'unary', operation: 'not' })
    case 3:
      return d.done(size, { kind: 'unary', operation: 'neg' })
    default:
      return undefined
  }
}

function twoByte(d: Decoder, opcode: number): MmioInstruction | undefined {
  const size = (opcode & 1) === 0 ? 1 : d.operandSize
  switch (opcode) {
    case 0x38:
      return moveBigEndian(d, d.u8())
    case 0xa3:
    case 0xab:
    case 0xb3:
    case 0xbb:
      if (!d.memoryModRm()) return undefined
      return d.done(d.operandSize, { kind: 'bit', operation: BITS[(opcode >> 3) & 3]!, operand: d.register(d.operandSize) })
    case 0xba:
      if (!d.memoryModRm() || (d.reg & 7) < 4) return undefined
      return d.done(d.operandSize, { kind: 'bit', operation: BITS[d.reg & 3]!, operand: d.constant(d.immediate(1)) })
    case 0xb0:
    case 0xb1:
      if (!d.memoryModRm()) return undefined
      return d.done(size, { kind: 'compare-exchange', register: d.register(size) })
    case 0xb6:
    case 0xbe:
      return load(d, 1, d.operandSize, opcode === 0xbe)
    case 0xb7:
    case 0xbf:
      return load(d, 2, d.operandSize, opcode === 0xbf)
    case 0xc0:
    case 0xc1:
      if (!d.memoryModRm()) return undefined
      return d.done(size, { kind: 'exchange-add', register: d.register(size) })
    case 0xc3:
      if (!d.memoryModRm()) return undefined
      return d.done(d.operandSize, { kind: 'store', from: d.register(4), swap: false })
    default:
      return undefined
  }
}

function load(d: Decoder, size: number, resultSize: number, signed: boolean): MmioInstruction | undefined {
  if (!d.memoryModRm()) return undefined
  const to = d.register(resultSize)
  return d.done(size, { kind: 'load', to: to.index, high: to.high, resultSize, signed, swap: false })
}

/** MOVBE. With F2 the same bytes are CRC32, which no driver uses on a device. */
function moveBigEndian(d: Decoder, opcode: number): MmioInstruction | undefined {
  if ((opcode !== 0xf0 && opcode !== 0xf1) || d.repeat || !d.memoryModRm()) return undefined
  const size = d.operandSize
  if (opcode === 0xf1) return d.done(size, { kind: 'store', from: d.register(size), swap: true })
  return d.done(size, { kind: 'load', to: d.reg, high: false, resultSize: size, signed: false, swap: true })
}
