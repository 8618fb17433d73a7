/**
 * Functions that stand in the kernel's table in place of regions. Each calls its region; while the budget is above what stands at LOOK_AT that is all, else
 * `before` and `after` look at the core on either side. Regions themselves and what enters them stay as they are.
 */

import { ByteWriter, type FunctionBody, I32, ModuleEncoder } from '../../../src/lib/wasm-encoder.js'
import { BUDGET, TEST_AREA } from '../../../src/silicon/core/state/layout.js'
import { regionType } from '../../../src/silicon/core/translate/kernel-functions.js'
import * as w from '../../../src/silicon/core/translate/wasm-ops.js'

/** i64 in a core's state. */
export const LOOK_AT = TEST_AREA

export interface RegionWatcher {
  /** A region that needs a budget of `guard` is about to be entered. */
  before(guard: number): void
  /** It has been left, with this answer. */
  after(answer: number): void
}

const BEFORE = 0
const AFTER = 1
const REGION = 2
/** Local of a probe, behind its parameter. */
const ANSWER = 1
const watcherTypes = [{ parameters: [I32], results: [] }, { parameters: [I32], results: [] }, regionType]

interface Probe {
  readonly enter: WebAssembly.ExportValue
  /** What it calls. A table of its own, since V8 keeps what imports a table with it. */
  readonly table: WebAssembly.Table
}

export class RegionProbes {
  private readonly encoder = new ModuleEncoder(watcherTypes, regionType, [])
  private readonly watchers: readonly WebAssembly.ExportValue[]
  private readonly probes: Probe[] = []
  private readonly guards: number[] = []
  private used = 0

  constructor(
    private readonly memory: WebAssembly.Memory,
    /** State area of the core that runs them. */
    private readonly s: number,
    watcher: RegionWatcher,
  ) {
    this.watchers = watcherFunctions(
      (place) => watcher.before(this.guards[place]!),
      (answer) => watcher.after(answer),
    )
  }

  /** What stands for `region`. */
  around(region: unknown, guard: number): unknown {
    const place = this.used++
    const { enter, table } = (this.probes[place] ??= this.makeProbe(place))
    this.guards[place] = guard
    table.set(REGION, region)
    return enter
  }

  /** All regions are gone: probes stand for others. */
  clear(): void {
    for (const { table } of this.probes) table.set(REGION, null)
    this.used = 0
  }

  private makeProbe(place: number): Probe {
    const table = new WebAssembly.Table({ element: 'anyfunc', initial: watcherTypes.length })
    this.watchers.forEach((watcher, n) => table.set(n, watcher))
    const module = new WebAssembly.Module(this.encoder.encode([probe(this.s, place)]) as Uint8Array<ArrayBuffer>)
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory, functions: table } })
    return { enter: exports['f0']!, table }
  }
}

function probe(s: number, place: number): FunctionBody {
  const code = new ByteWriter()
  const constant = (value: number): void => {
    code.byte(w.I32_CONST)
    code.s32(value)
  }
  const load64 = (offset: number): void => {
    constant(s)
    code.bytes([w.I64_LOAD, 0])
    code.u32(offset)
  }
  /** Places in the table and types have the same numbers. */
  const call = (at: number): void => {
    constant(at)
    code.bytes([w.CALL_INDIRECT, at, 0])
  }
  const region = (): void => {
    regionType.parameters.forEach((_, n) => code.bytes([w.LOCAL_GET, n]))
    call(REGION)
  }
  load64(BUDGET)
  load64(LOOK_AT)
  code.bytes([w.I64_GT_S, w.IF, w.TYPE_EMPTY])
  region()
  code.bytes([w.RETURN, w.END])
  constant(place)
  call(BEFORE)
  region()
  code.bytes([w.LOCAL_TEE, ANSWER, w.LOCAL_GET, ANSWER])
  call(AFTER)
  return { locals: [[1, I32]], code }
}

/** A table takes functions of WebAssembly only: a module that imports two of JavaScript and exports them makes them such. */
function watcherFunctions(before: (place: number) => void, after: (answer: number) => void): readonly WebAssembly.ExportValue[] {
  const out = new ByteWriter()
  const section = (id: number, ...bytes: number[]): void => out.bytes([id, bytes.length, ...bytes])
  out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00])
  section(1, 1, 0x60, 1, I32, 0)
  section(2, 2, 1, 0x65, 1, 0x62, 0, 0, 1, 0x65, 1, 0x61, 0, 0)
  section(7, 2, 1, 0x62, 0, BEFORE, 1, 0x61, 0, AFTER)
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(out.copy()), { e: { b: before, a: after } })
  return [exports['b']!, exports['a']!]
}
