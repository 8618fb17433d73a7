import type { SevCommandName } from '../../spec/sev/command-ids.js'
import { statusName } from '../../spec/sev/status.js'

/** A command that the secure processor refused. */
export class SevError extends Error {
  readonly command: SevCommandName
  readonly status: number
  readonly statusName: string

  constructor(command: SevCommandName, status: number) {
    super(`${command}: ${statusName(status)}`)
    this.name = 'SevError'
    this.command = command
    this.status = status
    this.statusName = statusName(status)
  }
}
