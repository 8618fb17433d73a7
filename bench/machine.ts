// The machine that the figures were taken on.

import { readFileSync } from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'

export interface MachineDescription {
  readonly processor: string
  readonly processors: number
  readonly memoryGiB: number
  readonly system: string
  readonly virtualised: boolean
}

export function describeMachine(): MachineDescription {
  const distribution = /^PRETTY_NAME="?([^"\n]*)/m.exec(textOf('/etc/os-release'))?.[1] ?? process.platform
  return {
    processor: cpus()[0]?.model.trim() ?? process.arch,
    processors: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${distribution}, kernel ${release()}`,
    virtualised: /^flags.*\bhypervisor\b/m.test(textOf('/proc/cpuinfo')),
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

/** Processes that wanted to run in the last minute, on average. */
export function load(): number {
  return loadavg()[0] ?? 0
}
