// AES, PCLMULQDQ and SHA instructions, legacy encodings (AMD APM vol. 4 and vol. 3).

import * as V from '../../ir/vector-ids.js'
import { row, vector, type OpcodeRow } from '../row.js'

const aes = (opcode: string, mnemonic: string, id: number): OpcodeRow =>
  row(`66 0F38 ${opcode} /r`, mnemonic, 'Vx,Wx', vector(id), { feature: 'AES' })

/** Memory operands of the SHA instructions need not be aligned on AMD processors. */
const sha = (opcode: string, mnemonic: string, id: number): OpcodeRow =>
  row(`NP 0F38 ${opcode} /r`, mnemonic, 'Vx,Wx', vector(id), { feature: 'SHA', unaligned: true })

export const cryptoRows: readonly OpcodeRow[] = [
  aes('DB', 'AESIMC', V.V_AESIMC),
  aes('DC', 'AESENC', V.V_AESENC),
  aes('DD', 'AESENCLAST', V.V_AESENCLAST),
  aes('DE', 'AESDEC', V.V_AESDEC),
  aes('DF', 'AESDECLAST', V.V_AESDECLAST),
  row('66 0F3A DF /r', 'AESKEYGENASSIST', 'Vx,Wx,Ib', vector(V.V_AESKEYGENASSIST), { feature: 'AES' }),
  row('66 0F3A 44 /r', 'PCLMULQDQ', 'Vx,Wx,Ib', vector(V.V_PCLMULQDQ), { feature: 'PCLMUL' }),
  sha('C8', 'SHA1NEXTE', V.V_SHA1NEXTE),
  sha('C9', 'SHA1MSG1', V.V_SHA1MSG1),
  sha('CA', 'SHA1MSG2', V.V_SHA1MSG2),
  sha('CB', 'SHA256RNDS2', V.V_SHA256RNDS2),
  sha('CC', 'SHA256MSG1', V.V_SHA256MSG1),
  sha('CD', 'SHA256MSG2', V.V_SHA256MSG2),
  row('NP 0F3A CC /r', 'SHA1RNDS4', 'Vx,Wx,Ib', vector(V.V_SHA1RNDS4), { feature: 'SHA', unaligned: true }),
]
