// One result, three forms: JSON with every sample, a table for the terminal, the same table in Markdown.

import { isMet, speedOver, type Goal } from './goals.js'
import type { MachineDescription } from './machine.js'
import { meanRatio, medianOf, ratioOf, type Measurement, type Measurements } from './measure.js'
import type { Peer, PeerName } from './peers/peer.js'
import { migrationLines, type MigrationMeasurement } from './migration.js'
import { snapshotLines, type SnapshotMeasurement } from './snapshot.js'

export interface Report {
  readonly when: string
  readonly quick: boolean
  readonly samples: number
  readonly clock: 'wall' | 'processor'
  readonly machine: MachineDescription
  /** Load of the machine before and after; above 1 or so, others used it too. */
  readonly load: { readonly before: number; readonly after: number }
  readonly guest: { readonly kernel: string; readonly append: string; readonly memoryMiB: number; readonly sha256: Record<string, string> }
  readonly peers: readonly Peer[]
  readonly measurements: Measurements
  /** cbit beside each of the peers that are much slower. */
  readonly apart: readonly ApartRun[]
  /** What could not be measured, each with the reason. */
  readonly skipped: readonly string[]
  readonly snapshots: readonly SnapshotMeasurement[]
  readonly migrations: readonly MigrationMeasurement[]
  readonly goals: readonly Goal[]
}

export interface ApartRun {
  readonly samples: number
  readonly peers: readonly Peer[]
  readonly measurements: Measurements
  /** With the small sizes. */
  readonly small: boolean
}

const ratioPairs: readonly (readonly [PeerName, PeerName])[] = [
  ['cbit', 'qemu'],
  ['cbit-sev', 'qemu'],
  ['cbit-sev', 'cbit'],
  ['cbit-later', 'qemu'],
  ['cbit-sev-later', 'qemu'],
  ['bochs', 'cbit'],
  ['bochs', 'cbit-later'],
  ['v86', 'cbit'],
  ['v86', 'cbit-later'],
]

export function toJson(report: Report): string {
  const { peers, measurements, apart, ...rest } = report
  const described = Object.fromEntries(allPeers(report).map((peer) => [peer.name, { label: peer.label, is: peer.describe() }]))
  const content = {
    ...rest,
    peers: described,
    ...contentOf(measurements, peers),
    apart: apart.map(({ samples, small, measurements, peers }) => ({ samples, small, ...contentOf(measurements, peers) })),
  }
  return JSON.stringify(content, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value), 2) + '\n'
}

const allPeers = ({ peers, apart }: Report): Peer[] => [...peers, ...apart.flatMap((run) => run.peers)]
const allMeasurements = ({ measurements, apart }: Pick<Report, 'measurements' | 'apart'>): Measurement[] =>
  [measurements, ...apart.map((run) => run.measurements)].flatMap(({ list }) => list)

function contentOf({ list, peakResidentMiB }: Measurements, peers: readonly Peer[]): object {
  const measurements = list.map((one) => ({
    ...one,
    unit: 'ms',
    medians: Object.fromEntries(peers.map(({ name }) => [name, medianOf(one, name)])),
    ratios: Object.fromEntries(ratioPairs.map(([above, below]) => [`${above}/${below}`, ratioOf(one, above, below)])),
  }))
  return { peakResidentMiB, measurements }
}

/** Rows of text; the first is the head. */
export function tableOf({ peers, clock, measurements: { list } }: Pick<Report, 'peers' | 'clock' | 'measurements'>): string[][] {
  const pairs = ratioPairs.filter((pair) => pair.every((name) => peers.some((peer) => peer.name === name)))
  const label = (name: PeerName): string => peers.find((peer) => peer.name === name)!.label
  const ratio = (value: number | undefined): string => (value === undefined ? '' : `${value.toFixed(2)}×`)
  const rows = list.map((one) => [
    one.agree ? one.name : `${one.name} (results differ)`,
    ...peers.map(({ name }) => seconds(medianOf(one, name))),
    ...pairs.map(([above, below]) => ratio(ratioOf(one, above, below))),
  ])
  const groups: readonly Measurement['group'][] = ['integer', '7-zip', 'float', 'system']
  const means = groups
    .filter((group) => list.filter((one) => one.group === group).length > 1)
    .map((group) => [
      `${group}, geometric mean`,
      ...peers.map(() => ''),
      ...pairs.map(([above, below]) => ratio(meanRatio(list, group, above, below))),
    ])
  const head = [
    clock === 'processor' ? 'median, processor time' : 'median',
    ...peers.map((peer) => `${peer.label}, s`),
    ...pairs.map(([above, below]) => `${label(above)} / ${label(below)}`),
  ]
  const overall = peers.some((peer) => peer.apart)
  const overallMean = [
    'all, geometric mean',
    ...peers.map(() => ''),
    ...pairs.map(([above, below]) => ratio(speedOver(list, above, below))),
  ]
  return [head, ...rows, ...(overall ? [overallMean] : means)]
}

