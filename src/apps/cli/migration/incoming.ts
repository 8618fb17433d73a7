// Waits for a guest that comes from another machine.

import { configurationOfState } from '../../../host/hypervisor/index.js'
import { IncomingMigration, type Standing } from '../../../host/migration/index.js'
import type { VendorCertificates } from '../../../host/sev-driver/index.js'
import type { ChipFiles } from '../chip-folder.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import type { KeptCodeFolder } from '../kept-code/kept-code-folder.js'
import { createMachine, type Machine } from '../machine.js'
import { formatBytes } from '../quantities.js'
import { formatAddress } from './key-file.js'
import { listenForPipes, type PipeAddress, type PipeListener } from './tls-pipe.js'

export interface IncomingOptions {
  readonly at: PipeAddress
  readonly key: Uint8Array
  readonly chip: ChipFiles | undefined
  readonly translate: boolean
  readonly keptCode: KeptCodeFolder | undefined
  /** A guest with more memory is refused. */
  readonly memoryBytesMax: number
  readonly onConsole: (byte: number) => void
  readonly note: (text: string) => void
}

export interface Arrival {
  readonly machine: Machine
  /** Goes on answering the source's question whether the guest has arrived. */
  readonly listener: PipeListener
}

/** Resolves when a guest is ours. Rejects with CliError where none came, or `signal` gives up. */
export async function awaitGuest(options: IncomingOptions, signal: AbortSignal): Promise<Arrival> {
  let machine: Machine | undefined
  let listener: PipeListener | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      const migration = new IncomingMigration({
        vendor: () => vendorOf(machine),
        build: (state, encrypted) => (machine = buildFor(options, state, encrypted)).vm,
        onRunning: () => resolve(),
        onDiscarded: (reason) => reject(notArrived(reason)),
        onStanding: (standing, note) => report(options, standing, note),
      })
      signal.addEventListener('abort', () => {
        migration.discard('stopped from outside')
        reject(notArrived('stopped from outside'))
      })
      listenForPipes(options.at, options.key, (pipe) => void migration.serve(pipe)).then((opened) => {
        listener = opened
        options.note(`waits for a guest at ${formatAddress({ host: options.at.host, port: opened.port })}`)
      }, reject)
    })
  } catch (error) {
    // What is still to be said to the source goes out first.
    setTimeout(() => listener?.close(), 100).unref()
    throw error
  }
  return { machine: machine!, listener: listener! }
}

function notArrived(reason: string): CliError {
  return new CliError(`the guest did not come: ${reason}`, undefined, exitCodes.notArrived)
}

const words: Partial<Record<Standing, string>> = {
  receiving: 'a guest comes',
  ready: 'all of the guest is here; the source decides',
  running: 'the guest runs here',
}

function report({ note }: IncomingOptions, standing: Standing, detail: string): void {
  if (standing === 'ready' && detail) {
    note(`${detail}; it is held here, still, until 'cbit migrate --resolve' on that machine says which`)
  } else if (words[standing]) note(words[standing])
}

function buildFor(options: IncomingOptions, state: Uint8Array, encrypted: boolean): Machine {
  const { memoryBytes, testDevice, sev } = configurationOfState(state)
  if (sev !== encrypted) throw new CliError('the guest is announced as another than its state says')
  if (memoryBytes > options.memoryBytesMax)
    throw new CliError(`the guest has ${formatBytes(memoryBytes)} of memory, more than --memory allows here`)
  return createMachine({
    sev: sev ? 'sev' : 'none',
    memoryBytes,
    image: undefined,
    imageName: 'a guest from another machine',
    seed: undefined,
    translate: options.translate,
    keptCode: options.keptCode,
    debugAllowed: false,
    testDevice,
    chip: options.chip,
    onConsole: options.onConsole,
  })
}

function vendorOf(machine: Machine | undefined): VendorCertificates {
  const { ask, ark } = machine?.fuses.certificates ?? {}
  if (!ask || !ark) throw new CliError('no vendor has endorsed this chip')
  return { ask, ark }
}
