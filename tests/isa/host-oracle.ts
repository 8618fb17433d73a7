/** Runs cases on the host's CPU through host-oracle.c. */

import { describeCase } from './compare.js'
import { OracleProcess } from './oracle-process.js'
import { CODE_MAX, codeModes, FX_BYTES, UPPER_BYTES, WINDOW_BYTES, type Case, type Outcome } from './state.js'

const INPUT_BYTES = 16 + 128 + 32 + CODE_MAX + FX_BYTES + UPPER_BYTES + WINDOW_BYTES
const OUTPUT_BYTES = 16 + 128 + 32 + 16 + FX_BYTES + UPPER_BYTES + WINDOW_BYTES
const CASES_PER_RUN = 20_000

function encode(cases: readonly Case[]): Uint8Array {
  const bytes = new Uint8Array(cases.length * INPUT_BYTES)
  const view = new DataView(bytes.buffer)
  cases.forEach((c, n) => {
    const at = n * INPUT_BYTES
    view.setUint32(at, c.code.length, true)
    view.setUint32(at + 4, c.offset, true)
    view.setUint32(at + 12, codeModes.indexOf(c.mode), true)
    c.gpr.forEach((v, r) => view.setBigUint64(at + 16 + r * 8, v, true))
    view.setBigUint64(at + 144, BigInt(c.rflags), true)
    view.setBigUint64(at + 152, c.fs, true)
    view.setBigUint64(at + 160, c.gs, true)
    bytes.set(c.code, at + 176)
    bytes.set(c.fx, at + 176 + CODE_MAX)
    if (c.upper) bytes.set(c.upper, at + 176 + CODE_MAX + FX_BYTES)
    bytes.set(c.window, at + 176 + CODE_MAX + FX_BYTES + UPPER_BYTES)
  })
  return bytes
}

function decode(bytes: Uint8Array, n: number): Outcome {
  const at = n * OUTPUT_BYTES
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, OUTPUT_BYTES)
  const fx = at + 192
  return {
    vector: view.getUint32(0, true),
    error: view.getUint32(4, true),
    cr2: view.getBigUint64(8, true),
    gpr: BigUint64Array.from({ length: 16 }, (_, r) => view.getBigUint64(16 + r * 8, true)),
    rip: view.getBigUint64(144, true),
    rflags: view.getUint32(152, true),
    fs: view.getBigUint64(160, true),
    gs: view.getBigUint64(168, true),
    selectors: Array.from({ length: 6 }, (_, n) => view.getUint16(176 + n * 2, true)),
    fx: bytes.slice(fx, fx + FX_BYTES),
    upper: bytes.slice(fx + FX_BYTES, fx + FX_BYTES + UPPER_BYTES),
    window: bytes.slice(fx + FX_BYTES + UPPER_BYTES, fx + FX_BYTES + UPPER_BYTES + WINDOW_BYTES),
  }
}

export class HostOracle {
  private constructor(private readonly process: OracleProcess) {}

  /** The oracle, or why there is none. */
  static open(): HostOracle | string {
    if (process.platform !== 'linux' || process.arch !== 'x64') return 'the host is not an x86-64 Linux'
    const built = OracleProcess.build('host-oracle.c', ['-fno-stack-protector', '-static-pie', '-fPIE'])
    return typeof built === 'string' ? built : new HostOracle(built)
  }

  run(cases: readonly Case[]): Outcome[] {
    const outcomes: Outcome[] = []
    for (let first = 0; first < cases.length; first += CASES_PER_RUN) {
      const some = cases.slice(first, first + CASES_PER_RUN)
      const stdout = this.process.run(encode(some), some.length, (n) => describeCase(some[n]!))
      if (stdout.length !== some.length * OUTPUT_BYTES) throw new Error(`the oracle answered ${stdout.length} bytes`)
      for (let n = 0; n < some.length; n++) outcomes.push(decode(stdout, n))
    }
    return outcomes
  }

  close(): void {
    this.process.close()
  }
}
