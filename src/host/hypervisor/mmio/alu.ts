import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from '../../../spec/x86/flags.js'
import type { AluOperation } from './decode.js'

/** Results and flags of arithmetic on device registers (APM vol. 3, chapter 3, each instruction's "rFLAGS affected"). Rare, so in BigInt. */
export interface AluResult {
  readonly value: bigint
  /** CF PF AF ZF SF OF; the rest zero. */
  readonly flags: number
}

export function alu(operation: AluOperation, a: bigint, b: bigint, size: number, carryIn: boolean): AluResult {
  const bits = BigInt(size * 8)
  const mask = (1n << bits) - 1n
  const left = a & mask
  const right = b & mask
  const carry = carryIn && (operation === 'adc' || operation === 'sbb') ? 1n : 0n
  switch (operation) {
    case 'add':
    case 'adc': {
      const sum = left + right + carry
      const value = sum & mask
      return {
        value,
        flags:
          logicFlags(value, bits) |
          (sum > mask ? FLAG_CF : 0) |
          auxiliary(left, right, value) |
          overflow((left ^ value) & (right ^ value), bits),
      }
    }
    case 'sub':
    case 'sbb':
    case 'cmp': {
      const value = (left - right - carry) & mask
      return {
        value,
        flags:
          logicFlags(value, bits) |
          (left < right + carry ? FLAG_CF : 0) |
          auxiliary(left, right, value) |
          overflow((left ^ right) & (left ^ value), bits),
      }
    }
    case 'and':
    case 'test':
      return logic(left & right, bits)
    case 'or':
      return logic(left | right, bits)
    case 'xor':
      return logic(left ^ right, bits)
  }
}

function logic(value: bigint, bits: bigint): AluResult {
  return { value, flags: logicFlags(value, bits) }
}

function logicFlags(value: bigint, bits: bigint): number {
  let parity = Number(value & 0xffn)
  parity ^= parity >> 4
  parity ^= parity >> 2
  parity ^= parity >> 1
  return ((parity & 1) === 0 ? FLAG_PF : 0) | (value === 0n ? FLAG_ZF : 0) | (((value >> (bits - 1n)) & 1n) !== 0n ? FLAG_SF : 0)
}

function auxiliary(a: bigint, b: bigint, value: bigint): number {
  return Number((a ^ b ^ value) & 0x10n) !== 0 ? FLAG_AF : 0
}

function overflow(signs: bigint, bits: bigint): number {
  return ((signs >> (bits - 1n)) & 1n) !== 0n ? FLAG_OF : 0
}
