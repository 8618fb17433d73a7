// Compiled WebAssembly as bytes and back. V8 does this for browsers' code caches; Node has no interface for it, but V8's own functions can be called where its flag for them is set.

import { setFlagsFromString } from 'node:v8'
import type { CompiledModule } from '../../../silicon/core/translate/kept-code.js'

export interface EngineCode {
  /** V8 has done its best for a function that a module exports. */
  isOptimised(exported: unknown): boolean
  /** What V8 has compiled of `module` by now: at least one of its functions must be optimised. */
  serialize(module: CompiledModule): Uint8Array | undefined
  /** The module of `bytes` with code that `serialize` gave for it; undefined where this V8, with its flags and on this processor, does not take it. */
  deserialize(code: Uint8Array, bytes: Uint8Array): CompiledModule | undefined
}

interface Natives {
  isOptimised(exported: unknown): unknown
  serialize(module: CompiledModule): unknown
  deserialize(code: ArrayBuffer, bytes: Uint8Array): unknown
}

/** Undefined where V8 does not have it. The flag stays set: functions are compiled when they are first called. It lets code that is compiled from text call V8's own functions, and cbit compiles none. */
export function engineCode(): EngineCode | undefined {
  setFlagsFromString('--allow-natives-syntax')
  let natives: Natives
  try {
    natives = new Function(`return {
      isOptimised: (exported) => %IsTurboFanFunction(exported),
      serialize: (module) => %SerializeWasmModule(module),
      deserialize: (code, bytes) => %DeserializeWasmModule(code, bytes),
    }`)() as Natives
  } catch {
    return undefined
  }
  return {
    isOptimised: (exported) => natives.isOptimised(exported) === true,
    serialize: (module) => {
      const code = natives.serialize(module)
      return code instanceof ArrayBuffer ? new Uint8Array(code) : undefined
    },
    deserialize: (code, bytes) => {
      const module = natives.deserialize(wholeBuffer(code), bytes)
      return typeof module === 'object' ? (module as CompiledModule) : undefined
    },
  }
}

/** V8 ends the process for anything but an array buffer. */
function wholeBuffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer
    ? bytes.buffer
    : (bytes.slice().buffer as ArrayBuffer)
}
