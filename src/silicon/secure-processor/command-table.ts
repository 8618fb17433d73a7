import { SevCommand, type SevCommandName } from '../../spec/sev/command-ids.js'
import type { Command } from './command.js'
import { debugCommands } from './commands/debug.js'
import { guestCommands } from './commands/guest.js'
import { launchCommands } from './commands/launch.js'
import { platformCommands } from './commands/platform.js'

/** Every command that is built, by id. The dispatcher obeys these rows and knows nothing else. */
export const commandTable: ReadonlyMap<number, Command> = new Map(
  [...platformCommands, ...guestCommands, ...launchCommands, ...debugCommands].map((command) => [SevCommand[command.name], command]),
)

/** Published commands that answer UNSUPPORTED, for docs/status.md. */
export const unsupportedCommands: readonly SevCommandName[] = (Object.keys(SevCommand) as SevCommandName[]).filter(
  (name) => !commandTable.has(SevCommand[name]),
)
