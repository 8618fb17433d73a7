// What the floating-point tests stand on: the kernel files under test compiled alone, with a flat memory in place of the core's, and the host CPU as oracle.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { hostIsAmd } from './host-cpu.js'
import { OracleProcess } from './oracle-process.js'

const here = dirname(fileURLToPath(import.meta.url))
const core = join(here, '../../src/silicon/core')

/** memory.ts as docs/core.md gives it, without translation: a linear address is an address in the wasm memory; from 512 KiB on it faults. */
const flatMemory = `
import { raise_page } from './fault'
function ok(s: usize, la: u64): bool {
  if (la < ${0x80000}) return true
  raise_page(s, la, 0)
  return false
}
export function load16(s: usize, la: u64): u64 { return ok(s, la) ? load<u16>(<usize>la) : 0 }
export function load32(s: usize, la: u64): u64 { return ok(s, la) ? load<u32>(<usize>la) : 0 }
export function load64(s: usize, la: u64): u64 { return ok(s, la) ? load<u64>(<usize>la) : 0 }
export function store16(s: usize, la: u64, v: u64): void { if (ok(s, la)) store<u16>(<usize>la, <u16>v) }
export function store32(s: usize, la: u64, v: u64): void { if (ok(s, la)) store<u32>(<usize>la, <u32>v) }
export function store64(s: usize, la: u64, v: u64): void { if (ok(s, la)) store<u64>(<usize>la, v) }
export function load_bytes(s: usize, la: u64, to: usize, n: u32): bool { if (!ok(s, la)) return false; memory.copy(to, <usize>la, n); return true }
export function probe_write(s: usize, la: u64, n: u32): bool { return ok(s, la) }
export function store_bytes(s: usize, la: u64, from: usize, n: u32): bool { if (!ok(s, la)) return false; memory.copy(<usize>la, from, n); return true }
`
const flatFlags = `
import { EFLAGS } from '../state/layout'
export function get_flags(s: usize): u64 { return load<u32>(s, EFLAGS) }
export function set_arith(s: usize, cf: u64, pf: u64, af: u64, zf: u64, sf: u64, o: u64): void {
  store<u32>(s, (load<u32>(s, EFLAGS) & ~0x8d5) | <u32>(cf | (pf << 2) | (af << 4) | (zf << 6) | (sf << 7) | (o << 11)), EFLAGS)
}
`

/** Why the comparison with the host cannot run here, or false. */
export function noOracle(): string | false {
  if (process.arch !== 'x64') return 'the host is not x86-64'
  return spawnSync('gcc', ['--version']).status === 0 ? false : 'gcc is not installed'
}

/** The same for what the x87 leaves to the implementation (C1, codes after a stop, partial remainders): there only an AMD FPU can judge. */
export function noAmdOracle(): string | false {
  return noOracle() || (hostIsAmd ? false : 'the FPU of the host is not AMD’s')
}

export interface Bench {
  readonly kernel: Readonly<Record<string, unknown>>
  readonly memory: DataView
  /** Feeds `input` to the oracle in mode `mode` and returns what it writes. `names`: what its records are. */
  oracle(mode: 'sse' | 'x87', input: Uint8Array, names: readonly string[]): Buffer
}

/** Compiles `entry` (a kernel file name) and, unless absent, the oracle. */
export function bench(entry: string, withOracle: boolean): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-x87-'))
  try {
    for (const part of ['ir', 'state']) cpSync(join(core, part), join(folder, part), { recursive: true })
    mkdirSync(join(folder, 'kernel'))
    for (const name of readdirSync(join(core, 'kernel'))) {
      if (/^(softfloat|x87|fault).*(?<!\.test)\.ts$/.test(name)) cpSync(join(core, 'kernel', name), join(folder, 'kernel', name))
    }
    writeFileSync(join(folder, 'kernel/memory.ts'), flatMemory)
    writeFileSync(join(folder, 'kernel/flags.ts'), flatFlags)
    const asc = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js')
    const out = join(folder, 'kernel.wasm')
    execFileSync(
      process.execPath,
      [asc, join(folder, 'kernel', entry), '-o', out, '--runtime', 'stub', '--importMemory', '--noAssert', '-O1', '--enable', 'simd'],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    )
    const memory = new WebAssembly.Memory({ initial: 16 })
    const module = new WebAssembly.Module(readFileSync(out))
    const kernel = new WebAssembly.Instance(module, { env: { memory, abort: () => assert() } }).exports
    const oracle = withOracle ? compileOracle() : undefined
    return {
      kernel,
      memory: new DataView(memory.buffer),
      oracle: (mode, input, names) => {
        if (!oracle) throw new Error('the oracle was not built')
        return oracle.run(input, names.length, (n) => names[n]!, [mode])
      },
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function assert(): never {
  throw new Error('the kernel called abort')
}

function compileOracle(): OracleProcess {
  const oracle = OracleProcess.build('x87-oracle.c')
  if (typeof oracle === 'string') throw new Error(oracle)
  process.on('exit', () => oracle.close())
  return oracle
}

/** A small generator of repeatable numbers (xorshift64*, Vigna 2014). */
export class Random {
  private state: bigint
  constructor(seed: bigint) {
    this.state = seed
  }
  u64(): bigint {
    let x = this.state
    x ^= x >> 12n
    x = (x ^ (x << 25n)) & 0xffffffffffffffffn
    x ^= x >> 27n
    this.state = x
    return (x * 0x2545f4914f6cdd1dn) & 0xffffffffffffffffn
  }
  /** 0 … n-1 */
  below(n: number): number {
    return Number((this.u64() >> 11n) % BigInt(n))
  }
  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T
  }
}
