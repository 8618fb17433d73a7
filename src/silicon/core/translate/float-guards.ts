/**
 * When WebAssembly's arithmetic is x86's to the bit, exceptions included: no operand is NaN or denormal (so that neither payloads nor DE matter), and where
 * a result is rounded, it is rounded to nearest, stays away from both ends of the range, and either PE is masked and set already or the result is exact.
 * Everything here pushes an i32, nonzero where what its name says is true.
 */

import { FLOAT_QUIET, FLOAT_TO_NEAREST } from '../ir/float-modes.js'
import { EQ, MUL, NEG, OP_ADD, OP_DIV, OP_MUL, OP_SQRT, OP_SUB, SUB, type Width } from './float-forms.js'
import type { GuestCode } from './guest.js'
import { simd } from './vector-form-code.js'
import * as w from './wasm-ops.js'

/** Upper half of the bits, without the sign, of a double far from the smallest normal one. */
const SAFE_MAGNITUDE = 0x10000000

/** Locals of one operation: vectors whose lowest lane is the operand, and the result as a number. */
export interface Operation {
  readonly width: Width
  readonly a: number
  readonly b: number
  readonly result: number
}

export class FloatGuards {
  constructor(
    private readonly g: GuestCode,
    private readonly mode: number,
  ) {}

  /** Pushes the lowest lane of `local` as a number. */
  number(width: Width, local: number): void {
    this.g.get(local)
    simd(this.g, `${width.lanes}.extract_lane`, 0)
  }

  arithmetic(width: Width, operation: number): void {
    this.g.op(width.arithmetic + operation)
  }

  compare(width: Width, relation: number): void {
    this.g.op(width.comparison + relation)
  }

  zero(width: Width): void {
    const { g } = this
    g.op(width.wide ? w.F64_CONST : w.F32_CONST)
    g.out.bytes(new Uint8Array(1 << width.size))
  }

  /** Pushes bits shifted left by one: without the sign. */
  private magnitude(width: Width): void {
    const { g } = this
    if (width.wide) {
      g.i64(1)
      g.op(w.I64_SHL)
    } else {
      g.i32(1)
      g.op(w.I32_SHL)
    }
  }

  private bits(width: Width, local: number): void {
    this.g.get(local)
    simd(this.g, `${width.integers}.extract_lane`, 0)
  }

  private constant(width: Width, high: number, single: number): void {
    if (width.wide) this.g.i64Wide(0, high)
    else this.g.i32(single)
  }

  private integer(width: Width, wide: number, narrow: number): void {
    this.g.op(width.wide ? wide : narrow)
  }

  /** The lowest lane of `local` is zero or denormal. */
  tiny(width: Width, local: number): void {
    this.bits(width, local)
    this.magnitude(width)
    this.constant(width, 0x200000, 0x1000000)
    this.integer(width, w.I64_LT_U, w.I32_LT_U)
  }

  /** The lowest lane of `local` is denormal. */
  denormal(width: Width, local: number): void {
    const { g } = this
    this.bits(width, local)
    this.magnitude(width)
    // Zero becomes the greatest number.
    if (width.wide) g.i64(1)
    else g.i32(1)
    this.integer(width, w.I64_SUB, w.I32_SUB)
    if (width.wide) g.i64Wide(0xffffffff, 0x1fffff)
    else g.i32(0xffffff)
    this.integer(width, w.I64_LT_U, w.I32_LT_U)
  }

  /** The lowest lane of `local` is NaN. */
  nan(width: Width, local: number): void {
    this.bits(width, local)
    this.magnitude(width)
    this.constant(width, 0xffe00000, 0xff000000)
    this.integer(width, w.I64_GT_U, w.I32_GT_U)
  }

  /** The number in local `result` is not normal or near one of the ends of the range: rounding may have under- or overflowed. */
  outOfRange(width: Width, result: number): void {
    const { g } = this
    g.get(result)
    g.op(width.wide ? w.I64_REINTERPRET_F64 : w.I32_REINTERPRET_F32)
    this.magnitude(width)
    this.constant(width, 0x400000, 0x2000000)
    this.integer(width, w.I64_SUB, w.I32_SUB)
    this.constant(width, 0xff800000, 0xfc000000)
    this.integer(width, w.I64_GE_U, w.I32_GE_U)
  }

  private isZero(width: Width, push: () => void): void {
    push()
    this.zero(width)
    this.compare(width, EQ)
  }

