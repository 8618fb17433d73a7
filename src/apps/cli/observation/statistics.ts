// What `cbit run --stats` prints at the end, and what `--report` writes of it.

import type { RunTimes, VmStatistics } from '../../../host/hypervisor/index.js'
import type { SocCounters } from '../../../silicon/soc.js'
import * as exitCodes from '../../../spec/svm/exit-codes.js'

export interface MachineStatistics {
  readonly vm: VmStatistics
  readonly chip: SocCounters
  /** Real time, by who had it; undefined where nobody asked for it. */
  readonly times: RunTimes | undefined
}

const exitsShownMax = 8
const exitNames = new Map(
  Object.entries(exitCodes).flatMap(([name, code]) => (typeof code === 'number' ? [[code, name.replace('VMEXIT_', '')]] : [])),
)

const percent = (part: number, whole: number): string => `${whole > 0 ? ((part / whole) * 100).toFixed(1) : '0.0'} %`
const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`

/** Instructions of the guest in this process, which are all that its tiers and times are of. */
export function instructionsHere({ instructions, before }: VmStatistics): number {
  return instructions - before.instructions
}

function exitsHere({ exits, before }: VmStatistics): [code: number, count: number][] {
  return [...exits].map(([code, count]): [number, number] => [code, count - (before.exits.get(code) ?? 0)]).filter(([, count]) => count > 0)
}

export function statisticsLines(statistics: MachineStatistics): string[] {
  return [...codeLines(statistics), ...timeLines(statistics), exitLine(statistics)]
}

function codeLines({ vm, chip: { code, cores, memory } }: MachineStatistics): string[] {
  const { translated } = code
  const instructions = instructionsHere(vm)
  const interpreted = Math.max(0, instructions - code.instructionsTranslated)
  const misses = { read: 0, write: 0, execute: 0 }
  for (const { tlbMisses } of cores) for (const kind of ['read', 'write', 'execute'] as const) misses[kind] += tlbMisses[kind]
  const perThousand = ((misses.read + misses.write + misses.execute) / Math.max(1, instructions)) * 1000
  return [
    `tiers: ${percent(interpreted, instructions)} of the instructions interpreted, ${percent(code.instructionsTranslated, instructions)} translated, ${(code.instructionsTranslated / Math.max(1, code.entries)).toFixed(0)} for each entry of a region`,
    `code: ${code.blocks} blocks of ${code.instructions} instructions lowered in ${seconds(code.loweringMs)}; ${code.blocksDropped} dropped, ` +
      `${(code.arenaBytes / 2 ** 20).toFixed(1)} MiB in use, cleared ${code.clears} times`,
    ...(translated
      ? [
          `translator: ${translated.regions} regions (${translated.wide} of them large) of ${translated.blocks} blocks in ${translated.modules} modules, ${translated.refused} refused, ` +
            `${(translated.bytes / 2 ** 20).toFixed(1)} MiB of WebAssembly, in ${seconds(code.translatingMs)}; ${translated.adopted} regions of earlier runs`,
        ]
      : []),
    `TLB misses: ${misses.read} reads, ${misses.write} writes, ${misses.execute} fetches (${perThousand.toFixed(2)} in a thousand instructions)`,
    `memory encryption: ${memory.decrypted} pages decrypted, ${memory.encrypted} encrypted`,
  ]
}

function timeLines({ times, chip: { code } }: MachineStatistics): string[] {
  if (!times) return []
  const exits = [...times.exitsMs.values()].reduce((sum, ms) => sum + ms, 0)
  const all = times.guestMs + exits + times.betweenMs + times.idleMs
  const running = times.guestMs - code.loweringMs - code.translatingMs
  const part = (name: string, ms: number): string => `${name} ${seconds(ms)} (${percent(ms, all)})`
  return [
    'time: ' +
      [
        part('guest code', running),
        part('lowering', code.loweringMs),
        part('translating', code.translatingMs),
        part('answering exits', exits),
        part('devices and the rest', times.betweenMs),
        part('asleep', times.idleMs),
      ].join(', '),
  ]
}

/** The exits that took longest, or the commonest: how often, how long, and the name that the manual gives their code. */
function exitLine({ vm, times }: MachineStatistics): string {
  const spent = (code: number): number => times?.exitsMs.get(code) ?? 0
  const counts = exitsHere(vm).sort((a, b) => spent(b[0]) - spent(a[0]) || b[1] - a[1])
  const shown = counts.slice(0, exitsShownMax).map(([code, count]) => {
    const name = exitNames.get(code) ?? `0x${code.toString(16)}`
    return times ? `${name} ${count} in ${seconds(spent(code))}` : `${name} ${count}`
  })
  const total = counts.reduce((sum, [, count]) => sum + count, 0)
  return `exits: ${total}: ${shown.join(', ')}`
}

/** The same for programs. */
export function statisticsContent({ vm, chip, times }: MachineStatistics): object {
  const named = (exits: ReadonlyMap<number, number>): object =>
    Object.fromEntries([...exits].map(([code, value]) => [exitNames.get(code) ?? `0x${code.toString(16)}`, value]))
  return {
    exits: named(vm.exits),
    ...(vm.before.instructions > 0 && { before: { instructions: vm.before.instructions, exits: named(vm.before.exits) } }),
    chip,
    ...(times && { times: { ...times, exitsMs: named(times.exitsMs) } }),
  }
}
