// SSE and SSE2 on XMM registers; the later extensions stand in sse-later.ts (AMD APM vol. 4, "128-Bit Media Instruction Reference").

import * as V from '../../ir/vector-ids.js'
import { row, rule, vector, type Feature, type OpcodeRow } from '../row.js'
import { sseLaterRows } from './sse-later.js'

/** Integer instruction: prefix 66, map 0F, aligned source. */
const integer = (opcode: string, mnemonic: string, id: number): OpcodeRow =>
  row(`66 0F ${opcode} /r`, mnemonic, 'Vx,Wx', vector(id), { feature: 'SSE2' })

const shift = (opcode: string, group: number, mnemonic: string, id: number): OpcodeRow =>
  row(`66 0F ${opcode} /${group} reg`, mnemonic, 'Ux,Ib', vector(id), { feature: 'SSE2' })

/** The two packed shapes of an instruction that does not care for number formats. */
const packed = (opcode: string, mnemonic: string, ps: number, pd: number, immediate = ''): readonly OpcodeRow[] => [
  row(`NP 0F ${opcode} /r`, `${mnemonic}PS`, `Vx,Wx${immediate}`, vector(ps), { feature: 'SSE' }),
  row(`66 0F ${opcode} /r`, `${mnemonic}PD`, `Vx,Wx${immediate}`, vector(pd), { feature: 'SSE2' }),
]

/** The four shapes PS, PD, SS, SD of an arithmetic operation; `id` is that of PS. */
const arithmetic = (opcode: string, mnemonic: string, id: number, immediate = ''): readonly OpcodeRow[] => [
  ...packed(opcode, mnemonic, id, id + 1, immediate),
  row(`F3 0F ${opcode} /r`, `${mnemonic}SS`, `Vx,Wd${immediate}`, vector(id + 2), { feature: 'SSE' }),
  row(`F2 0F ${opcode} /r`, `${mnemonic}SD`, `Vx,Wq${immediate}`, vector(id + 3), { feature: 'SSE2' }),
]

const plain = (encoding: string, mnemonic: string, operands: string, id: number, feature: Feature): OpcodeRow =>
  row(encoding, mnemonic, operands, vector(id), { feature })

const unaligned = (encoding: string, mnemonic: string, operands: string, id: number, feature: Feature): OpcodeRow =>
  row(encoding, mnemonic, operands, vector(id), { feature, unaligned: true })

