// The default guest image: Debian's kernel and a busybox initramfs, built once and kept in the cache.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder, writableFolder } from '../cache.js'
import { CliError } from '../errors.js'
import { Apt, machineRelease, machineSources, type Architecture, type FetchedPackage, type Progress } from './apt.js'
import { buildInitramfs } from './initramfs.js'
import { mirrorSource, type Source } from './sources.js'
import { unpack } from './unpack.js'

/** Counts up when the content of the image changes for another reason than new packages. */
const imageFormat = 1

export interface Manifest {
  readonly format: number
  readonly suite: string
  readonly mirror: string
  readonly kernelVersion: string
  readonly packages: readonly { readonly name: string; readonly version: string; readonly sha256: string }[]
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>
  readonly modules: readonly string[]
}

export interface GuestImage {
  readonly folder: string
  readonly kernel: string
  readonly initrd: string
  readonly manifest: Manifest
}

export interface ImageOptions {
  /** Debian release; the machine's own, or bookworm. */
  readonly suite?: string | undefined
  /** Base URL of a mirror, in place of the machine's configuration. */
  readonly mirror?: string | undefined
  /** Fetch and build even where an image is in the cache. */
  readonly refresh?: boolean | undefined
  /** Default: amd64, the one that cbit boots. */
  readonly architecture?: Architecture | undefined
  readonly progress: Progress
}

const kernels: Readonly<Record<Architecture, string>> = { amd64: 'linux-image-amd64', i386: 'linux-image-686' }

/** Folder name of a suite's image, and of the apt root that it is made with. */
const nameOf = (suite: string, architecture: Architecture = 'amd64'): string =>
  architecture === 'amd64' ? suite : `${suite}-${architecture}`

/** The image in the cache, or undefined. */
export function cachedImage(suite: string, architecture?: Architecture): GuestImage | undefined {
  const folder = join(cacheFolder(), 'images', nameOf(suite, architecture))
  const manifestFile = join(folder, 'manifest.json')
  if (!existsSync(manifestFile)) return undefined
  try {
    const manifest = JSON.parse(readFileSync(manifestFile, 'utf8')) as Manifest
    const image = { folder, kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initramfs.cpio.gz'), manifest }
    const whole = existsSync(image.kernel) && existsSync(image.initrd)
    return manifest.format === imageFormat && whole ? image : undefined
  } catch {
    return undefined
  }
}

/** The default guest image, from the cache or built now. */
export async function guestImage(options: ImageOptions): Promise<GuestImage> {
  const suite = options.suite ?? machineRelease()
  if (!/^[a-z][a-z-]*$/.test(suite)) throw new CliError(`'${suite}' is no Debian release`, 'give a code name such as bookworm')
  if (process.platform !== 'linux') {
    throw new CliError('images are built with apt, which this system does not have', 'give --kernel FILE and --initrd FILE')
  }
  const cached = options.refresh ? undefined : cachedImage(suite, options.architecture)
  return cached ?? (await buildImage(suite, options))
}

/**
 * A private apt root for the packages of `suite`, its index fresh. Mirrors are careless with the security updates of 32-bit systems; for a comparison the
 * release without them serves as well, so there, and only there, they may be missing.
 */
export async function aptFor(suite: string, options: ImageOptions): Promise<{ readonly apt: Apt; readonly sources: readonly Source[] }> {
  const { architecture = 'amd64', mirror, progress } = options
  const folder = join(writableFolder(cacheFolder()), 'apt', nameOf(suite, architecture))
  const all = mirror ? mirrorSources(mirror, suite) : machineSources(suite)
  const apt = new Apt(folder, all, progress, architecture)
  try {
    await apt.update()
    return { apt, sources: all }
  } catch (error) {
    const sources = all.filter((source) => source.suite === suite)
    if (architecture === 'amd64' || sources.length === all.length) throw error
    progress(`${(error as Error).message}; going on without updates`)
    const alone = new Apt(folder, sources, progress, architecture)
    await alone.update()
    return { apt: alone, sources }
  }
}

async function buildImage(suite: string, options: ImageOptions): Promise<GuestImage> {
  const cache = writableFolder(cacheFolder())
  const { apt, sources } = await aptFor(suite, options)
  const kernelName = kernels[options.architecture ?? 'amd64']
  const work = mkdtempSync(join(cache, 'build-'))
  try {
    const kernelPackage = (await apt.dependencies(kernelName)).find((name) => name.startsWith('linux-image-'))
    if (!kernelPackage) throw new CliError(`the suite ${suite} has no ${kernelName}`, 'try --suite bookworm')
    const packages = [await apt.download(kernelPackage), await apt.download('busybox-static')] as const
    const output = await assemble(work, packages, suite, sources, options)
    return install(output, join(cache, 'images', nameOf(suite, options.architecture)))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function mirrorSources(mirror: string, suite: string): Source[] {
  if (!/^(https?|file):\/\/\S+$/.test(mirror))
    throw new CliError(`'${mirror}' is no mirror URL`, 'give the URL of a Debian archive, the folder that holds dists/')
  return [mirrorSource(mirror, suite)]
}

async function assemble(
  work: string,
  packages: readonly [FetchedPackage, FetchedPackage],
  suite: string,
  sources: readonly Source[],
  { progress, architecture = 'amd64' }: ImageOptions,
): Promise<string> {
  const [kernelPackage, busyboxPackage] = packages
  progress(`unpacking ${kernelPackage.name}`)
  const kernelTree = await unpack(kernelPackage.file, join(work, 'kernel'))
  const busyboxTree = await unpack(busyboxPackage.file, join(work, 'busybox'))
  const kernelFile = readdirSync(join(kernelTree, 'boot')).find((name) => name.startsWith('vmlinuz-'))
  if (!kernelFile) throw new CliError(`${kernelPackage.name} has no boot/vmlinuz`)
  const kernelVersion = kernelFile.slice('vmlinuz-'.length)
  progress('writing the initramfs')
  const initramfs = buildInitramfs(kernelTree, busyboxTree, kernelVersion, architecture === 'amd64' ? undefined : [])

  const output = join(work, 'image')
  mkdirSync(output)
  const files = { vmlinuz: readFileSync(join(kernelTree, 'boot', kernelFile)), 'initramfs.cpio.gz': initramfs.archive }
  const manifest: Manifest = {
    format: imageFormat,
    suite,
    mirror: sources[0]!.uri,
    kernelVersion,
    packages: packages.map(({ name, version, file }) => ({ name, version, sha256: sha256(readFileSync(file)) })),
    files: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, { bytes: bytes.length, sha256: sha256(bytes) }])),
    modules: initramfs.modules,
  }
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(output, name), bytes)
  writeFileSync(join(output, 'manifest.json'), JSON.stringify(manifest, null, 2) + '\n')
  return output
}

/** Moves a finished folder into place; a reader sees the old image or the new one. */
function install(output: string, folder: string): GuestImage {
  mkdirSync(join(folder, '..'), { recursive: true })
  const old = `${folder}.old-${process.pid}`
  if (existsSync(folder)) renameSync(folder, old)
  renameSync(output, folder)
  rmSync(old, { recursive: true, force: true })
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest
  return { folder, kernel: join(folder, 'vmlinuz'), initrd: join(folder, 'initramfs.cpio.gz'), manifest }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
