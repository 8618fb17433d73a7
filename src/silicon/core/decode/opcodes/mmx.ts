// MMX and the instructions of SSE to SSSE3 on MMX registers (AMD APM vol. 5, "64-Bit Media Instruction Reference").

import * as V from '../../ir/vector-ids.js'
import { row, vector, type Feature, type OpcodeRow } from '../row.js'

/** A two-operand instruction of map 0F on MMX registers whose XMM form has number `id`. */
const twin = (opcode: string, mnemonic: string, id: number, feature: Feature = 'MMX', source = 'Qq'): OpcodeRow =>
  row(`NP 0F ${opcode} /r`, mnemonic, `Pq,${source}`, vector(V.V_MMX + id), { feature })

const twin38 = (opcode: string, mnemonic: string, id: number): OpcodeRow =>
  row(`NP 0F38 ${opcode} /r`, mnemonic, 'Pq,Qq', vector(V.V_MMX + id), { feature: 'SSSE3' })

const shift = (opcode: string, group: number, mnemonic: string, id: number): OpcodeRow =>
  row(`NP 0F ${opcode} /${group} reg`, mnemonic, 'Nq,Ib', vector(id), { feature: 'MMX' })

const moveRows: readonly OpcodeRow[] = [
  row('NP 0F 6E /r', 'MOVD', 'Pq,Ey', vector(V.V_MMX_MOVD_LOAD), { feature: 'MMX', names: ['MOVD', 'MOVD', 'MOVQ'] }),
  row('NP 0F 7E /r', 'MOVD', 'Ey,Pq', vector(V.V_MMX_MOVD_STORE), { feature: 'MMX', names: ['MOVD', 'MOVD', 'MOVQ'] }),
  row('NP 0F 6F /r', 'MOVQ', 'Pq,Qq', vector(V.V_MMX_MOVQ_LOAD), { feature: 'MMX' }),
  row('NP 0F 7F /r', 'MOVQ', 'Qq,Pq', vector(V.V_MMX_MOVQ_STORE), { feature: 'MMX' }),
  row('NP 0F E7 /r mem', 'MOVNTQ', 'Mq,Pq', vector(V.V_MMX_MOVQ_STORE), { feature: 'SSE' }),
  row('NP 0F F7 /r reg', 'MASKMOVQ', 'Pq,Nq', vector(V.V_MASKMOVQ), { feature: 'SSE' }),
  row('NP 0F 70 /r', 'PSHUFW', 'Pq,Qq,Ib', vector(V.V_PSHUFW), { feature: 'SSE' }),
  row('NP 0F C4 /r reg', 'PINSRW', 'Pq,Ed,Ib', vector(V.V_MMX_PINSRW), { feature: 'SSE' }),
  row('NP 0F C4 /r mem', 'PINSRW', 'Pq,Mw,Ib', vector(V.V_MMX_PINSRW), { feature: 'SSE' }),
  row('NP 0F C5 /r reg', 'PEXTRW', 'Gd,Nq,Ib', vector(V.V_MMX_PEXTRW), { feature: 'SSE' }),
  row('NP 0F D7 /r reg', 'PMOVMSKB', 'Gd,Nq', vector(V.V_MMX_PMOVMSKB), { feature: 'SSE' }),
  row('F3 0F D6 /r reg', 'MOVQ2DQ', 'Vx,Nq', vector(V.V_MOVQ2DQ), { feature: 'SSE2' }),
  row('F2 0F D6 /r reg', 'MOVDQ2Q', 'Pq,Ux', vector(V.V_MOVDQ2Q), { feature: 'SSE2' }),
  row('NP 0F 77', 'EMMS', '', vector(V.V_EMMS), { feature: 'MMX' }),
]

