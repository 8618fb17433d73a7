/** The opcode table: the only list of encodings. Its parts stand by subject in opcodes/. */

import { avxTwinRows } from './opcodes/avx-twins.js'
import { avxRows } from './opcodes/avx.js'
import { cryptoRows } from './opcodes/crypto.js'
import { fmaRows } from './opcodes/fma.js'
import { integerRows } from './opcodes/integer.js'
import { mmxRows } from './opcodes/mmx.js'
import { sseRows } from './opcodes/sse.js'
import { svmRows } from './opcodes/svm.js'
import { systemRows } from './opcodes/system.js'
import { x87Rows } from './opcodes/x87.js'
import type { OpcodeRow } from './row.js'
import { compileTable, type OpcodeTable } from './table.js'

export const opcodeRows: readonly OpcodeRow[] = [
  ...integerRows,
  ...systemRows,
  ...svmRows,
  ...x87Rows,
  ...mmxRows,
  ...sseRows,
  ...cryptoRows,
  ...avxTwinRows,
  ...avxRows,
  ...fmaRows,
]

let compiled: OpcodeTable | undefined

/** The compiled table; made once. */
export function opcodeTable(): OpcodeTable {
  compiled ??= compileTable(opcodeRows)
  return compiled
}
