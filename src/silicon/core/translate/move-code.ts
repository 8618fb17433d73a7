/** Code for moves, address arithmetic, extensions, exchanges and byte swaps. */

import * as op from '../ir/ops.js'
import type { AccessCode } from './access-code.js'
import { type GuestCode, L_V } from './guest.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

const between = (code: number, first: number, last: number): boolean => code >= first && code <= last

export class MoveCode {
  constructor(
    private readonly g: GuestCode,
    private readonly access: AccessCode,
  ) {}

  emit(record: IrRecord): void {
    const { g, access } = this
    switch (record.op) {
      case op.OP_MOV64:
        g.read64(record.a)
        return g.write(record.d, 3)
      case op.OP_MOV32:
        g.read64(record.a)
        return g.write(record.d, 2)
      case op.OP_MOV16:
      case op.OP_MOV8: {
        const size = record.op === op.OP_MOV16 ? 1 : 0
        g.read(record.a, size)
        return g.write(record.d, size)
      }
      case op.OP_MOVI64:
        g.i64Wide(record.imm, record.imm2)
        return g.write(record.d, 3)
      case op.OP_MOVI64S:
        g.immediate(record)
        return g.write(record.d, 3)
      case op.OP_MOVI32:
        g.immediateUnsigned(record)
        return g.write(record.d, 3)
      case op.OP_MOVI16:
      case op.OP_MOVI8:
        g.i64(record.imm)
        return g.write(record.d, record.op === op.OP_MOVI16 ? 1 : 0)
      case op.OP_LEA_BD:
      case op.OP_LEA32_BD:
        g.read64(record.a)
        if (record.imm !== 0) {
          g.immediate(record)
          g.op(w.I64_ADD)
        }
        return g.write(record.d, record.op === op.OP_LEA_BD ? 3 : 2)
      case op.OP_LEA_BIS:
      case op.OP_LEA32_BIS:
        access.pushScaled(record)
        return g.write(record.d, record.op === op.OP_LEA_BIS ? 3 : 2)
      default:
        return this.extension(record)
    }
  }

  private extension(record: IrRecord): void {
    const { g } = this
    const { op: code, d, a } = record
    if (between(code, op.OP_XCHG8, op.OP_XCHG64)) {
      const size = code - op.OP_XCHG8
      g.read(d, size)
      g.set(L_V)
      g.read(a, size)
      g.write(d, size)
      g.get(L_V)
      return g.write(a, size)
    }
    const from = code === op.OP_ZX16 || code === op.OP_SX16_32 || code === op.OP_SX16_64 ? 1 : code === op.OP_SX32_64 ? 2 : 0
    const signed = between(code, op.OP_SX8_32, op.OP_SX8_16)
    g.read(a, from)
    if (signed) g.op([w.I64_EXTEND8_S, w.I64_EXTEND16_S, w.I64_EXTEND32_S][from]!)
    const narrow = code === op.OP_SX8_16 || code === op.OP_ZX8_16
    g.write(d, narrow ? 1 : code === op.OP_SX8_32 || code === op.OP_SX16_32 ? 2 : 3)
  }

  /** Byte swap by masks and rotations. */
  swapBytes(record: IrRecord): void {
    const { g } = this
    const swap = (low: number, high: number, shift: number): void => {
      g.set(L_V)
      g.get(L_V)
      g.i64Wide(low, high)
      g.op(w.I64_AND)
      g.i64(shift)
      g.op(w.I64_SHL)
      g.get(L_V)
      g.i64(shift)
      g.op(w.I64_SHR_U)
      g.i64Wide(low, high)
      g.op(w.I64_AND, w.I64_OR)
    }
    const wide = record.op === op.OP_BSWAP64
    g.read(record.d, wide ? 3 : 2)
    swap(0x00ff00ff, 0x00ff00ff, 8)
    swap(0x0000ffff, 0x0000ffff, 16)
    if (wide) {
      g.i64(32)
      g.op(w.I64_ROTL)
    }
    g.write(record.d, wide ? 3 : 2)
  }
}