/** A table for each of the slow peers. */
const apartTables = ({ apart, clock }: Report): string[][][] => apart.map((run) => tableOf({ clock, ...run }))

function seconds(ms: number | undefined): string {
  return ms === undefined ? '' : (ms / 1000).toFixed(ms < 10_000 ? 3 : 2)
}

export function toText(report: Report): string {
  const tables = [...(report.peers.length > 0 ? [tableOf(report)] : []), ...apartTables(report)].filter((table) => table.length > 1)
  return [
    ...tables.map((table) => [...alignedLines(table), ''].join('\n')),
    ...goalLines(report),
    ...movingLines(report),
    ...warnings(report),
    '',
  ].join('\n')
}

/** Guests that are saved, and guests that move. */
function movingLines({ snapshots, migrations, clock }: Report): string[] {
  return [...snapshotLines(snapshots, clock), ...migrationLines(migrations)]
}

function alignedLines(table: readonly string[][]): string[] {
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
}

export function goalLines({ goals }: Report): string[] {
  return goals.map((goal) => {
    const { what, bound, measured, limit, unit } = goal
    const digits = unit === 'MiB' || unit === 'ms' ? 0 : 2
    return `${isMet(goal) ? 'met   ' : 'MISSED'}  ${what}: ${measured.toFixed(digits)} ${unit} (goal: ${bound} ${limit})`
  })
}

export function warnings({ load, machine, measurements, apart, skipped }: Report): string[] {
  const found: string[] = []
  if (load.before > 0.5) {
    found.push(`The machine was not quiet: a load of ${load.before.toFixed(1)} on ${machine.processors} processors before the run.`)
  }
  for (const { agree, name, outputs } of allMeasurements({ measurements, apart })) {
    if (!agree) found.push(`The results of '${name}' differ: ${JSON.stringify(outputs)}`)
  }
  return [...found, ...skipped.map((reason) => `Not measured: ${reason}.`)]
}

export function toMarkdown(report: Report): string {
  const { machine, guest, samples, clock, when, quick, apart } = report
  const described = allPeers(report).map((peer) => peer.describe())
  return [
    `Taken ${when}${quick ? ' with `--quick`' : ''}, median of ${samples}${clock === 'processor' ? ' of processor time' : ''}, on ${machine.processors} × ${machine.processor}` +
      `${machine.virtualised ? ' (in a virtual machine)' : ''}, ${machine.memoryGiB} GiB, ${machine.system}.`,
    `Peers: ${described.filter((text, i, all) => all.indexOf(text) === i).join('; ')}.`,
    `Guest: ${guest.kernel}, ${guest.memoryMiB} MiB, one processor, \`${guest.append}\`.`,
    ...warnings(report),
    '',
    ...markdownTable(tableOf(report)),
    '',
    ...apartTables(report).flatMap((table, n) => [headingOf(apart[n]!), '', ...markdownTable(table), '']),
    ...goalLines(report).map((text) => `- ${text.replace(/ {2,}/, ': ')}`),
    ...movingLines(report).map((text) => `- ${text}`),
    '',
  ].join('\n')
}

function headingOf({ peers, small, samples }: ApartRun): string {
  return `Beside ${peers.find((peer) => peer.apart)!.label}${small ? ', with small sizes' : ''}, ${samples === 1 ? 'one round' : `median of ${samples}`}:`
}

function markdownTable([head, ...rows]: readonly string[][]): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head!), line(head!.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)]
}
