import { ImageError } from '../image-error.js'
import type { Symbol } from './symbol-table.js'

/** System.map and /proc/kallsyms: a line a symbol, `address type name` (nm(1)), the latter with `[module]` behind. Only code is taken. */
export function parseSystemMap(text: string): Symbol[] {
  const symbols: Symbol[] = []
  for (const line of text.split('\n')) {
    const match = /^([0-9a-f]{1,16}) ([a-zA-Z]) (\S+)(?:\s+(\[[\w-]+\]))?$/.exec(line)
    if (!match || !/[tTwW]/.test(match[2]!)) continue
    symbols.push({ address: BigInt(`0x${match[1]}`), name: match[4] ? `${match[3]} ${match[4]}` : match[3]! })
  }
  if (symbols.length === 0) throw new ImageError('wrong-format', 'no System.map: it has no line of the form "address T name"')
  // Without the right to see addresses, /proc/kallsyms shows them all as zero.
  if (symbols.every(({ address }) => address === 0n))
    throw new ImageError('malformed', 'all symbols are at address 0: the list was read without root')
  return symbols
}
