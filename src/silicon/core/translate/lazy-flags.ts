/** Flags in parts as a region leaves them for the next one: LAZY_* of state/layout.ts. */

import { FLAG_LAZY } from '../ir/flag-kinds.js'
import * as S from '../state/layout.js'
import { type GuestCode, L_FA, L_FB, L_FK, L_FR } from './guest.js'
import * as w from './wasm-ops.js'

const parts = [
  [L_FA, S.LAZY_A],
  [L_FB, S.LAZY_B],
  [L_FR, S.LAZY_R],
] as const

/** L_FK and the parts go to LAZY_*, unless they stand there. */
export function storeLazyFlags(g: GuestCode): void {
  g.get(L_FK)
  g.i32(FLAG_LAZY)
  g.op(w.I32_NE)
  g.if()
  g.state()
  g.get(L_FK)
  g.stateMemory(w.I32_STORE, S.LAZY_KIND)
  for (const [local, slot] of parts) {
    g.state()
    g.get(local)
    g.stateMemory(w.I64_STORE, slot)
  }
  g.end()
}

/** The flags stand in FLAG_RES and FLAG_AUX. */
export function clearLazyFlags(g: GuestCode): void {
  g.state()
  g.i32(0)
  g.stateMemory(w.I32_STORE, S.LAZY_KIND)
}
