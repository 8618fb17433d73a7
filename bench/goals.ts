// What the figures are held against: the table of issue 4. A goal that is missed is reported, not hidden; it fails nothing.

import { bootName, meanRatio, ratioOf, type Measurement, type Measurements } from './measure.js'
import type { PeerName } from './peers/peer.js'
import { geometricMean } from './statistics.js'

export interface Goal {
  readonly what: string
  readonly bound: 'at most' | 'at least'
  readonly limit: number
  readonly unit: string
  readonly measured: number
}

export const isMet = ({ bound, limit, measured }: Goal): boolean => (bound === 'at most' ? measured <= limit : measured >= limit)

/** Groups of workloads, with the most that cbit's time may be of QEMU's, in the geometric mean. */
const groupGoals: readonly (readonly [what: string, group: Measurement['group'], limit: number])[] = [
  ['integer mix', 'integer', 0.6],
  ['7-zip, one thread', '7-zip', 0.7],
  ['floating point', 'float', 0.5],
  ['system calls, page faults, context switches, fork', 'system', 1.2],
]

/** How many times as fast as a slow peer cbit shall be, in the geometric mean over all workloads. */
const slowGoals: readonly (readonly [peer: PeerName, label: string, limit: number])[] = [
  ['v86', 'v86 with 32-bit builds', 4],
  ['bochs', 'Bochs', 10],
]

/** Each goal is judged twice: by first runs, and by runs that find what earlier ones have translated. */
const ourPeers: readonly (readonly [peer: PeerName, suffix: string, sev: boolean])[] = [
  ['cbit-sev', ', SEV', true],
  ['cbit-sev-later', ', SEV, later runs', true],
  ['cbit', ', no SEV', false],
  ['cbit-later', ', no SEV, later runs', false],
]
const slowJudged: readonly (readonly [peer: PeerName, suffix: string])[] = [
  ['cbit', ''],
  ['cbit-later', ', later runs'],
]

const overGuestMiBMax = 450
const sevCostMax = 3

/** `apart`: cbit beside each slow peer. */
export function goalsOf(fast: Measurements, apart: readonly Measurements[], memoryMiB: number): Goal[] {
  const { list, peakResidentMiB } = fast
  // The goals hold while memory is encrypted.
  const sev = ourPeers.some(([peer, , encrypts]) => encrypts && list.some((one) => one.samples[peer]))
  const judged = ourPeers.filter(([, , encrypts]) => encrypts === sev)
  const boot = list.find((one) => one.name === bootName)
  const peaks = ourPeers.map(([peer]) => peakResidentMiB[peer]).filter((peak) => peak !== undefined)
  const all: (Omit<Goal, 'measured'> & { readonly measured: number | undefined })[] = [
    ...judged.flatMap(([peer, suffix]) => [
      {
        what: `time to the shell over QEMU TCG${suffix}`,
        bound: 'at most' as const,
        limit: 1,
        unit: 'times',
        measured: boot && ratioOf(boot, peer, 'qemu'),
      },
      ...groupGoals.map(
        ([what, group, limit]) =>
          ({ what: `${what}${suffix}`, bound: 'at most', limit, unit: 'times', measured: meanRatio(list, group, peer, 'qemu') }) as const,
      ),
    ]),
    { what: 'cost of SEV, geometric mean', bound: 'at most', limit: sevCostMax, unit: '%', measured: sevCost(list) },
    ...slowGoals.flatMap(([peer, label, limit]) =>
      slowJudged.map(
        ([ours, suffix]) =>
          ({
            what: `as fast as ${label}, geometric mean${suffix}`,
            bound: 'at least',
            limit,
            unit: 'times',
            measured: apart.map(({ list }) => speedOver(list, peer, ours)).find((speed) => speed !== undefined),
          }) as const,
      ),
    ),
    {
      what: "resident memory over the guest's own, at most in the whole run",
      bound: 'at most',
      limit: overGuestMiBMax,
      unit: 'MiB',
      measured: peaks.length > 0 ? Math.max(...peaks) - memoryMiB : undefined,
    },
  ]
  return all.filter((goal): goal is Goal => goal.measured !== undefined)
}

/** Traffic over memory that was not used before pays for AES and is reported by itself. */
export function sevCost(list: readonly Measurement[]): number | undefined {
  const ratios = list.filter((one) => one.group !== 'memory').map((one) => ratioOf(one, 'cbit-sev', 'cbit'))
  const known = ratios.filter((ratio) => ratio !== undefined)
  return known.length === 0 ? undefined : (geometricMean(known) - 1) * 100
}

/** The boot is left out: v86 boots another kernel, and Bochs loads it from a disk. */
export function speedOver(list: readonly Measurement[], peer: PeerName, ours: PeerName): number | undefined {
  const ratios = list.filter((one) => one.group !== 'boot').map((one) => ratioOf(one, peer, ours))
  const known = ratios.filter((ratio) => ratio !== undefined)
  return known.length === 0 ? undefined : geometricMean(known)
}
