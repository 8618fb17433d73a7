// SSE3, SSSE3, SSE4.1, SSE4.2 and SSE4a on XMM registers (AMD APM vol. 4); CRC32 (APM vol. 3).

import * as V from '../../ir/vector-ids.js'
import { row, vector, type Feature, type OpcodeRow } from '../row.js'

const plain = (encoding: string, mnemonic: string, operands: string, id: number, feature: Feature): OpcodeRow =>
  row(encoding, mnemonic, operands, vector(id), { feature })

const map38 = (opcode: string, mnemonic: string, id: number, feature: Feature = 'SSE41', source = 'Wx'): OpcodeRow =>
  row(`66 0F38 ${opcode} /r`, mnemonic, `Vx,${source}`, vector(id), { feature })

const map3a = (opcode: string, mnemonic: string, id: number, source = 'Wx'): OpcodeRow =>
  row(`66 0F3A ${opcode} /r`, mnemonic, `Vx,${source},Ib`, vector(id), { feature: 'SSE41' })

const sse3Rows: readonly OpcodeRow[] = [
  plain('F3 0F 12 /r', 'MOVSLDUP', 'Vx,Wx', V.V_MOVSLDUP, 'SSE3'),
  plain('F2 0F 12 /r', 'MOVDDUP', 'Vx,Wq', V.V_MOVDDUP, 'SSE3'),
  plain('F3 0F 16 /r', 'MOVSHDUP', 'Vx,Wx', V.V_MOVSHDUP, 'SSE3'),
  plain('66 0F 7C /r', 'HADDPD', 'Vx,Wx', V.V_HADDPD, 'SSE3'),
  plain('F2 0F 7C /r', 'HADDPS', 'Vx,Wx', V.V_HADDPS, 'SSE3'),
  plain('66 0F 7D /r', 'HSUBPD', 'Vx,Wx', V.V_HSUBPD, 'SSE3'),
  plain('F2 0F 7D /r', 'HSUBPS', 'Vx,Wx', V.V_HSUBPS, 'SSE3'),
  plain('66 0F D0 /r', 'ADDSUBPD', 'Vx,Wx', V.V_ADDSUBPD, 'SSE3'),
  plain('F2 0F D0 /r', 'ADDSUBPS', 'Vx,Wx', V.V_ADDSUBPS, 'SSE3'),
  row('F2 0F F0 /r mem', 'LDDQU', 'Vx,Mdq', vector(V.V_MOVU_LOAD), { feature: 'SSE3', unaligned: true }),
]

const ssse3Rows: readonly OpcodeRow[] = [
  map38('00', 'PSHUFB', V.V_PSHUFB, 'SSSE3'),
  map38('01', 'PHADDW', V.V_PHADDW, 'SSSE3'),
  map38('02', 'PHADDD', V.V_PHADDD, 'SSSE3'),
  map38('03', 'PHADDSW', V.V_PHADDSW, 'SSSE3'),
  map38('04', 'PMADDUBSW', V.V_PMADDUBSW, 'SSSE3'),
  map38('05', 'PHSUBW', V.V_PHSUBW, 'SSSE3'),
  map38('06', 'PHSUBD', V.V_PHSUBD, 'SSSE3'),
  map38('07', 'PHSUBSW', V.V_PHSUBSW, 'SSSE3'),
  map38('08', 'PSIGNB', V.V_PSIGNB, 'SSSE3'),
  map38('09', 'PSIGNW', V.V_PSIGNW, 'SSSE3'),
  map38('0A', 'PSIGND', V.V_PSIGND, 'SSSE3'),
  map38('0B', 'PMULHRSW', V.V_PMULHRSW, 'SSSE3'),
  map38('1C', 'PABSB', V.V_PABSB, 'SSSE3'),
  map38('1D', 'PABSW', V.V_PABSW, 'SSSE3'),
  map38('1E', 'PABSD', V.V_PABSD, 'SSSE3'),
  plain('66 0F3A 0F /r', 'PALIGNR', 'Vx,Wx,Ib', V.V_PALIGNR, 'SSSE3'),
]