const moveRows: readonly OpcodeRow[] = [
  unaligned('NP 0F 10 /r', 'MOVUPS', 'Vx,Wx', V.V_MOVU_LOAD, 'SSE'),
  unaligned('66 0F 10 /r', 'MOVUPD', 'Vx,Wx', V.V_MOVU_LOAD, 'SSE2'),
  plain('F3 0F 10 /r', 'MOVSS', 'Vx,Wd', V.V_MOVSS_LOAD, 'SSE'),
  plain('F2 0F 10 /r', 'MOVSD', 'Vx,Wq', V.V_MOVSD_LOAD, 'SSE2'),
  unaligned('NP 0F 11 /r', 'MOVUPS', 'Wx,Vx', V.V_MOVU_STORE, 'SSE'),
  unaligned('66 0F 11 /r', 'MOVUPD', 'Wx,Vx', V.V_MOVU_STORE, 'SSE2'),
  plain('F3 0F 11 /r', 'MOVSS', 'Wd,Vx', V.V_MOVSS_STORE, 'SSE'),
  plain('F2 0F 11 /r', 'MOVSD', 'Wq,Vx', V.V_MOVSD_STORE, 'SSE2'),
  plain('NP 0F 12 /r mem', 'MOVLPS', 'Vx,Mq', V.V_MOVL_LOAD, 'SSE'),
  plain('NP 0F 12 /r reg', 'MOVHLPS', 'Vx,Ux', V.V_MOVHLPS, 'SSE'),
  plain('66 0F 12 /r mem', 'MOVLPD', 'Vx,Mq', V.V_MOVL_LOAD, 'SSE2'),
  plain('NP 0F 13 /r mem', 'MOVLPS', 'Mq,Vx', V.V_MOVL_STORE, 'SSE'),
  plain('66 0F 13 /r mem', 'MOVLPD', 'Mq,Vx', V.V_MOVL_STORE, 'SSE2'),
  plain('NP 0F 16 /r mem', 'MOVHPS', 'Vx,Mq', V.V_MOVH_LOAD, 'SSE'),
  plain('NP 0F 16 /r reg', 'MOVLHPS', 'Vx,Ux', V.V_MOVLHPS, 'SSE'),
  plain('66 0F 16 /r mem', 'MOVHPD', 'Vx,Mq', V.V_MOVH_LOAD, 'SSE2'),
  plain('NP 0F 17 /r mem', 'MOVHPS', 'Mq,Vx', V.V_MOVH_STORE, 'SSE'),
  plain('66 0F 17 /r mem', 'MOVHPD', 'Mq,Vx', V.V_MOVH_STORE, 'SSE2'),
  plain('NP 0F 28 /r', 'MOVAPS', 'Vx,Wx', V.V_MOVA_LOAD, 'SSE'),
  plain('66 0F 28 /r', 'MOVAPD', 'Vx,Wx', V.V_MOVA_LOAD, 'SSE2'),
  plain('NP 0F 29 /r', 'MOVAPS', 'Wx,Vx', V.V_MOVA_STORE, 'SSE'),
  plain('66 0F 29 /r', 'MOVAPD', 'Wx,Vx', V.V_MOVA_STORE, 'SSE2'),
  plain('NP 0F 2B /r mem', 'MOVNTPS', 'Mdq,Vx', V.V_MOVA_STORE, 'SSE'),
  plain('66 0F 2B /r mem', 'MOVNTPD', 'Mdq,Vx', V.V_MOVA_STORE, 'SSE2'),
  plain('NP 0F 50 /r reg', 'MOVMSKPS', 'Gd,Ux', V.V_MOVMSKPS, 'SSE'),
  plain('66 0F 50 /r reg', 'MOVMSKPD', 'Gd,Ux', V.V_MOVMSKPD, 'SSE2'),
  row('66 0F 6E /r', 'MOVD', 'Vx,Ey', vector(V.V_MOVD_LOAD), { feature: 'SSE2', names: ['MOVD', 'MOVD', 'MOVQ'] }),
  row('66 0F 7E /r', 'MOVD', 'Ey,Vx', vector(V.V_MOVD_STORE), { feature: 'SSE2', names: ['MOVD', 'MOVD', 'MOVQ'] }),
  plain('66 0F 6F /r', 'MOVDQA', 'Vx,Wx', V.V_MOVA_LOAD, 'SSE2'),
  unaligned('F3 0F 6F /r', 'MOVDQU', 'Vx,Wx', V.V_MOVU_LOAD, 'SSE2'),
  plain('F3 0F 7E /r', 'MOVQ', 'Vx,Wq', V.V_MOVQ_LOAD, 'SSE2'),
  plain('66 0F 7F /r', 'MOVDQA', 'Wx,Vx', V.V_MOVA_STORE, 'SSE2'),
  unaligned('F3 0F 7F /r', 'MOVDQU', 'Wx,Vx', V.V_MOVU_STORE, 'SSE2'),
  plain('66 0F D6 /r', 'MOVQ', 'Wq,Vx', V.V_MOVQ_STORE, 'SSE2'),
  plain('66 0F D7 /r reg', 'PMOVMSKB', 'Gd,Ux', V.V_PMOVMSKB, 'SSE2'),
  plain('66 0F E7 /r mem', 'MOVNTDQ', 'Mdq,Vx', V.V_MOVA_STORE, 'SSE2'),
  plain('66 0F F7 /r reg', 'MASKMOVDQU', 'Vx,Ux', V.V_MASKMOVDQU, 'SSE2'),
  plain('NP 0F C3 /r mem', 'MOVNTI', 'My,Gy', V.V_MOVNTI, 'SSE2'),
  plain('66 0F C4 /r reg', 'PINSRW', 'Vx,Ed,Ib', V.V_PINSRW, 'SSE2'),
  plain('66 0F C4 /r mem', 'PINSRW', 'Vx,Mw,Ib', V.V_PINSRW, 'SSE2'),
  plain('66 0F C5 /r reg', 'PEXTRW', 'Gd,Ux,Ib', V.V_PEXTRW_REG, 'SSE2'),
]

