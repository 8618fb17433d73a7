// Every row of the MMX, SSE, AVX, FMA and crypto tables against the host CPU, bit for bit: registers, memory, MXCSR, flags, x87 tags and faults.

import { ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { avxTwinRows } from '../../src/silicon/core/decode/opcodes/avx-twins.js'
import { avxRows } from '../../src/silicon/core/decode/opcodes/avx.js'
import { cryptoRows } from '../../src/silicon/core/decode/opcodes/crypto.js'
import { fmaRows } from '../../src/silicon/core/decode/opcodes/fma.js'
import { mmxRows } from '../../src/silicon/core/decode/opcodes/mmx.js'
import { sseRows } from '../../src/silicon/core/decode/opcodes/sse.js'
import type { OpcodeRow } from '../../src/silicon/core/decode/row.js'
import { hostFeatures, hostHasMisalignedSse, hostIsAmd } from './host-cpu.js'
import {
  AT_MEMORY,
  AT_OFFSET,
  AT_TRAP,
  AT_UPPER,
  compileKernel,
  FX_MXCSR,
  FX_XMM,
  noOracle,
  RECORD_BYTES,
  runOnHost,
  runOnKernel,
  same,
  visible,
} from './vector-bench.js'
import { type Case, Fast, makeCase as makeLegacyCase } from './vector-cases.js'
import { settleNans } from './vendor-differences.js'
import { isVex, makeVexCase } from './vector-vex-cases.js'

const makeCase = (row: OpcodeRow, random: Fast): Case => (isVex(row) ? makeVexCase : makeLegacyCase)(row, random)

const FEATURE_FLAGS: Readonly<Record<string, string>> = {
  SSE4A: 'sse4a',
  AES: 'aes',
  PCLMUL: 'pclmulqdq',
  SHA: 'sha_ni',
  SSE3: 'pni',
  SSSE3: 'ssse3',
  SSE41: 'sse4_1',
  SSE42: 'sse4_2',
  CLFSH: 'clflushopt',
  AVX: 'avx',
  AVX2: 'avx2',
  FMA: 'fma',
  F16C: 'f16c',
  VAES: 'vaes',
  VPCLMUL: 'vpclmulqdq',
}

const MXCSR_MM = 0x20000
const MXCSR_UE = 0x10
const MXCSR_PE = 0x20
const XF = 19
const casesPerRow = Number(process.env['CBIT_VECTOR_CASES'] ?? 120)
const seed = Number(process.env['CBIT_VECTOR_SEED'] ?? 0x5eed)
const only = process.env['CBIT_VECTOR_ONLY']

/**
 * The case as the host's CPU defines it too. Where MXCSR has no MM bit, without it: in the state, and in what LDMXCSR loads. On CPUs of others than AMD
 * with aligned operands of SHA instructions (vendor-differences.ts).
 */
function forHost(c: Case): Case {
  const view = new DataView(c.record.buffer, c.record.byteOffset, RECORD_BYTES)
  if (!hostIsAmd && /^SHA/.test(c.row.mnemonic)) view.setUint32(AT_OFFSET, view.getUint32(AT_OFFSET, true) & ~15, true)
  if (hostHasMisalignedSse) return c
  const clear = (at: number): void => view.setUint32(at, view.getUint32(at, true) & ~MXCSR_MM, true)
  clear(FX_MXCSR)
  if (/^V?LDMXCSR$/.test(c.row.mnemonic)) clear(AT_MEMORY + view.getUint32(AT_OFFSET, true))
  return c
}

const nameOf = (c: Case): string =>
  `${c.row.mnemonic} [${c.row.encoding}] ${c.row.operands} bytes ${Buffer.from(c.record.subarray(0, 10)).toString('hex')} ${JSON.stringify(c.vec)}`

function describe(c: Case, host: Uint8Array, ours: Uint8Array): string {
  const before = visible(c.record)
  const expected = visible(host)
  const found = visible(ours)
  const lines = [nameOf(c)]
  for (const [name, value] of expected) {
    if (value !== found.get(name)) lines.push(`  ${name}: before ${before.get(name)} expected ${value} found ${found.get(name)}`)
  }
  lines.push(
    `  mxcsr before ${before.get('mxcsr')}; ` + ['xmm0', 'xmm1', 'xmm2', 'xmm3', 'memory'].map((n) => `${n}=${before.get(n)}`).join(' '),
  )
  return lines.join('\n')
}

/** Estimates: the manual gives a bound for the error, the digits are the model's. They are compared within that bound. */
const isEstimate = (row: OpcodeRow): boolean => /^V?(RCP|RSQRT)[PS]S$/.test(row.mnemonic)

/** Both estimates err by at most 1.5 * 2^-12, so two of them lie at most twice that apart. */
function near(x: number, y: number): boolean {
  const view = new DataView(new ArrayBuffer(8))
  view.setUint32(0, x)
  view.setUint32(4, y)
  const [a, b] = [view.getFloat32(0), view.getFloat32(4)]
  return x === y || Math.abs(a - b) <= Math.abs(a) * 3 * 2 ** -12
}

/** Replaces estimates of `ours` that are near those of the host by them. */
function withNearEstimates(host: Uint8Array, ours: Uint8Array): Uint8Array {
  const h = new DataView(host.buffer, host.byteOffset)
  const o = new DataView(ours.buffer, ours.byteOffset)
  const lanes = Array.from({ length: 128 }, (_, i) => (i < 64 ? FX_XMM : AT_UPPER - 256) + 4 * i)
  for (const at of lanes) {
    if (near(h.getUint32(at, true), o.getUint32(at, true))) o.setUint32(at, h.getUint32(at, true), true)
  }
  return ours
}

/** Dot products: on CPUs of others than AMD NaNs may be other NaNs (vendor-differences.ts). */
function withNansOf(host: Uint8Array, ours: Uint8Array, bytes: number): Uint8Array {
  settleNans(ours, host, FX_XMM, FX_XMM + 256, bytes)
  settleNans(ours, host, AT_UPPER, AT_UPPER + 256, bytes)
  return ours
}

/** VCVTPS2PH with an unmasked underflow: CPUs of others than AMD may set PE, as of the result that they do not deliver (SDM vol. 1, section 11.5.2.5). */
function withPrecisionOf(host: Uint8Array, ours: Uint8Array): Uint8Array {
  const underflow = [host, ours].every((record) => (record[FX_MXCSR]! & MXCSR_UE) !== 0 && record[AT_TRAP] === XF + 1)
  if (underflow) ours[FX_MXCSR] = (ours[FX_MXCSR]! & ~MXCSR_PE) | (host[FX_MXCSR]! & MXCSR_PE)
  return ours
}

function comparable(row: OpcodeRow, host: Uint8Array, ours: Uint8Array): Uint8Array {
  if (isEstimate(row)) return withNearEstimates(host, ours)
  if (!hostIsAmd && /^V?DPP[SD]$/.test(row.mnemonic)) return withNansOf(host, ours, row.mnemonic.endsWith('D') ? 8 : 4)
  if (!hostIsAmd && row.mnemonic === 'VCVTPS2PH') return withPrecisionOf(host, ours)
  return ours
}

const kernel = compileKernel()
const rows: readonly OpcodeRow[] = [...mmxRows, ...sseRows, ...cryptoRows, ...avxTwinRows, ...avxRows, ...fmaRows].filter(
  (row) => row.semantics.kind === 'vector',
)

test('vector instructions agree with the host CPU', { skip: noOracle() }, (t) => {
  const random = new Fast(seed)
  const missing = new Set<string>()
  const tested = rows.filter((row) => {
    const flag = FEATURE_FLAGS[row.options.feature ?? '']
    if (flag !== undefined && !hostFeatures.has(flag)) missing.add(flag)
    if (only !== undefined && !new RegExp(only).test(row.mnemonic)) return false
    return flag === undefined || hostFeatures.has(flag)
  })
  for (const flag of missing) t.diagnostic(`not compared: the host has no ${flag}`)
  const cases = tested.flatMap((row) => Array.from({ length: casesPerRow }, () => forHost(makeCase(row, random))))
  const input = new Uint8Array(cases.length * RECORD_BYTES)
  cases.forEach((c, i) => input.set(c.record, i * RECORD_BYTES))
  const output = runOnHost(input, (n) => nameOf(cases[n]!))
  const failures = new Map<OpcodeRow, string[]>()
  cases.forEach((c, i) => {
    const host = output.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES)
    const ours = comparable(c.row, host, runOnKernel(kernel, c.vec, c.record))
    if (!same(host, ours)) failures.set(c.row, [...(failures.get(c.row) ?? []), describe(c, host, ours)])
  })
  t.diagnostic(`${cases.length} cases of ${tested.length} rows, seed ${seed}`)
  const report = [...failures].map(([row, list]) => `${list.length} of ${casesPerRow} cases of ${row.mnemonic} differ, e.g.\n${list[0]}`)
  ok(failures.size === 0, `${failures.size} rows differ\n${report.slice(0, Number(process.env['CBIT_VECTOR_SHOW'] ?? 12)).join('\n')}`)
})

