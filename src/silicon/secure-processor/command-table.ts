import { SevCommand, type SevCommandName } from '../../spec/sev/command-ids.js'
import type { Command } from './command.js'
import { attestationCommands } from './commands/attestation.js'
import { debugCommands } from './commands/debug.js'
import { guestCommands } from './commands/guest.js'
import { secretCommands } from './commands/launch-secret.js'
import { launchCommands } from './commands/launch.js'
import { ownershipCommands } from './commands/ownership.js'
import { platformCommands } from './commands/platform.js'
import { receiveCommands } from './commands/receive.js'
import { sendCommands } from './commands/send.js'
import { swapCommands } from './commands/swap.js'

const commands: readonly Command[] = [
  ...platformCommands,
  ...ownershipCommands,
  ...guestCommands,
  ...launchCommands,
  ...secretCommands,
  ...attestationCommands,
  ...sendCommands,
  ...receiveCommands,
  ...debugCommands,
  ...swapCommands,
]

/** Every command that is built, by id. The dispatcher obeys these rows and knows nothing else. */
export const commandTable: ReadonlyMap<number, Command> = new Map(commands.map((command) => [SevCommand[command.name], command]))

/** Published commands that answer UNSUPPORTED. */
export const unsupportedCommands: readonly SevCommandName[] = (Object.keys(SevCommand) as SevCommandName[]).filter(
  (name) => !commandTable.has(SevCommand[name]),
)