const floatRows: readonly OpcodeRow[] = [
  ...packed('14', 'UNPCKL', V.V_PUNPCKLDQ, V.V_PUNPCKLQDQ),
  ...packed('15', 'UNPCKH', V.V_PUNPCKHDQ, V.V_PUNPCKHQDQ),
  plain('NP 0F 2E /r', 'UCOMISS', 'Vx,Wd', V.V_UCOMISS, 'SSE'),
  plain('66 0F 2E /r', 'UCOMISD', 'Vx,Wq', V.V_UCOMISD, 'SSE2'),
  plain('NP 0F 2F /r', 'COMISS', 'Vx,Wd', V.V_COMISS, 'SSE'),
  plain('66 0F 2F /r', 'COMISD', 'Vx,Wq', V.V_COMISD, 'SSE2'),
  ...arithmetic('51', 'SQRT', V.V_SQRTPS),
  plain('NP 0F 52 /r', 'RSQRTPS', 'Vx,Wx', V.V_RSQRTPS, 'SSE'),
  plain('F3 0F 52 /r', 'RSQRTSS', 'Vx,Wd', V.V_RSQRTSS, 'SSE'),
  plain('NP 0F 53 /r', 'RCPPS', 'Vx,Wx', V.V_RCPPS, 'SSE'),
  plain('F3 0F 53 /r', 'RCPSS', 'Vx,Wd', V.V_RCPSS, 'SSE'),
  ...packed('54', 'AND', V.V_PAND, V.V_PAND),
  ...packed('55', 'ANDN', V.V_PANDN, V.V_PANDN),
  ...packed('56', 'OR', V.V_POR, V.V_POR),
  ...packed('57', 'XOR', V.V_PXOR, V.V_PXOR),
  ...arithmetic('58', 'ADD', V.V_ADDPS),
  ...arithmetic('59', 'MUL', V.V_MULPS),
  ...arithmetic('5C', 'SUB', V.V_SUBPS),
  ...arithmetic('5D', 'MIN', V.V_MINPS),
  ...arithmetic('5E', 'DIV', V.V_DIVPS),
  ...arithmetic('5F', 'MAX', V.V_MAXPS),
  ...arithmetic('C2', 'CMP', V.V_CMPPS, ',Ib'),
  ...packed('C6', 'SHUF', V.V_SHUFPS, V.V_SHUFPD, ',Ib'),
]

const convertRows: readonly OpcodeRow[] = [
  plain('F3 0F 2A /r', 'CVTSI2SS', 'Vx,Ey', V.V_CVTSI2SS, 'SSE'),
  plain('F2 0F 2A /r', 'CVTSI2SD', 'Vx,Ey', V.V_CVTSI2SD, 'SSE2'),
  plain('F3 0F 2C /r', 'CVTTSS2SI', 'Gy,Wd', V.V_CVTTSS2SI, 'SSE'),
  plain('F2 0F 2C /r', 'CVTTSD2SI', 'Gy,Wq', V.V_CVTTSD2SI, 'SSE2'),
  plain('F3 0F 2D /r', 'CVTSS2SI', 'Gy,Wd', V.V_CVTSS2SI, 'SSE'),
  plain('F2 0F 2D /r', 'CVTSD2SI', 'Gy,Wq', V.V_CVTSD2SI, 'SSE2'),
  plain('NP 0F 5A /r', 'CVTPS2PD', 'Vx,Wq', V.V_CVTPS2PD, 'SSE2'),
  plain('66 0F 5A /r', 'CVTPD2PS', 'Vx,Wx', V.V_CVTPD2PS, 'SSE2'),
  plain('F3 0F 5A /r', 'CVTSS2SD', 'Vx,Wd', V.V_CVTSS2SD, 'SSE2'),
  plain('F2 0F 5A /r', 'CVTSD2SS', 'Vx,Wq', V.V_CVTSD2SS, 'SSE2'),
  plain('NP 0F 5B /r', 'CVTDQ2PS', 'Vx,Wx', V.V_CVTDQ2PS, 'SSE2'),
  plain('66 0F 5B /r', 'CVTPS2DQ', 'Vx,Wx', V.V_CVTPS2DQ, 'SSE2'),
  plain('F3 0F 5B /r', 'CVTTPS2DQ', 'Vx,Wx', V.V_CVTTPS2DQ, 'SSE2'),
  plain('66 0F E6 /r', 'CVTTPD2DQ', 'Vx,Wx', V.V_CVTTPD2DQ, 'SSE2'),
  plain('F3 0F E6 /r', 'CVTDQ2PD', 'Vx,Wq', V.V_CVTDQ2PD, 'SSE2'),
  plain('F2 0F E6 /r', 'CVTPD2DQ', 'Vx,Wx', V.V_CVTPD2DQ, 'SSE2'),
]

