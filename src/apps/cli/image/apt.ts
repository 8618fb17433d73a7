// Fetches Debian packages with apt-get in a folder of our own: no root, and nothing of the machine's package state is
// touched. apt checks the archive's signatures against Debian's keyring and each package against the signed index.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from '../errors.js'
import { debianSources, defaultSuite, parseDeb822Sources, parseSourcesList, writeSourcesList, type Source } from './sources.js'

const keyringFile = '/usr/share/keyrings/debian-archive-keyring.gpg'

export interface FetchedPackage {
  readonly name: string
  readonly version: string
  /** The .deb file. */
  readonly file: string
}

export type Progress = (message: string) => void

/** Debian's names. cbit boots amd64; whoever compares it with a 32-bit machine wants the other. */
export type Architecture = 'amd64' | 'i386'

/** The release that packages are taken from: the machine's own where it runs Debian. */
export function machineRelease(): string {
  if (!existsSync('/etc/os-release')) return defaultSuite
  const text = readFileSync('/etc/os-release', 'utf8')
  const value = (name: string): string | undefined => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1]
  return value('ID') === 'debian' ? (value('VERSION_CODENAME') ?? defaultSuite) : defaultSuite
}

/** The machine's own sources for `release`. Throws CliError where its configuration names none. */
export function machineSources(release: string): Source[] {
  const folder = '/etc/apt/sources.list.d'
  const files = ['/etc/apt/sources.list', ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [])]
  const all = files
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8')
      return file.endsWith('.sources') ? parseDeb822Sources(text) : file.endsWith('.list') ? parseSourcesList(text) : []
    })
  const own = debianSources(all, release)
  if (own.length > 0) return own
  throw new CliError(`this machine's apt configuration names no Debian archive with ${release}`, 'name one: cbit image --mirror URL')
}

/** A private apt root under `folder`. */
export class Apt {
  private readonly options: string[]

  constructor(
    private readonly folder: string,
    private readonly sources: readonly Source[],
    private readonly progress: Progress,
    private readonly architecture: Architecture = 'amd64',
  ) {
    const at = (name: string): string => join(folder, name)
    this.options = [
      `Dir::State=${at('state')}`,
      `Dir::State::lists=${at('lists')}`,
      `Dir::State::status=${at('state/status')}`,
      `Dir::Cache=${at('cache')}`,
      `Dir::Etc::SourceList=${at('sources.list')}`,
      'Dir::Etc::SourceParts=/dev/null',
      'Dir::Etc::Preferences=/dev/null',
      'Dir::Etc::PreferencesParts=/dev/null',
      'Dir::Etc::Trusted=/dev/null',
      'Dir::Etc::TrustedParts=/dev/null',
      `APT::Architecture=${architecture}`,
      `APT::Architectures::=${architecture}`,
      'APT::Sandbox::User=',
      'APT::Update::Post-Invoke=',
      'APT::Update::Post-Invoke-Success=',
      'Acquire::Languages=none',
      'Acquire::Retries=2',
      'Acquire::AllowInsecureRepositories=false',
      'APT::Get::AllowUnauthenticated=false',
    ].flatMap((option) => ['-o', option])
  }

  /** Refreshes the signed indexes. */
  async update(): Promise<void> {
    for (const name of ['state', 'lists/partial', 'cache/archives/partial']) mkdirSync(join(this.folder, name), { recursive: true })
    if (!existsSync(keyringFile) && this.sources.some((source) => !source.signedBy)) {
      throw new CliError(`${keyringFile} is missing, so packages cannot be verified`, 'install the package debian-archive-keyring')
    }
    writeFileSync(join(this.folder, 'sources.list'), writeSourcesList(this.sources, keyringFile, this.architecture))
    writeFileSync(join(this.folder, 'state/status'), '')
    this.progress(`reading the package index of ${this.sources[0]!.uri} ${this.sources[0]!.suite}`)
    await this.run('apt-get', ['update', '--error-on=any'], this.folder)
  }

  /** The packages that `name` depends on directly. */
  async dependencies(name: string): Promise<string[]> {
    const output = await this.run('apt-cache', ['depends', '--important', name], this.folder)
    return [...output.matchAll(/^\s+Depends: ([^\s<>]+)$/gm)].map((match) => match[1]!)
  }

  /** Downloads the newest version of `name` into the private cache; apt verifies it against the signed index. */
  async download(name: string): Promise<FetchedPackage> {
    const shown = await this.run('apt-cache', ['show', '--no-all-versions', name], this.folder)
    const version = /^Version: (\S+)$/m.exec(shown)?.[1]
    const fileName = /^Filename: (\S+)$/m.exec(shown)?.[1]
    const size = Number(/^Size: (\d+)$/m.exec(shown)?.[1] ?? 0)
    if (!version || !fileName) throw new CliError(`the package index has no package '${name}'`, 'try again with --suite bookworm')
    this.progress(`fetching ${name} ${version} (${(size / 1e6).toFixed(1)} MB)`)
    await this.run('apt-get', ['download', `${name}=${version}`], join(this.folder, 'cache/archives'))
    return { name, version, file: this.archive(name, version) }
  }

  /** Downloads `names` and all that they need, as if nothing were installed. */
  async downloadAll(names: readonly string[]): Promise<FetchedPackage[]> {
    const words = ['-y', '--no-install-recommends', ...names]
    const simulated = await this.run('apt-get', ['install', '--simulate', ...words], this.folder)
    const wanted = [...simulated.matchAll(/^Inst ([^\s:]+)\S* \((\S+)/gm)]
    this.progress(`fetching ${wanted.length} packages`)
    await this.run('apt-get', ['install', '--download-only', ...words], this.folder)
    return wanted.map(([, name, version]) => ({ name: name!, version: version!, file: this.archive(name!, version!) }))
  }

  private archive(name: string, version: string): string {
    const folder = join(this.folder, 'cache/archives')
    const start = `${name}_${version.replaceAll(':', '%3a')}_`
    const file = readdirSync(folder).find((entry) => entry.startsWith(start) && entry.endsWith('.deb'))
    if (!file) throw new CliError(`apt-get reported success, but ${name} ${version} is not in ${folder}`)
    return join(folder, file)
  }

  private async run(command: string, words: string[], cwd: string): Promise<string> {
    const { code, output, errors } = await runCommand(command, [...this.options, '-q', ...words], cwd)
    if (code === 0) return output
    const lines = errors.split('\n').filter((line) => /^(E|W|Err):/.test(line))
    const reason = (
      lines.find((line) => line.startsWith('E:') && /resolve|connect|timed out|Failed to fetch/i.test(line)) ??
      lines[0] ??
      errors.trim()
    ).trim()
    throw new CliError(
      `${command} ${words[0]} failed: ${reason || `exit code ${code}`}`,
      'check the network and the mirror, or give --mirror URL',
    )
  }
}

export interface CommandResult {
  readonly code: number
  readonly output: string
  readonly errors: string
}

/** Runs a program with no shell and collects its output. */
export function runCommand(command: string, words: readonly string[], cwd?: string): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const environment = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
    const child = spawn(command, words, { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')))
    child.on('error', (error: NodeJS.ErrnoException) => {
      const missing = error.code === 'ENOENT'
      reject(
        missing ? new CliError(`the program '${command}' is needed and not installed`, 'on Debian: apt install apt dpkg xz-utils') : error,
      )
    })
    child.on('close', (code) => resolve({ code: code ?? 1, output, errors }))
  })
}
