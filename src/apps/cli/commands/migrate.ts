// `cbit migrate`: a running VM goes to another machine.

import type { Command } from 'commander'
import { chooseVm, type ControlClient } from '../control/client.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import type { MigrationStatus } from '../migration/desk.js'
import { makeKeyFile, parseAddress, readKeyFile } from '../migration/key-file.js'
import { resolveMigration } from '../migration/resolve.js'
import { formatBytes, parseBytes, parseCount } from '../quantities.js'
import { ProgressLine } from '../terminal/progress.js'

interface MigrateFlags {
  readonly vm?: string
  readonly to?: string
  readonly key?: string
  readonly bandwidth: string
  readonly maxDowntime: string
  readonly maxRounds: string
  readonly json?: true
  readonly status?: true
  readonly cancel?: true
  readonly resolve?: string | true
  readonly newKey?: string
}

/** The guest stayed where it was. */
const exitStayed = 1
/** It was handed over, and nobody has said that it runs. */
const exitUnacknowledged = 3
const pollMs = 200

const help = `
The guest runs here while its memory is copied, stands still for the rest, and goes on there. Whatever breaks meanwhile, it lives in one place:
docs/migration.md says where, and what --resolve does.

Examples:
  cbit migrate --new-key move.key                         a key for both machines; carry it over by a safe way
  cbit run --incoming 0.0.0.0:7100 --key move.key         on the other machine: wait for the VM
  cbit migrate --to other:7100 --key move.key             send the VM that runs here
  cbit migrate --to other:7100 --key move.key --bandwidth 20M --max-downtime 100 --json
  cbit migrate --cancel                                   in another terminal: the guest stays
  cbit migrate --resolve --key move.key                   after a crash: migrations whose end is open here

Exit codes: 0 the guest moved; ${exitStayed} it stays here; ${exitCodes.usage} wrong arguments; ${exitUnacknowledged} it was handed over and the other machine does not answer
`

export function addMigrate(program: Command): void {
  program
    .command('migrate')
    .summary('move a running VM to another machine while it runs')
    .description("Sends a running VM to a machine that waits for it with 'cbit run --incoming'. Ctrl-C gives up, and the guest stays.")
    .option('--vm <name>', 'the VM, where more than one runs')
    .option('--to <address>', 'where a machine waits, as HOST:PORT')
    .option('--key <file>', 'the key that both machines have')
    .option('--bandwidth <size>', 'send at most so many bytes a second, as 20M; 0: as fast as it goes', '0')
    .option('--max-downtime <ms>', 'stop the guest when the rest can be sent in so many milliseconds', '300')
    .option('--max-rounds <n>', 'stop it after so many rounds whatever is left', '30')
    .option('--json', 'print progress and result as lines of JSON on stdout')
    .option('--status', 'show the migration at hand')
    .option('--cancel', 'give up the migration at hand')
    .option('--resolve [id]', 'tell the other machine how a migration was decided whose end is open')
    .option('--new-key <file>', 'make a key')
    .addHelpText('after', help)
    .action(migrate)
}

async function migrate(flags: MigrateFlags): Promise<void> {
  const ways = [flags.to !== undefined && flags.resolve === undefined, flags.status, flags.cancel, flags.resolve, flags.newKey].filter(
    Boolean,
  )
  if (ways.length !== 1)
    throw new CliError('it is not clear what to do', 'give one of --to, --status, --cancel, --resolve and --new-key', exitCodes.usage)
  if (flags.newKey !== undefined) return makeKeyFile(flags.newKey)
  if (flags.resolve !== undefined) return resolveMigration({ ...flags, id: flags.resolve === true ? undefined : flags.resolve })
  const client = await chooseVm(flags.vm)
  try {
    if (flags.cancel) await client.ask({ op: 'migrate-cancel' })
    else if (flags.status) show(await statusOf(client), flags)
    else await send(client, flags)
  } finally {
    client.close()
  }
}

async function statusOf(client: ControlClient): Promise<MigrationStatus> {
  return (await client.ask({ op: 'migrate-status' })).reply.migration!
}

async function send(client: ControlClient, flags: MigrateFlags): Promise<void> {
  const to = flags.to!
  parseAddress(to, '--to')
  const roundsMax = parseCount(flags.maxRounds, '--max-rounds', 10_000)
  if (roundsMax === 0) throw new CliError('a migration has at least one round', 'give --max-rounds 1 or more', exitCodes.usage)
  await client.ask({
    op: 'migrate',
    to,
    key: Buffer.from(readKeyFile(flags.key)).toString('hex'),
    bandwidth: parseBytes(flags.bandwidth, '--bandwidth'),
    downtimeMaxMs: parseCount(flags.maxDowntime, '--max-downtime', 3_600_000),
    roundsMax,
  })
  const cancel = (): void => void client.ask({ op: 'migrate-cancel' }).catch(() => undefined)
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM']
  for (const signal of signals) process.on(signal, cancel)
  try {
    finish(await watch(client, flags), flags)
  } finally {
    for (const signal of signals) process.off(signal, cancel)
  }
}

async function watch(client: ControlClient, flags: MigrateFlags): Promise<MigrationStatus> {
  const progress = new ProgressLine()
  try {
    for (;;) {
      const status = await statusOf(client)
      if (status.result) return status
      if (flags.json) process.stdout.write(JSON.stringify(status) + '\n')
      else progress.tick(describe(status))
      await new Promise((resolve) => setTimeout(resolve, pollMs))
    }
  } finally {
    progress.done()
  }
}

function describe(status: MigrationStatus): string {
  const { phase, round, pagesSent, pagesLeft, bytesPerSecond, downtimeEstimateMs } = status
  const speed = `${(bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s`
  return `${phase}: round ${round}, ${pagesSent} pages sent, ${pagesLeft} left, ${speed}, pause would take ${downtimeEstimateMs} ms`
}

function show(status: MigrationStatus, flags: MigrateFlags): void {
  if (flags.json) process.stdout.write(JSON.stringify(status) + '\n')
  else process.stdout.write(`cbit: ${status.id} to ${status.to}: ${status.result ? describeResult(status) : describe(status)}\n`)
}

function describeResult({ result, pagesSent, bytesSent, round, downtimeMs, to, id }: MigrationStatus): string {
  switch (result!.kind) {
    case 'done': {
      const pause = Math.round(downtimeMs ?? 0)
      return `the guest runs at ${to}; it stood still for ${pause} ms (${pagesSent} pages in ${round} rounds, ${formatBytes(bytesSent)})`
    }
    case 'stayed':
      return `the guest stays here: ${result!.reason ?? ''}`
    case 'unacknowledged':
      return `the guest was handed over to ${to}, which does not answer: ${result!.reason ?? ''}; 'cbit migrate --resolve ${id}' tells it again`
  }
}

function finish(status: MigrationStatus, flags: MigrateFlags): void {
  if (flags.json) process.stdout.write(JSON.stringify(status) + '\n')
  else process.stderr.write(`cbit: ${describeResult(status)}\n`)
  process.exitCode = { done: 0, stayed: exitStayed, unacknowledged: exitUnacknowledged }[status.result!.kind]
}
