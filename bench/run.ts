// `npm run bench`: cbit and QEMU's TCG side by side in one run. Benchmarks are no tests: nothing here fails for being slow.

import { createHash } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { CliError } from '../src/apps/cli/errors.js'
import { writeDocument } from './document.js'
import { goalsOf } from './goals.js'
import { measureMigrations, migrationGoals } from './migration.js'
import { measureSnapshots, snapshotGoals } from './snapshot.js'
import { preparedGuest, type PreparedGuest } from './guest/guest-files.js'
import { describeMachine, load } from './machine.js'
import { measure, type MeasureOptions, type Measurements } from './measure.js'
import { bochsPeer } from './peers/bochs.js'
import { cbitPeer, cbitWords } from './peers/cbit.js'
import { BenchError, type GuestFiles, type Peer, type PeerName } from './peers/peer.js'
import { qemuPeer } from './peers/qemu.js'
import { v86Peer } from './peers/v86.js'
import { type ApartRun, toJson, toText, type Report } from './report.js'
import { workloads } from './workloads/all.js'
import type { Workload } from './workloads/workload.js'

interface Flags {
  readonly quick?: boolean
  readonly json?: string
  readonly samples?: number
  readonly only?: readonly string[]
  readonly peers?: readonly string[]
  readonly kernel?: string
  readonly initrd?: string
  readonly memory: number
  readonly cbit?: string
  readonly qemu: string
  readonly docs?: boolean
  readonly processorTime?: boolean
  readonly slowSamples: number
}

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}
const words = (text: string): string[] => text.split(',').filter(Boolean)

/** What `--only` can name that is no workload of the shell. Snapshot and migration are in every full run, unless `--only` says otherwise. */
const others = ['boot', 'snapshot', 'migration'] as const

const list = workloads.map(({ name, about }) => `  ${name.padEnd(16)} ${about}`).join('\n')
const program = new Command('npm run bench --')
  .description("Measures cbit, with SEV and without, beside QEMU's TCG: same kernel, initramfs and memory, one processor, taking turns.")
  .option('--quick', 'smaller workloads, one round: under two minutes')
  .option('--json <file>', 'write every sample, median and ratio')
  .option('--samples <n>', 'rounds (default: 5, with --quick 1)', count)
  .option('--only <names>', `these workloads only, with commas between (${others.map((name) => `'${name}'`).join(', ')}: these)`, words)
  .option(
    '--peers <names>',
    'these peers only: qemu, cbit, cbit-sev, cbit-later, cbit-sev-later (the later runs find code that earlier ones kept); bochs and v86, which are measured by themselves. --quick leaves out later runs, bochs and v86',
    words,
  )
  .option('--slow-samples <n>', 'rounds with Bochs and v86', count, 1)
  .option('--kernel <file>', "another kernel than 'cbit image' makes; needs --initrd")
  .option('--initrd <file>', 'its initramfs, which must give a shell on the serial console')
  .option('--memory <mib>', 'guest memory', count, 512)
  .option('--cbit <command>', 'command that starts cbit (default: the build in dist/)')
  .option('--qemu <program>', "QEMU's program", 'qemu-system-x86_64')
  .option('--processor-time', "count the time that a peer's process spends on a processor: for a machine that is not quiet")
  .option('--docs', 'put the figures and the plot into docs/performance.md')
  .addHelpText('after', `\nWorkloads:\n${list}\n`)
  .showHelpAfterError('(--help shows what there is)')

