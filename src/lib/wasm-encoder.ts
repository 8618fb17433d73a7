/** Writes WebAssembly modules byte by byte. WebAssembly Core Specification, chapter 5 "Binary Format". */

export const I32 = 0x7f
export const I64 = 0x7e
export const F32 = 0x7d
export const F64 = 0x7c
export const V128 = 0x7b

/** A growing array of bytes with the encodings of the binary format. */
export class ByteWriter {
  private data: Uint8Array
  length = 0

  constructor(size = 64) {
    this.data = new Uint8Array(size)
  }

  private reserve(more: number): void {
    if (this.length + more <= this.data.length) return
    const grown = new Uint8Array(Math.max(this.data.length * 2, this.length + more))
    grown.set(this.data.subarray(0, this.length))
    this.data = grown
  }

  reset(): void {
    this.length = 0
  }

  byte(value: number): void {
    if (this.length === this.data.length) this.reserve(1)
    this.data[this.length++] = value
  }

  bytes(values: ArrayLike<number>): void {
    this.reserve(values.length)
    this.data.set(values, this.length)
    this.length += values.length
  }

  /** Unsigned LEB128 of a value below 2^32. */
  u32(value: number): void {
    let rest = value >>> 0
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80)
      rest >>>= 7
    }
    this.byte(rest)
  }

  /** Signed LEB128 of a 32-bit value (also right for i64.const of the sign-extended value). */
  s32(value: number): void {
    let rest = value | 0
    for (;;) {
      const low = rest & 0x7f
      rest >>= 7
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.byte(low)
        return
      }
      this.byte(low | 0x80)
    }
  }

  /** Signed LEB128 of the 64-bit value hi:lo. */
  s64(lo: number, hi: number): void {
    let low = lo | 0
    let high = hi | 0
    for (;;) {
      const group = low & 0x7f
      low = (low >>> 7) | (high << 25)
      high >>= 7
      const done = (low === 0 && high === 0 && (group & 0x40) === 0) || (low === -1 && high === -1 && (group & 0x40) !== 0)
      this.byte(done ? group : group | 0x80)
      if (done) return
    }
  }

  name(text: string): void {
    this.u32(text.length)
    for (let i = 0; i < text.length; i++) this.byte(text.charCodeAt(i))
  }

  view(): Uint8Array {
    return this.data.subarray(0, this.length)
  }

  copy(): Uint8Array<ArrayBuffer> {
    return this.data.slice(0, this.length)
  }
}

export interface FunctionType {
  readonly parameters: readonly number[]
  readonly results: readonly number[]
}

function section(out: ByteWriter, id: number, body: ByteWriter): void {
  out.byte(id)
  out.u32(body.length)
  out.bytes(body.view())
}

function writeTypes(types: readonly FunctionType[]): ByteWriter {
  const body = new ByteWriter()
  body.u32(types.length)
  for (const type of types) {
    body.byte(0x60)
    body.u32(type.parameters.length)
    body.bytes(type.parameters)
    body.u32(type.results.length)
    body.bytes(type.results)
  }
  return body
}

function writeImports(functions: number, pages: number, globals: readonly string[]): ByteWriter {
  const body = new ByteWriter()
  body.u32(2 + globals.length)
  body.name('env')
  body.name('memory')
  // A memory without a bound of its own.
  body.bytes([0x02, 0x00])
  body.u32(pages)
  body.name('env')
  body.name('functions')
  body.bytes([0x01, 0x70, 0x00])
  body.u32(functions)
  for (const name of globals) {
    body.name('env')
    body.name(name)
    // An i32 that does not change.
    body.bytes([0x03, I32, 0x00])
  }
  return body
}

/** An `if` or `br_if` at `offset` of a function's code that is nearly always (or nearly never) taken. */
export interface BranchHint {
  readonly offset: number
  readonly likely: boolean
}

/** Code of one function: local declarations as [count, type] pairs, then instructions without the final `end`. */
export interface FunctionBody {
  readonly locals: readonly (readonly [number, number])[]
  readonly code: ByteWriter
  /** In order of offset. */
  readonly hints?: readonly BranchHint[]
  /** Worth optimising before it is first called (see `writeCompilation`). */
  readonly ahead?: boolean
}

/** A function with its type. */
export interface TypedBody extends FunctionBody {
  readonly type: FunctionType
}

function writeLocals(out: ByteWriter, { locals }: FunctionBody): void {
  out.u32(locals.length)
  for (const [count, kind] of locals) {
    out.u32(count)
    out.byte(kind)
  }
}

