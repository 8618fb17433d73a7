// `cbit run --incoming`: a machine without a guest, until one comes from another machine.

import { openChip } from '../chip-folder.js'
import { ConsoleWatch } from '../console-watch.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { type Arrival, awaitGuest } from '../migration/incoming.js'
import { parseAddress, readKeyFile } from '../migration/key-file.js'
import { keptCodeFor } from '../kept-code/kept-code-folder.js'
import { attend, consoleTap, type SessionResult } from '../session.js'
import { Console } from '../terminal/console.js'

export interface IncomingFlags {
  readonly incoming: string
  readonly memoryBytesMax: number
  readonly key?: string
  readonly chip?: string
  readonly name?: string
  readonly interpret?: true
  readonly keptCode: boolean
  readonly kernel?: string
  readonly seed?: string
  readonly ownerSession?: string
}

export async function runIncoming(flags: IncomingFlags): Promise<SessionResult> {
  for (const [option, given] of [
    ['--kernel', flags.kernel],
    ['--seed', flags.seed],
    ['--owner-session', flags.ownerSession],
  ] as const) {
    if (given !== undefined)
      throw new CliError(`${option} is for a guest that starts here`, 'leave it out with --incoming', exitCodes.usage)
  }
  const [console, watch] = [new Console(), new ConsoleWatch()]
  let arrival: Arrival | undefined
  const abort = new AbortController()
  const stop = (): void => abort.abort()
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, stop)
  try {
    const options = {
      at: parseAddress(flags.incoming, '--incoming'),
      key: readKeyFile(flags.key),
      chip: flags.chip === undefined ? undefined : openChip(flags.chip),
      translate: !flags.interpret,
      keptCode: keptCodeFor(flags),
      memoryBytesMax: flags.memoryBytesMax,
      onConsole: consoleTap(console, watch, () => arrival?.machine),
      note: (text: string) => console.note(`cbit: ${text}`),
    }
    arrival = await awaitGuest(options, abort.signal)
  } finally {
    for (const signal of signals) process.off(signal, stop)
  }
  try {
    return await attend(arrival.machine, watch, { console, name: flags.name })
  } finally {
    arrival.listener.close()
  }
}
