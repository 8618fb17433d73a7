/**
 * WebAssembly for folders that compile without the DOM's or Node's types: the few members this project uses.
 * The ambient constant is local to this module and names the global at run time.
 */

export interface WasmMemory {
  readonly buffer: ArrayBuffer
}

export interface WasmModule {
  readonly wasmModule?: never
}

export type WasmFunction = (...operands: number[]) => number | void
export type WasmImports = Readonly<Record<string, Readonly<Record<string, WasmMemory | WasmFunction>>>>

export interface WasmInstance {
  readonly exports: Readonly<Record<string, WasmFunction | WasmMemory>>
}

declare const WebAssembly: {
  Memory: new (limits: { initial: number; maximum: number }) => WasmMemory
  Module: new (bytes: Uint8Array) => WasmModule
  Instance: new (module: WasmModule, imports: WasmImports) => WasmInstance
}

export const WASM_PAGE_BYTES = 0x10000

/** A memory of fixed size: it never grows, so views of its buffer stay right. */
export function createWasmMemory(bytes: number): WasmMemory {
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES)
  return new WebAssembly.Memory({ initial: pages, maximum: pages })
}

export function instantiateWasm(bytes: Uint8Array, imports: WasmImports): WasmInstance {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports)
}
