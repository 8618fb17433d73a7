// `node --import tsx bench/profile.ts`: where our own time goes while Debian's kernel boots, by part of the machine and by function.
// Needs the build (`npm run build`). Writes V8's own profile too, for a viewer.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { guestImage } from '../src/apps/cli/image/build.js'
import { cbitPeer } from './peers/cbit.js'
import { RunningGuest } from './peers/running-guest.js'
import { summarise, type V8Profile } from './profile-summary.js'
import { functionNamesOf } from './wasm-names.js'

interface Flags {
  readonly sev?: boolean
  readonly run?: string
  readonly kernel?: string
  readonly initrd?: string
  readonly top: string
  readonly keep?: string
}

const root = fileURLToPath(new URL('..', import.meta.url))

const program = new Command('profile')
  .description('Boots the default guest in cbit under the V8 profiler and says where the time went.')
  .option('--sev', 'with SEV')
  .option('--run <command>', 'run this in the shell too')
  .option('--kernel <file>', "another kernel than 'cbit image' makes; needs --initrd")
  .option('--initrd <file>', 'its initramfs')
  .option('--top <n>', 'functions to list', '30')
  .option('--keep <folder>', "leave V8's .cpuprofile here")

/**
 * The chip's kernels carry no names, so V8 knows their functions by number. A second build with names has the same functions in the same
 * order, which is checked section by section.
 */
function kernelNames(folder: string): Map<number, string>[] {
  execFileSync(process.execPath, [join(root, 'tools/build-kernel.js'), `--names=${folder}`], { stdio: 'inherit' })
  return ['core', 'memory'].map((name) => {
    const built = readFileSync(join(root, 'build/kernel', `${name}.wasm`))
    const named = readFileSync(join(folder, `${name}.wasm`))
    if (!named.subarray(0, built.length).equals(built)) throw new Error(`build/kernel/${name}.wasm is not up to date: run 'npm run build'`)
    return functionNamesOf(named)
  })
}

async function record(flags: Flags, folder: string): Promise<V8Profile> {
  const image =
    flags.kernel && flags.initrd ? { kernel: flags.kernel, initrd: flags.initrd } : await guestImage({ progress: () => undefined })
  const main = join(root, 'dist/src/apps/cli/main.js')
  const peer = cbitPeer(flags.sev ? 'sev' : 'none', `${process.execPath} --cpu-prof --cpu-prof-dir=${folder} ${main}`)
  const guest = await RunningGuest.boot(peer, {
    kernel: image.kernel,
    initrd: image.initrd,
    append: 'console=ttyS0 panic=-1',
    memoryMiB: 512,
  })
  if (flags.run) await guest.run(flags.run)
  await guest.powerOff()
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.cpuprofile'))
    .map((file) => join(folder, file))
  const largest = files.sort((a, b) => statSync(b).size - statSync(a).size)[0]
  if (!largest) throw new Error('node has left no profile')
  return JSON.parse(readFileSync(largest, 'utf8')) as V8Profile
}

async function main(flags: Flags): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'cbit-profile-'))
  try {
    const names = kernelNames(join(scratch, 'kernel'))
    const folder = flags.keep ?? join(scratch, 'profile')
    mkdirSync(folder, { recursive: true })
    process.stdout.write(summarise(await record(flags, folder), names, Number(flags.top)))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

program.parse()
main(program.opts<Flags>()).catch((error: unknown) => {
  process.stderr.write(`profile: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
})
