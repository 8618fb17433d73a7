import { join } from 'node:path'
import type { Command } from 'commander'
import { chooseVm } from '../control/client.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { readBytes } from './owner-files.js'
import { secretFiles } from './owner-measure.js'

interface SecretFlags {
  readonly vm?: string
  readonly from?: string
  readonly admit?: boolean
  readonly refuse?: boolean
  readonly report?: boolean
}

async function secret(flags: SecretFlags): Promise<void> {
  const ways = [flags.from !== undefined, flags.admit, flags.refuse, flags.report].filter(Boolean).length
  if (ways !== 1)
    throw new CliError('it is not clear what to do', 'give one of --from DIR, --admit, --refuse and --report', exitCodes.usage)
  const base64 = (file: string): string => Buffer.from(readBytes(file, 'the secret packet')).toString('base64')
  const packet =
    flags.from === undefined
      ? {}
      : { header: base64(join(flags.from, secretFiles.header)), data: base64(join(flags.from, secretFiles.data)) }
  const client = await chooseVm(flags.vm)
  try {
    if (flags.report) {
      const { reply } = await client.ask({ op: 'launch-report' })
      process.stdout.write(JSON.stringify(reply.launch, null, 2) + '\n')
    } else await client.ask(flags.refuse ? { op: 'stop' } : { op: 'admit', ...packet })
  } finally {
    client.close()
  }
}

export function addSecret(program: Command): void {
  program
    .command('secret')
    .summary("answer a VM that waits for its owner ('cbit run --owner-session')")
    .description(
      "Carries the owner's answer to a measured guest: a secret and leave to run, leave alone, or refusal. What --report prints is for the owner to judge.",
    )
    .option('--vm <name>', 'the VM, where more than one runs')
    .option('--from <dir>', `folder with ${secretFiles.header} and ${secretFiles.data}, as 'cbit owner secret' writes them`)
    .option('--admit', 'let the guest run without a secret')
    .option('--refuse', 'end the guest')
    .option('--report', 'print the measurement')
    .action(secret)
}
