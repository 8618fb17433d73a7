// Debian packages (deb(5)) to folders, by dpkg-deb and tar.

import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { CliError } from '../errors.js'

/** Large parts of Debian's kernel package that no guest here can use; leaving them out saves 300 MB of temporary space. */
const leftOut = [
  'drivers/gpu',
  'drivers/media',
  'drivers/net/wireless',
  'drivers/net/ethernet',
  'drivers/infiniband',
  'drivers/staging',
  'drivers/iio',
  'sound',
]

/** Unpacks a Debian package's files into `target`, over what is there. */
export function unpack(file: string, target: string): Promise<string> {
  mkdirSync(target, { recursive: true })
  return new Promise((resolve, reject) => {
    const read = spawn('dpkg-deb', ['--fsys-tarfile', file], { stdio: ['ignore', 'pipe', 'pipe'] })
    const excluded = leftOut.map((name) => `--exclude=*/kernel/${name}`)
    const write = spawn('tar', ['-x', '-f', '-', '-C', target, '--no-same-owner', ...excluded], { stdio: ['pipe', 'ignore', 'pipe'] })
    let errors = ''
    const fail = (error: Error): void =>
      reject(new CliError(`cannot unpack ${file}: ${error.message}`, 'dpkg-deb and tar must be installed'))
    for (const child of [read, write]) {
      child.on('error', fail)
      child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')))
    }
    write.stdin.on('error', () => undefined)
    read.stdout.pipe(write.stdin)
    let readCode: number | null = 0
    read.on('close', (code) => (readCode = code))
    write.on('close', (code) =>
      code === 0 && readCode === 0 ? resolve(target) : fail(new Error(errors.trim().split('\n')[0] ?? `exit code ${code}`)),
    )
  })
}
