// Whether a process of this machine that a file names still runs.

import { readFileSync } from 'node:fs'

/** Enough to know a process again, also when its number has been given to another one since. */
export interface ProcessMark {
  readonly pid: number
  /** When it started, in clock ticks since the machine did; absent where the system does not tell. */
  readonly startTicks?: number
}

export function ownMark(): ProcessMark {
  const startTicks = standingOf(process.pid)?.startTicks
  return { pid: process.pid, ...(startTicks === undefined ? {} : { startTicks }) }
}

/** A process that has ended does not run, whether or not its parent has asked how: kill(2) finds such a one alive. */
export function isRunning({ pid, startTicks }: ProcessMark): boolean {
  if (!exists(pid)) return false
  const standing = standingOf(pid)
  if (!standing) return true
  return standing.state !== 'Z' && standing.state !== 'X' && (startTicks === undefined || startTicks === standing.startTicks)
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** State and start of a process by proc_pid_stat(5), fields 3 and 22; undefined where there is no such file. */
function standingOf(pid: number): { state: string; startTicks: number } | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The name in parentheses may hold anything, parentheses too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0]!, startTicks: Number(fields[19]) }
}
