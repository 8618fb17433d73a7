// Where the control sockets of running VMs stand: a folder that only their owner may enter.

import { chmodSync, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { cacheFolder } from '../cache.js'
import { CliError } from '../errors.js'

/** A socket's path must fit sockaddr_un (108 bytes on Linux, 104 elsewhere). */
const pathBytesMax = 100

export function socketFolder(): string {
  const runtime = process.env['XDG_RUNTIME_DIR']
  const wanted = runtime && existsSync(runtime) ? join(runtime, 'cbit') : join(cacheFolder(), 'run')
  return Buffer.byteLength(join(wanted, 'x'.repeat(32))) <= pathBytesMax ? wanted : join(tmpdir(), `cbit-${userInfo().uid}`)
}

/** Makes the folder, closed to others. */
export function ownSocketFolder(): string {
  const folder = socketFolder()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const owner = statSync(folder).uid
  if (process.getuid && owner !== process.getuid())
    throw new CliError(`${folder} belongs to somebody else`, 'set XDG_RUNTIME_DIR to a folder of your own')
  chmodSync(folder, 0o700)
  return folder
}

export function socketPath(name: string): string {
  return join(socketFolder(), `${name}.sock`)
}

/** Names of the VMs that have a socket; some may be dead. */
export function socketNames(): string[] {
  const folder = socketFolder()
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sock'))
    .map((name) => name.slice(0, -'.sock'.length))
    .sort()
}
