// Our own machine, started as a user starts it, in real time. With and without SEV it counts as two peers.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { BenchError, type Peer } from './peer.js'

const program = fileURLToPath(new URL('../../dist/cbit.js', import.meta.url))

/** What starts it: `command`, its words separated by spaces, or the built program. */
export function cbitWords(command?: string): readonly string[] {
  return command?.split(' ').filter(Boolean) ?? [process.execPath, program]
}

/** `command` replaces the built program, so that another build can be measured. */
export function cbitPeer(sev: 'none' | 'sev', command?: string): Peer {
  const words = cbitWords(command)
  return {
    name: sev === 'sev' ? 'cbit-sev' : 'cbit',
    label: sev === 'sev' ? 'cbit, SEV' : 'cbit',
    // A guest of the bench is a first run: what an earlier one has translated would make it depend on what ran before.
    environment: { CBIT_KEPT_CODE: 'off' },
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
