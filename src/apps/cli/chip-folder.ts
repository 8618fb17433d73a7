// A chip that stays the same chip: its fuses and its board's flash, in a folder.

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { realEntropy } from '../../board/index.js'
import type { Fuses } from '../../silicon/doors/board.js'
import { encodeFuses, fuseChip, parseFuses } from '../../vendor/index.js'
import { privateFolder, writePrivate } from './commands/owner-files.js'
import { CliError } from './errors.js'

export interface ChipFiles {
  readonly fuses: Fuses
  readonly flashFile: string
}

/** The chip in `folder`; a new one is made where there is none. Whoever can read the folder has the chip's keys, so it is closed to others. */
export function openChip(folder: string): ChipFiles {
  privateFolder(folder)
  const file = join(folder, 'fuses.bin')
  if (!existsSync(file)) writePrivate(file, encodeFuses(fuseChip(realEntropy())))
  const fuses = parseFuses(Uint8Array.from(readFileSync(file)))
  if (!fuses)
    throw new CliError(`${file} holds no fuses, or damaged ones`, 'a chip cannot be repaired: choose another folder for a new one')
  return { fuses, flashFile: join(folder, 'flash.bin') }
}
