import { assert } from '../../lib/assert.js'
import { type StreamingHash, sha256Stream } from '../../lib/crypto.js'
import { SevPolicy } from '../../spec/sev/policy.js'
import type { GuestStateName } from '../../spec/sev/states.js'
import type { TransportKeys } from './session.js'

/**
 * One guest as the firmware knows it (document 55766, chapter 6, GCTX):
 *
 *   UNINIT ──LAUNCH_START──▶ LUPDATE ──LAUNCH_MEASURE──▶ LSECRET ──LAUNCH_FINISH──▶ RUNNING ──SEND_START──▶ SUPDATE ──SEND_FINISH──▶ SENT
 *   UNINIT ──RECEIVE_START──▶ RUPDATE ──RECEIVE_FINISH──▶ RUNNING ◀──SEND_CANCEL── SUPDATE
 *
 * DECOMMISSION deletes an inactive guest in any of these states.
 */
export const guestTransitions = {
  LAUNCH_MEASURE: { from: 'LUPDATE', to: 'LSECRET' },
  LAUNCH_FINISH: { from: 'LSECRET', to: 'RUNNING' },
  SEND_START: { from: 'RUNNING', to: 'SUPDATE' },
  SEND_FINISH: { from: 'SUPDATE', to: 'SENT' },
  SEND_CANCEL: { from: 'SUPDATE', to: 'RUNNING' },
  RECEIVE_FINISH: { from: 'RUPDATE', to: 'RUNNING' },
} as const satisfies Record<string, { readonly from: GuestStateName; readonly to: GuestStateName }>

/** States in which memory of the guest lies under its key and belongs to it. */
export const GUEST_HAS_MEMORY: readonly GuestStateName[] = ['LUPDATE', 'LSECRET', 'RUNNING', 'SUPDATE', 'RUPDATE']

const KEY_BYTES = 16
const OFFLINE_KEY_BYTES = 32

export interface NewGuest {
  readonly handle: number
  readonly policy: number
  /** Memory encryption key. Leaves for the memory controller's key slot only. */
  readonly vek: Uint8Array
  /** Absent in a launch without a session: the keys are zero. */
  readonly transport?: TransportKeys | undefined
  readonly origin: 'launched' | 'received'
}

export class GuestContext {
  readonly handle: number
  readonly policy: number
  readonly vek: Uint8Array
  readonly origin: 'launched' | 'received'
  state: GuestStateName
  /** The ASID it is active in, 0 while inactive. */
  asid = 0
  transport: TransportKeys
  /** What LAUNCH_MEASURE has answered last: secrets are bound to it. */
  measurement = new Uint8Array(32)
  /** Launch digest so far: SHA-256 over all plaintext that launch updates have encrypted. */
  private readonly ld: StreamingHash = sha256Stream()
  /** Key of swapped-out pages, made when it is first needed, and how many pages it has sealed. */
  private offline: { readonly key: Uint8Array; sealed: number } | undefined

  constructor({ handle, policy, vek, transport, origin }: NewGuest) {
    this.handle = handle
    this.policy = policy
    this.vek = vek
    this.origin = origin
    this.state = origin === 'launched' ? 'LUPDATE' : 'RUPDATE'
    this.transport = transport ?? { tek: new Uint8Array(KEY_BYTES), tik: new Uint8Array(KEY_BYTES) }
  }

  /** Its register state is encrypted: it has VMSA pages. */
  get encryptsState(): boolean {
    return (this.policy & SevPolicy.ES) !== 0
  }

  measure(plaintext: Uint8Array): void {
    this.ld.update(plaintext)
  }

  /** The digest stays behind when a guest is sent: for a received one it is zero. */
  launchDigest(): Uint8Array {
    return this.origin === 'launched' ? this.ld.digest() : new Uint8Array(32)
  }

  move(event: keyof typeof guestTransitions): void {
    const { from, to } = guestTransitions[event]
    assert(this.state === from, `the command table admits ${event} in ${this.state}`)
    this.state = to
  }

  /** Key and a number never used with it, for one page that is swapped out. */
  offlineSeal(random: (bytes: number) => Uint8Array): { readonly key: Uint8Array; readonly count: number } {
    this.offline ??= { key: random(OFFLINE_KEY_BYTES), sealed: 0 }
    return { key: this.offline.key, count: ++this.offline.sealed }
  }

  /** Undefined while nothing has been swapped out. */
  get offlineKey(): Uint8Array | undefined {
    return this.offline?.key
  }

  /** Forgets the transport keys (end of launch, of sending, of receiving). */
  wipeTransport(): void {
    this.transport.tek.fill(0)
    this.transport.tik.fill(0)
  }

  wipe(): void {
    this.wipeTransport()
    this.vek.fill(0)
    this.offline?.key.fill(0)
  }
}