const integerRows: readonly OpcodeRow[] = [
  twin('60', 'PUNPCKLBW', V.V_PUNPCKLBW, 'MMX', 'Qd'),
  twin('61', 'PUNPCKLWD', V.V_PUNPCKLWD, 'MMX', 'Qd'),
  twin('62', 'PUNPCKLDQ', V.V_PUNPCKLDQ, 'MMX', 'Qd'),
  twin('63', 'PACKSSWB', V.V_PACKSSWB),
  twin('64', 'PCMPGTB', V.V_PCMPGTB),
  twin('65', 'PCMPGTW', V.V_PCMPGTW),
  twin('66', 'PCMPGTD', V.V_PCMPGTD),
  twin('67', 'PACKUSWB', V.V_PACKUSWB),
  twin('68', 'PUNPCKHBW', V.V_PUNPCKHBW),
  twin('69', 'PUNPCKHWD', V.V_PUNPCKHWD),
  twin('6A', 'PUNPCKHDQ', V.V_PUNPCKHDQ),
  twin('6B', 'PACKSSDW', V.V_PACKSSDW),
  shift('71', 2, 'PSRLW', V.V_MMX_PSRLW_IMM),
  shift('71', 4, 'PSRAW', V.V_MMX_PSRAW_IMM),
  shift('71', 6, 'PSLLW', V.V_MMX_PSLLW_IMM),
  shift('72', 2, 'PSRLD', V.V_MMX_PSRLD_IMM),
  shift('72', 4, 'PSRAD', V.V_MMX_PSRAD_IMM),
  shift('72', 6, 'PSLLD', V.V_MMX_PSLLD_IMM),
  shift('73', 2, 'PSRLQ', V.V_MMX_PSRLQ_IMM),
  shift('73', 6, 'PSLLQ', V.V_MMX_PSLLQ_IMM),
  twin('74', 'PCMPEQB', V.V_PCMPEQB),
  twin('75', 'PCMPEQW', V.V_PCMPEQW),
  twin('76', 'PCMPEQD', V.V_PCMPEQD),
  twin('D1', 'PSRLW', V.V_PSRLW),
  twin('D2', 'PSRLD', V.V_PSRLD),
  twin('D3', 'PSRLQ', V.V_PSRLQ),
  twin('D4', 'PADDQ', V.V_PADDQ, 'SSE2'),
  twin('D5', 'PMULLW', V.V_PMULLW),
  twin('D8', 'PSUBUSB', V.V_PSUBUSB),
  twin('D9', 'PSUBUSW', V.V_PSUBUSW),
  twin('DA', 'PMINUB', V.V_PMINUB, 'SSE'),
  twin('DB', 'PAND', V.V_PAND),
  twin('DC', 'PADDUSB', V.V_PADDUSB),
  twin('DD', 'PADDUSW', V.V_PADDUSW),
  twin('DE', 'PMAXUB', V.V_PMAXUB, 'SSE'),
  twin('DF', 'PANDN', V.V_PANDN),
  twin('E0', 'PAVGB', V.V_PAVGB, 'SSE'),
  twin('E1', 'PSRAW', V.V_PSRAW),
  twin('E2', 'PSRAD', V.V_PSRAD),
  twin('E3', 'PAVGW', V.V_PAVGW, 'SSE'),
  twin('E4', 'PMULHUW', V.V_PMULHUW, 'SSE'),
  twin('E5', 'PMULHW', V.V_PMULHW),
  twin('E8', 'PSUBSB', V.V_PSUBSB),
  twin('E9', 'PSUBSW', V.V_PSUBSW),
  twin('EA', 'PMINSW', V.V_PMINSW, 'SSE'),
  twin('EB', 'POR', V.V_POR),
  twin('EC', 'PADDSB', V.V_PADDSB),
  twin('ED', 'PADDSW', V.V_PADDSW),
  twin('EE', 'PMAXSW', V.V_PMAXSW, 'SSE'),
  twin('EF', 'PXOR', V.V_PXOR),
  twin('F1', 'PSLLW', V.V_PSLLW),
  twin('F2', 'PSLLD', V.V_PSLLD),
  twin('F3', 'PSLLQ', V.V_PSLLQ),
  twin('F4', 'PMULUDQ', V.V_PMULUDQ, 'SSE2'),
  twin('F5', 'PMADDWD', V.V_PMADDWD),
  twin('F6', 'PSADBW', V.V_PSADBW, 'SSE'),
  twin('F8', 'PSUBB', V.V_PSUBB),
  twin('F9', 'PSUBW', V.V_PSUBW),
  twin('FA', 'PSUBD', V.V_PSUBD),
  twin('FB', 'PSUBQ', V.V_PSUBQ, 'SSE2'),
  twin('FC', 'PADDB', V.V_PADDB),
  twin('FD', 'PADDW', V.V_PADDW),
  twin('FE', 'PADDD', V.V_PADDD),
]

const ssse3Rows: readonly OpcodeRow[] = [
  twin38('00', 'PSHUFB', V.V_PSHUFB),
  twin38('01', 'PHADDW', V.V_PHADDW),
  twin38('02', 'PHADDD', V.V_PHADDD),
  twin38('03', 'PHADDSW', V.V_PHADDSW),
  twin38('04', 'PMADDUBSW', V.V_PMADDUBSW),
  twin38('05', 'PHSUBW', V.V_PHSUBW),
  twin38('06', 'PHSUBD', V.V_PHSUBD),
  twin38('07', 'PHSUBSW', V.V_PHSUBSW),
  twin38('08', 'PSIGNB', V.V_PSIGNB),
  twin38('09', 'PSIGNW', V.V_PSIGNW),
  twin38('0A', 'PSIGND', V.V_PSIGND),
  twin38('0B', 'PMULHRSW', V.V_PMULHRSW),
  twin38('1C', 'PABSB', V.V_PABSB),
  twin38('1D', 'PABSW', V.V_PABSW),
  twin38('1E', 'PABSD', V.V_PABSD),
  row('NP 0F3A 0F /r', 'PALIGNR', 'Pq,Qq,Ib', vector(V.V_MMX + V.V_PALIGNR), { feature: 'SSSE3' }),
]

/** Conversions between MMX and XMM registers (APM vol. 4). */
const mixedRows: readonly OpcodeRow[] = [
  row('NP 0F 2A /r', 'CVTPI2PS', 'Vx,Qq', vector(V.V_CVTPI2PS), { feature: 'SSE' }),
  row('66 0F 2A /r', 'CVTPI2PD', 'Vx,Qq', vector(V.V_CVTPI2PD), { feature: 'SSE2' }),
  row('NP 0F 2C /r', 'CVTTPS2PI', 'Pq,Wq', vector(V.V_CVTTPS2PI), { feature: 'SSE' }),
  row('66 0F 2C /r', 'CVTTPD2PI', 'Pq,Wx', vector(V.V_CVTTPD2PI), { feature: 'SSE2' }),
  row('NP 0F 2D /r', 'CVTPS2PI', 'Pq,Wq', vector(V.V_CVTPS2PI), { feature: 'SSE' }),
  row('66 0F 2D /r', 'CVTPD2PI', 'Pq,Wx', vector(V.V_CVTPD2PI), { feature: 'SSE2' }),
]

export const mmxRows: readonly OpcodeRow[] = [...moveRows, ...integerRows, ...ssse3Rows, ...mixedRows]
