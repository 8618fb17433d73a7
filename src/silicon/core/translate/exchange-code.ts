/** CMPXCHG and XADD in line (kernel/odds.ts has what they do). Their memory operand is written in any case, and its address stands in T0. */

import { FLAG_ADD, FLAG_SUB } from '../ir/flag-kinds.js'
import { H_CMPXCHG } from '../ir/helper-ids.js'
import * as S from '../state/layout.js'
import type { AccessCode } from './access-code.js'
import type { Flags } from './flags.js'
import { type GuestCode, L_FA, L_FB, L_FR, L_LA, L_V, L_V2 } from './guest.js'
import type { IrRecord } from './record.js'
import { IN_MEMORY } from './vector-operands.js'
import * as w from './wasm-ops.js'

const extensions = [w.I64_EXTEND8_S, w.I64_EXTEND16_S, w.I64_EXTEND32_S]

export class ExchangeCode {
  constructor(
    private readonly g: GuestCode,
    private readonly flags: Flags,
    private readonly access: AccessCode,
  ) {}

  emit(record: IrRecord): void {
    const { g, access } = this
    const size = record.b === 8 ? 3 : record.b >> 1
    if (record.a === IN_MEMORY) {
      g.read64(S.T0)
      g.set(L_LA)
      access.loadForWrite(record, size)
    } else g.read(record.a, size)
    g.set(L_V2)
    if ((record.imm & 0xffff) === H_CMPXCHG) this.compareExchange(record, size)
    else this.exchangeAdd(record, size)
  }

  /** L_V2: what was found. */
  private compareExchange(record: IrRecord, size: number): void {
    const { g } = this
    const equal = (): void => {
      g.read(S.RAX, size)
      g.get(L_V2)
      g.op(w.I64_EQ)
    }
    if (record.a === IN_MEMORY) {
      g.read(record.d, size)
      g.get(L_V2)
      equal()
      g.op(w.SELECT)
      g.set(L_V)
      this.access.writeBack(size, () => g.get(L_V))
    }
    g.read(S.RAX, size)
    g.set(L_FA)
    g.get(L_V2)
    g.set(L_FB)
    equal()
    g.if()
    if (record.a !== IN_MEMORY) {
      g.read(record.d, size)
      g.write(record.a, size)
    }
    g.else()
    g.get(L_V2)
    g.write(S.RAX, size)
    g.end()
    this.setFlags(FLAG_SUB, size)
  }

  private exchangeAdd(record: IrRecord, size: number): void {
    const { g } = this
    g.get(L_V2)
    g.read(record.d, size)
    g.op(w.I64_ADD)
    g.set(L_V)
    if (record.a === IN_MEMORY) this.access.writeBack(size, () => g.get(L_V))
    g.get(L_V2)
    g.set(L_FA)
    g.read(record.d, size)
    g.set(L_FB)
    g.get(L_V2)
    g.write(record.d, size)
    if (record.a !== IN_MEMORY) {
      g.get(L_V)
      g.write(record.a, size)
    }
    this.setFlags(FLAG_ADD, size)
  }

  private setFlags(kind: number, size: number): void {
    const { g } = this
    g.get(L_FA)
    g.get(L_FB)
    g.op(kind === FLAG_ADD ? w.I64_ADD : w.I64_SUB)
    if (size < 3) g.op(extensions[size]!)
    g.set(L_FR)
    this.flags.became(kind, size)
  }
}
