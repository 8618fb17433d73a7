/** VEX forms without a legacy twin in line: broadcasts, moves between the halves, VZEROUPPER. kernel/vector-vex*.ts says what each does. */

import * as V from '../ir/vector-ids.js'
import type { GuestCode } from './guest.js'
import type { IrRecord } from './record.js'
import { ANY_ADDRESS, type VectorAccess } from './vector-access.js'
import { pushForm, zeroVector } from './vector-form-code.js'
import { IN_MEMORY, vectorId } from './vector-operands.js'
import { L_OPERAND, L_UPPER, L_UPPER_FIRST, L_X, type VectorRegisters } from './vector-registers.js'

const REGISTERS = 16

/** Bytes of the element, and the source's lowest one in every lane. */
const broadcasts: ReadonlyMap<number, readonly [number, string]> = new Map([
  [V.V_BROADCAST_B, [1, `b b shuffle8:${Array(16).fill(0).join()}`]],
  [V.V_BROADCAST_W, [2, `b b shuffle16:${Array(8).fill(0).join()}`]],
  [V.V_BROADCAST_D, [4, 'b b shuffle32:0,0,0,0']],
  [V.V_BROADCAST_Q, [8, 'b b shuffle64:0,0']],
  [V.V_BROADCAST_128, [16, 'b']],
])

export class AvxCode {
  constructor(
    private readonly g: GuestCode,
    private readonly memory: VectorAccess,
    private readonly registers: VectorRegisters,
  ) {}

  emit(record: IrRecord): void {
    const id = vectorId(record)
    if (broadcasts.has(id)) return this.broadcast(record)
    switch (id) {
      case V.V_VZEROUPPER:
        for (let n = 0; n < REGISTERS; n++) this.registers.clearUpper(n)
        return undefined
      case V.V_VINSERT_128:
        return this.insert(record)
      case V.V_VEXTRACT_128:
        return this.extract(record)
      case V.V_VPERM2_128:
        return this.chooseHalves(record)
      case V.V_VPERMQ:
        return this.permuteQuadwords(record)
      default:
        throw new Error(`translator: no code for VEX form ${id}`)
    }
  }

  private broadcast(record: IrRecord): void {
    const { g, registers } = this
    const [bytes, form] = broadcasts.get(vectorId(record))!
    let b = L_OPERAND
    if (record.a !== IN_MEMORY) b = registers.of(record.a)
    else if (bytes === 16) this.memory.load16(record, ANY_ADDRESS, b)
    else this.memory.loadNarrow(record, bytes, b)
    const d = registers.of(record.d)
    pushForm(g, form, 0, { a: b, b, x: L_X, xmm0: b })
    g.set(d)
    if (record.vex!.wide) registers.setUpper(record.d, () => g.get(d))
    else registers.clearUpper(record.d)
  }

  /** Immediate bit 0: the source takes the place of the upper half of the first, or of the lower one. */
  private insert(record: IrRecord): void {
    const { g, registers } = this
    let b = L_OPERAND
    if (record.a === IN_MEMORY) this.memory.load16(record, ANY_ADDRESS, b)
    else b = registers.of(record.a)
    const first = record.vex!.first
    if (record.imm2 & 1) {
      registers.setUpper(record.d, () => g.get(b))
      g.get(registers.of(first))
    } else {
      registers.setUpper(record.d, () => registers.pushUpper(first))
      g.get(b)
    }
    g.set(registers.of(record.d))
  }

  private extract(record: IrRecord): void {
    const { g, registers } = this
    const upper = (record.imm2 & 1) !== 0
    if (upper) {
      registers.pushUpper(record.d)
      g.set(L_UPPER)
    }
    const from = upper ? L_UPPER : registers.of(record.d)
    if (record.a === IN_MEMORY) return this.memory.store16(record, ANY_ADDRESS, from)
    g.get(from)
    g.set(registers.of(record.a))
    return registers.clearUpper(record.a)
  }

  /** L_OPERAND and L_UPPER = the halves of a source of 256 bits. */
  private takeSource(record: IrRecord): void {
    const { g, registers } = this
    if (record.a === IN_MEMORY) return this.memory.load32(record, ANY_ADDRESS, L_OPERAND, L_UPPER)
    g.get(registers.of(record.a))
    g.set(L_OPERAND)
    registers.pushUpper(record.a)
    return g.set(L_UPPER)
  }

  /** VPERM2F128: four bits of the immediate choose each half of the result. */
  private chooseHalves(record: IrRecord): void {
    const { g, registers } = this
    const first = record.vex!.first
    this.takeSource(record)
    registers.pushUpper(first)
    g.set(L_UPPER_FIRST)
    const push = (field: number): void => {
      if (field & 8) zeroVector(g)
      else g.get([registers.of(first), L_UPPER_FIRST, L_OPERAND, L_UPPER][field & 3]!)
    }
    registers.setUpper(record.d, () => push(record.imm2 >> 4))
    push(record.imm2)
    g.set(registers.of(record.d))
  }

  /** VPERMQ: two bits of the immediate choose each quadword. */
  private permuteQuadwords(record: IrRecord): void {
    const { g, registers } = this
    this.takeSource(record)
    const field = (n: number): number => (record.imm2 >> (2 * n)) & 3
    const push = (n: number): void =>
      pushForm(g, `a b shuffle64:${field(n)},${field(n + 1)}`, 0, { a: L_OPERAND, b: L_UPPER, x: L_X, xmm0: L_X })
    registers.setUpper(record.d, () => push(2))
    push(0)
    g.set(registers.of(record.d))
  }
}
