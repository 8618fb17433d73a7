// Puts the newest figures into docs/performance.md, between its two marks, and the plot beside it. The words around them are people's.

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BenchError } from './peers/peer.js'
import { plot } from './plot.js'
import { toMarkdown, type Report } from './report.js'

const page = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const picture = fileURLToPath(new URL('../docs/performance.svg', import.meta.url))
const begin = '<!-- figures: written by npm run bench -- --docs -->'
const end = '<!-- end of figures -->'

export function writeDocument(report: Report): void {
  const text = readFileSync(page, 'utf8')
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new BenchError(`${page} has lost the marks between which the figures stand`)
  writeFileSync(page, `${text.slice(0, from + begin.length)}\n\n${toMarkdown(report)}\n${text.slice(to)}`)
  writeFileSync(picture, plot(report))
}
