import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { chooseVm } from '../control/client.js'
import { receiverNames, type ReceiverCertificates } from '../control/protocol.js'
import { formatBytes } from '../quantities.js'
import type { SnapshotResult } from '../snapshot/take.js'
import { ProgressLine } from '../terminal/progress.js'
import { readBytes } from './owner-files.js'

interface SnapshotFlags {
  readonly vm?: string
  readonly for?: string
  readonly stop?: boolean
  readonly json?: boolean
}

const examples = `
Examples:
  cbit run --sev sev --chip mychip --name web      a guest on a chip that keeps its identity; then, in another terminal:
  cbit snapshot --vm web web.snap                  the guest stands still, is written, and goes on
  cbit snapshot --vm web --stop web.snap           ... and ends: it lives in the file alone
  cbit restore --chip mychip web.snap              in any process, on the same chip
  cbit chip export otherchip certs                 on another platform: its certificates ...
  cbit snapshot --for certs web.snap               ... and a snapshot that only that chip can open
  cbit snapshot --json web.snap                    the result as JSON

Exits with 0 when the file is complete and on the disk; with 1, and without the file, where the guest could not be saved (it goes on as it was);
with 2 for wrong arguments. Ctrl-C gives up and leaves nothing behind.
`

async function snapshot(file: string, flags: SnapshotFlags): Promise<void> {
  const receiver = flags.for === undefined ? undefined : readReceiver(flags.for)
  const client = await chooseVm(flags.vm)
  const progress = new ProgressLine()
  try {
    const request = { op: 'snapshot', file: resolve(file), stop: flags.stop ?? false, ...(receiver && { receiver }) } as const
    const { reply } = await client
      .ask(request, (done) => progress.tick(`saving the guest: ${Math.round(100 * done)} %`))
      .finally(() => progress.done())
    tell(reply.snapshot!, flags)
  } finally {
    client.close()
  }
}

function tell(result: SnapshotResult, flags: SnapshotFlags): void {
  if (flags.json) {
    process.stdout.write(JSON.stringify(result, null, 2) + '\n')
    return
  }
  const { file, bytes, sealed, clear, elapsedMs } = result
  const parts = [...(sealed > 0 ? [`${sealed} pages sealed`] : []), ...(clear > 0 ? [`${clear} in clear`] : [])]
  process.stdout.write(
    `${file}: ${formatBytes(bytes)}, ${parts.join(', ')}; the guest stood still for ${(elapsedMs / 1000).toFixed(2)} s\n`,
  )
}

function readReceiver(folder: string): ReceiverCertificates {
  const read = (name: string): string =>
    Buffer.from(readBytes(join(folder, `${name}.cert`), "the receiving chip's certificates")).toString('base64')
  return Object.fromEntries(receiverNames.map((name) => [name, read(name)])) as ReceiverCertificates
}

export function addSnapshot(program: Command): void {
  program
    .command('snapshot')
    .argument('<file>', 'the snapshot; a file of that name is replaced when the new one is complete')
    .summary('save a running VM to a file')
    .description(
      "Saves a running VM for 'cbit restore'. The private memory of an encrypted guest is sealed by the chip's firmware for one receiving chip; whoever has the\n" +
        'file can neither read nor alter it. Memory that the guest shares, its registers, and guests without SEV are in the file in clear.',
    )
    .option('--vm <name>', 'the VM, where more than one runs')
    .option(
      '--for <dir>',
      "certificates of the chip that shall go on with the guest, as 'cbit chip export' writes them (default: the chip it runs on)",
    )
    .option('--stop', 'end the guest when it is saved')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', examples)
    .action(snapshot)
}
