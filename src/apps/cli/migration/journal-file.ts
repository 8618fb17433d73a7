// The source's journal of one migration as files: what was begun, and the one decision that there is of it.

import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Journal, Outcome } from '../../../host/migration/index.js'
import { CliError } from '../errors.js'
import type { ProcessMark } from './process-life.js'

/** What somebody who comes later needs to know. */
export interface JournalEntry extends ProcessMark {
  /** 32 hexadecimal digits. */
  readonly id: string
  /** Where the guest was going. */
  readonly to: string
  readonly vm: string
  readonly startedAt: string
}

export function journalFolder(): string {
  return join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'cbit', 'migrations')
}

const path = (folder: string, id: string, kind: string): string => join(folder, `${id}.${kind}`)

/**
 * `ID.json` is the entry; `ID.outcome` is the decision, made by link(2): whole from the first moment, and by one process only. The texts that it may
 * become are written and synced beforehand, so that deciding needs no room on the disk.
 */
export class JournalFile implements Journal {
  private readonly folder: string
  private readonly entry: JournalEntry

  constructor(entry: JournalEntry, folder = journalFolder()) {
    this.folder = folder
    this.entry = entry
  }

  open(): void {
    const { folder, entry } = this
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      prepareWords(folder, entry.id)
      writeSynced(path(folder, entry.id, 'json'), JSON.stringify(entry, null, 2) + '\n')
      syncFolder(folder)
    } catch (error) {
      throw new CliError(`cannot write the journal of the migration in ${folder}: ${(error as Error).message}`)
    }
  }

  decide(wish: Outcome): Outcome {
    return decide(this.folder, this.entry.id, wish)
  }

  /** The guest's place is known to both sides: nothing is left to ask. */
  settle(): void {
    settle(this.folder, this.entry.id)
  }
}

function prepareWords(folder: string, id: string): void {
  for (const word of ['commit', 'abort']) writeSynced(path(folder, id, word), word + '\n')
}

/** Gives `wish` as the outcome, or learns which one stands. */
export function decide(folder: string, id: string, wish: Outcome): Outcome {
  const outcome = path(folder, id, 'outcome')
  try {
    linkSync(path(folder, id, wish), outcome)
    syncFolder(folder)
    return wish
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  const word = readFileSync(outcome, 'utf8').trim()
  if (word !== 'commit' && word !== 'abort') throw new CliError(`${outcome} is damaged: it says neither commit nor abort`)
  return word
}

/** The outcome that stands; undefined where nobody has decided. */
export function outcomeOf(folder: string, id: string): Outcome | undefined {
  return existsSync(path(folder, id, 'outcome')) ? decide(folder, id, 'abort') : undefined
}

export function settle(folder: string, id: string): void {
  // The decision goes last: while the entry stands, so does what was decided.
  for (const kind of ['json', 'commit', 'abort', 'outcome']) rmSync(path(folder, id, kind), { force: true })
}

/** False once the migration has been settled. */
export function isOpen(folder: string, id: string): boolean {
  return existsSync(path(folder, id, 'json'))
}

/** Migrations whose end this machine has not seen. */
export function openEntries(folder = journalFolder()): JournalEntry[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => /^[0-9a-f]{32}\.json$/.test(name))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as JournalEntry)
    .sort((a, b) => a.startedAt.localeCompare(b.startedAt))
}

function writeSynced(file: string, text: string): void {
  const handle = openSync(file, 'w', 0o600)
  try {
    writeSync(handle, text)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}
