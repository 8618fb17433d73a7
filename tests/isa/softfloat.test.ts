// f32 and f64 of the kernel against the host's SSE unit, bit for bit, with every exception flag.

import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { bench, noOracle, Random } from './x87-bench.js'

const reason = noOracle()

type Fn = (...args: (number | bigint)[]) => number | bigint | undefined
/** op number of the oracle, function, kinds of operands and result ('s' binary32, 'd' binary64, 'i' int32, 'l' int64, 'c' comparison). */
const operations: readonly (readonly [number, string, string, string, number?])[] = [
  ...['f32', 'f64'].flatMap((f, i) => {
    const k = i ? 'd' : 's'
    return [
      [10 * i, `${f}_add`, k + k, k],
      [10 * i + 1, `${f}_sub`, k + k, k],
      [10 * i + 2, `${f}_mul`, k + k, k],
      [10 * i + 3, `${f}_div`, k + k, k],
      [10 * i + 4, `${f}_sqrt`, k, k],
      [10 * i + 5, `${f}_min`, k + k, k],
      [10 * i + 6, `${f}_max`, k + k, k],
      [10 * i + 7, `${f}_compare`, k + k, 'c'],
      [10 * i + 8, `${f}_compare_quiet`, k + k, 'c'],
      ...[0, 1, 2, 3, 4, 8, 12].map((m) => [100 + 16 * i + m, `${f}_round_to_int`, k, k, m] as const),
    ] as const
  }),
  [20, 'f32_to_f64', 's', 'd'],
  [21, 'f64_to_f32', 'd', 's'],
  [30, 'f32_to_i32', 's', 'i'],
  [31, 'f32_to_i32_trunc', 's', 'i'],
  [32, 'f32_to_i64', 's', 'l'],
  [33, 'f32_to_i64_trunc', 's', 'l'],
  [34, 'f64_to_i32', 'd', 'i'],
  [35, 'f64_to_i32_trunc', 'd', 'i'],
  [36, 'f64_to_i64', 'd', 'l'],
  [37, 'f64_to_i64_trunc', 'd', 'l'],
  [40, 'i32_to_f32', 'i', 's'],
  [41, 'i64_to_f32', 'l', 's'],
  [42, 'i32_to_f64', 'i', 'd'],
  [43, 'i64_to_f64', 'l', 'd'],
]

function binary(r: Random, width: 32 | 64): bigint {
  const bits = BigInt(width)
  const fractionBits = width === 32 ? 23n : 52n
  const top = width === 32 ? 255 : 2047
  const bias = width === 32 ? 127 : 1023
  const exponent = r.pick([
    0,
    0,
    1,
    2,
    bias,
    bias + 1,
    bias - 1,
    bias + Number(fractionBits),
    bias + 31,
    bias + 63,
    top - 1,
    top,
    top,
    r.below(top),
    r.below(top),
    bias + r.below(70) - 3,
    bias - 127,
    bias - 149 + 1 + r.below(40),
  ])
  const ones = (1n << fractionBits) - 1n
  const fraction = r.pick([
    0n,
    1n,
    ones,
    ones - 1n,
    ones - (r.u64() & 0xffn),
    ones - (r.u64() & 0x3ffffffffn & ones),
    1n << (fractionBits - 1n),
    (1n << (fractionBits - 1n)) + 1n,
    r.u64() & ones,
    r.u64() & ones,
    r.u64() & ones,
    (r.u64() & ones) >> BigInt(r.below(Number(fractionBits))),
    r.u64() & ones & (ones << BigInt(r.below(Number(fractionBits)))),
  ])
  return ((BigInt(r.below(2)) << (bits - 1n)) | (BigInt(Math.max(exponent, 0)) << fractionBits) | fraction) & ((1n << bits) - 1n)
}

function operand(r: Random, kind: string): bigint {
  if (kind === 's') return binary(r, 32)
  if (kind === 'd') return binary(r, 64)
  const v = r.pick([r.u64(), r.u64() >> BigInt(r.below(64)), 0n, 1n << 31n, 1n << 63n, (1n << 63n) - 1n, ~(r.u64() >> BigInt(r.below(63)))])
  return BigInt.asUintN(kind === 'i' ? 32 : 64, v)
}

const hex = (v: bigint): string => v.toString(16)

test('f32 and f64 agree with the SSE unit of the host', { skip: reason }, () => {
  const b = bench('softfloat.ts', true)
  const r = new Random(0x5eed5eedn)
  const perOperation = Number(process.env['CBIT_FLOAT_CASES'] ?? 3000)
  const cases = operations.flatMap((o) =>
    Array.from({ length: perOperation }, () => {
      const masks = r.below(4) ? 0x3f : r.below(64)
      const sticky = r.below(2) ? 0x20 & masks : 0
      const mode = r.pick([0, 0, 0, 0x40, 0x8000, 0x8040])
      return {
        o,
        a: operand(r, o[2][0] as string),
        b: o[2].length > 1 ? operand(r, o[2][1] as string) : 0n,
        mxcsr: (masks << 7) | sticky | (r.below(4) << 13) | mode,
      }
    }),
  )
  const input = Buffer.alloc(cases.length * 24)
  cases.forEach((c, i) => {
    input.writeUInt32LE(c.o[0], i * 24)
    input.writeUInt32LE(c.mxcsr, i * 24 + 4)
    const one = c.o[2].length === 1
    input.writeBigUInt64LE(c.a, i * 24 + 8)
    input.writeBigUInt64LE(one ? c.a : c.b, i * 24 + 16)
  })
  const output = b.oracle(
    'sse',
    input,
    cases.map(({ o, a, b, mxcsr }) => `${o[1]} ${hex(a)} ${hex(b)} mxcsr ${mxcsr.toString(16)}`),
  )
  const failures: string[] = []
  cases.forEach((c, i) => {
    const [, name, kinds, kind, mode] = c.o
    ;(b.kernel['sf_begin'] as Fn)(c.mxcsr)
    const pass = (v: bigint, k: string): number | bigint => (k === 's' || k === 'i' ? Number(BigInt.asIntN(32, v)) : v)
    const args = [pass(c.a, kinds[0] as string)]
    if (kinds.length > 1) args.push(pass(c.b, kinds[1] as string))
    if (mode !== undefined) args.push(mode)
    const got = BigInt((b.kernel[name] as Fn)(...args) ?? 0n)
    const flags = Number((b.kernel['sf_flags'] as WebAssembly.Global).value)
    const fault = output.readUInt32LE(i * 16 + 12)
    const width = kind === 's' || kind === 'i' ? 32 : 64
    const wantBits = BigInt.asUintN(width, output.readBigUInt64LE(i * 16))
    const gotBits = BigInt.asUintN(width, got)
    const wantFlags = output.readUInt32LE(i * 16 + 8) & 0x3f
    const gotFault = flags & ~(c.mxcsr >> 7) & 0x3f
    const ok = flags === wantFlags && (gotFault !== 0) === (fault !== 0) && (fault !== 0 || wantBits === gotBits)
    if (!ok && failures.length < 40) {
      failures.push(
        `${name}${mode ?? ''} ${hex(c.a)} ${hex(c.b)} mxcsr ${c.mxcsr.toString(16)}: got ${hex(gotBits)} flags ${flags.toString(16)}, host ${hex(wantBits)} flags ${wantFlags.toString(16)} signal ${fault}`,
      )
    }
  })
  deepStrictEqual(failures, [])
})
