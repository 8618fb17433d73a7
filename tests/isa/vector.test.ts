// Every row of the MMX, SSE and crypto tables against the host CPU, bit for bit: registers, memory, MXCSR, flags, x87 tags and faults.

import { ok } from 'node:assert/strict'
import { test } from 'node:test'
import { cryptoRows } from '../../src/silicon/core/decode/opcodes/crypto.js'
import { mmxRows } from '../../src/silicon/core/decode/opcodes/mmx.js'
import { sseRows } from '../../src/silicon/core/decode/opcodes/sse.js'
import type { OpcodeRow } from '../../src/silicon/core/decode/row.js'
import { compileKernel, hostFeatures, noOracle, RECORD_BYTES, runOnHost, runOnKernel, same, visible } from './vector-bench.js'
import { Fast, makeCase, type Case } from './vector-cases.js'

const FEATURE_FLAGS: Readonly<Record<string, string>> = {
  SSE4A: 'sse4a', AES: 'aes', PCLMUL: 'pclmulqdq', SHA: 'sha_ni', SSE3: 'pni', SSSE3: 'ssse3', SSE41: 'sse4_1', SSE42: 'sse4_2', CLFSH: 'clflushopt',
}

const casesPerRow = Number(process.env['CBIT_VECTOR_CASES'] ?? 60)
const seed = Number(process.env['CBIT_VECTOR_SEED'] ?? 0x5eed)
const only = process.env['CBIT_VECTOR_ONLY']

function describe(c: Case, host: Uint8Array, ours: Uint8Array): string {
  const before = visible(c.record)
  const expected = visible(host)
  const found = visible(ours)
  const lines = [`${c.row.mnemonic} [${c.row.encoding}] ${c.row.operands} bytes ${Buffer.from(c.record.subarray(0, 10)).toString('hex')} ${JSON.stringify(c.vec)}`]
  for (const [name, value] of expected) {
    if (value !== found.get(name)) lines.push(`  ${name}: before ${before.get(name)} expected ${value} found ${found.get(name)}`)
  }
  lines.push(`  mxcsr before ${before.get('mxcsr')}; ` + ['xmm0', 'xmm1', 'xmm2', 'xmm3', 'memory'].map((n) => `${n}=${before.get(n)}`).join(' '))
  return lines.join('\n')
}

/** Cases whose outcome the manual leaves to the model, with the reason. */
const unlike: Readonly<Record<string, string>> = {}

const rows: readonly OpcodeRow[] = [...mmxRows, ...sseRows, ...cryptoRows]

test('vector instructions agree with the host CPU', { skip: noOracle() }, (t) => {
  const features = hostFeatures()
  const kernel = compileKernel()
  const random = new Fast(seed)
  const missing = new Set<string>()
  const tested = rows.filter((row) => {
    const flag = FEATURE_FLAGS[row.options.feature ?? '']
    if (flag !== undefined && !features.has(flag)) missing.add(flag)
    if (only !== undefined && !new RegExp(only).test(row.mnemonic)) return false
    return unlike[row.mnemonic] === undefined && (flag === undefined || features.has(flag))
  })
  for (const flag of missing) t.diagnostic(`not compared: the host has no ${flag}`)
  const cases = tested.flatMap((row) => Array.from({ length: casesPerRow }, () => makeCase(row, random)))
  const input = new Uint8Array(cases.length * RECORD_BYTES)
  cases.forEach((c, i) => input.set(c.record, i * RECORD_BYTES))
  const output = runOnHost(input)
  const failures = new Map<OpcodeRow, string[]>()
  cases.forEach((c, i) => {
    const host = output.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES)
    const ours = runOnKernel(kernel, c.vec, c.record)
    if (!same(host, ours)) failures.set(c.row, [...(failures.get(c.row) ?? []), describe(c, host, ours)])
  })
  t.diagnostic(`${cases.length} cases of ${tested.length} rows, seed ${seed}`)
  const report = [...failures].map(([row, list]) => `${list.length} of ${casesPerRow} cases of ${row.mnemonic} differ, e.g.\n${list[0]}`)
  ok(failures.size === 0, `${failures.size} rows differ\n${report.slice(0, Number(process.env['CBIT_VECTOR_SHOW'] ?? 12)).join('\n')}`)
})
