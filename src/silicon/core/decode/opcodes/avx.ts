// AVX, AVX2 and F16C instructions that have no legacy form (AMD APM vol. 4). Feature names say where the 128-bit form comes from; 256-bit forms of
// integer instructions need AVX2.

import * as V from '../../ir/vector-ids.js'
import { row, vector, type OpcodeRow, type RowOptions } from '../row.js'

const avx = { feature: 'AVX', unaligned: true } as const
const avx2 = { feature: 'AVX2', unaligned: true } as const
const f16c = { feature: 'F16C', unaligned: true } as const

const of = (options: RowOptions) => {
  return (encoding: string, mnemonic: string, operands: string, id: number): OpcodeRow =>
    row(encoding, mnemonic, operands, vector(id), options)
}
const first = of(avx)
const second = of(avx2)
const half = of(f16c)

const stateRows: readonly OpcodeRow[] = [
  first('VEX.L0 NP 0F 77', 'VZEROUPPER', '', V.V_VZEROUPPER),
  first('VEX.L1 NP 0F 77', 'VZEROALL', '', V.V_VZEROALL),
]

const broadcastRows: readonly OpcodeRow[] = [
  first('VEX 66 0F38 18 /r W0 mem', 'VBROADCASTSS', 'Vx,Md', V.V_BROADCAST_D),
  second('VEX 66 0F38 18 /r W0 reg', 'VBROADCASTSS', 'Vx,Udq', V.V_BROADCAST_D),
  first('VEX.L1 66 0F38 19 /r W0 mem', 'VBROADCASTSD', 'Vx,Mq', V.V_BROADCAST_Q),
  second('VEX.L1 66 0F38 19 /r W0 reg', 'VBROADCASTSD', 'Vx,Udq', V.V_BROADCAST_Q),
  first('VEX.L1 66 0F38 1A /r W0 mem', 'VBROADCASTF128', 'Vx,Mdq', V.V_BROADCAST_128),
  second('VEX.L1 66 0F38 5A /r W0 mem', 'VBROADCASTI128', 'Vx,Mdq', V.V_BROADCAST_128),
  second('VEX 66 0F38 58 /r W0', 'VPBROADCASTD', 'Vx,Wd', V.V_BROADCAST_D),
  second('VEX 66 0F38 59 /r W0', 'VPBROADCASTQ', 'Vx,Wq', V.V_BROADCAST_Q),
  second('VEX 66 0F38 78 /r W0', 'VPBROADCASTB', 'Vx,Wb', V.V_BROADCAST_B),
  second('VEX 66 0F38 79 /r W0', 'VPBROADCASTW', 'Vx,Ww', V.V_BROADCAST_W),
]

/** Those with a twin's number do within each half what that legacy instruction does. */
const permuteRows: readonly OpcodeRow[] = [
  first('VEX 66 0F38 0C /r W0', 'VPERMILPS', 'Vx,Hx,Wx', V.V_VPERMILPS),
  first('VEX 66 0F38 0D /r W0', 'VPERMILPD', 'Vx,Hx,Wx', V.V_VPERMILPD),
  first('VEX 66 0F3A 04 /r W0', 'VPERMILPS', 'Vx,Wx,Ib', V.V_VEX + V.V_PSHUFD),
  first('VEX 66 0F3A 05 /r W0', 'VPERMILPD', 'Vx,Wx,Ib', V.V_VPERMILPD_IMM),
  first('VEX.L1 66 0F3A 06 /r W0', 'VPERM2F128', 'Vx,Hx,Wx,Ib', V.V_VPERM2_128),
  second('VEX.L1 66 0F3A 46 /r W0', 'VPERM2I128', 'Vx,Hx,Wx,Ib', V.V_VPERM2_128),
  second('VEX.L1 66 0F3A 00 /r W1', 'VPERMQ', 'Vx,Wx,Ib', V.V_VPERMQ),
  second('VEX.L1 66 0F3A 01 /r W1', 'VPERMPD', 'Vx,Wx,Ib', V.V_VPERMQ),
  second('VEX.L1 66 0F38 36 /r W0', 'VPERMD', 'Vx,Hx,Wx', V.V_VPERMD),
  second('VEX.L1 66 0F38 16 /r W0', 'VPERMPS', 'Vx,Hx,Wx', V.V_VPERMD),
  first('VEX.L1 66 0F3A 18 /r W0', 'VINSERTF128', 'Vx,Hx,Wdq,Ib', V.V_VINSERT_128),
  second('VEX.L1 66 0F3A 38 /r W0', 'VINSERTI128', 'Vx,Hx,Wdq,Ib', V.V_VINSERT_128),
  first('VEX.L1 66 0F3A 19 /r W0', 'VEXTRACTF128', 'Wdq,Vx,Ib', V.V_VEXTRACT_128),
  second('VEX.L1 66 0F3A 39 /r W0', 'VEXTRACTI128', 'Wdq,Vx,Ib', V.V_VEXTRACT_128),
]

