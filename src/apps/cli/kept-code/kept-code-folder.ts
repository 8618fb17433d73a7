// Translated code from one run of cbit to the next: files in the cache, per build of cbit, engine and processor.

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CompiledModule, compileModule, KeptCode, type KeptModule } from '../../../silicon/core/translate/kept-code.js'
import { cacheFolder } from '../cache.js'
import { chipKernels } from '../chip-kernels.js'
import { type EngineCode, engineCode } from './engine-code.js'
import { openSegment, type Payload, type Segment, type SegmentModule, writeSegment } from './segment.js'

const KEY_BYTES = 32
/** Files of a folder before they are made one. */
const SEGMENTS_MAX = 6
/** Bytes of a folder. */
const FOLDER_BYTES_MAX = 192 << 20
/** Folders: builds of cbit, versions of Node. */
const FOLDERS_MAX = 4
/** Their names: what else stands beside them is not ours. */
const FOLDER_NAME = /^[0-9a-f]{16}$/
const SUFFIX = '.kept'

/** A module from a file. V8 frees its code when no chip uses it any more. */
class FileModule implements KeptModule {
  private known: WeakRef<CompiledModule> | undefined

  constructor(
    readonly content: SegmentModule,
    private readonly engine: EngineCode,
  ) {}

  get constants(): number {
    return this.content.constants
  }

  module(): CompiledModule | undefined {
    const known = this.known?.deref()
    if (known) return known
    const payload = this.content.payload()
    if (!payload) return undefined
    const module = this.engine.deserialize(payload.code, payload.bytes) ?? compileModule(payload.bytes)
    this.known = new WeakRef(module)
    return module
  }
}

export class KeptCodeFolder {
  readonly code = new KeptCode()
  private readonly segments: Segment[] = []

  private constructor(
    private readonly folder: string,
    private readonly key: Uint8Array,
    private readonly engine: EngineCode,
  ) {
    for (const name of this.files()) this.load(join(folder, name))
  }

  /** Undefined where this engine cannot give its code away, or the folder cannot be used. `identity`: what the code depends on. */
  static open(parent: string, identity: string, engine = engineCode()): KeptCodeFolder | undefined {
    if (!engine) return undefined
    const folder = join(parent, createHash('sha256').update(identity).digest('hex').slice(0, 16))
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      const key = ownKey(parent)
      return key && new KeptCodeFolder(folder, key, engine)
    } catch (error) {
      if (isSystemError(error)) return undefined
      throw error
    }
  }

  /** Oldest first. */
  private files(): string[] {
    return readdirSync(this.folder)
      .filter((name) => name.endsWith(SUFFIX))
      .sort()
  }

  private load(file: string): void {
    let segment: Segment
    try {
      segment = openSegment(file, this.key)
    } catch (error) {
      // What cannot be read serves nobody.
      if (!(error instanceof RangeError)) throw error
      rmSync(file, { force: true })
      return
    }
    this.segments.push(segment)
    for (const content of segment.modules) {
      const module = new FileModule(content, this.engine)
      for (const region of content.regions) this.code.add({ module, region })
    }
  }

  /** Adds to the folder what this process has compiled, and what V8 has improved. Returns how many modules that were. */
  save(): number {
    const modules = [...this.fresh(), ...this.improved()]
    if (modules.length === 0) return 0
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 })
      const written = writeSegment(join(this.folder, newName()), this.key, modules)
      this.tidy()
      return written
    } catch (error) {
      // A full disk, or a folder that is gone: the next run compiles again.
      if (isSystemError(error)) return 0
      throw error
    }
  }

  /** V8 gives nothing away of a module without optimised code. */
  private fresh(): SegmentModule[] {
    return this.code.takeFresh().flatMap(({ module, bytes, constants, regions }) => {
      const optimised = this.optimised(regions.map(({ region, code }) => [region.number, code]))
      if (optimised === 0) return []
      return [{ constants, regions: regions.map(({ region }) => region), optimised, payload: () => this.payloadOf(module, bytes) }]
    })
  }

  private improved(): SegmentModule[] {
    const found: SegmentModule[] = []
    for (const [module, uses] of this.code.uses) {
      if (!(module instanceof FileModule)) continue
      const { content } = module
      const optimised = this.optimised(uses)
      if ((optimised & ~content.optimised) === 0) continue
      const payload = (): Payload | undefined => {
        const compiled = module.module()
        const bytes = content.payload()?.bytes
        return compiled && bytes && this.payloadOf(compiled, bytes)
      }
      found.push({ ...content, optimised: (optimised | content.optimised) >>> 0, payload })
    }
    return found
  }

  private optimised(exported: Iterable<readonly [number, unknown]>): number {
    let bits = 0
    for (const [number, code] of exported) if (this.engine.isOptimised(code)) bits |= 1 << number
    return bits >>> 0
  }

  private payloadOf(module: CompiledModule, bytes: Uint8Array): Payload | undefined {
    const code = this.engine.serialize(module)
    return code && { bytes, code }
  }

  /** Files become one when they are many, what is too much goes, the oldest first, and so do folders that nobody has written to for longest. */
  private tidy(): void {
    if (this.files().length > SEGMENTS_MAX) this.merge()
    const sizes = this.files().map((name) => ({ file: join(this.folder, name), bytes: statSync(join(this.folder, name)).size }))
    let sum = sizes.reduce((all, { bytes }) => all + bytes, 0)
    for (const { file, bytes } of sizes) {
      if (sum <= FOLDER_BYTES_MAX) break
      rmSync(file, { force: true })
      sum -= bytes
    }
    const now = new Date()
    utimesSync(this.folder, now, now)
    dropOldFolders(join(this.folder, '..'))
  }

  private merge(): void {
    const names = this.files()
    const segments: Segment[] = []
    try {
      for (const name of names) segments.push(openSegment(join(this.folder, name), this.key))
      writeSegment(join(this.folder, newName()), this.key, newestOf(segments.flatMap(({ modules }) => modules)))
      for (const name of names) rmSync(join(this.folder, name), { force: true })
    } catch (error) {
      // Another process may be merging too, or a file is damaged: it goes when it is next opened.
      if (!isSystemError(error) && !(error instanceof RangeError)) throw error
    } finally {
      for (const segment of segments) segment.close()
    }
  }

  close(): void {
    for (const segment of this.segments) segment.close()
    this.segments.length = 0
  }
}

