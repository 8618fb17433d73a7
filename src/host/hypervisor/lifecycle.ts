import { assert } from '../../lib/assert.js'

/*
 * The life of a VM.
 *
 *   created ──launch──▶ launching ──ready──▶ running ◀──resume── paused
 *      │                    │                  │  └────pause──────▶ │
 *      └──────stop──────────┴───stop───────────┴────────stop────────┴──▶ stopped
 */
export type VmState = 'created' | 'launching' | 'running' | 'paused' | 'stopped'

const transitions: Record<VmState, readonly VmState[]> = {
  created: ['launching', 'stopped'],
  launching: ['running', 'stopped'],
  running: ['paused', 'stopped'],
  paused: ['running', 'stopped'],
  stopped: [],
}

export function canMove(from: VmState, to: VmState): boolean {
  return transitions[from].includes(to)
}

export class Lifecycle {
  #state: VmState = 'created'

  get state(): VmState {
    return this.#state
  }

  move(to: VmState): void {
    assert(canMove(this.#state, to), `a VM does not go from ${this.#state} to ${to}`)
    this.#state = to
  }
}
