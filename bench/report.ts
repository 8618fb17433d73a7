// One result, three forms: JSON with every sample, a table for the terminal, the same table in Markdown.

import type { Goal } from './goals.js'
import type { MachineDescription } from './machine.js'
import { meanRatio, medianOf, ratioOf, type Measurement, type Measurements } from './measure.js'
import type { Peer, PeerName } from './peers/peer.js'

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
  readonly goals: readonly Goal[]
}

const ratioPairs: readonly (readonly [PeerName, PeerName])[] = [
  ['cbit', 'qemu'],
  ['cbit-sev', 'qemu'],
  ['cbit-sev', 'cbit'],
]

export function toJson(report: Report): string {
  const { peers, measurements, ...rest } = report
  const list = measurements.list.map((one) => ({
    ...one,
    unit: 'ms',
    medians: Object.fromEntries(peers.map(({ name }) => [name, medianOf(one, name)])),
    ratios: Object.fromEntries(ratioPairs.map(([above, below]) => [`${above}/${below}`, ratioOf(one, above, below)])),
  }))
  const described = Object.fromEntries(peers.map((peer) => [peer.name, { label: peer.label, is: peer.describe() }]))
  const content = { ...rest, peers: described, peakResidentMiB: measurements.peakResidentMiB, measurements: list }
  return JSON.stringify(content, (_, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value), 2) + '\n'
}

/** Rows of text; the first is the head. */
export function tableOf({ peers, clock, measurements: { list } }: Report): string[][] {
  const pairs = ratioPairs.filter((pair) => pair.every((name) => peers.some((peer) => peer.name === name)))
  const label = (name: PeerName): string => peers.find((peer) => peer.name === name)!.label
  const ratio = (value: number | undefined): string => (value === undefined ? '' : `${value.toFixed(2)}×`)
  const rows = list.map((one) => [
    one.agree ? one.name : `${one.name} (results differ)`,
    ...peers.map(({ name }) => seconds(medianOf(one, name))),
    ...pairs.map(([above, below]) => ratio(ratioOf(one, above, below))),
  ])
  const groups: readonly Measurement['group'][] = ['integer', 'system']
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
  return [head, ...rows, ...means]
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? '' : (ms / 1000).toFixed(ms < 10_000 ? 3 : 2)
}

export function toText(report: Report): string {
  const table = tableOf(report)
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  const lines = table.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
  return [...lines, '', ...goalLines(report), ...warnings(report), ''].join('\n')
}

export function goalLines({ goals }: Report): string[] {
  return goals.map(({ what, measured, limit, unit }) => {
    const digits = unit === 'MiB' ? 0 : 2
    return `${measured! <= limit ? 'met   ' : 'MISSED'}  ${what}: ${measured!.toFixed(digits)} ${unit} (goal: at most ${limit})`
  })
}

export function warnings({ load, machine, measurements }: Report): string[] {
  const found: string[] = []
  if (load.before > 0.5) {
    found.push(`The machine was not quiet: a load of ${load.before.toFixed(1)} on ${machine.processors} processors before the run.`)
  }
  for (const { agree, name, outputs } of measurements.list) {
    if (!agree) found.push(`The results of '${name}' differ: ${JSON.stringify(outputs)}`)
  }
  return found
}

export function toMarkdown(report: Report): string {
  const { machine, guest, peers, samples, clock, when, quick } = report
  const [head, ...rows] = tableOf(report)
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [
    `Taken ${when}${quick ? ' with `--quick`' : ''}, median of ${samples}${clock === 'processor' ? ' of processor time' : ''}, on ${machine.processors} × ${machine.processor}` +
      `${machine.virtualised ? ' (in a virtual machine)' : ''}, ${machine.memoryGiB} GiB, ${machine.system}.`,
    `Peers: ${peers
      .map((peer) => peer.describe())
      .filter((text, i, all) => all.indexOf(text) === i)
      .join('; ')}.`,
    `Guest: ${guest.kernel}, ${guest.memoryMiB} MiB, one processor, \`${guest.append}\`.`,
    ...warnings(report),
    '',
    line(head!),
    line(head!.map((_, i) => (i === 0 ? '---' : '---:'))),
    ...rows.map(line),
    '',
    ...goalLines(report).map((text) => `- ${text.replace(/ {2,}/, ': ')}`),
    '',
  ].join('\n')
}
