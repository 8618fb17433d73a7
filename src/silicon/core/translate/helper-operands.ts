/** Helpers whose registers are known; all others may use any (call-code.ts). */

import * as id from '../ir/helper-ids.js'
import * as S from '../state/layout.js'
import type { IrRecord } from './record.js'
import { IN_MEMORY } from './vector-operands.js'

/** They change control state alone, and read no general register. */
const withoutRegisters: ReadonlySet<number> = new Set([id.H_CLI, id.H_STI, id.H_STAC, id.H_CLAC, id.H_SWAPGS])

/** CMPXCHG and XADD are in line. */
export const exchanges = (helper: number): boolean => helper === id.H_CMPXCHG || helper === id.H_XADD

export const usesNoRegister = (helper: number): boolean => withoutRegisters.has(helper)

export const namesItsRegisters = (helper: number): boolean => usesNoRegister(helper) || exchanges(helper)

/** Slots that CMPXCHG or XADD reads or writes. */
export function exchangeSlots(record: IrRecord): readonly number[] {
  const a = record.a === IN_MEMORY ? [] : [record.a]
  const accumulator = (record.imm & 0xffff) === id.H_CMPXCHG ? [S.RAX] : []
  return [record.d, ...a, ...accumulator]
}
