// What Node's engine is told before it compiles a guest's code.

import { setFlagsFromString } from 'node:v8'

/** From this version on V8 takes branch hints in WebAssembly by itself, and its flag may be gone. */
const HINTS_BY_DEFAULT = 14

/**
 * Loops of WebAssembly look at the host's stack limit each time round, for interrupts that cbit has no use for: a region looks at its own budget there, calls of regions
 * within regions are counted (CALL_DEPTH_MAX), and nothing else in the kernels recurses. Loops are up to a fifth faster without.
 *
 * Translated code says which of its branches are nearly never taken (slow paths of memory accesses, faults). Where V8 believes it, they cost the rest no
 * registers: 1.5 times the speed of a loop of loads and stores (docs/performance.md).
 */
export function prepareEngine(version = process.versions.v8): void {
  setFlagsFromString('--no-wasm-stack-checks')
  // Functions are validated when they are compiled, which is when they are first called: once in place of twice.
  setFlagsFromString('--wasm-lazy-validation')
  if (Number.parseInt(version) < HINTS_BY_DEFAULT) setFlagsFromString('--experimental-wasm-branch-hinting')
}
