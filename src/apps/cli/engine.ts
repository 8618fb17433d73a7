// What Node's engine is told before it compiles a guest's code.

import { readdirSync } from 'node:fs'
import { availableParallelism, getPriority, setPriority } from 'node:os'
import { setFlagsFromString } from 'node:v8'

/** From these versions on V8 has by itself what its flags asked for before, and they may be gone: branch hints, relaxed vectors (x × y + z in one instruction). */
const HINTS_BY_DEFAULT = 14
const RELAXED_BY_DEFAULT = 12
/** And from this one on (tried: 12.4 and 13.6; 11.8 has two) it has one allocator of registers for WebAssembly, and no flag that chooses among two. */
const ONE_ALLOCATOR = 12

/** Versions of V8 that read the custom section "compilationHints" as lib/wasm-encoder.ts writes it. */
const COMPILATION_HINTS = { from: 11, to: 13 }

const flags = [
  // A pass of TurboFan that is not right in V8 11.3 (Node 20): with it a region's code lost the upper half of a 64-bit register, where one way to it had set an i32, extended with
  // zeros, and another all of it; without it, and with V8 13.6 (Node 24), the same code is right. It is off everywhere, since code is no slower without it beyond the noise.
  '--no-turbo-move-optimization',
  // Loops of WebAssembly look at the host's stack limit each time round, for interrupts that cbit has no use for: a region looks at its own budget there, calls of regions
  // within regions are counted (CALL_DEPTH_MAX), and nothing else in the kernels recurses. Loops are up to a fifth faster without.
  '--no-wasm-stack-checks',
  // Functions are validated when they are compiled, which is when they are first called: once in place of twice.
  '--wasm-lazy-validation',
]

/**
 * Translated code says which of its branches are nearly never taken (slow paths of memory accesses, faults). Where V8 believes it, they cost the rest no
 * registers: 1.5 times the speed of a loop of loads and stores (docs/performance.md).
 */
export function prepareEngine(version = process.versions.v8): void {
  for (const flag of flags) setFlagsFromString(flag)
  setFlagsFromString(`--wasm-num-compilation-tasks=${compilationTasks()}`)
  const major = Number.parseInt(version)
  if (major < HINTS_BY_DEFAULT) setFlagsFromString('--experimental-wasm-branch-hinting')
  if (major < RELAXED_BY_DEFAULT) setFlagsFromString('--experimental-wasm-relaxed-simd')
  // For functions of more than 8192 values V8 has an allocator that is quicker itself and keeps next to nothing in registers from one basic block to the next: in large
  // regions, where most time goes, the Fourier transform in bench/ took 1.8 times as long.
  if (major < ONE_ALLOCATOR) setFlagsFromString('--no-turbo-use-mid-tier-regalloc-for-huge-functions')
  if (takesCompilationHints(version)) setFlagsFromString('--experimental-wasm-compilation-hints')
  yieldToGuest()
}

/** V8 compiles on four threads. One needs 80 MB for a large region: not so many at a time as there are no processors for, then. */
const compilationTasks = (): number => Math.min(Math.max(availableParallelism() - 1, 2), 4)

/** V8 can be told to optimise functions before they are called (optimiser.ts). */
export function takesCompilationHints(version = process.versions.v8): boolean {
  const major = Number.parseInt(version)
  return major >= COMPILATION_HINTS.from && major <= COMPILATION_HINTS.to
}

/** Where a thread of the present process is a task of the system's. */
const tasksFolder = '/proc/self/task'
/** What is added to the niceness of the first threads of the process beside its own: one that keeps V8's timers, and those that compile (--v8-pool-size). */
const nicenesses = [1, 8, 17, 19, 19]
const NICENESS_MAX = 19

/**
 * V8 compiles on four threads, however many processors there are: on two they took a third of its processor from the thread that the guest runs on. On Linux each
 * thread has a priority of its own: they yield to the guest, and all but one of them to that one, so that what was asked for first is there first where there are no
 * processors for more.
 */
function yieldToGuest(): void {
  if (process.platform !== 'linux') return
  const others = readdirSync(tasksFolder)
    .map(Number)
    .filter((task) => task !== process.pid)
    .sort((a, b) => a - b)
    .slice(0, nicenesses.length)
  const own = getPriority()
  others.forEach((task, n) => {
    try {
      setPriority(task, Math.min(own + nicenesses[n]!, NICENESS_MAX))
    } catch {
      // The thread has ended, or the system does not let us: all works as well, only slower.
    }
  })
}
