#!/usr/bin/env node
// The program `cbit`: reads the command line, runs one command, and turns every error into one clear line.

import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { addChip } from './commands/chip.js'
import { addDemo } from './commands/demo.js'
import { addDisasm } from './commands/disasm.js'
import { addDram } from './commands/dram.js'
import { addImage } from './commands/image.js'
import { addMigrate } from './commands/migrate.js'
import { addOwner } from './commands/owner.js'
import { addRestore } from './commands/restore.js'
import { addRun } from './commands/run.js'
import { addSecret } from './commands/secret.js'
import { addSnapshot } from './commands/snapshot.js'
import { prepareEngine } from './engine.js'
import { exitCodeHelp, exitCodes } from './ending.js'
import { CliError } from './errors.js'
import { packageRoot } from './package-root.js'

const { version, description } = JSON.parse(readFileSync(new URL('package.json', packageRoot()), 'utf8')) as {
  version: string
  description: string
}

async function main(): Promise<void> {
  prepareEngine()
  const program = new Command('cbit')
    .description(description)
    .version(version, '-V, --version')
    .showHelpAfterError("('cbit --help' and 'cbit COMMAND --help' show what there is)")
    .addHelpText('after', `\n${exitCodeHelp}\n`)
    .configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 120, 140) })
    .exitOverride()
  for (const add of [addRun, addImage, addDram, addChip, addOwner, addSecret, addSnapshot, addRestore, addMigrate, addDisasm, addDemo])
    add(program)
  for (const command of program.commands) command.exitOverride().showHelpAfterError(`('cbit ${command.name()} --help' shows what there is)`)
  await program.parseAsync()
}

main().then(
  () => exit(Number(process.exitCode ?? 0)),
  (error: unknown) => {
    if (isCommanderError(error)) return exit(error.exitCode === 0 ? 0 : exitCodes.usage)
    if (error instanceof CliError) {
      process.stderr.write(`cbit: ${error.message}${error.advice ? `; ${error.advice}` : ''}\n`)
      return exit(error.exitCode)
    }
    const failure = error instanceof Error ? error : new Error(String(error))
    process.stderr.write(`cbit: this is a fault of cbit itself: ${process.env['CBIT_DEBUG'] ? failure.stack : failure.message}\n`)
    if (!process.env['CBIT_DEBUG']) process.stderr.write('cbit: CBIT_DEBUG=1 shows where it happened\n')
    exit(exitCodes.failed)
  },
)

/** Commander throws to end the program; it has printed what it had to say. */
function isCommanderError(error: unknown): error is { readonly exitCode: number } {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('commander.')
}

/** An open pipe on stdin must not keep a finished program alive. */
function exit(code: number): never {
  process.exit(code)
}
