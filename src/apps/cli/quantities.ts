// Quantities as people write them on a command line.

import { CliError } from './errors.js'
import { exitCodes } from './ending.js'

const units: Readonly<Record<string, number>> = { '': 1, B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

/** `512M`, `1G`, `1.5GiB`, `4096`, `0x1000`. */
export function parseBytes(text: string, option: string): number {
  const hex = /^0x([0-9a-f]+)$/i.exec(text)
  if (hex) return parseInt(hex[1]!, 16)
  const match = /^(\d+(?:\.\d+)?)\s*([KMG]?)(?:i?B)?$/i.exec(text)
  const value = match ? Number(match[1]) * units[match[2]!.toUpperCase()]! : NaN
  if (!Number.isInteger(value)) throw new CliError(`'${text}' is no size`, `give ${option} a value such as 512M or 0x1000`, exitCodes.usage)
  return value
}

export function parseCount(text: string, option: string, max = Number.MAX_SAFE_INTEGER): number {
  const value = /^0x[0-9a-f]+$|^\d+$/i.test(text) ? Number(text) : NaN
  if (!Number.isSafeInteger(value) || value > max)
    throw new CliError(`'${text}' is no whole number${max < 2 ** 53 - 1 ? ` up to ${max}` : ''}`, `give ${option} one`, exitCodes.usage)
  return value
}

export function formatBytes(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`
  }
  return `${bytes} B`
}
