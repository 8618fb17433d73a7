// `npm run bench`: cbit and QEMU's TCG side by side in one run. Benchmarks are no tests: nothing here fails for being slow.

import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { guestImage } from '../src/apps/cli/image/build.js'
import { writeDocument } from './document.js'
import { goalsOf } from './goals.js'
import { describeMachine, load } from './machine.js'
import { measure } from './measure.js'
import { cbitPeer } from './peers/cbit.js'
import { BenchError, type GuestFiles, type Peer, type PeerName } from './peers/peer.js'
import { qemuPeer } from './peers/qemu.js'
import { toJson, toText, type Report } from './report.js'
import { workloads, type Workload } from './workloads.js'

interface Flags {
  readonly quick?: boolean
  readonly json?: string
  readonly samples?: number
  readonly only?: readonly string[]
  readonly peers: readonly string[]
  readonly kernel?: string
  readonly initrd?: string
  readonly memory: number
  readonly cbit?: string
  readonly qemu: string
  readonly docs?: boolean
  readonly processorTime?: boolean
}

const count = (text: string): number => {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('It must be a whole number above 0.')
  return value
}
const words = (text: string): string[] => text.split(',').filter(Boolean)

const list = workloads.map(({ name, about }) => `  ${name.padEnd(16)} ${about}`).join('\n')
const program = new Command('npm run bench --')
  .description("Measures cbit, with SEV and without, beside QEMU's TCG: same kernel, initramfs and memory, one processor, taking turns.")
  .option('--quick', 'smaller workloads, one round: under two minutes')
  .option('--json <file>', 'write every sample, median and ratio')
  .option('--samples <n>', 'rounds (default: 5, with --quick 1)', count)
  .option('--only <names>', `these workloads only, with commas between ('boot' for none of them)`, words)
  .option('--peers <names>', 'these peers only', words, ['qemu', 'cbit', 'cbit-sev'])
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
  const peers = peersOf(flags)
  const chosen = workloadsOf(flags)
  for (const peer of peers) peer.describe()
  if (flags.json) prepareOutput(flags.json)
  const files = await guestFiles(flags)
  const guest = { kernel: kernelName(files.kernel), append: files.append, memoryMiB: files.memoryMiB, sha256: hashes(files) }
  const samples = flags.samples ?? (flags.quick ? 1 : 5)
  const before = load()
  const clock = flags.processorTime ? 'processor' : 'wall'
  const measurements = await measure({ peers, files, workloads: chosen, quick: flags.quick ?? false, samples, clock, progress })
  const report: Report = {
    when: new Date().toISOString().slice(0, 10),
    quick: flags.quick ?? false,
    samples,
    clock,
    machine: describeMachine(),
    load: { before, after: load() },
    guest,
    peers,
    measurements,
    goals: goalsOf(measurements, files.memoryMiB),
  }
  process.stdout.write(toText(report))
  if (flags.json) writeFileSync(flags.json, toJson(report))
  if (flags.docs) writeDocument(report)
  // A wrong result is no matter of speed.
  if (measurements.list.some(({ agree }) => !agree)) process.exitCode = 1
}

function peersOf({ peers: names, cbit, qemu }: Flags): Peer[] {
  const known: Record<PeerName, Peer> = { qemu: qemuPeer(qemu), cbit: cbitPeer('none', cbit), 'cbit-sev': cbitPeer('sev', cbit) }
  return names.map((name) => {
    const peer = (known as Partial<Record<string, Peer>>)[name]
    if (!peer) throw new BenchError(`there is no peer '${name}': ${Object.keys(known).join(', ')}`)
    return peer
  })
}

function workloadsOf({ only, quick }: Flags): Workload[] {
  const unknown = only?.find((name) => name !== 'boot' && !workloads.some((workload) => workload.name === name))
  if (unknown) throw new BenchError(`there is no workload '${unknown}'; --help lists them`)
  const long = quick ? only?.find((name) => workloads.some((workload) => workload.name === name && workload.quickSize === 0)) : undefined
  if (long) throw new BenchError(`'${long}' has no quick form: leave out --quick`)
  return workloads.filter(({ name, quickSize }) => (only ? only.includes(name) : true) && !(quick && quickSize === 0))
}

async function guestFiles({ kernel, initrd, memory }: Flags): Promise<GuestFiles> {
  const common = { append: 'console=ttyS0 panic=-1', memoryMiB: memory }
  if ((kernel === undefined) !== (initrd === undefined)) throw new BenchError('give both --kernel and --initrd, or none')
  if (kernel !== undefined && initrd !== undefined) return { ...common, kernel, initrd }
  const image = await guestImage({ progress })
  return { ...common, kernel: image.kernel, initrd: image.initrd }
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
