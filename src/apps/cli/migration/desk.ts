// A running machine's own end of its migrations: one at a time, asked for and watched over the control socket.

import { randomBytes } from 'node:crypto'
import type { Vm } from '../../../host/hypervisor/index.js'
import { type MigrationResult, OutgoingMigration, type Progress } from '../../../host/migration/index.js'
import { realClock } from '../../../board/index.js'
import { CliError } from '../errors.js'
import { JournalFile } from './journal-file.js'
import { formatAddress } from './key-file.js'
import { ownMark } from './process-life.js'
import { connectPipe, type PipeAddress } from './tls-pipe.js'

export interface MoveRequest {
  readonly to: PipeAddress
  readonly key: Uint8Array
  /** Bytes a second, 0: no limit. */
  readonly bandwidth: number
  readonly downtimeMaxMs: number
  readonly roundsMax: number
}

/** What the client is shown. */
export interface MigrationStatus extends Progress {
  readonly id: string
  readonly to: string
  readonly result?: { readonly kind: MigrationResult['kind']; readonly reason?: string }
}

/** Seconds for which a target that does not answer is tried. */
const tellTries = 10
/** The client asks every fifth of a second. */
const tellMs = 2000

export class MigrationDesk {
  // connections
  readonly #vm: Vm
  /** What the journal calls it. */
  name = `vm${process.pid}`
  // state
  #status: MigrationStatus | undefined
  #migration: OutgoingMigration | undefined
  #ended: Promise<void> = Promise.resolve()
  #told: () => void = () => undefined
  #wasTold = false

  constructor(vm: Vm) {
    this.#vm = vm
  }

  /** The migration at hand, or the last one. */
  get status(): MigrationStatus | undefined {
    if (this.#status?.result) this.#told()
    this.#wasTold = this.#status?.result !== undefined
    return this.#status
  }

  start(request: MoveRequest): MigrationStatus {
    if (this.#migration) throw new CliError('a migration of this VM is under way', "'cbit migrate --status' shows it, --cancel ends it")
    if (this.#vm.state !== 'running' && this.#vm.state !== 'paused') throw new CliError('this VM does not run yet')
    const id = randomBytes(16)
    const to = formatAddress(request.to)
    const entry = { id: id.toString('hex'), to, vm: this.name, ...ownMark(), startedAt: new Date().toISOString() }
    const journal = new JournalFile(entry)
    const migration = new OutgoingMigration(this.#vm, {
      id: Uint8Array.from(id),
      clock: realClock(),
      journal,
      connect: () => connectPipe(request.to, request.key),
      bandwidthBytesPerSecond: request.bandwidth,
      downtimeMaxMs: request.downtimeMaxMs,
      roundsMax: request.roundsMax,
      tellTries,
      onProgress: (progress) => void (this.#status = { ...progress, id: entry.id, to }),
    })
    this.#status = { ...migration.progress, id: entry.id, to }
    this.#migration = migration
    this.#wasTold = false
    this.#ended = migration.run().then(
      (result) => this.#end(result, journal),
      (error: unknown) => this.#fail(error as Error),
    )
    return this.#status
  }

  cancel(): void {
    if (!this.#migration) throw new CliError('no migration of this VM is under way')
    this.#migration.cancel()
  }

  #end(result: MigrationResult, journal: JournalFile): void {
    this.#migration = undefined
    // Only where the target has not heard the outcome there is something left to tell.
    if (result.kind === 'done' || (result.kind === 'stayed' && result.targetKnows)) journal.settle()
    this.#status = {
      ...this.#status!,
      ...result.progress,
      result: { kind: result.kind, ...('reason' in result && { reason: result.reason }) },
    }
  }

  #fail(error: Error): void {
    this.#migration = undefined
    this.#status = { ...this.#status!, result: { kind: 'stayed', reason: error.message } }
  }

  /** Resolves when no migration is under way, and whoever watches has seen how the last one ended, or does not look. */
  async finished(): Promise<void> {
    await this.#ended
    const kind = this.#status?.result?.kind
    if (kind === undefined || kind === 'stayed' || this.#wasTold) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, tellMs)
      this.#told = () => {
        clearTimeout(timer)
        // The answer that carries it is on its way first.
        setTimeout(resolve, 20)
      }
    })
  }
}
