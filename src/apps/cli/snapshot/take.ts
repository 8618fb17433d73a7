// Takes snapshots of one running machine: pauses it, has it sealed, writes the file, and lets it go on or ends it.

import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { SeededEntropy } from '../../../board/index.js'
import {
  DepartureError,
  keepGuest,
  leaveGuest,
  StateError,
  writeSnapshot,
  type PageCounts,
  type Receiver,
  type Vm,
} from '../../../host/hypervisor/index.js'
import { SevError } from '../../../host/sev-driver/index.js'
import { CliError } from '../errors.js'
import type { Chip } from '../machine.js'
import { writeWhole } from './files.js'

export interface SnapshotRequest {
  /** The platform that shall go on with an encrypted guest; this one where undefined. */
  readonly receiver?: Receiver | undefined
  /** The guest is to live in the snapshot alone. */
  readonly stop: boolean
  readonly signal: AbortSignal
  /** Share of memory that has been looked at. */
  readonly progress: (done: number) => void
}

export interface SnapshotResult extends PageCounts {
  readonly file: string
  readonly bytes: number
  /** How long the guest stood still. */
  readonly elapsedMs: number
}

export class SnapshotTaker {
  // connections
  readonly #chip: Chip
  readonly #vm: Vm
  readonly #description: string
  // state
  settled: Promise<void> = Promise.resolve()
  #busy = false

  constructor(chip: Chip, vm: Vm, description: string) {
    this.#chip = chip
    this.#vm = vm
    this.#description = description
  }

  async take(file: string, request: SnapshotRequest): Promise<SnapshotResult> {
    if (this.#busy) throw new CliError('a snapshot of this VM is being taken already')
    if (this.#vm.awaitsOwner) throw new CliError('the guest waits for its owner: there is nothing yet to save')
    const receiver = this.#receiver(request)
    this.#busy = true
    const taken = this.#take(resolve(file), receiver, request)
    this.settled = taken.then(
      () => undefined,
      () => undefined,
    )
    try {
      return await taken
    } catch (error) {
      throw explained(error)
    } finally {
      this.#busy = false
    }
  }

  async #take(file: string, receiver: Receiver | undefined, request: SnapshotRequest): Promise<SnapshotResult> {
    const vm = this.#vm
    if (existsSync(file) && !statSync(file).isFile()) throw new CliError(`${file} is not a file`)
    if (!(await vm.paused())) throw new CliError('the VM has ended')
    const started = performance.now()
    let sealed = false
    try {
      const { result, bytes } = await writeWhole(file, async (sink) => {
        const counts = await writeSnapshot(vm, sink, {
          receiver,
          createdMs: Date.now(),
          description: this.#description,
          ...this.#repeatable(),
          progress: (done) => {
            if (request.signal.aborted) throw new CliError('given up')
            if (vm.vcpu.end) throw new CliError('the VM has ended')
            request.progress(done)
          },
        })
        sealed = true
        return counts
      })
      if (request.stop) leaveGuest(vm)
      else keepGuest(vm)
      sealed = false
      return { ...result, file, bytes, elapsedMs: performance.now() - started }
    } finally {
      if (sealed) keepGuest(vm)
      vm.resume()
    }
  }

  #receiver({ receiver }: SnapshotRequest): Receiver | undefined {
    if (!this.#vm.encrypted || receiver) return receiver
    const { chip } = this.#chip.options
    if (!chip)
      throw new CliError(
        "this VM's chip ends with its process, so nothing sealed for it can be opened again",
        "start VMs with 'cbit run --chip DIR', or name the chip that shall go on: --for DIR with what 'cbit chip export' has written",
      )
    const { ask, ark } = chip.fuses.certificates
    const none = new Uint8Array(0)
    return { platform: this.#chip.host.driver.ownership.pdhCertExport(), vendor: { ask: ask ?? none, ark: ark ?? none } }
  }

  #repeatable(): { repeatable?: { seed: number; drawn: number } } {
    const { options, board } = this.#chip
    return options.seed === undefined ? {} : { repeatable: { seed: options.seed, drawn: (board.entropy as SeededEntropy).drawn } }
  }
}

function explained(error: unknown): unknown {
  if (error instanceof DepartureError || error instanceof StateError) return new CliError(error.message)
  if (!(error instanceof SevError)) return error
  const name = `${error.command} is refused: ${error.statusName}`
  if (error.command !== 'SEND_START') return new CliError(`the secure processor gives the guest up no further (${name})`)
  switch (error.statusName) {
    case 'POLICY_FAILURE':
      return new CliError(
        `the guest's policy forbids it to leave, or to go to that platform (${name})`,
        "its owner decides so: 'cbit owner session' sets NOSEND unless told otherwise",
      )
    case 'BAD_SIGNATURE':
    case 'INVALID_CERTIFICATE':
    case 'INVALID_LENGTH':
      return new CliError(`the guest's policy does not admit the platform that shall go on with it (${name})`)
    default:
      return new CliError(`the secure processor does not let the guest leave (${name})`)
  }
}
