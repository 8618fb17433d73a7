import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs'
import type { Command } from 'commander'
import { chooseVm, runningVms, type ControlClient } from '../control/client.js'
import { findBytesMax, findResultsMax, readBytesMax, type VmStatus } from '../control/protocol.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { countLooks, type MemoryMap } from '../memory/classify.js'
import { hexDump } from '../memory/hex.js'
import { memoryPng, memoryText, pictureLegend } from '../memory/picture.js'
import { formatBytes, parseBytes } from '../quantities.js'
import { ProgressLine } from '../terminal/progress.js'

interface DramFlags {
  readonly vm?: string
  readonly at?: string
  readonly length?: string
  readonly all?: boolean
  readonly guest?: boolean
  readonly out?: string
  readonly find?: string
  readonly picture?: string | boolean
  readonly json?: boolean
}

const examples = `
Examples:
  cbit dram                                   list the VMs that run
  cbit dram --at 0x1000000 --length 256       hex dump of what the memory bus carries
  cbit dram --at 0x1000000 --guest            the same in the guest's clear text, if its policy allows (run --allow-debug)
  cbit dram --all --out dram.bin              the whole of DRAM into a file
  cbit dram --find 'my secret'                where the text stands in DRAM; hex:00ff… looks for bytes
  cbit dram --picture memory.png              one dot per page: zero, readable, random-looking

Addresses are system physical ones; with --guest, the guest's physical ones. The list says where the guest's memory begins.
`

export function addDram(program: Command): void {
  program
    .command('dram')
    .summary('read the physical memory of a running VM as its provider can')
    .description('Reads the physical memory of a running VM as the provider of the machine can: from the memory bus, without any key.')
    .option('--vm <name>', 'the VM, where more than one runs')
    .option('--at <address>', 'first address')
    .option('--length <size>', 'how many bytes', '256')
    .option('--all', 'all of DRAM')
    .option('--guest', "decrypt through the secure processor's DBG_DECRYPT, which the guest's policy may forbid")
    .option('--out <file>', 'write raw bytes to FILE')
    .option('--find <text>', 'search all of DRAM for a text, or for bytes given as hex:…')
    .option('--picture [file]', 'draw memory, as a PNG or on the terminal')
    .option('--json', 'print the list, the places found or the counts as JSON')
    .addHelpText('after', examples)
    .action(dram)
}

async function dram(flags: DramFlags): Promise<void> {
  const wantsVm = flags.at !== undefined || flags.all || flags.find !== undefined || flags.picture !== undefined
  if (!wantsVm) return list(flags)
  if (flags.all && (flags.guest || flags.at !== undefined)) {
    throw new CliError('--all is the whole bus view', 'leave out --guest and --at, or give --at and --length', exitCodes.usage)
  }
  const client = await chooseVm(flags.vm)
  const progress = new ProgressLine()
  try {
    if (flags.find !== undefined) await find(client, flags, progress)
    else if (flags.picture !== undefined) await picture(client, flags, progress)
    else await read(client, flags, progress)
  } finally {
    progress.done()
    client.close()
  }
}

async function list(flags: DramFlags): Promise<void> {
  const clients = flags.vm === undefined ? await runningVms() : [await chooseVm(flags.vm)]
  const statuses = await Promise.all(clients.map((client) => client.status()))
  for (const client of clients) client.close()
  if (flags.json) process.stdout.write(JSON.stringify(statuses, null, 2) + '\n')
  else if (statuses.length === 0) process.stdout.write("no VM is running; start one in another terminal: 'cbit run --sev sev'\n")
  else process.stdout.write(statuses.map((status) => describe(status) + '\n').join(''))
}

function describe(status: VmStatus): string {
  const { name, pid, description, sev, memoryBytes, ramBase, dramBytes, instructions } = status
  const hex = (value: number): string => `0x${value.toString(16)}`
  return (
    `${name}  process ${pid}, ${description}, ${sev === 'none' ? 'no encryption' : 'SEV'}, ${(instructions / 1e6).toFixed(0)} million instructions\n` +
    `     guest memory ${formatBytes(memoryBytes)} at ${hex(ramBase)} to ${hex(ramBase + memoryBytes - 1)}; DRAM ${formatBytes(dramBytes)}`
  )
}

