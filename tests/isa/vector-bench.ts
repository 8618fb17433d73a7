// What the vector tests stand on: the kernel's vector files compiled alone over a flat memory, the host CPU as oracle, and one binary
// record that carries an instruction and all the state it can see through both.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { OracleProcess } from './oracle-process.js'
import * as L from '../../src/silicon/core/state/layout.js'

const here = dirname(fileURLToPath(import.meta.url))
const silicon = join(here, '../../src/silicon')

/** While this word of the wasm memory is set, every access raises #PF. */
const DENY = 0x2e0000
/** memory.ts as docs/core.md gives it, without translation: a linear address is an address in the wasm memory. */
const flatMemory = `
import { raise_error } from './fault'
function denied(s: usize): bool {
  if (!load<u32>(${DENY})) return false
  raise_error(s, 14, 0)
  return true
}
export function read_hit(s: usize, la: u64, n: u32): usize { return load<u32>(${DENY}) ? 0 : <usize>la }
export function write_hit(s: usize, la: u64, n: u32): usize { return load<u32>(${DENY}) ? 0 : <usize>la }
export function load8(s: usize, la: u64): u64 { return denied(s) ? 0 : load<u8>(<usize>la) }
export function load16(s: usize, la: u64): u64 { return denied(s) ? 0 : load<u16>(<usize>la) }
export function load32(s: usize, la: u64): u64 { return denied(s) ? 0 : load<u32>(<usize>la) }
export function load64(s: usize, la: u64): u64 { return denied(s) ? 0 : load<u64>(<usize>la) }
export function store8(s: usize, la: u64, v: u64): void { if (!denied(s)) store<u8>(<usize>la, <u8>v) }
export function store16(s: usize, la: u64, v: u64): void { if (!denied(s)) store<u16>(<usize>la, <u16>v) }
export function store32(s: usize, la: u64, v: u64): void { if (!denied(s)) store<u32>(<usize>la, <u32>v) }
export function store64(s: usize, la: u64, v: u64): void { if (!denied(s)) store<u64>(<usize>la, v) }
export function load_bytes(s: usize, la: u64, to: usize, n: u32): bool { if (denied(s)) return false; memory.copy(to, <usize>la, n); return true }
export function store_bytes(s: usize, la: u64, from: usize, n: u32): bool { if (denied(s)) return false; memory.copy(<usize>la, from, n); return true }
export function probe_read(s: usize, la: u64, n: u32): bool { return !denied(s) }
export function probe_write(s: usize, la: u64, n: u32): bool { return !denied(s) }
`
const flatFlags = `
import { EFLAGS } from '../state/layout'
export function set_arith(s: usize, cf: u64, pf: u64, af: u64, zf: u64, sf: u64, o: u64): void {
  store<u32>(s, (load<u32>(s, EFLAGS) & ~0x8d5) | <u32>(cf | (pf << 2) | (af << 4) | (zf << 6) | (sf << 7) | (o << 11)), EFLAGS)
}
`

/** Why the comparison with the host cannot run here, or false. */
export function noOracle(): string | false {
  if (process.arch !== 'x64') return 'the host is not x86-64'
  return spawnSync('gcc', ['--version']).status === 0 ? false : 'gcc is not installed'
}

export interface Kernel {
  readonly vector: (s: number, rec: number) => number
  readonly memory: DataView
}