const sse41Rows: readonly OpcodeRow[] = [
  map38('10', 'PBLENDVB', V.V_PBLENDVB),
  map38('14', 'BLENDVPS', V.V_BLENDVPS),
  map38('15', 'BLENDVPD', V.V_BLENDVPD),
  plain('66 0F38 17 /r', 'PTEST', 'Vx,Wx', V.V_PTEST, 'SSE41'),
  map38('20', 'PMOVSXBW', V.V_PMOVSXBW, 'SSE41', 'Wq'),
  map38('21', 'PMOVSXBD', V.V_PMOVSXBD, 'SSE41', 'Wd'),
  map38('22', 'PMOVSXBQ', V.V_PMOVSXBQ, 'SSE41', 'Ww'),
  map38('23', 'PMOVSXWD', V.V_PMOVSXWD, 'SSE41', 'Wq'),
  map38('24', 'PMOVSXWQ', V.V_PMOVSXWQ, 'SSE41', 'Wd'),
  map38('25', 'PMOVSXDQ', V.V_PMOVSXDQ, 'SSE41', 'Wq'),
  map38('28', 'PMULDQ', V.V_PMULDQ),
  map38('29', 'PCMPEQQ', V.V_PCMPEQQ),
  plain('66 0F38 2A /r mem', 'MOVNTDQA', 'Vx,Mdq', V.V_MOVA_LOAD, 'SSE41'),
  map38('2B', 'PACKUSDW', V.V_PACKUSDW),
  map38('30', 'PMOVZXBW', V.V_PMOVZXBW, 'SSE41', 'Wq'),
  map38('31', 'PMOVZXBD', V.V_PMOVZXBD, 'SSE41', 'Wd'),
  map38('32', 'PMOVZXBQ', V.V_PMOVZXBQ, 'SSE41', 'Ww'),
  map38('33', 'PMOVZXWD', V.V_PMOVZXWD, 'SSE41', 'Wq'),
  map38('34', 'PMOVZXWQ', V.V_PMOVZXWQ, 'SSE41', 'Wd'),
  map38('35', 'PMOVZXDQ', V.V_PMOVZXDQ, 'SSE41', 'Wq'),
  map38('38', 'PMINSB', V.V_PMINSB),
  map38('39', 'PMINSD', V.V_PMINSD),
  map38('3A', 'PMINUW', V.V_PMINUW),
  map38('3B', 'PMINUD', V.V_PMINUD),
  map38('3C', 'PMAXSB', V.V_PMAXSB),
  map38('3D', 'PMAXSD', V.V_PMAXSD),
  map38('3E', 'PMAXUW', V.V_PMAXUW),
  map38('3F', 'PMAXUD', V.V_PMAXUD),
  map38('40', 'PMULLD', V.V_PMULLD),
  map38('41', 'PHMINPOSUW', V.V_PHMINPOSUW),
  map3a('08', 'ROUNDPS', V.V_ROUNDPS),
  map3a('09', 'ROUNDPD', V.V_ROUNDPD),
  map3a('0A', 'ROUNDSS', V.V_ROUNDSS, 'Wd'),
  map3a('0B', 'ROUNDSD', V.V_ROUNDSD, 'Wq'),
  map3a('0C', 'BLENDPS', V.V_BLENDPS),
  map3a('0D', 'BLENDPD', V.V_BLENDPD),
  map3a('0E', 'PBLENDW', V.V_PBLENDW),
  plain('66 0F3A 14 /r reg', 'PEXTRB', 'Ed,Vx,Ib', V.V_PEXTRB, 'SSE41'),
  plain('66 0F3A 14 /r mem', 'PEXTRB', 'Mb,Vx,Ib', V.V_PEXTRB, 'SSE41'),
  plain('66 0F3A 15 /r reg', 'PEXTRW', 'Ed,Vx,Ib', V.V_PEXTRW, 'SSE41'),
  plain('66 0F3A 15 /r mem', 'PEXTRW', 'Mw,Vx,Ib', V.V_PEXTRW, 'SSE41'),
  row('66 0F3A 16 /r', 'PEXTRD', 'Ey,Vx,Ib', vector(V.V_PEXTRD), { feature: 'SSE41', names: ['PEXTRD', 'PEXTRD', 'PEXTRQ'] }),
  plain('66 0F3A 17 /r', 'EXTRACTPS', 'Ed,Vx,Ib', V.V_EXTRACTPS, 'SSE41'),
  plain('66 0F3A 20 /r reg', 'PINSRB', 'Vx,Ed,Ib', V.V_PINSRB, 'SSE41'),
  plain('66 0F3A 20 /r mem', 'PINSRB', 'Vx,Mb,Ib', V.V_PINSRB, 'SSE41'),
  map3a('21', 'INSERTPS', V.V_INSERTPS, 'Wd'),
  row('66 0F3A 22 /r', 'PINSRD', 'Vx,Ey,Ib', vector(V.V_PINSRD), { feature: 'SSE41', names: ['PINSRD', 'PINSRD', 'PINSRQ'] }),
  map3a('40', 'DPPS', V.V_DPPS),
  map3a('41', 'DPPD', V.V_DPPD),
  map3a('42', 'MPSADBW', V.V_MPSADBW),
]

