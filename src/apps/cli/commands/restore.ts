import type { Command } from 'commander'
import { openChip } from '../chip-folder.js'
import { keptCodeFor } from '../kept-code/kept-code-folder.js'
import { formatBytes } from '../quantities.js'
import { runSession } from '../session.js'
import { inspectSnapshot, restoreMachine } from '../snapshot/restore.js'
import { Console } from '../terminal/console.js'
import { ProgressLine } from '../terminal/progress.js'
import { toHex } from '../../../lib/bytes.js'
import { checkName, finish } from './run.js'

interface RestoreFlags {
  readonly chip?: string
  readonly name?: string
  readonly interpret?: boolean
  readonly keptCode: boolean
  readonly info?: boolean
  readonly json?: boolean
  readonly stats?: boolean
  readonly report?: string
}

const examples = `
Examples:
  cbit restore vm.snap                        a guest without SEV
  cbit restore --chip mychip web.snap         an encrypted guest, on the chip that its snapshot was made for
  cbit restore --info web.snap                what is in a snapshot, and whether it is whole
  cbit restore --info --json web.snap         the same as JSON

The guest goes on where it was saved, and 'restore' ends as 'cbit run' would, with the same exit codes. A snapshot that is damaged, altered, or
made for another chip is refused with 1 before the guest runs.
`

async function restore(file: string, flags: RestoreFlags): Promise<void> {
  if (flags.info) return tell(file, flags.json ?? false)
  checkName(flags.name)
  const chip = flags.chip === undefined ? undefined : openChip(flags.chip)
  const console = new Console()
  const progress = new ProgressLine()
  const result = await runSession({
    make(onConsole) {
      const show = (done: number): void => progress.tick(`restoring the guest: ${Math.round(100 * done)} %`)
      const { machine, elapsedMs } = (() => {
        try {
          return restoreMachine(
            file,
            {
              chip,
              translate: !flags.interpret,
              keptCode: keptCodeFor(flags),
              observe: { times: flags.stats ?? false, profilePeriod: undefined },
              onConsole,
            },
            show,
          )
        } finally {
          progress.done()
        }
      })()
      console.note(`cbit: ${machine.description} restored in ${(elapsedMs / 1000).toFixed(2)} s`)
      return machine
    },
    name: flags.name,
    console,
  })
  finish(result, flags)
}

function tell(file: string, json: boolean): void {
  const { snapshot, configuration, counts, bytes } = inspectSnapshot(file)
  const { createdMs, description, sealed, repeatable } = snapshot.facts
  const created = new Date(createdMs).toISOString()
  const facts = {
    file,
    bytes,
    created,
    description,
    memoryBytes: configuration.memoryBytes,
    sev: configuration.sev ? 'sev' : 'none',
    pages: counts,
    ...(sealed && { policy: sealed.policy, receiverPdhSha256: toHex(sealed.receiverDigest) }),
    ...(repeatable && { seed: repeatable.seed }),
  }
  if (json) {
    process.stdout.write(JSON.stringify(facts, null, 2) + '\n')
    return
  }
  const lines = [
    `${file} is whole: ${formatBytes(bytes)}, made ${created}`,
    `guest       ${description}, ${formatBytes(configuration.memoryBytes)} of memory${repeatable ? `, seed ${repeatable.seed}` : ''}`,
    `pages       ${counts.sealed} sealed, ${counts.clear} in clear`,
    sealed
      ? `for         the chip whose PDH certificate has SHA-256 ${toHex(sealed.receiverDigest)}; guest policy 0x${sealed.policy.toString(16)}`
      : 'for         anybody: the guest is not encrypted',
  ]
  process.stdout.write(lines.join('\n') + '\n')
}

export function addRestore(program: Command): void {
  program
    .command('restore')
    .argument('<file>', "what 'cbit snapshot' has written")
    .summary('go on with a VM from a snapshot')
    .description("Makes the VM of a snapshot again and joins the terminal to its serial console, as 'cbit run' does.")
    .option('--chip <dir>', 'the chip that an encrypted guest was sealed for')
    .option('--name <name>', 'name of the VM, for --vm of the commands that look at it, save it or move it')
    .option('--interpret', 'interpret all guest code instead of compiling what is hot')
    .option('--no-kept-code', 'neither use translated code of earlier runs nor keep any (docs/kept-code.md)')
    .option('--info', 'say what is in the snapshot, check that it is whole, and restore nothing')
    .option('--json', 'with --info: as JSON')
    .option('--stats', 'print instructions, time and the hash of DRAM on stderr at the end')
    .option('--report <file>', 'write how the run ended to FILE as JSON')
    .addHelpText('after', examples)
    .action(restore)
}