/** Of modules with the same WebAssembly the last, in order; the newest of them as long as there is room. */
function newestOf(modules: readonly SegmentModule[]): SegmentModule[] {
  const kept: SegmentModule[] = []
  const seen = new Set<string>()
  let room = FOLDER_BYTES_MAX / 2
  for (const module of [...modules].reverse()) {
    const payload = module.payload()
    if (!payload) continue
    const digest = createHash('sha256').update(payload.bytes).digest('base64')
    if (seen.has(digest)) continue
    seen.add(digest)
    room -= payload.bytes.length + payload.code.length
    if (room < 0) break
    kept.push(module)
  }
  return kept.reverse()
}

let written = 0

/** In order of time; no two are alike. */
function newName(): string {
  const hex = (value: number): string => value.toString(16).padStart(12, '0')
  return `${hex(Date.now())}-${hex(written++)}-${process.pid}${SUFFIX}`
}

/** The key that files are sealed with: undefined where others than this user could have it. */
function ownKey(parent: string): Uint8Array | undefined {
  const file = join(parent, 'key')
  if (!existsSync(file)) {
    try {
      writeFileSync(file, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx' })
    } catch (error) {
      // Another process was quicker.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
  const { uid, mode } = statSync(file)
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) return undefined
  const key = readFileSync(file)
  return key.length === KEY_BYTES ? key : undefined
}

function dropOldFolders(parent: string): void {
  const folders = readdirSync(parent, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && FOLDER_NAME.test(entry.name))
    .map(({ name }) => ({ folder: join(parent, name), time: statSync(join(parent, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time)
  for (const { folder } of folders.slice(FOLDERS_MAX)) rmSync(folder, { recursive: true, force: true })
}

const isSystemError = (error: unknown): boolean => error instanceof Error && 'code' in error && 'syscall' in error

/** What a command's options say. */
export const keptCodeFor = (flags: { readonly interpret?: boolean; readonly keptCode: boolean }): KeptCodeFolder | undefined =>
  flags.interpret || !flags.keptCode ? undefined : openKeptCode()

/** The folder of this program. Undefined where it is not the program as built, whose code says what it compiles, or where CBIT_KEPT_CODE=off; any other value is the place of its folders. */
export function openKeptCode(): KeptCodeFolder | undefined {
  const place = process.env['CBIT_KEPT_CODE']
  if (place === 'off') return undefined
  const program = fileURLToPath(import.meta.url)
  if (basename(program) !== 'cbit.js') return undefined
  const { core, memory } = chipKernels()
  const build = createHash('sha256')
  for (const part of [readFileSync(program), core, memory]) build.update(part)
  const { versions, arch, execArgv } = process
  const identity = JSON.stringify([build.digest('hex'), versions.v8, arch, cpus()[0]?.model, execArgv])
  return KeptCodeFolder.open(place ? resolve(place) : join(cacheFolder(), 'kept-code'), identity)
}
