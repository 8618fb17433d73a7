// v86 (BSD-2-Clause), the x86 emulator on WebAssembly that people know, in Node as in a browser. It is a 32-bit machine: it runs the same programs built for i386.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { cacheFolder } from '../../src/apps/cli/cache.js'
import { BenchError, type Peer } from './peer.js'

/** Kept to one version, so that figures can be compared. */
const version = '0.5.462'
const program = fileURLToPath(new URL('v86-machine.js', import.meta.url))
/** Debian's package seabios; v86's own package has no firmware. */
const bios = '/usr/share/seabios/bios.bin'
const vgaBios = '/usr/share/seabios/vgabios-stdvga.bin'

export function v86Peer(): Peer {
  const root = join(cacheFolder(), 'bench', 'v86')
  const folder = join(root, 'node_modules', 'v86')
  const installed = (): string | undefined =>
    existsSync(join(folder, 'package.json'))
      ? (JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }).version
      : undefined
  return {
    name: 'v86',
    label: 'v86, 32-bit',
    apart: 'full',
    architecture: 'i386',
    command: ({ kernel, initrd, append, memoryMiB }) => [
      process.execPath,
      ...[program, folder, bios, vgaBios, kernel, initrd, String(memoryMiB), append],
    ],
    async prepare(_, progress) {
      if (!existsSync(bios) || !existsSync(vgaBios)) throw new BenchError("its firmware is not installed: 'apt install seabios'")
      if (installed() === version) return
      progress(`installing v86 ${version} into ${root}`)
      mkdirSync(root, { recursive: true })
      try {
        await promisify(execFile)('npm', [
          'install',
          '--prefix',
          root,
          '--no-save',
          '--no-audit',
          '--no-fund',
          '--ignore-scripts',
          `v86@${version}`,
        ])
      } catch (error) {
        throw new BenchError(`npm cannot install v86: ${(error as Error).message.trim().split('\n').at(-1) ?? ''}`)
      }
    },
    describe: () => `v86 ${installed() ?? version} on Node.js ${process.versions.node}`,
  }
}