/** A masked move whose mask has no sign set. */
function asksForNothing({ row, record, vec }: Case): boolean {
  if (!/^VP?MASKMOV(?!DQU)/.test(row.mnemonic)) return false
  const n = /[DQ]$/.test(row.mnemonic) && !/MOVD$/.test(row.mnemonic) ? 8 : 4
  const bytes = vec.imm2 & 0x1000 ? 32 : 16
  const at = 16 * ((vec.imm2 >> 8) & 15)
  const mask = [...record.subarray(FX_XMM + at, FX_XMM + at + 16), ...record.subarray(AT_UPPER + at, AT_UPPER + at + 16)]
  return mask.slice(0, bytes).every((byte, i) => i % n !== n - 1 || byte < 0x80)
}

test('a page fault leaves no trace', () => {
  const random = new Fast(seed)
  // Gathers go on where a fault has stopped them: host.test.ts compares what they leave.
  for (const row of rows.filter(({ mnemonic }) => !mnemonic.includes('GATHER'))) {
    for (let i = 0; i < 12; i++) {
      const c = makeCase(row, random)
      if (c.vec.a !== 0xff) continue
      const after = runOnKernel(kernel, c.vec, c.record, { deny: true })
      const view = new DataView(after.buffer)
      const trap = view.getUint32(AT_TRAP, true) - 1
      // Where no element is asked for, none faults.
      if (trap < 0 && asksForNothing(c)) continue
      ok(trap === 14 || trap === 13 || trap === 16, `${row.mnemonic} [${row.encoding}] ended with ${trap}`)
      view.setUint32(AT_TRAP, 0, true)
      ok(same(c.record, after), `${row.mnemonic} [${row.encoding}] changed state: ${describe(c, c.record, after)}`)
    }
  }
})

test('an unmasked exception is #XF with CR4.OSXMMEXCPT and #UD without', () => {
  const divide = rows.find((row) => row.mnemonic === 'DIVSS') as OpcodeRow
  const { record } = makeCase(divide, new Fast(seed))
  const view = new DataView(record.buffer)
  view.setUint32(FX_MXCSR, 0x1f80 & ~0x200, true)
  view.setUint32(FX_XMM, 0x3f800000, true)
  view.setUint32(FX_XMM + 16, 0, true)
  const vec = { id: divide.semantics.kind === 'vector' ? divide.semantics.id : -1, d: 0, a: 1, b: 4, imm2: 0 }
  for (const [cr4, vector] of [
    [0x400, 19],
    [0, 6],
  ] as const) {
    const after = new DataView(runOnKernel(kernel, vec, record, { cr4 }).buffer)
    strictEqual(after.getUint32(AT_TRAP, true) - 1, vector)
    strictEqual(after.getUint32(FX_XMM, true), 0x3f800000)
    strictEqual(after.getUint32(FX_MXCSR, true) & 0x3f, 4)
  }
})
