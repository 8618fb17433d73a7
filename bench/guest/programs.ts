// The programs that the bench runs in its guests beside busybox: from Debian's packages, and small C programs of our own that gcc builds here. They come as a second
// archive behind the default initramfs, not compressed, so that unpacking it costs next to nothing.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from '../../src/apps/cli/cache.js'
import { machineRelease, type Architecture, type Progress } from '../../src/apps/cli/image/apt.js'
import { aptFor } from '../../src/apps/cli/image/build.js'
import { unpack } from '../../src/apps/cli/image/unpack.js'
import { writeCpio, type ArchiveEntry } from '../../src/guest/index.js'
import { elfNeeds } from './elf-needs.js'

/** Counts up when the archive's content changes for another reason than its sources or packages. */
const format = 2
const packages = ['xz-utils', 'sqlite3', 'python3-minimal', '7zip', 'openssl'] as const

/** Where each program lies in its package; the first that exists. */
const debianPrograms: Readonly<Record<string, readonly RegExp[]>> = {
  xz: [/^usr\/bin\/xz$/],
  sqlite3: [/^usr\/bin\/sqlite3$/],
  python3: [/^usr\/bin\/python3\.\d+$/],
  '7zz': [/^usr\/lib\/7zip\/7zz$/, /^usr\/bin\/7zz$/],
  openssl: [/^usr\/bin\/openssl$/],
}

const ownPrograms = ['float-kernels', 'system-loops'] as const
const scripts = ['integer.py', 'float.py', 'mix.sql'] as const

/** A 32-bit build computes in SSE2 too: in x87 its results would have other last digits. */
const compilerWords: Readonly<Record<Architecture, readonly string[]>> = {
  amd64: ['-m64'],
  i386: ['-m32', '-march=i686', '-msse2', '-mfpmath=sse'],
}

export interface GuestPrograms {
  /** The cpio archive. */
  readonly archive: string
  /** Programs that are not in it, each with the reason. */
  readonly missing: Readonly<Record<string, string>>
}

