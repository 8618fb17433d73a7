import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { ByteWriter, I32, ModuleEncoder } from '../../lib/wasm-encoder.js'
import { prepareEngine, takesCompilationHints } from './engine.js'
import { engineOptimiser } from './optimiser.js'

/** Returns what it is given. */
function identity(ahead: boolean): { locals: []; code: ByteWriter; ahead: boolean } {
  const code = new ByteWriter()
  code.bytes([0x20, 0])
  return { locals: [], code, ahead }
}

test(
  'a function that is ahead is optimised though nobody calls it, others are not',
  { skip: !takesCompilationHints() && `V8 ${process.versions.v8} takes no such hints` },
  async () => {
    prepareEngine()
    const optimiser = engineOptimiser()
    assert(optimiser)
    const encoder = new ModuleEncoder([], { parameters: [I32], results: [I32] }, [], 0)
    const bytes = encoder.encode([identity(false), identity(true)]).slice()
    const module = optimiser.compile(bytes) as WebAssembly.Module
    const functions = new WebAssembly.Table({ element: 'anyfunc', initial: 0 })
    const { exports } = new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 1 }), functions } })
    const f1 = exports['f1'] as (value: number) => number
    for (let n = 0; n < 500 && !optimiser.isOptimised(f1); n++) await setTimeout(10)
    assert.equal(optimiser.isOptimised(f1), true)
    assert.equal(optimiser.isOptimised(exports['f0']), false)
    assert.equal(f1(7), 7)
  },
)