const shiftRows: readonly OpcodeRow[] = [
  shift('71', 2, 'PSRLW', V.V_PSRLW_IMM),
  shift('71', 4, 'PSRAW', V.V_PSRAW_IMM),
  shift('71', 6, 'PSLLW', V.V_PSLLW_IMM),
  shift('72', 2, 'PSRLD', V.V_PSRLD_IMM),
  shift('72', 4, 'PSRAD', V.V_PSRAD_IMM),
  shift('72', 6, 'PSLLD', V.V_PSLLD_IMM),
  shift('73', 2, 'PSRLQ', V.V_PSRLQ_IMM),
  shift('73', 3, 'PSRLDQ', V.V_PSRLDQ),
  shift('73', 6, 'PSLLQ', V.V_PSLLQ_IMM),
  shift('73', 7, 'PSLLDQ', V.V_PSLLDQ),
]

const integerRows: readonly OpcodeRow[] = [
  integer('60', 'PUNPCKLBW', V.V_PUNPCKLBW),
  integer('61', 'PUNPCKLWD', V.V_PUNPCKLWD),
  integer('62', 'PUNPCKLDQ', V.V_PUNPCKLDQ),
  integer('63', 'PACKSSWB', V.V_PACKSSWB),
  integer('64', 'PCMPGTB', V.V_PCMPGTB),
  integer('65', 'PCMPGTW', V.V_PCMPGTW),
  integer('66', 'PCMPGTD', V.V_PCMPGTD),
  integer('67', 'PACKUSWB', V.V_PACKUSWB),
  integer('68', 'PUNPCKHBW', V.V_PUNPCKHBW),
  integer('69', 'PUNPCKHWD', V.V_PUNPCKHWD),
  integer('6A', 'PUNPCKHDQ', V.V_PUNPCKHDQ),
  integer('6B', 'PACKSSDW', V.V_PACKSSDW),
  integer('6C', 'PUNPCKLQDQ', V.V_PUNPCKLQDQ),
  integer('6D', 'PUNPCKHQDQ', V.V_PUNPCKHQDQ),
  plain('66 0F 70 /r', 'PSHUFD', 'Vx,Wx,Ib', V.V_PSHUFD, 'SSE2'),
  plain('F3 0F 70 /r', 'PSHUFHW', 'Vx,Wx,Ib', V.V_PSHUFHW, 'SSE2'),
  plain('F2 0F 70 /r', 'PSHUFLW', 'Vx,Wx,Ib', V.V_PSHUFLW, 'SSE2'),
  integer('74', 'PCMPEQB', V.V_PCMPEQB),
  integer('75', 'PCMPEQW', V.V_PCMPEQW),
  integer('76', 'PCMPEQD', V.V_PCMPEQD),
  integer('D1', 'PSRLW', V.V_PSRLW),
  integer('D2', 'PSRLD', V.V_PSRLD),
  integer('D3', 'PSRLQ', V.V_PSRLQ),
  integer('D4', 'PADDQ', V.V_PADDQ),
  integer('D5', 'PMULLW', V.V_PMULLW),
  integer('D8', 'PSUBUSB', V.V_PSUBUSB),
  integer('D9', 'PSUBUSW', V.V_PSUBUSW),
  integer('DA', 'PMINUB', V.V_PMINUB),
  integer('DB', 'PAND', V.V_PAND),
  integer('DC', 'PADDUSB', V.V_PADDUSB),
  integer('DD', 'PADDUSW', V.V_PADDUSW),
  integer('DE', 'PMAXUB', V.V_PMAXUB),
  integer('DF', 'PANDN', V.V_PANDN),
  integer('E0', 'PAVGB', V.V_PAVGB),
  integer('E1', 'PSRAW', V.V_PSRAW),
  integer('E2', 'PSRAD', V.V_PSRAD),
  integer('E3', 'PAVGW', V.V_PAVGW),
  integer('E4', 'PMULHUW', V.V_PMULHUW),
  integer('E5', 'PMULHW', V.V_PMULHW),
  integer('E8', 'PSUBSB', V.V_PSUBSB),
  integer('E9', 'PSUBSW', V.V_PSUBSW),
  integer('EA', 'PMINSW', V.V_PMINSW),
  integer('EB', 'POR', V.V_POR),
  integer('EC', 'PADDSB', V.V_PADDSB),
  integer('ED', 'PADDSW', V.V_PADDSW),
  integer('EE', 'PMAXSW', V.V_PMAXSW),
  integer('EF', 'PXOR', V.V_PXOR),
  integer('F1', 'PSLLW', V.V_PSLLW),
  integer('F2', 'PSLLD', V.V_PSLLD),
  integer('F3', 'PSLLQ', V.V_PSLLQ),
  integer('F4', 'PMULUDQ', V.V_PMULUDQ),
  integer('F5', 'PMADDWD', V.V_PMADDWD),
  integer('F6', 'PSADBW', V.V_PSADBW),
  integer('F8', 'PSUBB', V.V_PSUBB),
  integer('F9', 'PSUBW', V.V_PSUBW),
  integer('FA', 'PSUBD', V.V_PSUBD),
  integer('FB', 'PSUBQ', V.V_PSUBQ),
  integer('FC', 'PADDB', V.V_PADDB),
  integer('FD', 'PADDW', V.V_PADDW),
  integer('FE', 'PADDD', V.V_PADDD),
]