const sse42Rows: readonly OpcodeRow[] = [
  map38('37', 'PCMPGTQ', V.V_PCMPGTQ, 'SSE42'),
  row('66 0F3A 60 /r', 'PCMPESTRM', 'Vx,Wx,Ib', vector(V.V_PCMPESTRM), { feature: 'SSE42', unaligned: true }),
  row('66 0F3A 61 /r', 'PCMPESTRI', 'Vx,Wx,Ib', vector(V.V_PCMPESTRI), { feature: 'SSE42', unaligned: true }),
  row('66 0F3A 62 /r', 'PCMPISTRM', 'Vx,Wx,Ib', vector(V.V_PCMPISTRM), { feature: 'SSE42', unaligned: true }),
  row('66 0F3A 63 /r', 'PCMPISTRI', 'Vx,Wx,Ib', vector(V.V_PCMPISTRI), { feature: 'SSE42', unaligned: true }),
  plain('F2 0F38 F0 /r', 'CRC32', 'Gy,Eb', V.V_CRC32_BYTE, 'SSE42'),
  plain('F2 0F38 F1 /r', 'CRC32', 'Gy,Ev', V.V_CRC32, 'SSE42'),
]

/** The two immediates of EXTRQ and INSERTQ, length and index in this order, arrive as length | index << 8. */
const sse4aRows: readonly OpcodeRow[] = [
  plain('66 0F 78 /0 reg', 'EXTRQ', 'Ux,Ib,Ib', V.V_EXTRQ_IMM, 'SSE4A'),
  plain('66 0F 79 /r reg', 'EXTRQ', 'Vx,Ux', V.V_EXTRQ, 'SSE4A'),
  plain('F2 0F 78 /r reg', 'INSERTQ', 'Vx,Ux,Ib,Ib', V.V_INSERTQ_IMM, 'SSE4A'),
  plain('F2 0F 79 /r reg', 'INSERTQ', 'Vx,Ux', V.V_INSERTQ, 'SSE4A'),
  plain('F3 0F 2B /r mem', 'MOVNTSS', 'Md,Vx', V.V_MOVSS_STORE, 'SSE4A'),
  plain('F2 0F 2B /r mem', 'MOVNTSD', 'Mq,Vx', V.V_MOVSD_STORE, 'SSE4A'),
]

export const sseLaterRows: readonly OpcodeRow[] = [...sse3Rows, ...ssse3Rows, ...sse41Rows, ...sse42Rows, ...sse4aRows]
