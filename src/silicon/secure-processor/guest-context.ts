import { assert } from '../../lib/assert.js'
import { type StreamingHash, sha256Stream } from '../../lib/crypto.js'
import type { GuestStateName } from '../../spec/sev/states.js'

/**
 * One guest as the firmware knows it (document 55766, chapter 6, GCTX). The state machine of a plain launch:
 *
 *   UNINIT ──LAUNCH_START──▶ LUPDATE ──LAUNCH_MEASURE──▶ LSECRET ──LAUNCH_FINISH──▶ RUNNING
 *      ▲                        │                           │                          │
 *      └──────────────────── DECOMMISSION (from every state, when inactive) ───────────┘
 */
export const guestTransitions: Readonly<
  Partial<Record<GuestStateName, Partial<Record<'LAUNCH_MEASURE' | 'LAUNCH_FINISH', GuestStateName>>>>
> = {
  LUPDATE: { LAUNCH_MEASURE: 'LSECRET' },
  LSECRET: { LAUNCH_FINISH: 'RUNNING' },
}

export class GuestContext {
  readonly handle: number
  readonly policy: number
  /** Memory encryption key. Leaves for the memory controller's key slot only. */
  readonly vek: Uint8Array
  /** Transport integrity key: all zero in a launch without a session. */
  readonly tik: Uint8Array
  state: GuestStateName = 'LUPDATE'
  /** The ASID it is active in, 0 while inactive. */
  asid = 0
  /** Launch digest so far: SHA-256 over all plaintext that launch updates have encrypted. */
  private readonly ld: StreamingHash = sha256Stream()

  constructor(handle: number, policy: number, vek: Uint8Array, tik: Uint8Array) {
    this.handle = handle
    this.policy = policy
    this.vek = vek
    this.tik = tik
  }

  measure(plaintext: Uint8Array): void {
    this.ld.update(plaintext)
  }

  launchDigest(): Uint8Array {
    return this.ld.digest()
  }

  move(event: 'LAUNCH_MEASURE' | 'LAUNCH_FINISH'): void {
    const next = guestTransitions[this.state]?.[event]
    assert(next, `the command table admits ${event} in ${this.state}`)
    this.state = next
  }

  /** Forgets the transport keys (end of launch). */
  wipeTransport(): void {
    this.tik.fill(0)
  }

  wipe(): void {
    this.wipeTransport()
    this.vek.fill(0)
  }
}