const laneRows: readonly OpcodeRow[] = [
  second('VEX 66 0F3A 02 /r W0', 'VPBLENDD', 'Vx,Hx,Wx,Ib', V.V_VEX + V.V_BLENDPS),
  first('VEX 66 0F3A 4A /r W0', 'VBLENDVPS', 'Vx,Hx,Wx,Lx', V.V_VBLENDVPS),
  first('VEX 66 0F3A 4B /r W0', 'VBLENDVPD', 'Vx,Hx,Wx,Lx', V.V_VBLENDVPD),
  second('VEX 66 0F3A 4C /r W0', 'VPBLENDVB', 'Vx,Hx,Wx,Lx', V.V_VPBLENDVB),
  second('VEX 66 0F38 45 /r W0', 'VPSRLVD', 'Vx,Hx,Wx', V.V_VPSRLVD),
  second('VEX 66 0F38 45 /r W1', 'VPSRLVQ', 'Vx,Hx,Wx', V.V_VPSRLVQ),
  second('VEX 66 0F38 46 /r W0', 'VPSRAVD', 'Vx,Hx,Wx', V.V_VPSRAVD),
  second('VEX 66 0F38 47 /r W0', 'VPSLLVD', 'Vx,Hx,Wx', V.V_VPSLLVD),
  second('VEX 66 0F38 47 /r W1', 'VPSLLVQ', 'Vx,Hx,Wx', V.V_VPSLLVQ),
  first('VEX 66 0F38 0E /r W0', 'VTESTPS', 'Vx,Wx', V.V_VTESTPS),
  first('VEX 66 0F38 0F /r W0', 'VTESTPD', 'Vx,Wx', V.V_VTESTPD),
]

const maskedRows: readonly OpcodeRow[] = [
  first('VEX 66 0F38 2C /r W0 mem', 'VMASKMOVPS', 'Vx,Hx,Mx', V.V_MASKLOAD_D),
  first('VEX 66 0F38 2D /r W0 mem', 'VMASKMOVPD', 'Vx,Hx,Mx', V.V_MASKLOAD_Q),
  first('VEX 66 0F38 2E /r W0 mem', 'VMASKMOVPS', 'Mx,Hx,Vx', V.V_MASKSTORE_D),
  first('VEX 66 0F38 2F /r W0 mem', 'VMASKMOVPD', 'Mx,Hx,Vx', V.V_MASKSTORE_Q),
  second('VEX 66 0F38 8C /r W0 mem', 'VPMASKMOVD', 'Vx,Hx,Mx', V.V_MASKLOAD_D),
  second('VEX 66 0F38 8C /r W1 mem', 'VPMASKMOVQ', 'Vx,Hx,Mx', V.V_MASKLOAD_Q),
  second('VEX 66 0F38 8E /r W0 mem', 'VPMASKMOVD', 'Mx,Hx,Vx', V.V_MASKSTORE_D),
  second('VEX 66 0F38 8E /r W1 mem', 'VPMASKMOVQ', 'Mx,Hx,Vx', V.V_MASKSTORE_Q),
]

/** `index` as VSIB registers are sized: dword indices of quadwords, and they alone, stand in half a vector. */
const gather = (opcode: string, w: string, mnemonic: string, operands: string, index: 'x' | 'dq', id: number): OpcodeRow =>
  row(`VEX 66 0F38 ${opcode} /r ${w} mem`, mnemonic, operands, vector(id), { ...avx2, indexed: index })

const gatherRows: readonly OpcodeRow[] = [
  gather('90', 'W0', 'VPGATHERDD', 'Vx,Md,Hx', 'x', V.V_GATHER_DD),
  gather('90', 'W1', 'VPGATHERDQ', 'Vx,Mq,Hx', 'dq', V.V_GATHER_DQ),
  gather('91', 'W0', 'VPGATHERQD', 'Vdq,Md,Hdq', 'x', V.V_GATHER_QD),
  gather('91', 'W1', 'VPGATHERQQ', 'Vx,Mq,Hx', 'x', V.V_GATHER_QQ),
  gather('92', 'W0', 'VGATHERDPS', 'Vx,Md,Hx', 'x', V.V_GATHER_DD),
  gather('92', 'W1', 'VGATHERDPD', 'Vx,Mq,Hx', 'dq', V.V_GATHER_DQ),
  gather('93', 'W0', 'VGATHERQPS', 'Vdq,Md,Hdq', 'x', V.V_GATHER_QD),
  gather('93', 'W1', 'VGATHERQPD', 'Vx,Mq,Hx', 'x', V.V_GATHER_QQ),
]

const halfRows: readonly OpcodeRow[] = [
  half('VEX 66 0F38 13 /r W0', 'VCVTPH2PS', 'Vx,Wh', V.V_VCVTPH2PS),
  half('VEX 66 0F3A 1D /r W0', 'VCVTPS2PH', 'Wh,Vx,Ib', V.V_VCVTPS2PH),
]

export const avxRows: readonly OpcodeRow[] = [
  ...stateRows,
  ...broadcastRows,
  ...permuteRows,
  ...laneRows,
  ...maskedRows,
  ...gatherRows,
  ...halfRows,
]
