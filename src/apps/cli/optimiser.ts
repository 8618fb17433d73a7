// V8's optimising compiler put to work on functions before they are called.

import { setFlagsFromString } from 'node:v8'
import { type CompiledModule, compileModule } from '../../silicon/core/translate/kept-code.js'
import type { Optimiser } from '../../silicon/core/translate/ripening.js'
import { takesCompilationHints } from './engine.js'
import { engineCode } from './kept-code/engine-code.js'

/** Undefined where V8 cannot be told which functions to optimise, or does not say when it has. */
export function engineOptimiser(): Optimiser | undefined {
  const engine = takesCompilationHints() ? engineCode() : undefined
  return engine && { compile: compileHinted, isOptimised: (exported) => engine.isOptimised(exported) }
}

/** While V8 compiles all functions when they are first called it looks at no hints. */
function compileHinted(bytes: Uint8Array): CompiledModule {
  setFlagsFromString('--no-wasm-lazy-compilation')
  try {
    return compileModule(bytes)
  } finally {
    setFlagsFromString('--wasm-lazy-compilation')
  }
}
