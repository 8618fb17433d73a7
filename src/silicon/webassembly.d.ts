// The part of the WebAssembly JavaScript API (W3C) that the chip uses. Pure folders compile with no ambient types, so
// this file is what lets the silicon, and nobody else, instantiate kernels and translated code.

declare namespace WebAssembly {
  type Value = number | bigint

  interface MemoryDescriptor {
    initial: number
    maximum?: number
    shared?: boolean
  }

  class Memory {
    constructor(descriptor: MemoryDescriptor)
    readonly buffer: ArrayBuffer
    grow(pages: number): number
  }

  interface TableDescriptor {
    element: 'anyfunc' | 'externref'
    initial: number
    maximum?: number
  }

  class Table {
    constructor(descriptor: TableDescriptor, value?: unknown)
    readonly length: number
    get(index: number): unknown
    set(index: number, value?: unknown): void
    grow(count: number, value?: unknown): number
  }

  interface GlobalDescriptor {
    value: 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'externref' | 'anyfunc'
    mutable?: boolean
  }

  class Global {
    constructor(descriptor: GlobalDescriptor, value?: Value)
    value: Value
    valueOf(): Value
  }

  interface ModuleExportDescriptor {
    name: string
    kind: 'function' | 'table' | 'memory' | 'global'
  }

  interface ModuleImportDescriptor extends ModuleExportDescriptor {
    module: string
  }

  class Module {
    constructor(bytes: ArrayBuffer | ArrayBufferView)
    static exports(module: Module): ModuleExportDescriptor[]
    static imports(module: Module): ModuleImportDescriptor[]
  }

  type ExportValue = Memory | Table | Global | ((...values: never[]) => unknown)
  type Imports = Record<string, Record<string, unknown>>

  class Instance {
    constructor(module: Module, imports?: Imports)
    readonly exports: Record<string, ExportValue>
  }

  class CompileError extends Error {}
  class LinkError extends Error {}
  class RuntimeError extends Error {}

  function validate(bytes: ArrayBuffer | ArrayBufferView): boolean
}
