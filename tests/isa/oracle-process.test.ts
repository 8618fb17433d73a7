/** An oracle that does not end, or ends badly, is an error that names the record. */

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OracleProcess } from './oracle-process.js'
import { AT_MEMORY, FX_MXCSR, noOracle, RECORD_BYTES, runOnHost } from './vector-bench.js'

describe('the oracle', { skip: noOracle() }, () => {
  /** Two records of `code`, behind which the caller puts RET. */
  const records = (code: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(2 * RECORD_BYTES)
    for (const at of [0, RECORD_BYTES]) {
      bytes.fill(0xc3, at, at + 16)
      new DataView(bytes.buffer).setUint32(at + FX_MXCSR, 0x1f80, true)
    }
    bytes.set(code, RECORD_BYTES)
    return bytes
  }
  const name = (record: number): string => `case ${record}`

  it('answers a record for each', () => {
    const answer = runOnHost(records([0x90]), name)
    assert.equal(answer.length, 2 * RECORD_BYTES)
    assert(answer.subarray(AT_MEMORY, AT_MEMORY + 64).every((byte) => byte === 0))
  })

  it('says which state the CPU does not take', () => {
    const bytes = records([0x90])
    new DataView(bytes.buffer).setUint32(RECORD_BYTES + FX_MXCSR, 0x80001f80, true)
    assert.throws(() => runOnHost(bytes, name), /ended with 4 at record 1 of 2: case 1\nexception 13 outside the instruction/)
  })

  it('has a limit of time, and says what it was at', () => {
    const oracle = OracleProcess.build('vector-oracle.c')
    assert(typeof oracle !== 'string')
    // JMP to itself
    assert.throws(() => oracle.run(records([0xeb, 0xfe]), 2, name, [], 3000), /did not end in 3\.002 s at record 1 of 2: case 1/)
    oracle.close()
  })
})
