// The chip's two WebAssembly kernels, as tools/build-kernel.js leaves them.

import { readFileSync } from 'node:fs'
import { CliError } from './errors.js'
import { packageRoot } from './package-root.js'

export interface ChipKernels {
  readonly core: Uint8Array
  readonly memory: Uint8Array
}

export function chipKernels(): ChipKernels {
  return { core: kernel('core'), memory: kernel('memory') }
}

function kernel(name: string): Uint8Array {
  try {
    return readFileSync(new URL(`build/kernel/${name}.wasm`, packageRoot()))
  } catch (error) {
    throw new CliError(`the chip's ${name} kernel is not built: ${(error as Error).message}`, "run 'npm run build'")
  }
}
