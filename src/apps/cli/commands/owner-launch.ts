// What the owner expects to be launched: from options to the bytes that the secure processor is to measure, in order.

import type { Command } from 'commander'
import { cpuSignatures, type FirmwareLaunch, firmwareLaunchComponents, type LaunchComponent, type Vmm } from '../../../owner/index.js'
import { planLaunch } from '../../../host/hypervisor/index.js'
import { SevPolicy } from '../../../spec/sev/policy.js'
import { bootFiles } from '../boot-files.js'
import { exitCodes } from '../ending.js'
import { CliError } from '../errors.js'
import { parseCount } from '../quantities.js'
import { ProgressLine } from '../terminal/progress.js'
import { readBytes } from './owner-files.js'
import { memorySize } from './run.js'

export interface LaunchFlags {
  readonly firmware?: string
  readonly kernel?: string
  readonly initrd?: string
  readonly append?: string
  readonly memory: string
  readonly vcpus: string
  readonly cpu: string
  readonly vmm: string
}

export function withLaunchOptions(command: Command): Command {
  return command
    .option('--firmware <file>', 'firmware image (OVMF) that the guest starts from; without it the guest is one of `cbit run`')
    .option('--kernel <file>', "kernel; with --firmware: one whose hash the firmware checks; without: Debian's, as `cbit run` has it")
    .option('--initrd <file>', 'initial ramdisk')
    .option('--append <args>', 'kernel command line')
    .option('--memory <size>', 'memory of a guest of `cbit run`', '512M')
    .option('--vcpus <n>', 'number of vCPUs (SEV-ES)', '1')
    .option(
      '--cpu <model>',
      `CPU model whose registers SEV-ES measures: ${Object.keys(cpuSignatures).join(', ')}, or the signature as a number`,
      'EPYC',
    )
    .option('--vmm <name>', 'who fills in the registers (SEV-ES): qemu, ec2 or gce', 'qemu')
}

function signatureOf(cpu: string): number {
  return cpuSignatures[cpu.replace(/-v\d+$/, '')] ?? parseCount(cpu, '--cpu', 0xffffffff)
}

function vmmOf(name: string): Vmm {
  if (name === 'qemu' || name === 'ec2' || name === 'gce') return name
  throw new CliError(`'${name}' is no VMM that this version knows`, 'give --vmm qemu, ec2 or gce', exitCodes.usage)
}

export interface ExpectedLaunch {
  readonly components: readonly LaunchComponent[]
  /** Other launches that a mismatch may be explained by. */
  readonly alternatives: readonly { readonly name: string; readonly components: readonly LaunchComponent[] }[]
}

const vcpusMax = 512
/** The position of the C-bit on this project's chip and on EPYC from Rome on (CPUID 8000_001F EBX). */
const cBit = 51

export async function expectedLaunch(flags: LaunchFlags, policy: number): Promise<ExpectedLaunch> {
  return flags.firmware === undefined ? machineLaunch(flags) : firmwareLaunch(flags, flags.firmware, policy)
}

/** The regions that `cbit run` lays out, by the same public code. */
async function machineLaunch(flags: LaunchFlags): Promise<ExpectedLaunch> {
  const progress = new ProgressLine()
  const { image } = await bootFiles(flags, progress.show).finally(() => progress.done())
  const memoryBytes = memorySize(flags.memory)
  const regionsFor = (bytes: number): LaunchComponent[] =>
    planLaunch(image, bytes, cBit, 1).regions.map((region) => ({ name: region.name, bytes: region.bytes }))
  const alternatives = [64, 128, 256, 512, 1024, 2048, 3072]
    .map((mib) => mib << 20)
    .filter((bytes) => bytes !== memoryBytes)
    .flatMap((bytes) => {
      try {
        return [{ name: `the same image in ${bytes >> 20} MiB of memory`, components: regionsFor(bytes) }]
      } catch {
        return [] // The image does not fit so little memory: nobody can have launched that.
      }
    })
  return { components: regionsFor(memoryBytes), alternatives }
}

function firmwareLaunch(flags: LaunchFlags, firmwareFile: string, policy: number): ExpectedLaunch {
  const vcpus = parseCount(flags.vcpus, '--vcpus', vcpusMax)
  const optional = (file: string | undefined, what: string): Uint8Array => (file === undefined ? new Uint8Array(0) : readBytes(file, what))
  const boot =
    flags.kernel === undefined
      ? undefined
      : { kernel: readBytes(flags.kernel, 'the kernel'), initrd: optional(flags.initrd, 'the initramfs'), append: flags.append ?? '' }
  const registers = { vmm: vmmOf(flags.vmm), signature: signatureOf(flags.cpu) }
  const encrypted = (policy & SevPolicy.ES) !== 0
  const base: FirmwareLaunch = {
    firmware: readBytes(firmwareFile, 'the firmware image'),
    boot,
    encryptedState: encrypted ? { ...registers, vcpus } : undefined,
  }
  const alternatives: { name: string; components: readonly LaunchComponent[] }[] = []
  const consider = (name: string, launch: FirmwareLaunch): void => {
    try {
      alternatives.push({ name, components: firmwareLaunchComponents(launch) })
    } catch {
      // The image cannot be launched so: nobody can have done it.
    }
  }
  if (boot) {
    consider('another command line: an empty one', { ...base, boot: { ...boot, append: '' } })
    consider('no initramfs', { ...base, boot: { ...boot, initrd: new Uint8Array(0) } })
  }
  if (encrypted) {
    consider('no register pages (launched without SEV-ES)', { ...base, encryptedState: undefined })
    for (let n = 1; n <= 64; n++) if (n !== vcpus) consider(`${n} vCPUs`, { ...base, encryptedState: { ...registers, vcpus: n } })
    for (const [model, signature] of Object.entries(cpuSignatures))
      consider(`the CPU model ${model}`, { ...base, encryptedState: { ...registers, signature, vcpus } })
  }
  try {
    return { components: firmwareLaunchComponents(base), alternatives }
  } catch (error) {
    throw new CliError((error as Error).message, undefined, exitCodes.usage)
  }
}
