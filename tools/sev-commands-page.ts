// Writes docs/sev-commands.md from the secure processor's command table: node --import tsx tools/sev-commands-page.ts

import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { commandTable, unsupportedCommands } from '../src/silicon/secure-processor/index.js'
import { SevCommand, type SevCommandName } from '../src/spec/sev/command-ids.js'

export const pageFile = new URL('../docs/sev-commands.md', import.meta.url)

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`

function row(id: number): string {
  const { name, layout, platformStates, guestStates } = commandTable.get(id)!
  const fields = Object.entries(layout?.fields ?? {})
    .filter(([key]) => !key.startsWith('reserved_'))
    .map(([key, { offset, bytes }]) => `${key} ${hex(offset, 2)}(${bytes})`)
  const cells = [
    hex(id, 2),
    name,
    layout ? hex(layout.bytes, 2) : 'none',
    platformStates.join(' '),
    guestStates?.join(' ') ?? '',
    fields.join(', '),
  ]
  return `| ${cells.join(' | ')} |`
}

const supportedOf = (names: readonly SevCommandName[], from: number, to: number): string =>
  names.filter((name) => SevCommand[name] >= from && SevCommand[name] <= to).join(', ')

export function commandsPage(): string {
  const ids = [...commandTable.keys()].sort((a, b) => a - b)
  return `# Commands of the secure processor

Written by \`tools/sev-commands-page.ts\` from the table that the dispatcher obeys (\`src/silicon/secure-processor/command-table.ts\`); a test fails
where this page is stale. Document 55766 (SEV API 0.24) describes each command; names and ids as in Linux \`include/linux/psp-sev.h\`.

Every command is judged in the same order: id (INVALID_COMMAND, UNSUPPORTED), platform state (INVALID_PLATFORM_STATE), buffer in DRAM
(INVALID_ADDRESS), reserved fields zero (INVALID_PARAM), guest handle (INVALID_GUEST), guest state (INVALID_GUEST_STATE); then its own rules. A
command that is refused has changed nothing.

| id | command | buffer | platform states | guest states | fields: offset (bytes) |
|---|---|---|---|---|---|
${ids.map(row).join('\n')}

Answered with UNSUPPORTED:

- of SEV: ${supportedOf(unsupportedCommands, 0x00, 0x7f)}. There is one mailbox and no ring buffer mode; the firmware cannot be replaced.
- of SEV-SNP: ${supportedOf(unsupportedCommands, 0x80, 0xcf)}.
- of SEV-TIO: ${supportedOf(unsupportedCommands, 0xd0, 0xff)}.

All other ids are answered with INVALID_COMMAND.
`
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) writeFileSync(pageFile, commandsPage())