/** The archive for guests of `architecture`, from the cache or made now. */
export async function guestPrograms(architecture: Architecture, progress: Progress): Promise<GuestPrograms> {
  const own = compileOwn(architecture)
  const key = createHash('sha256').update(JSON.stringify([format, packages, machineRelease()]))
  const ours = new Map([...own.built, ...scripts.map((name): [string, Uint8Array] => [name, readFileSync(new URL(name, import.meta.url))])])
  for (const [name, bytes] of ours) key.update(name).update(bytes)
  const folder = join(cacheFolder(), 'bench', architecture)
  const archive = join(folder, `programs-${key.digest('hex').slice(0, 16)}.cpio`)
  if (!existsSync(archive)) {
    const entries = [...(await debianEntries(architecture, progress)), programEntry('seed', await seed(progress))]
    for (const [name, bytes] of ours) entries.push(programEntry(name, bytes))
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${archive}.${process.pid}`, writeCpio(entries))
    renameSync(`${archive}.${process.pid}`, archive)
  }
  return { archive, missing: own.missing }
}

const programEntry = (name: string, data: Uint8Array): ArchiveEntry => ({ path: `bench/${name}`, kind: 'file', mode: 0o755, data })

function compileOwn(architecture: Architecture): { built: Map<string, Uint8Array>; missing: Record<string, string> } {
  const built = new Map<string, Uint8Array>()
  const missing: Record<string, string> = {}
  const work = mkdtempSync(join(mkdirs(join(cacheFolder(), 'bench')), 'compile-'))
  try {
    for (const name of ownPrograms) {
      const source = fileURLToPath(new URL(`${name}.c`, import.meta.url))
      const output = join(work, name)
      const words = ['-O2', '-static', '-s', ...compilerWords[architecture], '-Wl,--build-id=none', '-o', output, source, '-lm']
      const { status, error, stderr } = spawnSync('gcc', words, { encoding: 'utf8' })
      if (status === 0) built.set(name, readFileSync(output))
      else if (error) missing[name] = 'gcc is not installed'
      else if (architecture === 'i386' && /cannot find|sys\/cdefs|skipping incompatible/.test(stderr))
        missing[name] = 'gcc builds no 32-bit programs here (package gcc-multilib)'
      else missing[name] = `gcc does not build it: ${stderr.trim().split('\n')[0] ?? ''}`
    }
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return { built, missing }
}

function mkdirs(folder: string): string {
  mkdirSync(folder, { recursive: true })
  return folder
}

async function debianEntries(architecture: Architecture, progress: Progress): Promise<ArchiveEntry[]> {
  const suite = machineRelease()
  const { apt } = await aptFor(suite, { architecture, progress })
  const fetched = await apt.downloadAll(packages)
  const tree = mkdtempSync(join(mkdirs(join(cacheFolder(), 'bench')), 'unpack-'))
  try {
    for (const { name, file } of fetched) {
      progress(`unpacking ${name}`)
      await unpack(file, tree)
    }
    return entriesFrom(tree)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** Bytes that the workloads compress and hash, the same on every architecture: 64-bit busybox. */
async function seed(progress: Progress): Promise<Uint8Array> {
  const { apt } = await aptFor(machineRelease(), { progress })
  const { file } = await apt.download('busybox-static')
  const tree = mkdtempSync(join(mkdirs(join(cacheFolder(), 'bench')), 'unpack-'))
  try {
    await unpack(file, tree)
    const path = filesUnder(tree).find((name) => /^(usr\/)?bin\/busybox$/.test(name))
    if (!path) throw new Error('the package busybox-static has no busybox')
    return readFileSync(join(tree, path))
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

function entriesFrom(tree: string): ArchiveEntry[] {
  const files = filesUnder(tree)
  const entries: ArchiveEntry[] = []
  const libraries = new Map(
    files.filter((path) => /\.so[.\d]*$/.test(path) && /^(usr\/)?lib/.test(path)).map((path) => [basename(path), path]),
  )
  const taken = new Set<string>()
  const take = (path: string, to: string): void => {
    if (taken.has(to)) return
    taken.add(to)
    const data = readFileSync(join(tree, path))
    entries.push({ path: to, kind: 'file', mode: 0o755, data })
    const needs = elfNeeds(data)
    if (needs.loader) take(libraries.get(basename(needs.loader))!, needs.loader.slice(1))
    for (const name of needs.libraries) {
      const library = libraries.get(name)
      if (!library) throw new Error(`${path} needs ${name}, which is in none of the packages`)
      // The loader looks into /lib whatever the architecture (ld.so(8)).
      if (!/^ld-linux/.test(name)) take(library, `lib/${name}`)
    }
  }
  for (const [name, patterns] of Object.entries(debianPrograms)) {
    const path = patterns.flatMap((pattern) => files.filter((file) => pattern.test(file)))[0]
    if (!path) throw new Error(`the packages have no ${name}`)
    take(path, `bench/${name}`)
  }
  for (const path of files.filter((file) => /^usr\/lib\/python3\.\d+\/.*\.py$/.test(file) && !/\/(test|dist-packages)\//.test(file))) {
    entries.push({ path, kind: 'file', mode: 0o644, data: readFileSync(join(tree, path)) })
  }
  const library = entries.map(({ path }) => /^usr\/lib\/python3\.\d+\//.exec(path)?.[0]).find((path) => path !== undefined)
  // Python looks for it, and says so where it is missing.
  if (library) entries.push({ path: `${library}lib-dynload`, kind: 'directory', mode: 0o755 })
  return entries
}

/** Plain files and links to files, by paths without a leading slash. */
function filesUnder(root: string, under = ''): string[] {
  return readdirSync(join(root, under), { withFileTypes: true }).flatMap((entry) => {
    const path = under ? `${under}/${entry.name}` : entry.name
    if (entry.isDirectory()) return filesUnder(root, path)
    if (entry.isFile()) return [path]
    return entry.isSymbolicLink() && existsSync(join(root, path)) && statSync(join(root, path)).isFile() ? [path] : []
  })
}
