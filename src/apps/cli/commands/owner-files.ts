// Files of the guest owner: read with one clear message, written so that secrets stay his.

import { chmodSync, closeSync, fchmodSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CliError } from '../errors.js'

export function readBytes(path: string, what: string): Uint8Array {
  try {
    return Uint8Array.from(readFileSync(path))
  } catch (error) {
    throw new CliError(`cannot read ${what}: ${(error as Error).message}`)
  }
}

export function readText(path: string, what: string): string {
  return Buffer.from(readBytes(path, what)).toString('utf8')
}

export function writePublic(path: string, content: Uint8Array | string): void {
  writeWithMode(path, content, 0o644)
}

/** Mode 0600 from the first moment on: the file never stands open to others, not even while it is written. */
export function writePrivate(path: string, content: Uint8Array | string): void {
  writeWithMode(path, content, 0o600)
}

function writeWithMode(path: string, content: Uint8Array | string, mode: number): void {
  const partial = `${path}.${process.pid}.partial`
  try {
    const file = openSync(partial, 'wx', mode)
    try {
      fchmodSync(file, mode)
      writeSync(file, typeof content === 'string' ? Buffer.from(content) : content)
    } finally {
      closeSync(file)
    }
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw new CliError(`cannot write ${path}: ${(error as Error).message}`)
  }
}

/** A folder of the owner's own, closed to others. */
export function privateFolder(path: string): string {
  try {
    mkdirSync(dirname(join(path, 'x')), { recursive: true, mode: 0o700 })
    chmodSync(path, 0o700)
  } catch (error) {
    throw new CliError(`cannot make the folder ${path}: ${(error as Error).message}`)
  }
  return path
}
