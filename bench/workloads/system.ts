// What the kernel does for programs, and traffic that no cache holds.

import type { Workload } from './workload.js'

/** Loops of guest/system-loops.c, with their rounds. */
const loops: readonly (readonly [name: string, loop: string, about: string, rounds: number, quick: number])[] = [
  ['syscall', 'syscalls', 'the shortest system call', 1_000_000, 150_000],
  ['pipe', 'pipes', 'a byte into a pipe and out again', 200_000, 30_000],
  ['page-fault', 'faults', 'map 256 pages, touch each, unmap', 200, 30],
  ['context-switch', 'switches', 'two processes hand a byte to and fro', 30_000, 5000],
  ['fork', 'forks', 'fork, exit and wait', 2000, 300],
  ['exec', 'execs', 'fork, exec of a small static program, exit and wait', 800, 120],
]

export const systemWorkloads: readonly Workload[] = [
  ...loops.map(([name, loop, about, size, quickSize]): Workload => ({
    name,
    group: 'system',
    about: `${about} (rounds)`,
    size,
    quickSize,
    needs: 'system-loops',
    command: (rounds) => `/bench/system-loops ${loop} ${rounds}`,
  })),
  {
    name: 'memory',
    group: 'memory',
    about: 'write, copy and read twice this much in tmpfs (MiB): more than caches hold, and frames that were not used before',
    size: 136,
    quickSize: 0,
    command: (mib) =>
      `dd if=/dev/zero of=/tmp/big bs=1M count=${mib} 2>/dev/null; dd if=/tmp/big of=/run/big bs=1M 2>/dev/null; ` +
      'for f in /tmp/big /run/big; do dd if=$f of=/dev/null bs=1M 2>/dev/null; stat -c %s $f; rm $f; done',
  },
]
