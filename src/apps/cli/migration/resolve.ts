// A migration whose end is open on this machine: its source ended, or could not reach the target. Whoever resolves it has the source's journal.

import { setTimeout } from 'node:timers/promises'
import { askStanding, FrameChannel, HandOverLost, PipeBroken, type Standing, tellOutcome } from '../../../host/migration/index.js'
import { CliError } from '../errors.js'
import { exitCodes } from '../ending.js'
import { decide, type JournalEntry, isOpen, journalFolder, openEntries, outcomeOf, settle } from './journal-file.js'
import { parseAddress, readKeyFile } from './key-file.js'
import { isRunning } from './process-life.js'
import { connectPipe } from './tls-pipe.js'

/** How long, and how often, a process that may be about to end is looked at. */
const patienceMs = 3000
const lookMs = 50

export interface ResolveFlags {
  /** Undefined: all that are open. */
  readonly id: string | undefined
  readonly to?: string
  readonly key?: string
  readonly json?: true
}

export async function resolveMigration(flags: ResolveFlags): Promise<void> {
  const folder = journalFolder()
  const entries = openEntries(folder).filter(({ id }) => flags.id === undefined || id === flags.id)
  if (flags.id !== undefined && entries.length === 0) throw new CliError(`no migration ${flags.id} is open on this machine`)
  const key = entries.length > 0 ? readKeyFile(flags.key) : new Uint8Array(0)
  for (const entry of entries) {
    const said = await resolveOne(folder, { ...entry, to: flags.to ?? entry.to }, key)
    process.stdout.write(flags.json ? JSON.stringify({ id: entry.id, ...said }) + '\n' : `cbit: ${entry.id}: ${said.says}\n`)
    if (!said.settled) process.exitCode = exitCodes.stopped
  }
  if (entries.length === 0 && !flags.json) process.stdout.write('cbit: no migration is open on this machine\n')
}

interface Resolution {
  readonly settled: boolean
  readonly outcome: 'commit' | 'abort' | 'undecided'
  readonly standing: Standing | 'unreachable'
  readonly says: string
}

async function resolveOne(folder: string, entry: JournalEntry, key: Uint8Array): Promise<Resolution> {
  const id = Uint8Array.from(Buffer.from(entry.id, 'hex'))
  let channel: FrameChannel
  try {
    channel = new FrameChannel(await connectPipe(parseAddress(entry.to, '--to'), key), 'source')
  } catch (error) {
    if (!(error instanceof PipeBroken)) throw error
    const outcome = outcomeOf(folder, entry.id) ?? 'undecided'
    return { settled: false, outcome, standing: 'unreachable', says: `${error.message}; the journal says ${outcome}` }
  }
  try {
    const standing = await askStanding(channel, id)
    const outcome = outcomeOf(folder, entry.id) ?? (await decideFor(folder, entry, standing))
    if (outcome === undefined) return { settled: true, outcome: 'undecided', standing, says: 'its source has settled it meanwhile' }
    await tellOutcome(channel, id, outcome, standing)
    settle(folder, entry.id)
    const says =
      outcome === 'commit' ? `the guest runs at ${entry.to}` : 'the guest did not leave its source; the target holds nothing of it'
    return { settled: true, outcome, standing, says }
  } catch (error) {
    if (!(error instanceof HandOverLost)) throw error
    settle(folder, entry.id)
    return { settled: true, outcome: 'commit', standing: 'unknown', says: error.message }
  } finally {
    channel.close()
  }
}

/**
 * Nobody has decided. Where the source's process is gone, what it held is gone with it, and a target that has everything is the guest's one chance; where
 * it lives, it will decide itself. If this is mistaken about the process no harm is done: the journal takes one decision only, and a source
 * that finds another than its own obeys it. Undefined: the source has settled the migration while it was waited for.
 */
export async function decideFor(folder: string, entry: JournalEntry, standing: Standing): Promise<'commit' | 'abort' | undefined> {
  // A process that was killed has its connections closed before it has ended, so whoever is told of the one may look before the other.
  for (let waitedMs = 0; isRunning(entry); waitedMs += lookMs) {
    if (waitedMs >= patienceMs) throw new CliError(`the process ${entry.pid} of the source still runs: it decides itself`)
    await setTimeout(lookMs)
    const outcome = outcomeOf(folder, entry.id)
    if (outcome) return outcome
    if (!isOpen(folder, entry.id)) return undefined
  }
  return decide(folder, entry.id, standing === 'ready' ? 'commit' : 'abort')
}
