// `cbit run --profile`: from the options to a file.

import { writeFileSync } from 'node:fs'
import { isMultiboot, SymbolTable, type Symbol } from '../../../guest/index.js'
import { CliError } from '../errors.js'
import type { Machine } from '../machine.js'
import { symbolsFromFile, symbolsOfKernel } from './kernel-symbols.js'
import { profileReport, profileText, type ProfileSymbols } from './profile-report.js'

export interface ProfileOptions {
  /** `-`: standard error; a name that ends in .json: JSON. */
  readonly file: string
  readonly symbolFiles: readonly string[]
  readonly seeded: boolean
}

/** A millisecond of virtual time; in real time some hundred samples a second. */
export const profilePeriodDefault = 1_000_000

/** The kernel's entry from SYSCALL, whose running address the processor knows. */
const entrySymbol = 'entry_SYSCALL_64'

export function writeProfile(machine: Machine, kernel: Uint8Array, options: ProfileOptions): void {
  const profile = machine.profile()
  if (!profile) return
  const report = profileReport(profile, symbolsFor(machine, kernel, options.symbolFiles), options.seeded ? 'instructions' : 'ms')
  const text = options.file.endsWith('.json') ? JSON.stringify(report, null, 2) + '\n' : profileText(report)
  if (options.file === '-') {
    process.stderr.write(text)
    return
  }
  try {
    writeFileSync(options.file, text)
  } catch (error) {
    throw new CliError(`cannot write the profile: ${(error as Error).message}`)
  }
}

function symbolsFor(machine: Machine, kernel: Uint8Array, files: readonly string[]): ProfileSymbols {
  const given = files.map(symbolsFromFile)
  const lists = given.filter(({ elf }) => !elf).flatMap(({ symbols }) => symbols)
  const programs = given.filter(({ elf }) => elf).flatMap(({ symbols }) => symbols)
  const ofKernel = lists.length > 0 ? lists : fromKernel(kernel)
  const table = ofKernel.length > 0 ? new SymbolTable(ofKernel) : undefined
  return {
    kernel: table,
    kernelMoved: moved(table, machine.syscallEntry()),
    programs: programs.length > 0 ? new SymbolTable(programs) : undefined,
  }
}

/** A profile without names is better than none: what stands in the way is said. */
function fromKernel(kernel: Uint8Array): Symbol[] {
  if (isMultiboot(kernel)) return []
  try {
    return symbolsOfKernel(kernel)
  } catch (error) {
    if (!(error instanceof CliError)) throw error
    process.stderr.write(`cbit: no names of the kernel's functions: ${error.message}${error.advice ? `; ${error.advice}` : ''}\n`)
    return []
  }
}

/** Zero where the guest never got so far; a list from /proc/kallsyms has moved with its kernel. */
function moved(table: SymbolTable | undefined, syscallEntry: bigint): bigint {
  const linked = table?.addressOf(entrySymbol)
  return linked === undefined || syscallEntry === 0n ? 0n : BigInt.asIntN(64, syscallEntry - linked)
}
