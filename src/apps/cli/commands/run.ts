import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { singleBoot } from '../boot-files.js'
import { openChip } from '../chip-folder.js'
import { keptCodeFor } from '../kept-code/kept-code-folder.js'
import { describeEnding, exitCodeOf, exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { formatRegisters } from '../../../host/hypervisor/index.js'
import { createMachine, type MachineOptions, type SevMode } from '../machine.js'
import { profilePeriodDefault, writeProfile } from '../observation/guest-profile.js'
import { instructionsHere, statisticsContent, statisticsLines } from '../observation/statistics.js'
import { formatBytes, parseBytes, parseCount } from '../quantities.js'
import { dramHash, runSession, type Session, type SessionResult } from '../session.js'
import { Console } from '../terminal/console.js'
import { ProgressLine } from '../terminal/progress.js'
import { readBytes, writePublic } from './owner-files.js'
import { runIncoming } from './run-incoming.js'
import { readSessionFacts, sessionFiles } from './owner-session.js'

interface RunFlags {
  readonly sev: string | boolean
  readonly memory: string
  readonly kernel?: string
  readonly initrd?: string
  readonly append?: string
  readonly seed?: string
  readonly interpret?: true
  readonly keptCode: boolean
  readonly name?: string
  readonly allowDebug?: boolean
  readonly knowsSev?: boolean
  readonly testDevice?: boolean
  readonly chip?: string
  readonly ownerSession?: string
  readonly incoming?: string
  readonly key?: string
  readonly stats?: boolean
  readonly profile?: string
  readonly profileSymbols?: readonly string[]
  readonly profilePeriod?: string
  readonly report?: string
}

const examples = `
Examples:
  cbit run --sev sev                                      Debian's kernel and a shell in an encrypted VM
  cbit run --memory 256M --append 'cbit.run="uname -a"'   one command, then power off
  cbit run --kernel /boot/vmlinuz-$(uname -r) --initrd /boot/initrd.img-$(uname -r)
  cbit run --kernel test.elf --append "tap"               a Multiboot kernel; serial output on stdout
  cbit run --incoming 0.0.0.0:7100 --key move.key         wait for a VM that 'cbit migrate' sends here
  echo 'dmesg; poweroff' | cbit run --sev sev --seed 1    commands from a pipe, repeatable to the bit
`

export function addRun(program: Command): void {
  program
    .command('run')
    .summary('start a VM and attach the terminal to its serial console')
    .description(
      'Starts a VM on the emulated chip and joins the terminal to its serial console. Without --kernel, the default guest is booted\n' +
        "(built by 'cbit image' on first use). With stdin from a pipe, its bytes are typed into the guest; its end is no end for the guest.",
    )
    .option('--sev [mode]', 'none: memory in clear; sev: memory encrypted under a key of the VM (--sev alone means sev)', 'none')
    .option('--memory <size>', 'guest memory, 64M to 3G', '512M')
    .option('--kernel <file>', 'Linux bzImage or Multiboot v1 ELF kernel')
    .option('--initrd <file>', 'initial ramdisk (for Multiboot: the first module)')
    .option('--append <args>', "kernel command line; 'console=ttyS0 panic=-1' is put in front for Linux unless it sets them")
    .option('--seed <n>', 'virtual time and seeded chance: the same seed repeats the run exactly')
    .option('--interpret', 'interpret all guest code instead of compiling what is hot (slower, the same results)')
    .option('--no-kept-code', 'neither use translated code of earlier runs nor keep any (docs/kept-code.md)')
    .option('--name <name>', 'name of the VM, for --vm of the commands that look at it, save it or move it')
    .option('--allow-debug', "guest policy that lets the host decrypt memory through the secure processor ('cbit dram --guest')")
    .option('--knows-sev', 'a Multiboot kernel sets C-bits in its page tables itself, so it may run with --sev')
    .option('--test-device', "adds QEMU's pc-testdev: a port, interrupt lines and device memory that bare-metal test kernels use")
    .option('--chip <dir>', "a chip that keeps its identity (made where there is none); 'cbit chip export' writes its certificates")
    .option(
      '--owner-session <dir>',
      "launch with an owner's session and wait, measured, for his answer ('cbit secret'); needs --chip and --sev",
    )
    .option('--incoming <address>', "start nothing: wait at HOST:PORT for a VM from another machine ('cbit migrate'), of at most --memory")
    .option('--key <file>', "the key that both machines have, for --incoming ('cbit migrate --new-key' makes one)")
    .option('--stats', 'print on stderr at the end where instructions and time went, and the hash of DRAM')
    .option('--profile <file>', "where the guest's time went, by function, as text or (FILE.json) as JSON; - means stderr")
    .option(
      '--profile-symbols <file...>',
      'names for the profile: a System.map or /proc/kallsyms, and ELF programs (FILE@0xBASE where loaded elsewhere than linked)',
    )
    .option('--profile-period <n>', `instructions from sample to sample (default: ${profilePeriodDefault})`)
    .option('--report <file>', 'write how the run ended to FILE as JSON')
    .addHelpText('after', examples)
    .action(run)
}

export function sevMode(flag: string | boolean): SevMode {
  const mode = flag === true ? 'sev' : flag
  if (mode === 'sev' || mode === 'none') return mode
  throw new CliError(`'${String(mode)}' is no SEV mode that cbit has`, "give --sev 'none' or 'sev'", exitCodes.usage)
}

async function run(flags: RunFlags, command: Command): Promise<void> {
  checkName(flags.name)
  if (flags.incoming !== undefined) {
    // Without --memory a guest of any size may come.
    const memory = command.getOptionValueSource('memory') === 'default' ? '3G' : flags.memory
    return finish(await runIncoming({ ...flags, incoming: flags.incoming, memoryBytesMax: memorySize(memory) }), flags)
  }
  const sev = sevMode(flags.sev)
  const memoryBytes = memorySize(flags.memory)
  const seed = flags.seed === undefined ? undefined : parseCount(flags.seed, '--seed', 0xffffffff)
  const chip = flags.chip === undefined ? undefined : openChip(flags.chip)
  const owner = flags.ownerSession === undefined ? undefined : ownerSession(flags.ownerSession, sev, flags)
  const progress = new ProgressLine()
  const { kernel, imageName, takeImage } = await singleBoot(flags, progress.show).finally(() => progress.done())
  const console = new Console()
  // A run repeats exactly only if input comes at the same moments: all of it is there before power-on.
  if (seed !== undefined && !console.interactive) await console.readAll()
  if (console.interactive) console.note(`cbit: ${console.greeting()}`)
  const result = await runSession({
    make: (onConsole) =>
      createMachine({
        image: takeImage(),
        imageName,
        sev,
        memoryBytes,
        seed,
        translate: !flags.interpret,
        keptCode: keptCodeFor(flags),
        debugAllowed: flags.allowDebug ?? false,
        testDevice: flags.testDevice,
        chip,
        owner,
        observe: { times: flags.stats ?? false, profilePeriod: profilePeriod(flags) },
        onConsole,
      }),
    name: flags.name,
    onMeasured: (session) => announceMeasurement(session, flags.ownerSession!, console),
    console,
  })
  finish(result, flags)
  if (flags.profile !== undefined) {
    const options = { file: flags.profile, symbolFiles: flags.profileSymbols ?? [], seeded: seed !== undefined }
    writeProfile(result.machine, kernel, options)
  }
}

function profilePeriod({ profile, profilePeriod: text }: RunFlags): number | undefined {
  if (profile === undefined) return undefined
  const period = text === undefined ? profilePeriodDefault : parseCount(text, '--profile-period', 2 ** 31)
  // More often than this, looking takes longer than running.
  if (period < 1000)
    throw new CliError('a sample every few instructions would sample the sampling', 'give --profile-period 1000 or more', exitCodes.usage)
  return period
}

export function checkName(name: string | undefined): void {
  if (name === undefined || /^[\w.-]{1,32}$/.test(name)) return
  throw new CliError(`'${name}' cannot be the name of a VM`, 'use up to 32 letters, digits, dots and dashes', exitCodes.usage)
}

/** The host's part of a session: it never looks at the owner's keys. */
function ownerSession(folder: string, sev: SevMode, flags: RunFlags): NonNullable<MachineOptions['owner']> {
  if (sev !== 'sev' || flags.chip === undefined) {
    throw new CliError('a session is for one chip and an encrypted guest', 'give --sev and --chip DIR too', exitCodes.usage)
  }
  if (flags.allowDebug) throw new CliError("the owner's session sets the policy", 'leave out --allow-debug', exitCodes.usage)
  const read = (name: string): Uint8Array => readBytes(join(folder, name), "the owner's session")
  return { session: { godh: read(sessionFiles.godh), blob: read(sessionFiles.blob) }, policy: readSessionFacts(folder).policy }
}

export const launchReportFile = 'measurement.json'

function announceMeasurement({ machine, name }: Session, folder: string, console: Console): void {
  const file = join(folder, launchReportFile)
  writePublic(file, JSON.stringify(machine.launchReport(), null, 2) + '\n')
  console.note(`cbit: the guest is measured and waits for its owner: ${file}`)
  console.note(`cbit: answer with 'cbit secret --vm ${name} --from DIR' (or --admit, or --refuse)`)
}

export function memorySize(text: string): number {
  const bytes = parseBytes(text, '--memory')
  const mib = 1 << 20
  if (bytes < 64 * mib || bytes > 3072 * mib || bytes % (2 * mib) !== 0) {
    throw new CliError(
      `a guest cannot have ${formatBytes(bytes)} of memory`,
      'give --memory from 64M to 3G, in steps of 2 MiB',
      exitCodes.usage,
    )
  }
  return bytes
}

/** Says how the machine ended and sets the exit code. */
export function finish(result: SessionResult, flags: { readonly stats?: boolean; readonly report?: string }): void {
  const { ending, report } = result
  if (ending.kind !== 'power-off' && ending.kind !== 'debug-exit') process.stderr.write(`\ncbit: ${describeEnding(ending)}\n`)
  if ((ending.kind === 'triple-fault' || ending.kind === 'halted' || ending.kind === 'failed') && report.registers) {
    process.stderr.write(formatRegisters(report.registers) + '\n')
  }
  const dram = flags.stats || flags.report ? dramHash(result.machine) : undefined
  if (flags.stats) process.stderr.write(statistics(result, dram!))
  if (flags.report) writeReport(flags.report, result, dram!)
  process.exitCode = exitCodeOf(ending)
}

function statistics({ report, elapsedMs, machine }: SessionResult, dram: string): string {
  const { vm } = machine.statistics()
  const here = instructionsHere(vm)
  const perSecond = here / (elapsedMs / 1000) / 1e6
  const lines = [
    `${here} instructions in ${(elapsedMs / 1000).toFixed(2)} s (${perSecond.toFixed(1)} million per second)`,
    ...(vm.before.instructions > 0 ? [`${vm.before.instructions} instructions before the guest came here`] : []),
    `${(report.guestTimeNs / 1e9).toFixed(3)} s passed in the guest`,
    ...statisticsLines(machine.statistics()),
    `DRAM sha256 ${dram}`,
  ]
  return lines.map((line) => `cbit: ${line}\n`).join('')
}

function writeReport(file: string, { ending, report, elapsedMs, machine }: SessionResult, dram: string): void {
  const content = {
    ending,
    exitCode: exitCodeOf(ending),
    explanation: report.explanation,
    guest: machine.description,
    sev: machine.sev,
    memoryBytes: machine.memoryBytes,
    instructions: report.instructions,
    guestTimeNs: report.guestTimeNs,
    elapsedMs: Math.round(elapsedMs),
    dramSha256: dram,
    statistics: statisticsContent(machine.statistics()),
  }
  try {
    writeFileSync(file, JSON.stringify(content, null, 2) + '\n')
  } catch (error) {
    throw new CliError(`cannot write the report: ${(error as Error).message}`)
  }
}
