// A machine out of a snapshot.

import type { SeededEntropy } from '../../../board/index.js'
import { equalBytes } from '../../../lib/bytes.js'
import {
  configurationOfState,
  createVm,
  openSnapshot,
  readSnapshot,
  receiverDigest,
  StateError,
  type OpenedSnapshot,
  type PageCounts,
  type VmConfiguration,
} from '../../../host/hypervisor/index.js'
import { SevError } from '../../../host/sev-driver/index.js'
import { CliError } from '../errors.js'
import { createChip, machineOf, vmOptionsOf, type Chip, type ChipOptions, type Machine } from '../machine.js'
import { openFile } from './files.js'

export type RestoreOptions = Omit<ChipOptions, 'seed'>

export interface Restored {
  readonly machine: Machine
  readonly counts: PageCounts
  readonly elapsedMs: number
}

/** The machine that `file` holds, ready to run. Throws CliError where it cannot be had. */
export function restoreMachine(file: string, options: RestoreOptions, progress: (done: number) => void): Restored {
  const started = performance.now()
  const opened = openFile(file)
  try {
    return explained(() => {
      const snapshot = openSnapshot(opened.source)
      const { description, sealed, repeatable } = snapshot.facts
      const configuration = configurationOfState(snapshot.state)
      if (sealed && !options.chip)
        throw new CliError('the guest in this snapshot is encrypted, for one chip alone', 'name the folder of that chip with --chip DIR')
      const chip = createChip({ ...options, seed: repeatable?.seed }, configuration.memoryBytes)
      if (sealed) checkChip(chip, sealed.receiverDigest)
      const vm = createVm(chip.host, {
        ...vmOptionsOf(chip),
        memoryBytes: configuration.memoryBytes,
        sev: configuration.sev ? 'sev' : 'none',
        testDevice: configuration.testDevice,
        fwCfgFiles: filesOf(configuration),
      })
      const counts = readSnapshot(vm, snapshot, () => progress(opened.done() / opened.bytes))
      if (repeatable) (chip.board.entropy as SeededEntropy).drawn = repeatable.drawn
      return { machine: machineOf(chip, vm, description), counts, elapsedMs: performance.now() - started }
    })
  } finally {
    opened.close()
  }
}

function filesOf({ fwCfgFiles }: VmConfiguration): ReadonlyMap<string, Uint8Array> {
  return new Map(fwCfgFiles.map(({ name, content }) => [name, content]))
}

function checkChip({ host }: Chip, wanted: Uint8Array): void {
  const { pdh } = host.readySev().ownership.pdhCertExport()
  if (equalBytes(receiverDigest(pdh), wanted)) return
  throw new CliError(
    'the snapshot was made for another chip, or this one has a new Diffie-Hellman key since',
    "it opens with the chip whose certificates 'cbit snapshot' was given, by default the one that the guest ran on",
  )
}

export interface SnapshotSummary {
  readonly snapshot: OpenedSnapshot
  readonly configuration: VmConfiguration
  readonly counts: PageCounts
  readonly bytes: number
}

/** Reads all of `file` and says what is in it. Throws CliError where it is not whole. */
export function inspectSnapshot(file: string): SnapshotSummary {
  const opened = openFile(file)
  try {
    return explained(() => {
      const snapshot = openSnapshot(opened.source)
      const pages = snapshot.pages()
      let next = pages.next()
      while (next.done !== true) next = pages.next()
      return { snapshot, configuration: configurationOfState(snapshot.state), counts: next.value, bytes: opened.bytes }
    })
  } finally {
    opened.close()
  }
}

function explained<T>(act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof StateError) throw new CliError(`the snapshot cannot be restored: ${error.message}`)
    if (!(error instanceof SevError)) throw error
    const reasons: Partial<Record<string, string>> = {
      RECEIVE_START: 'its session does not open here: it was made for another chip, or has been altered',
      RECEIVE_UPDATE_DATA: 'a page in it is not as the sending chip sealed it',
    }
    throw new CliError(
      `the snapshot cannot be restored: ${reasons[error.command] ?? 'the secure processor refuses it'} (${error.command}: ${error.statusName})`,
    )
  }
}