async function main(flags: Flags): Promise<void> {
  const skipped: string[] = []
  const peers = peersOf(flags)
  const chosen = workloadsOf(flags)
  for (const peer of peers) peer.describe()
  if (flags.json) prepareOutput(flags.json)
  if ((flags.kernel === undefined) !== (flags.initrd === undefined)) throw new BenchError('give both --kernel and --initrd, or none')
  const guest64 = await preparedGuest('amd64', { kernel: flags.kernel, initrd: flags.initrd, memoryMiB: flags.memory }, progress)
  const { files } = guest64
  const samples = flags.samples ?? (flags.quick ? 1 : 5)
  const clock = flags.processorTime ? 'processor' : 'wall'
  const before = load()
  const common = { quick: flags.quick ?? false, samples, clock, progress } as const
  const boots = chosen.length > 0 || (flags.only?.includes('boot') ?? true)
  const measurements: Measurements = boots
    ? await measure({ ...common, peers, filesFor: () => files, workloads: available(chosen, guest64, skipped) })
    : { list: [], peakResidentMiB: {} }
  const apart = boots ? await measureApart(flags, chosen, guest64, skipped, { ...common, samples: flags.slowSamples }) : []
  const named = (name: (typeof others)[number], otherwise: boolean): boolean => flags.only?.includes(name) ?? otherwise
  const snapshots = named('snapshot', !flags.quick) ? await measureSnapshots({ files, samples, progress }) : []
  const migrations = named('migration', !flags.quick)
    ? await measureMigrations({ cbit: cbitWords(flags.cbit), files, samples, progress })
    : []
  const report: Report = {
    when: new Date().toISOString().slice(0, 10),
    ...{ quick: flags.quick ?? false, samples, clock, peers, measurements, apart, skipped, snapshots, migrations },
    machine: describeMachine(),
    load: { before, after: load() },
    guest: { kernel: kernelName(files.kernel), append: files.append, memoryMiB: files.memoryMiB, sha256: hashes(files) },
    goals: [
      ...goalsOf(
        measurements,
        apart.map((run) => run.measurements),
        files.memoryMiB,
      ),
      ...snapshotGoals(snapshots, clock),
      ...migrationGoals(migrations),
    ],
  }
  process.stdout.write(toText(report))
  if (flags.json) writeFileSync(flags.json, toJson(report))
  if (flags.docs) writeDocument(report)
  // A wrong result is no matter of speed.
  const all = [measurements, ...apart.map((run) => run.measurements)]
  if (all.some(({ list }) => list.some(({ agree }) => !agree))) process.exitCode = 1
}

/** The code that the guests of this run keep for later ones; of nobody else's guests. */
let keptCodeFolder: string | undefined
function keptCode(): string {
  if (keptCodeFolder) return keptCodeFolder
  const folder = mkdtempSync(join(tmpdir(), 'cbit-bench-kept-'))
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
  return (keptCodeFolder = folder)
}

const fastNames: readonly PeerName[] = ['qemu', 'cbit', 'cbit-sev', 'cbit-later', 'cbit-sev-later']
/** Later runs without SEV are there to be asked for. A quick run has no time for those that come before later ones. */
const fastNamesByDefault = (quick = false): PeerName[] =>
  fastNames.filter((name) => name !== 'cbit-later' && !(quick && name === 'cbit-sev-later'))
const slowNames: readonly PeerName[] = ['bochs', 'v86']

function peerOf(name: PeerName, { cbit: command, qemu }: Flags): Peer {
  switch (name) {
    case 'qemu':
      return qemuPeer(qemu)
    case 'cbit':
      return cbitPeer('none', { command })
    case 'cbit-sev':
      return cbitPeer('sev', { command })
    case 'cbit-later':
      return cbitPeer('none', { command, keptCode: keptCode() })
    case 'cbit-sev-later':
      return cbitPeer('sev', { command, keptCode: keptCode() })
    case 'bochs':
      return bochsPeer()
    case 'v86':
      return v86Peer()
  }
}

function peersOf(flags: Flags): Peer[] {
  const all = [...fastNames, ...slowNames]
  const unknown = flags.peers?.find((name) => !(all as readonly string[]).includes(name))
  if (unknown) throw new BenchError(`there is no peer '${unknown}': ${all.join(', ')}`)
  return fastNames.filter((name) => (flags.peers ?? fastNamesByDefault(flags.quick)).includes(name)).map((name) => peerOf(name, flags))
}

