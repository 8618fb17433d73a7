// Two machines in one process, a guest that counts, and everything that a migration between them needs.

import assert from 'node:assert/strict'
import {
  createVm,
  configurationOfState,
  type ExitReport,
  type HostClock,
  HostMachine,
  nodeHostLoop,
  type Vm,
} from '../../src/host/hypervisor/index.js'
import {
  IncomingMigration,
  type Journal,
  type MigrationResult,
  type Outcome,
  OutgoingMigration,
  type Pipe,
  PipeBroken,
  type Progress,
} from '../../src/host/migration/index.js'
import { SevPolicy } from '../../src/spec/sev/policy.js'
import { emulatedRoot } from '../../src/vendor/index.js'
import { providersMachine, traveller } from '../machine/index.js'

const MIB = 0x100000
export const MEMORY_BYTES = 64 * MIB
export const realClock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() }

/** What a guest has said on its serial port, wherever it was. */
export class Tape {
  readonly numbers: number[] = []
  readonly write = (byte: number): void => void this.numbers.push(byte)

  /** No number is missing and none comes twice. */
  check(): void {
    const wrong = this.numbers.findIndex((byte, i) => byte !== (i & 0xff))
    assert.equal(wrong, -1, `number ${wrong} of ${this.numbers.length} is ${this.numbers[wrong]}`)
  }

  async grow(by: number, withinMs = 20_000): Promise<void> {
    const [wanted, until] = [this.numbers.length + by, performance.now() + withinMs]
    while (this.numbers.length < wanted) {
      assert.ok(performance.now() < until, `the guest counts on (at ${this.numbers.length})`)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
}

export interface Running {
  readonly vm: Vm
  readonly ended: Promise<ExitReport>
}

export interface GuestSetting {
  readonly sev: 'none' | 'sev'
  readonly policy?: number
}

/** A machine with its chip, on which one VM after the other may live. */
export interface Place {
  readonly machine: HostMachine
  readonly clock: HostClock
}

export function place(seed: number): Place {
  const { host, clock } = providersMachine(seed)
  return { machine: new HostMachine(host), clock }
}

function vmOn({ machine, clock }: Place, tape: Tape, setting: GuestSetting, launched: boolean): Vm {
  const { sev, policy = SevPolicy.NODBG | SevPolicy.SEV } = setting
  return createVm(machine, {
    memoryBytes: MEMORY_BYTES,
    sev,
    policy,
    ...(launched && { image: traveller({ encrypted: sev === 'sev' }) }),
    time: 'virtual',
    clock,
    loop: nodeHostLoop,
    onSerialOutput: tape.write,
  })
}

/** The counting guest on a machine of its own. */
export async function depart(tape: Tape, setting: GuestSetting, from = place(1)): Promise<Running> {
  const vm = vmOn(from, tape, setting, true)
  const ended = vm.run()
  await tape.grow(100)
  return { vm, ended }
}

/** The source's journal in memory, with every decision that was asked for. */
export class MemoryJournal implements Journal {
  outcome: Outcome | undefined
  opened = false

  open(): void {
    this.opened = true
  }

  decide(wish: Outcome): Outcome {
    assert.ok(this.opened, 'an entry stands before the decision')
    return (this.outcome ??= wish)
  }
}

/** A machine that waits. What comes runs on it. */
export class Target {
  readonly migration: IncomingMigration
  running: Running | undefined
  discarded: string | undefined
  vm: Vm | undefined

  constructor(tape: Tape, setting: GuestSetting, at: () => Place = () => place(2)) {
    const { ark, ask } = emulatedRoot()
    this.migration = new IncomingMigration({
      vendor: () => ({ ark, ask }),
      build: (machine, encrypted) => {
        const configuration = configurationOfState(machine)
        assert.equal(configuration.memoryBytes, MEMORY_BYTES)
        assert.equal(encrypted, setting.sev === 'sev')
        return (this.vm = vmOn(at(), tape, setting, false))
      },
      onRunning: (vm) => (this.running = { vm, ended: vm.run() }),
      onDiscarded: (reason) => (this.discarded = reason),
      onStanding: () => undefined,
    })
  }
}

export interface MoveOptions {
  readonly connect: () => Promise<Pipe>
  readonly journal?: Journal
  readonly downtimeMaxMs?: number
  readonly roundsMax?: number
  readonly bandwidthBytesPerSecond?: number
  readonly onProgress?: (progress: Progress, migration: OutgoingMigration) => void
}

export function move(vm: Vm, options: MoveOptions): Promise<MigrationResult> {
  const { journal = new MemoryJournal(), onProgress, ...rest } = options
  const migration: OutgoingMigration = new OutgoingMigration(vm, {
    id: new Uint8Array(16).fill(0xa5),
    clock: realClock,
    journal,
    bandwidthBytesPerSecond: 0,
    downtimeMaxMs: 100,
    roundsMax: 8,
    tellTries: 2,
    ...rest,
    onProgress: (progress) => onProgress?.(progress, migration),
  })
  return migration.run()
}

/** Connects to `target` by `pipes` in turn, and then no more. */
export function connections(target: () => Target | undefined, pipes: readonly { readonly source: Pipe; readonly target: Pipe }[]) {
  const left = [...pipes]
  return async (): Promise<Pipe> => {
    const waiting = target()
    const pipe = waiting && left.shift()
    if (!pipe || !waiting) throw new PipeBroken('nobody waits there')
    void waiting.migration.serve(pipe.target)
    return pipe.source
  }
}

export async function end(...guests: (Running | undefined)[]): Promise<void> {
  for (const guest of guests) {
    guest?.vm.stop()
    await guest?.ended
  }
}