async function read(client: ControlClient, flags: DramFlags, progress: ProgressLine): Promise<void> {
  const status = await client.status()
  const address = flags.all ? 0 : parseBytes(flags.at!, '--at')
  const length = flags.all ? status.dramBytes : parseBytes(flags.length!, '--length')
  const limit = flags.guest ? status.memoryBytes : status.dramBytes
  if (length === 0 || address + length > limit) {
    throw new CliError(
      `there is no memory from 0x${address.toString(16)} for ${length} bytes`,
      `addresses go up to 0x${(limit - 1).toString(16)}`,
      exitCodes.usage,
    )
  }
  const view = flags.guest ? 'guest' : 'bus'
  if (flags.out === undefined) {
    if (length > 1 << 20) throw new CliError(`${formatBytes(length)} would be a very long hex dump`, 'give --out FILE', exitCodes.usage)
    const { payload } = await client.ask({ op: 'read', view, address, length })
    process.stdout.write(hexDump(payload, address) + '\n')
    return
  }
  const file = openOutput(flags.out)
  try {
    for (let at = 0; at < length; at += readBytesMax) {
      progress.tick(`${formatBytes(at)} of ${formatBytes(length)}`)
      const { payload } = await client.ask({ op: 'read', view, address: address + at, length: Math.min(readBytesMax, length - at) })
      writeSync(file, payload)
    }
  } finally {
    closeSync(file)
  }
}

function openOutput(file: string): number {
  try {
    return openSync(file, 'w')
  } catch (error) {
    throw new CliError(`cannot write '${file}': ${(error as Error).message}`, undefined, exitCodes.usage)
  }
}

async function find(client: ControlClient, flags: DramFlags, progress: ProgressLine): Promise<void> {
  const needle = flags.find!.startsWith('hex:') ? Buffer.from(flags.find!.slice(4), 'hex') : Buffer.from(flags.find!, 'utf8')
  if (needle.length === 0 || needle.length > findBytesMax) {
    throw new CliError('there is nothing to look for', `give --find a text or hex:… of 1 to ${findBytesMax} bytes`, exitCodes.usage)
  }
  progress.show('searching DRAM')
  const { reply } = await client.ask({ op: 'find', hex: needle.toString('hex') })
  progress.done()
  const addresses = reply.addresses ?? []
  if (flags.json) process.stdout.write(JSON.stringify({ addresses }) + '\n')
  else if (addresses.length === 0) process.stdout.write('nowhere in DRAM\n')
  else {
    const more = addresses.length === findResultsMax ? ' (and perhaps more)' : ''
    process.stdout.write(`in ${addresses.length} place${addresses.length === 1 ? '' : 's'}${more}:\n`)
    process.stdout.write(addresses.map((address) => `0x${address.toString(16).padStart(9, '0')}\n`).join(''))
  }
  if (addresses.length === 0) process.exitCode = 1
}

async function picture(client: ControlClient, flags: DramFlags, progress: ProgressLine): Promise<void> {
  progress.show('looking at every page')
  const { reply, payload } = await client.ask({ op: 'map' })
  progress.done()
  const map: MemoryMap = { address: reply.address!, pages: payload }
  if (typeof flags.picture === 'string') {
    try {
      writeFileSync(flags.picture, await memoryPng(map))
    } catch (error) {
      throw new CliError(`cannot write '${flags.picture}': ${(error as Error).message}`, undefined, exitCodes.usage)
    }
  }
  const counts = countLooks(map)
  if (flags.json) {
    process.stdout.write(JSON.stringify({ pages: map.pages.length, ...counts }) + '\n')
    return
  }
  const colour = Boolean(process.stdout.isTTY) && !process.env['NO_COLOR']
  if (flags.picture === true) process.stdout.write(`${memoryText(map, 64, 16, colour)}\n${pictureLegend(colour)}\n`)
  process.stdout.write(`${map.pages.length} pages: ${counts.random} random-looking, ${counts.readable} readable, ${counts.zero} zero\n`)
}
