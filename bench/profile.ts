// `node --import tsx bench/profile.ts`: where our own time goes while Debian's kernel boots or a command runs in it, by part of the machine and by function.
// Needs the build (`npm run build`). Can leave V8's own profile too, for a viewer.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { guestImage } from '../src/apps/cli/image/build.js'
import { cbitPeer } from './peers/cbit.js'
import { BenchError } from './peers/peer.js'
import { RunningGuest } from './peers/running-guest.js'
import { summarise, type V8Profile, type Window } from './profile-summary.js'

interface Flags {
  readonly sev?: boolean
  readonly from?: string
  readonly prepare?: string
  readonly run?: string
  readonly kernel?: string
  readonly initrd?: string
  readonly top: string
  readonly keep?: string
}

const root = fileURLToPath(new URL('..', import.meta.url))

const program = new Command('profile')
  .description('Boots the default guest in cbit under the V8 profiler and says where the time of the boot, or of one command, went.')
  .option('--sev', 'with SEV')
  .option('--from <text>', "leave out what comes before the guest prints this ('Linux version': its own decompression)")
  .option('--prepare <command>', 'run this in the shell first, unprofiled')
  .option('--run <command>', 'run this in the shell, and profile nothing else')
  .option('--kernel <file>', "another kernel than 'cbit image' makes; needs --initrd")
  .option('--initrd <file>', 'its initramfs')
  .option('--top <n>', 'functions to list', '30')
  .option('--keep <folder>', "leave V8's .cpuprofile here")

/** The clock of V8's samples: CLOCK_MONOTONIC in microseconds, the same in every process. */
const microseconds = (): number => Number(process.hrtime.bigint()) / 1000

async function record(flags: Flags, folder: string): Promise<{ profile: V8Profile; window: Window }> {
  const image =
    flags.kernel && flags.initrd ? { kernel: flags.kernel, initrd: flags.initrd } : await guestImage({ progress: () => undefined })
  // The modules, not the bundle: files name the parts of the machine.
  const main = join(root, 'dist/src/apps/cli/main.js')
  const preload = fileURLToPath(new URL('profile-preload.js', import.meta.url))
  const peer = cbitPeer(flags.sev ? 'sev' : 'none', {
    command: `${process.execPath} --cpu-prof --cpu-prof-dir=${folder} --import ${preload} ${main}`,
  })
  const window = { from: 0, to: Infinity }
  let text = ''
  const listen = (chunk: string): void => {
    if (flags.from === undefined || window.from > 0) return
    text += chunk
    if (text.includes(flags.from)) window.from = microseconds()
  }
  const files = { kernel: image.kernel, initrd: image.initrd, append: 'console=ttyS0 panic=-1', memoryMiB: 512 }
  const guest = await RunningGuest.boot(peer, files, listen)
  if (flags.from !== undefined && window.from === 0) throw new BenchError(`the guest has not printed '${flags.from}'`)
  window.to = microseconds()
  if (flags.prepare) await guest.run(flags.prepare)
  if (flags.run) {
    window.from = microseconds()
    await guest.run(flags.run)
    window.to = microseconds()
  }
  await guest.powerOff()
  return { profile: largestProfile(folder), window }
}

function largestProfile(folder: string): V8Profile {
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.cpuprofile'))
    .map((file) => join(folder, file))
  const largest = files.sort((a, b) => statSync(b).size - statSync(a).size)[0]
  if (!largest) throw new BenchError('node has left no profile')
  return JSON.parse(readFileSync(largest, 'utf8')) as V8Profile
}

async function main(flags: Flags): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'cbit-profile-'))
  try {
    const folder = flags.keep ?? join(scratch, 'profile')
    mkdirSync(folder, { recursive: true })
    const { profile, window } = await record(flags, folder)
    process.stdout.write(summarise(profile, window, Number(flags.top)))
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

program.parse()
main(program.opts<Flags>()).catch((error: unknown) => {
  process.stderr.write(`profile: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(2)
})
