// The ratios as a picture: bars on a logarithmic scale, QEMU's TCG at 1. Shorter is faster.

import { ratioOf } from './measure.js'
import type { PeerName } from './peers/peer.js'
import type { Report } from './report.js'

const labelWidth = 130
const plotWidth = 520
const rowHeight = 53
const barHeight = 13
const top = 64
const right = 60

const series: readonly { readonly peer: PeerName; readonly label: string; readonly colour: string }[] = [
  { peer: 'cbit', label: 'cbit', colour: '#4477aa' },
  { peer: 'cbit-sev', label: 'with SEV', colour: '#ee6677' },
  { peer: 'cbit-sev-later', label: 'with SEV, later run', colour: '#228833' },
]

const marks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]

export function plot(report: Report): string {
  const rows = report.measurements.list.flatMap((one) => {
    const bars = series.flatMap(({ peer, colour }) => {
      const ratio = ratioOf(one, peer, 'qemu')
      return ratio === undefined ? [] : [{ ratio, colour }]
    })
    return bars.length === 0 ? [] : [{ name: one.name, bars }]
  })
  const ratios = rows.flatMap((row) => row.bars.map((bar) => bar.ratio))
  const least = marks.findLast((mark) => mark < Math.min(1, ...ratios)) ?? marks[0]!
  const most = marks.find((mark) => mark >= Math.max(2, ...ratios)) ?? marks.at(-1)!
  const x = (ratio: number): number => labelWidth + (plotWidth * Math.log(ratio / least)) / Math.log(most / least)
  const height = top + rows.length * rowHeight + 24
  const bottom = height - 20
  const scale = marks
    .filter((mark) => mark >= least && mark <= most)
    .map(
      (mark) =>
        `<line x1="${at(x(mark))}" y1="${top - 6}" x2="${at(x(mark))}" y2="${bottom}" stroke="${mark === 1 ? '#222' : '#ddd'}"/>` +
        `<text x="${at(x(mark))}" y="${top - 12}" text-anchor="middle">${mark}×</text>`,
    )
  const bars = rows.map(({ name, bars: ofRow }, row) => {
    const y = top + row * rowHeight + 6
    const text = `<text x="${labelWidth - 10}" y="${y + barHeight + 4}" text-anchor="end">${escaped(name)}</text>`
    return text + ofRow.map(({ ratio, colour }, i) => bar(x(least), x(ratio), y + i * barHeight, colour, ratio)).join('')
  })
  const legend = series.map(
    ({ label, colour }, i) =>
      `<rect x="${labelWidth + 290 + i * 80}" y="14" width="11" height="11" fill="${colour}"/>` +
      `<text x="${labelWidth + 306 + i * 80}" y="24">${label}</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${labelWidth + plotWidth + right}" height="${height}"`,
    ` font-family="sans-serif" font-size="12" fill="#222">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
    `<text x="${labelWidth}" y="24" font-size="14">${report.clock === 'processor' ? 'Processor time' : 'Time'} over QEMU TCG (less is better)</text>`,
    ...legend,
    ...scale,
    ...bars,
    '</svg>\n',
  ].join('\n')
}

function bar(from: number, to: number, y: number, colour: string, ratio: number): string {
  return (
    `<rect x="${at(from)}" y="${y}" width="${at(Math.max(1, to - from))}" height="${barHeight - 1}" fill="${colour}"/>` +
    `<text x="${at(to + 4)}" y="${y + 10}" font-size="10">${ratio.toFixed(2)}</text>`
  )
}

const at = (value: number): string => value.toFixed(1)

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
