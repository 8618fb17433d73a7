// What the figures are held against. A goal that is missed is reported, not hidden; it fails nothing.

import { bootName, ratioOf, type Measurement, type Measurements } from './measure.js'
import { geometricMean } from './statistics.js'

export interface Goal {
  readonly what: string
  readonly limit: number
  readonly unit: string
  readonly measured: number | undefined
}

export function goalsOf({ list, peakResidentMiB }: Measurements, memoryMiB: number): Goal[] {
  const boot = list.find((one) => one.name === bootName)
  const peaks = [peakResidentMiB.cbit, peakResidentMiB['cbit-sev']].filter((peak) => peak !== undefined)
  const all: Goal[] = [
    { what: 'time to the shell over QEMU TCG, no SEV', limit: 6, unit: 'times', measured: boot && ratioOf(boot, 'cbit', 'qemu') },
    { what: 'time to the shell over QEMU TCG, SEV', limit: 6, unit: 'times', measured: boot && ratioOf(boot, 'cbit-sev', 'qemu') },
    { what: 'cost of SEV, geometric mean', limit: 10, unit: '%', measured: sevCost(list) },
  ]
  if (memoryMiB === 512 && peaks.length > 0) {
    all.push({ what: 'resident memory of a 512 MiB guest, at most', limit: 1536, unit: 'MiB', measured: Math.max(...peaks) })
  }
  return all.filter((goal) => goal.measured !== undefined)
}

/** Traffic beyond the last-level cache pays for AES block by block and is reported by itself. */
export function sevCost(list: readonly Measurement[]): number | undefined {
  const ratios = list.filter((one) => one.group !== 'memory').map((one) => ratioOf(one, 'cbit-sev', 'cbit'))
  const known = ratios.filter((ratio) => ratio !== undefined)
  return known.length === 0 ? undefined : (geometricMean(known) - 1) * 100
}