  /** The result is zero, and is so exactly. */
  exactZero(operation: number, { width, a, b, result }: Operation): void {
    const { g } = this
    this.isZero(width, () => g.get(result))
    if (operation === OP_ADD || operation === OP_SUB || operation === OP_SQRT) return
    this.isZero(width, () => this.number(width, a))
    if (operation === OP_MUL) {
      this.isZero(width, () => this.number(width, b))
      g.op(w.I32_OR)
    }
    g.op(w.I32_AND)
  }

  /** An inexact result would leave no trace. */
  quiet(): void {
    this.g.get(this.mode)
    this.g.i32(FLOAT_QUIET)
    this.g.op(w.I32_AND)
  }

  /** An inexact result would leave a trace. */
  loud(): void {
    this.quiet()
    this.g.op(w.I32_EQZ)
  }

  /** An inexact result would leave no trace, or else `push` says that it is exact. */
  quietOr(push: () => void): void {
    const { g } = this
    this.quiet()
    g.if(w.TYPE_I32)
    g.i32(1)
    g.else()
    push()
    g.end()
  }

  /** The rounded result of `operation` is the exact one. */
  exact(operation: number, of: Operation): void {
    const { g } = this
    g.get(this.mode)
    g.i32(FLOAT_TO_NEAREST)
    g.op(w.I32_AND)
    g.if(w.TYPE_I32)
    if (operation === OP_ADD || operation === OP_SUB) this.exactSum(operation === OP_SUB, of)
    else if (operation === OP_MUL) this.exactProduct(of)
    else this.exactQuotient(operation === OP_DIV, of)
    g.else()
    g.i32(0)
    g.end()
  }

  /** Knuth's TwoSum: the error of s = a + b is (a - (s - t)) + (b - t) with t = s - a. */
  private exactSum(subtract: boolean, { width, a, b, result }: Operation): void {
    const { g } = this
    const left = (): void => this.number(width, a)
    const right = (): void => {
      this.number(width, b)
      if (subtract) this.arithmetic(width, NEG)
    }
    const back = (): void => {
      g.get(result)
      left()
      this.arithmetic(width, SUB)
    }
    left()
    g.get(result)
    back()
    this.arithmetic(width, SUB)
    this.arithmetic(width, SUB)
    right()
    back()
    this.arithmetic(width, SUB)
    // The error is zero where its parts are each other's opposites.
    this.arithmetic(width, NEG)
    this.compare(width, EQ)
  }

  /** The trailing zeros of both significands leave no more than 53 bits to the product; of singles, the product as a double is exact. */
  private exactProduct({ width, a, b, result }: Operation): void {
    const { g } = this
    if (!width.wide) {
      this.product(
        () => this.number(width, a),
        () => this.number(width, b),
      )
      g.get(result)
      g.op(w.F64_PROMOTE_F32, w.F64_EQ)
      return
    }
    this.fewBits(
      () => this.bits(width, a),
      () => this.bits(width, b),
    )
    // Of zeros there is no such thing.
    this.isZero(width, () => g.get(result))
    g.op(w.I32_OR)
  }

  /** The product of two singles as a double. */
  private product(a: () => void, b: () => void): void {
    a()
    this.g.op(w.F64_PROMOTE_F32)
    b()
    this.g.op(w.F64_PROMOTE_F32, w.F64_MUL)
  }

  private fewBits(a: () => void, b: () => void): void {
    const { g } = this
    for (const push of [a, b]) {
      push()
      g.i64Wide(0, 0x100000)
      g.op(w.I64_OR, w.I64_CTZ)
    }
    g.op(w.I64_ADD)
    g.i64(53)
    g.op(w.I64_GE_U)
  }

  /** Quotient times divisor, or the root's square, is exact and gives back the operand. */
  private exactQuotient(division: boolean, { width, a, b, result }: Operation): void {
    const { g } = this
    const operand = division ? a : b
    const value = (): void => g.get(result)
    const other = division ? (): void => this.number(width, b) : value
    if (!width.wide) {
      this.product(value, other)
      this.number(width, operand)
      g.op(w.F64_PROMOTE_F32, w.F64_EQ)
      return
    }
    const bits = (): void => {
      value()
      g.op(w.I64_REINTERPRET_F64)
    }
    this.fewBits(bits, division ? (): void => this.bits(width, b) : bits)
    value()
    other()
    this.arithmetic(width, MUL)
    this.number(width, operand)
    this.compare(width, EQ)
    g.op(w.I32_AND)
    // Near the bottom of the range the product would be rounded as a denormal.
    this.bits(width, operand)
    this.magnitude(width)
    g.i64Wide(0, SAFE_MAGNITUDE)
    g.op(w.I64_GE_U, w.I32_AND)
  }
}
