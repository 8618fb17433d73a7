// Where cbit keeps what it can make again: $CBIT_CACHE, else $XDG_CACHE_HOME/cbit, else ~/.cache/cbit.

import { accessSync, constants, mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { CliError } from './errors.js'

export function cacheFolder(): string {
  const own = process.env['CBIT_CACHE']
  if (own) return resolve(own)
  const xdg = process.env['XDG_CACHE_HOME']
  // The XDG base directory specification says that a relative value is to be ignored.
  return join(xdg && isAbsolute(xdg) ? xdg : join(homedir(), '.cache'), 'cbit')
}

/** Makes `folder` and checks that files can be made in it. */
export function writableFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true })
    accessSync(folder, constants.W_OK | constants.X_OK)
    return folder
  } catch (error) {
    throw new CliError(`cannot write to the cache ${folder}: ${(error as Error).message}`, 'set CBIT_CACHE to a folder that is writable')
  }
}
