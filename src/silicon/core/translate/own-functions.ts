/**
 * Functions that every module of regions has besides those. A call of one is a fifth of the work for V8 that a call of the kernel through the table is, with
 * its checks, and it compiles them when they are first called.
 */

import { ByteWriter, I32, I64, type TypedBody } from '../../../lib/wasm-encoder.js'
import * as S from '../state/layout.js'
import { GuestCode } from './guest.js'
import { F_PLACE, kernelFunctions } from './kernel-functions.js'
import * as w from './wasm-ops.js'

/** (state, linear address of a page, frame) → not zero where instructions of that page are not fetched from that frame. */
export const PAGE_FUNCTION = 0
/** F_PLACE. */
export const PLACE_FUNCTION = 1

/** Bit of CTX: user mode. */
const CTX_USER = 1

export function placeFunction(): TypedBody {
  const { type } = kernelFunctions[F_PLACE]!
  const code = new ByteWriter()
  const g = new GuestCode(code, 0)
  type.parameters.forEach((_, n) => g.get(n))
  g.call(F_PLACE)
  return { type, locals: [], code }
}

export function pageFunction(): TypedBody {
  const code = new ByteWriter()
  const g = new GuestCode(code, 0)
  const [core, page, frame, entry, difference] = [0, 1, 2, 3, 4]
  const load = (opcode: number, slot: number): void => {
    g.get(core)
    g.memory(opcode, slot)
  }
  const context = (): void => load(w.I64_LOAD32_U, S.CTX)
  g.get(page)
  g.op(w.I32_WRAP_I64)
  g.i32(12)
  g.op(w.I32_SHR_U)
  load(w.I32_LOAD, S.SPACE)
  g.i32(S.SPACE_SPREAD)
  g.op(w.I32_MUL)
  g.get(page)
  g.i64(0)
  g.op(w.I64_GE_S, w.I32_MUL, w.I32_XOR)
  g.i32(S.TLB_EXEC_HALF - 1)
  g.op(w.I32_AND)
  g.get(page)
  g.i64(63)
  g.op(w.I64_SHR_U, w.I32_WRAP_I64)
  g.i32(S.TLB_EXEC_HALF)
  g.op(w.I32_MUL, w.I32_ADD)
  g.i32(4)
  g.op(w.I32_SHL)
  g.get(core)
  g.op(w.I32_ADD)
  g.tee(entry)
  g.memory(w.I64_LOAD, S.TLB_EXEC)
  g.get(page)
  g.op(w.I64_XOR)
  g.tee(difference)
  context()
  g.op(w.I64_NE)
  // A global page has the number of all spaces in place of this one's.
  g.get(difference)
  load(w.I64_LOAD32_U, S.GLOBAL_SPACE)
  context()
  g.i64(CTX_USER)
  g.op(w.I64_AND, w.I64_OR, w.I64_NE, w.I32_AND)
  g.get(entry)
  g.memory(w.I32_LOAD, S.TLB_EXEC + 12)
  g.get(frame)
  g.op(w.I32_NE, w.I32_OR)
  const locals = [
    [1, I32],
    [1, I64],
  ] as const
  return { type: { parameters: [I32, I64, I32], results: [I32] }, locals, code }
}
