// Puts the default guest's initramfs together from unpacked packages.

import { readFileSync, readdirSync, existsSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { writeCpio, type ArchiveEntry } from '../../../guest/cpio.js'
import { CliError } from '../errors.js'
import { textFiles } from './init-script.js'
import { moduleName, readModuleInformation, selectModules, wantedModules, type ModuleInformation } from './modules.js'

export interface Initramfs {
  readonly archive: Uint8Array
  /** Names of the kernel modules inside. */
  readonly modules: readonly string[]
  readonly absentModules: readonly string[]
}

/** `kernelTree` and `busyboxTree` are unpacked packages; `kernelVersion` is the folder name under lib/modules; `wanted` the modules, of 64-bit kernels only. */
export function buildInitramfs(
  kernelTree: string,
  busyboxTree: string,
  kernelVersion: string,
  wanted: readonly string[] = wantedModules,
): Initramfs {
  const busybox = [join(busyboxTree, 'bin/busybox'), join(busyboxTree, 'usr/bin/busybox')].find((file) => existsSync(file))
  if (!busybox) throw new CliError('the busybox-static package has no bin/busybox')
  const entries: ArchiveEntry[] = [
    { path: 'bin/busybox', kind: 'file', mode: 0o755, data: readFileSync(busybox) },
    { path: 'bin/sh', kind: 'symlink', target: 'busybox' },
    { path: 'dev/console', kind: 'character-device', mode: 0o600, major: 5, minor: 1 },
    ...textFiles.map(({ path, mode, text }): ArchiveEntry => ({ path, kind: 'file', mode, data: new TextEncoder().encode(text) })),
    ...['proc', 'sys', 'run', 'mnt', 'root', 'usr/bin', 'usr/sbin'].map((path): ArchiveEntry => ({ path, kind: 'directory', mode: 0o755 })),
    { path: 'tmp', kind: 'directory', mode: 0o1777 },
  ]
  const tree = addModules(entries, kernelTree, kernelVersion, wanted)
  return { archive: gzipSync(writeCpio(entries), { level: 9 }), modules: tree.modules, absentModules: tree.absent }
}

function addModules(
  entries: ArchiveEntry[],
  kernelTree: string,
  kernelVersion: string,
  wanted: readonly string[],
): { modules: string[]; absent: readonly string[] } {
  const folder = [join(kernelTree, 'lib/modules', kernelVersion), join(kernelTree, 'usr/lib/modules', kernelVersion)].find((path) =>
    existsSync(path),
  )
  if (!folder) throw new CliError(`the kernel package has no lib/modules/${kernelVersion}`)
  const builtinFile = join(folder, 'modules.builtin')
  const builtin = new Set(existsSync(builtinFile) ? readFileSync(builtinFile, 'utf8').split('\n').filter(Boolean).map(moduleName) : [])
  const contents = new Map<string, Uint8Array>()
  const read = (path: string): ModuleInformation => {
    const bytes = readModule(join(folder, path))
    contents.set(path, bytes)
    const information = readModuleInformation(bytes)
    if (!information) throw new CliError(`kernel module ${path} has no .modinfo section`)
    return information
  }
  const plain = (path: string): string => path.replace(/\.(xz|zst|gz)$/, '')
  const tree = selectModules(wanted, moduleFiles(folder), builtin, read)
  const root = `lib/modules/${kernelVersion}`
  for (const path of tree.paths) entries.push({ path: `${root}/${plain(path)}`, kind: 'file', mode: 0o644, data: contents.get(path)! })
  const index = { 'modules.dep': tree.modulesDep.replace(/\.ko\.(xz|zst|gz)\b/g, '.ko'), 'modules.alias': tree.modulesAlias }
  for (const [name, text] of Object.entries(index)) {
    entries.push({ path: `${root}/${name}`, kind: 'file', mode: 0o644, data: new TextEncoder().encode(text) })
  }
  return { modules: tree.paths.map(moduleName), absent: tree.absent }
}

function moduleFiles(folder: string): string[] {
  const walk = (directory: string): string[] =>
    readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
      const path = join(directory, entry.name)
      return entry.isDirectory() ? walk(path) : /\.ko(\.(xz|zst|gz))?$/.test(entry.name) ? [relative(folder, path)] : []
    })
  return existsSync(join(folder, 'kernel')) ? walk(join(folder, 'kernel')).sort() : []
}

/** A module's ELF bytes; newer Debian releases pack modules, and the guest's modprobe is given plain ones. */
function readModule(file: string): Uint8Array {
  const tool = file.endsWith('.xz') ? 'xz' : file.endsWith('.zst') ? 'zstd' : file.endsWith('.gz') ? 'gzip' : undefined
  if (!tool) return readFileSync(file)
  const result = spawnSync(tool, ['-dc', file], { maxBuffer: 256 << 20 })
  if (result.status !== 0) throw new CliError(`cannot unpack ${file} with ${tool}`, `install ${tool === 'xz' ? 'xz-utils' : tool}`)
  return result.stdout
}