export function compileKernel(): Kernel {
  const folder = mkdtempSync(join(tmpdir(), 'cbit-vector-'))
  try {
    for (const part of ['core/ir', 'core/state', 'fabric-layout.ts']) cpSync(join(silicon, part), join(folder, part), { recursive: true })
    const kernel = join(folder, 'core/kernel')
    mkdirSync(kernel)
    for (const name of readdirSync(join(silicon, 'core/kernel'))) {
      if (/^(softfloat|vector|fault|address).*(?<!\.test)\.ts$/.test(name)) cpSync(join(silicon, 'core/kernel', name), join(kernel, name))
    }
    writeFileSync(join(kernel, 'memory.ts'), flatMemory)
    writeFileSync(join(kernel, 'flags.ts'), flatFlags)
    const asc = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js')
    const out = join(folder, 'kernel.wasm')
    const options = [
      '--runtime',
      'stub',
      '--importMemory',
      '--noAssert',
      '-O1',
      '--enable',
      'simd',
      '--uncheckedBehavior',
      'always',
      '--use',
      'abort=',
      '--disableWarning',
      '112',
    ]
    execFileSync(process.execPath, [asc, join(kernel, 'vector.ts'), '-o', out, ...options], { stdio: ['ignore', 'ignore', 'inherit'] })
    const memory = new WebAssembly.Memory({ initial: 64 })
    const { vector } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(out)), { env: { memory } }).exports
    return { vector: vector as Kernel['vector'], memory: new DataView(memory.buffer) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Runs the records on the host; the answer has the same form. `nameOf` says of a record what it is. */
export function runOnHost(records: Uint8Array, nameOf: (record: number) => string): Uint8Array {
  const oracle = OracleProcess.build('vector-oracle.c')
  if (typeof oracle === 'string') throw new Error(oracle)
  try {
    return oracle.run(records, records.length / RECORD_BYTES, nameOf)
  } finally {
    oracle.close()
  }
}

// ---- the record of vector-oracle.c
export const RECORD_BYTES = 0x380
export const AT_GPR = 0x10
export const AT_FLAGS = 0x30
export const AT_OFFSET = 0x38
export const AT_TRAP = 0x3c
export const AT_FX = 0x40
export const AT_MEMORY = 0x240
/** Upper halves of the YMM registers. */
export const AT_UPPER = 0x280
/** Offsets in the FXSAVE image. */
export const FX_CONTROL = AT_FX
export const FX_STATUS = AT_FX + 2
export const FX_TAGS = AT_FX + 4
export const FX_MXCSR = AT_FX + 24
export const FX_ST = AT_FX + 32
export const FX_XMM = AT_FX + 160
/** Numbers of the general registers that records carry, in order. */
export const GENERAL = [0, 1, 2, 6] as const

const STATE = 0x100000
const RECORD = 0x2f0000
/** Where the record's 64 bytes of memory stand in the wasm memory. */
const DATA = 0x300000
const OSXMMEXCPT = 0x400
const ARITHMETIC_FLAGS = 0x8d5

/** The fields of a VEC record (docs/core.md). */
export interface Vec {
  readonly id: number
  readonly d: number
  readonly a: number
  readonly b: number
  readonly imm2: number
  /** Of the memory operand, beyond the record's offset: gathers only. */
  readonly displacement?: number
}

export interface Circumstances {
  /** Every memory access faults. */
  readonly deny?: boolean
  readonly cr4?: number
}

/** Runs `vec` on our kernel from the state in `before` and returns the record after it. */
export function runOnKernel(
  kernel: Kernel,
  vec: Vec,
  before: Uint8Array,
  { deny = false, cr4 = OSXMMEXCPT }: Circumstances = {},
): Uint8Array {
  loadState(kernel.memory, before)
  const m = kernel.memory
  m.setUint32(DENY, deny ? 1 : 0, true)
  m.setUint32(STATE + L.CR4, cr4, true)
  m.setUint32(STATE + L.MODE, L.MODE_CODE64, true)
  m.setBigUint64(STATE + L.T1, m.getBigUint64(STATE + L.T0, true) + BigInt(vec.displacement ?? 0), true)
  m.setBigUint64(STATE + L.T2, BigInt(L.DS), true)
  m.setUint8(RECORD + 2, vec.d)
  m.setUint8(RECORD + 3, vec.a)
  m.setUint8(RECORD + 4, vec.b)
  m.setUint8(RECORD + 5, 0x80)
  m.setUint32(RECORD + 8, vec.id | (4 << 16), true)
  m.setInt32(RECORD + 12, vec.imm2, true)
  const result = kernel.vector(STATE, RECORD)
  const fault = m.getUint32(STATE + L.FAULT, true)
  if ((result !== 0) !== (fault !== 0)) throw new Error(`vector ${vec.id} returned ${result} with FAULT ${fault.toString(16)}`)
  return saveState(m, before, fault ? (fault & 0xff) + 1 : 0)
}

function loadState(m: DataView, before: Uint8Array): void {
  const from = new DataView(before.buffer, before.byteOffset, RECORD_BYTES)
  const bytes = new Uint8Array(m.buffer)
  GENERAL.forEach((n, i) => m.setBigUint64(STATE + 8 * n, from.getBigUint64(AT_GPR + 8 * i, true), true))
  m.setUint32(STATE + L.EFLAGS, from.getUint32(AT_FLAGS, true), true)
  m.setUint32(STATE + L.FAULT, 0, true)
  m.setBigUint64(STATE + L.T0, BigInt(DATA + from.getUint32(AT_OFFSET, true)), true)
  m.setUint16(STATE + L.X87_CONTROL, from.getUint16(FX_CONTROL, true), true)
  m.setUint16(STATE + L.X87_STATUS, from.getUint16(FX_STATUS, true), true)
  m.setUint8(STATE + L.X87_TAGS, from.getUint8(FX_TAGS))
  m.setUint32(STATE + L.MXCSR, from.getUint32(FX_MXCSR, true), true)
  const top = (from.getUint16(FX_STATUS, true) >> 11) & 7
  for (let i = 0; i < 8; i++)
    bytes.set(before.subarray(FX_ST + 16 * i, FX_ST + 16 * i + 16), STATE + L.X87_REGISTERS + 16 * ((top + i) & 7))
  for (let i = 0; i < 16; i++) bytes.set(before.subarray(FX_XMM + 16 * i, FX_XMM + 16 * i + 16), STATE + L.XMM + L.XMM_STRIDE * i)
  for (let i = 0; i < 16; i++) bytes.set(before.subarray(AT_UPPER + 16 * i, AT_UPPER + 16 * i + 16), STATE + L.XMM + L.XMM_STRIDE * i + 16)
  bytes.set(before.subarray(AT_MEMORY, AT_MEMORY + 64), DATA)
}

function saveState(m: DataView, before: Uint8Array, trap: number): Uint8Array {
  const after = before.slice()
  const to = new DataView(after.buffer)
  const bytes = new Uint8Array(m.buffer)
  GENERAL.forEach((n, i) => to.setBigUint64(AT_GPR + 8 * i, m.getBigUint64(STATE + 8 * n, true), true))
  to.setUint32(AT_FLAGS, m.getUint32(STATE + L.EFLAGS, true), true)
  to.setUint32(AT_TRAP, trap, true)
  to.setUint16(FX_STATUS, m.getUint16(STATE + L.X87_STATUS, true), true)
  to.setUint8(FX_TAGS, m.getUint8(STATE + L.X87_TAGS))
  to.setUint32(FX_MXCSR, m.getUint32(STATE + L.MXCSR, true), true)
  const top = (m.getUint16(STATE + L.X87_STATUS, true) >> 11) & 7
  for (let i = 0; i < 8; i++) {
    const at = STATE + L.X87_REGISTERS + 16 * ((top + i) & 7)
    after.set(bytes.subarray(at, at + 10), FX_ST + 16 * i)
  }
  for (let i = 0; i < 16; i++) {
    const at = STATE + L.XMM + L.XMM_STRIDE * i
    after.set(bytes.subarray(at, at + 16), FX_XMM + 16 * i)
    after.set(bytes.subarray(at + 16, at + 32), AT_UPPER + 16 * i)
  }
  after.set(bytes.subarray(DATA, DATA + 64), AT_MEMORY)
  return after
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).reverse().toString('hex')

/** What is visible of a record, name by name, for comparing and for messages. */
export function visible(record: Uint8Array): ReadonlyMap<string, string> {
  const v = new DataView(record.buffer, record.byteOffset, RECORD_BYTES)
  const out = new Map<string, string>()
  const trap = v.getUint32(AT_TRAP, true)
  out.set('trap', trap ? `#${trap - 1}` : 'none')
  out.set('flags', (v.getUint32(AT_FLAGS, true) & ARITHMETIC_FLAGS).toString(16))
  out.set('mxcsr', v.getUint32(FX_MXCSR, true).toString(16))
  out.set('fsw', v.getUint16(FX_STATUS, true).toString(16))
  out.set('ftw', v.getUint8(FX_TAGS).toString(16))
  GENERAL.forEach((n, i) => out.set(`r${n}`, v.getBigUint64(AT_GPR + 8 * i, true).toString(16)))
  for (let i = 0; i < 8; i++) out.set(`st${i}`, hex(record.subarray(FX_ST + 16 * i, FX_ST + 16 * i + 10)))
  for (let i = 0; i < 16; i++) out.set(`xmm${i}`, hex(record.subarray(FX_XMM + 16 * i, FX_XMM + 16 * i + 16)))
  for (let i = 0; i < 16; i++) out.set(`ymm${i} high`, hex(record.subarray(AT_UPPER + 16 * i, AT_UPPER + 16 * i + 16)))
  out.set('memory', hex(record.subarray(AT_MEMORY, AT_MEMORY + 64)))
  return out
}

/** Compares everything visible cheaply. */
export function same(x: Uint8Array, y: Uint8Array): boolean {
  const a = new DataView(x.buffer, x.byteOffset, RECORD_BYTES)
  const b = new DataView(y.buffer, y.byteOffset, RECORD_BYTES)
  if ((a.getUint32(AT_FLAGS, true) ^ b.getUint32(AT_FLAGS, true)) & ARITHMETIC_FLAGS) return false
  if (a.getUint32(AT_TRAP, true) !== b.getUint32(AT_TRAP, true) || a.getUint32(FX_MXCSR, true) !== b.getUint32(FX_MXCSR, true)) return false
  if (a.getUint16(FX_STATUS, true) !== b.getUint16(FX_STATUS, true) || a.getUint8(FX_TAGS) !== b.getUint8(FX_TAGS)) return false
  for (let i = AT_GPR; i < AT_FLAGS; i += 4) if (a.getUint32(i, true) !== b.getUint32(i, true)) return false
  for (let i = FX_ST; i < FX_XMM; i += 16) {
    if (a.getUint32(i, true) !== b.getUint32(i, true) || a.getUint32(i + 4, true) !== b.getUint32(i + 4, true)) return false
    if (a.getUint16(i + 8, true) !== b.getUint16(i + 8, true)) return false
  }
  for (let i = FX_XMM; i < FX_XMM + 256; i += 4) if (a.getUint32(i, true) !== b.getUint32(i, true)) return false
  for (let i = AT_MEMORY; i < AT_MEMORY + 64; i += 4) if (a.getUint32(i, true) !== b.getUint32(i, true)) return false
  for (let i = AT_UPPER; i < AT_UPPER + 256; i += 4) if (a.getUint32(i, true) !== b.getUint32(i, true)) return false
  return true
}