const WRITER_BYTES = 1 << 15

// V8's WasmCompilationHintStrategy and WasmCompilationHintTier.
const LAZY = 1
const LAZY_BASELINE_EAGER_TOP = 3
const TIER_OPTIMISED = 2

/**
 * Encodes modules that import `env.memory`, constant i32s of `env` by the names `globals`, and the table `env.functions`, whose functions have the types `imports` (type indexes and places 0, 1, …), and that
 * define functions: `own` first, which are the same in all and are functions 0, 1, …, then those of type `type`, which are exported as f0, f1, …. A table, because V8
 * compiles a wrapper for each signature of an imported function with each module (60 µs apiece in Node 20), whether or not it is ever needed. What it writes to is
 * used again: modules are made by the thousand.
 */
export class ModuleEncoder {
  private readonly head = new ByteWriter(1024)
  private readonly out = new ByteWriter(WRITER_BYTES)
  private readonly code = new ByteWriter(WRITER_BYTES)
  private readonly one = new ByteWriter(WRITER_BYTES)
  private readonly small = new ByteWriter()
  /** Type indexes: of the first of `own`, and of what is exported. */
  private readonly firstType: number
  private readonly type: number

  constructor(
    imports: readonly FunctionType[],
    type: FunctionType,
    private readonly own: readonly TypedBody[],
    pages = 1,
    globals: readonly string[] = [],
  ) {
    const { head } = this
    head.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
    section(head, 1, writeTypes([...imports, ...own.map((body) => body.type), type]))
    section(head, 2, writeImports(imports.length, pages, globals))
    this.firstType = imports.length
    this.type = imports.length + own.length
  }

  /** The module with `exported`; its bytes stand until the next call. */
  encode(exported: readonly FunctionBody[]): Uint8Array {
    const { out } = this
    out.reset()
    out.bytes(this.head.view())
    this.writeDeclarations(exported.length)
    const bodies = [...this.own, ...exported]
    if (bodies.some((one) => one.ahead)) this.writeCompilation(bodies)
    if (bodies.some((one) => one.hints?.length)) this.writeHints(bodies)
    this.writeCode(bodies)
    return out.view()
  }

  private writeDeclarations(exported: number): void {
    const { out, code, own } = this
    code.reset()
    code.u32(own.length + exported)
    own.forEach((_, n) => code.u32(this.firstType + n))
    for (let n = 0; n < exported; n++) code.u32(this.type)
    section(out, 3, code)
    code.reset()
    code.u32(exported)
    for (let n = 0; n < exported; n++) {
      code.name(`f${n}`)
      code.byte(0)
      code.u32(own.length + n)
    }
    section(out, 7, code)
  }

  /**
   * Custom section "compilationHints" of V8 (behind --experimental-wasm-compilation-hints), a byte for each function: its strategy, and from bit 4 on its best tier. What is
   * `ahead` is optimised in the background as soon as the module is made; the rest is compiled when it is called.
   */
  private writeCompilation(bodies: readonly FunctionBody[]): void {
    const { code } = this
    code.reset()
    code.name('compilationHints')
    code.u32(bodies.length)
    for (const { ahead } of bodies) code.byte(ahead ? LAZY_BASELINE_EAGER_TOP | (TIER_OPTIMISED << 4) : LAZY)
    section(this.out, 0, code)
  }

  /** Custom section "metadata.code.branch_hint" (WebAssembly branch hinting proposal): offsets count from the start of a function's locals. */
  private writeHints(bodies: readonly FunctionBody[]): void {
    const { code, small } = this
    code.reset()
    code.name('metadata.code.branch_hint')
    code.u32(bodies.filter((one) => one.hints?.length).length)
    bodies.forEach((one, n) => {
      if (!one.hints?.length) return
      small.reset()
      writeLocals(small, one)
      code.u32(n)
      code.u32(one.hints.length)
      for (const { offset, likely } of one.hints) {
        code.u32(small.length + offset)
        code.u32(1)
        code.byte(likely ? 1 : 0)
      }
    })
    section(this.out, 0, code)
  }

  private writeCode(bodies: readonly FunctionBody[]): void {
    const { code, one } = this
    code.reset()
    code.u32(bodies.length)
    for (const body of bodies) {
      one.reset()
      writeLocals(one, body)
      one.bytes(body.code.view())
      one.byte(0x0b)
      code.u32(one.length)
      code.bytes(one.view())
    }
    section(this.out, 10, code)
  }
}
