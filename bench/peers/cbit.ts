// Our own machine, started as a user starts it, in real time. With and without SEV it counts as two peers, and as a first run and a later
// one, which finds the code that earlier runs have translated (docs/kept-code.md), as two again.

import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BenchError, type Peer } from './peer.js'

const program = fileURLToPath(new URL('../../dist/cbit.js', import.meta.url))

/** What starts it: `command`, its words separated by spaces, or the built program. */
export function cbitWords(command?: string): readonly string[] {
  return command?.split(' ').filter(Boolean) ?? [process.execPath, program]
}

/** Runs that keep their code before a later run is measured, where the folder is empty. V8 has optimised most of what is hot after two; the third adds little. */
const earlierRunsOf = (keptCode: string): number => (readdirSync(keptCode).length > 0 ? 0 : 3)

interface CbitOptions {
  /** Replaces the built program, so that another build can be measured. */
  readonly command?: string | undefined
  /** The folder of kept code, which exists. Without it a guest is a first run: what ran before it must not change its figures. */
  readonly keptCode?: string
}

export function cbitPeer(sev: 'none' | 'sev', { command, keptCode }: CbitOptions = {}): Peer {
  const words = cbitWords(command)
  const encrypts = sev === 'sev'
  return {
    ...(keptCode === undefined
      ? { name: encrypts ? 'cbit-sev' : 'cbit', label: encrypts ? 'cbit, SEV' : 'cbit' }
      : {
          name: encrypts ? 'cbit-sev-later' : 'cbit-later',
          label: encrypts ? 'cbit, SEV, later run' : 'cbit, later run',
          earlierRuns: earlierRunsOf(keptCode),
        }),
    environment: { CBIT_KEPT_CODE: keptCode ?? 'off' },
    command: ({ kernel, initrd, append, memoryMiB }) => [
      ...words,
      ...['run', '--sev', sev, '--memory', `${memoryMiB}M`, '--kernel', kernel, '--initrd', initrd, '--append', append],
    ],
    describe() {
      if (!command && !existsSync(program)) throw new BenchError("cbit is not built: run 'npm run build', or give --cbit COMMAND")
      return `cbit ${version(words)} on Node.js ${process.versions.node} (V8 ${process.versions.v8})`
    },
  }
}

function version([file, ...words]: readonly string[]): string {
  try {
    return execFileSync(file!, [...words, '--version'], { encoding: 'utf8' }).trim()
  } catch (error) {
    throw new BenchError(`cannot run cbit (${file} ${words.join(' ')}): ${(error as Error).message.split('\n')[0]}`)
  }
}
