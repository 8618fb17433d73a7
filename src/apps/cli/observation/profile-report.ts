// Where a guest's time went, as text like that of `perf report`, and as JSON.

import type { SymbolTable } from '../../../guest/index.js'
import type { SampledPlace, SampledProfile } from '../../../host/hypervisor/index.js'

export interface ProfileSymbols {
  /** At the addresses where the kernel was linked; undefined where there are none. */
  readonly kernel: SymbolTable | undefined
  /** Bytes by which the running kernel lies above them (KASLR). */
  readonly kernelMoved: bigint
  readonly programs: SymbolTable | undefined
}

/** `idle` is a place like others here: time asleep is in no sample. */
export interface ProfileRow {
  readonly symbol: string
  readonly mode: 'kernel' | 'user'
  readonly samples: number
  /** Part of the guest's time, 0 to 1. */
  readonly share: number
}

export interface ProfileReport {
  readonly samples: number
  readonly lost: number
  readonly unit: 'ms' | 'instructions'
  readonly total: number
  readonly kernelMoved: string
  readonly rows: readonly ProfileRow[]
}

/** The direct map's and text's half of the address space (Linux Documentation/arch/x86/x86_64/mm.rst). */
const UPPER_HALF = 1n << 63n
const MODULES = 0xffffffffc0000000n
const PAGE_MASK = 0xfffn

export function profileReport(profile: SampledProfile, symbols: ProfileSymbols, unit: ProfileReport['unit']): ProfileReport {
  const rows = new Map<string, { symbol: string; mode: 'kernel' | 'user'; samples: number; weight: number }>()
  for (const place of profile.places) {
    const symbol = nameOf(place, symbols)
    const mode = place.user ? 'user' : 'kernel'
    const row = rows.get(`${mode} ${symbol}`) ?? { symbol, mode, samples: 0, weight: 0 }
    row.samples += place.samples
    row.weight += place.weight
    rows.set(`${mode} ${symbol}`, row)
  }
  return {
    samples: profile.samples,
    lost: profile.lost,
    unit,
    total: profile.weight,
    kernelMoved: `0x${symbols.kernelMoved.toString(16)}`,
    rows: [...rows.values()]
      .sort((a, b) => b.weight - a.weight)
      .map(({ weight, ...row }) => ({ ...row, share: profile.weight > 0 ? weight / profile.weight : 0 })),
  }
}

function nameOf({ rip, user }: SampledPlace, { kernel, kernelMoved, programs }: ProfileSymbols): string {
  const page = (address: bigint): string => `0x${(address & ~PAGE_MASK).toString(16)}…`
  if (user) return programs?.find(rip)?.name ?? page(rip)
  // The kernel unpacks itself, and begins, at addresses that are physical ones.
  if (rip < UPPER_HALF) return '[before the kernel’s own mapping]'
  const found = kernel?.find(rip - kernelMoved) ?? kernel?.find(rip)
  if (found) return found.name
  return rip >= MODULES ? '[module]' : page(rip)
}

const rowsShownMax = 60
const sharesShown = 0.0005

export function profileText(report: ProfileReport): string {
  const { samples, lost, unit, total, rows } = report
  const time = unit === 'ms' ? `${(total / 1000).toFixed(2)} s of the guest's time` : `${total} instructions`
  const shown = rows.filter(({ share }) => share >= sharesShown).slice(0, rowsShownMax)
  const rest = rows.slice(shown.length)
  const percent = (share: number): string => `${(share * 100).toFixed(2).padStart(6)} %`
  const part = (mode: ProfileRow['mode']): number => rows.reduce((sum, row) => sum + (row.mode === mode ? row.share : 0), 0)
  return [
    `# ${samples} samples of ${time}${lost > 0 ? `, ${lost} lost` : ''}; kernel moved by ${report.kernelMoved}`,
    `# ${percent(part('kernel')).trim()} in the kernel, ${percent(part('user')).trim()} in programs`,
    '#',
    '# Overhead   Samples  Mode    Symbol',
    ...shown.map((row) => `  ${percent(row.share)}  ${String(row.samples).padStart(8)}  ${row.mode.padEnd(6)}  ${row.symbol}`),
    ...(rest.length > 0 ? [`# and ${rest.length} more symbols with ${percent(rest.reduce((sum, row) => sum + row.share, 0)).trim()}`] : []),
    '',
  ].join('\n')
}
