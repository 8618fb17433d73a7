/** The CPU that runs the tests: the one place that looks up its vendor and what it can do. */

import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'

function cpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8')
  } catch {
    // No such file on other systems than Linux, and the oracles do not run there.
    return ''
  }
}

const field = (name: string): string => new RegExp(`^${name}\\s*:(.*)$`, 'm').exec(cpuinfo())?.[1]?.trim() ?? ''

/** Feature flags by the names of /proc/cpuinfo; empty where that cannot be read. */
export const hostFeatures: ReadonlySet<string> = new Set(field('flags').split(/\s+/).filter(Boolean))

/** On a CPU of AMD everything is compared; on others what vendor-differences.ts does not except. */
export const hostIsAmd: boolean = field('vendor_id') === 'AuthenticAMD' || (cpus()[0]?.model.includes('AMD') ?? false)

/** MXCSR.MM exists (misaligned SSE mode, AMD64 APM vol. 1, section 4.2.2; reserved in Intel SDM vol. 1, section 10.2.3). */
export const hostHasMisalignedSse: boolean = hostIsAmd || hostFeatures.has('misalignsse')