/** cbit beside Bochs, and beside v86. Where one is not installed and was not asked for, it is left out with the reason. */
async function measureApart(
  flags: Flags,
  chosen: readonly Workload[],
  guest64: PreparedGuest,
  skipped: string[],
  common: Pick<MeasureOptions, 'quick' | 'samples' | 'clock' | 'progress'>,
): Promise<ApartRun[]> {
  const wanted = flags.peers ? slowNames.filter((name) => flags.peers!.includes(name)) : flags.quick ? [] : slowNames
  const runs: ApartRun[] = []
  for (const peer of wanted.map((name) => peerOf(name, flags))) {
    try {
      const guest = peer.architecture === 'i386' ? await preparedGuest('i386', { memoryMiB: flags.memory }, progress) : guest64
      await peer.prepare?.(guest.files, progress)
      peer.describe()
      const peers = [peerOf('cbit', flags), peerOf('cbit-later', flags), peer]
      const small = common.quick || peer.apart === 'small'
      const sized = chosen.filter(({ quickSize }) => !small || quickSize > 0)
      const measurements = await measure({
        ...common,
        quick: small,
        peers,
        filesFor: (one) => (one === peer ? guest : guest64).files,
        workloads: available(available(sized, guest64, skipped), guest, skipped),
      })
      runs.push({ samples: common.samples, peers, measurements, small })
    } catch (error) {
      if (flags.peers || !(error instanceof BenchError || error instanceof CliError)) throw error
      skipped.push(`${peer.label}: ${error.message}`)
    }
  }
  return runs
}

/** The workloads whose programs the guest has; for the others the reason is noted. */
function available(list: readonly Workload[], { missing }: PreparedGuest, skipped: string[]): Workload[] {
  const reasonFor = ({ needs }: Workload): string | undefined => (needs === undefined ? undefined : missing[needs])
  for (const workload of list) {
    const reason = reasonFor(workload)
    const text = `${workload.name}: ${reason ?? ''}`
    if (reason && !skipped.includes(text)) skipped.push(text)
  }
  return list.filter((workload) => reasonFor(workload) === undefined)
}

function workloadsOf({ only, quick }: Flags): Workload[] {
  const unknown = only?.find(
    (name) => !(others as readonly string[]).includes(name) && !workloads.some((workload) => workload.name === name),
  )
  if (unknown) throw new BenchError(`there is no workload '${unknown}'; --help lists them`)
  const long = quick ? only?.find((name) => workloads.some((workload) => workload.name === name && workload.quickSize === 0)) : undefined
  if (long) throw new BenchError(`'${long}' has no quick form: leave out --quick`)
  return workloads.filter(({ name, quickSize }) => (only ? only.includes(name) : true) && !(quick && quickSize === 0))
}

/** A run takes long: a file that cannot be written is found before it. */
function prepareOutput(file: string): void {
  try {
    closeSync(openSync(file, 'a'))
  } catch (error) {
    throw new BenchError(`cannot write ${file}: ${(error as Error).message}`)
  }
}

function readFile(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw new BenchError(`cannot read ${file}: ${(error as Error).message}`)
  }
}

/** A bzImage says its version in clear: the offset of the text stands at 0x20e (Linux boot protocol, kernel_version). */
function kernelName(file: string): string {
  const bytes = readFile(file)
  if (bytes.length < 0x400 || bytes.toString('latin1', 0x202, 0x206) !== 'HdrS') throw new BenchError(`${file} is no bzImage`)
  const offset = bytes.readUInt16LE(0x20e) + 0x200
  const end = bytes.indexOf(0, offset)
  return `Linux ${bytes.toString('latin1', offset, Math.min(end, offset + 200)).split(' ')[0]}`
}

function hashes({ kernel, initrd }: GuestFiles): Record<string, string> {
  const hash = (file: string): string => createHash('sha256').update(readFile(file)).digest('hex')
  return { kernel: hash(kernel), initrd: hash(initrd) }
}

function progress(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
}

program.parse()
main(program.opts<Flags>())
  .catch((error: unknown) => {
    if (!(error instanceof Error)) throw error
    process.stderr.write(`\nbench: ${error instanceof BenchError ? error.message : error.stack}\n`)
    process.exitCode = 2
  })
  .finally(() => process.stderr.isTTY && process.stderr.write('\r\x1b[K'))