/**
 * Cache control and fences (APM vol. 3). They need no SSE state: CR0.TS, CR0.EM and CR4.OSFXSR do not matter to them. Nothing is reordered here, so
 * fences and prefetches do nothing. All other forms of 0F 18 are hints without meaning.
 */
const cacheRows: readonly OpcodeRow[] = [
  row('0F 18 /0 mem', 'PREFETCHNTA', 'M', rule('NOP'), { feature: 'SSE', reads: true }),
  row('0F 18 /1 mem', 'PREFETCHT0', 'M', rule('NOP'), { feature: 'SSE', reads: true }),
  row('0F 18 /2 mem', 'PREFETCHT1', 'M', rule('NOP'), { feature: 'SSE', reads: true }),
  row('0F 18 /3 mem', 'PREFETCHT2', 'M', rule('NOP'), { feature: 'SSE', reads: true }),
  row('0F 18 /r', 'NOP', 'Ev', rule('NOP')),
  row('NP 0F AE /5 reg', 'LFENCE', '', rule('NOP'), { feature: 'SSE2' }),
  row('NP 0F AE /6 reg', 'MFENCE', '', rule('NOP'), { feature: 'SSE2' }),
  row('NP 0F AE /7 reg', 'SFENCE', '', rule('NOP'), { feature: 'SSE' }),
  row('NP 0F AE /7 mem', 'CLFLUSH', 'M', vector(V.V_CLFLUSH), { feature: 'CLFSH', reads: true }),
  row('66 0F AE /7 mem', 'CLFLUSHOPT', 'M', vector(V.V_CLFLUSH), { feature: 'CLFSH', reads: true }),
  row('66 0F AE /6 mem', 'CLWB', 'M', vector(V.V_CLFLUSH), { feature: 'CLFSH', reads: true }),
]

const controlRows: readonly OpcodeRow[] = [
  row('NP 0F AE /2 mem', 'LDMXCSR', 'Md', vector(V.V_LDMXCSR), { feature: 'SSE', reads: true }),
  plain('NP 0F AE /3 mem', 'STMXCSR', 'Md', V.V_STMXCSR, 'SSE'),
]

export const sseRows: readonly OpcodeRow[] = [
  ...moveRows,
  ...floatRows,
  ...convertRows,
  ...shiftRows,
  ...integerRows,
  ...cacheRows,
  ...controlRows,
  ...sseLaterRows,
]
