// How long a guest stands still while it moves from one process to another, and how fast its memory goes. Debian computes and its log grows meanwhile.

import { Journey, growingLog } from '../tests/e2e/journey.js'
import type { Goal } from './goals.js'
import type { GuestFiles } from './peers/peer.js'
import { median } from './statistics.js'

export interface Move {
  /** By the clock on the wall: two processes have part in it. */
  readonly pauseMs: number
  readonly rounds: number
  readonly sentMiB: number
  /** All that was sent over the whole time, in half of which the guest computes. */
  readonly mibPerSecond: number
}

export interface MigrationMeasurement {
  readonly sev: 'none' | 'sev'
  readonly memoryMiB: number
  readonly moves: readonly Move[]
}

export interface MigrationMeasureOptions {
  /** The words that start cbit. */
  readonly cbit: readonly string[]
  readonly files: GuestFiles
  readonly samples: number
  readonly progress: (text: string) => void
}

const pauseMsMax = 300
const roundsMax = 30

export async function measureMigrations(options: MigrationMeasureOptions): Promise<MigrationMeasurement[]> {
  const list: MigrationMeasurement[] = []
  for (const sev of ['none', 'sev'] as const) list.push(await measureMigration(sev, options))
  return list
}

async function measureMigration(
  sev: 'none' | 'sev',
  { cbit, files, samples, progress }: MigrationMeasureOptions,
): Promise<MigrationMeasurement> {
  const { kernel, initrd, append, memoryMiB } = files
  const journey = new Journey(cbit)
  const moves: Move[] = []
  try {
    progress(`booting a guest to move, --sev ${sev}`)
    const machine = ['--sev', sev, '--memory', `${memoryMiB}M`, '--kernel', kernel, '--initrd', initrd]
    await journey.begin(...machine, '--append', `${append} quiet cbit.run="${growingLog}"`)
    for (let n = 1; n <= samples; n++) {
      progress(`moving, --sev ${sev}, ${n} of ${samples}`)
      const { downtimeMs, round, bytesSent, bytesPerSecond } = await journey.move({ downtimeMaxMs: pauseMsMax, roundsMax })
      moves.push({ pauseMs: downtimeMs!, rounds: round, sentMiB: bytesSent / 2 ** 20, mibPerSecond: bytesPerSecond / 2 ** 20 })
    }
    return { sev, memoryMiB, moves }
  } finally {
    journey.end()
  }
}

/** The longest pause counts, not the median one. */
export function migrationGoals(list: readonly MigrationMeasurement[]): Goal[] {
  return list.map(({ sev, memoryMiB, moves }) => ({
    what: `pause of a ${memoryMiB} MiB guest that moves, --sev ${sev}, the longest of ${moves.length}`,
    bound: 'at most',
    limit: pauseMsMax,
    unit: 'ms',
    measured: Math.max(...moves.map(({ pauseMs }) => pauseMs)),
  }))
}

export function migrationLines(list: readonly MigrationMeasurement[]): string[] {
  return list.map(({ sev, memoryMiB, moves }) => {
    const middle = (value: (move: Move) => number): number => median(moves.map(value))
    const pauses = moves.map(({ pauseMs }) => pauseMs.toFixed(0)).join(', ')
    return (
      `migration, --sev ${sev}: a ${memoryMiB} MiB guest under a compute loop stood still for ${pauses} ms; ${middle(({ sentMiB }) => sentMiB).toFixed(0)} MiB ` +
      `in ${middle(({ rounds }) => rounds).toFixed(0)} rounds at ${middle(({ mibPerSecond }) => mibPerSecond).toFixed(0)} MiB/s`
    )
  })
}
