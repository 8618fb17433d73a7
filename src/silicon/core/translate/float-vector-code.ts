/** Packed floating-point instructions in line, with the guards of float-guards.ts on all lanes at once. */

import * as V from '../ir/vector-ids.js'
import * as F from './float-forms.js'
import { FloatGuards } from './float-guards.js'
import type { GuestCode } from './guest.js'
import type { IrRecord } from './record.js'
import { alignmentOf, type VectorAccess } from './vector-access.js'
import { pushForm, simd } from './vector-form-code.js'
import { IN_MEMORY, vectorId } from './vector-operands.js'
import { L_OPERAND, L_X, type VectorRegisters } from './vector-registers.js'
import { firstOf } from './vex-operands.js'
import * as w from './wasm-ops.js'

// Guards as forms (vector-forms.ts): lanes of ones where they hold. Constants are the bits of the smallest normal numbers and of the range of inRange.
const smallest64 = 'i64:0x10000000000000 i64x2.splat'
const forms = {
  f32x4: {
    notDenormal: (x: string): string => `${x} i32:1 i32x4.shl dwords:1 i32x4.sub dwords:0xffffff i32x4.ge_u`,
    inRange: 'x i32:1 i32x4.shl dwords:0x2000000 i32x4.sub dwords:0xfbffffff i32x4.le_u',
  },
  f64x2: {
    notDenormal: (x: string): string => `${x} f64x2.abs ${smallest64} f64x2.ge ${x} zero f64x2.eq v128.or`,
    inRange: `x f64x2.abs i64:0x20000000000000 i64x2.splat f64x2.ge x f64x2.abs i64:0x7fe0000000000000 i64x2.splat f64x2.lt v128.and`,
  },
}

export class FloatVectorCode {
  private readonly guards: FloatGuards

  constructor(
    private readonly g: GuestCode,
    private readonly memory: VectorAccess,
    private readonly registers: VectorRegisters,
    private readonly slowly: (record: IrRecord) => void,
  ) {
    this.guards = new FloatGuards(g, registers.mode)
  }

  private source16(record: IrRecord): number {
    if (record.a !== IN_MEMORY) return this.registers.of(record.a)
    this.memory.load16(record, alignmentOf(record), L_OPERAND)
    return L_OPERAND
  }

  private push(form: string, a: number, b: number): void {
    pushForm(this.g, form, 0, { a, b, x: L_X, xmm0: b })
  }

  /** Pushes MIN, MAX or CMP of locals a and b, whose operands are ordered. */
  pushChoice(operation: number, { lanes }: F.Width, a: number, b: number, immediate: number): void {
    if (operation === F.OP_MIN) return this.push(`b a ${lanes}.pmin`, a, b)
    if (operation === F.OP_MAX) return this.push(`b a ${lanes}.pmax`, a, b)
    const predicate = immediate & 7
    const comparison = F.comparisons[predicate]
    if (comparison !== undefined) return this.push(`a b ${lanes}.${comparison}`, a, b)
    return this.push(predicate === F.NEVER ? 'zero' : 'zero v128.not', a, b)
  }

  /** Pops lanes and pushes whether all of them are set; `then` runs in that case. */
  private whenAll(record: IrRecord, { wide, integers }: F.Width, quiet: boolean, then: () => void): void {
    const { g } = this
    simd(g, `${integers}.bitmask`)
    g.i32(wide ? 3 : 15)
    g.op(w.I32_EQ)
    if (quiet) {
      this.guards.quiet()
      g.op(w.I32_AND)
    }
    g.ifLikely()
    then()
    g.else()
    this.slowly(record)
    g.end()
  }

  arithmetic(record: IrRecord, operation: number, width: F.Width): void {
    const { g } = this
    const { lanes } = width
    const b = this.source16(record)
    const d = this.registers.of(record.d)
    const a = this.registers.of(firstOf(record))
    const guard = forms[lanes]
    const normal = `${guard.notDenormal('a')} ${guard.notDenormal('b')} v128.and`
    const form = F.rounded[operation]
    if (form === undefined) {
      this.push(`${normal} a a ${lanes}.eq v128.and b b ${lanes}.eq v128.and`, a, b)
      return this.whenAll(record, width, false, () => {
        this.pushChoice(operation, width, a, b, record.imm2)
        g.set(d)
      })
    }
    const result = `${lanes}.${form[1]}`
    if (operation === F.OP_SQRT) this.push(`b ${result} =x ${guard.notDenormal('b')} x x ${lanes}.eq v128.and`, a, b)
    else this.push(`a b ${result} =x ${normal} ${guard.inRange} ${zeroForm(operation, lanes)} v128.or v128.and`, a, b)
    return this.whenAll(record, width, true, () => {
      g.get(L_X)
      g.set(d)
    })
  }

  /** CVTDQ2PS, CVTDQ2PD, CVTPS2PD. */
  convert(record: IrRecord): void {
    const id = vectorId(record)
    const { g } = this
    const d = this.registers.of(record.d)
    const assign = (form: string, b: number): void => {
      this.push(form, d, b)
      g.set(d)
    }
    if (id === V.V_CVTDQ2PS) {
      const b = this.source16(record)
      this.guards.quiet()
      g.ifLikely()
      assign('b f32x4.convert_i32x4_s', b)
      g.else()
      this.slowly(record)
      return g.end()
    }
    const inMemory = record.a === IN_MEMORY
    if (inMemory) this.memory.loadNarrow(record, 8, L_OPERAND)
    const b = inMemory ? L_OPERAND : this.registers.of(record.a)
    if (id === V.V_CVTDQ2PD) return assign('b f64x2.convert_low_i32x4_s', b)
    // The upper lanes have no part in it.
    this.push(`b zero shuffle64:0,2 =x ${forms.f32x4.notDenormal('x')} x x f32x4.eq v128.and`, d, b)
    return this.whenAll(record, F.SINGLE, false, () => assign('b f64x2.promote_low_f32x4', b))
  }
}

/** Lanes whose result is zero exactly. */
function zeroForm(operation: number, lanes: string): string {
  const zero = (x: string): string => `${x} zero ${lanes}.eq`
  if (operation === F.OP_MUL) return `${zero('x')} ${zero('a')} ${zero('b')} v128.or v128.and`
  return operation === F.OP_DIV ? `${zero('x')} ${zero('a')} v128.and` : zero('x')
}
