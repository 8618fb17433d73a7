/** Code for the flat stack of 64-bit mode: pushes and pops in a row, and the return address. */

import * as op from '../ir/ops.js'
import * as S from '../state/layout.js'
import type { AccessCode } from './access-code.js'
import { type GuestCode, L_LA, L_P, L_PC } from './guest.js'
import type { IrRecord } from './record.js'
import * as w from './wasm-ops.js'

const isPush = ({ op: code, a }: IrRecord): boolean => code === op.OP_PUSHI64 || (code === op.OP_PUSH64 && a !== S.RSP && a < S.T0)

export class StackCode {
  constructor(
    private readonly g: GuestCode,
    private readonly access: AccessCode,
  ) {}

  /** How many pushes or pops follow each other from record `first` on, none of which reads or writes RSP otherwise. */
  groupAt(records: readonly IrRecord[], first: number): number {
    const pops = records[first]!.op === op.OP_POP64
    let n = first
    for (; n < records.length; n++) {
      const record = records[n]!
      if (pops ? record.op !== op.OP_POP64 || record.d === S.RSP : !isPush(record)) break
    }
    return n - first
  }

  /**
   * Pushes or pops in a row, with a RET behind pops: one look at the TLB for all of them, as they lie in one page nearly always. Elsewhere the interpreter does
   * them. True where L_PC holds the return address.
   */
  emit(records: readonly IrRecord[], first: number, count: number): boolean {
    const { g, access } = this
    const group = records.slice(first, first + count)
    const pops = group[0]!.op === op.OP_POP64
    const behind = records[first + count]!
    const returnIsLoaded = pops && behind.op === op.OP_RET
    const bytes = 8 * (count + (returnIsLoaded ? 1 : 0))
    g.read64(S.RSP)
    if (!pops) {
      g.i64(-bytes)
      g.op(w.I64_ADD)
    }
    g.set(L_LA)
    const table = pops ? S.TLB_READ : S.TLB_WRITE
    access.pushPlace(group[0]!, table, () => access.pushHit(table, bytes))
    g.set(L_P)
    group.forEach((record, n) => {
      g.get(L_P)
      if (pops) {
        g.memory(w.I64_LOAD, 8 * n)
        g.write(record.d, 3)
        return
      }
      if (record.op === op.OP_PUSH64) g.read64(record.a)
      else g.immediate(record)
      g.memory(w.I64_STORE, 8 * (count - 1 - n))
    })
    if (returnIsLoaded) {
      g.get(L_P)
      g.memory(w.I64_LOAD, 8 * count)
      g.set(L_PC)
    }
    this.move(pops ? 8 * count : -8 * count)
    return returnIsLoaded
  }

  /** RSP changes by so many bytes. */
  move(by: number): void {
    const { g } = this
    g.read64(S.RSP)
    g.i64(by)
    g.op(w.I64_ADD)
    g.write(S.RSP, 3)
  }

  /** L_PC = the return address of RET `record`. */
  loadReturn(record: IrRecord): void {
    const { g, access } = this
    g.read64(S.RSP)
    g.set(L_LA)
    access.load(record, 3, w.I64_LOAD)
    g.set(L_PC)
  }
}
