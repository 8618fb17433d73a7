// The key that two machines share for a migration, and where a machine waits.

import { randomBytes } from 'node:crypto'
import { readText, writePrivate } from '../commands/owner-files.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import type { PipeAddress } from './tls-pipe.js'

const keyBytes = 32

/** 64 hexadecimal digits, readable by their owner only. */
export function makeKeyFile(file: string): void {
  writePrivate(file, randomBytes(keyBytes).toString('hex') + '\n')
}

export function parseKey(text: string): Uint8Array | undefined {
  return /^[0-9a-f]{64}$/.test(text.trim()) ? Uint8Array.from(Buffer.from(text.trim(), 'hex')) : undefined
}

export function readKeyFile(file: string | undefined): Uint8Array {
  if (file === undefined)
    throw new CliError(
      'a migration needs a key that both machines have',
      "make one with 'cbit migrate --new-key FILE' and give both --key FILE",
      exitCodes.usage,
    )
  const key = parseKey(readText(file, 'the key of the migration'))
  if (!key) throw new CliError(`${file} holds no key of a migration`, "'cbit migrate --new-key FILE' makes one")
  return key
}

/** `HOST:PORT`, `[IPv6]:PORT`, with `tls:` before it or without. */
export function parseAddress(text: string, option: string): PipeAddress {
  const match = /^(?:tls:)?(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3] ?? NaN)
  if (!match || port > 65535) throw new CliError(`'${text}' is no address`, `give ${option} HOST:PORT`, exitCodes.usage)
  return { host: (match[1] ?? match[2])!, port }
}

export function formatAddress({ host, port }: PipeAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
