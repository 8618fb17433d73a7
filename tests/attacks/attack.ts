// What an attack is: the shape that every module here exports, and that the table in docs/threat-model.md is made of.

import type { Stage } from './stage.js'

export type Mode = 'none' | 'sev'
export const modes: readonly Mode[] = ['none', 'sev']

/** Where the attack takes hold. */
export type Layer =
  'DRAM' | 'memory' | 'page tables' | 'ASIDs' | 'secure processor' | 'launch' | 'migration' | 'vCPU' | 'devices' | 'side channel'

/** The doors that it goes through. */
export const powers = {
  'host-memory': 'loads and stores of host software',
  'dram-probe': "a probe on the board's memory bus",
  flash: "the board's flash",
  dma: 'a device that the host programs',
  'nested-tables': 'the nested page tables',
  vmcb: 'the VMCB and VMRUN',
  exits: 'the answers to exits',
  mailbox: "the secure processor's mailbox",
  scheduling: 'when a guest runs, and for how long',
} as const

export type Power = keyof typeof powers

/**
 * succeeds: the attacker has what he wanted, and nothing tells the guest.
 * garbles:  what he reads is noise, or what he writes becomes noise; the guest may stop.
 * refused:  the chip answers with an error and nothing happens.
 * detected: it works, and the owner has evidence of it.
 */
export type Verdict = 'succeeds' | 'garbles' | 'refused' | 'detected'

export interface Outcome {
  readonly verdict: Verdict
  /** What exactly happens, in a few words. */
  readonly says: string
}

export interface Attack {
  readonly name: string
  readonly layer: Layer
  readonly powers: readonly Power[]
  /** Undefined where there is nothing to attack. */
  readonly outcome: Readonly<Record<Mode, Outcome | undefined>>
  /** Why real hardware behaves so, and where that is said. */
  readonly why: string
  /** Carries it out and judges by what it sees. Asserts on the way what must hold in either case. */
  attempt(stage: Stage): Verdict | Promise<Verdict>
}
